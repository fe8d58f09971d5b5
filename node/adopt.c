/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a start of the daemon: who is there. Passes over run_dir/shims, data_dir/ends and the cgroups; see adopt.h for
 * why this
 * order. A shim's label says which replica it runs; its file's name says so too, and is what is gone by.
 */
#include "node/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/mem.h"
#include "node/node.h"
#include "node/shimfiles.h"

int adopt_claim(struct node *n, struct err *e)
{
	char path[4096], gen[24];
	int rc;

	(void)snprintf(path, sizeof(path), "%s/shims", n->cfg->run_dir); /* bounded at config */
	rc = io_mkdirs(path, 0755, e);
	if (rc < 0)
		return err_wrap(e, "run_dir");
	if (chmod(path, 0711) < 0)
		return err_errno(e, "run_dir: chmod '%s'", path);
	(void)snprintf(path, sizeof(path), "%s/daemon.gen", n->cfg->run_dir); /* as above */
	(void)snprintf(gen, sizeof(gen), "%016" PRIx64, n->gen);	      /* 16 digits */
	return io_replace_file(AT_FDCWD, path, gen, strlen(gen), 0600, false, e);
}

/* "web.3" or "n1+web.3" → name and slot; the part behind the last dot is the node's name for every-node (slot_of). */
static bool split_stem(const char *stem, enum spec_scope *scope, char name[NAME_MAX_LEN + 1], int *slot)
{
	const char *plus = strrchr(stem, '+'), *from = plus ? plus + 1 : stem, *dot = strchr(from, '.');
	size_t len = dot ? (size_t)(dot - from) : 0;

	if (len == 0 || len > NAME_MAX_LEN)
		return false;
	memcpy(name, from, len);
	name[len] = '\0';
	*scope = plus ? SPEC_SCOPE_NODE : SPEC_SCOPE_CLUSTER;
	*slot = dot[1] >= '0' && dot[1] <= '9' ? atoi(dot + 1) : 0;
	return *slot >= 0 && *slot < REPLICAS_MAX;
}

/* An agent that nobody defines any more, only to have its replicas ended. */
static struct agent *placeholder(struct node *n, const char *name, enum spec_scope scope)
{
	static const char rest[] = "command: [/bin/false]\n";
	char text[sizeof(rest) + NAME_MAX_LEN + 16];
	struct spec_faults *faults = mem_zalloc(1, sizeof(*faults));
	struct agent_spec *spec = NULL;
	struct agent *a = NULL;

	(void)snprintf(text, sizeof(text), "name: %s\n%s", name, rest); /* a name is at most NAME_MAX_LEN */
	if (faults && spec_parse(text, strlen(text), SPEC_SCOPE_CLUSTER, &spec, faults) == 0 &&
		roster_add(n, name, scope, &a, NULL) == 0) {
		roster_set_spec(a, spec);
		a->removed = true;
		node_event(n, SEVERITY_WARNING, "orphan", name, NULL,
			"runs here but is defined nowhere any more; stopping it");
	}
	spec_unref(spec);
	free(faults);
	return a;
}

static int slot_of(const struct agent *a, const char *stem, int slot)
{
	const char *dot = strrchr(stem, '.');

	return a->spec->kind == SPEC_EVERY_NODE && strcmp(dot + 1, a->node->cfg->name) == 0 ? 0 : slot;
}

/* The runner of a slot, under the name that was found: an agent of another kind, or on a node that had another name,
 * was named otherwise, and its files still are. */
static struct runner *runner_in_slot(struct agent *a, const char *stem, int slot)
{
	struct runner *r = roster_slot(a, slot_of(a, stem, slot), stem);

	if (!r || strcmp(r->stem, stem) == 0)
		return r;
	log_line(LOG_LEVEL_WARN, a->name, r->id, "'%s' is there beside it, and is left alone", stem);
	return NULL;
}

static struct runner *runner_of_stem(struct node *n, const char *stem)
{
	struct map_node *at = map_get(&n->roster.runners, stem);
	char name[NAME_MAX_LEN + 1];
	enum spec_scope scope;
	struct agent *a;
	int slot;

