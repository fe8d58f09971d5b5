/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_CGROUP_IMPL_H
#define SUPERVISOR_CGROUP_IMPL_H
/*
 * Between the files of cgroup alone: the opened subtree, the two versions' vtable, and what both read and write with.
 */
#include <stdarg.h>

#include "base/err.h"
#include "supervisor/cgroup.h"

/* The hierarchies; v2 has the first alone. All of a v1 replica's groups but the last two are always made. */
enum cgroup_tree {
	CGROUP_PIDS,
	CGROUP_MEMORY,
	CGROUP_CPU,
	CGROUP_CPUACCT, /* absent when it is one hierarchy with cpu */
	CGROUP_CPUSET,
	CGROUP_BLKIO,
	CGROUP_TREE_MAX
};
#define CGROUP_UNIFIED CGROUP_PIDS

/* Limits that a definition can ask for, each of which a host may lack. */
enum cgroup_limit {
	CGROUP_LIMIT_CPU,
	CGROUP_LIMIT_CPU_WEIGHT,
	CGROUP_LIMIT_CPUSET,
	CGROUP_LIMIT_MEMORY,
	CGROUP_LIMIT_MEMORY_HIGH,
	CGROUP_LIMIT_SWAP,
	CGROUP_LIMIT_PIDS,
	CGROUP_LIMIT_IO_WEIGHT,
	CGROUP_LIMIT_IO_MAX,
	CGROUP_LIMIT_MAX
};

#define CGROUP_GROUP_MAX   256 /* a group's name with its NUL; "web.0", or "web.0/probe" */
#define CGROUP_DEVICES_MAX 12  /* disks that io_max is said for */
#define CGROUP_DEPTH_MAX   8   /* groups inside of groups that are looked at */

/* A builder of steps: after a failure it does nothing and keeps the first code. */
struct cgroup_build {
	const struct cgroup *cg;
	const char *group;
	struct cgroup_steps *steps;
	bool used;	 /* the group is there from an earlier run: what is not asked for is set back */
	bool joins_only; /* … and all as it is asked for */
	int rc;
};

struct cgroup_vtable {
	int version;
	/* Finishes the subtree (dirs are open) and says what it can. May write. */
	int (*prepare)(struct cgroup *cg, struct err *e);
	/* The steps for what is asked, all of which the host can. Does not block. */
	void (*build)(struct cgroup_build *b, const struct spec_resources *r);
	/* Reads. -ENOENT: no such group. */
	int (*usage)(const struct cgroup *cg, const char *group, struct cgroup_usage *ret);
	/* Reads what there is; NULL: this version has none. */
	void (*pressure)(const struct cgroup *cg, const char *group, struct cgroup_pressure *ret);
	/* Keeps a group from growing while it is killed process by process; off again once none is left. */
	void (*hold)(const struct cgroup *cg, const char *group, bool on);
};

extern const struct cgroup_vtable cgroup_v1, cgroup_v2;

struct cgroup {
	const struct cgroup_vtable *vt;
	char *parent;
	struct cgroup_dir {
		int fd;	    /* of the parent in this hierarchy; -1: there is no such hierarchy */
		char *path; /* owned; NULL like it */
	} dirs[CGROUP_TREE_MAX];
	char *mounts[CGROUP_TREE_MAX]; /* owned: where the hierarchies are mounted; NULL: not */
	char *block_dir;	       /* "/sys/block" */
	bool can[CGROUP_LIMIT_MAX];
	bool swapless;	       /* the host has no swap: none to limit */
	const char *io_weight; /* the file for it; NULL: none */
	char missing[160];
};

/* cgroup_find.c: fills mounts, block_dir and swapless. Returns the version, or -errno. */
int cgroup_find(struct cgroup *cg, const char *root, struct err *e);

/* cgroup_steps.c */
const char *cgroup_limit_name(enum cgroup_limit l);
/* All are relative to the parent of the tree. */
void cgroup_step_mkdir(struct cgroup_build *b, enum cgroup_tree t);
void cgroup_step_join(struct cgroup_build *b, enum cgroup_tree t, const char *file);
void cgroup_step_into(struct cgroup_build *b);
void cgroup_step_write(struct cgroup_build *b, enum cgroup_tree t, const char *file, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
char *cgroup_path(const struct cgroup *cg, enum cgroup_tree t, const char *group, const char *file); /* caller frees */
/* A number that is asked for when it is at least 0; otherwise `unset`, in a used group alone. */
void cgroup_step_number(struct cgroup_build *b, enum cgroup_tree t, const char *file, int64_t n, const char *unset);
/* "MAJOR:MINOR" of each disk; returns how many. */
size_t cgroup_devices(const struct cgroup *cg, char (*ret)[16], size_t max);
/* cpu: quota and period in microseconds of so many thousandths of a processor. */
void cgroup_quota(int64_t milli, int64_t *ret_quota_us, int64_t *ret_period_us);

/* cgroup_read.c */
#define CGROUP_TEXT_MAX 8192
/* GROUP/FILE under dirfd into out, NUL-terminated: bytes, or -errno. A longer file is cut. */
int cgroup_read(int dirfd, const char *group, const char *file, char *out, size_t n);
int cgroup_write(int dirfd, const char *group, const char *file, const char *value);
/* A file of one number; -1 when it cannot be read. */
int64_t cgroup_read_number(int dirfd, const char *group, const char *file);
/* The number behind "KEY " at the start of a line; -1 when there is none. */
int64_t cgroup_field(const char *text, const char *key);
/* Sums the numbers behind each occurrence of `mark`. */
int64_t cgroup_sum(const char *text, const char *mark);
/* Calls fn for each process in the group and in groups inside of it; 0 or -errno. fn's negative return ends it. */
int cgroup_walk(int dirfd, const char *group, int depth, int (*fn)(void *arg, int pid), void *arg);
/* Steps down "a/b/c": level, at first "", becomes "a", "a/b", "a/b/c"; then false. */
bool cgroup_next_level(const char *parent, char level[CGROUP_GROUP_MAX]);
/* Whether the blank-separated text has the word. */
bool cgroup_has_word(const char *text, const char *word);

#endif
