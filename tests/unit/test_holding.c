/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which leased slots a node may run, and until when: told of one node in golden traces, and of hosts in virtual time,
 * whose holders are cut off, restart, release and are moved while voters change. COVEY_SEEDS="FROM TO" runs others than
 * the usual seeds.
 */
#include <errno.h>
#include <inttypes.h>

#include "node/holding.h"
#include "tests/lib/consensus_story.h"
#include "tests/lib/holding_bed.h"

#define SEEDS 150

/* ---- one node ---- */

struct teller {
	struct holding h;
	struct story_mem mem;
	struct holding_outs outs;
	struct trace t;
	int64_t now_ms;
	int rc;
	bool quiet, drains;
};

static const struct value_times times = {.tf_ms = 2000, .kill_ms = 500, .lv_ms = 3100};

static void setup(struct teller *w, bool alone)
{
	struct holding_config config = {
		.self = story_node('x'), .cfg = story_cfg(1, "abc", ""), .times = times, .number = 7, .alone = alone};

	memset(w, 0, sizeof(*w));
	config.mem = story_mem(&w->mem);
	holding_init(&w->h, &config, story_now(0));
}

static void done(struct teller *w)
{
	holding_done(&w->h);
	assert_int_equal(w->mem.bytes, 0);
}

static void say(struct teller *w, const struct holding_said *s)
{
	static const char *const words[] = {[HOLDING_STOP] = "stop",
		[HOLDING_RELEASE] = "write the release of",
		[HOLDING_DROP] = "drop the release of",
		[HOLDING_IDENTITY] = "identity change for",
		[HOLDING_RUN] = "run",
		[HOLDING_GOES_ON] = "goes on:"};
	bool has_until = s->word >= HOLDING_RUN;

	_Static_assert(ARRAY_LEN(words) == HOLDING_WORD_MAX, "each word has a text");
	if (s->word == HOLDING_IDENTITY)
		TRACE_OUT(&w->t, "%s %.*s", words[s->word], s->key.n, s->key.v);
	else if (has_until && s->until_ms == HOLDING_UNARMED)
		TRACE_OUT(&w->t, "%s %u/%u, unarmed", words[s->word], (unsigned)s->slot, (unsigned)s->epoch);
	else if (has_until)
		TRACE_OUT(&w->t, "%s %u/%u until %d", words[s->word], (unsigned)s->slot, (unsigned)s->epoch,
			(int)s->until_ms);
	else
		TRACE_OUT(&w->t, "%s %u/%u", words[s->word], (unsigned)s->slot, (unsigned)s->epoch);
}

static void step(struct teller *w, const struct holding_in *in)
{
	struct holding_said s;
	char dump[512];

	w->rc = holding_step(&w->h, in, story_now(w->now_ms), &w->outs);
	holding_check(&w->h);
	if (w->quiet) {
		while (w->drains && holding_next(&w->h, &s))
			;
		return;
	}
	if (w->outs.number > 0)
		TRACE_OUT(&w->t, "number %u to disk", (unsigned)w->outs.number);
	if (w->outs.n_to > 0) {
		TRACE_OUT(&w->t, "%d voters: %s number %u for %u ms", w->outs.n_to, msg_name(w->outs.msg.type),
			(unsigned)w->outs.msg.number, (unsigned)w->outs.msg.tf_ms);
		w->t.n--;
		story_add_leases(&w->t, &w->outs.msg);
		trace_add(&w->t, "\n");
	}
	while (holding_next(&w->h, &s))
		say(w, &s);
	trace_state(&w->t, holding_dump(&w->h, dump, sizeof(dump)));
}

static void tick(struct teller *w, int64_t at_ms)
{
	w->now_ms = at_ms;
	if (!w->quiet)
		TRACE_EVENT(&w->t, at_ms, "tick");
	step(w, &(struct holding_in){.type = HOLDING_IN_TICK});
}

static void number(struct teller *w, uint64_t n)
{
	if (!w->quiet)
		TRACE_EVENT(&w->t, w->now_ms, "number %u is on disk", (unsigned)n);
	step(w, &(struct holding_in){.type = HOLDING_IN_NUMBER, .number = n});
}

/* "0/4", "0/4 stop", "": of web. */
static void chosen(struct teller *w, const char *text, uint64_t next_epoch)
{
	struct holding_own own[4];
	struct holding_in in = {
		.type = HOLDING_IN_CHOSEN, .key = story_key("web"), .own = own, .next_epoch = next_epoch};
	unsigned slot, epoch;
	int n;

	if (!w->quiet)
		TRACE_EVENT(&w->t, w->now_ms, "chosen, next %u: %s", (unsigned)next_epoch, *text ? text : "nothing");
	for (const char *at = text; sscanf(at, " %u/%u%n", &slot, &epoch, &n) == 2; at += n) {
		own[in.n_own] =
			(struct holding_own){.slot = slot, .epoch = epoch, .stop = strncmp(at + n, " stop", 5) == 0};
		n += own[in.n_own++].stop ? 5 : 0;
	}
	step(w, &in);
}