	if (at)
		return CONTAINER_OF(at, struct runner, by_stem);
	if (!split_stem(stem, &scope, name, &slot))
		return NULL;
	a = roster_find(n, name);
	if (!a && n->unread[scope])
		return NULL; /* it may well be defined, only not readable for us now: left alone */
	if (!a)
		a = placeholder(n, name, scope);
	return a ? runner_in_slot(a, stem, slot) : NULL;
}

struct runner *adopt_runner(struct node *n, const char *id)
{
	char stem[RUNNER_STEM_MAX], name[NAME_MAX_LEN + 1];
	enum spec_scope scope;
	struct agent *a;
	int slot;

	(void)snprintf(stem, sizeof(stem), "%s", id); /* ids and stems are bounded alike */
	for (char *p = stem; *p; p++)
		if (*p == '/')
			*p = '+';
	if (!split_stem(stem, &scope, name, &slot))
		return NULL;
	a = roster_find(n, name);
	if (!a && !n->unread[scope])
		(void)store_del_replica(
			n->store, id, node_stored, n); /* of an agent that is gone; full: at the next start */
	return a ? runner_in_slot(a, stem, slot) : NULL;
}

/* ---- sockets ---- */

static void adopt_socket(struct node *n, const char *path, const char *stem)
{
	struct runner *r = runner_of_stem(n, stem);
	struct err e = {0};
	int rc;

	if (!r || r->link.fd >= 0)
		return;
	rc = shimlink_connect(&r->link, path, &e);
	if (rc == -ECONNREFUSED)
		shimfiles_remove_sockets(n->cfg, stem); /* nobody behind it: a shim that was killed */
	else if (rc < 0)
		log_line(LOG_LEVEL_WARN, r->agent->name, r->id, "%s; its shim is left alone", e.text);
	if (rc < 0)
		return;
	r->awaiting = true;
	n->awaiting++;
	if (shimlink_send(&r->link, SHIM_QUERY, NULL, 0) < 0)
		runner_lost(r);
}

/* ---- records ---- */

/* A run that ended while nobody listened. last: no later one of its replica has. */
static void adopt_record(struct node *n, const char *path, const char *stem, uint64_t run, bool last)
{
	struct runner *r = runner_of_stem(n, stem);
	CLEANUP(bytes_done) struct bytes b;
	struct shim_exit x;

	bytes_init(&b, sizeof(x) + SHIM_LABEL_MAX + 1024);
	if (!r || io_read_file(AT_FDCWD, path, &b, NULL) < 0)
		return;
	if (runner_read_exit(r, b.v, b.n, &x) < 0 || x.run != run || run <= r->stored_run) {
		(void)unlink(path); /* none of ours, or counted before */
		return;
	}
	n->ends_found++;
	if (run <= r->last_run)
		return; /* counted, but not yet for good: it goes once it is */
	if (run == r->run)
		return; /* read when its link closes */
	if (r->awaiting) {
		r->records_left = true; /* of this very run, or of one before it: known when it has answered */
		return;
	}
	if (r->run || !last) {		 /* a newer run of it was there already */
		runner_note_exit(r, &x); /* the record goes once the store has it */
		return;
	}
	(void)runner_exited(r, b.v, b.n); /* well-formed, as seen above */
}

/* ---- groups ---- */

static bool is_looked_after(const struct runner *r)
{
	return r->awaiting || r->run || r->link.fd >= 0;
}

static void adopt_group(void *arg, const char *group)
{
	struct node *n = arg;
	struct map_node *at = map_get(&n->roster.runners, group);
	struct runner *r;
	int pids[1];

	if (at && is_looked_after(CONTAINER_OF(at, struct runner, by_stem)))
		return;
	if (cgroup_pids(n->cgroup, group, pids, 1) <= 0) {
		if (!at)
			(void)cgroup_remove(n->cgroup, group, NULL); /* of a replica that is gone; busy: swept later */
		return;
	}
	r = runner_of_stem(n, group);
	if (!r || is_looked_after(r))
		return;
	r->run = MAX(r->last_run + 1, (uint64_t)1); /* a run we know nothing of, but that it is there */
	r->run_hash = r->agent->spec->run_hash;	    /* and ends now: no change of its definition has to do it */
	runner_feed(r, &(struct replica_in){.type = REPLICA_IN_ADOPTED,
			       .hello = &(struct shim_hello){.size = sizeof(struct shim_hello), .state = SHIM_RUNNING},
			       .unprobed = true}); /* which of them the agent was is not known, if any; they end now */
	runner_lost(r);
}

