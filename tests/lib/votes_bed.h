/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_VOTES_BED_H
#define TESTS_LIB_VOTES_BED_H
/*
 * A voter a, one of a, b, c, on a real store: what it hears goes through the acceptor to the disk and back, and what it
 * then acknowledges is kept here, to be found again after a restart.
 */
#include <errno.h>
#include <inttypes.h>

#include "node/votes.h"
#include "tests/lib/consensus_story.h"
#include "tests/lib/store_bed.h"

#define VBED_KEYS     8 /* "k0" … of vbed_vote */
#define VBED_DUMP_MAX 16384

struct vbed {
	struct store_bed b;
	struct votes *v;
	struct acceptor *a;
	struct story_mem mem;
	struct quorum_cfg cfg;
	int64_t now_ms;
	uint64_t boot, round, counter, number;
	uint64_t written, stored; /* the highest handed over, the highest told */
	int n_stored, n_full, n_failed, n_sent, n_refused;
	char why[ERR_TEXT_MAX];
	struct ballot promised[VBED_KEYS], accepted[VBED_KEYS]; /* that it acknowledged */
	void (*on_ack)(struct vbed *w, const struct msg *m);	/* NULL: none */
	char dump[VBED_DUMP_MAX];
};

static inline int vbed_at(const struct msg_key *key)
{
	return key->n == 2 && key->v[0] == 'k' ? key->v[1] - '0' : -1;
}

static inline void vbed_sent(struct vbed *w, const struct msg *m)
{
	int at = vbed_at(&m->key);

	w->n_sent++;
	w->n_refused += m->type == MSG_REFUSED;
	if (m->type != MSG_PROMISE && m->type != MSG_ACCEPTED)
		return;
	if (at >= 0 && m->type == MSG_PROMISE)
		w->promised[at] = *ballot_max(&w->promised[at], &m->ballot);
	if (at >= 0 && m->type == MSG_ACCEPTED)
		w->accepted[at] = *ballot_max(&w->accepted[at], &m->ballot);
	if (w->on_ack)
		w->on_ack(w, m);
}

static inline void vbed_step(struct vbed *w, const struct acceptor_in *in)
{
	static const struct acceptor_in tick = {.type = ACCEPTOR_IN_TICK};
	struct acceptor_outs outs;

	do {
		acceptor_step(w->a, in, story_now(w->now_ms), &outs);
		acceptor_check(w->a);
		for (size_t i = 0; i < outs.n; i++) {
			if (outs.v[i].type == ACCEPTOR_OUT_SEND) {
				vbed_sent(w, &outs.v[i].msg);
				continue;
			}
			w->written = MAX(w->written, outs.v[i].write);
			votes_write(w->v, &outs.v[i]);
		}
		in = &tick;
	} while (acceptor_deadline_ms(w->a) != DEADLINE_NEVER);
}

static inline void vbed_stored(void *arg, uint64_t write)
{
	struct vbed *w = arg;

	assert_int_equal(w->n_failed, 0);
	assert_true(write > w->stored);
	w->n_stored++;
	w->stored = write;
	vbed_step(w, &(struct acceptor_in){.type = ACCEPTOR_IN_STORED, .write = write});
}

static inline void vbed_full(void *arg)
{
	struct vbed *w = arg;

	assert_int_equal(w->n_failed, 0);
	w->n_full++;
	w->written = w->stored; /* these numbers are gone */
	vbed_step(w, &(struct acceptor_in){.type = ACCEPTOR_IN_FULL});
}

static inline void vbed_failed(void *arg, const char *sentence)
{
	struct vbed *w = arg;

	w->n_failed++;
	(void)snprintf(w->why, sizeof(w->why), "%s", sentence);
}

static const struct votes_hooks vbed_hooks = {.stored = vbed_stored, .full = vbed_full, .failed = vbed_failed};