static void of_slot(struct teller *w, enum holding_in_type type, uint32_t slot, uint64_t epoch, int64_t until_ms)
{
	static const char *const names[] = {[HOLDING_IN_FOUND] = "found",
		[HOLDING_IN_EMPTY] = "empty",
		[HOLDING_IN_RELEASED] = "released",
		[HOLDING_IN_ARMED] = "armed"};

	if (!w->quiet)
		TRACE_EVENT(&w->t, w->now_ms, "%s %u/%u", names[type], (unsigned)slot, (unsigned)epoch);
	step(w, &(struct holding_in){
			.type = type, .key = story_key("web"), .slot = slot, .epoch = epoch, .until_ms = until_ms});
}

static void grant(struct teller *w, const char *from, uint64_t n, uint32_t slot, uint64_t epoch, enum msg_why why)
{
	for (; *from; from++) {
		struct msg_lease l = {.key = story_key("web"), .slot = slot, .epoch = epoch, .why = why};
		struct msg m = {.type = MSG_GRANT,
			.from = story_node(*from),
			.cfg.epoch = w->h.lease.config.cfg.epoch,
			.number = n,
			.leases = &l,
			.n_leases = 1};

		if (!w->quiet)
			TRACE_EVENT(&w->t, w->now_ms, "%c: %s, number %u", *from, msg_why_text(why), (unsigned)n);
		step(w, &(struct holding_in){.type = HOLDING_IN_MSG, .msg = &m});
	}
}

/* Numbers are on disk, and so is the first renewal under way: number 8. */
static void begin(struct teller *w, const char *text, uint64_t next_epoch)
{
	w->quiet = w->drains = true;
	tick(w, 0);
	number(w, w->outs.number);
	chosen(w, text, next_epoch);
	tick(w, 0);
	w->quiet = w->drains = false;
	w->t.n = 0;
}

static void test_it_starts_with_a_quorum_and_a_number(void **state)
{
	struct teller w;

	(void)state;
	setup(&w, false);
	chosen(&w, "0/4", 5);
	tick(&w, 0);
	tick(&w, 500);
	tick(&w, 1000); /* the disk said nothing */
	number(&w, 4103);
	tick(&w, 1010);
	w.now_ms = 1300;
	grant(&w, "ac", 8, 0, 4, MSG_WHY_NONE);
	grant(&w, "b", 8, 0, 4, MSG_WHY_VALUE);
	TRACE_IS(&w.t, "[     0] chosen, next 5: 0/4\n"
		       "         = number 7 of 7 | web.0/4 ours\n"
		       "[     0] tick\n"
		       "         -> number 4103 to disk\n"
		       "[   500] tick\n"
		       "[  1000] tick\n"
		       "         -> number 4103 to disk\n"
		       "[  1000] number 4103 is on disk\n"
		       "         = number 7 of 4103 | web.0/4 ours\n"
		       "[  1010] tick\n"
		       "         -> 3 voters: renew number 8 for 2000 ms; web.0/4\n"
		       "         = number 8 of 4103 | web.0/4 ours\n"
		       "[  1300] a: granted, number 8\n"
		       "[  1300] c: granted, number 8\n"
		       "         -> run 0/4 until 3010\n"
		       "         = number 8 of 4103 | web.0/4 ours until 3010\n"
		       "[  1300] b: the slot is not the asker's there, number 8\n"
		       "         -> identity change for web\n"
		       "         = number 8 of 4103 | web.0/4 ours until 3010 unknown\n");
	done(&w);
}

/* A value may be older than what is known, or be said again; an epoch that was left behind does not come back. */
static void test_values_come_in_any_order(void **state)
{
	struct teller w;

	(void)state;
	setup(&w, false);
	begin(&w, "0/4 1/5", 6);
	grant(&w, "ab", 8, 0, 4, MSG_WHY_NONE);
	chosen(&w, "", 4); /* from before they were given */
	chosen(&w, "0/2", 4);
	chosen(&w, "1/5", 9); /* 0 is another's, at an epoch up to 8 */
	chosen(&w, "0/4 1/5", 6);
	tick(&w, 700);
	of_slot(&w, HOLDING_IN_EMPTY, 0, 4, 0);
	chosen(&w, "0/10 1/5", 11);
	TRACE_IS(&w.t, "[     0] a: granted, number 8\n"
		       "         = number 8 of 4103 | web.0/4 ours | web.1/5 ours\n"
		       "[     0] b: granted, number 8\n"
		       "         -> run 0/4 until 2000\n"
		       "         = number 8 of 4103 | web.0/4 ours until 2000 | web.1/5 ours\n"
		       "[     0] chosen, next 4: nothing\n"
		       "[     0] chosen, next 4: 0/2\n"
		       "[     0] chosen, next 9: 1/5\n"
		       "         -> stop 0/4\n"
		       "         = number 8 of 4103 | web.0/4 lost until 2000 | web.1/5 ours\n"
		       "[     0] chosen, next 6: 0/4 1/5\n"
		       "[   700] tick\n"
		       "         -> 3 voters: renew number 9 for 2000 ms; web.1/5\n"
		       "         = number 9 of 4103 | web.0/4 lost until 2000 | web.1/5 ours\n"
		       "[   700] empty 0/4\n"
		       "[   700] chosen, next 11: 0/10 1/5\n"
		       "         = number 9 of 4103 | web.0/10 ours | web.1/5 ours\n");
	done(&w);
}

