/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One start: gives the run its number, ids and ports, asks for its groups and filter, has the plan written and
 * the shim
 * started. What cannot be started is told to the replica's core as a start that failed, with the sentence.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "node/node.h"
#include "node/runner_parts.h"
#include "node/shimfiles.h"

#define PORT_AUTO_MIN 20000 /* below the kernel's own range for outgoing connections (32768…) */
#define PORT_AUTO_MAX 31999
#define USER_FRESH_MS 2000

static uint64_t hash_text(const char *s)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ULL;
	return h;
}

/* The same replica gets the same uid again where it is free. */
static int allot_uid(struct runner *r, struct err *e)
{
	struct node *n = r->node;
	uint32_t range = SPAWN_DYNAMIC_MAX - SPAWN_DYNAMIC_MIN + 1;
	uint32_t start = (uint32_t)(hash_text(r->id) % range);

	if (r->has_uid)
		return 0;
	for (uint32_t i = 0; i < range; i++) {
		uint32_t at = (start + i) % range;

		if (n->roster.uids[at / 8] & (1u << (at % 8)))
			continue;
		n->roster.uids[at / 8] |= (uint8_t)(1u << (at % 8));
		r->uid = r->gid = SPAWN_DYNAMIC_MIN + at;
		r->has_uid = true;
		return 0;
	}
	return err_set(
		e, -ENOSPC, "no free uid between %d and %d for user: dynamic", SPAWN_DYNAMIC_MIN, SPAWN_DYNAMIC_MAX);
}

void launch_free_uid(struct node *n, struct runner *r)
{
	uint32_t at = r->uid - SPAWN_DYNAMIC_MIN;

	if (!r->has_uid)
		return;
	n->roster.uids[at / 8] &= (uint8_t) ~(1u << (at % 8));
	r->has_uid = false;
}

void launch_take_uid(struct node *n, struct runner *r, uint32_t uid)
{
	uint32_t at = uid - SPAWN_DYNAMIC_MIN;

	if (uid < SPAWN_DYNAMIC_MIN || uid > SPAWN_DYNAMIC_MAX || (r->has_uid && r->uid == uid))
		return;
	launch_free_uid(n, r);
	MAP_FOREACH (node, &n->roster.runners) {
		struct runner *other = CONTAINER_OF(node, struct runner, by_stem);

		if (other->has_uid && other->uid == uid)
			other->has_uid = false; /* kept for it from an earlier run: it gets another */
	}
	n->roster.uids[at / 8] |= (uint8_t)(1u << (at % 8));
	r->uid = r->gid = uid;
	r->has_uid = true;
}

static bool port_is_free(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)};
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return true; /* cannot tell: the agent will */
	(void)setsockopt(
		fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* without it only TIME_WAIT is seen as taken */
	return bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
}

static bool port_is_ours(struct node *n, const struct runner * not, uint16_t port)
{
	MAP_FOREACH (at, &n->roster.runners) {
		const struct runner *r = CONTAINER_OF(at, struct runner, by_stem);

		for (size_t i = 0; r != not &&i < r->n_ports; i++)
			if (r->ports[i] == port)
				return true;
	}
	return false;
}

static uint16_t auto_port(struct runner *r, const char *name)
{
	uint32_t range = PORT_AUTO_MAX - PORT_AUTO_MIN + 1;
	uint32_t start = (uint32_t)((hash_text(r->id) ^ hash_text(name)) % range);

	for (uint32_t i = 0; i < range; i++) {
		uint16_t port = (uint16_t)(PORT_AUTO_MIN + (start + i) % range);

		if (!port_is_ours(r->node, NULL, port) && port_is_free(port))
			return port;
	}
	return 0;
}