static inline int vbed_load_begin(void *arg, const struct acceptor_header *header, uint64_t write)
{
	struct vbed *w = arg;
	struct value_mem mem = story_mem(&w->mem);
	struct acceptor_config config = {
		.self = story_node('a'), .header = *header, .boot = ++w->boot, .write = write, .reader = &story_reader};

	return acceptor_new(&config, &mem, story_now(w->now_ms), &w->a);
}

static inline int vbed_load_vote(void *arg, const struct msg_key *key, const struct ballot *promised,
	const struct ballot *accepted, struct msg_bytes value)
{
	return acceptor_load(((struct vbed *)arg)->a, key, promised, accepted, value);
}

static inline int vbed_load_lasting(void *arg, const struct msg_key *key, const struct msg_slot *slot, uint32_t long_ms)
{
	return acceptor_load_long(((struct vbed *)arg)->a, key, slot, long_ms);
}

/* Without an acceptor when it fails. */
static inline int vbed_load(struct vbed *w, struct err *e)
{
	static const struct votes_sink sink = {
		.begin = vbed_load_begin, .vote = vbed_load_vote, .lasting = vbed_load_lasting};
	int rc;

	w->a = NULL;
	rc = votes_load(w->v, &sink, w, e);
	if (rc < 0) {
		acceptor_free(w->a);
		w->a = NULL;
	}
	return rc;
}

static inline void vbed_new(struct vbed *w)
{
	struct err e = {0};

	store_bed_open(&w->b);
	if (votes_new(w->b.s, w->b.dir.path, &vbed_hooks, w, &w->v, &e) < 0)
		fail_msg("votes_new: %s", e.text);
}

static inline void vbed_open(struct vbed *w)
{
	struct err e = {0};

	vbed_new(w);
	if (vbed_load(w, &e) < 0)
		fail_msg("votes_load: %s", e.text);
	w->n_stored = w->n_full = w->n_failed = 0;
	w->written = w->stored = 0;
}

static inline void vbed_close(struct vbed *w)
{
	store_bed_close(&w->b);
	votes_free(w->v);
	acceptor_free(w->a);
	w->v = NULL;
	w->a = NULL;
	assert_int_equal(w->mem.bytes, 0);
}

static inline void vbed_reopen(struct vbed *w)
{
	vbed_close(w);
	vbed_open(w);
}

/* It does not vote, and says so in these words. */
static inline void vbed_refused(struct vbed *w, int rc, const char *words)
{
	struct err e = {0};

	vbed_new(w);
	assert_int_equal(vbed_load(w, &e), rc);
	assert_null(w->a);
	if (!strstr(e.text, words))
		fail_msg("'%s' does not say '%s'", e.text, words);
	vbed_close(w);
}

static inline void vbed_make(struct vbed *w)
{
	memset(w, 0, sizeof(*w));
	store_bed_make(&w->b);
	w->cfg = story_cfg(1, "abc", "");
	w->now_ms = 1000000;
}

static inline void vbed_done(struct vbed *w)
{
	if (w->v)
		vbed_close(w);
	store_bed_done(&w->b);
}

/* Turns the loop until the condition holds. */
#define VBED_UNTIL(w, cond)                                                       \
	do {                                                                      \
		ev_timer_init(&(w)->b.watchdog, store_bed_bark, WAIT_BOUND_S, 0); \
		ev_timer_start((w)->b.loop, &(w)->b.watchdog);                    \
		while (!(cond))                                                   \
			ev_run((w)->b.loop, EVRUN_ONCE);                          \
		ev_timer_stop((w)->b.loop, &(w)->b.watchdog);                     \
	} while (0)

static inline void vbed_settle(struct vbed *w)
{
	VBED_UNTIL(w, w->stored >= w->written || w->n_failed > 0);
}

static inline void vbed_hear(struct vbed *w, char from, struct msg m)
{
	m.from = story_node(from);
	m.round = ++w->round;
	m.cfg = w->cfg;
	assert_null(msg_fault(&m));
	vbed_step(w, &(struct acceptor_in){.type = ACCEPTOR_IN_MSG, .msg = &m});
}

