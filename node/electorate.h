/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_ELECTORATE_H
#define NODE_ELECTORATE_H
/*
 * Who is to vote: of the members that there are, as the root register wants it. Pure. How voters change: voters.h.
 *
 * By 1, 2, 3, 4, 5 and more members 1, 1, 3, 3, 5 voters, or fewer or up to 7 where the root says so; never an even
 * number. A member is who has not left, is not leaving, was not forgotten: a dead one is one, so that a death takes no
 * vote. A dead voter gives its vote to a living spare after the root's replace_after, if there is one; only who leaves
 * or was forgotten loses it without. Witnesses vote like others. Who is new is taken where fewest of the spread label's
 * value vote, then in the order of the rendezvous hash with the cluster's id: every node chooses the same.
 */
#include "base/err.h"
#include "node/register_root.h"

struct electorate_in {
	const struct register_root *root;
	const struct quorum_set *now; /* who votes, while no change is under way */
	const struct sched_view *view;
	const struct sched_node *avoid; /* not to be chosen now */
	size_t n_avoid;
};

struct electorate_count {
	uint32_t members, voters, wanted; /* as many as there would be with enough living members */
	uint32_t spares;		  /* living members that could be chosen */
	uint32_t dead;			  /* voters */
	struct sched_node first_dead;
};

/*
 * The next step, one swapped or two added or removed (one, of an even number); false: none. *ret_in_ms: when to ask
 * again though nothing happens; INT64_MAX.
 */
bool electorate_next(const struct electorate_in *in, struct quorum_set *ret, int64_t *ret_in_ms);
void electorate_count(const struct electorate_in *in, struct electorate_count *ret);
/* What is to be said of it, and what helps: one sentence; "": all is well. Returns out. */
char *electorate_text(const struct electorate_in *in, char *out, size_t n);

#endif
