/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_REGISTER_ROOT_H
#define NODE_REGISTER_ROOT_H
/*
 * The root register R: what the cluster agrees on about itself, as a struct and as bytes. Its rules are those of
 * register_agent.h; pure, as that. Voters read (epoch, voters) and the times of leases at its head without the rest.
 */
#include "node/register_bytes.h"

#define REGISTER_NODES_MAX 4096 /* draining ones; forgotten ones; leaving ones */

/* A dead voter is replaced after this, within these bounds. */
#define REGISTER_REPLACE_MS	60000
#define REGISTER_REPLACE_MIN_MS 1000
#define REGISTER_REPLACE_MAX_MS (7 * 24 * 3600 * 1000)

/* What a new cluster begins with, and what is for slow links. */
#define REGISTER_DEFAULT_TIMES ((struct value_times){.tf_ms = 2000, .kill_ms = 500, .lv_ms = 3100})
#define REGISTER_SLOW_TIMES    ((struct value_times){.tf_ms = 6000, .kill_ms = 1000, .lv_ms = 8600})

/* Nodes, each once, by rising UUID. */
struct register_nodes {
	struct sched_node *v; /* owned */
	size_t n, cap;
};

struct register_root {
	struct uuid cluster;
	char name[NAME_MAX_LEN + 1]; /* of the cluster; may be empty */
	struct quorum_cfg cfg;
	uint32_t voters;	       /* how many are wanted; 0: by the number of members */
	char spread[NAME_MAX_LEN + 1]; /* the label that voters are spread over; empty: none */
	struct value_times times;
	uint32_t feature_level;
	struct register_nodes draining, forgotten;
	size_t n_ops;
	char ops[SCHED_OPS_MAX][OP_ID_MAX + 1]; /* the newest last */
	uint32_t replace_after_ms;
	struct register_nodes leaving; /* they drain too, and vote no more */
	uint32_t min_version;	       /* this and the next as of struct register_agent */
	uint64_t parent;
	struct msg_bytes bytes; /* borrowed */
	struct register_mores mores;
	struct value_mem mem;
};

/* One that was never written; mem for what is added to it. */
void register_root_init(struct register_root *r, const struct value_mem *mem);
void register_root_done(struct register_root *r); /* a zeroed one is fine */
/* NULL, or what is wrong with it, in words. */
const char *register_root_fault(const struct register_root *r);
const char *register_times_fault(const struct value_times *t);

/* No bytes are the root of no cluster: none of its fields is set. -EBADMSG with a sentence, -ENOMEM; *ret as it was. */
int register_root_read(struct register_root *ret, const struct value_mem *mem, struct msg_bytes bytes, struct err *e);
/* The value that follows on the one that r was read from. As register_agent_write. */
int register_root_write(const struct register_root *r, uint8_t *out, size_t cap, size_t *ret_n, struct err *e);

bool register_nodes_has(const struct register_nodes *s, struct sched_node node);
/* One of r's. 0 when it is there now, -ENOSPC, -ENOMEM. */
int register_nodes_add(struct register_root *r, struct register_nodes *s, struct sched_node node) MUST_CHECK;
void register_nodes_drop(struct register_nodes *s, struct sched_node node);

/* As of value_reader: of the root's bytes. */
bool register_root_cfg(struct msg_bytes value, struct quorum_cfg *ret);
bool register_root_times(struct msg_bytes value, struct value_times *ret);

/* ctx of register_cfg_put. */
struct register_put {
	struct value_mem mem;
	uint8_t *out; /* the caller's; what is put is there until the next call */
	size_t cap;
};

/* voters_config.cfg_put: the root's value with that configuration. */
bool register_cfg_put(void *ctx, struct msg_bytes value, const struct quorum_cfg *cfg, struct msg_bytes *ret);

#endif