/* The same node again, at a newer epoch: what runs of the older one ends first. */
static void test_a_newer_epoch_of_ours(void **state)
{
	struct teller w;

	(void)state;
	setup(&w, false);
	begin(&w, "0/4", 5);
	grant(&w, "ab", 8, 0, 4, MSG_WHY_NONE);
	chosen(&w, "0/7", 8);
	chosen(&w, "0/5", 6);		       /* of between the two */
	grant(&w, "c", 8, 0, 4, MSG_WHY_NONE); /* late */
	of_slot(&w, HOLDING_IN_EMPTY, 0, 4, 0);
	tick(&w, 100);
	grant(&w, "ab", 9, 0, 7, MSG_WHY_NONE);
	TRACE_IS(&w.t, "[     0] a: granted, number 8\n"
		       "         = number 8 of 4103 | web.0/4 ours\n"
		       "[     0] b: granted, number 8\n"
		       "         -> run 0/4 until 2000\n"
		       "         = number 8 of 4103 | web.0/4 ours until 2000\n"
		       "[     0] chosen, next 8: 0/7\n"
		       "         -> stop 0/4\n"
		       "         = number 8 of 4103 | web.0/4 lost until 2000 then 7\n"
		       "[     0] chosen, next 6: 0/5\n"
		       "[     0] c: granted, number 8\n"
		       "[     0] empty 0/4\n"
		       "         = number 8 of 4103 | web.0/7 ours\n"
		       "[   100] tick\n"
		       "         -> 3 voters: renew number 9 for 2000 ms; web.0/7\n"
		       "         = number 9 of 4103 | web.0/7 ours\n"
		       "[   100] a: granted, number 9\n"
		       "[   100] b: granted, number 9\n"
		       "         -> run 0/7 until 2100\n"
		       "         = number 9 of 4103 | web.0/7 ours until 2100\n");
	done(&w);
}

static void test_a_release(void **state)
{
	struct teller w;

	(void)state;
	setup(&w, false);
	begin(&w, "0/4", 5);
	grant(&w, "ab", 8, 0, 4, MSG_WHY_NONE);
	chosen(&w, "0/4 stop", 5);
	tick(&w, 700);
	grant(&w, "ab", 9, 0, 4, MSG_WHY_NONE); /* it takes its time to end */
	of_slot(&w, HOLDING_IN_EMPTY, 0, 4, 0);
	tick(&w, 1700); /* the disk said nothing */
	of_slot(&w, HOLDING_IN_RELEASED, 0, 4, 0);
	tick(&w, 1701);
	chosen(&w, "0/4", 5); /* it is final */
	chosen(&w, "", 5);
	TRACE_IS(&w.t, "[     0] a: granted, number 8\n"
		       "         = number 8 of 4103 | web.0/4 ours\n"
		       "[     0] b: granted, number 8\n"
		       "         -> run 0/4 until 2000\n"
		       "         = number 8 of 4103 | web.0/4 ours until 2000\n"
		       "[     0] chosen, next 5: 0/4 stop\n"
		       "         -> stop 0/4\n"
		       "         = number 8 of 4103 | web.0/4 ending until 2000\n"
		       "[   700] tick\n"
		       "         -> 3 voters: renew number 9 for 2000 ms; web.0/4\n"
		       "         = number 9 of 4103 | web.0/4 ending until 2000\n"
		       "[   700] a: granted, number 9\n"
		       "[   700] b: granted, number 9\n"
		       "         -> goes on: 0/4 until 2700\n"
		       "         = number 9 of 4103 | web.0/4 ending until 2700\n"
		       "[   700] empty 0/4\n"
		       "         -> write the release of 0/4\n"
		       "         = number 9 of 4103 | web.0/4 empty\n"
		       "[  1700] tick\n"
		       "         -> write the release of 0/4\n"
		       "[  1700] released 0/4\n"
		       "         = number 9 of 4103 | web.0/4 released\n"
		       "[  1701] tick\n"
		       "         -> 3 voters: release number 10 for 0 ms; web.0/4\n"
		       "         = number 10 of 4103 | web.0/4 released\n"
		       "[  1701] chosen, next 5: 0/4\n"
		       "[  1701] chosen, next 5: nothing\n"
		       "         -> drop the release of 0/4\n");
	done(&w);
}

/* The slot moves while its release is being written. */
static void test_a_release_that_is_overtaken(void **state)
{
	struct teller w;

	(void)state;
	setup(&w, false);
	begin(&w, "0/4 stop 1/5 stop", 6);
	of_slot(&w, HOLDING_IN_EMPTY, 0, 4, 0);
	of_slot(&w, HOLDING_IN_EMPTY, 1, 5, 0);
	chosen(&w, "1/7", 8);
	of_slot(&w, HOLDING_IN_RELEASED, 0, 4, 0);
	of_slot(&w, HOLDING_IN_RELEASED, 1, 5, 0);
	tick(&w, 1);
	tick(&w, 2);
	TRACE_IS(&w.t, "[     0] empty 0/4\n"
		       "         -> write the release of 0/4\n"
		       "         = number 8 of 4103 | web.0/4 empty | web.1/5 ending\n"
		       "[     0] empty 1/5\n"
		       "         -> write the release of 1/5\n"
		       "         = number 8 of 4103 | web.0/4 empty | web.1/5 empty\n"
		       "[     0] chosen, next 8: 1/7\n"
		       "         = number 8 of 4103 | web.0/4 empty | web.1/5 empty then 7\n"
		       "[     0] released 0/4\n"
		       "         -> drop the release of 0/4\n"
		       "         = number 8 of 4103 | web.0/4 released | web.1/5 empty then 7\n"
		       "[     0] released 1/5\n"
		       "         -> drop the release of 1/5\n"
		       "         = number 8 of 4103 | web.1/7 ours\n"
		       "[     1] tick\n"
		       "         -> 3 voters: release number 9 for 0 ms; web.0/4\n"
		       "         = number 9 of 4103 | web.1/7 ours\n"
		       "[     2] tick\n"
		       "         -> 3 voters: renew number 10 for 2000 ms; web.1/7\n"
		       "         = number 10 of 4103 | web.1/7 ours\n");
	done(&w);
}

