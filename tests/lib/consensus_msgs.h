/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_CONSENSUS_MSGS_H
#define TESTS_LIB_CONSENSUS_MSGS_H
/*
 * Random register messages that are right, from a seed: small ones mostly, and at times a bound that is full; and
 * whether two are the same.
 */
#include <string.h>

#include "base/rng.h"
#include "consensus/msg.h"
#include "tests/lib/test.h"

/* A message, and what it points to. */
struct consensus_msgs {
	struct msg m;
	struct msg_guard guards[MSG_GUARDS_MAX];
	struct msg_key keys[MSG_KEYS_MAX];
	struct msg_lease leases[MSG_LEASES_MAX];
	struct msg_chosen chosen[MSG_KEYS_MAX];
	uint8_t value[MSG_VALUE_MAX];
};

static inline uint64_t consensus_msgs_wide(struct rng *r)
{
	return rng_u64(r) >> rng_below(r, 64);
}

/* Mostly few, rarely all that there may be. */
static inline uint32_t consensus_msgs_count(struct rng *r, uint32_t max)
{
	return (uint32_t)(rng_below(r, 40) == 0 ? max : rng_below(r, MIN(max, 5) + 1));
}

static inline struct uuid consensus_msgs_node(struct rng *r)
{
	struct uuid u;

	for (size_t i = 0; i < sizeof(u.v); i++)
		u.v[i] = (uint8_t)(1 + rng_below(r, 255));
	return u;
}

/* Of an order that rises with `nth`. */
static inline struct msg_key consensus_msgs_key(struct rng *r, unsigned nth)
{
	struct msg_key k = {.n = (uint8_t)(2 + consensus_msgs_count(r, NAME_MAX_LEN - 2))};

	for (uint8_t i = 2; i < k.n; i++)
		k.v[i] = (char)('a' + rng_below(r, 26));
	k.v[0] = (char)('0' + nth / 26);
	k.v[1] = (char)('a' + nth % 26);
	return k;
}

static inline struct ballot consensus_msgs_ballot(struct rng *r, uint64_t above)
{
	return (struct ballot){.counter = above + 1 + rng_below(r, 1000),
		.node = consensus_msgs_node(r),
		.nonce = consensus_msgs_wide(r)};
}

static inline struct quorum_cfg consensus_msgs_cfg(struct rng *r)
{
	struct quorum_cfg c = {.epoch = 1 + (consensus_msgs_wide(r) >> 3)};

	c.old.n = (uint8_t)(1 + rng_below(r, QUORUM_VOTERS_MAX));
	c.next.n = (uint8_t)(rng_below(r, 2) ? rng_below(r, QUORUM_VOTERS_MAX + 1) : 0);
	for (int i = 0; i < c.old.n; i++)
		c.old.v[i] = consensus_msgs_node(r);
	for (int i = 0; i < c.next.n; i++)
		c.next.v[i] = consensus_msgs_node(r);
	return c;
}

static inline struct msg_slot consensus_msgs_slot(struct rng *r)
{
	return (struct msg_slot){.slot = (uint32_t)consensus_msgs_wide(r),
		.owner = consensus_msgs_node(r),
		.epoch = consensus_msgs_wide(r)};
}

static inline void consensus_msgs_value(struct rng *r, struct consensus_msgs *b)
{
	b->m.value.n = consensus_msgs_count(r, MSG_VALUE_MAX);
	b->m.value.v = b->value;
	for (size_t i = 0; i < b->m.value.n; i++)
		b->value[i] = (uint8_t)(i * 31 >> 3);
}

static inline void consensus_msgs_leases(struct rng *r, struct consensus_msgs *b, bool answered)
{
	b->m.number = consensus_msgs_wide(r);
	b->m.leases = b->leases;
	b->m.n_leases = consensus_msgs_count(r, MSG_LEASES_MAX);
	for (uint32_t i = 0; i < b->m.n_leases; i++)
		b->leases[i] = (struct msg_lease){.key = consensus_msgs_key(r, (unsigned)rng_below(r, 200)),
			.slot = (uint32_t)consensus_msgs_wide(r),
			.epoch = consensus_msgs_wide(r),
			.why = answered ? (enum msg_why)rng_below(r, MSG_WHY_MAX) : MSG_WHY_NONE};
}

