/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: numbered for ever, kept in a ring and on disk, asked for by what came after, whose, since when, how many.
 */
#include "node/events.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/fault_vfs.h"
#include "tests/lib/oom.h"
#include "tests/lib/store_bed.h"

struct bed {
	struct store_bed store;
	struct events *ev;
};

static void open_events(struct bed *b)
{
	struct err e = {0};

	if (events_new(b->store.s, "n1", &b->ev, &e) < 0)
		fail_msg("events_new: %s", e.text);
}

static int setup(void **state)
{
	static struct bed bed;

	fault_vfs_reset();
	store_bed_make(&bed.store);
	store_bed_open(&bed.store);
	open_events(&bed);
	*state = &bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	fault_vfs_reset();
	events_free(b->ev);
	store_bed_done(&b->store);
	return 0;
}

static void restart(struct bed *b)
{
	events_free(b->ev);
	store_bed_reopen(&b->store);
	open_events(b);
}

static void emit(struct bed *b, int64_t wall_ms, const char *agent, const char *text)
{
	events_emit(
		b->ev, &(struct store_event){
			       .wall_ms = wall_ms, .severity = "info", .kind = "test", .agent = agent, .text = text});
}

struct found {
	char text[4096];
	int64_t last;
	int n, rc;
};

static int find(void *arg, const struct store_event *e)
{
	struct found *f = arg;
	size_t at = strlen(f->text);

	(void)snprintf(f->text + at, sizeof(f->text) - at, "%lld:%s ", (long long)e->seq, e->text);
	f->n++;
	return 0;
}

static struct found query(struct bed *b, const struct events_query *q)
{
	struct found f = {0};

	f.rc = events_query(b->ev, q, find, &f, &f.last, NULL);
	return f;
}

static void expect(struct bed *b, const struct events_query *q, const char *text, int64_t last)
{
	struct found f = query(b, q);

	assert_int_equal(f.rc, 0);
	assert_string_equal(f.text, text);
	assert_int_equal(f.last, last);
}

static void test_questions(void **state)
{
	struct bed *b = *state;

	expect(b, &(struct events_query){.max = 9}, "", 0);
	emit(b, 10, "web", "a");
	emit(b, 20, NULL, "b");
	emit(b, 30, "db", "c");
	emit(b, 40, "web", "d");
	expect(b, &(struct events_query){.max = 9}, "1:a 2:b 3:c 4:d ", 4);
	expect(b, &(struct events_query){.agent = "", .max = 2}, "1:a 2:b ", 2);
	expect(b, &(struct events_query){.after = 2, .max = 9}, "3:c 4:d ", 4);
	expect(b, &(struct events_query){.after = 4, .max = 9}, "", 4);
	expect(b, &(struct events_query){.after = 99, .max = 9}, "", 99);
	expect(b, &(struct events_query){.agent = "web", .max = 9}, "1:a 4:d ", 4);
	expect(b, &(struct events_query){.agent = "web", .max = 1}, "1:a ", 1);
	expect(b, &(struct events_query){.agent = "db", .max = 9}, "3:c ", 4); /* all were looked at */
	expect(b, &(struct events_query){.agent = "none", .max = 9}, "", 4);
	expect(b, &(struct events_query){.since_ms = 20, .max = 9}, "2:b 3:c 4:d ", 4);
	expect(b, &(struct events_query){.newest = true, .max = 2}, "3:c 4:d ", 4);
	expect(b, &(struct events_query){.newest = true, .agent = "web", .max = 2}, "1:a 4:d ", 4);
	expect(b, &(struct events_query){.newest = true, .after = 3, .max = 5}, "4:d ", 4);
}

static void test_ids(void **state)
{
	static const char *const bad[] = {
		"x", "n1", "n1:", "n2:1", "n1:-1", "n1:1x", "n1:99999999999999999999", ":1", "n11:1"};
	struct bed *b = *state;
	char id[EVENT_ID_MAX];
	int64_t seq = -7;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(events_parse_id(b->ev, bad[i], &seq, NULL), -EINVAL);
	assert_int_equal(seq, -7);
	assert_int_equal(events_parse_id(b->ev, "", &seq, NULL), 0);
	assert_int_equal(seq, 0);
	assert_int_equal(events_parse_id(b->ev, "n1:42", &seq, NULL), 0);
	assert_int_equal(seq, 42);
	assert_string_equal(events_id(b->ev, 42, id), "n1:42");
}

static int refuse(void *arg, const struct store_event *e)
{
	(void)arg;
	(void)e;
	return -EMSGSIZE;
}

static void test_a_walk_ends_where_it_is_told(void **state)
{
	struct bed *b = *state;
	struct err e = {0};
	int64_t last = -7;

	emit(b, 1, NULL, "a");
	assert_int_equal(events_query(b->ev, &(struct events_query){.max = 9}, refuse, NULL, &last, &e), -EMSGSIZE);
	assert_int_equal(last, -7);
}