/* Who wrote a release and ended tells the voters again; and remembers it until it is left behind. */
static void test_a_release_that_was_on_disk(void **state)
{
	struct msg_key web = story_key("web");
	struct teller w;

	(void)state;
	setup(&w, false);
	assert_int_equal(holding_load(&w.h, &web, 0, 4, story_now(0)), 0);
	assert_int_equal(holding_load(&w.h, &web, 1, 3, story_now(0)), 0);
	number(&w, 4103);
	tick(&w, 0);
	chosen(&w, "0/4 1/5", 6);
	of_slot(&w, HOLDING_IN_FOUND, 0, 4, 1000);
	assert_int_equal(w.rc, -ESTALE);
	tick(&w, 1);
	TRACE_IS(&w.t, "[     0] number 4103 is on disk\n"
		       "         = number 7 of 4103 | web.0/4 released | web.1/3 released\n"
		       "[     0] tick\n"
		       "         -> 3 voters: release number 8 for 0 ms; web.0/4; web.1/3\n"
		       "         = number 8 of 4103 | web.0/4 released | web.1/3 released\n"
		       "[     0] chosen, next 6: 0/4 1/5\n"
		       "         -> drop the release of 1/3\n"
		       "         = number 8 of 4103 | web.0/4 released | web.1/5 ours\n"
		       "[     0] found 0/4\n"
		       "[     1] tick\n"
		       "         -> 3 voters: renew number 9 for 2000 ms; web.1/5\n"
		       "         = number 9 of 4103 | web.0/4 released | web.1/5 ours\n");
	done(&w);
}

/* A daemon that starts again hears of what runs, and of values that may be older than that. */
static void test_found(void **state)
{
	struct teller w;

	(void)state;
	setup(&w, false);
	begin(&w, "0/3 2/4", 5);
	w.now_ms = 10;
	of_slot(&w, HOLDING_IN_FOUND, 0, 7, 1500);
	of_slot(&w, HOLDING_IN_FOUND, 1, 8, 1600);
	of_slot(&w, HOLDING_IN_FOUND, 2, 2, 1700);
	of_slot(&w, HOLDING_IN_FOUND, 3, 0, 1800);
	assert_int_equal(w.rc, -ESTALE); /* of no lease */
	chosen(&w, "0/3 2/4", 5);
	tick(&w, 20);
	grant(&w, "abc", 9, 1, 8, MSG_WHY_VALUE);
	tick(&w, 30);
	chosen(&w, "0/7 2/4", 11);
	of_slot(&w, HOLDING_IN_EMPTY, 2, 2, 0);
	TRACE_IS(&w.t,
		"[    10] found 0/7\n"
		"         = number 8 of 4103 | web.0/7 found until 1500 | web.2/4 ours\n"
		"[    10] found 1/8\n"
		"         = number 8 of 4103 | web.0/7 found until 1500 | web.1/8 found until 1600 | web.2/4 ours\n"
		"[    10] found 2/2\n"
		"         -> stop 2/2\n"
		"         = number 8 of 4103 | web.0/7 found until 1500 | web.1/8 found until 1600 | web.2/2 lost then "
		"4\n"
		"[    10] found 3/0\n"
		"[    10] chosen, next 5: 0/3 2/4\n"
		"[    20] tick\n"
		"         -> 3 voters: renew number 9 for 2000 ms; web.0/7; web.1/8\n"
		"         = number 9 of 4103 | web.0/7 found until 1500 | web.1/8 found until 1600 | web.2/2 lost then "
		"4\n"
		"[    20] a: the slot is not the asker's there, number 9\n"
		"         -> identity change for web\n"
		"         = number 9 of 4103 | web.0/7 found until 1500 | web.1/8 found until 1600 unknown | web.2/2 "
		"lost then 4\n"
		"[    20] b: the slot is not the asker's there, number 9\n"
		"[    20] c: the slot is not the asker's there, number 9\n"
		"[    30] tick\n"
		"[    30] chosen, next 11: 0/7 2/4\n"
		"         -> run 0/7 until 1500\n"
		"         -> stop 1/8\n"
		"         = number 9 of 4103 | web.0/7 ours until 1500 | web.1/8 lost until 1600 | web.2/2 lost then "
		"4\n"
		"[    30] empty 2/2\n"
		"         = number 9 of 4103 | web.0/7 ours until 1500 | web.1/8 lost until 1600 | web.2/4 ours\n");
	done(&w);
}

