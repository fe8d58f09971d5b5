/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gossip/hello: two ends greet each other with real certificates, and whatever is wrong with one of them, or done to
 * their frames on the way, ends in a refusal that both can read.
 */
#include "gossip/hello.h"

#include <errno.h>

#include "base/unpack.h"
#include "tests/lib/pki_bed.h"

#define NOW  PKI_BED_NOW
#define YEAR PKI_BED_YEAR

static const uint8_t cluster_a[16] = {0xa1, 2, 3}, cluster_b[16] = {0xb1, 2, 3};

/* A node, as a hello sees it. */
struct node {
	struct gossip_record record;
	struct hello_self self;
};

static struct node node_of(const char *name, const uint8_t *cluster, struct pki *pki)
{
	struct node n = {.record = {.uuid = {1, 2, 3, 4, 5, 6, 7}, .version = 1, .wire_min = 1, .wire_max = 1,
				 .watch_rings = 5, .beat_ms = 1000}};

	n.record.uuid[7] = (uint8_t)name[1];
	n.record.name = (struct gossip_str){.v = name, .n = (uint16_t)strlen(name)};
	n.record.address = (struct gossip_str){.v = "10.0.0.1:7947", .n = 13};
	n.record.build = (struct gossip_str){.v = "0.1.0", .n = 5};
	n.self = (struct hello_self){.boot = 3, .process = (uint64_t)name[1], .cluster = cluster, .pki = pki};
	return n;
}

static void init(struct hello *h, struct node *n, bool dialled, uint8_t nonce)
{
	uint8_t bytes[HELLO_NONCE_BYTES] = {nonce};

	n->self.record = &n->record;
	hello_init(h, &n->self, dialled, bytes);
}

struct frame {
	size_t n;
	uint8_t v[HELLO_FRAME_MAX];
};

/* What two ends said: each frame as it arrived, and where both ended. */
struct talk {
	struct hello d, l;
	struct err d_err, l_err;
	struct frame frames[8];
	size_t n;
	int64_t wall_ms;
	/* Called for each frame on its way. */
	void (*meddle)(void *arg, size_t number, struct frame *f);
	void *arg;
};

static bool is_over(const struct hello *h)
{
	return h->state != HELLO_AWAITS_HELLO && h->state != HELLO_AWAITS_PROOF;
}

static void talk(struct talk *t)
{
	struct frame f;
	bool to_listener = true;

	t->wall_ms = t->wall_ms ? t->wall_ms : NOW;
	f.n = hello_begin(&t->d, f.v);
	while (f.n > 0) {
		struct hello *to = to_listener ? &t->l : &t->d;
		struct frame answer;

		if (t->meddle)
			t->meddle(t->arg, t->n, &f);
		assert_true(t->n < ARRAY_LEN(t->frames));
		t->frames[t->n++] = f;
		if (is_over(to))
			break;
		(void)hello_step(to, f.v, f.n, t->wall_ms, answer.v, &answer.n,
			to_listener ? &t->l_err : &t->d_err); /* the states tell */
		f = answer;
		to_listener = !to_listener;
	}
}

static void talk_done(struct talk *t)
{
	hello_done(&t->d);
	hello_done(&t->l);
}

static void talk_between(struct talk *t, struct node *dialler, struct node *listener)
{
	init(&t->d, dialler, true, 0xd);
	init(&t->l, listener, false, 0xe);
	talk(t);
}

/* One end refuses with the sentence, and the other is told the same. */
static void refused(const struct talk *t, bool by_dialler, enum hello_why why, const char *said)
{
	const struct hello *by = by_dialler ? &t->d : &t->l, *to = by_dialler ? &t->l : &t->d;
	const char *text = by_dialler ? t->d_err.text : t->l_err.text, *told = by_dialler ? t->l_err.text : t->d_err.text;

	if (by->state != HELLO_REFUSED || by->why != why || !strstr(text, said))
		fail_msg("state %d, why %d: '%s' was not said, but: %s", by->state, by->why, said, text);
	if (to->state == HELLO_DONE) /* the listener, which believed the dialler, and is told now: it closes */
		return;
	assert_int_equal(to->state, HELLO_TURNED_AWAY);
	assert_int_equal(to->why, why);
	assert_memory_equal(told, "turned away: ", 13);
	assert_non_null(strstr(told, said));
}

