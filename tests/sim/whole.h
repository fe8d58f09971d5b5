/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_WHOLE_H
#define TESTS_SIM_WHOLE_H
/*
 * The whole node in virtual time: node/'s own files, from what gossip tells to which replicas run (council*.c,
 * decided.c, roster.c, runner*.c, cluster_register.c, cluster_seen.c, cluster_share.c, votes.c), as they are in the
 * daemon and in its order. Only what is below them is the simulator's: the loop and its clocks (whole_loop.c), the disk
 * (whole_disk.c, whole_store.c), links (whole_link.c), and shims with the processes that they look after (whole_shim.c,
 * whole_launch.c). A shim is of its host: it lives on without a daemon, and burns at its deadline.
 *
 * There is one for each sim_node of a run with sim_options.whole; node.c and node_edge.c call these.
 */
#include "tests/sim/sim.h"

struct gossip_msg_register;
struct whole;

void whole_make(struct sim_node *n); /* its host, with an empty disk */
void whole_done(struct sim_node *n); /* all of it; the node has no process any more */

void whole_start(struct sim_node *n); /* its daemon; the gossip core is there already */
void whole_stop(struct sim_node *n);  /* as by SIGKILL; before the gossip core goes */
void whole_goes_on(struct sim_node *n);
void whole_host_lost(struct sim_node *n); /* and what ran there */
void whole_sleeps(struct sim_node *n);
void whole_wakes(struct sim_node *n);
void whole_clock(struct sim_node *n); /* its clock runs otherwise from now on */

void whole_turn(struct sim_node *n); /* something was done: what the loop does before it waits */
void whole_up(struct sim_node *n, uint32_t link, uint32_t peer); /* before the core hears of it; and after it: */
void whole_linked(struct sim_node *n, uint32_t link);
void whole_down(struct sim_node *n, uint32_t link);
void whole_piece(struct sim_node *n, uint32_t link, const struct gossip_msg_register *piece);
void whole_say(struct sim_node *n, uint32_t link); /* the link has room, and gossip nothing to say */
void whole_changed(struct sim_node *n);		   /* gossip knows more */
void whole_farewell(struct sim_node *n);	   /* before a planned stop */
void whole_copy(struct sim_node *n);		   /* of its disk, as it is now */
bool whole_restore(struct sim_node *n);		   /* that copy is its disk; false: there is none */
void whole_wipe(struct sim_node *n);
void whole_disk_faults(struct sim_node *n, uint32_t full_ppm, int64_t slow_us);
void whole_disk_breaks(struct sim_node *n);			 /* with its next write */
bool whole_knows(const struct sim_node *n, const char *address); /* its disk does: a member of its last run */
bool whole_due(struct sim *s, struct heap_item *item);		 /* false: it is no item of these */

#endif
