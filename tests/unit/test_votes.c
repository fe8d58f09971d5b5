/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a voter writes is there after a restart, exactly, in the order in which it was written and with one sync for
 * what came together; a restored node begins without votes; and so for what holders and proposers keep.
 * Bad disks: test_votes_faults.c, damage: test_votes_damage.c, kills: test_votes_kill.c.
 */
#include "node/votes.h"

#include "base/rng.h"
#include "node/store_next.h"
#include "tests/lib/fault_vfs.h"
#include "tests/lib/votes_bed.h"

#define STEPS 3000

static int setup(void **state)
{
	static struct vbed w;

	fault_vfs_reset();
	vbed_make(&w);
	vbed_open(&w);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	fault_vfs_reset();
	vbed_done(*state);
	return 0;
}

/* ---- a voter ---- */

static void test_a_new_voter_has_nothing(void **state)
{
	struct vbed *w = *state;

	assert_string_equal(vbed_dump(w), "e0 {} disk 0/0 waiting 0");
	vbed_reopen(w);
	assert_string_equal(vbed_dump(w), "e0 {} disk 0/0 waiting 0");
}

/* By chance: what a voter may hear, in any order. */
static void any(struct vbed *w, struct rng *rng)
{
	static const char *const keys[] = {"", "web", "db-1", "a"}, *const leased[] = {"web", "db-1"},
				 *const values[] = {"0b1", "0b11c2", "plain", "", "0c2"};
	const char *key = keys[rng_below(rng, ARRAY_LEN(keys))], *value = values[rng_below(rng, ARRAY_LEN(values))];
	char from = (char)('a' + rng_below(rng, 3));
	uint64_t counter = 1 + rng_below(rng, 60);

	if (!*key)
		value = rng_below(rng, 2) ? "times" : "TIMES";
	switch (rng_below(rng, 20)) {
	case 0:
		w->cfg = story_cfg(w->cfg.epoch + 1, "abc", rng_below(rng, 2) ? "abd" : "");
		break;
	case 1:
		vbed_renew(w, leased, 2, 10000 + (uint32_t)rng_below(rng, 40000));
		break;
	case 2 ... 10:
		vbed_prepare(w, from, key, counter);
		break;
	default:
		vbed_accept(w, from, key, counter, value);
	}
}

static void test_a_restart_finds_the_voter_as_it_was(void **state)
{
	static char before[VBED_DUMP_MAX];
	struct vbed *w = *state;
	struct rng rng;

	rng_seed(&rng, 11);
	for (int i = 0; i < STEPS; i++) {
		any(w, &rng);
		if (i % 100 == 99)
			vbed_settle(w);
		if (i % 500 != 499)
			continue;
		(void)snprintf(before, sizeof(before), "%s", vbed_dump(w));
		vbed_reopen(w);
		assert_string_equal(vbed_dump(w), before);
	}
	assert_non_null(strstr(before, "| / ")); /* the root register, and long grants, were there */
	assert_non_null(strstr(before, "[0 "));
	assert_true(w->n_sent > STEPS / 2);
}

/* That it was given up, a voter remembers: what it had accepted is on its disk, and counts for nothing. */
static void test_a_later_era_is_remembered(void **state)
{
	static char before[VBED_DUMP_MAX];
	struct vbed *w = *state;

	w->cfg = story_cfg(1, "abc", "");
	vbed_accept(w, 'b', "web", 3, "plain");
	vbed_settle(w);
	w->cfg = story_cfg(QUORUM_ERA_STEP + 1, "abc", "");
	vbed_prepare(w, 'b', "db-1", QUORUM_ERA_STEP + 4);
	vbed_settle(w);
	(void)snprintf(before, sizeof(before), "%s", vbed_dump(w));
	assert_non_null(strstr(before, " given up"));
	assert_non_null(strstr(before, "| web 3.a100 0"));
	vbed_reopen(w);
	assert_string_equal(vbed_dump(w), before);
	vbed_accept(w, 'c', "web", QUORUM_ERA_STEP + 5, "0c2");
	vbed_settle(w);
	(void)snprintf(before, sizeof(before), "%s", vbed_dump(w));
	assert_null(strstr(before, "| web 3.a100 0"));
	vbed_reopen(w);
	assert_string_equal(vbed_dump(w), before);
}