struct bed {
	struct pki_bed b;
	struct pki *n1, *n2, *n3;
};

static int setup(void **state)
{
	static struct bed bed;

	bed.b = (struct pki_bed){.dir = tmpdir_make()};
	pki_bed_authority(&bed.b, "ours", NOW);
	pki_bed_issue(&bed.b, "ours", "n1", NOW);
	pki_bed_issue(&bed.b, "ours", "n2", NOW);
	pki_bed_issue(&bed.b, "ours", "n3", NOW);
	bed.n1 = pki_bed_load(&bed.b, "ours", "n1", NOW);
	bed.n2 = pki_bed_load(&bed.b, "ours", "n2", NOW);
	bed.n3 = pki_bed_load(&bed.b, "ours", "n3", NOW);
	*state = &bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	pki_unref(bed->n1);
	pki_unref(bed->n2);
	pki_unref(bed->n3);
	tmpdir_remove(&bed->b.dir);
	return 0;
}

static void knows(const struct hello *h, const char *name)
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

static void two_members_greet(void **state)
{
	struct bed *bed = *state;
	struct node n1 = node_of("n1", cluster_a, bed->n1), n2 = node_of("n2", cluster_a, bed->n2);
	struct talk t = {0};

	talk_between(&t, &n1, &n2);
	assert_int_equal(t.n, 4);
	knows(&t.d, "n2");
	knows(&t.l, "n1");
	assert_true(t.d.peer.has_cluster && t.l.peer.has_cluster);
	assert_false(t.d.peer.lets_in || t.l.peer.lets_in);
	talk_done(&t);
}

static void without_certificates_the_same_is_said_unsigned(void **state)
{
	struct node n1 = node_of("n1", cluster_a, NULL), n2 = node_of("n2", cluster_a, NULL);
	struct talk t = {0};

	(void)state;
	talk_between(&t, &n1, &n2);
	assert_int_equal(t.n, 4);
	knows(&t.d, "n2");
	knows(&t.l, "n1");
	assert_true(t.frames[2].n < 16);
	talk_done(&t);
}

static void signed_and_unsigned_refuse_each_other(void **state)
{
	struct bed *bed = *state;
	struct node n1 = node_of("n1", cluster_a, bed->n1), n2 = node_of("n2", cluster_a, NULL);
	struct talk t = {0}, u = {0};

	talk_between(&t, &n1, &n2);
	refused(&t, false, HELLO_WHY_MODE, "node 'n1' (01020304-0506-0731-0000-000000000000) has certificates");
	talk_between(&u, &n2, &n1);
	refused(&u, false, HELLO_WHY_MODE, "is insecure (gossip.insecure), this node has certificates");
	talk_done(&t);
	talk_done(&u);
}

static void who_waits_is_let_in(void **state)
{
	struct bed *bed = *state;
	struct node n1 = node_of("n1", NULL, bed->n1), n2 = node_of("n2", cluster_a, bed->n2);
	struct talk t = {0}, u = {0}, v = {0};

	talk_between(&t, &n1, &n2);
	knows(&t.d, "n2");
	knows(&t.l, "n1");
	assert_true(t.d.peer.lets_in);
	assert_memory_equal(t.d.peer.cluster, cluster_a, 16);
	assert_false(t.l.peer.lets_in || t.l.peer.has_cluster);
	talk_between(&u, &n2, &n1); /* whoever dials */
	assert_true(u.l.state == HELLO_DONE && u.l.peer.lets_in);
	n2.self.cluster = NULL;
	talk_between(&v, &n1, &n2);
	refused(&v, false, HELLO_WHY_WAITING, "waits to be let in, as this node does");
	talk_done(&t);
	talk_done(&u);
	talk_done(&v);
}

