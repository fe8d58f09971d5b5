/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Majorities over numbered voters.
 */
#include "consensus/quorum.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "consensus/rules.h"

bool quorum_is_joint(const struct quorum_cfg *cfg)
{
	return cfg->next.n > 0;
}

bool quorum_is_first(const struct quorum_cfg *cfg)
{
	return cfg->epoch >= QUORUM_ERA_STEP && cfg->epoch == quorum_floor(cfg->epoch);
}

/* Of one and two a majority is all. Of three and four two pairs vote, JOINT: who ends that change hears each. */
struct quorum_cfg quorum_all_of(uint64_t epoch, const struct quorum_set *s)
{
	struct quorum_cfg cfg = {.epoch = epoch, .old = *s};

	assert(s->n > 0 && s->n <= QUORUM_ALL_IN);
	if (s->n <= 2)
		return cfg;
	cfg.old.n = cfg.next.n = 2;
	cfg.next.v[0] = s->v[s->n - 2];
	cfg.next.v[1] = s->v[s->n - 1];
	return cfg;
}

bool quorum_set_same(const struct quorum_set *a, const struct quorum_set *b)
{
	return a->n == b->n && memcmp(a->v, b->v, a->n * sizeof(a->v[0])) == 0;
}

bool quorum_same(const struct quorum_cfg *a, const struct quorum_cfg *b)
{
	return a->epoch == b->epoch && quorum_set_same(&a->old, &b->old) && quorum_set_same(&a->next, &b->next);
}

static int set_index(const struct quorum_set *s, const struct uuid *node)
{
	for (int i = 0; i < s->n; i++)
		if (ballot_same_node(&s->v[i], node))
			return i;
	return -1;
}

bool quorum_set_has(const struct quorum_set *s, const struct uuid *node)
{
	return set_index(s, node) >= 0;
}

static const char *set_fault(const struct quorum_set *s)
{
	static const struct uuid none;

	if (s->n > QUORUM_VOTERS_MAX)
		return "more voters than there may be";
	for (int i = 0; i < s->n; i++) {
		if (ballot_same_node(&s->v[i], &none))
			return "a voter without a UUID";
		if (set_index(s, &s->v[i]) != i)
			return "a voter stands twice in one set";
	}
	return NULL;
}

const char *quorum_fault(const struct quorum_cfg *cfg)
{
	const char *fault = set_fault(&cfg->old);

	if (!fault)
		fault = set_fault(&cfg->next);
	if (fault)
		return fault;
	if (cfg->epoch == 0 && (cfg->old.n > 0 || cfg->next.n > 0))
		return "voters without an epoch";
	if (cfg->epoch > 0 && cfg->old.n == 0)
		return "an epoch without voters";
	if (cfg->epoch > BALLOT_COUNTER_MAX)
		return "an epoch that nobody counts to";
	return NULL;
}

const struct uuid *quorum_voter(const struct quorum_cfg *cfg, int i)
{
	if (i < cfg->old.n)
		return &cfg->old.v[i];
	i -= cfg->old.n;
	for (int k = 0; k < cfg->next.n; k++)
		if (set_index(&cfg->old, &cfg->next.v[k]) < 0 && i-- == 0)
			return &cfg->next.v[k];
	return NULL;
}

int quorum_voters(const struct quorum_cfg *cfg)
{
	int n = cfg->old.n;

	for (int k = 0; k < cfg->next.n; k++)
		n += set_index(&cfg->old, &cfg->next.v[k]) < 0;
	return n;
}

int quorum_index(const struct quorum_cfg *cfg, const struct uuid *node)
{
	int n = quorum_voters(cfg);

	for (int i = 0; i < n; i++)
		if (ballot_same_node(quorum_voter(cfg, i), node))
			return i;
	return -1;
}

static bool majority(const struct quorum_cfg *cfg, const struct quorum_set *s, uint16_t mask)
{
	int n = 0;

	for (int i = 0; i < s->n; i++)
		n += (mask >> quorum_index(cfg, &s->v[i])) & 1;
	return n > s->n / 2;
}

bool quorum_both(const struct quorum_cfg *cfg, uint16_t mask)
{
	return majority(cfg, &cfg->old, mask) && majority(cfg, &cfg->next, mask);
}

bool quorum_reached(const struct quorum_cfg *cfg, uint16_t mask)
{
	if (!quorum_is_joint(cfg))
		return majority(cfg, &cfg->old, mask);
	return RULE(M8) ? quorum_both(cfg, mask) : majority(cfg, &cfg->next, mask);
}

bool quorum_possible(const struct quorum_cfg *cfg, uint16_t without)
{
	uint16_t all = (uint16_t)((1u << quorum_voters(cfg)) - 1);

	return quorum_reached(cfg, all & (uint16_t)~without);
}

static size_t set_text(const struct quorum_set *s, char *out, size_t n)
{
	char node[8];
	size_t at = (size_t)snprintf(out, n, "{");

	for (int i = 0; i < s->n && at < n; i++)
		at += (size_t)snprintf(
			out + at, n - at, i ? " %s" : "%s", ballot_node_text(&s->v[i], node, sizeof(node)));
	if (at < n)
		at += (size_t)snprintf(out + at, n - at, "}");
	return MIN(at, n - 1);
}

char *quorum_text(const struct quorum_cfg *cfg, char *out, size_t n)
{
	size_t at = (size_t)snprintf(out, n, "e%" PRIu64 " ", cfg->epoch);

	if (at >= n)
		return out;
	at += set_text(&cfg->old, out + at, n - at);
	if (quorum_is_joint(cfg) && at + 4 < n) {
		at += (size_t)snprintf(out + at, n - at, " > ");
		(void)set_text(&cfg->next, out + at, n - at);
	}
	return out;
}
