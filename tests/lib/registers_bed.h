/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_REGISTERS_BED_H
#define TESTS_LIB_REGISTERS_BED_H
/*
 * Nodes with the real registers (consensus/registers.h) in virtual time, each with a disk that makes writes durable a
 * little later, on a network that loses, doubles and delays. What is chosen is told to all once, and to one of them
 * again and again, as gossip would. A value is a list of numbers, each put in by one proposal; the root register has
 * the configuration. Whatever a node is told to be chosen is held against what all others were told.
 */
#include "base/rng.h"
#include "consensus/registers.h"
#include "tests/sim/heap.h"

#define RBED_NODES_MAX	 7
#define RBED_KEYS	 3 /* "a", "b", "c" */
#define RBED_NUMBERS_MAX 512

struct rvalue {
	struct quorum_cfg cfg; /* of the root register */
	uint32_t n;
	uint32_t v[RBED_NUMBERS_MAX];
};

struct rbed;
struct rnode;

/* What stands around a node's registers, and what its values are; tests of the registers alone have none (NULL). */
struct rbed_kind {
	int (*make)(struct rnode *n, const struct registers_config *c, const struct value_mem *mem); /* sets n->r */
	void (*drop)(struct rnode *n);								     /* n->r too */
	int (*step)(struct rnode *n, const struct registers_in *in);				     /* into n->outs */
	int64_t (*deadline_ms)(const struct rnode *n);
	void (*chosen)(struct rnode *n, const struct registers_out *o);
	const struct value_reader *reader;
	bool empty; /* nobody votes at first */
};

struct rdisk {
	struct acceptor_header header;
	uint64_t boot, write;
	struct {
		bool used;
		struct ballot promised, accepted;
		struct value *value;
	} regs[RBED_KEYS + 1];
};

struct rjob;

struct rnode {
	struct heap_item timer; /* its deadline */
	struct rbed *b;
	int number;
	struct uuid uuid;
	bool up;
	struct registers *r;
	void *own; /* the kind's */
	struct registers_outs outs;
	struct rdisk disk;
	struct rjob *first_job, *last_job; /* handed over, not durable */
	struct heap_item disk_timer;
	struct heap_item gossip_timer;
	struct rvalue next; /* what the change function made */
};

struct rbed {
	const struct rbed_kind *kind;
	struct rng rng;
	struct heap heap;
	int64_t now_ms;
	int n;
	int lose_pct, double_pct, late_pct, nomem_pm;
	struct rnode v[RBED_NODES_MAX];
	bool in_order; /* what a node sends to another comes as it was sent */
	int64_t last_ms[RBED_NODES_MAX][RBED_NODES_MAX];
	bool silent;			  /* nobody tells anybody what is chosen */
	bool along;			  /* when it is news its value goes along */
	uint64_t token;			  /* of the last proposal: the number that it puts in, too */
	uint32_t ended[RBED_NUMBERS_MAX]; /* by token: 0 under way, else outcome + 1 */
	int key_of[RBED_NUMBERS_MAX];
	struct rvalue *puts[RBED_NUMBERS_MAX]; /* owned: what each proposal makes */
	struct {
		struct ballot ballot;
		struct rvalue value;
	} * chosen[RBED_KEYS + 1]; /* owned: all that were told, by ballot */
	size_t n_chosen[RBED_KEYS + 1];
	uint32_t voters_ended[VOTERS_OUTCOME_MAX];
	size_t bytes; /* in use */
};

/* n nodes; node 0 alone votes, unless the kind says that nobody does. */
struct rbed *rbed_new(uint64_t seed, int n);
struct rbed *rbed_new_of(uint64_t seed, int n, const struct rbed_kind *kind);
struct now rbed_now(const struct rbed *b);
/* One step of that node, and what it says done. */
void rbed_input(struct rnode *n, const struct registers_in *in);
/* As rbed_input, where the step was made elsewhere. */
void rbed_stepped(struct rnode *n);
void rbed_free(struct rbed *b); /* and all memory is back */
void rbed_run(struct rbed *b, int64_t ms);
/* Runs until done(b), at most 120 s of its time: else the test fails. */
void rbed_until(struct rbed *b, bool (*done)(struct rbed *b));
/* A number into that register, asked of that node: its token, or 0: it cannot be proposed now. */
uint64_t rbed_put(struct rbed *b, int node, int key);
/* Voters are to be those nodes, "012"; the return value of registers_step. */
int rbed_vote(struct rbed *b, int node, const char *nodes);
void rbed_crash(struct rbed *b, int node);
void rbed_start(struct rbed *b, int node);
struct msg_key rbed_key(int key); /* -1: the root register */
struct msg_bytes rbed_bytes(const struct rvalue *v);
bool rbed_read(struct msg_bytes bytes, struct rvalue *ret);
bool rbed_has(const struct rvalue *v, uint32_t number);
/* What the node knows to be chosen; false: nothing. */
bool rbed_knows(struct rbed *b, int node, int key, struct rvalue *ret);
bool rbed_all_know_the_same(struct rbed *b);

#endif
