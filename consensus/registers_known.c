/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is chosen, as far as this node knows, by rising key; and what it has heard of and not read yet.
 */
#include <errno.h>
#include <string.h>

#include "consensus/registers_impl.h"

#define LEARN_PAUSE_MS	 100  /* after one that failed; doubles */
#define LEARN_TOP	 7    /* doublings */
#define ACCEPTED_MS	 1000 /* a voter waits so long to hear that what it accepted is chosen, … */
#define ACCEPTED_STEP_MS 500  /* … and so much longer by its place among the voters: one reading is enough */

static size_t place_of(const struct registers *r, const struct msg_key *key, bool *ret_there)
{
	size_t low = 0, high = r->n_known;

	*ret_there = false;
	while (low < high) {
		size_t mid = (low + high) / 2;
		int rc = msg_key_cmp(&r->known[mid]->key, key);

		if (rc == 0) {
			*ret_there = true;
			return mid;
		}
		if (rc < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct known *find(const struct registers *r, const struct msg_key *key)
{
	bool there;
	size_t at = place_of(r, key, &there);

	return there ? r->known[at] : NULL;
}

static bool grow(struct registers *r)
{
	size_t cap = r->cap_known ? 2 * r->cap_known : 16;
	struct known **v = r->mem.alloc(r->mem.ctx, cap * sizeof(struct known *));

	if (!v)
		return false;
	if (r->known) {
		memcpy(v, r->known, r->n_known * sizeof(struct known *));
		r->mem.release(r->mem.ctx, r->known, r->cap_known * sizeof(struct known *));
	}
	r->known = v;
	r->cap_known = cap;
	return true;
}

/* NULL: no memory, or more names than there may be. */
static struct known *find_or_add(struct registers *r, const struct msg_key *key)
{
	bool there;
	size_t at = place_of(r, key, &there);
	struct known *k;

	if (there)
		return r->known[at];
	if (r->n_known == ACCEPTOR_KEYS_MAX || (r->n_known == r->cap_known && !grow(r)))
		return NULL;
	k = r->mem.alloc(r->mem.ctx, sizeof(*k));
	if (!k)
		return NULL;
	*k = (struct known){.key = *key, .learn_at_ms = DEADLINE_NEVER};
	memmove(&r->known[at + 1], &r->known[at], (r->n_known - at) * sizeof(struct known *));
	r->known[at] = k;
	r->n_known++;
	return k;
}

void registers_known_free(struct registers *r)
{
	registers_known_sweep(r);
	for (size_t i = 0; i < r->n_known; i++) {
		value_unref(&r->mem, r->known[i]->value);
		r->mem.release(r->mem.ctx, r->known[i], sizeof(struct known));
	}
	if (r->known)
		r->mem.release(r->mem.ctx, r->known, r->cap_known * sizeof(struct known *));
}

void registers_known_sweep(struct registers *r)
{
	while (r->n_spent > 0)
		value_unref(&r->mem, r->spent[--r->n_spent]);
}

int registers_load_chosen(
	struct registers *r, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value)
{
	struct known *k = find_or_add(r, key);
	struct value *v = k ? value_new(&r->mem, value) : NULL;

	if (!v)
		return -ENOMEM;
	value_unref(&r->mem, k->value);
	k->value = v;
	k->ballot = *ballot;
	return 0;
}

/* The root register's: who votes. */
static void see_root(struct registers *r, const struct known *k)
{
	struct quorum_cfg cfg;

	if (k->key.n == 0 && r->reader->cfg_get(r->reader->ctx, value_bytes(k->value), &cfg) && !quorum_fault(&cfg))
		registers_see_cfg(r, &cfg);
}

void registers_learn(struct registers *r, const struct msg_key *key, const struct ballot *ballot, struct value *value)
{
	struct known *k = value ? find_or_add(r, key) : NULL;
	struct registers_out *out;

	if (!k || ballot_cmp(ballot, &k->ballot) <= 0)
		return; /* no memory: it is heard of again */
	if (k->value)
		r->spent[r->n_spent++] = k->value; /* at most one a CHOSEN */
	k->value = value_ref(value);
	k->ballot = *ballot;
	if (ballot_cmp(&k->heard, &k->ballot) <= 0)
		k->learn_at_ms = DEADLINE_NEVER;
	out = registers_emit(r, REGISTERS_OUT_CHOSEN);
	out->key = k->key;
	out->ballot = k->ballot;
	out->value = value_bytes(k->value);
	out->ours = ballot_cmp(&k->ballot, &k->said) > 0;
	see_root(r, k);
}

static void wake(struct registers *r, struct known *k, int64_t at_ms)
{
	k->learn_at_ms = at_ms;
	r->learn_at_ms = MIN(r->learn_at_ms, at_ms);
}

static void hear(struct registers *r, const struct msg_key *key, const struct ballot *ballot, int64_t at_ms)
{
	struct known *k = find_or_add(r, key);

	if (!k || ballot_cmp(ballot, &k->ballot) <= 0)
		return;
	k->heard = *ballot_max(&k->heard, ballot);
	if (k->learning || at_ms >= k->learn_at_ms)
		return;
	wake(r, k, at_ms);
	k->tries = 0;
}

void registers_heard(struct registers *r, const struct msg_key *key, const struct ballot *ballot)
{
	struct known *k = find_or_add(r, key);

	if (k)
		k->said = *ballot_max(&k->said, ballot);
	hear(r, key, ballot, r->now.mono_ms);
}

void registers_accepted(struct registers *r, const struct msg_key *key, const struct ballot *ballot)
{
	int i = quorum_index(&r->cfg, &r->source.node);

	if (!ballot_is_zero(ballot))
		hear(r, key, ballot, r->now.mono_ms + ACCEPTED_MS + (int64_t)MAX(i, 0) * ACCEPTED_STEP_MS);
}

static bool is_due(const struct known *k, int64_t now_ms)
{
	return !k->learning && k->learn_at_ms <= now_ms;
}

bool registers_learn_next(struct registers *r, struct msg_key *ret)
{
	int64_t at = DEADLINE_NEVER;

	if (r->n_learning == LEARNS_MAX || r->learn_at_ms > r->now.mono_ms)
		return false;
	for (size_t i = 0; i < r->n_known; i++) {
		struct known *k = r->known[i];

		if (is_due(k, r->now.mono_ms)) {
			k->learning = true;
			r->n_learning++;
			*ret = k->key;
			return true;
		}
		if (!k->learning)
			at = MIN(at, k->learn_at_ms);
	}
	r->learn_at_ms = at;
	return false;
}

void registers_learned(struct registers *r, const struct msg_key *key, bool well)
{
	struct known *k = find(r, key);

	assert(k && k->learning);
	k->learning = false;
	r->n_learning--;
	if (well && ballot_cmp(&k->heard, &k->ballot) <= 0) {
		k->learn_at_ms = DEADLINE_NEVER;
		k->tries = 0;
		return;
	}
	wake(r, k,
		r->now.mono_ms + ((int64_t)LEARN_PAUSE_MS << MIN(k->tries, LEARN_TOP)) +
			(int64_t)rng_below(&r->rng, LEARN_PAUSE_MS));
	if (k->tries < UINT8_MAX)
		k->tries++;
}

int64_t registers_learn_deadline(const struct registers *r)
{
	return r->cfg.epoch == 0 || r->n_learning == LEARNS_MAX ? DEADLINE_NEVER : r->learn_at_ms;
}

bool registers_get(
	const struct registers *r, const struct msg_key *key, struct ballot *ret_ballot, struct msg_bytes *ret_value)
{
	const struct known *k = find(r, key);

	if (!k || !k->value)
		return false;
	*ret_ballot = k->ballot;
	*ret_value = value_bytes(k->value);
	return true;
}

bool registers_next(const struct registers *r, size_t *at, struct msg_key *ret)
{
	while (*at < r->n_known) {
		const struct known *k = r->known[(*at)++];

		if (!k->value)
			continue;
		*ret = k->key;
		return true;
	}
	return false;
}

void registers_known_check(const struct registers *r)
{
	size_t learning = 0;

	assert(r->n_known <= r->cap_known && r->n_known <= ACCEPTOR_KEYS_MAX);
	for (size_t i = 0; i < r->n_known; i++) {
		const struct known *k = r->known[i];

		assert(i == 0 || msg_key_cmp(&r->known[i - 1]->key, &k->key) < 0);
		assert(!k->value == ballot_is_zero(&k->ballot));
		assert(ballot_cmp(&k->heard, &k->ballot) <= 0 || k->learning || k->learn_at_ms != DEADLINE_NEVER);
		learning += k->learning;
	}
	assert(learning == r->n_learning && learning <= LEARNS_MAX);
}
