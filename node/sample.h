/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_SAMPLE_H
#define NODE_SAMPLE_H
/*
 * Use of cpu, memory, … of the replicas here, of the host and of the daemon. Read when somebody asks, not before: an
 * idle node reads nothing.
 */
#include "node/sysstat.h"
#include "supervisor/cgroup.h"

struct node;
struct runner;

/* Reads it for all replicas that run, unless that was done less than a moment ago. */
void sample_all(struct node *n);
void sample_one(struct runner *r);
/* What it used when that was read last; all -1 when it was not, or it does not run. Returns its cores (or -1). */
double sample_usage(const struct runner *r, struct cgroup_usage *ret);
/* Read now; all -1 where it cannot be told, or it does not run. */
void sample_pressure(const struct runner *r, struct cgroup_pressure *ret);

/* Cores busy since the last time this was asked (since the start, the first time); -1: not known. */
double sample_node_cores(struct node *n, const struct sysstat_host *h);
double sample_self_cores(struct node *n, const struct sysstat_self *s);

#endif