static void test_a_node_alone(void **state)
{
	struct teller w;

	(void)state;
	setup(&w, true);
	w.h.lease.config.cfg = story_cfg(1, "x", "");
	assert_false(holding_is_armed(&w.h));
	begin(&w, "0/4", 5);
	assert_false(holding_is_armed(&w.h));
	chosen(&w, "0/4 1/5 2/6", 7);
	chosen(&w, "0/4 1/5 2/6 stop", 7);
	tick(&w, 700);
	TRACE_EVENT(&w.t, 700, "arm");
	step(&w, &(struct holding_in){.type = HOLDING_IN_ARM});
	tick(&w, 701);
	grant(&w, "x", 8, 0, 4, MSG_WHY_NONE);
	grant(&w, "x", 8, 1, 5, MSG_WHY_NONE);
	of_slot(&w, HOLDING_IN_ARMED, 0, 4, 0);
	of_slot(&w, HOLDING_IN_ARMED, 1, 5, 0);
	assert_false(holding_is_armed(&w.h));
	of_slot(&w, HOLDING_IN_EMPTY, 2, 6, 0);
	assert_true(holding_is_armed(&w.h));
	chosen(&w, "0/4 1/5 2/6 stop 3/7", 8);
	assert_true(holding_is_armed(&w.h));
	of_slot(&w, HOLDING_IN_FOUND, 5, 3, HOLDING_UNARMED); /* of before, whose shim answers late */
	assert_false(holding_is_armed(&w.h));
	chosen(&w, "0/4 1/5 3/7 5/3", 8);
	TRACE_IS(&w.t,
		"[     0] chosen, next 7: 0/4 1/5 2/6\n"
		"         -> run 1/5, unarmed\n"
		"         -> run 2/6, unarmed\n"
		"         = number 7 of 4103 alone | web.0/4 ours unarmed | web.1/5 ours unarmed | web.2/6 ours "
		"unarmed\n"
		"[     0] chosen, next 7: 0/4 1/5 2/6 stop\n"
		"         -> stop 2/6\n"
		"         = number 7 of 4103 alone | web.0/4 ours unarmed | web.1/5 ours unarmed | web.2/6 ending "
		"unarmed\n"
		"[   700] tick\n"
		"[   700] arm\n"
		"         = number 7 of 4103 | web.0/4 ours unarmed | web.1/5 ours unarmed | web.2/6 ending unarmed\n"
		"[   701] tick\n"
		"         -> 1 voters: renew number 8 for 2000 ms; web.0/4; web.1/5; web.2/6\n"
		"         = number 8 of 4103 | web.0/4 ours unarmed | web.1/5 ours unarmed | web.2/6 ending unarmed\n"
		"[   701] x: granted, number 8\n"
		"         -> run 0/4 until 2701\n"
		"         = number 8 of 4103 | web.0/4 ours until 2701 arming | web.1/5 ours unarmed | web.2/6 ending "
		"unarmed\n"
		"[   701] x: granted, number 8\n"
		"         -> run 1/5 until 2701\n"
		"         = number 8 of 4103 | web.0/4 ours until 2701 arming | web.1/5 ours until 2701 arming | "
		"web.2/6 ending unarmed\n"
		"[   701] armed 0/4\n"
		"         = number 8 of 4103 | web.0/4 ours until 2701 | web.1/5 ours until 2701 arming | web.2/6 "
		"ending unarmed\n"
		"[   701] armed 1/5\n"
		"         = number 8 of 4103 | web.0/4 ours until 2701 | web.1/5 ours until 2701 | web.2/6 ending "
		"unarmed\n"
		"[   701] empty 2/6\n"
		"         -> write the release of 2/6\n"
		"         = number 8 of 4103 | web.0/4 ours until 2701 | web.1/5 ours until 2701 | web.2/6 empty\n"
		"[   701] chosen, next 8: 0/4 1/5 2/6 stop 3/7\n"
		"         = number 8 of 4103 | web.0/4 ours until 2701 | web.1/5 ours until 2701 | web.2/6 empty | "
		"web.3/7 ours\n"
		"[   701] found 5/3\n"
		"         = number 8 of 4103 | web.0/4 ours until 2701 | web.1/5 ours until 2701 | web.2/6 empty | "
		"web.3/7 ours | web.5/3 found unarmed\n"
		"[   701] chosen, next 8: 0/4 1/5 3/7 5/3\n"
		"         = number 8 of 4103 | web.0/4 ours until 2701 | web.1/5 ours until 2701 | web.2/6 empty | "
		"web.3/7 ours | web.5/3 ours unarmed\n");
	done(&w);
}

