/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport and signed hello together, over TLS with the certificates that the cluster's authority issues: both ends
 * know who the other is, and whoever is not of the cluster, or is ourselves, is told apart.
 */
#include <fcntl.h>
#include <time.h>

#include "base/io.h"
#include "gossip/transport_hello.h"
#include "node/nng_setup.h"
#include "tests/lib/hello_bed.h"
#include "tests/lib/link_bed.h"

#define ANY "127.0.0.1:0"

static const uint8_t ours[16] = {0xa1, 2, 3}, theirs[16] = {0xb1, 2, 3};
static const struct transport_limits usual = {.dial_ms = 0};

struct bed {
	struct pki_bed b;
	struct pki *n1, *n2;
};

static int64_t wall_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail on Linux */
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* The PEM texts of a node, kept until the end. */
struct texts {
	struct bytes ca, cert, key;
	struct transport_tls tls;
};

static void read_texts(struct bed *bed, const char *node, struct texts *t)
{
	struct pki_bed_paths p = pki_bed_paths(&bed->b, "ours", node);
	struct err e;

	*t = (struct texts){{.max = PKI_FILE_MAX}, {.max = PKI_FILE_MAX}, {.max = PKI_FILE_MAX}, {0}};
	assert_int_equal(io_read_file(AT_FDCWD, p.ca, &t->ca, &e), 0);
	assert_int_equal(io_read_file(AT_FDCWD, p.cert, &t->cert, &e), 0);
	assert_int_equal(io_read_file(AT_FDCWD, p.key, &t->key, &e), 0);
	t->tls = (struct transport_tls){t->ca.v, t->cert.v, t->key.v, PKI_SERVER_NAME};
}

static void free_texts(struct texts *t)
{
	bytes_done(&t->ca);
	bytes_done(&t->cert);
	bytes_done(&t->key);
}

/* a dials b, each greeting as it is told. */
static void meet(struct link_end *a, struct hello_node *na, const struct transport_tls *ta, struct link_end *b,
	struct hello_node *nb, const struct transport_tls *tb)
{
	na->self.record = &na->record;
	nb->self.record = &nb->record;
	a->greets = &na->self;
	b->greets = &nb->self;
	link_open(a, ANY, ta, usual);
	link_open(b, ANY, tb, usual);
	link_dial_end(a, b, 1);
	LINK_UNTIL(a->up + a->failed == 1 && b->up + b->turned_away + b->down >= 1, a, b);
}

static void part(struct link_end *a, struct link_end *b)
{
	link_close(a);
	link_close(b);
}

static void test_both_ends_know_who_is_there(void **state)
{
	struct bed *bed = *state;
	struct texts t1, t2;

	read_texts(bed, "n1", &t1);
	read_texts(bed, "n2", &t2);
	for (int tls = 0; tls < 2; tls++) {
		struct hello_node n1 = hello_node_of("n1", ours, tls ? bed->n1 : NULL);
		struct hello_node n2 = hello_node_of("n2", ours, tls ? bed->n2 : NULL);
		struct link_end a = {0}, b = {.echoes = true};

		meet(&a, &n1, tls ? &t1.tls : NULL, &b, &n2, tls ? &t2.tls : NULL);
		assert_string_equal(a.peer, "n2");
		assert_string_equal(b.peer, "n1");
		assert_int_equal(transport_send(a.t, a.last, "x", 1, wait_mono_ms()), 0);
		LINK_UNTIL(a.frames == 1, &a, &b);
		part(&a, &b);
	}
	free_texts(&t1);
	free_texts(&t2);
}

static void test_another_cluster_is_told_apart(void **state)
{
	struct hello_node n1 = hello_node_of("n1", ours, NULL), n2 = hello_node_of("n2", theirs, NULL);
	struct link_end a = {0}, b = {0};

	(void)state;
	meet(&a, &n1, NULL, &b, &n2, NULL);
	assert_int_equal(a.outcomes[TRANSPORT_TURNED_AWAY], 1);
	assert_int_equal(a.hello_why, HELLO_WHY_CLUSTER);
	assert_int_equal(b.hello_why, HELLO_WHY_CLUSTER);
	assert_non_null(strstr(b.why, "cluster"));
	assert_int_equal(a.up + b.up, 0);
	part(&a, &b);
}

static void test_we_find_ourselves(void **state)
{
	struct hello_node n1 = hello_node_of("n1", ours, NULL);
	struct link_end a = {0};

	(void)state;
	n1.self.record = &n1.record;
	a.greets = &n1.self;
	link_open(&a, ANY, NULL, usual);
	link_dial_end(&a, &a, 1);
	LINK_UNTIL(a.failed == 1 && a.turned_away == 1, &a);
	assert_int_equal(a.hello_why, HELLO_WHY_SELF);
	link_close(&a);
}

/* The certificate passes TLS: it is of the CA. It is for another node than the one that shows it. */
static void test_a_certificate_of_another_node_is_refused(void **state)
{
	struct bed *bed = *state;
	struct hello_node n1 = hello_node_of("n1", ours, bed->n2), n2 = hello_node_of("n2", ours, bed->n2);
	struct link_end a = {0}, b = {0};
	struct texts t2;

	read_texts(bed, "n2", &t2);
	meet(&a, &n1, &t2.tls, &b, &n2, &t2.tls);
	assert_int_equal(a.outcomes[TRANSPORT_TURNED_AWAY], 1);
	assert_int_equal(b.turned_away, 1);
	assert_int_equal(b.hello_why, HELLO_WHY_PROOF);
	assert_int_equal(a.up + b.up, 0);
	part(&a, &b);
	free_texts(&t2);
}

static int setup(void **state)
{
	static struct bed bed;
	struct err e;

	bed.b = (struct pki_bed){.dir = tmpdir_make()};
	pki_bed_authority(&bed.b, "ours", wall_ms());
	pki_bed_issue(&bed.b, "ours", "n1", wall_ms());
	pki_bed_issue(&bed.b, "ours", "n2", wall_ms());
	bed.n1 = pki_bed_load(&bed.b, "ours", "n1", wall_ms());
	bed.n2 = pki_bed_load(&bed.b, "ours", "n2", wall_ms());
	*state = &bed;
	return nng_setup(&e);
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	pki_unref(bed->n1);
	pki_unref(bed->n2);
	tmpdir_remove(&bed->b.dir);
	nng_teardown();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ends_know_who_is_there),
		cmocka_unit_test(test_another_cluster_is_told_apart),
		cmocka_unit_test(test_we_find_ourselves),
		cmocka_unit_test(test_a_certificate_of_another_node_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