static void other_clusters_and_versions(void **state)
{
	struct bed *bed = *state;
	struct node n1 = node_of("n1", cluster_a, bed->n1), n2 = node_of("n2", cluster_b, bed->n2);
	struct talk t = {0}, u = {0}, v = {0};

	talk_between(&t, &n1, &n2);
	refused(&t, false, HELLO_WHY_CLUSTER, "is of cluster a1020300-0000-0000-0000-000000000000, this node of b1020300-");
	n2 = node_of("n2", cluster_a, bed->n2);
	n1.record.wire_min = 2;
	n1.record.wire_max = 4;
	talk_between(&u, &n1, &n2);
	refused(&u, false, HELLO_WHY_VERSION, "speaks versions 2 to 4, this node 1 to 1");
	n2.record.wire_max = 3;
	talk_between(&v, &n1, &n2);
	assert_true(v.d.state == HELLO_DONE && v.l.state == HELLO_DONE);
	assert_int_equal(v.d.peer.version, 3);
	assert_int_equal(v.l.peer.version, 3);
	talk_done(&t);
	talk_done(&u);
	talk_done(&v);
}

static void oneself_a_copy_and_an_id_alike(void **state)
{
	struct bed *bed = *state;
	struct node n1 = node_of("n1", cluster_a, bed->n1), same = n1, copy = n1, alike = n1;
	struct talk t = {0}, u = {0}, v = {0};

	talk_between(&t, &n1, &same);
	refused(&t, false, HELLO_WHY_SELF, "this is the node itself");
	copy.self.process++;
	talk_between(&u, &n1, &copy);
	refused(&u, false, HELLO_WHY_CLONE, "node 'n1' (01020304-0506-0731-0000-000000000000) runs twice: its data "
					    "directory was copied");
	alike.record.uuid[15] = 1;
	talk_between(&v, &n1, &alike);
	refused(&v, false, HELLO_WHY_ALIKE, "has an id that begins as another one's");
	talk_done(&t);
	talk_done(&u);
	talk_done(&v);
}

/* ---- certificates ---- */

/* One who is fine and one who is not, in both roles: the one who is fine refuses. */
static void both_ways(struct node *good, struct node *bad, int64_t wall_ms, const char *said)
{
	struct talk t = {.wall_ms = wall_ms}, u = {.wall_ms = wall_ms};

	talk_between(&t, bad, good);
	refused(&t, false, HELLO_WHY_PROOF, said);
	talk_between(&u, good, bad);
	if (u.l.state == HELLO_REFUSED) /* what is wrong with one may be wrong with the other, in its eyes */
		refused(&u, false, HELLO_WHY_PROOF, said);
	else
		refused(&u, true, HELLO_WHY_PROOF, said);
	talk_done(&t);
	talk_done(&u);
}

static void certificates_that_are_not_believed(void **state)
{
	struct bed *bed = *state;
	struct node n1 = node_of("n1", cluster_a, bed->n1), other = node_of("n3", cluster_a, bed->n2);
	struct pki *p;

	both_ways(&n1, &other, 0, "n3: the certificate is not for node 'n3' but for CN=n2");
	pki_bed_authority(&bed->b, "theirs", NOW);
	pki_bed_issue(&bed->b, "theirs", "n2", NOW);
	p = pki_bed_load(&bed->b, "theirs", "n2", NOW);
	other = node_of("n2", cluster_a, p);
	both_ways(&n1, &other, 0, "the certificate is not signed by this cluster's CA");
	pki_unref(p);
	pki_bed_issue(&bed->b, "ours", "n2", NOW + YEAR);
	p = pki_bed_load(&bed->b, "ours", "n2", NOW + YEAR);
	other = node_of("n2", cluster_a, p);
	both_ways(&n1, &other, 0, "n2: the certificate is valid only from 2027-01-02");
	both_ways(&other, &n1, NOW + 5 * YEAR / 2, "n1: the certificate expired on 2028-01-02");
	pki_unref(p);
}

static void no_certificate(void *arg, size_t number, struct frame *f)
{
	(void)arg;
	if (number == 2)
		*f = (struct frame){.n = 5, .v = {0x93, 101, 0xc4, 0, 0x90}};
}