static void test_a_value_of_any_size(void **state)
{
	static const size_t sizes[] = {24, 1024, 4040, 70000, MSG_VALUE_MAX, 5000, 100};
	struct vbed *w = *state;
	struct acceptor_image is;
	struct msg_key key;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		w->counter = 16 * i; /* k0 each time */
		vbed_vote(w, sizes[i]);
		vbed_vote(w, sizes[i]);
		vbed_settle(w);
		vbed_reopen(w);
		vbed_check_kept(w);
		key = story_key("k0");
		assert_true(acceptor_get(w->a, &key, &is));
		assert_int_equal(is.value->n, sizes[i]);
	}
}

/* A promise above what was accepted, and an accept without one. */
static void test_both_halves_of_a_vote_stand_alone(void **state)
{
	struct vbed *w = *state;
	struct acceptor_image is;
	struct msg_key key = story_key("web");

	vbed_accept(w, 'b', "web", 7, "plain");
	vbed_settle(w);
	vbed_reopen(w);
	assert_true(acceptor_get(w->a, &key, &is));
	assert_int_equal(is.promised.counter, 7);
	assert_int_equal(is.accepted.counter, 7);
	vbed_prepare(w, 'c', "web", 9);
	vbed_settle(w);
	vbed_reopen(w);
	assert_true(acceptor_get(w->a, &key, &is));
	assert_int_equal(is.promised.counter, 9);
	assert_int_equal(is.accepted.counter, 7);
	assert_memory_equal(is.value->v, "plain", 5);
	vbed_accept(w, 'c', "web", 9, "later");
	vbed_prepare(w, 'c', "new", 3);
	vbed_settle(w);
	vbed_reopen(w);
	assert_true(acceptor_get(w->a, &key, &is));
	assert_int_equal(is.accepted.counter, 9);
	key = story_key("new");
	assert_true(acceptor_get(w->a, &key, &is));
	assert_int_equal(is.promised.counter, 3);
	assert_null(is.value);
}

static void test_a_shorter_grant_does_not_end_a_longer_one(void **state)
{
	static const char *const keys[] = {"web"};
	struct vbed *w = *state;

	vbed_accept(w, 'b', "", 1, "times");
	vbed_accept(w, 'b', "web", 1, "0b1");
	vbed_renew(w, keys, 1, 50000);
	vbed_renew(w, keys, 1, 3000);
	vbed_settle(w);
	vbed_reopen(w);
	assert_int_equal(acceptor_left_ms(w->a, story_now(w->now_ms)), value_guard_ms(50000, 500));
}

static void test_nothing_is_told_before_it_is_synced_and_all_at_once_then(void **state)
{
	struct vbed *w = *state;
	int sent;

	vbed_vote(w, 1000);
	vbed_settle(w); /* a new log syncs its header in any case */
	fault_vfs_reset();
	fault_vfs_hold_syncs(true);
	sent = w->n_sent;
	w->n_stored = 0;
	for (int i = 0; i < 33; i++)
		vbed_vote(w, 1000);
	store_bed_await_held(&w->b);
	ev_run(w->b.loop, EVRUN_NOWAIT);
	assert_int_equal(w->n_stored, 0);
	assert_int_equal(w->n_sent, sent);
	fault_vfs_hold_syncs(false);
	vbed_settle(w);
	assert_int_equal(w->n_sent, sent + 33);
	assert_in_range(w->n_stored, 1, 2); /* the first alone perhaps, the rest in one */
	assert_in_range(fault_vfs_syncs(), 1, 2);
}

static void test_close_finishes_what_was_handed_over(void **state)
{
	struct vbed *w = *state;

	for (int i = 0; i < 100; i++)
		vbed_vote(w, 500);
	vbed_reopen(w);
	assert_int_equal(w->n_sent, 100);
	vbed_check_kept(w);
}

/* ---- another node ---- */

static int see_seen(void *arg, const struct uuid *node, uint64_t boot, uint64_t write)
{
	char *text = arg;

	(void)snprintf(text + strlen(text), 64, "%c %" PRIu64 "/%" PRIu64 ";", story_name(node), boot, write);
	return 0;
}

static int see_release(void *arg, const struct msg_key *key, uint32_t slot, uint64_t epoch)
{
	char *text = arg;

	(void)snprintf(text + strlen(text), 64, "%.*s.%u/%" PRIu64 ";", key->n, key->v, (unsigned)slot, epoch);
	return 0;
}

