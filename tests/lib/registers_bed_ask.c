/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests ask of the bed's nodes: proposals, changes of voters, what they know.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/registers_bed.h"
#include "tests/lib/test.h"

#define PUT_MS 8000

struct now rbed_now(const struct rbed *b)
{
	return (struct now){.mono_ms = b->now_ms, .boot_ms = b->now_ms, .wall_ms = b->now_ms};
}

bool rbed_has(const struct rvalue *v, uint32_t number)
{
	for (uint32_t i = 0; i < v->n; i++)
		if (v->v[i] == number)
			return true;
	return false;
}

static enum proposer_verdict put(void *ctx, const struct proposer_base *base, struct msg_bytes *ret)
{
	struct rvalue *next = ctx;
	uint32_t number = next->v[RBED_NUMBERS_MAX - 1];

	if (!base->written || !rbed_read(base->value, next)) {
		memset(next, 0, sizeof(*next));
		next->v[RBED_NUMBERS_MAX - 1] = number;
	}
	next->v[RBED_NUMBERS_MAX - 1] = number;
	if (rbed_has(next, number))
		return PROPOSER_SAME;
	assert_true(next->n < RBED_NUMBERS_MAX - 1);
	next->v[next->n++] = number;
	*ret = rbed_bytes(next);
	return PROPOSER_CHANGE;
}

uint64_t rbed_put(struct rbed *b, int node, int key)
{
	struct rnode *n = &b->v[node];
	struct rvalue *next = calloc(1, sizeof(*next));
	struct registers_ask ask = {.token = b->token + 1,
		.key = rbed_key(key),
		.change = put,
		.ctx = next,
		.rank = (uint32_t)rng_below(&b->rng, 2),
		.for_ms = PUT_MS};
	int rc;

	assert_non_null(next);
	assert_true(b->token + 1 < RBED_NUMBERS_MAX - 1);
	next->v[RBED_NUMBERS_MAX - 1] = (uint32_t)ask.token;
	rc = registers_step(
		n->r, &(struct registers_in){.type = REGISTERS_IN_PROPOSE, .ask = &ask}, rbed_now(b), &n->outs);
	if (rc == 0) {
		b->key_of[++b->token] = key;
		b->puts[b->token] = next;
	} else {
		free(next);
	}
	rbed_stepped(n);
	return rc == 0 ? b->token : 0;
}

static bool cfg_put(void *ctx, struct msg_bytes value, const struct quorum_cfg *cfg, struct msg_bytes *ret)
{
	struct rnode *n = ctx;

	if (!rbed_read(value, &n->next))
		return false;
	n->next.cfg = *cfg;
	*ret = rbed_bytes(&n->next);
	return true;
}

int rbed_vote(struct rbed *b, int node, const char *nodes)
{
	struct rnode *n = &b->v[node];
	struct registers_voters ask = {.cfg_put = cfg_put, .ctx = n};
	int rc;

	for (; *nodes; nodes++)
		ask.target.v[ask.target.n++] = b->v[*nodes - '0'].uuid;
	rc = registers_step(
		n->r, &(struct registers_in){.type = REGISTERS_IN_VOTERS, .voters = &ask}, rbed_now(b), &n->outs);
	rbed_stepped(n);
	return rc;
}

bool rbed_knows(struct rbed *b, int node, int key, struct rvalue *ret)
{
	const struct msg_key k = rbed_key(key);
	struct ballot ballot;
	struct msg_bytes value;

	return b->v[node].up && registers_get(b->v[node].r, &k, &ballot, &value) && rbed_read(value, ret);
}

bool rbed_all_know_the_same(struct rbed *b)
{
	for (int k = -1; k < RBED_KEYS; k++) {
		const struct msg_key key = rbed_key(k);
		struct ballot newest = {0}, ballot;
		struct msg_bytes value;

		for (int i = 0; i < b->n; i++)
			if (b->v[i].up && registers_get(b->v[i].r, &key, &ballot, &value))
				newest = *ballot_max(&newest, &ballot);
		for (int i = 0; i < b->n; i++)
			if (b->v[i].up && !ballot_is_zero(&newest) &&
				(!registers_get(b->v[i].r, &key, &ballot, &value) || ballot_cmp(&ballot, &newest) != 0))
				return false;
	}
	return true;
}
