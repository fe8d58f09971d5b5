/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the frames of a hello, or a true peer's frames with something done to them on the way. The first byte
 * chooses the role and whether there are certificates; then, for each frame that our end gets, four bytes: what is done
 * (nothing, a byte changed, cut off, replaced by bytes that follow), where (two), and with what. Whatever comes: an
 * end has its reason and its answer fits, and with certificates nobody is believed whose greeting was changed.
 */
#include <string.h>

#include "gossip/hello.h"
#include "tests/lib/tmpdir.h"

#define NOW 1767323045678LL /* 2026-01-02 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct frame {
	size_t n;
	uint8_t v[HELLO_FRAME_MAX + 1];
};

/* What is left of the input. */
struct input {
	const uint8_t *v;
	size_t n;
};

static const char *any_name(const char *name)
{
	(void)name;
	return NULL;
}

static struct pki *make_keys(struct tmpdir *dir, const char *node)
{
	struct pki_order o = {.dir = dir->path, .wall_ms = NOW, .check_name = any_name};
	struct bytes said = {.max = 4096};
	char ca[PATH_MAX], cert[PATH_MAX], key[PATH_MAX];
	struct pki *p = NULL;
	struct err e;

	(void)snprintf(ca, sizeof(ca), "%s/ca.pem", dir->path); /* fits, as those below */
	(void)snprintf(cert, sizeof(cert), "%s/%s.pem", dir->path, node);
	(void)snprintf(key, sizeof(key), "%s/%s.key", dir->path, node);
	if (pki_issue(&o, node, &said, &e) < 0 || pki_load(ca, cert, key, node, NOW, &p, &e) < 0)
		abort();
	bytes_done(&said);
	return p;
}

/* Made once: [0] ours, [1] the peer's. */
static struct pki **keys(void)
{
	static struct pki *both[2];

	if (!both[0]) {
		struct tmpdir dir = tmpdir_make();
		struct pki_order o = {.dir = dir.path, .wall_ms = NOW, .check_name = any_name};
		struct bytes said = {.max = 4096};

		if (pki_init(&o, &said, NULL) < 0)
			abort();
		both[0] = make_keys(&dir, "n1");
		both[1] = make_keys(&dir, "n2");
		bytes_done(&said);
		tmpdir_remove(&dir);
	}
	return both;
}

static void begin(struct hello *h, int who, bool dialled, bool with_keys)
{
	static const uint8_t cluster[16] = {7};
	const uint8_t nonce[HELLO_NONCE_BYTES] = {(uint8_t)(who + 1)};
	struct gossip_record r = {.uuid = {(uint8_t)(who + 1)},
		.name = {.v = who ? "n2" : "n1", .n = 2},
		.address = {.v = "", .n = 0},
		.build = {.v = "1", .n = 1},
		.version = 1,
		.wire_min = 1,
		.wire_max = 1,
		.watch_rings = 5,
		.beat_ms = 1000};
	const struct hello_self self = {.record = &r,
		.boot = 1,
		.process = (uint64_t)who,
		.cluster = who ? cluster : NULL,
		.pki = with_keys ? keys()[who] : NULL};

	hello_init(h, &self, dialled, nonce);
}

/* Returns whether the frame is another one now. */
static bool meddle(struct input *in, struct frame *f)
{
	struct frame was = *f;
	const uint8_t *op = in->v;
	size_t at;

	if (in->n < 4)
		return false;
	in->v += 4;
	in->n -= 4;
	at = (size_t)op[1] << 8 | op[2];
	if (op[0] % 4 == 1 && f->n)
		f->v[at % f->n] ^= op[3];
	else if (op[0] % 4 == 2)
		f->n = MIN(f->n, at);
	else if (op[0] % 4 == 3) {
		f->n = MIN(MIN(at, in->n), sizeof(f->v));
		memcpy(f->v, in->v, f->n);
		in->v += f->n;
		in->n -= f->n;
	}
	return f->n != was.n || memcmp(f->v, was.v, f->n) != 0;
}

/* Our end gets a frame: true while it goes on. */
static bool step(struct hello *h, const struct frame *f, struct frame *answer)
{
	AUTO_FREE uint8_t *exactly = malloc(f->n ? f->n : 1); /* so that a sanitizer sees one byte too many */
	struct err e = {0};

	if (!exactly)
		abort();
	memcpy(exactly, f->v, f->n);
	switch (hello_step(h, exactly, f->n, NOW, answer->v, &answer->n, &e)) {
	case HELLO_REFUSED:
		if (h->why == HELLO_WHY_NONE || !e.text[0] || answer->n == 0)
			abort();
		return false;
	case HELLO_TURNED_AWAY:
		if (h->why == HELLO_WHY_NONE || !e.text[0] || answer->n != 0)
			abort();
		return false;
	case HELLO_DONE:
		return false;
	default:
		if (answer->n == 0)
			abort();
		return true;
	}
}

static bool is_open(const struct hello *h)
{
	return h->state == HELLO_AWAITS_HELLO || h->state == HELLO_AWAITS_PROOF;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.v = data + 1, .n = size ? size - 1 : 0};
	bool dialled = size && data[0] & 1, with_keys = size && data[0] & 2, greeting_changed = false;
	struct frame to_us = {0}, to_peer = {0};
	struct hello us, peer;
	unsigned n = 0;

	begin(&us, 0, dialled, with_keys);
	begin(&peer, 1, !dialled, with_keys);
	if (dialled)
		to_peer.n = hello_begin(&us, to_peer.v);
	else
		to_us.n = hello_begin(&peer, to_us.v);
	for (;;) {
		if (dialled || n > 0) {
			to_us.n = 0;
			if (to_peer.n && is_open(&peer))
				(void)hello_step(
					&peer, to_peer.v, to_peer.n, NOW, to_us.v, &to_us.n, NULL); /* any end */
		}
		greeting_changed |= meddle(&in, &to_us) && n == 0;
		if (n++ > 3 || !step(&us, &to_us, &to_peer))
			break;
	}
	if (us.state == HELLO_DONE && with_keys && greeting_changed)
		abort();
	if (us.state == HELLO_DONE && us.peer.id == 0)
		abort();
	hello_done(&us);
	hello_done(&peer);
	return 0;
}
