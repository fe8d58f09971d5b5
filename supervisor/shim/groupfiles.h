/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_GROUPFILES_H
#define SUPERVISOR_SHIM_GROUPFILES_H
/*
 * Files of the replica's groups that every end and every start need, held open by a shim that stays: walking to them
 * was the largest part of a restart. They are opened once the agent has run for a while, so that no start waits for it.
 */
#include <stdbool.h>
#include <stdint.h>

#define GROUPFILES_JOINS 8 /* more hierarchies than v1 has for us */

struct groupfiles {
	int pids, oom; /* -1: not open */
	int joins[GROUPFILES_JOINS];
	unsigned joins_n; /* 0: none is open */
};

void groupfiles_none(struct groupfiles *f);
void groupfiles_close(struct groupfiles *f);
/* What cannot be opened is not, and goes by its path. joins: that many strings behind each other. */
void groupfiles_open(
	struct groupfiles *f, const char *kill_dir, const char *oom_path, const char *joins, unsigned joins_n);

/* Whether nothing is in kill_dir or below, by its pids.current; false also when that cannot be told. */
bool groupfiles_is_empty(const struct groupfiles *f, const char *kill_dir);
/* The oom_kill counter; 0 when it cannot be read. */
uint64_t groupfiles_oom_kills(const struct groupfiles *f, const char *oom_path);

#endif