static void sweep_group(void *arg, const char *group)
{
	struct node *n = arg;

	if (!map_get(&n->roster.runners, group) && cgroup_remove(n->cgroup, group, NULL) < 0)
		n->sweep_groups = true;
}

void adopt_sweep_groups(struct node *n)
{
	if (!n->sweep_groups)
		return;
	n->sweep_groups = false;
	if (cgroup_each(n->cgroup, sweep_group, n) < 0)
		n->sweep_groups = true;
}

/* ---- the passes ---- */

static bool take_suffix(const char *name, const char *suffix, char stem[RUNNER_STEM_MAX])
{
	size_t n = strlen(name), m = strlen(suffix);

	if (n <= m || n - m >= RUNNER_STEM_MAX || strcmp(name + n - m, suffix) != 0)
		return false;
	memcpy(stem, name, n - m);
	stem[n - m] = '\0';
	return true;
}

static void each_socket(void *arg, const char *path, const char *name, const char *next)
{
	char stem[RUNNER_STEM_MAX];

	(void)next;
	if (take_suffix(name, ".sock", stem))
		adopt_socket(arg, path, stem);
}

/* "web.0.12.exit" → "web.0" and 12; 0: no name of a record. */
static uint64_t split_record(const char *name, char stem[RUNNER_STEM_MAX])
{
	char *dot, *end;
	uint64_t run;

	if (!take_suffix(name, ".exit", stem))
		return 0;
	dot = strrchr(stem, '.');
	if (!dot)
		return 0;
	run = strtoull(dot + 1, &end, 10);
	*dot = '\0';
	return *end ? 0 : run;
}

/* Records of a replica come oldest first, as they must: what is not newer than the last that was counted is taken for
 * counted. */
static void each_record(void *arg, const char *path, const char *name, const char *next)
{
	char stem[RUNNER_STEM_MAX], other[RUNNER_STEM_MAX];
	uint64_t run = split_record(name, stem);

	if (run)
		adopt_record(arg, path, stem, run, !next || !split_record(next, other) || strcmp(stem, other) != 0);
}

int adopt_scan(struct node *n, struct err *e)
{
	int rc = shimfiles_each(n->cfg, each_socket, n, e);

	if (rc == 0)
		rc = shimfiles_each_record(n->cfg, each_record, n, e);
	if (rc == 0)
		rc = cgroup_each(n->cgroup, adopt_group, n);
	return rc < 0 ? err_wrap(e, "look for running replicas") : 0;
}

void adopt_answered(struct runner *r)
{
	struct err e;

	if (!r->records_left)
		return;
	r->records_left = false;
	if (shimfiles_each_record(r->node->cfg, each_record, r->node, &e) < 0)
		log_err("%s; ends that were recorded are read at the next start", e.text);
}

void adopt_unanswered(struct runner *r)
{
	r->records_left = true; /* it may have been written since */
	adopt_answered(r);
	adopt_group(r->node, r->stem);
}

void adopt_watch_run_dir(struct node *n)
{
	char path[4096];
	struct err e;
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/daemon.gen", n->cfg->run_dir); /* bounded at config */
	if (stat(path, &st) == 0)
		return;
	log_warn("%s was wiped, making it again", n->cfg->run_dir);
	if (adopt_claim(n, &e) < 0 || control_rebind(n->control, &e) < 0) {
		log_err("%s; trying again", e.text);
		return;
	}
	MAP_FOREACH (at, &n->roster.runners) {
		struct runner *r = CONTAINER_OF(at, struct runner, by_stem);

		(void)shimlink_send(&r->link, SHIM_REBIND, NULL, 0); /* one that is gone tells by its end */
	}
}
