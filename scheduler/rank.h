/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULER_RANK_H
#define SCHEDULER_RANK_H
/*
 * Who decides for an agent: rendezvous hashing (Thaler and Ravishankar 1996) of agent and node, among the living. The
 * highest is the steward, rank 0; the next ones stand in, each after a delay of its rank. A rank holds no power: it
 * saves the others the work, and the register decides between two who both believe they have it.
 *
 * Every node of every version computes the same: the hash never changes.
 */
#include "scheduler/sched.h"

#define RANK_NONE UINT32_MAX

uint64_t rank_hash(const char *agent, struct sched_node node);
/* How many of the living (alive or suspect) stand before node; RANK_NONE: it is not among them. */
uint32_t rank_of(const char *agent, const struct sched_view *view, struct sched_node node);
/* The node of that rank; false: there are fewer. O(hosts × rank). */
bool rank_node(const char *agent, const struct sched_view *view, uint32_t rank, struct sched_node *ret);
/*
 * How long the node of that rank waits before it does what those before it have not done: rank × 4 × a round, a
 * round trip and a durable write as measured; at most RANK_DELAY_MAX_MS.
 */
#define RANK_DELAY_MAX_MS 10000
int64_t rank_delay_ms(uint32_t rank, uint32_t round_ms);

#endif
