/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_GROUP_H
#define SUPERVISOR_SHIM_GROUP_H
/*
 * The replica's cgroups as far as the shim handles them: made by the plan's list, emptied by SIGKILL.
 */
#include <stdbool.h>

#include "supervisor/shim/groupfiles.h"
#include "supervisor/shim/planread.h"

#define GROUP_PROBES 2 /* sub-groups for probes' commands, so that each is ended whole */

/* Where processes are killed: the plan's kill_dir. Strings are borrowed. */
struct group {
	const char *dir; /* NULL: the plan names none */
	const char *oom_path;
	const char *joins; /* what is written to enter it, behind each other */
	unsigned joins_n;
	struct groupfiles *files;
	unsigned own;	   /* processes in itself, sub-groups aside, when it was last killed */
	bool has_subs;	   /* sub-groups may be there */
	bool bounded;	   /* pids.max is 0 now, so that nothing in it can fork … */
	char pids_max[24]; /* … and was this before */
};

/* The plan's MKDIR and WRITE steps. *ret_fresh: none of the groups was there. *ret_path is the one that failed. */
int group_make(const struct plan *p, bool *ret_fresh, const char **ret_path);

/*
 * Sends SIGKILL to everything in the group and its sub-groups, once; returns how many processes there were. What
 * forks meanwhile is found by the next call: repeat until 0. `sub` -1: all of it, else that sub-group alone.
 */
int group_kill(struct group *g, int sub);
/* Takes the bound on forks back and removes the sub-groups, when the group is empty. */
void group_settle(struct group *g);

/* "probe.0" … below dir, made if it is not there: 0, -errno. */
int group_probe(struct group *g, int sub);
const char *group_probe_name(int sub);

/* Whether a process is in the group or below. */
bool group_has(const struct group *g, int pid);

#endif
