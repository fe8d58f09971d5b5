/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_NODE_H
#define TESTS_SIM_NODE_H
/*
 * One node: a real core with the edge that the daemon gives it, on a host of the simulated network. Its clock has a
 * rate of its own, its memory is counted, its boot counter and UUID are what its disk has.
 *
 * Each of these does nothing, and says so, when the node is not in a state for it.
 */
#include "tests/sim/sim.h"

extern const struct net_ops node_net_ops;

void node_make(struct sim *s, uint32_t number);
void node_done(struct sim_node *n);
struct now node_clocks(const struct sim_node *n);
int64_t node_mono_us(const struct sim_node *n);
int64_t node_at_us(const struct sim_node *n, int64_t mono_us); /* when its CLOCK_MONOTONIC will show that, or now */
int64_t node_boot_at_us(const struct sim_node *n, int64_t boot_us); /* the same of CLOCK_BOOTTIME */
void node_step(struct sim_node *n, const struct gossip_in *in);	    /* of the gossip core, and what follows */
void node_due(struct sim_node *n);				    /* its timer */
void node_chore(struct sim_node *n);				    /* it ends, or begins again with a higher boot */

bool node_start(struct sim_node *n, bool founds); /* its process begins, with the next boot */
void node_prime_all(struct sim *s);		  /* all begin, and each knows of all (node_prime.c) */
bool node_kill(struct sim_node *n);		  /* as by SIGKILL */
bool node_stop(struct sim_node *n);		  /* as by SIGSTOP */
bool node_go_on(struct sim_node *n);
bool node_lose(struct sim_node *n); /* the host: power, or its network for ever */
bool node_back(struct sim_node *n); /* the host is there again, its daemon not yet */
bool node_sleep(struct sim_node *n);
bool node_wake(struct sim_node *n);
bool node_leave(struct sim_node *n);
bool node_set(struct sim_node *n, unsigned key, const char *value, size_t len); /* NULL: removed */
void node_keep_forgotten(struct sim_node *n, uint64_t id);			/* on its disk */
void node_forget_again(struct sim_node *n, uint64_t id);
bool node_forget(struct sim_node *n, uint64_t id);
bool node_voters(struct sim_node *n, const uint64_t *ids, size_t n_ids);
void node_tell_unsure(struct sim_node *n);	  /* keys for which there was no memory */
void node_clock(struct sim_node *n, int32_t ppm); /* runs at this rate from now on */

static inline bool node_lives(const struct sim_node *n) /* and takes part */
{
	return n->life == SIM_RUNS;
}

static inline bool node_has_process(const struct sim_node *n)
{
	return n->life == SIM_RUNS || n->life == SIM_STOPPED || n->life == SIM_ASLEEP;
}

#endif
