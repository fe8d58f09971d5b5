/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_REGISTER_DEF_H
#define NODE_REGISTER_DEF_H
/*
 * A definition as a register has it, as a text, read; and what of it counts for the scheduler.
 */
#include "consensus/value.h"
#include "scheduler/sched.h"
#include "supervisor/spec.h"

struct register_def {
	struct sched_spec spec;	   /* borrowed from agent, and from what follows */
	struct agent_spec *agent;  /* a reference */
	size_t size;		   /* as it was allocated */
	struct sched_expr exprs[]; /* and behind them their labels */
};

/* Takes another reference. -ENOMEM. */
int register_def_new(
	const struct value_mem *mem, struct agent_spec *agent, struct register_def **ret, struct err *e) MUST_CHECK;
/* Of an agent of the cluster. -EINVAL with the first fault of the text in one sentence, -ENOMEM. */
int register_def_parse(
	const struct value_mem *mem, struct msg_bytes text, struct register_def **ret, struct err *e) MUST_CHECK;
void register_def_free(const struct value_mem *mem, struct register_def *d); /* NULL is fine */
/* What runs by one of them need not be started anew for the other. */
bool register_def_same_run(const struct register_def *a, const struct register_def *b);

#endif
