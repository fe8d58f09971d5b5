/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_START_H
#define SUPERVISOR_SHIM_START_H
/*
 * Starting a program as a plan says: the agent, or a probe's command beside it. start.c clones, child.c is what the
 * child does until its exec.
 */
#include <stdbool.h>

#include "supervisor/shim/groupfiles.h"
#include "supervisor/shim/kernel.h"
#include "supervisor/shim/planread.h"

/* What a child that could not start says of itself; in memory that both share. */
struct start_report {
	uint32_t stage; /* enum shim_stage that it has reached */
	int32_t error;	/* positive errno; 0: none yet */
	char detail[256];
};

/* A program that is being started, or runs. Zeroed and with descriptors -1 it is none. */
struct task {
	int pid;		     /* 0: none */
	int listener;		     /* its seccomp notifications */
	int starting;		     /* ends when the child's exec has succeeded or it is gone; -1: not starting */
	int filter_sock;	     /* the listener comes over this */
	struct start_report *report; /* shared with a child that was forked; NULL: none */
};

struct start_how {
	const struct plan *plan;
	int out_fd;			/* becomes its output */
	const char *group_dir;		/* joins below this go to … */
	const char *sub;		/* … this sub-group of it; NULL: as the plan says */
	const struct groupfiles *joins; /* the plan's, open already; NULL: none */
	int beside;			/* pid whose namespaces it enters, instead of making some; 0: none */
	uint64_t bounding;		/* capabilities that may be in the shim's own bounding set */
	bool badness_is_right;		/* the shim's own oom_score_adj is 0 */
	bool may_wait; /* the shim may stand still until the exec: quicker, and not for those with a fuse */
};

void start_none(struct task *t);
/*
 * 0: it was cloned; `starting` is -1 when its exec is behind it, else poll `starting` and `filter_sock` and call
 * start_go_on. A child that failed is reaped here and told in *ret. Else -errno: nothing was started.
 */
int start_task(struct task *t, const struct start_how *how, struct start_report *ret);
/* After `starting` or `filter_sock` became readable: as start_task. -EAGAIN: still starting. */
int start_go_on(struct task *t, struct start_report *ret);
void start_forget(struct task *t); /* closes and frees what a task holds; its process is the caller's */

/* What child.c is given; built by start.c in a mapping of its own, below the child's stack. */
struct child {
	const struct start_how *how;
	struct start_report *report, own_report; /* the latter is it when all memory is shared */
	struct k_sock_fprog filter;		 /* len 0: none */
	int filter_sock;			 /* -1: no filter */
	bool join_into;				 /* it was not cloned into its cgroup of v2: it has to join */
	int parent;				 /* pid */
	const char *detail;			 /* what a step is at */
	const char *program;
	const char *argv[PLAN_ARGV_MAX + 1];
	const char *env[PLAN_ENV_MAX + 1];
	char path[STRING_MAX + 256];
};

/* Runs to the exec; fits clone(2). Returns the status to exit with, after the report is written. */
int child_main(void *arg);
/* Takes capabilities out of the caller's bounding set for good; what the kernel does not know is passed over. */
int child_drop_bounding(uint64_t caps);

#endif
