/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_CGROUP_HOME_H
#define SUPERVISOR_CGROUP_HOME_H
/*
 * Where agents and shims live when systemd runs the host. The daemon's own unit is no place for them: what is in it
 * ends with it. They live in the delegated group of covey-agents.service, which is found beside the daemon's own group,
 * without asking anybody:
 *
 *	system.slice/coveyd.service                 the daemon, alone
 *	system.slice/covey-agents.service           delegated; its processes are all in groups inside of it:
 *	system.slice/covey-agents.service/_holder   covey-hold (supervisor/hold/)
 *	system.slice/covey-agents.service/_shims    the shims, and (v1) all that they start, by systemd's own hierarchy
 *	system.slice/covey-agents.service/web.0     a replica
 */
#include <stdbool.h>

#include "base/err.h"

#define CGROUP_HOME_UNIT "covey-agents.service"
#define CGROUP_HOME_MAX	 200 /* of the path, with its NUL: a replica's group fits behind it */

struct cgroup_home {
	bool found;
	bool by_systemd; /* the daemon is in a unit called coveyd.service; without that nothing is found */
	char path[CGROUP_HOME_MAX];
};

/*
 * root: "/sys/fs/cgroup", proc: "/proc/self", but in tests. Nothing there is no failure: then `found` is false. In a
 * unit of another name the daemon is somebody's own affair, a test's or a CI runner's, and that home is not for it.
 */
void cgroup_home_find(const char *root, const char *proc, struct cgroup_home *ret);

/* What moves a child into _shims: -1 each where it is not needed. */
struct cgroup_place {
	int into;  /* directory in the hierarchy of v2, for CLONE_INTO_CGROUP */
	int procs; /* its cgroup.procs, for a child that was not born there */
	int tasks; /* of systemd's own hierarchy of v1: a single-threaded child writes "0" */
};
#define CGROUP_PLACE_NONE ((struct cgroup_place){-1, -1, -1})

/* Makes _shims in the home, in each hierarchy that systemd goes by, and opens it. The caller: cgroup_place_close. */
int cgroup_place_open(const char *root, const struct cgroup_home *home, struct cgroup_place *ret, struct err *e);
void cgroup_place_close(struct cgroup_place *p);

/* How much of a group's path is systemd's own to manage: the length up to its last unit ("a.slice/b.service"), or 0. */
size_t cgroup_home_length(const char *path);

#endif