static inline void consensus_msgs_answer(struct rng *r, struct msg *m)
{
	m->cfg.epoch = consensus_msgs_wide(r) >> 3;
	m->boot = consensus_msgs_wide(r);
	m->write = consensus_msgs_wide(r);
}

static inline void consensus_msgs_refused(struct rng *r, struct msg *m)
{
	m->why = (enum msg_why)rng_below(r, MSG_WHY_MAX);
	consensus_msgs_answer(r, m);
	if (m->why == MSG_WHY_EPOCH)
		m->cfg = consensus_msgs_cfg(r);
	m->ballot = consensus_msgs_ballot(r, 0);
	m->slot = consensus_msgs_slot(r);
	m->left_ms = (uint32_t)consensus_msgs_wide(r);
	m->number = consensus_msgs_wide(r);
}

static inline void consensus_msgs_promise(struct rng *r, struct consensus_msgs *b)
{
	b->m.accepted = rng_below(r, 2) ? consensus_msgs_ballot(r, 0) : (struct ballot){0};
	b->m.ballot = consensus_msgs_ballot(r, b->m.accepted.counter);
	consensus_msgs_value(r, b);
	b->m.guards = b->guards;
	b->m.n_guards = consensus_msgs_count(r, MSG_GUARDS_MAX);
	for (uint32_t i = 0; i < b->m.n_guards; i++)
		b->guards[i] = (struct msg_guard){consensus_msgs_slot(r), (uint32_t)consensus_msgs_wide(r)};
}

static inline void consensus_msgs_sealed(struct rng *r, struct consensus_msgs *b)
{
	b->m.keys = b->keys;
	b->m.n_keys = consensus_msgs_count(r, MSG_KEYS_MAX);
	for (unsigned i = 0; i < b->m.n_keys; i++)
		b->keys[i] = consensus_msgs_key(r, i);
	b->m.more = rng_below(r, 2);
	b->m.left_ms = (uint32_t)consensus_msgs_wide(r);
}

static inline void consensus_msgs_chosen(struct rng *r, struct consensus_msgs *b)
{
	b->m.round = 0;
	b->m.key = consensus_msgs_key(r, (unsigned)rng_below(r, 200));
	b->m.chosen = b->chosen;
	b->m.n_chosen = consensus_msgs_count(r, MSG_KEYS_MAX);
	for (unsigned i = 0; i < b->m.n_chosen; i++)
		b->chosen[i] = (struct msg_chosen){consensus_msgs_key(r, i), consensus_msgs_ballot(r, 0)};
}

