/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Register messages between the cluster layers of two nodes, over a real link: they come with the sender that the link
 * has, long ones while beats go on; garbage and pieces out of turn cost themselves alone; a link that ends takes along
 * what was on it.
 */
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "node/cluster_priv.h"
#include "node/nng_setup.h"
#include "tests/lib/cluster_bed.h"
#include "tests/lib/consensus_story.h"
#include "tests/lib/pki_bed.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/wait.h"

#define FOUNDED_ID "a1b2c3d4-0000-4000-8000-000000000001"

struct side {
	struct tmpdir dir;
	struct node n;
	struct cluster *c;
	struct config *cfg;
	struct uuid uuid;
	/* What it was told. */
	uint64_t heard;
	struct msg last; /* without what it points to */
	size_t value_n;
	bool value_right;
	bool hangs_up; /* within the call */
};

static struct ev_loop *loop;
static ev_timer watchdog;
static struct side a, b;
static ev_prepare sleeps;
static struct pki_bed *pki; /* NULL: without TLS */
static uint8_t value[MSG_VALUE_MAX];
static struct spec_faults faults;

/* ---- the bed ---- */

static void bark(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l;
	(void)revents;
	fail_msg("waited %d s for: %s", WAIT_BOUND_S, (const char *)w->data);
}

#define UNTIL(cond)                                               \
	do {                                                      \
		ev_timer_init(&watchdog, bark, WAIT_BOUND_S, 0.); \
		watchdog.data = (void *)(uintptr_t) #cond;        \
		ev_timer_start(loop, &watchdog);                  \
		while (!(cond))                                   \
			ev_run(loop, EVRUN_ONCE);                 \
		ev_timer_stop(loop, &watchdog);                   \
	} while (0)

static void on_stored(void *arg, int rc, const char *error)
{
	bool *done = arg;

	(void)error;
	assert_int_equal(rc, 0);
	*done = true;
}

static void open_store(struct side *s)
{
	struct err e;

	if (store_open(loop, s->dir.path, &s->n.store, &e) < 0)
		fail_msg("%s", e.text);
}

static void found(struct side *s)
{
	bool done = false;

	assert_int_equal(store_put_cluster(s->n.store, FOUNDED_ID, on_stored, &done), 0);
	UNTIL(done);
	store_close(s->n.store);
	open_store(s);
}

static void on_register(void *arg, const struct msg *m)
{
	struct side *s = arg;

	assert_null(msg_fault(m));
	s->heard++;
	s->last = *m;
	s->value_n = m->value.n;
	if (s->hangs_up) {
		s->hangs_up = false;
		for (uint32_t i = 0; i < GOSSIP_LINKS_MAX; i++)
			cluster_link_close(s->c, i, false);
	}
	s->value_right = m->value.n == 0 || memcmp(m->value.v, value, m->value.n) == 0;
}

/* Before the loop sleeps: what did not leave at once has its time to be looked at. */
static void on_sleep(struct ev_loop *l, ev_prepare *w, int revents)
{
	struct side *const sides[] = {&a, &b};

	(void)l;
	(void)w;
	(void)revents;
	for (size_t i = 0; i < ARRAY_LEN(sides); i++)
		if (sides[i]->c && sides[i]->c->t)
			assert_true(transport_deadline_ms(sides[i]->c->t) >= sides[i]->c->armed_ms);
}

