/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: what was acknowledged is read back, in order and in groups; its bounds hold; and what could not be
 * allocated is told and costs that job alone. Faults of the disk and of the file: test_store_faults.c.
 */
#include "node/store.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/lib/fault_vfs.h"
#include "tests/lib/oom.h"
#include "tests/lib/store_bed.h"

#define BIG_BYTES (8 * 1024 * 1024)

static int setup(void **state)
{
	static struct store_bed bed;

	fault_vfs_reset();
	store_bed_make(&bed);
	store_bed_open(&bed);
	*state = &bed;
	return 0;
}

static int teardown(void **state)
{
	fault_vfs_reset();
	store_bed_done(*state);
	return 0;
}

struct seen {
	int n;
	char text[1024];
};

static void add(struct seen *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add(struct seen *s, const char *fmt, ...)
{
	size_t at = strlen(s->text);
	va_list ap;

	s->n++;
	va_start(ap, fmt);
	(void)vsnprintf(s->text + at, sizeof(s->text) - at, fmt, ap);
	va_end(ap);
}

static int see_agent(void *arg, const struct store_agent *a)
{
	add(arg, "%s v%lld '%.*s' x%lld %d%d%d at %lld", a->name, (long long)a->version, (int)a->text_len, a->text,
		(long long)a->desired, a->stopped, a->paused, a->removed, (long long)a->changed_wall_ms);
	add(arg, a->before ? " before '%.*s'\n" : "\n", (int)a->before_len, a->before);
	return 0;
}

static int see_op(void *arg, const struct store_op *op)
{
	add(arg, "%lld %s '%.*s'\n", (long long)op->seq, op->id, (int)op->saved_len, (const char *)op->saved);
	return 0;
}

static int see_replica(void *arg, const struct store_replica *r)
{
	add(arg, "%s %zu '%.*s'\n", r->id, r->saved_len, (int)r->saved_len, (const char *)r->saved);
	return 0;
}

static int see_event(void *arg, const struct store_event *ev)
{
	add(arg, "%lld %s %s [%s] [%s] %s %zu\n", (long long)ev->seq, ev->severity, ev->kind,
		ev->agent ? ev->agent : "-", ev->replica ? ev->replica : "-", ev->text, ev->data_len);
	return 0;
}

static void test_what_was_put_is_read_back(void **state)
{
	struct store_bed *b = *state;
	const struct store_agent web = {.name = "web",
		.version = 4,
		.text = "name: web\n",
		.text_len = 9,
		.desired = 2,
		.paused = true,
		.changed_wall_ms = 1767323045678,
		.before = "name: web # old\n",
		.before_len = 15};
	const struct store_agent db = {.name = "db", .version = 1, .text = "", .stopped = true, .removed = true};
	const struct store_replica r = {.id = "n1/web.0", .saved = "a\0b", .saved_len = 3}, none = {.id = "web.1"};
	const struct store_event ev = {
		.seq = 7, .wall_ms = 5, .severity = "info", .kind = "x", .agent = "web", .text = "up"};
	struct answers a = {0};
	struct seen agents = {0}, replicas = {0}, events = {0};

	assert_int_equal(store_put_agent(b->s, &web, store_bed_answer, &a), 0);
	assert_int_equal(store_put_agent(b->s, &db, store_bed_answer, &a), 0);
	assert_int_equal(store_put_replica(b->s, &r, store_bed_answer, &a), 0);
	assert_int_equal(store_put_replica(b->s, &none, store_bed_answer, &a), 0);
	assert_int_equal(store_put_event(b->s, &ev, store_bed_answer, &a), 0);
	assert_int_equal(store_put_meta(b->s, "boot", -3, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 6);
	assert_int_equal(a.failed, 0);
	store_bed_reopen(b);
	assert_int_equal(store_load_agents(b->s, see_agent, &agents, NULL), 0);
	assert_string_equal(agents.text, "db v1 '' x0 101 at 0\n"
					 "web v4 'name: web' x2 010 at 1767323045678 before 'name: web # old'\n");
	assert_int_equal(store_load_replicas(b->s, see_replica, &replicas, NULL), 0);
	assert_int_equal(replicas.n, 2);
	assert_non_null(strstr(replicas.text, "n1/web.0 3 'a"));
	assert_non_null(strstr(replicas.text, "web.1 0 ''"));
	assert_int_equal(store_load_events(b->s, 10, see_event, &events, NULL), 0);
	assert_string_equal(events.text, "7 info x [web] [-] up 0\n");
	assert_int_equal(store_meta(b->s, "boot", 1), -3);
	assert_int_equal(store_meta(b->s, "absent", 42), 42);
}

static void test_what_was_deleted_is_gone_and_what_was_put_again_is_new(void **state)
{
	struct store_bed *b = *state;
	const struct store_replica first = {.id = "a.0", .saved = "1", .saved_len = 1},
				   again = {.id = "a.0", .saved = "22", .saved_len = 2},
				   gone = {.id = "b.0", .saved = "3", .saved_len = 1};
	const struct store_agent web = {.name = "web", .version = 1, .text = ""};
	struct answers a = {0};
	struct seen seen = {0};

	assert_int_equal(store_put_replica(b->s, &first, NULL, NULL), 0);
	assert_int_equal(store_put_replica(b->s, &gone, NULL, NULL), 0);
	assert_int_equal(store_put_agent(b->s, &web, NULL, NULL), 0);
	assert_int_equal(store_put_replica(b->s, &again, NULL, NULL), 0);
	assert_int_equal(store_del_replica(b->s, "b.0", NULL, NULL), 0);
	assert_int_equal(store_del_replica(b->s, "never.0", NULL, NULL), 0);
	assert_int_equal(store_del_agent(b->s, "web", NULL, NULL), 0);
	assert_int_equal(store_sync(b->s, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 1);
	store_bed_reopen(b);
	assert_int_equal(store_load_replicas(b->s, see_replica, &seen, NULL), 0);
	assert_string_equal(seen.text, "a.0 2 '22'\n");
	assert_int_equal(store_load_agents(b->s, see_agent, &seen, NULL), 0);
	assert_int_equal(seen.n, 1);
}

static void test_changes_are_known_by_their_ids(void **state)
{
	struct store_bed *b = *state;
	const struct store_op one = {.seq = 1, .oldest = 1, .id = "op-a", .saved = "A", .saved_len = 1},
			      two = {.seq = 2, .oldest = 1, .id = "op-b"},
			      three = {.seq = 3, .oldest = 2, .id = "op-c", .saved = "C", .saved_len = 1},
			      again = {.seq = 4, .oldest = 2, .id = "op-b", .saved = "B", .saved_len = 1};
	struct answers a = {0};
	struct seen seen = {0}, later = {0};

	assert_int_equal(store_put_op(b->s, &one, store_bed_answer, &a), 0);
	assert_int_equal(store_put_op(b->s, &two, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 2);
	store_bed_reopen(b);
	assert_int_equal(store_load_ops(b->s, see_op, &seen, NULL), 0);
	assert_string_equal(seen.text, "1 op-a 'A'\n2 op-b ''\n");
	assert_int_equal(store_put_op(b->s, &three, store_bed_answer, &a), 0);
	assert_int_equal(store_put_op(b->s, &again, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 4);
	assert_int_equal(a.failed, 0);
	store_bed_reopen(b);
	assert_int_equal(store_load_ops(b->s, see_op, &later, NULL), 0);
	assert_string_equal(later.text, "3 op-c 'C'\n4 op-b 'B'\n");
}

static void test_the_file_is_private_and_the_id_stays(void **state)
{
	struct store_bed *b = *state;
	char id[37];
	struct stat st;

	(void)snprintf(id, sizeof(id), "%s", store_node_id(b->s));
	assert_int_equal(strlen(id), 36);
	assert_int_equal(id[14], '4');
	store_bed_reopen(b);
	assert_string_equal(store_node_id(b->s), id);
	assert_int_equal(stat(tmpdir_path(&b->dir, "covey.db"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(tmpdir_path(&b->dir, "covey.db-wal"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_the_cluster_is_known_once_it_is_durable(void **state)
{
	static const char id[] = "0f8fad5b-d9cb-469f-a165-70867728950e";
	struct store_bed *b = *state;
	struct answers a = {0};

	assert_string_equal(store_cluster_id(b->s), "");
	store_bed_reopen(b);
	assert_string_equal(store_cluster_id(b->s), "");
	assert_int_equal(store_put_cluster(b->s, id, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 1);
	assert_int_equal(a.rc, 0);
	store_bed_reopen(b);
	assert_string_equal(store_cluster_id(b->s), id);
	assert_string_not_equal(store_node_id(b->s), id);
}

/* The answers of a hundred jobs, each of which must be the next one. */
static int next_expected;

static void in_order(void *arg, int rc, const char *error)
{
	assert_int_equal(rc, 0);
	assert_null(error);
	assert_int_equal((int)(intptr_t)arg, next_expected);
	next_expected++;
}

static void test_answers_come_in_order_and_in_groups(void **state)
{
	struct store_bed *b = *state;
	struct store_stats st;
	struct answers a = {0};

	next_expected = 0;
	fault_vfs_hold_syncs(true);
	for (int i = 0; i < 500; i++)
		assert_int_equal(store_put_meta(b->s, i % 2 ? "odd" : "even", i, in_order, (void *)(intptr_t)i), 0);
	assert_int_equal(store_sync(b->s, store_bed_answer, &a), 0);
	assert_int_equal(next_expected, 0);
	fault_vfs_hold_syncs(false);
	store_bed_await(b, &a, 1);
	assert_int_equal(next_expected, 500);
	store_stats(b->s, &st);
	assert_int_equal(st.jobs, 501);
	assert_in_range(st.commits, 1, 2); /* the first alone perhaps, the rest in one */
	assert_int_equal(st.failures, 0);
	assert_int_equal(st.queued, 0);
	assert_in_range(st.commit_p50_us, 1, st.commit_max_us);
	assert_true(st.bytes >= 4096);
	assert_false(st.suspect);
}

static void test_nothing_is_answered_before_it_is_synced(void **state)
{
	struct store_bed *b = *state;
	struct answers a = {0};

	assert_int_equal(store_bed_put_meta(b, "k", 0), 0); /* a new log syncs its header in any case */
	fault_vfs_reset();
	fault_vfs_hold_syncs(true);
	assert_int_equal(store_put_meta(b->s, "k", 1, store_bed_answer, &a), 0);
	store_bed_await_held(b);
	ev_run(b->loop, EVRUN_NOWAIT);
	assert_int_equal(a.n, 0);
	fault_vfs_hold_syncs(false);
	store_bed_await(b, &a, 1);
}

static void test_a_full_queue_refuses_and_recovers(void **state)
{
	struct store_bed *b = *state;
	struct answers a = {0};
	int queued = 0;

	fault_vfs_hold_syncs(true);
	while (queued <= STORE_QUEUE_MAX && store_put_meta(b->s, "k", queued, store_bed_answer, &a) == 0)
		queued++;
	assert_int_equal(queued, STORE_QUEUE_MAX);
	assert_int_equal(store_sync(b->s, store_bed_answer, &a), -ENOSPC);
	fault_vfs_hold_syncs(false);
	store_bed_await(b, &a, queued);
	assert_int_equal(a.failed, 0);
	assert_int_equal(store_bed_put_meta(b, "k", 9), 0);
	assert_int_equal(store_meta(b->s, "k", 0), 9);
}

static void test_the_content_that_waits_is_bounded(void **state)
{
	struct store_bed *b = *state;
	AUTO_FREE char *big = calloc(1, BIG_BYTES);
	struct store_agent agent = {.name = "big", .text = big, .text_len = BIG_BYTES};
	struct answers a = {0};
	int queued = 0;

	assert_non_null(big);
	fault_vfs_hold_syncs(true);
	while (queued < 100 && store_put_agent(b->s, &agent, store_bed_answer, &a) == 0)
		queued++;
	assert_int_equal(queued, STORE_BYTES_MAX / BIG_BYTES - 1); /* the last would fit but for the jobs' own size */
	fault_vfs_hold_syncs(false);
	store_bed_await(b, &a, queued);
	assert_int_equal(a.failed, 0);
}

static int put_event(struct store *s, int64_t seq, store_done *done, void *arg)
{
	const struct store_event ev = {.seq = seq, .wall_ms = seq, .severity = "info", .kind = "k", .text = "t"};

	return store_put_event(s, &ev, done, arg);
}

static void test_events_alone_share_a_commit(void **state)
{
	struct store_bed *b = *state;
	struct store_stats st;
	struct answers a = {0};
	int64_t began = wait_mono_ms();

	for (int i = 1; i <= 40; i++) {
		assert_int_equal(put_event(b->s, i, store_bed_answer, &a), 0);
		wait_pause(); /* each could have had a commit of its own */
	}
	store_bed_await(b, &a, 40);
	store_stats(b->s, &st);
	assert_in_range(st.commits, 1, 1 + (wait_mono_ms() - began) / 200);
}

static void test_events_leave_with_what_is_urgent(void **state)
{
	struct store_bed *b = *state;
	struct store_stats st;
	struct answers a = {0};
	int64_t began = wait_mono_ms();

	assert_int_equal(put_event(b->s, 1, store_bed_answer, &a), 0);
	assert_int_equal(store_put_meta(b->s, "k", 1, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 2);
	store_stats(b->s, &st);
	assert_in_range(st.commits, 1, 1 + (wait_mono_ms() - began) / 200);
}

static int count_event(void *arg, const struct store_event *ev)
{
	struct {
		int64_t n, first, last;
	} *c = arg;

	c->first = c->n++ ? c->first : ev->seq;
	assert_true(ev->seq > c->last);
	c->last = ev->seq;
	return 0;
}

static void test_old_events_are_trimmed(void **state)
{
	struct store_bed *b = *state;
	struct {
		int64_t n, first, last;
	} c = {0}, few = {0};
	struct answers a = {0};
	const int total = EVENTS_KEPT_MAX + 777;

	for (int i = 1; i <= total; i++) {
		assert_int_equal(put_event(b->s, i, store_bed_answer, &a), 0);
		if (i % 1000 == 0)
			store_bed_await(b, &a, i);
	}
	store_bed_await(b, &a, total);
	assert_int_equal(a.failed, 0);
	assert_int_equal(store_load_events(b->s, INT64_MAX, count_event, &c, NULL), 0);
	assert_int_equal(c.last, total);
	assert_in_range(c.n, EVENTS_KEPT_MAX - 128, EVENTS_KEPT_MAX);
	assert_int_equal(c.first, total - c.n + 1);
	assert_int_equal(store_load_events(b->s, 5, count_event, &few, NULL), 0);
	assert_int_equal(few.first, total - 4);
	assert_int_equal(few.n, 5);
}

static int stop_at_once(void *arg, const struct store_replica *r)
{
	(void)r;
	++*(int *)arg;
	return -ECANCELED;
}

static void test_a_walk_ends_where_it_is_told(void **state)
{
	struct store_bed *b = *state;
	const struct store_replica r0 = {.id = "a.0"}, r1 = {.id = "a.1"};
	struct answers a = {0};
	struct err e = {0};
	int n = 0;

	assert_int_equal(store_put_replica(b->s, &r0, store_bed_answer, &a), 0);
	assert_int_equal(store_put_replica(b->s, &r1, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 2);
	assert_int_equal(store_load_replicas(b->s, stop_at_once, &n, &e), -ECANCELED);
	assert_int_equal(n, 1);
	assert_int_equal(e.code, -ECANCELED);
}

static void test_close_finishes_what_is_queued(void **state)
{
	struct store_bed *b = *state;
	struct answers a = {0};

	for (int i = 0; i < 100; i++)
		assert_int_equal(store_put_meta(b->s, "k", i, store_bed_answer, &a), 0);
	assert_int_equal(put_event(b->s, 1, store_bed_answer, &a), 0);
	store_bed_reopen(b);
	assert_int_equal(a.n, 101);
	assert_int_equal(a.failed, 0);
	assert_int_equal(store_meta(b->s, "k", 0), 99);
}

static void test_a_backup_is_a_store(void **state)
{
	struct store_bed *b = *state, copy;
	struct answers a = {0};
	char id[37], path[128];

	(void)snprintf(id, sizeof(id), "%s", store_node_id(b->s));
	store_bed_make(&copy);
	(void)snprintf(path, sizeof(path), "%s/covey.db", copy.dir.path);
	assert_int_equal(store_put_meta(b->s, "k", 5, NULL, NULL), 0);
	assert_int_equal(store_backup(b->s, path, store_bed_answer, &a), 0);
	assert_int_equal(store_put_meta(b->s, "k", 6, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 2);
	assert_int_equal(a.failed, 0);
	store_bed_open(&copy);
	assert_int_equal(store_meta(copy.s, "k", 0), 5); /* what was queued after it is not in it */
	assert_string_equal(store_node_id(copy.s), id);
	store_bed_done(&copy);
	assert_int_equal(store_backup(b->s, "/nonexistent/dir/x", store_bed_answer, &a), 0);
	store_bed_await(b, &a, 3);
	assert_int_equal(a.rc, -ENOENT);
	assert_non_null(strstr(a.error, "/nonexistent/dir/x"));
	assert_int_equal(store_bed_put_meta(b, "k", 7), 0);
}

static void test_every_allocation_of_a_job_fails_once(void **state)
{
	struct store_bed *b = *state;
	const struct store_agent agent = {.name = "web", .text = "t", .text_len = 1};
	const struct store_replica r = {.id = "a.0"};
	const struct store_op op = {.seq = 1, .oldest = 1, .id = "op-a"};

	OOM_LOOP (o) {
		struct answers a = {0};
		int rc[] = {store_put_agent(b->s, &agent, store_bed_answer, &a),
			store_del_agent(b->s, "x", store_bed_answer, &a),
			store_put_replica(b->s, &r, store_bed_answer, &a),
			store_del_replica(b->s, "x", store_bed_answer, &a), put_event(b->s, 1, store_bed_answer, &a),
			store_put_meta(b->s, "k", 1, store_bed_answer, &a),
			store_backup(b->s, "/dev/null/x", NULL, NULL), store_sync(b->s, store_bed_answer, &a),
			store_put_op(b->s, &op, store_bed_answer, &a)};
		int refused = 0, answers = 8;

		for (size_t i = 0; i < ARRAY_LEN(rc); i++)
			refused += rc[i] == -ENOMEM;
		assert_int_equal(refused, oom_hit(&o) ? 1 : 0);
		answers -= refused && rc[6] == 0;
		store_bed_await(b, &a, answers);
		assert_int_equal(a.failed, 0);
	}
}

static void test_every_allocation_of_opening_fails_once(void **state)
{
	struct store_bed *b = *state;

	OOM_LOOP (o) {
		struct store_bed other;
		struct err e = {0};
		int rc;

		store_bed_make(&other);
		rc = store_open(other.loop, other.dir.path, &other.s, &e);
		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		if (rc < 0)
			other.s = NULL;
		store_bed_done(&other);
	}
	(void)b;
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_put_is_read_back),
		TEST(test_what_was_deleted_is_gone_and_what_was_put_again_is_new),
		TEST(test_changes_are_known_by_their_ids),
		TEST(test_the_file_is_private_and_the_id_stays),
		TEST(test_the_cluster_is_known_once_it_is_durable),
		TEST(test_answers_come_in_order_and_in_groups),
		TEST(test_nothing_is_answered_before_it_is_synced),
		TEST(test_a_full_queue_refuses_and_recovers),
		TEST(test_the_content_that_waits_is_bounded),
		TEST(test_events_alone_share_a_commit),
		TEST(test_events_leave_with_what_is_urgent),
		TEST(test_old_events_are_trimmed),
		TEST(test_a_walk_ends_where_it_is_told),
		TEST(test_close_finishes_what_is_queued),
		TEST(test_a_backup_is_a_store),
		TEST(test_every_allocation_of_a_job_fails_once),
		TEST(test_every_allocation_of_opening_fails_once),
	};

	fault_vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