/* b->m, of this type; zeroed but for what it has. */
static inline void consensus_msgs_random(struct rng *r, enum msg_type type, struct consensus_msgs *b)
{
	struct msg *m = &b->m;

	*m = (struct msg){.type = type, .from = consensus_msgs_node(r), .round = consensus_msgs_wide(r)};
	if (type == MSG_SEEN) {
		m->round = 0;
		m->boot = consensus_msgs_wide(r);
		m->write = consensus_msgs_wide(r);
		return;
	}
	if (type == MSG_KEPT || type == MSG_KNOWN) {
		consensus_msgs_chosen(r, b);
		assert_null(msg_fault(m));
		return;
	}
	if (type == MSG_PROMISE || type == MSG_ACCEPTED || type == MSG_VALUE || type == MSG_SEALED || type == MSG_GRANT)
		consensus_msgs_answer(r, m);
	else if (type != MSG_REFUSED)
		m->cfg = consensus_msgs_cfg(r);
	if (type != MSG_RENEW && type != MSG_GRANT && type != MSG_RELEASE && rng_below(r, 8) > 0)
		m->key = consensus_msgs_key(r, (unsigned)rng_below(r, 200));
	if (type == MSG_PREPARE || type == MSG_ACCEPT || type == MSG_ACCEPTED)
		m->ballot = consensus_msgs_ballot(r, 0);
	if (type == MSG_PREPARE || type == MSG_ACCEPT)
		m->ballot.node = m->from;
	if (type == MSG_ACCEPT || type == MSG_VALUE)
		consensus_msgs_value(r, b);
	if (type == MSG_VALUE || (type == MSG_PREPARE && rng_below(r, 2)))
		m->accepted = consensus_msgs_ballot(r, 0);
	if (type == MSG_PROMISE)
		consensus_msgs_promise(r, b);
	else if (type == MSG_SEAL)
		m->more = rng_below(r, 2);
	else if (type == MSG_SEALED)
		consensus_msgs_sealed(r, b);
	else if (type == MSG_RENEW || type == MSG_GRANT || type == MSG_RELEASE)
		consensus_msgs_leases(r, b, type == MSG_GRANT);
	else if (type == MSG_REFUSED)
		consensus_msgs_refused(r, m);
	if (type == MSG_RENEW)
		m->tf_ms = (uint32_t)consensus_msgs_wide(r);
	if (type == MSG_RENEW || (type == MSG_GRANT && m->n_leases == 0))
		m->set = rng_below(r, 2) ? consensus_msgs_wide(r) : 0;
	assert_null(msg_fault(m));
}

/* ---- the same? ---- */

static inline void consensus_same_slot(const struct msg_slot *a, const struct msg_slot *b)
{
	assert_true(a->slot == b->slot && a->epoch == b->epoch && ballot_same_node(&a->owner, &b->owner));
}

static inline void consensus_same_lists(const struct msg *a, const struct msg *b)
{
	assert_true(a->n_guards == b->n_guards && a->n_keys == b->n_keys && a->n_leases == b->n_leases);
	assert_int_equal(a->n_chosen, b->n_chosen);
	for (uint32_t i = 0; i < a->n_chosen; i++) {
		assert_int_equal(msg_key_cmp(&a->chosen[i].key, &b->chosen[i].key), 0);
		assert_int_equal(ballot_cmp(&a->chosen[i].ballot, &b->chosen[i].ballot), 0);
	}
	for (uint32_t i = 0; i < a->n_guards; i++) {
		consensus_same_slot(&a->guards[i].slot, &b->guards[i].slot);
		assert_int_equal(a->guards[i].left_ms, b->guards[i].left_ms);
	}
	for (uint32_t i = 0; i < a->n_keys; i++)
		assert_int_equal(msg_key_cmp(&a->keys[i], &b->keys[i]), 0);
	for (uint32_t i = 0; i < a->n_leases; i++) {
		const struct msg_lease *x = &a->leases[i], *y = &b->leases[i];

		assert_true(msg_key_cmp(&x->key, &y->key) == 0 && x->slot == y->slot && x->epoch == y->epoch);
		assert_int_equal(x->why, y->why);
	}
}

static inline void consensus_same(const struct msg *a, const struct msg *b)
{
	assert_int_equal(a->type, b->type);
	assert_true(ballot_same_node(&a->from, &b->from) && quorum_same(&a->cfg, &b->cfg));
	assert_true(a->round == b->round && a->boot == b->boot && a->write == b->write && a->number == b->number);
	assert_int_equal(msg_key_cmp(&a->key, &b->key), 0);
	assert_true(ballot_cmp(&a->ballot, &b->ballot) == 0 && ballot_cmp(&a->accepted, &b->accepted) == 0);
	assert_int_equal(a->value.n, b->value.n);
	if (a->value.n > 0)
		assert_memory_equal(a->value.v, b->value.v, a->value.n);
	consensus_same_lists(a, b);
	consensus_same_slot(&a->slot, &b->slot);
	assert_true(a->more == b->more && a->why == b->why && a->left_ms == b->left_ms && a->tf_ms == b->tf_ms);
	assert_true(a->set == b->set);
}

#endif