/* A node of nothing but its store, its events and its cluster. */
static void side_open(struct side *s, const char *name, int port, int join)
{
	char text[2048], trust[1536] = ", insecure: yes}\n";
	struct pki_bed_paths p;
	struct err e;

	*s = (struct side){.dir = tmpdir_make(), .n = {.loop = loop, .boot_kept = true, .next_run = 1ULL << 32}};
	if (pki) {
		p = pki_bed_paths(pki, "pki", name);
		(void)snprintf(trust, sizeof(trust), "}\ntls: {ca: %.400s, cert: %.400s, key: %.400s}\n", p.ca, p.cert,
			p.key); /* fit; so below */
	}
	(void)snprintf(text, sizeof(text),
		"node: {name: %s}\ndata_dir: %s\nrun_dir: %s\nhttp: {bind: none}\n"
		"gossip: {bind: \"127.0.0.1:%d\", join: [\"127.0.0.1:%d\"], profile: local%s",
		name, s->dir.path, s->dir.path, port, join, trust);
	if (config_parse(text, strlen(text), "/", &s->cfg, &faults) < 0)
		fail_msg("%s: line %d: %s", name, faults.v[0].line, faults.v[0].text);
	s->n.cfg = s->cfg;
	list_init(&s->n.waiters);
	rng_seed(&s->n.rng, (uint64_t)port);
	s->n.gen = rng_u64(&s->n.rng);
	node_now(&s->n);
	assert_int_equal(roster_init(&s->n, &e), 0);
	open_store(s);
	if (s == &a)
		found(s);
	assert_int_equal(events_new(s->n.store, s->cfg->name, &s->n.events, &e), 0);
	assert_int_equal(cluster_open(&s->n, &s->c, &e), 0);
	memcpy(s->uuid.v, s->c->uuid, sizeof(s->uuid.v));
	cluster_register_listen(s->c, on_register, s);
	cluster_begin(s->c);
}

static void side_close(struct side *s)
{
	bool done = false;

	if (!s->c)
		return;
	assert_int_equal(store_sync(s->n.store, on_stored, &done), 0);
	UNTIL(done); /* what was asked of it answers to what is closed now */
	cluster_close(s->c);
	events_free(s->n.events);
	store_close(s->n.store);
	config_free(s->cfg);
	tmpdir_remove(&s->dir);
	s->c = NULL;
}

/* Whether x has a link to y, and y's core knows of it. */
static bool is_linked(const struct side *x, const struct side *y)
{
	struct gossip_member m, back;

	return gossip_member_get(x->c->g, gossip_id_of(y->uuid.v), &m) && m.link != GOSSIP_NO_LINK &&
	       x->c->links[m.link].at && gossip_member_get(y->c->g, gossip_id_of(x->uuid.v), &back) &&
	       back.link != GOSSIP_NO_LINK && y->c->links[back.link].at;
}

static struct cluster_link *link_of(const struct side *x, const struct side *y)
{
	struct gossip_member m;

	assert_true(gossip_member_get(x->c->g, gossip_id_of(y->uuid.v), &m) && m.link != GOSSIP_NO_LINK);
	return &x->c->links[m.link];
}

static struct cluster_register_figures figures(const struct side *s)
{
	struct cluster_register_figures x;

	cluster_register_figures(s->c, &x);
	return x;
}

static struct gossip_figures core_figures(const struct side *s)
{
	struct gossip_figures x;

	gossip_figures(s->c->g, &x);
	return x;
}

static int setup(void **state)
{
	int port_a = cluster_bed_free_port(), port_b = cluster_bed_free_port();

	(void)state;
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)(i * 31 >> 3);
	loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(loop);
	ev_prepare_init(&sleeps, on_sleep);
	ev_set_priority(&sleeps, EV_MINPRI);
	ev_prepare_start(loop, &sleeps);     /* the first to begin is called last */
	side_open(&a, "n1", port_a, port_a); /* itself: one of two dials */
	side_open(&b, "n2", port_b, port_a);
	UNTIL(is_linked(&a, &b) && is_linked(&b, &a));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ev_timer_stop(loop, &watchdog);
	ev_prepare_stop(loop, &sleeps);
	side_close(&a);
	side_close(&b);
	ev_loop_destroy(loop);
	return 0;
}

