/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CLUSTER_TOLD_H
#define NODE_CLUSTER_TOLD_H
/*
 * What members tell of themselves: the keys of a member's map, and reading them. A value is one msgpack map; fields
 * that are not known are passed over, those that are missing are not known. cluster_share.c writes this node's.
 *
 *	node          {labels, schedulable, draining, cpu_cores, memory_bytes}
 *	use           {cpu_cores, memory_bytes, replicas}
 *	agent/NAME    {kind, state, pending_reason, desired, version, stopped}
 *	replica/ID    {state, health, pid, restarts, epoch, since_ms, exit: {reason, code, signal, text, at_ms}}
 *
 * NAME and ID are "web" and "web.0" of the cluster's agents, "n1/web" and "n1/web.0" of a node's own.
 */
#include "gossip/gossip.h"
#include "node/mp.h"

#define TOLD_NODE    "node"
#define TOLD_USE     "use"
#define TOLD_AGENT   "agent/"
#define TOLD_REPLICA "replica/"

struct cluster;

/* A value of a member, borrowed until the core's next step; mp_done(t). False: there is none that can be read. */
bool told_get(const struct cluster *c, uint64_t id, const char *key, struct mp_tree *t);

/* Members but the forgotten, those whose record is not known too, by name. The caller frees; NULL: out of memory. */
struct gossip_member *told_members(const struct cluster *c, size_t *ret_n);

#endif
