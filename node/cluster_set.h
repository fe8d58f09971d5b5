/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CLUSTER_SET_H
#define NODE_CLUSTER_SET_H
/*
 * This node's own map (cluster_set in cluster.h), and what could not be put into it.
 */
#include <stdbool.h>

struct cluster;

void cluster_set_init(struct cluster *c);
void cluster_set_done(struct cluster *c);
/* What was to be told could not be written down, or is too long: as where the core does not take it. */
void cluster_set_lost(struct cluster *c, bool memory);

#endif