/* Every input at every state, with what is older and newer: nothing breaks, and what was released does not come back. */
static void test_each_input_at_each_state(void **state)
{
	static const enum holding_in_type inputs[] = {
		HOLDING_IN_FOUND, HOLDING_IN_EMPTY, HOLDING_IN_RELEASED, HOLDING_IN_ARMED};
	struct msg_key web = story_key("web");
	uint64_t seen[HOLDING_STATE_MAX] = {0};
	struct rng r;

	(void)state;
	rng_seed(&r, 11);
	for (int round = 0; round < 2000; round++) {
		uint64_t released = 0;
		struct teller w;

		setup(&w, round % 2);
		w.quiet = true;
		number(&w, 1000000);
		for (int i = 0; i < 12; i++) {
			uint64_t epoch = 1 + rng_below(&r, 4);
			struct holding_own own = {.slot = 0, .epoch = epoch, .stop = rng_below(&r, 2)};
			struct holding_in in = {.type = inputs[rng_below(&r, ARRAY_LEN(inputs))],
				.key = web,
				.epoch = epoch,
				.until_ms = rng_below(&r, 3) ? w.now_ms + 100 : HOLDING_UNARMED,
				.own = &own,
				.n_own = rng_below(&r, 3) > 0,
				.next_epoch = epoch + 1};
			struct holding_said said;

			w.now_ms += 50;
			if (rng_below(&r, 2))
				in.type = HOLDING_IN_CHOSEN;
			step(&w, &in);
			if (in.type == HOLDING_IN_RELEASED && w.h.n_slots > 0 && w.h.slots[0].epoch == epoch &&
				w.h.slots[0].state == HOLDING_RELEASED)
				released = MAX(released, epoch);
			while (holding_next(&w.h, &said))
				assert_true(said.epoch > released || said.word == HOLDING_DROP ||
					    said.word == HOLDING_STOP);
			if (w.h.n_slots > 0)
				seen[w.h.slots[0].state]++;
			if (rng_below(&r, 8) == 0)
				step(&w, &(struct holding_in){.type = HOLDING_IN_ARM});
			tick(&w, w.now_ms);
		}
		done(&w);
	}
	for (int i = 0; i < HOLDING_STATE_MAX; i++)
		assert_true(seen[i] > 50);
}

static void test_the_last_slot(void **state)
{
	static struct holding_own own[MSG_LEASES_MAX + 1];
	struct holding_in in = {
		.type = HOLDING_IN_CHOSEN, .key = story_key("web"), .own = own, .n_own = 1, .next_epoch = 9};
	struct teller w;

	(void)state;
	for (uint32_t i = 0; i <= MSG_LEASES_MAX; i++)
		own[i] = (struct holding_own){.slot = i, .epoch = 3};
	setup(&w, false);
	w.quiet = true;
	number(&w, 5000);
	w.mem.fail_in = 1;
	step(&w, &in);
	assert_int_equal(w.rc, -ENOMEM);
	w.mem.fail_in = 2; /* it is in the table, and not yet in the lease */
	step(&w, &in);
	assert_int_equal(w.rc, 0);
	assert_int_equal(holding_deadline_ms(&w.h), HOLDING_AGAIN_MS);
	tick(&w, HOLDING_AGAIN_MS);
	assert_int_equal(w.outs.msg.n_leases, 1);
	in.n_own = MSG_LEASES_MAX + 1;
	step(&w, &in);
	assert_int_equal(w.rc, -ENOSPC);
	tick(&w, HOLDING_AGAIN_MS + 1);
	assert_int_equal(w.outs.msg.n_leases, MSG_LEASES_MAX);
	done(&w);
}

/* A planned stop waits until all that runs may do so for long. */
static void test_a_long_renewal(void **state)
{
	struct teller w;

	(void)state;
	setup(&w, false);
	w.quiet = true;
	assert_int_equal(holding_least_ms(&w.h), DEADLINE_NEVER);
	chosen(&w, "0/4", 5);
	step(&w, &(struct holding_in){.type = HOLDING_IN_LONG, .tf_ms = 90000});
	assert_int_equal(w.outs.n_to, 0); /* no number is on disk */
	number(&w, 4103);
	assert_int_equal(w.outs.n_to, 3);
	assert_int_equal(w.outs.msg.tf_ms, MSG_TF_MAX_MS);
	assert_int_equal(holding_least_ms(&w.h), 0);
	grant(&w, "ab", 8, 0, 4, MSG_WHY_NONE);
	assert_int_equal(holding_least_ms(&w.h), MSG_TF_MAX_MS);
	w.now_ms = 100;
	step(&w, &(struct holding_in){.type = HOLDING_IN_RESUMED}); /* at once, and not for long */
	assert_int_equal(w.outs.n_to, 3);
	assert_int_equal(w.outs.msg.tf_ms, times.tf_ms);
	done(&w);
}

static void test_what_a_value_gives_a_node(void **state)
{
	const struct sched_node self = {1, 2}, other = {1, 3};
	struct sched_slot slots[] = {
		{.number = 0, .state = SCHED_RUN, .leased = true, .node = self, .epoch = 4},
		{.number = 1, .state = SCHED_RUN, .leased = true, .node = other, .epoch = 5},
		{.number = 2, .state = SCHED_RUN, .node = self, .epoch = 6},
		{.number = 3, .state = SCHED_PENDING, .leased = true, .last = self},
		{.number = 4, .state = SCHED_STOP, .leased = true, .node = self, .epoch = 7},
	};
	const struct sched_value v = {.slots = slots, .n_slots = ARRAY_LEN(slots)};
	struct holding_own own[4];

	(void)state;
	assert_int_equal(holding_own(&v, self, own, 4), 2);
	assert_true(own[0].slot == 0 && own[0].epoch == 4 && !own[0].stop);
	assert_true(own[1].slot == 4 && own[1].epoch == 7 && own[1].stop);
	assert_int_equal(holding_own(&v, self, own, 1), 1);
}

