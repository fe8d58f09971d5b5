/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_RUNNER_PARTS_H
#define NODE_RUNNER_PARTS_H
/*
 * What the files of a runner share with each other: runner.c (core, store, end of a run), runner_shim.c (messages),
 * runner_probe.c (probes), runner_lease.c (of one under a lease).
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

/* runner_lease.c */
bool runner_may_start(const struct runner *r);
void runner_recalled(struct runner *r); /* what was decided of it may be believed by now */
/* Of a run about to be launched: its epoch and page. *ret_fd: for the shim, then closed; -1: it is not leased. */
int runner_lease_begin(struct runner *r, int *ret_fd, struct err *e);
void runner_lease_spec(struct runner *r); /* its definition is another, or its slot */
void runner_lease_started(struct runner *r);
void runner_lease_found(struct runner *r); /* within its HELLO */
void runner_armed(struct runner *r, const struct shim_armed *a);
void runner_lease_ended(struct runner *r); /* its page goes */
void runner_lease_news(struct runner *r);

void runner_start_probe(struct runner *r, enum health_which w);
void runner_cancel_probe(struct runner *r, enum health_which w);
uint32_t runner_new_exec_id(struct runner *r);
void runner_exec_done(struct runner *r, const struct shim_exec_done *d);

#endif