static int setup_tls(void **state)
{
	static struct pki_bed made;

	made = (struct pki_bed){.dir = tmpdir_make()};
	pki_bed_authority(&made, "pki", cluster_bed_wall_ms());
	pki_bed_issue(&made, "pki", "n1", cluster_bed_wall_ms());
	pki_bed_issue(&made, "pki", "n2", cluster_bed_wall_ms());
	pki = &made;
	return setup(state);
}

static int teardown_tls(void **state)
{
	int rc = teardown(state);

	tmpdir_remove(&pki->dir);
	pki = NULL;
	return rc;
}

static struct msg message(const struct side *from, uint64_t round, size_t n)
{
	return (struct msg){.type = MSG_ACCEPT,
		.from = from->uuid,
		.cfg = {.epoch = 1, .old = {.n = 1, .v = {from->uuid}}},
		.round = round,
		.key = story_key("web"),
		.ballot = {.counter = 4, .node = from->uuid, .nonce = 1},
		.value = {value, n}};
}

static bool say(const struct side *from, const struct side *to, uint64_t round, size_t n)
{
	struct msg m = message(from, round, n);

	return cluster_register_send(from->c, &to->uuid, &m);
}

/* ---- tests ---- */

static void test_a_message_comes_with_the_sender_of_its_link(void **state)
{
	struct msg m = {
		.type = MSG_READ, .from = b.uuid, .cfg = {.epoch = 1, .old = {.n = 1, .v = {b.uuid}}}, .round = 9};

	(void)state;
	assert_true(cluster_register_send(a.c, &b.uuid, &m)); /* n1 says that it was n2 */
	UNTIL(b.heard == 1);
	assert_int_equal(b.last.type, MSG_READ);
	assert_true(ballot_same_node(&b.last.from, &a.uuid));
	assert_int_equal(b.last.round, 9);
	assert_true(say(&b, &a, 7, 1000));
	UNTIL(a.heard == 1);
	assert_true(ballot_same_node(&a.last.from, &b.uuid));
	assert_true(a.last.round == 7 && a.value_n == 1000 && a.value_right);
	/* A ballot of somebody else is no ballot of the sender's. */
	m = message(&b, 1, 10);
	assert_true(cluster_register_send(a.c, &b.uuid, &m));
	UNTIL(figures(&b).bad == 1);
	cluster_register_listen(b.c, NULL, NULL);
	assert_true(say(&a, &b, 2, 10));
	UNTIL(figures(&b).unheard == 1);
	assert_int_equal(b.heard, 1);
}

static bool is_alive(const struct side *x, const struct side *y)
{
	struct gossip_member m;

	return gossip_member_get(x->c->g, gossip_id_of(y->uuid.v), &m) && m.state == GOSSIP_ALIVE;
}

/* Values of 512 KiB without a pause, both ways, and short messages between them. */
static void test_long_values_while_beats_go_on(void **state)
{
	uint64_t beats_a = core_figures(&a).msgs_in[GOSSIP_MSG_BEAT],
		 beats_b = core_figures(&b).msgs_in[GOSSIP_MSG_BEAT];
	uint64_t longs = 0, shorts = 0, between = 0;
	int64_t began_ms = wait_mono_ms();

	(void)state;
	while (core_figures(&a).msgs_in[GOSSIP_MSG_BEAT] < beats_a + 4 ||
		core_figures(&b).msgs_in[GOSSIP_MSG_BEAT] < beats_b + 4 || longs < 20) {
		uint64_t heard = b.heard, came = figures(&b).parcels.bytes_in;

		assert_true(say(&a, &b, 1, MSG_VALUE_MAX));
		assert_true(say(&b, &a, 2, MSG_VALUE_MAX));
		UNTIL(figures(&b).parcels.bytes_in > came);
		assert_true(say(&a, &b, 3, 10));
		UNTIL(b.heard > heard);
		between += b.last.round == 3; /* it has overtaken the long one */
		shorts++;
		UNTIL(b.heard == heard + 2 && a.heard == longs + 1);
		longs++;
		assert_true(a.value_right && b.value_right && a.value_n == MSG_VALUE_MAX);
		assert_true(is_alive(&a, &b) && is_alive(&b, &a));
	}
	print_message("%d values of 512 KiB each way in %d ms; %d of %d short ones came first\n", (int)longs,
		(int)(wait_mono_ms() - began_ms), (int)between, (int)shorts);
	assert_true(between * 2 > shorts);
	assert_int_equal(figures(&a).held + figures(&b).held, 0);
	assert_int_equal(figures(&a).parcels.lost + figures(&a).parcels.full + figures(&a).parcels.strays, 0);
}