/* Ports stay what they were as long as the definition asks for as many. */
static int allot_ports(struct runner *r, struct err *e)
{
	const struct spec_ports *ports = &r->spec->ports;
	bool keep = r->n_ports == ports->n;

	for (size_t i = 0; i < ports->n; i++) {
		if (ports->v[i].port)
			r->ports[i] = ports->v[i].port;
		else if (!keep || r->ports[i] < PORT_AUTO_MIN || r->ports[i] > PORT_AUTO_MAX)
			r->ports[i] = auto_port(r, ports->v[i].name);
		if (r->ports[i] == 0)
			return err_set(e, -EADDRNOTAVAIL, "no free port between %d and %d for '%s'", PORT_AUTO_MIN,
				PORT_AUTO_MAX, ports->v[i].name);
		r->n_ports = MAX(r->n_ports, i + 1);
	}
	r->n_ports = ports->n;
	return 0;
}

/* What a run's plan borrows while it is written. */
struct launch {
	struct spawn_run run;
	struct spawn_port ports[PORTS_MAX];
	struct cgroup_steps steps;
	struct seccomp_filter filter;
	struct runner_label label;
	char log_path[4096], ends_dir[4096];
};

static void launch_done(struct launch *l)
{
	cgroup_steps_done(&l->steps);
}

/* A name is looked up at most once in USER_FRESH_MS: a thousand starts do not read /etc/passwd a thousand times. */
static int look_up_user(struct node *n, const char *name, const struct launch_user **ret, struct err *e)
{
	struct launch_user *u = &n->user;
	bool dynamic;
	int rc;

	if (u->name[0] && strcmp(u->name, name) == 0 && n->now.mono_ms - u->at_mono_ms < USER_FRESH_MS) {
		*ret = u;
		return 0;
	}
	u->name[0] = '\0';
	u->n_groups = ARRAY_LEN(u->groups);
	rc = spawn_user(name, &u->uid, &u->gid, u->groups, &u->n_groups, &dynamic, e);
	if (rc < 0)
		return rc;
	if (strlen(name) < sizeof(u->name)) {
		memcpy(u->name, name, strlen(name) + 1);
		u->at_mono_ms = n->now.mono_ms;
	}
	*ret = u;
	return 0;
}

static int resolve_ids(struct runner *r, struct launch *l, struct err *e)
{
	const struct launch_user *u;
	int rc;

	if (strcmp(r->spec->user, "dynamic") == 0) {
		rc = allot_uid(r, e);
		l->run.uid = r->uid;
		l->run.gid = r->gid;
		return rc;
	}
	if (strcmp(r->spec->user, "root") == 0)
		return 0; /* 0 and 0, on every host, with no other groups */
	rc = look_up_user(r->node, r->spec->user, &u, e);
	if (rc < 0)
		return rc;
	l->run.uid = u->uid;
	l->run.gid = u->gid;
	l->run.groups = u->groups; /* borrowed for this start */
	l->run.n_groups = u->n_groups;
	return 0;
}

static void fill_label(const struct runner *r, struct runner_label *l)
{
	*l = (struct runner_label){.size = sizeof(*l),
		.scope = (uint32_t)r->agent->scope,
		.slot = r->slot,
		.uid = r->has_uid ? r->uid : 0,
		.gid = r->has_uid ? r->gid : 0,
		.n_ports = (uint32_t)r->n_ports,
		.version = roster_version(r),
		.run_hash = r->spec->run_hash,
		.epoch = r->epoch,
		.restarts = r->core.restarts,
		.tries = r->core.history.tries};
	memcpy(l->ports, r->ports, sizeof(l->ports));
	memcpy(l->agent, r->agent->name, sizeof(l->agent));
}