static int see_chosen(void *arg, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value)
{
	char *text = arg;

	(void)snprintf(text + strlen(text), 64, "%.*s %" PRIu64 " '%.*s';", key->n, key->v, ballot->counter,
		(int)value.n, (const char *)value.v);
	return 0;
}

/* All of them as one text. */
static const char *others(struct vbed *w)
{
	static char text[8192];
	uint64_t number = 0;
	struct err e = {0};
	int rc = 0;

	text[0] = '\0';
	rc |= votes_load_leases(w->v, see_release, text, &number, &e);
	rc |= votes_load_seen(w->v, see_seen, text, &e);
	rc |= votes_load_chosen(w->v, see_chosen, text, &e);
	if (rc < 0)
		fail_msg("%s", e.text);
	(void)snprintf(text + strlen(text), 64, "#%" PRIu64, number);
	return text;
}

static void put(struct vbed *w, struct answers *a, const char *key, uint64_t x, const char *value)
{
	const struct msg_key k = story_key(key);
	const struct ballot b = story_ballot(x, 'b');
	int n = a->n;

	assert_int_equal(votes_put_number(w->v, x, store_bed_answer, a), 0);
	assert_int_equal(votes_put_release(w->v, &k, 2, x, store_bed_answer, a), 0);
	assert_int_equal(votes_put_chosen(w->v, &k, &b, story_value(value), store_bed_answer, a), 0);
	store_bed_await(&w->b, a, n + 3);
	assert_int_equal(a->failed, 0);
}

static void test_what_holders_and_proposers_keep(void **state)
{
	struct vbed *w = *state;
	const struct uuid b = story_node('b'), c = story_node('c');
	const struct msg_key web = story_key("web");
	struct answers a = {0};

	assert_string_equal(others(w), "#0");
	put(w, &a, "web", 5, "five");
	put(w, &a, "db", 9, "");
	assert_int_equal(votes_put_seen(w->v, &b, 2, 70, store_bed_answer, &a), 0);
	assert_int_equal(votes_put_seen(w->v, &c, 1, 5, store_bed_answer, &a), 0);
	store_bed_await(&w->b, &a, 8);
	vbed_reopen(w);
	assert_string_equal(others(w), "db.2/9;web.2/5;b 2/70;c 1/5;db 9 '';web 5 'five';#9");
	assert_int_equal(votes_put_number(w->v, 100, store_bed_answer, &a), 0);
	assert_int_equal(votes_drop_seen(w->v, &c, store_bed_answer, &a), 0);
	assert_int_equal(votes_drop_chosen(w->v, &web, store_bed_answer, &a), 0);
	assert_int_equal(votes_drop_release(w->v, &web, 2, 4, store_bed_answer, &a), 0);
	store_bed_await(&w->b, &a, 12);
	assert_string_equal(others(w), "db.2/9;web.2/5;b 2/70;db 9 '';#100");
	assert_int_equal(votes_drop_release(w->v, &web, 2, 5, store_bed_answer, &a), 0);
	store_bed_await(&w->b, &a, 13);
	assert_int_equal(a.failed, 0);
	vbed_reopen(w);
	assert_string_equal(others(w), "db.2/9;b 2/70;db 9 '';#100");
}

static void test_what_must_not_fall_does_not(void **state)
{
	struct vbed *w = *state;
	const struct uuid b = story_node('b');
	struct answers a = {0};

	put(w, &a, "web", 5, "five");
	put(w, &a, "web", 4, "four");
	assert_int_equal(votes_put_seen(w->v, &b, 2, 70, store_bed_answer, &a), 0);
	assert_int_equal(votes_put_seen(w->v, &b, 2, 69, store_bed_answer, &a), 0);
	assert_int_equal(votes_put_seen(w->v, &b, 1, 800, store_bed_answer, &a), 0);
	store_bed_await(&w->b, &a, 9);
	assert_string_equal(others(w), "web.2/5;b 2/70;web 5 'five';#4");
	assert_int_equal(votes_put_seen(w->v, &b, 3, 1, store_bed_answer, &a), 0);
	put(w, &a, "web", 6, "six");
	store_bed_await(&w->b, &a, 13);
	assert_string_equal(others(w), "web.2/6;b 3/1;web 6 'six';#6");
}

