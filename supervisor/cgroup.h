/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_CGROUP_H
#define SUPERVISOR_CGROUP_H
/*
 * Cgroups v1 and v2 behind one interface. On v1 libcgroup finds the hierarchies and makes the daemon's own subtree
 * once (cgroup_open); from then on groups are made and limited by the shim, from a list of steps written here
 * (cgroup_ops), and read and removed here. The two versions are two rows of a vtable.
 */
#include "base/err.h"
#include "supervisor/shim_proto.h"
#include "supervisor/spec.h"

struct cgroup; /* the opened subtree; one a daemon */

/*
 * Opens (makes) the subtree `parent` ("covey") in every hierarchy that is there. `root` is "/sys/fs/cgroup" but in
 * tests of a fake tree. v2 alone when the unified tree has the controllers; v1 otherwise (hybrid counts as v1).
 */
int cgroup_open(const char *root, const char *parent, struct cgroup **ret, struct err *e);
void cgroup_close(struct cgroup *cg);
int cgroup_version(const struct cgroup *cg); /* 1 or 2 */
/* Which limits cannot be enforced here: comma-separated names, or "". */
const char *cgroup_missing(const struct cgroup *cg);

/* What a shim needs to know of a replica's groups; strings are owned by the struct. */
struct cgroup_steps {
	struct cgroup_step {
		uint32_t type; /* enum shim_op_type, SHIM_OP_OPTIONAL or'ed in */
		char *path;    /* absolute */
		char *value;   /* or NULL */
	} v[48];
	size_t n;
	char *kill_dir, *oom_path;
	bool v2;
};

/*
 * `group` is the replica's file stem ("web.0"), or a group inside of it ("web.0/probe", with no limits). A limit that
 * this host cannot enforce is -ENOTSUP, said in e. A group that is there already, from an earlier run, is used again:
 * limits that are not asked for any more are set back. settled: these very steps were done for it before, and it is
 * only entered.
 */
int cgroup_steps(const struct cgroup *cg, const char *group, const struct spec_resources *r, bool settled,
	struct cgroup_steps *ret, struct err *e);
void cgroup_steps_done(struct cgroup_steps *s);

/* -1: not known here. Counters run from the making of the group. */
struct cgroup_usage {
	int64_t cpu_us;
	int64_t memory_bytes; /* working set: what is charged, without page cache that could go at once */
	int64_t pids;	      /* processes and threads, as its limit counts them */
	int64_t io_read_bytes,
		io_write_bytes; /* of disks; on v1 without io limits a sum over living processes, may fall */
	int64_t throttled_us;
	int64_t oom_kills;
	int64_t pids_refused; /* how often its limit let no process or thread be made */
};			      /* what is not known is -1 */
#define CGROUP_USAGE_UNKNOWN ((struct cgroup_usage){-1, -1, -1, -1, -1, -1, -1, -1})

/* Eight small reads. -ENOENT: there is no such group. */
int cgroup_usage(const struct cgroup *cg, const char *group, struct cgroup_usage *ret, struct err *e);
/* PSI: the share of the last 10 s, in percent, in which some task of the group waited for it. -1: not known here, as on
 * v1. Three small reads. */
struct cgroup_pressure {
	double cpu, memory, io;
};
#define CGROUP_PRESSURE_UNKNOWN ((struct cgroup_pressure){-1, -1, -1})

void cgroup_pressure(const struct cgroup *cg, const char *group, struct cgroup_pressure *ret);
/* How many pids of the group (and of groups inside) were written, ≤ max, or -errno; 0 when it is not there. */
int cgroup_pids(const struct cgroup *cg, const char *group, int *pids, size_t max);
/* SIGKILLs everything in it, once; returns how many were there, or -errno. To be repeated until 0: meanwhile (v2), and
 * until cgroup_steps are done again (v1), nothing new can run in the group. */
int cgroup_kill(const struct cgroup *cg, const char *group);
/* Removes the group everywhere: 0, also when it is not there; -EBUSY while processes are in it. */
int cgroup_remove(const struct cgroup *cg, const char *group, struct err *e);
/* Calls fn for each replica's group that exists; for adoption and clean-up. */
int cgroup_each(const struct cgroup *cg, void (*fn)(void *arg, const char *group), void *arg);
/* Removes the whole subtree (all groups must be empty); cg is good for cgroup_close alone then. */
int cgroup_destroy(struct cgroup *cg, struct err *e);

#endif
