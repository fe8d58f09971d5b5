/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gossip/hello: two ends greet each other with real certificates, and whatever is wrong with one of them, or done to
 * their frames on the way, ends in a refusal that both can read.
 */
#include "tests/lib/hello_bed.h"

#define NOW  PKI_BED_NOW
#define YEAR PKI_BED_YEAR

static const uint8_t cluster_a[16] = {0xa1, 2, 3}, cluster_b[16] = {0xb1, 2, 3};

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

static void two_members_greet(void **state)
{
	struct bed *bed = *state;
	struct hello_node n1 = hello_node_of("n1", cluster_a, bed->n1), n2 = hello_node_of("n2", cluster_a, bed->n2);
	struct hello_talk t = {0};

	hello_talk_between(&t, &n1, &n2);
	assert_int_equal(t.n, 4);
	hello_knows(&t.d, "n2");
	hello_knows(&t.l, "n1");
	assert_true(t.d.peer.has_cluster && t.l.peer.has_cluster);
	assert_false(t.d.peer.lets_in || t.l.peer.lets_in);
	hello_talk_done(&t);
}

static void without_certificates_the_same_is_said_unsigned(void **state)
{
	struct hello_node n1 = hello_node_of("n1", cluster_a, NULL), n2 = hello_node_of("n2", cluster_a, NULL);
	struct hello_talk t = {0};

	(void)state;
	hello_talk_between(&t, &n1, &n2);
	assert_int_equal(t.n, 4);
	hello_knows(&t.d, "n2");
	hello_knows(&t.l, "n1");
	assert_true(t.frames[2].n < 16);
	hello_talk_done(&t);
}

static void signed_and_unsigned_refuse_each_other(void **state)
{
	struct bed *bed = *state;
	struct hello_node n1 = hello_node_of("n1", cluster_a, bed->n1), n2 = hello_node_of("n2", cluster_a, NULL);
	struct hello_talk t = {0}, u = {0};

	hello_talk_between(&t, &n1, &n2);
	hello_bed_refused(
		&t, false, HELLO_WHY_MODE, "node 'n1' (01020304-0506-0731-0000-000000000000) has certificates");
	hello_talk_between(&u, &n2, &n1);
	hello_bed_refused(&u, false, HELLO_WHY_MODE, "is insecure (gossip.insecure), this node has certificates");
	hello_talk_done(&t);
	hello_talk_done(&u);
}

static void who_waits_is_let_in(void **state)
{
	struct bed *bed = *state;
	struct hello_node n1 = hello_node_of("n1", NULL, bed->n1), n2 = hello_node_of("n2", cluster_a, bed->n2);
	struct hello_talk t = {0}, u = {0}, v = {0};

	hello_talk_between(&t, &n1, &n2);
	hello_knows(&t.d, "n2");
	hello_knows(&t.l, "n1");
	assert_true(t.d.peer.lets_in);
	assert_memory_equal(t.d.peer.cluster, cluster_a, 16);
	assert_false(t.l.peer.lets_in || t.l.peer.has_cluster);
	hello_talk_between(&u, &n2, &n1); /* whoever dials */
	assert_true(u.l.state == HELLO_DONE && u.l.peer.lets_in);
	n2.self.cluster = NULL;
	hello_talk_between(&v, &n1, &n2);
	hello_bed_refused(&v, false, HELLO_WHY_WAITING, "waits to be let in, as this node does");
	hello_talk_done(&t);
	hello_talk_done(&u);
	hello_talk_done(&v);
}

static void other_clusters_and_versions(void **state)
{
	struct bed *bed = *state;
	struct hello_node n1 = hello_node_of("n1", cluster_a, bed->n1), n2 = hello_node_of("n2", cluster_b, bed->n2);
	struct hello_talk t = {0}, u = {0}, v = {0};

	hello_talk_between(&t, &n1, &n2);
	hello_bed_refused(&t, false, HELLO_WHY_CLUSTER,
		"is of cluster a1020300-0000-0000-0000-000000000000, this node of b1020300-");
	n2 = hello_node_of("n2", cluster_a, bed->n2);
	n1.record.wire_min = 2;
	n1.record.wire_max = 4;
	hello_talk_between(&u, &n1, &n2);
	hello_bed_refused(&u, false, HELLO_WHY_VERSION, "speaks versions 2 to 4, this node 1 to 1");
	n2.record.wire_max = 3;
	hello_talk_between(&v, &n1, &n2);
	assert_true(v.d.state == HELLO_DONE && v.l.state == HELLO_DONE);
	assert_int_equal(v.d.peer.version, 3);
	assert_int_equal(v.l.peer.version, 3);
	hello_talk_done(&t);
	hello_talk_done(&u);
	hello_talk_done(&v);
}

