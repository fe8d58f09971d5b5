/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of ballots, and the source that never makes one twice.
 */
#include "consensus/ballot.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "consensus/rules.h"

bool ballot_same_node(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->v, b->v, sizeof(a->v)) == 0;
}

int ballot_cmp(const struct ballot *a, const struct ballot *b)
{
	int by_node;

	if (a->counter != b->counter)
		return a->counter < b->counter ? -1 : 1;
	by_node = memcmp(a->node.v, b->node.v, sizeof(a->node.v));
	if (by_node != 0)
		return by_node;
	return (a->nonce > b->nonce) - (a->nonce < b->nonce);
}

bool ballot_is_zero(const struct ballot *b)
{
	return b->counter == 0;
}

const struct ballot *ballot_max(const struct ballot *a, const struct ballot *b)
{
	return ballot_cmp(a, b) < 0 ? b : a;
}

struct ballot ballot_next(struct ballot_source *s, const struct ballot *above)
{
	if (RULE(M3) || s->counter <= above->counter)
		s->counter = MAX(s->counter, above->counter) + 1;
	return (struct ballot){.counter = s->counter, .node = s->node, .nonce = s->nonce};
}

char *ballot_node_text(const struct uuid *node, char *out, size_t n)
{
	(void)snprintf(out, n, "%02x%02x", node->v[0], node->v[1]);
	return out;
}

char *ballot_text(const struct ballot *b, char *out, size_t n)
{
	char node[8];

	if (ballot_is_zero(b))
		(void)snprintf(out, n, "0");
	else
		(void)snprintf(out, n, "%" PRIu64 ".%s", b->counter, ballot_node_text(&b->node, node, sizeof(node)));
	return out;
}
