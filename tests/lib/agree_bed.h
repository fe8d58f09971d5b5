/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_AGREE_BED_H
#define TESTS_LIB_AGREE_BED_H
/*
 * Nodes that agree (node/agree.h) in the cluster of registers_bed.h: commands and their answers, crashes that all are
 * told of. What is beside the registers is the test's. One bed at a time.
 */
#include "node/agree.h"
#include "tests/lib/registers_bed.h"

#define ABED_TOKENS  256
#define ABED_LOOK_MS 200

struct abed_kind {
	struct agree_world world; /* its ctx is the node's struct rnode */
	const struct value_reader *reader;
	void (*chosen)(struct rnode *n, const struct registers_out *o); /* may be NULL, as the next two */
	void (*dropped)(struct rnode *n);
	void (*look)(void); /* each ABED_LOOK_MS of abed_run */
	bool empty;	    /* as struct rbed_kind */
};

struct abed_own {
	struct agree *a;
	struct agree_outs outs;
};

extern struct abed {
	const struct abed_kind *kind;
	struct rbed *b;
	struct abed_own own[RBED_NODES_MAX];
	uint64_t token; /* the newest */
	struct {
		bool is;
		enum agree_outcome outcome;
		bool repeat, changed;
		char text[ERR_TEXT_MAX];
	} answers[ABED_TOKENS];
} abed;

extern const struct value_mem abed_heap;

void abed_new(uint64_t seed, int n, const struct abed_kind *kind);
void abed_free(void);
void abed_run(int64_t ms);
void abed_tell(int node, const struct agree_in *in);
void abed_tell_hosts(enum sched_event_type event, int about);
void abed_crash(int node);
void abed_start(int node);
/* Of one of both the token is set, and returned; 0: it was not taken, *ret_rc says why (may be NULL). */
uint64_t abed_ask(int node, const struct agree_command *c, const struct agree_root_command *r, int *ret_rc);
/* Waits for it. The text is part of the sentence. */
void abed_answered(uint64_t token, enum agree_outcome outcome, const char *text);

#endif