static void test_bounds(void **state)
{
	struct vbed *w = *state;
	struct uuid node = story_node('b');
	struct msg_key web = story_key("web");
	const struct ballot ballot = story_ballot(1, 'b');
	AUTO_FREE uint8_t *big = calloc(1, MSG_VALUE_MAX + 1);
	struct answers a = {0};
	const char *text;
	int rows = 0;

	assert_non_null(big);
	assert_int_equal(votes_put_seen(w->v, &node, UINT64_MAX, 1, NULL, NULL), -EINVAL);
	assert_int_equal(votes_put_seen(w->v, &node, 1, UINT64_MAX, NULL, NULL), -EINVAL);
	assert_int_equal(votes_put_release(w->v, &web, 1, UINT64_MAX, NULL, NULL), -EINVAL);
	assert_int_equal(
		votes_put_chosen(w->v, &web, &ballot, (struct msg_bytes){.v = big, .n = MSG_VALUE_MAX + 1}, NULL, NULL),
		-EINVAL);
	for (int i = 0; i < VOTES_SEEN_MAX + 50; i++) {
		memcpy(node.v, &i, sizeof(i));
		assert_int_equal(votes_put_seen(w->v, &node, 1, 1, store_bed_answer, &a), 0);
	}
	store_bed_await(&w->b, &a, VOTES_SEEN_MAX + 50);
	assert_int_equal(a.failed, 0);
	for (text = others(w); (text = strchr(text, ';')); text++)
		rows++;
	assert_int_equal(rows, VOTES_SEEN_MAX);
}

static void test_a_restored_node_has_not_voted(void **state)
{
	struct vbed *w = *state;
	const struct uuid c = story_node('c');
	struct answers a = {0};
	struct err e = {0};
	char backup[128];

	(void)snprintf(backup, sizeof(backup), "%s/backup", w->b.dir.path);
	vbed_accept(w, 'b', "", 1, "times");
	vbed_vote(w, 100);
	vbed_vote(w, 100);
	put(w, &a, "web", 5, "five");
	assert_int_equal(votes_put_seen(w->v, &c, 1, 5, store_bed_answer, &a), 0);
	vbed_settle(w);
	assert_int_equal(store_backup(w->b.s, backup, store_bed_answer, &a), 0);
	store_bed_await(&w->b, &a, 5);
	assert_int_equal(a.failed, 0);
	assert_int_equal(store_next_make(w->b.dir.path, backup, NULL, NULL, &e), 0);
	vbed_close(w);
	assert_int_equal(store_next_take(w->b.dir.path, &e), 1);
	vbed_open(w);
	assert_string_equal(vbed_dump(w), "e0 {} disk 0/0 waiting 0");
	assert_string_equal(others(w), "c 1/5;#0");
	vbed_vote(w, 100);
	vbed_settle(w);
	vbed_reopen(w);
}

/* One that is put in the place of the store by hand is a disk that went back: its votes are there, and peers tell. */
static void test_a_backup_has_the_votes(void **state)
{
	struct vbed *w = *state;
	char path[128], mv[300];
	struct answers a = {0};

	(void)snprintf(path, sizeof(path), "%s/copy", w->b.dir.path);
	vbed_vote(w, 100);
	vbed_vote(w, 100);
	vbed_settle(w);
	assert_int_equal(store_backup(w->b.s, path, store_bed_answer, &a), 0);
	store_bed_await(&w->b, &a, 1);
	vbed_close(w);
	(void)snprintf(mv, sizeof(mv), "%s/covey.db", w->b.dir.path);
	assert_int_equal(rename(path, mv), 0);
	vbed_open(w);
	vbed_check_kept(w);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_new_voter_has_nothing),
		TEST(test_a_restart_finds_the_voter_as_it_was),
		TEST(test_a_later_era_is_remembered),
		TEST(test_a_value_of_any_size),
		TEST(test_both_halves_of_a_vote_stand_alone),
		TEST(test_a_shorter_grant_does_not_end_a_longer_one),
		TEST(test_nothing_is_told_before_it_is_synced_and_all_at_once_then),
		TEST(test_close_finishes_what_was_handed_over),
		TEST(test_what_holders_and_proposers_keep),
		TEST(test_what_must_not_fall_does_not),
		TEST(test_bounds),
		TEST(test_a_restored_node_has_not_voted),
		TEST(test_a_backup_has_the_votes),
	};

	fault_vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