static void test_the_ring_keeps_the_newest(void **state)
{
	struct bed *b = *state;
	struct found f;

	for (int i = 0; i < EVENTS_RING + 5; i++)
		emit(b, i, NULL, "x");
	f = query(b, &(struct events_query){.max = 1});
	assert_string_equal(f.text, "6:x ");
	f = query(b, &(struct events_query){.max = INT64_MAX});
	assert_int_equal(f.n, EVENTS_RING);
	assert_int_equal(f.last, EVENTS_RING + 5);
	restart(b);
	f = query(b, &(struct events_query){.max = INT64_MAX});
	assert_int_equal(f.n, EVENTS_RING);
	assert_int_equal(f.last, EVENTS_RING + 5);
}

/* ---- those that memory no longer has ---- */

struct page {
	struct found f;
	struct answers a;
	int stop_at;
};

static int find_on_thread(void *arg, const struct store_event *e)
{
	struct page *p = arg;

	(void)find(&p->f, e); /* cannot fail */
	return p->f.n == p->stop_at;
}

static void on_page(void *arg, int rc, const char *error)
{
	store_bed_answer(&((struct page *)arg)->a, rc, error);
}

static void reads(struct bed *b, const struct events_query *q, int64_t before, int stop_at, const char *text)
{
	struct page p = {.stop_at = stop_at};

	assert_int_equal(events_read(b->ev, q, before, find_on_thread, on_page, &p), 0);
	store_bed_await(&b->store, &p.a, 1);
	assert_int_equal(p.a.rc, 0);
	assert_string_equal(p.f.text, text);
}

static void test_older_ones_are_read_from_the_disk(void **state)
{
	struct bed *b = *state;

	assert_int_equal(events_oldest(b->ev), 0);
	for (int i = 1; i <= EVENTS_RING + 8; i++) {
		assert_int_equal(events_oldest(b->ev), i > EVENTS_RING + 1 ? i - EVENTS_RING : 0);
		emit(b, i, i % 4 ? "web" : "db", "x");
	}
	assert_int_equal(events_oldest(b->ev), 9);
	reads(b, &(struct events_query){.max = 99}, 9, 0, "1:x 2:x 3:x 4:x 5:x 6:x 7:x 8:x ");
	reads(b, &(struct events_query){.max = 3, .after = 2}, 9, 0, "3:x 4:x 5:x ");
	reads(b, &(struct events_query){.max = 99, .after = 2}, 9, 2, "3:x 4:x ");
	reads(b, &(struct events_query){.max = 99, .agent = ""}, 3, 0, "1:x 2:x ");
	reads(b, &(struct events_query){.max = 99, .agent = "db"}, 9, 0, "4:x 8:x ");
	reads(b, &(struct events_query){.max = 99, .since_ms = 7}, 9, 0, "7:x 8:x ");
	reads(b, &(struct events_query){.max = 2, .newest = true, .agent = "web"}, 8, 0, "6:x 7:x ");
	reads(b, &(struct events_query){.max = 9, .newest = true, .after = 7}, 9, 0, "8:x ");
	reads(b, &(struct events_query){.max = 9, .after = 8}, 9, 0, "");
	restart(b);
	assert_int_equal(events_oldest(b->ev), 9);
	reads(b, &(struct events_query){.max = 2}, 9, 0, "1:x 2:x ");
}

static int refuse_on_thread(void *arg, const struct store_event *e)
{
	(void)arg;
	(void)e;
	return -ENOMEM;
}

static void test_a_reading_that_fails_is_told(void **state)
{
	struct bed *b = *state;
	struct answers a = {0};

	emit(b, 1, NULL, "x");
	assert_int_equal(
		events_read(b->ev, &(struct events_query){.max = 9}, 9, refuse_on_thread, store_bed_answer, &a), 0);
	store_bed_await(&b->store, &a, 1);
	assert_int_equal(a.rc, -ENOMEM);
	assert_non_null(strstr(a.error, "reading "));
	emit(b, 1, NULL, "y");
	reads(b, &(struct events_query){.max = 9}, 9, 0, "1:x 2:y ");
}

static void test_all_of_an_event_survives_a_restart(void **state)
{
	struct bed *b = *state;
	const struct store_event e = {.wall_ms = 5,
		.severity = "warning",
		.kind = "exit",
		.agent = "web",
		.replica = "web.0",
		.text = "gone",
		.data = "\x81\xa1k\x01",
		.data_len = 4};
	struct found f;

	events_emit(b->ev, &e);
	restart(b);
	f = query(b, &(struct events_query){.agent = "web", .since_ms = 5, .max = 1});
	assert_string_equal(f.text, "1:gone ");
	emit(b, 6, NULL, "next"); /* after an orderly end, without a gap */
	expect(b, &(struct events_query){.after = 1, .max = 9}, "2:next ", 2);
}