static void who_shows_none_is_nobody(void **state)
{
	struct bed *bed = *state;
	struct node n1 = node_of("n1", cluster_a, bed->n1), n2 = node_of("n2", cluster_a, bed->n2);
	struct talk t = {.meddle = no_certificate};

	talk_between(&t, &n1, &n2);
	refused(&t, false, HELLO_WHY_PROOF, "n1: showed no certificate");
	talk_done(&t);
}

/* ---- frames of others ---- */

static void a_recorded_hello_is_worth_nothing(void **state)
{
	struct bed *bed = *state;
	struct node n1 = node_of("n1", cluster_a, bed->n1), n2 = node_of("n2", cluster_a, bed->n2),
		    n3 = node_of("n3", cluster_a, bed->n3);
	struct node *const to[] = {&n2, &n3};
	struct talk t = {0};
	struct frame answer;
	struct hello again;
	struct err e;

	talk_between(&t, &n1, &n2);
	assert_int_equal(t.l.state, HELLO_DONE);
	for (size_t i = 0; i < ARRAY_LEN(to); i++) { /* to the same node later, and to another one */
		init(&again, to[i], false, 0xf);
		assert_int_equal(hello_step(&again, t.frames[0].v, t.frames[0].n, NOW, answer.v, &answer.n, &e),
			HELLO_AWAITS_PROOF);
		assert_int_equal(
			hello_step(&again, t.frames[2].v, t.frames[2].n, NOW, answer.v, &answer.n, &e), HELLO_REFUSED);
		assert_int_equal(again.why, HELLO_WHY_PROOF);
		assert_string_equal(e.text, "n1: the signature is wrong: replayed, passed on, or not by this "
					    "certificate's key");
		hello_done(&again);
	}
	/* The listener's part, to a dialler: the nonce is new, so it must be wrong. */
	init(&again, &n1, true, 0xf);
	(void)hello_begin(&again, answer.v); /* its length is not of interest */
	assert_int_equal(
		hello_step(&again, t.frames[1].v, t.frames[1].n, NOW, answer.v, &answer.n, &e), HELLO_AWAITS_PROOF);
	assert_int_equal(hello_step(&again, t.frames[3].v, t.frames[3].n, NOW, answer.v, &answer.n, &e), HELLO_REFUSED);
	assert_int_equal(again.why, HELLO_WHY_PROOF);
	hello_done(&again);
	talk_done(&t);
}

/*
 * n3, a member, is dialled by n1 and dials n2, saying that it is n1: it hands n2 the HELLO and the PROOF that n1 made
 * for n3.
 */
static void a_hello_passed_on_is_worth_nothing(void **state)
{
	struct bed *bed = *state;
	struct node n1 = node_of("n1", cluster_a, bed->n1), n2 = node_of("n2", cluster_a, bed->n2),
		    n3 = node_of("n3", cluster_a, bed->n3);
	struct frame first, second, proof, answer;
	struct hello at_n1, at_n2, at_n3;
	struct err e;

	init(&at_n1, &n1, true, 1);
	init(&at_n2, &n2, false, 2);
	init(&at_n3, &n3, false, 3);
	first.n = hello_begin(&at_n1, first.v);
	assert_int_equal(hello_step(&at_n3, first.v, first.n, NOW, second.v, &second.n, &e), HELLO_AWAITS_PROOF);
	assert_int_equal(hello_step(&at_n1, second.v, second.n, NOW, proof.v, &proof.n, &e), HELLO_AWAITS_PROOF);
	assert_int_equal(hello_step(&at_n2, first.v, first.n, NOW, answer.v, &answer.n, &e), HELLO_AWAITS_PROOF);
	assert_int_equal(hello_step(&at_n2, proof.v, proof.n, NOW, answer.v, &answer.n, &e), HELLO_REFUSED);
	assert_int_equal(at_n2.why, HELLO_WHY_PROOF);
	assert_int_equal(hello_step(&at_n3, proof.v, proof.n, NOW, answer.v, &answer.n, &e), HELLO_DONE); /* meant for it */
	hello_done(&at_n1);
	hello_done(&at_n2);
	hello_done(&at_n3);
}