/* ---- hosts in virtual time ---- */

static struct cbed_config quiet_config(void)
{
	return (struct cbed_config){.seed = 3, .hosts = 4, .voters = 3, .keys = 2, .leases = true};
}

static void is_well(struct cbed *b)
{
	if (b->wrong[0])
		fail_msg("%s", b->wrong);
}

static const struct cproc *proc(const struct cbed *b, int host)
{
	return &b->hosts[host].procs[1][0];
}

/* Slot 0 of the first agent is that host's, and runs there; in how many ms. */
static int64_t move_to(struct cbed *b, int by, int host)
{
	int64_t from = b->now_ms;

	assert_non_null(cbed_move(b, by, 1, 0, host, 20000));
	while (!proc(b, host)->running && !b->wrong[0] && b->now_ms < from + 30000)
		cbed_run(b, 10);
	is_well(b);
	assert_true(proc(b, host)->running);
	return b->now_ms - from;
}

static void cut_off(struct cbed *b, int host, bool off)
{
	for (int i = 0; i < b->config.hosts; i++)
		if (i != host)
			b->cut[i][host] = b->cut[host][i] = off;
}

/* Its deadline passes, and the slot starts elsewhere after that alone. */
static void test_a_holder_that_is_cut_off(void **state)
{
	struct cbed_config config = quiet_config();
	struct cbed *b;

	(void)state;
	for (config.seed = 1; config.seed <= 20; config.seed++) {
		int64_t took;

		b = cbed_new(&config);
		(void)move_to(b, 0, 3);
		cbed_run(b, 5000);
		assert_int_equal(b->fenced, 0);
		cut_off(b, 3, true);
		took = move_to(b, 0, 1);
		assert_true(b->fenced > 0 && !proc(b, 3)->running);
		assert_true(took > 1000 && took < 6000);
		cut_off(b, 3, false);
		cbed_run(b, 5000);
		is_well(b);
		assert_true(proc(b, 1)->running && !proc(b, 3)->running);
		cbed_free(b);
	}
}

/* Within the lease the same process goes on; past it, it was killed, and is started again by the same holder. */
static void test_a_daemon_that_starts_again(void **state)
{
	struct cbed_config config = quiet_config();
	struct cbed *b = cbed_new(&config);
	uint64_t starts, epoch;

	(void)state;
	(void)move_to(b, 0, 3);
	cbed_run(b, 3000);
	starts = b->starts;
	epoch = proc(b, 3)->epoch;
	for (int i = 0; i < 5; i++) {
		cbed_crash(b, 3);
		cbed_run(b, 300);
		cbed_boot(b, 3);
		cbed_run(b, 4000);
		is_well(b);
		assert_true(proc(b, 3)->running);
		assert_int_equal(b->starts, starts);
	}
	cbed_crash(b, 3);
	cbed_run(b, 5000);
	assert_false(proc(b, 3)->running);
	cbed_boot(b, 3);
	(void)cbed_begin(b, 3, 1, CBED_READ, 5000); /* what it knew of values was in memory */
	cbed_run(b, 3000);
	is_well(b);
	assert_true(proc(b, 3)->running);
	assert_int_equal(proc(b, 3)->epoch, epoch);
	cbed_free(b);
}

/* The next owner waits for nobody where the one before has released, and for its guards where it did not. */
static void test_a_release_lets_the_next_owner_start(void **state)
{
	struct cbed_config config = quiet_config();
	struct cbed *b = cbed_new(&config);

	(void)state;
	(void)move_to(b, 0, 3);
	cbed_run(b, 3000);
	cbed_give_up(b, 3, 1, 0);
	cbed_run(b, 1000); /* it takes its time to end */
	assert_true(holding_bed_figures.releases > 0 && !proc(b, 3)->running);
	assert_true(move_to(b, 0, 1) < 400);
	assert_int_equal(b->fenced, 0);
	cbed_run(b, 3000);
	assert_true(holding_bed_figures.drops > 0);
	cut_off(b, 1, true);
	assert_true(move_to(b, 0, 2) > 1500); /* held off until the guards end, and the holder's fuse before them */
	cbed_free(b);
}

/* Nothing restarts, and nothing is killed. */
static void test_voters_change_while_leases_are_held(void **state)
{
	struct cbed_config config = quiet_config();
	struct cbed *b;

	(void)state;
	config.hosts = 5;
	config.vote_s = 1;
	b = cbed_new(&config);
	(void)move_to(b, 0, 3);
	cbed_run(b, 2000);
	assert_int_equal(b->starts, 2); /* both of its slots */
	cbed_run(b, 60000);
	is_well(b);
	assert_true(b->voters_changed > 5);
	assert_int_equal(b->starts, 2);
	assert_int_equal(b->fenced, 0);
	cbed_free(b);
}

