/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_RUNNER_PARTS_H
#define NODE_RUNNER_PARTS_H
/*
 * What the files of a runner share with each other: runner.c (core, store, end of a run), runner_shim.c (messages),
 * runner_probe.c (probes).
 */
#include "node/runner.h"

/* shimlink_message and shimlink_closed; arg is the runner. */
void runner_message(void *arg, uint32_t type, const void *payload, uint32_t size);
void runner_closed(void *arg);

/* The definition that a run of that hash was started with: the newest, or the one that it replaced; NULL: neither. The
 * agent's reference. */
struct agent_spec *runner_spec_of(const struct agent *a, uint64_t run_hash);

/* It is under way no more: the next that waits may start. Harmless again. */
void runner_launched(struct runner *r);
/* The counts of refused system calls so far. */
void runner_refused(struct runner *r, const void *v, uint32_t size);

void runner_start_probe(struct runner *r, enum health_which w);
void runner_cancel_probe(struct runner *r, enum health_which w);
uint32_t runner_new_exec_id(struct runner *r);
void runner_exec_done(struct runner *r, const struct shim_exec_done *d);

#endif