static void oneself_a_copy_and_an_id_alike(void **state)
{
	struct bed *bed = *state;
	struct hello_node n1 = hello_node_of("n1", cluster_a, bed->n1), same = n1, copy = n1, alike = n1;
	struct hello_talk t = {0}, u = {0}, v = {0};

	hello_talk_between(&t, &n1, &same);
	hello_bed_refused(&t, false, HELLO_WHY_SELF, "this is the node itself");
	copy.self.process++;
	hello_talk_between(&u, &n1, &copy);
	hello_bed_refused(&u, false, HELLO_WHY_CLONE,
		"node 'n1' (01020304-0506-0731-0000-000000000000) runs twice: its data "
		"directory was copied");
	alike.record.uuid[15] = 1;
	hello_talk_between(&v, &n1, &alike);
	hello_bed_refused(&v, false, HELLO_WHY_ALIKE, "has an id that begins as another one's");
	hello_talk_done(&t);
	hello_talk_done(&u);
	hello_talk_done(&v);
}

/* ---- certificates ---- */

/* One who is fine and one who is not, in both roles: the one who is fine refuses. */
static void both_ways(struct hello_node *good, struct hello_node *bad, int64_t wall_ms, const char *said)
{
	struct hello_talk t = {.wall_ms = wall_ms}, u = {.wall_ms = wall_ms};

	hello_talk_between(&t, bad, good);
	hello_bed_refused(&t, false, HELLO_WHY_PROOF, said);
	hello_talk_between(&u, good, bad);
	if (u.l.state == HELLO_REFUSED) /* what is wrong with one may be wrong with the other, in its eyes */
		hello_bed_refused(&u, false, HELLO_WHY_PROOF, said);
	else
		hello_bed_refused(&u, true, HELLO_WHY_PROOF, said);
	hello_talk_done(&t);
	hello_talk_done(&u);
}

static void certificates_that_are_not_believed(void **state)
{
	struct bed *bed = *state;
	struct hello_node n1 = hello_node_of("n1", cluster_a, bed->n1), other = hello_node_of("n3", cluster_a, bed->n2);
	struct pki *p;

	both_ways(&n1, &other, 0, "n3: the certificate is not for node 'n3' but for CN=n2");
	pki_bed_authority(&bed->b, "theirs", NOW);
	pki_bed_issue(&bed->b, "theirs", "n2", NOW);
	p = pki_bed_load(&bed->b, "theirs", "n2", NOW);
	other = hello_node_of("n2", cluster_a, p);
	both_ways(&n1, &other, 0, "the certificate is not signed by this cluster's CA");
	pki_unref(p);
	pki_bed_issue(&bed->b, "ours", "n2", NOW + YEAR);
	p = pki_bed_load(&bed->b, "ours", "n2", NOW + YEAR);
	other = hello_node_of("n2", cluster_a, p);
	both_ways(&n1, &other, 0, "n2: the certificate is valid only from 2027-01-02");
	both_ways(&other, &n1, NOW + 5 * YEAR / 2, "n1: the certificate expired on 2028-01-02");
	pki_unref(p);
}

static void no_certificate(void *arg, size_t number, struct hello_frame *f)
{
	(void)arg;
	if (number == 2)
		*f = (struct hello_frame){.n = 5, .v = {0x93, 101, 0xc4, 0, 0x90}};
}

static void who_shows_none_is_nobody(void **state)
{
	struct bed *bed = *state;
	struct hello_node n1 = hello_node_of("n1", cluster_a, bed->n1), n2 = hello_node_of("n2", cluster_a, bed->n2);
	struct hello_talk t = {.meddle = no_certificate};

	hello_talk_between(&t, &n1, &n2);
	hello_bed_refused(&t, false, HELLO_WHY_PROOF, "n1: showed no certificate");
	hello_talk_done(&t);
}

/* ---- frames of others ---- */