/* What a dialler signed, sent back to it as if by the listener: the role is part of it. */
static void a_proof_sent_back_is_worth_nothing(void **state)
{
	struct bed *bed = *state;
	struct node n1 = node_of("n1", cluster_a, bed->n1), twin = node_of("n1", cluster_a, bed->n1);
	struct talk t = {0};
	struct frame answer;
	struct err e;

	twin.record.uuid[0] = 9; /* another node that claims the name n1 */
	init(&t.d, &n1, true, 1);
	init(&t.l, &twin, false, 2);
	t.frames[0].n = hello_begin(&t.d, t.frames[0].v);
	(void)hello_step(&t.l, t.frames[0].v, t.frames[0].n, NOW, t.frames[1].v, &t.frames[1].n, &e);
	(void)hello_step(&t.d, t.frames[1].v, t.frames[1].n, NOW, t.frames[2].v, &t.frames[2].n, &e);
	assert_int_equal(
		hello_step(&t.d, t.frames[2].v, t.frames[2].n, NOW, answer.v, &answer.n, &e), HELLO_REFUSED);
	assert_int_equal(t.d.why, HELLO_WHY_PROOF);
	talk_done(&t);
}

struct turned {
	size_t number, byte;
	bool done; /* there was such a byte */
};

static void turn_a_bit(void *arg, size_t number, struct frame *f)
{
	struct turned *x = arg;

	if (number != x->number)
		return;
	x->done = x->byte < f->n;
	if (x->done)
		f->v[x->byte] ^= 1;
}

/* Of each byte on its way, in each frame: nobody is taken for somebody by both. */
static void every_byte_is_signed(void **state)
{
	struct bed *bed = *state;
	struct node n1 = node_of("n1", cluster_a, bed->n1), n2 = node_of("n2", cluster_a, bed->n2);

	for (size_t number = 0; number < 4; number++) {
		struct turned x = {.number = number};
		size_t step = number < 2 ? 1 : 13; /* of a PROOF, the certificates' bytes are the CA's to check */

		do {
			struct talk t = {.meddle = turn_a_bit, .arg = &x};

			talk_between(&t, &n1, &n2);
			if (x.done && t.d.state == HELLO_DONE && t.l.state == HELLO_DONE)
				fail_msg("frame %zu, byte %zu", number, x.byte);
			talk_done(&t);
			x.byte += step;
		} while (x.done);
	}
}

/* ---- malformed ---- */

static void malformed(const uint8_t *v, size_t n, bool dialled, const char *said)
{
	struct node n1 = node_of("n1", cluster_a, NULL);
	struct frame answer;
	struct hello h;
	struct err e = {0};

	init(&h, &n1, dialled, 1);
	assert_int_equal(hello_step(&h, v, n, NOW, answer.v, &answer.n, &e), HELLO_REFUSED);
	assert_int_equal(h.why, HELLO_WHY_MALFORMED);
	if (!strstr(e.text, said))
		fail_msg("'%s' was not said, but: %s", said, e.text);
	assert_true(answer.n > 0 && answer.n < 300); /* the peer is told */
	hello_done(&h);
}

static size_t good_hello(uint8_t *v)
{
	struct node n2 = node_of("n2", cluster_a, NULL);
	struct hello h;
	size_t n;

	init(&h, &n2, true, 2);
	n = hello_begin(&h, v);
	hello_done(&h);
	return n;
}

