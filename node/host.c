/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where agents live: the group that the configuration names; else the home that systemd keeps for them
 * (supervisor/cgroup_home.h); else "covey". What the kernel lacks is asked of the kernel, not guessed by its version.
 * Nothing that is lacking keeps the daemon from starting: an agent that needs it says so itself, at its start.
 */
#include "node/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "node/node.h"

#define CGROUP_ROOT    "/sys/fs/cgroup"
#define DEFAULT_PARENT "covey"

static const char *parent_of(const struct node *n)
{
	if (n->cfg->cgroup_parent)
		return n->cfg->cgroup_parent;
	return n->home.found ? n->home.path : DEFAULT_PARENT;
}

int host_open(struct node *n, struct err *e)
{
	int rc;

	cgroup_home_find(CGROUP_ROOT, "/proc/self", &n->home);
	rc = cgroup_open(CGROUP_ROOT, parent_of(n), &n->cgroup, e);
	if (rc == 0)
		rc = cgroup_place_open(CGROUP_ROOT, &n->home, &n->place, e);
	return rc < 0 ? err_wrap(e, "cgroups") : 0;
}

void host_close(struct node *n)
{
	cgroup_place_close(&n->place);
	if (n->cgroup)
		cgroup_close(n->cgroup);
}

static void tell_home(const struct node *n)
{
	if (n->home.found && n->place.into < 0 && n->place.tasks < 0)
		log_warn("shims have no group of their own: stopping coveyd may end agents");
	else if (n->home.found)
		log_info("agents live in %s: they stay when coveyd stops, and end with that unit", n->home.path);
	else if (n->home.by_systemd)
		log_warn(CGROUP_HOME_UNIT
			" is not there: agents live in '%s', and systemd does not know of them; install "
			"that unit beside coveyd.service and restart coveyd",
			parent_of(n));
}

/* For the status of the unit, where it stays to be seen. */
static void lacks(struct node *n, const char *what)
{
	size_t len = strlen(n->lacks);

	(void)snprintf(n->lacks + len, sizeof(n->lacks) - len, "%s%s", len ? ", " : "", what); /* all of them fit */
}

/* "memory" is in "cpu, memory", and not in "memory_high". */
static bool is_listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = strstr(list, word); at; at = strstr(at + 1, word))
		if ((at == list || at[-1] == ' ') && (at[len] == ',' || at[len] == '\0'))
			return true;
	return false;
}

static void tell_limits(struct node *n)
{
	const char *missing = cgroup_missing(n->cgroup);
	bool memory = is_listed(missing, "memory"), pids = is_listed(missing, "pids");
	bool grave = memory || pids;

	if (memory)
		lacks(n, "memory");
	if (pids)
		lacks(n, "pids");

	if (!*missing)
		return;
	log_line(grave ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, NULL, NULL,
		"this host cannot enforce these limits of resources: %s (cgroup v%d: the controller is not in the "
		"kernel or "
		"not delegated); an agent that asks for one is not started",
		missing, cgroup_version(n->cgroup));
}

static void tell_kernel(struct node *n)
{
	unsigned action = SECCOMP_RET_ERRNO;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0) {
		log_warn("the kernel has no seccomp: agents start only with 'sandbox: {seccomp: off}'");
		lacks(n, "seccomp");
	}
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 0) {
		log_info("the kernel has no Landlock: read-only paths of agents are kept by mounts alone");
		lacks(n, "Landlock");
	}
}

static void tell_file(const char *key, const char *path)
{
	if (access(path, R_OK) < 0)
		log_warn("%s: '%s': %s", key, path, strerror(errno));
}

/* What the configuration says and this node does not do, or not now. */
static void tell_config(const struct node *n)
{
	const struct config_gossip *g = &n->cfg->gossip;

	if (g->on && g->insecure)
		log_warn("gossip.insecure: no TLS: whoever reaches a node may speak for the cluster");
	if (n->cfg->tls_ca) {
		tell_file("tls.ca", n->cfg->tls_ca);
		tell_file("tls.cert", n->cfg->tls_cert);
		tell_file("tls.key", n->cfg->tls_key);
	}
	if (!n->cfg->schedulable)
		log_warn("node.schedulable: no: %s runs no agent of the cluster, and there is no other node",
			n->cfg->name);
}

void host_tell(struct node *n)
{
	tell_config(n);
	tell_home(n);
	tell_limits(n);
	tell_kernel(n);
}