/* The disk stands still and the daemon is killed: what was shown is lost, its numbers are not given again. */
static void test_numbers_are_never_used_twice(void **state)
{
	struct bed *b = *state;
	struct answers a = {0};
	struct events_stats st;
	struct store_event e;

	assert_int_equal(store_sync(b->store.s, store_bed_answer, &a), 0);
	store_bed_await(&b->store, &a, 1);
	fault_vfs_full_after(0);
	for (int i = 0; i < 2600; i++)
		emit(b, 1, NULL, "lost");
	events_stats(b->ev, &st);
	assert_int_equal(st.newest_seq, 2600);
	events_free(b->ev); /* what it writes here is lost too, as if it was killed */
	store_bed_close(&b->store);
	fault_vfs_full_after(-1);
	store_bed_open(&b->store);
	assert_int_equal(store_load_events(b->store.s, 9, refuse, &e, NULL), 0);
	assert_int_equal(store_meta(b->store.s, "event_seq", 0), 1001);
	open_events(b);
	emit(b, 1, NULL, "new");
	expect(b, &(struct events_query){.max = 9}, "1001:new ", 1001);
}

static void test_a_long_text_is_cut_between_characters(void **state)
{
	struct bed *b = *state;
	char text[EVENT_TEXT_MAX + 40];
	struct found f;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text + EVENT_TEXT_MAX - 1, "\xc3\xbc", 2);
	emit(b, 1, NULL, text);
	f = query(b, &(struct events_query){.max = 1});
	assert_int_equal(strlen(f.text), 2 + EVENT_TEXT_MAX - 1 + 1);
	assert_null(strchr(f.text, '\xc3'));
	text[EVENT_TEXT_MAX] = '\0';
	memset(text, 'y', EVENT_TEXT_MAX);
	emit(b, 1, NULL, text);
	f = query(b, &(struct events_query){.after = 1, .max = 1});
	assert_int_equal(strlen(f.text), 2 + EVENT_TEXT_MAX + 1);
}

struct watcher {
	struct events_watch w;
	int n;
	int64_t seq;
};

static void once(void *arg, const struct store_event *e)
{
	struct watcher *w = arg;

	w->n++;
	w->seq = e->seq;
	events_unwatch(&w->w);
}

static void always(void *arg, const struct store_event *e)
{
	struct watcher *w = arg;

	w->n++;
	w->seq = e->seq;
}

static void test_watchers_are_called_and_may_leave(void **state)
{
	struct bed *b = *state;
	struct watcher first = {.w = {.fn = once, .arg = &first}}, second = {.w = {.fn = always, .arg = &second}},
		       third = {.w = {.fn = once, .arg = &third}};

	events_unwatch(&first.w); /* never watched: harmless */
	events_watch(b->ev, &first.w);
	events_watch(b->ev, &second.w);
	events_watch(b->ev, &third.w);
	emit(b, 1, NULL, "a");
	emit(b, 2, NULL, "b");
	assert_int_equal(first.n, 1);
	assert_int_equal(second.n, 2);
	assert_int_equal(third.n, 1);
	assert_int_equal(second.seq, 2);
	events_unwatch(&second.w);
	events_unwatch(&second.w);
	emit(b, 3, NULL, "c");
	assert_int_equal(second.n, 2);
}

static void test_a_full_store_costs_the_disk_alone(void **state)
{
	struct bed *b = *state;
	struct events_stats st;
	const int total = STORE_QUEUE_MAX + 100;

	fault_vfs_hold_syncs(true);
	for (int i = 0; i < total; i++)
		emit(b, 1, NULL, "x");
	events_stats(b->ev, &st);
	assert_int_equal(st.emitted, total);
	assert_int_equal(st.dropped_memory, 0);
	assert_in_range(st.dropped_disk, 1, total);
	assert_int_equal(query(b, &(struct events_query){.newest = true, .max = 1}).last, total);
	fault_vfs_hold_syncs(false);
}

static void test_every_allocation_fails_once(void **state)
{
	struct bed *b = *state;
	uint64_t dropped = 0;

	emit(b, 1, "web", "a");
	OOM_LOOP (o) {
		struct events_stats st;

		emit(b, 1, "web", "b");
		(void)oom_hit(&o);
		events_stats(b->ev, &st);
		assert_int_equal(st.dropped_memory + st.dropped_disk, dropped + (o.hit ? 1 : 0));
		dropped = st.dropped_memory + st.dropped_disk;
	}
	events_free(b->ev);
	store_bed_reopen(&b->store);
	OOM_LOOP (o) {
		struct err e = {0};
		struct events *ev = NULL;
		int rc = events_new(b->store.s, "n1", &ev, &e);

		if (oom_hit(&o) && rc < 0)
			assert_int_equal(rc, -ENOMEM);
		events_free(ev);
	}
	open_events(b);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_questions),
		TEST(test_ids),
		TEST(test_a_walk_ends_where_it_is_told),
		TEST(test_the_ring_keeps_the_newest),
		TEST(test_older_ones_are_read_from_the_disk),
		TEST(test_a_reading_that_fails_is_told),
		TEST(test_all_of_an_event_survives_a_restart),
		TEST(test_numbers_are_never_used_twice),
		TEST(test_a_long_text_is_cut_between_characters),
		TEST(test_watchers_are_called_and_may_leave),
		TEST(test_a_full_store_costs_the_disk_alone),
		TEST(test_every_allocation_fails_once),
	};

	fault_vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
