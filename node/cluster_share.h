/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CLUSTER_SHARE_H
#define NODE_CLUSTER_SHARE_H
/*
 * What this node tells the others of itself.
 */
struct agent;
struct cluster;
struct runner;

/* It was planned: the agent and its replicas, what of them changed. */
void cluster_share_agent(struct cluster *c, struct agent *a);
void cluster_share_removed(struct cluster *c, const struct agent *a);
void cluster_share_gone(struct cluster *c, const struct runner *r);
void cluster_share_node(struct cluster *c);   /* labels, capacity, whether it takes work */
void cluster_share_all(struct cluster *c);    /* to a new core */
void cluster_share_untold(struct cluster *c); /* what the core did not take */

void cluster_share_init(struct cluster *c);
void cluster_share_done(struct cluster *c);

#endif