static void a_recorded_hello_is_worth_nothing(void **state)
{
	struct bed *bed = *state;
	struct hello_node n1 = hello_node_of("n1", cluster_a, bed->n1), n2 = hello_node_of("n2", cluster_a, bed->n2),
			  n3 = hello_node_of("n3", cluster_a, bed->n3);
	struct hello_node *const to[] = {&n2, &n3};
	struct hello_talk t = {0};
	struct hello_frame answer;
	struct hello again;
	struct err e;

	hello_talk_between(&t, &n1, &n2);
	assert_int_equal(t.l.state, HELLO_DONE);
	for (size_t i = 0; i < ARRAY_LEN(to); i++) { /* to the same node later, and to another one */
		hello_bed_init(&again, to[i], false, 0xf);
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
	hello_bed_init(&again, &n1, true, 0xf);
	(void)hello_begin(&again, answer.v); /* its length is not of interest */
	assert_int_equal(
		hello_step(&again, t.frames[1].v, t.frames[1].n, NOW, answer.v, &answer.n, &e), HELLO_AWAITS_PROOF);
	assert_int_equal(hello_step(&again, t.frames[3].v, t.frames[3].n, NOW, answer.v, &answer.n, &e), HELLO_REFUSED);
	assert_int_equal(again.why, HELLO_WHY_PROOF);
	hello_done(&again);
	hello_talk_done(&t);
}

/*
 * n3, a member, is dialled by n1 and dials n2, saying that it is n1: it hands n2 the HELLO and the PROOF that n1 made
 * for n3.
 */
static void a_hello_passed_on_is_worth_nothing(void **state)
{
	struct bed *bed = *state;
	struct hello_node n1 = hello_node_of("n1", cluster_a, bed->n1), n2 = hello_node_of("n2", cluster_a, bed->n2),
			  n3 = hello_node_of("n3", cluster_a, bed->n3);
	struct hello_frame first, second, proof, answer;
	struct hello at_n1, at_n2, at_n3;
	struct err e;

	hello_bed_init(&at_n1, &n1, true, 1);
	hello_bed_init(&at_n2, &n2, false, 2);
	hello_bed_init(&at_n3, &n3, false, 3);
	first.n = hello_begin(&at_n1, first.v);
	assert_int_equal(hello_step(&at_n3, first.v, first.n, NOW, second.v, &second.n, &e), HELLO_AWAITS_PROOF);
	assert_int_equal(hello_step(&at_n1, second.v, second.n, NOW, proof.v, &proof.n, &e), HELLO_AWAITS_PROOF);
	assert_int_equal(hello_step(&at_n2, first.v, first.n, NOW, answer.v, &answer.n, &e), HELLO_AWAITS_PROOF);
	assert_int_equal(hello_step(&at_n2, proof.v, proof.n, NOW, answer.v, &answer.n, &e), HELLO_REFUSED);
	assert_int_equal(at_n2.why, HELLO_WHY_PROOF);
	assert_int_equal(
		hello_step(&at_n3, proof.v, proof.n, NOW, answer.v, &answer.n, &e), HELLO_DONE); /* meant for it */
	hello_done(&at_n1);
	hello_done(&at_n2);
	hello_done(&at_n3);
}

/* What a dialler signed, sent back to it as if by the listener: the role is part of it. */
static void a_proof_sent_back_is_worth_nothing(void **state)
{
	struct bed *bed = *state;
	struct hello_node n1 = hello_node_of("n1", cluster_a, bed->n1), twin = hello_node_of("n1", cluster_a, bed->n1);
	struct hello_talk t = {0};
	struct hello_frame answer;
	struct err e;

	twin.record.uuid[0] = 9; /* another node that claims the name n1 */
	hello_bed_init(&t.d, &n1, true, 1);
	hello_bed_init(&t.l, &twin, false, 2);
	t.frames[0].n = hello_begin(&t.d, t.frames[0].v);
	(void)hello_step(&t.l, t.frames[0].v, t.frames[0].n, NOW, t.frames[1].v, &t.frames[1].n, &e);
	(void)hello_step(&t.d, t.frames[1].v, t.frames[1].n, NOW, t.frames[2].v, &t.frames[2].n, &e);
	assert_int_equal(hello_step(&t.d, t.frames[2].v, t.frames[2].n, NOW, answer.v, &answer.n, &e), HELLO_REFUSED);
	assert_int_equal(t.d.why, HELLO_WHY_PROOF);
	hello_talk_done(&t);
}

struct turned {
	size_t number, byte;
	bool done; /* there was such a byte */
};

static void turn_a_bit(void *arg, size_t number, struct hello_frame *f)
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
	struct hello_node n1 = hello_node_of("n1", cluster_a, bed->n1), n2 = hello_node_of("n2", cluster_a, bed->n2);

	for (size_t number = 0; number < 4; number++) {
		struct turned x = {.number = number};
		size_t step = number < 2 ? 1 : 13; /* of a PROOF, the certificates' bytes are the CA's to check */

		do {
			struct hello_talk t = {.meddle = turn_a_bit, .arg = &x};

			hello_talk_between(&t, &n1, &n2);
			if (x.done && t.d.state == HELLO_DONE && t.l.state == HELLO_DONE)
				fail_msg("frame %zu, byte %zu", number, x.byte);
			hello_talk_done(&t);
			x.byte += step;
		} while (x.done);
	}
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