/* Alone nothing has a deadline; the second voter comes once all has one. */
static void test_a_host_alone_gets_company(void **state)
{
	struct cbed_config config = quiet_config();

	(void)state;
	config.voters = 1;
	for (int arm = 0; arm < 2; arm++) {
		struct quorum_set both;
		struct cbed *b;

		holding_bed_figures.alone = true;
		b = cbed_new(&config);
		(void)move_to(b, 0, 0);
		cbed_crash(b, 0);
		cbed_run(b, 20000);
		assert_true(proc(b, 0)->running); /* it survives its daemon for as long as it takes */
		cbed_boot(b, 0);
		cbed_run(b, 2000);
		assert_int_equal(b->starts, 2);
		assert_false(holding_is_armed(holding_bed_of(0)));
		if (arm) {
			holding_bed_arm(b, 0);
			cbed_run(b, 3000);
			assert_true(holding_is_armed(holding_bed_of(0)));
			assert_int_equal(b->starts, 2);
		}
		both = cbed_set(b, "012");
		cbed_voters_begin(b, 0, &both);
		cbed_run(b, 10000);
		for (int i = 1; i < 3; i++) /* as gossip would */
			cbed_learn(b, i, &b->hosts[0].cfg);
		cut_off(b, 0, true);
		(void)cbed_move(b, 1, 1, 0, 2, 20000);
		cbed_run(b, 20000);
		if (arm) {
			is_well(b);
			assert_true(proc(b, 2)->running && !proc(b, 0)->running);
		} else
			assert_non_null(strstr(b->wrong, "runs twice")); /* so it would be */
		cbed_free(b);
	}
	holding_bed_figures.alone = false;
}

/* The seed draws each kind of fault, none of it too. */
static struct cbed_config config_of(uint64_t seed)
{
	struct rng r;
	struct cbed_config c = {.seed = seed, .leases = true};

	rng_seed(&r, seed ^ 0x401d);
	c.hosts = 3 + (int)rng_below(&r, 4);
	c.voters = rng_below(&r, 4) ? 3 : MIN(c.hosts, 5);
	c.keys = 2 + (int)rng_below(&r, 2);
	c.lose_pct = rng_below(&r, 3) ? (int)rng_below(&r, 30) : 0;
	c.double_pct = (int)rng_below(&r, 10);
	c.late_pct = rng_below(&r, 3) ? (int)rng_below(&r, 20) : 0;
	c.crash_s = rng_below(&r, 3) ? 2 + (int)rng_below(&r, 8) : 0;
	c.pause_s = rng_below(&r, 3) ? 2 + (int)rng_below(&r, 8) : 0;
	c.load_ms = 30 + (int)rng_below(&r, 100);
	c.full_pct = rng_below(&r, 3) ? 0 : 1 + (int)rng_below(&r, 5);
	c.nomem_pm = rng_below(&r, 3) ? 0 : 1 + (int)rng_below(&r, 20);
	c.cuts = rng_below(&r, 2);
	c.vote_s = rng_below(&r, 3) ? 1 + (int)rng_below(&r, 4) : 0;
	return c;
}

static void test_seeds(void **state)
{
	const char *told = getenv("COVEY_SEEDS");
	uint64_t from = 1, to = SEEDS, starts = 0, fenced = 0;

	(void)state;
	if (told && sscanf(told, "%" SCNu64 " %" SCNu64, &from, &to) != 2)
		fail_msg("COVEY_SEEDS is two numbers: FROM TO");
	memset(&holding_bed_figures, 0, sizeof(holding_bed_figures));
	for (uint64_t seed = from; seed <= to; seed++) {
		struct cbed_config config = config_of(seed);
		struct cbed *b = cbed_new(&config);

		cbed_run(b, 10000);
		cbed_heal(b, 120000);
		if (b->wrong[0])
			fail_msg("seed %" PRIu64 ": %s", seed, b->wrong);
		starts += b->starts;
		fenced += b->fenced;
		cbed_free(b);
		if (told && seed % 100 == 0)
			print_message("up to %" PRIu64 "\n", seed);
	}
	print_message("%" PRIu64 " seeds: %" PRIu64 " starts, %" PRIu64 " fenced, %" PRIu64 " releases, %" PRIu64
		      " identity changes\n",
		to - from + 1, starts, fenced, holding_bed_figures.releases, holding_bed_figures.identities);
	assert_true(starts > 4 * (to - from + 1));
	assert_true(fenced > 0 && holding_bed_figures.releases > 0 && holding_bed_figures.identities > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_starts_with_a_quorum_and_a_number),
		cmocka_unit_test(test_values_come_in_any_order),
		cmocka_unit_test(test_a_newer_epoch_of_ours),
		cmocka_unit_test(test_a_release),
		cmocka_unit_test(test_a_release_that_is_overtaken),
		cmocka_unit_test(test_a_release_that_was_on_disk),
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_a_node_alone),
		cmocka_unit_test(test_each_input_at_each_state),
		cmocka_unit_test(test_the_last_slot),
		cmocka_unit_test(test_a_long_renewal),
		cmocka_unit_test(test_what_a_value_gives_a_node),
		cmocka_unit_test(test_a_holder_that_is_cut_off),
		cmocka_unit_test(test_a_daemon_that_starts_again),
		cmocka_unit_test(test_a_release_lets_the_next_owner_start),
		cmocka_unit_test(test_voters_change_while_leases_are_held),
		cmocka_unit_test(test_a_host_alone_gets_company),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
