/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_NODE_PRIV_H
#define TESTS_SIM_NODE_PRIV_H
/*
 * What the two files of a node share.
 */
#include "tests/sim/node.h"

void node_set_timer(struct sim_node *n);
void node_record(const struct sim_node *n, struct gossip_record *ret);
void node_pull(struct sim_node *n, uint32_t link);
void node_tell_key(struct sim_node *n, unsigned key);

#endif
