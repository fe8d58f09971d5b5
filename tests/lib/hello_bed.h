/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_HELLO_BED_H
#define TESTS_LIB_HELLO_BED_H
/*
 * Two ends of a link that greet each other in one process, each frame of theirs to be kept, or meddled with.
 */
#include "gossip/hello.h"
#include "tests/lib/pki_bed.h"

/* A node, as a hello sees it. */
struct hello_node {
	struct gossip_record record;
	struct hello_self self;
};

static inline struct hello_node hello_node_of(const char *name, const uint8_t *cluster, struct pki *pki)
{
	struct hello_node n = {.record = {.uuid = {1, 2, 3, 4, 5, 6, 7},
				       .version = 1,
				       .wire_min = 1,
				       .wire_max = 1,
				       .watch_rings = 5,
				       .beat_ms = 1000}};

	n.record.uuid[7] = (uint8_t)name[1];
	n.record.name = (struct gossip_str){.v = name, .n = (uint16_t)strlen(name)};
	n.record.address = (struct gossip_str){.v = "10.0.0.1:7947", .n = 13};
	n.record.build = (struct gossip_str){.v = "0.1.0", .n = 5};
	n.self = (struct hello_self){.boot = 3, .process = (uint64_t)name[1], .cluster = cluster, .pki = pki};
	return n;
}

static inline void hello_bed_init(struct hello *h, struct hello_node *n, bool dialled, uint8_t nonce)
{
	uint8_t bytes[HELLO_NONCE_BYTES] = {nonce};

	n->self.record = &n->record;
	hello_init(h, &n->self, dialled, bytes);
}

struct hello_frame {
	size_t n;
	uint8_t v[HELLO_FRAME_MAX];
};

/* What two ends said: each frame as it arrived, and where both ended. */
struct hello_talk {
	struct hello d, l;
	struct err d_err, l_err;
	struct hello_frame frames[8];
	size_t n;
	int64_t wall_ms;
	/* Called for each frame on its way. */
	void (*meddle)(void *arg, size_t number, struct hello_frame *f);
	void *arg;
};

static inline bool hello_is_over(const struct hello *h)
{
	return h->state != HELLO_AWAITS_HELLO && h->state != HELLO_AWAITS_PROOF;
}

static inline void hello_talk(struct hello_talk *t)
{
	struct hello_frame f;
	bool to_listener = true;

	t->wall_ms = t->wall_ms ? t->wall_ms : PKI_BED_NOW;
	f.n = hello_begin(&t->d, f.v);
	while (f.n > 0) {
		struct hello *to = to_listener ? &t->l : &t->d;
		struct hello_frame answer;

		if (t->meddle)
			t->meddle(t->arg, t->n, &f);
		assert_true(t->n < ARRAY_LEN(t->frames));
		t->frames[t->n++] = f;
		if (hello_is_over(to))
			break;
		(void)hello_step(to, f.v, f.n, t->wall_ms, answer.v, &answer.n,
			to_listener ? &t->l_err : &t->d_err); /* the states tell */
		f = answer;
		to_listener = !to_listener;
	}
}

static inline void hello_talk_done(struct hello_talk *t)
{
	hello_done(&t->d);
	hello_done(&t->l);
}

static inline void hello_talk_between(struct hello_talk *t, struct hello_node *dialler, struct hello_node *listener)
{
	hello_bed_init(&t->d, dialler, true, 0xd);
	hello_bed_init(&t->l, listener, false, 0xe);
	hello_talk(t);
}

static inline void hello_knows(const struct hello *h, const char *name)
{
	assert_int_equal(h->state, HELLO_DONE);
	assert_int_equal(h->peer.record.name.n, strlen(name));
	assert_memory_equal(h->peer.record.name.v, name, strlen(name));
	assert_true(h->peer.id == (0x0102030405060700 | (uint64_t)name[1]));
	assert_int_equal(h->peer.boot, 3);
	assert_int_equal(h->peer.version, 1);
	assert_int_equal(h->peer.record.beat_ms, 1000);
	assert_memory_equal(h->peer.record.address.v, "10.0.0.1:7947", 13);
}

/* One end refuses with the sentence, and the other is told the same. */
static inline void hello_bed_refused(const struct hello_talk *t, bool by_dialler, enum hello_why why, const char *said)
{
	const struct hello *by = by_dialler ? &t->d : &t->l, *to = by_dialler ? &t->l : &t->d;
	const char *text = by_dialler ? t->d_err.text : t->l_err.text,
		   *told = by_dialler ? t->l_err.text : t->d_err.text;

	if (by->state != HELLO_REFUSED || by->why != why || !strstr(text, said))
		fail_msg("state %d, why %d: '%s' was not said, but: %s", by->state, by->why, said, text);
	if (to->state == HELLO_DONE) /* the listener, which believed the dialler, and is told now: it closes */
		return;
	assert_int_equal(to->state, HELLO_TURNED_AWAY);
	assert_int_equal(to->why, why);
	assert_memory_equal(told, "turned away: ", 13);
	assert_non_null(strstr(told, said));
}

#endif