static void what_is_no_hello(void **state)
{
	static const uint8_t http[] = "GET / HTTP/1.1\r\n\r\n", tls[] = {0x16, 3, 1, 2, 0, 1, 0},
			     newer[] = {0x92, 0xa5, 'c', 'o', 'v', 'e', 'y', 2}, other[] = {0x91, 0xa5, 'c', 'o', 'v', 'e', 'x'};
	static uint8_t big[HELLO_FRAME_MAX + 1];
	uint8_t v[HELLO_FRAME_MAX];
	size_t n = good_hello(v);

	(void)state;
	for (int dialled = 0; dialled < 2; dialled++) {
		malformed(http, sizeof(http) - 1, dialled, "what came is no hello of covey's");
		malformed(tls, sizeof(tls), dialled, "no hello of covey's");
		malformed(other, sizeof(other), dialled, "no hello of covey's");
		malformed(v, 0, dialled, "no hello of covey's");
		malformed(newer, sizeof(newer), dialled, "hello: 2 fields, 8 are needed");
		malformed(big, HELLO_GREETING_MAX + 1, dialled, "hello: 1025 bytes, at most 1024");
		malformed(big, sizeof(big), dialled, "hello: 4097 bytes, at most 4096");
		for (size_t cut = 0; cut < n; cut++)
			malformed(v, cut, dialled, "");
		v[n] = 0xc0;
		malformed(v, n + 1, dialled, "hello: 1 bytes too many");
	}
}

/* A HELLO whose value at `at` (after the head) is replaced. */
static void field_is(size_t at, const char *value, size_t value_n, const char *said)
{
	uint8_t v[HELLO_FRAME_MAX], w[HELLO_FRAME_MAX];
	size_t n = good_hello(v), end;
	struct unpack u = {.v = v, .n = n, .at = 1};

	for (size_t i = 0; i < at; i++)
		assert_int_equal(unpack_skip(&u, 4, 100, NULL), 0);
	memcpy(w, v, u.at);
	memcpy(w + u.at, value, value_n);
	end = u.at;
	assert_int_equal(unpack_skip(&u, 4, 100, NULL), 0);
	memcpy(w + end + value_n, v + u.at, n - u.at);
	malformed(w, end + value_n + n - u.at, false, said);
}

#define FIELD_IS(at, value, said) field_is(at, value, sizeof(value) - 1, said)

static void fields_of_a_wrong_kind(void **state)
{
	static const char *const names[] = {"", "format", "is_signed", "cluster", "process", "boot", "nonce", "record"};
	char said[64];

	(void)state;
	for (size_t i = 1; i < ARRAY_LEN(names); i++) {
		(void)snprintf(said, sizeof(said), "hello: %s: is a map, must be", names[i]);
		field_is(i, "\x80", 1, said);
	}
	FIELD_IS(1, "\x02", "hello: format: 2, must be from 1 to 1");
	FIELD_IS(3, "\x91\xc4\x0f"
		    "123456789012345",
		"hello: cluster: uuid: 15 bytes, must be 16");
	FIELD_IS(5, "\x00", "hello: boot: 0, must be from 1 to");
	FIELD_IS(5, "\xcf\x00\x00\x00\x01\x00\x00\x00\x00", "hello: boot: 4294967296, must be");
	FIELD_IS(6, "\xc4\x01z", "hello: nonce: 1 bytes, must be 32");
	FIELD_IS(7, "\x90", "hello: record: 0 fields, 10 are needed");
	FIELD_IS(7, "\xdd\x7f\xff\xff\xff", "2147483647 values announced");
}

static void records_that_are_none(void **state)
{
	struct node n1 = node_of("n1", cluster_a, NULL), n2 = node_of("n2", cluster_a, NULL);
	struct talk t = {0}, u = {0}, v = {0};

	(void)state;
	memset(n1.record.uuid, 0, 8);
	talk_between(&t, &n1, &n2);
	refused(&t, false, HELLO_WHY_MALFORMED, "hello: record: the UUID gives no id");
	n1 = node_of("n1", cluster_a, NULL);
	n1.record.wire_min = 2;
	talk_between(&u, &n1, &n2);
	refused(&u, false, HELLO_WHY_MALFORMED, "hello: record: versions 2 to 1");
	n1 = node_of("n\x1b[2J", cluster_a, NULL);
	talk_between(&v, &n1, &n2);
	refused(&v, false, HELLO_WHY_MALFORMED, "hello: record: name: has bytes that are no text");
	talk_done(&t);
	talk_done(&u);
	talk_done(&v);
}