static inline void vbed_prepare(struct vbed *w, char from, const char *key, uint64_t counter)
{
	vbed_hear(w, from,
		(struct msg){.type = MSG_PREPARE, .key = story_key(key), .ballot = story_ballot(counter, from)});
}

static inline void vbed_accept(struct vbed *w, char from, const char *key, uint64_t counter, const char *value)
{
	vbed_hear(w, from,
		(struct msg){.type = MSG_ACCEPT,
			.key = story_key(key),
			.ballot = story_ballot(counter, from),
			.value = story_value(value)});
}

/* From b, who owns them: slot 0 of each of these at epoch 1. */
static inline void vbed_renew(struct vbed *w, const char *const *keys, uint32_t n, uint32_t tf_ms)
{
	struct msg_lease leases[8] = {0};

	for (uint32_t i = 0; i < n; i++)
		leases[i] = (struct msg_lease){.key = story_key(keys[i]), .epoch = 1};
	vbed_hear(w, 'b',
		(struct msg){
			.type = MSG_RENEW, .number = ++w->number, .tf_ms = tf_ms, .leases = leases, .n_leases = n});
}

/* One more vote, of "k0" … in turn: prepared, then accepted with a value of so many bytes that names its ballot. */
static inline void vbed_vote(struct vbed *w, size_t bytes)
{
	char key[3] = {'k', (char)('0' + w->counter / 2 % VBED_KEYS), '\0'}, *value;
	uint64_t counter = ++w->counter;

	if (counter % 2) {
		vbed_prepare(w, 'b', key, counter);
		return;
	}
	value = calloc(1, bytes + 1);
	assert_non_null(value);
	memset(value, '.', bytes);
	(void)snprintf(value, bytes + 1, "%" PRIu64, counter - 1);
	value[strlen(value)] = bytes > strlen(value) ? '.' : '\0';
	vbed_accept(w, 'b', key, counter - 1, value);
	free(value);
}

/* All that it acknowledged is there; a value is that of its ballot. */
static inline void vbed_check_kept(struct vbed *w)
{
	for (int i = 0; i < VBED_KEYS; i++) {
		char name[3] = {'k', (char)('0' + i), '\0'};
		struct msg_key key = story_key(name);
		struct acceptor_image is = {0};
		bool there = acceptor_get(w->a, &key, &is);

		if (!there && ballot_is_zero(&w->promised[i]) && ballot_is_zero(&w->accepted[i]))
			continue;
		if (ballot_cmp(&is.promised, &w->promised[i]) < 0 || ballot_cmp(&is.accepted, &w->accepted[i]) < 0)
			fail_msg("%s: acknowledged %" PRIu64 " and %" PRIu64 ", there are %" PRIu64 " and %" PRIu64,
				name, w->promised[i].counter, w->accepted[i].counter, is.promised.counter,
				is.accepted.counter);
		if (is.value)
			assert_int_equal(strtoull((const char *)is.value->v, NULL, 10), is.accepted.counter);
	}
}

/* As a restart shows it: it waits, and has forgotten which guards forbade an Accept, and registers of which nothing is
 * on disk. */
static inline const char *vbed_dump(struct vbed *w)
{
	char *at, *from;

	vbed_step(w, &(struct acceptor_in){.type = ACCEPTOR_IN_RESUMED});
	(void)acceptor_dump(w->a, w->dump, sizeof(w->dump));
	assert_true(strlen(w->dump) < sizeof(w->dump) - 1);
	while ((at = strstr(w->dump, "moving ")))
		memmove(at, at + 7, strlen(at + 7) + 1);
	while ((at = strstr(w->dump, " 0 0")) && (at[4] == '\0' || at[4] == ' ')) {
		for (from = at; *from != '|';)
			from--;
		memmove(from - 1, at + 4, strlen(at + 4) + 1);
	}
	return w->dump;
}

#endif