static void test_to_whom_there_is_no_link(void **state)
{
	struct msg m = message(&a, 1, 10);
	struct uuid alike = b.uuid, nobody = story_node('x');

	(void)state;
	alike.v[15] ^= 1; /* the same id */
	assert_false(cluster_register_send(a.c, &nobody, &m));
	assert_false(cluster_register_send(a.c, &alike, &m));
	assert_false(cluster_register_send(a.c, &a.uuid, &m));
	assert_int_equal(figures(&a).unlinked, 3);
	assert_int_equal(figures(&a).held, 0);
	cluster_halt(a.c);
	assert_false(cluster_register_send(a.c, &b.uuid, &m));
	assert_int_equal(figures(&a).unlinked, 4);
}

/* What a full queue has no place for is dropped; what had place comes. */
static void test_a_full_queue(void **state)
{
	uint64_t queued = 0;

	(void)state;
	while (say(&a, &b, queued + 1, 1000))
		queued++;
	assert_true(queued > 100);
	assert_int_equal(figures(&a).parcels.full, 1);
	UNTIL(b.heard == queued);
	assert_int_equal(b.last.round, queued);
	assert_int_equal(figures(&a).held, 0);
	assert_true(say(&a, &b, 0, 1000));
}

static void send_frame(const struct gossip_msg *m)
{
	uint8_t frame[TRANSPORT_FRAME_MAX];
	size_t n;

	assert_int_equal(wire_encode(m, frame, sizeof(frame), &n), 0);
	UNTIL(transport_is_idle(a.c->t, link_of(&a, &b)->at));
	assert_int_equal(transport_send(a.c->t, link_of(&a, &b)->at, frame, n, a.n.now.mono_ms), 0);
}

static void send_piece(uint32_t size, uint32_t at, const char *body, uint16_t n)
{
	send_frame(&(struct gossip_msg){
		.type = GOSSIP_MSG_REGISTER, .piece = {.size = size, .at = at, .body = {body, n}}});
}

static void test_garbage_costs_itself_alone(void **state)
{
	uint32_t at = link_of(&a, &b)->at;

	(void)state;
	send_piece(7, 0, "garbage", 7);
	UNTIL(figures(&b).bad == 1);
	send_piece(3, 0, "\x92\x3f\x01", 3); /* a type that there is not */
	UNTIL(figures(&b).bad == 2);
	send_piece(WIRE_MSG_MAX + 1, 0, "x", 1);
	UNTIL(figures(&b).parcels.too_large == 1);
	send_piece(10000, 3968, "x", 1); /* of what has not begun */
	UNTIL(figures(&b).parcels.strays == 1);
	send_piece(10000, 0, "x", 1);
	UNTIL(figures(&b).held == 10000);
	send_piece(10000, 2, "x", 1);
	UNTIL(figures(&b).parcels.strays == 2);
	assert_int_equal(figures(&b).held, 0);
	send_piece(10000, 0, "x", 1);
	assert_true(say(&a, &b, 5, 20000)); /* begins in its place */
	UNTIL(b.heard == 1);
	assert_true(b.last.round == 5 && b.value_n == 20000 && b.value_right);
	assert_int_equal(figures(&b).parcels.lost, 1);
	assert_int_equal(link_of(&a, &b)->at, at); /* the same link all the time */
	assert_int_equal(b.c->bad_frames, 0);
	send_piece(10, 11, "x", 1);
	UNTIL(b.c->bad_frames == 1); /* no message of gossip's */
	assert_int_equal(link_of(&a, &b)->at, at);
}