static void more_fields(void *arg, size_t number, struct frame *f)
{
	(void)arg;
	(void)number;
	f->v[0]++; /* an array of one more */
	f->v[f->n++] = 0x91;
	f->v[f->n++] = 0x01;
}

/* Both ends must have signed what was said: here they come from a newer peer, so nobody meddles with signed ones. */
static void a_newer_peer_says_more(void **state)
{
	struct node n1 = node_of("n1", cluster_a, NULL), n2 = node_of("n2", cluster_a, NULL);
	struct talk t = {.meddle = more_fields};

	(void)state;
	talk_between(&t, &n1, &n2);
	knows(&t.d, "n2");
	knows(&t.l, "n1");
	talk_done(&t);
}

static void frames_out_of_turn(void **state)
{
	static const uint8_t proof[] = {0x93, 101, 0xc4, 0, 0x90}, beat[] = {0x93, 1, 2, 3};
	struct node n1 = node_of("n1", cluster_a, NULL);
	uint8_t v[HELLO_FRAME_MAX];
	size_t n = good_hello(v);
	const struct {
		const uint8_t *v;
		size_t n;
		const char *said;
	} late[] = {{v, n, "a frame came that is not due"}, {beat, sizeof(beat), "a frame came that is not due"},
		{proof, sizeof(proof) - 1, "hello: chain: cut off"}, {v, 0, "cut off"}};
	struct frame answer;
	struct hello h;
	struct err e;

	(void)state;
	malformed(proof, sizeof(proof), false, "no hello of covey's");
	malformed(beat, sizeof(beat), false, "no hello of covey's");
	for (size_t i = 0; i < ARRAY_LEN(late); i++) {
		init(&h, &n1, false, 1);
		assert_int_equal(hello_step(&h, v, n, NOW, answer.v, &answer.n, &e), HELLO_AWAITS_PROOF);
		assert_int_equal(
			hello_step(&h, late[i].v, late[i].n, NOW, answer.v, &answer.n, &e), HELLO_REFUSED);
		assert_int_equal(h.why, HELLO_WHY_MALFORMED);
		if (!strstr(e.text, late[i].said))
			fail_msg("'%s' was not said, but: %s", late[i].said, e.text);
		hello_done(&h);
	}
}

static void a_refusal_is_read_as_text_alone(void **state)
{
	static const uint8_t unknown[] = {0x93, 102, 99, 0xa2, 'n', 'o'}, dirty[] = {0x93, 102, 99, 0xa2, 'n', 0x1b};
	struct node n1 = node_of("n1", cluster_a, NULL);
	struct frame answer;
	struct hello h;
	struct err e;

	(void)state;
	init(&h, &n1, true, 1);
	assert_int_equal(
		hello_step(&h, unknown, sizeof(unknown), NOW, answer.v, &answer.n, &e), HELLO_TURNED_AWAY);
	assert_int_equal(h.why, HELLO_WHY_MALFORMED);
	assert_string_equal(e.text, "turned away: no");
	assert_int_equal(answer.n, 0);
	hello_done(&h);
	malformed(dirty, sizeof(dirty), true, "no hello of covey's");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(two_members_greet),
		TEST(without_certificates_the_same_is_said_unsigned),
		TEST(signed_and_unsigned_refuse_each_other),
		TEST(who_waits_is_let_in),
		TEST(other_clusters_and_versions),
		TEST(oneself_a_copy_and_an_id_alike),
		TEST(certificates_that_are_not_believed),
		TEST(who_shows_none_is_nobody),
		TEST(a_recorded_hello_is_worth_nothing),
		TEST(a_hello_passed_on_is_worth_nothing),
		TEST(a_proof_sent_back_is_worth_nothing),
		TEST(every_byte_is_signed),
		TEST(what_is_no_hello),
		TEST(fields_of_a_wrong_kind),
		TEST(records_that_are_none),
		TEST(a_newer_peer_says_more),
		TEST(frames_out_of_turn),
		TEST(a_refusal_is_read_as_text_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
