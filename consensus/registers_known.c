/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is chosen, as far as this node knows, by rising key; and what it has heard of and not read yet.
 */
#include <errno.h>
#include <string.h>

#include "consensus/registers_impl.h"

#define LEARN_PAUSE_MS	 100  /* after one that failed; doubles */
#define LEARN_TOP	 7    /* doublings */
#define OWN_IN_A_ROW	 2    /* then this node will change it again soon, or so it seems */
#define ROOT_MS		 500  /* what is chosen for the root register comes to a voter in that, or it has missed it */
#define DOUBT_MS	 1000 /* a later era has begun: what is not heard of in that by then is read */
#define ACCEPTED_MS	 1000 /* a voter waits so long to hear that what it accepted is chosen, … */
#define ACCEPTED_STEP_MS 500  /* … and so much longer by its place among the voters: one reading is enough */

/* NULL: no memory, or more names than there may be. */
static struct known *find_or_add(struct registers *r, const struct msg_key *key)
{
	struct known *k = keyed_find(&r->known, key);

	if (k || r->known.n == ACCEPTOR_KEYS_MAX)
		return k;
	k = keyed_add(&r->known, &r->mem, key, sizeof(*k));
	if (k)
		k->learn_at_ms = DEADLINE_NEVER;
	return k;
}

void registers_known_free(struct registers *r)
{
	registers_known_sweep(r);
	for (size_t i = 0; i < r->known.n; i++)
		value_unref(&r->mem, ((struct known *)r->known.v[i])->value);
	keyed_free(&r->known, &r->mem, sizeof(struct known));
}

void registers_known_sweep(struct registers *r)
{
	while (r->n_spent > 0)
		value_unref(&r->mem, r->spent[--r->n_spent]);
}

static bool is_of_earlier_era(const struct registers *r, const struct ballot *ballot)
{
	return ballot->counter < quorum_floor(r->cfg.epoch);
}

static void wake(struct registers *r, struct known *k, int64_t at_ms)
{
	k->learn_at_ms = at_ms;
	r->learn_at_ms = MIN(r->learn_at_ms, at_ms);
}

/*
 * Whoever survived carries each register over soon, and says so; who hears that in time reads nothing twice. What is
 * read in vain meanwhile is asked for again by registers_learned.
 */
static void doubt(struct registers *r, struct known *k)
{
	k->doubted = !ballot_is_zero(&k->ballot) && is_of_earlier_era(r, &k->ballot);
	if (k->doubted && !k->learning)
		wake(r, k, r->now.mono_ms + DOUBT_MS + (int64_t)rng_below(&r->rng, DOUBT_MS));
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
	doubt(r, k);
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
	k->doubted = is_of_earlier_era(r, ballot); /* so it is read again, until it was carried over */
	k->own = ballot_same_node(&ballot->node, &r->source.node) ? MIN(k->own + 1, OWN_IN_A_ROW) : 0;
	if (k->doubted)
		doubt(r, k);
	else if (ballot_cmp(&k->heard, &k->ballot) <= 0)
		k->learn_at_ms = DEADLINE_NEVER;
	out = registers_emit(r, REGISTERS_OUT_CHOSEN);
	out->key = k->key;
	out->ballot = k->ballot;
	out->value = value_bytes(k->value);
	out->ours = ballot_cmp(&k->ballot, &k->said) > 0;
	see_root(r, k);
	if (k->key.n == 0)
		r->root_at_ms = r->now.mono_ms + ROOT_MS;
}