static bool is_heard(uint32_t *on, uint64_t heard, uint64_t round, size_t n)
{
	if (b.heard > heard && b.last.round == round)
		return true;
	if (is_linked(&a, &b) && link_of(&a, &b)->at != *on && say(&a, &b, round, n))
		*on = link_of(&a, &b)->at;
	return false;
}

/*
 * As the protocol does, it is said again on each new link: both ends may dial, and one of two links ends. What the
 * old link had brought as far as b before it ended may be heard first.
 */
static void hear_again(uint64_t round, size_t n)
{
	uint64_t heard = b.heard;
	uint32_t on = 0;

	UNTIL(is_heard(&on, heard, round, n));
}

static size_t links_of(const struct side *x)
{
	size_t n = 0;

	for (size_t i = 0; i < GOSSIP_LINKS_MAX; i++)
		n += x->c->links[i].at != 0;
	return n;
}

/* Long ones are on their way from a to b, one of them in the middle. */
static bool is_midway(void)
{
	if (!is_linked(&a, &b) || links_of(&a) != 1 || links_of(&b) != 1)
		return false;
	if (figures(&a).held == 0)
		for (int i = 0; i < 7; i++)
			assert_true(say(&a, &b, 1, MSG_VALUE_MAX));
	return figures(&a).held > 0 && figures(&b).held > 0;
}

static void test_a_link_that_ends_in_the_middle(void **state)
{
	(void)state;
	for (int whose = 0; whose < 2; whose++) {
		struct side *ends = whose == 0 ? &a : &b, *other = whose == 0 ? &b : &a;
		struct cluster_register_figures was, is;

		UNTIL(is_midway());
		was = figures(ends);
		cluster_link_close(ends->c, (uint32_t)(link_of(ends, other) - ends->c->links), false);
		is = figures(ends);
		assert_int_equal(is.held, 0);
		assert_true(is.parcels.lost > was.parcels.lost);
		assert_int_equal(is.parcels.out + is.parcels.in, was.parcels.out + was.parcels.in);
		cluster_in(ends->c, &(struct gossip_in){.type = GOSSIP_IN_TICK}); /* its core hears of it */
		cluster_arm(ends->c);
		UNTIL(figures(other).held == 0);
		hear_again(3, 20000);
		assert_true(b.last.round == 3 && b.value_n == 20000 && b.value_right);
	}
	UNTIL(figures(&a).held + figures(&b).held == 0);
	assert_int_equal(figures(&b).parcels.strays + figures(&b).bad, 0);
	assert_true(figures(&a).parcels.out >= figures(&b).parcels.in);
}

/* Who is told may end the link; what it was told stays until it returns. */
static void test_the_link_ends_while_its_message_is_told(void **state)
{
	(void)state;
	b.hangs_up = true;
	assert_true(say(&a, &b, 1, 100000));
	UNTIL(b.heard == 1);
	assert_true(b.value_right && b.value_n == 100000);
	cluster_in(b.c, &(struct gossip_in){.type = GOSSIP_IN_TICK});
	cluster_arm(b.c);
	hear_again(2, 10);
	UNTIL(figures(&a).held + figures(&b).held == 0);
}

static int group_setup(void **state)
{
	struct err e;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail */
	return nng_setup(&e);
}

static int group_teardown(void **state)
{
	(void)state;
	nng_teardown();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_message_comes_with_the_sender_of_its_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_values_while_beats_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_values_while_beats_go_on, setup_tls, teardown_tls),
		cmocka_unit_test_setup_teardown(test_to_whom_there_is_no_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_full_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage_costs_itself_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_link_that_ends_in_the_middle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_link_ends_while_its_message_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