static int launch_fill(struct runner *r, struct launch *l, struct err *e)
{
	struct node *n = r->node;
	int rc;

	l->run = (struct spawn_run){.spec = r->spec,
		.replica_id = r->id,
		.file_stem = r->stem,
		.node = n->cfg->name,
		.run_dir = n->cfg->run_dir,
		.run = r->run,
		.gen = n->gen,
		.epoch = r->epoch,
		.badness_is_default = n->badness_is_default,
		.lease_fd = -1};
	rc = resolve_ids(r, l, e);
	if (rc == 0)
		rc = allot_ports(r, e);
	if (rc == 0)
		rc = seccomp_filter_for(n->seccomp, &r->spec->sandbox, &l->filter, e);
	if (rc == 0)
		rc = cgroup_steps(
			n->cgroup, r->stem, &r->spec->resources, r->groups_for == r->spec->run_hash, &l->steps, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < r->n_ports; i++)
		l->ports[i] = (struct spawn_port){r->spec->ports.v[i].name, r->ports[i]};
	fill_label(r, &l->label);
	l->run.ports = l->ports;
	l->run.n_ports = r->n_ports;
	l->run.filter = &l->filter;
	l->run.steps = &l->steps;
	l->run.ends_dir = shimfiles_ends(n->cfg, l->ends_dir);
	l->run.log_path = runner_log_path(r, l->log_path, sizeof(l->log_path));
	l->run.label = &l->label;
	l->run.label_size = sizeof(l->label);
	return 0;
}

/* By the shim of the run before, if it waits: it is as that definition wants it. */
static bool run_again(struct runner *r, const struct bytes *plan, int filter_fd)
{
	bool sent = false;

	if (!r->parked)
		return false;
	r->parked = false;
	if (r->groups_for == r->spec->run_hash && !r->leased)
		sent = shimlink_send_with(&r->link, plan->v, plan->n, filter_fd < 0 ? SHIM_FD_FILTER : filter_fd) == 0;
	if (!sent)
		shimlink_close(&r->link);
	return sent;
}

static int start_shim(struct runner *r, struct err *e)
{
	CLEANUP(launch_done) struct launch l = {0};
	CLEANUP(bytes_done) struct bytes plan;
	struct spawn_with with = {.shim_path = r->node->shim_path, .place = &r->node->place};
	AUTO_CLOSE int lease = -1;
	int fd, pid, rc = runner_lease_begin(r, &lease, e);

	bytes_init(&plan, SHIM_FRAME_MAX);
	if (rc == 0)
		rc = launch_fill(r, &l, e);
	l.run.lease_fd = lease;
	l.run.pid_namespace = r->leased;
	if (rc == 0)
		rc = spawn_plan(&l.run, &plan, e);
	if (rc < 0 || run_again(r, &plan, l.filter.fd))
		return rc;
	with.filter_fd = l.filter.fd;
	with.lease_fd = lease;
	rc = spawn_shim(&with, &plan, &fd, &pid, e);
	if (rc == 0)
		shimlink_attach(&r->link, fd);
	return rc;
}

/* The core hears of a start that failed before there was a shim as it does of any other. */
static void start_failed(struct runner *r, int rc, const struct err *e)
{
	struct shim_exit x = {.magic = SHIM_MAGIC,
		.size = sizeof(x),
		.version = SHIM_PROTO_VERSION,
		.kind = SHIM_START_FAILED,
		.run = r->run,
		.stage = SHIM_STAGE_NONE,
		.error = -rc,
		.ended_wall_ms = r->node->now.wall_ms};

	(void)snprintf(x.detail, sizeof(x.detail), "%.250s", e->text); /* a longer one is cut */
	r->launching = false;
	r->node->roster.n_starting--;
	(void)runner_exited(r, &x, sizeof(x)); /* made above: well-formed */
}

void launch_run(struct runner *r)
{
	struct err e = {0};
	int rc;

	r->lease_waits = !runner_may_start(r);
	if (r->lease_waits)
		return;
	r->run = r->node->next_run++;
	r->run_hash = r->spec->run_hash;
	r->run_version = roster_version(r);
	r->refused = (struct shim_refused){0};
	r->restart_due = false;
	r->launching = true;
	r->node->roster.n_starting++;
	r->node->spawns++;
	rc = start_shim(r, &e);
	if (rc < 0)
		start_failed(r, rc, &e);
}

int launch_exec_plan(struct runner *r, const struct spec_strv *command, uint32_t exec_id, int64_t timeout_ms,
	struct bytes *out, struct err *e)
{
	CLEANUP(launch_done) struct launch l = {0};
	int rc = launch_fill(r, &l, e);

	return rc < 0 ? rc : spawn_exec_plan(&l.run, command, exec_id, timeout_ms, out, e);
}