bool registers_is_own(const struct registers *r, const struct msg_key *key)
{
	const struct known *k = keyed_find(&r->known, key);

	return k && k->own == OWN_IN_A_ROW;
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

/* A ballot has one value: who has accepted that one need not read what it is. False: it is to be read. */
static bool has_it(struct registers *r, const struct msg_key *key, const struct ballot *ballot)
{
	struct acceptor_image image;

	if (!acceptor_get(r->acceptor, key, &image) || ballot_cmp(&image.accepted, ballot) != 0)
		return false;
	registers_learn(r, key, ballot, image.value);
	return true;
}

/* It came along. False: it did not, or there is no memory for it. */
static bool take_value(
	struct registers *r, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes bytes)
{
	struct value *v = bytes.n > 0 && bytes.n <= MSG_VALUE_MAX ? value_new(&r->mem, bytes) : NULL;

	if (!v)
		return false;
	registers_learn(r, key, ballot, v);
	value_unref(&r->mem, v);
	return true;
}

/* What is said of an earlier era is old news, or was decided by those that were given up. */
void registers_heard(
	struct registers *r, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value)
{
	struct known *k = is_of_earlier_era(r, ballot) ? NULL : find_or_add(r, key);

	if (!k)
		return;
	k->said = *ballot_max(&k->said, ballot);
	if (ballot_cmp(ballot, &k->ballot) > 0 && !has_it(r, key, ballot) && !take_value(r, key, ballot, value))
		hear(r, key, ballot, r->now.mono_ms);
}

void registers_accepted(struct registers *r, const struct msg_key *key, const struct ballot *ballot)
{
	const struct known *k = keyed_find(&r->known, key);
	int i = quorum_index(&r->cfg, &r->source.node);

	if (k && r->outs && ballot_cmp(&k->said, ballot) == 0 && has_it(r, key, ballot))
		return;
	if (!ballot_is_zero(ballot))
		hear(r, key, ballot, r->now.mono_ms + ACCEPTED_MS + (int64_t)MAX(i, 0) * ACCEPTED_STEP_MS);
}

static bool is_due(const struct known *k, int64_t now_ms)
{
	return !k->learning && k->learn_at_ms <= now_ms;
}

bool registers_learn_next(struct registers *r, struct msg_key *ret, struct ballot *ret_said)
{
	int64_t at = DEADLINE_NEVER;

	if (r->n_learning == LEARNS_MAX || r->learn_at_ms > r->now.mono_ms)
		return false;
	for (size_t i = 0; i < r->known.n; i++) {
		struct known *k = r->known.v[i];

		if (is_due(k, r->now.mono_ms)) {
			k->learning = true;
			r->n_learning++;
			*ret = k->key;
			*ret_said = ballot_cmp(&k->said, &k->heard) >= 0 && !k->doubted ? k->said : (struct ballot){0};
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
	struct known *k = keyed_find(&r->known, key);

	assert(k && k->learning);
	k->learning = false;
	r->n_learning--;
	if (well && ballot_cmp(&k->heard, &k->ballot) <= 0 && !k->doubted) {
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

/* What was heard of before may be nothing any more. */
void registers_known_era(struct registers *r)
{
	for (size_t i = 0; i < r->known.n; i++) {
		struct known *k = r->known.v[i];

		if (is_of_earlier_era(r, &k->said))
			k->said = (struct ballot){0};
		if (is_of_earlier_era(r, &k->heard))
			k->heard = (struct ballot){0};
		k->tries = 0;
		doubt(r, k);
	}
}

void registers_nothing(struct registers *r, const struct msg_key *key, const struct quorum_cfg *cfg)
{
	struct known *k = keyed_find(&r->known, key);
	struct registers_out *out;

	if (!k || !k->doubted || cfg->epoch < quorum_floor(r->cfg.epoch))
		return;
	out = registers_emit(r, REGISTERS_OUT_DROPPED);
	out->key = k->key;
	out->ballot = k->ballot;
	out->value = value_bytes(k->value);
	r->spent[r->n_spent++] = k->value;
	k->value = NULL;
	k->ballot = (struct ballot){0};
	k->own = 0;
	k->doubted = false;
}

int64_t registers_learn_deadline(const struct registers *r)
{
	return r->cfg.epoch == 0 || r->n_learning == LEARNS_MAX ? DEADLINE_NEVER : r->learn_at_ms;
}

bool registers_get(
	const struct registers *r, const struct msg_key *key, struct ballot *ret_ballot, struct msg_bytes *ret_value)
{
	const struct known *k = keyed_find(&r->known, key);

	if (!k || !k->value)
		return false;
	*ret_ballot = k->ballot;
	*ret_value = value_bytes(k->value);
	return true;
}

bool registers_is_behind(const struct registers *r, const struct msg_key *key)
{
	const struct known *k = keyed_find(&r->known, key);

	return k && ballot_cmp(&k->heard, &k->ballot) > 0;
}

bool registers_next(const struct registers *r, size_t *at, struct msg_key *ret)
{
	while (*at < r->known.n) {
		const struct known *k = r->known.v[(*at)++];

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

	keyed_check(&r->known);
	assert(r->known.n <= ACCEPTOR_KEYS_MAX);
	for (size_t i = 0; i < r->known.n; i++) {
		const struct known *k = r->known.v[i];

		assert(!k->value == ballot_is_zero(&k->ballot));
		assert((ballot_cmp(&k->heard, &k->ballot) <= 0 && !k->doubted) || k->learning ||
			k->learn_at_ms != DEADLINE_NEVER);
		learning += k->learning;
	}
	assert(learning == r->n_learning && learning <= LEARNS_MAX);
}
