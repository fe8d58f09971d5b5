/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_TOLD_H
#define NODE_TOLD_H
/*
 * What members tell of themselves: the keys of a member's map, and reading their values. A value is one msgpack array,
 * its fields by position: those that are beyond the known ones are passed over, those that are missing or of another
 * type are not known. cluster_share.c writes this node's. doc/PROTOCOL.md says it for people.
 *
 * NAME and ID are "web" and "web.0" of the cluster's agents, "n1/web" and "n1/web.0" of a node's own.
 */
#include "gossip/gossip.h"
#include "node/mp.h"

#define TOLD_NODE    "node"
#define TOLD_USE     "use"
#define TOLD_AGENT   "agent/"	/* and NAME */
#define TOLD_REPLICA "replica/" /* and ID */
#define TOLD_CHOSEN  "chosen/"	/* and NAME; of the root register nothing */

enum told_node {
	TOLD_NODE_SCHEDULABLE,
	TOLD_NODE_DRAINING,
	TOLD_NODE_CORES,
	TOLD_NODE_BYTES,
	TOLD_NODE_LABELS,
	TOLD_NODE_MAX
};

enum told_use { TOLD_USE_CORES, TOLD_USE_BYTES, TOLD_USE_MAX };

enum told_agent {
	TOLD_AGENT_KIND,
	TOLD_AGENT_STATE,
	TOLD_AGENT_DESIRED,
	TOLD_AGENT_VERSION,
	TOLD_AGENT_STOPPED,
	TOLD_AGENT_REASON, /* why it is pending, or nil */
	/* The newest decision of its register that this node acts on, set after all that it says of replicas; nil: of
	 * none. And what is reserved for the replicas that are there: thousandths of a processor, bytes. */
	TOLD_AGENT_KNOWS,
	TOLD_AGENT_CPU,
	TOLD_AGENT_MEMORY,
	TOLD_AGENT_MAX
};

enum told_replica {
	TOLD_REPLICA_STATE,
	TOLD_REPLICA_HEALTH,
	TOLD_REPLICA_PID,
	TOLD_REPLICA_RESTARTS,
	TOLD_REPLICA_EPOCH,
	TOLD_REPLICA_SINCE, /* ms since 1970, as all times */
	TOLD_REPLICA_EXIT,  /* of the last run, or nil */
	TOLD_REPLICA_REFUSED,
	TOLD_REPLICA_SAID,    /* STATUS= of sd_notify, or nil */
	TOLD_REPLICA_VERSION, /* the newest that asks for no other run than this one */
	TOLD_REPLICA_READY,   /* nil: it is not; else a number that is another one each time it became ready */
	TOLD_REPLICA_MAX
};

/* The ballot: counter (8 bytes), node (16), nonce (8), big endian. */
enum told_chosen {
	TOLD_CHOSEN_BALLOT,
	TOLD_CHOSEN_EPOCH, /* of the voters, and who they are: of the root register alone */
	TOLD_CHOSEN_OLD,
	TOLD_CHOSEN_NEXT,
	TOLD_CHOSEN_VALUE, /* nil: to be read from the voters */
	TOLD_CHOSEN_MAX
};

enum told_exit { TOLD_EXIT_REASON, TOLD_EXIT_CODE, TOLD_EXIT_SIGNAL, TOLD_EXIT_TEXT, TOLD_EXIT_AT, TOLD_EXIT_MAX };

struct cluster;

/* Of a value that was read: nil and absent fields are `fallback`, -1, "" or NULL. */
int64_t told_int(const msgpack_object *v, unsigned i, int64_t fallback);
double told_real(const msgpack_object *v, unsigned i);
bool told_bool(const msgpack_object *v, unsigned i, bool fallback);
char *told_text(const msgpack_object *v, unsigned i, char *out, size_t n); /* returns out; cut */
const msgpack_object *told_at(const msgpack_object *v, unsigned i, msgpack_object_type type);

/* A value, its tree borrowed from it: NULL when it cannot be read. mp_done(t) in any case. */
const msgpack_object *told_read(struct gossip_str v, struct mp_tree *t);
/* The same of a member's key, borrowed until the core's next step. */
const msgpack_object *told_get(const struct cluster *c, uint64_t id, const char *key, struct mp_tree *t);

/* Members but the forgotten, by name. The caller frees; NULL: out of memory. */
struct gossip_member *told_members(const struct cluster *c, size_t *ret_n);

/* Of a member that is alive, suspect or dead: an agent or a replica. Borrowed until the core's next step. */
struct told_item {
	struct gossip_str agent; /* its name */
	struct gossip_str id;	 /* of a replica */
	struct gossip_str value;
	const struct gossip_member *member;
};

struct told {
	struct gossip_member *members;
	size_t n_members;
	bool whole;			     /* oneself too */
	struct told_item *agents, *replicas; /* by name, of replicas the shorter id first; then by member's name */
	size_t n_agents, n_replicas;
};

/* c NULL: nothing is told. 0 or -ENOMEM; told_done in any case. */
int told_all(const struct cluster *c, struct told *ret) MUST_CHECK;
/* The same, with what the node itself tells among it. */
int told_whole(const struct gossip *g, struct told *ret) MUST_CHECK;
void told_done(struct told *t);
/* Those of `v` that are of that agent: *ret_n of them from the one returned on. */
const struct told_item *told_of(const struct told_item *v, size_t n, struct gossip_str agent, size_t *ret_n);

/* The newest version of a cluster's agent that another member tells; -1: none tells of it, or c is NULL. */
int64_t told_version(const struct cluster *c, const char *agent);
/* The name of another member that has an agent or a replica of that name, into out, of GOSSIP_NAME_MAX + 1; NULL: none,
 * or c is. */
const char *told_where(const struct cluster *c, const char *name, char *out);

#endif
