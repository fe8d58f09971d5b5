/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `covey explain`, `covey profile` and `covey version`: sentences about one agent, what its programs call, and
 * what this
 * daemon is made of.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "covey/version.h"
#include "node/council.h"
#include "node/elsewhere.h"
#include "node/node.h"
#include "node/report_priv.h"
#include "node/version.h"

#define EXPLAIN_MAX	  (1024 * 1024)
#define DECISIONS_MAX	  20
#define SENTENCES_MAX	  16
#define EVENTS_LOOKED_MAX 200

/* The cluster's agent of a replica elsewhere: what was decided of it is known here too. */
static struct agent *decided_of(struct node *n, const char *replica)
{
	const char *dot = strrchr(replica, '.');
	char name[NAME_MAX_LEN + 1];
	struct agent *a;

	if (!dot || (size_t)(dot - replica) > NAME_MAX_LEN)
		return NULL;
	(void)snprintf(name, sizeof(name), "%.*s", (int)(dot - replica), replica); /* fits */
	a = roster_find(n, name);
	return a && a->decided ? a : NULL;
}

/* NULL: rq is ended, or another node is asked. */
static struct agent *get_agent(struct node *n, struct control_request *rq, const char *verb, const msgpack_object *args)
{
	char name[REPLICA_ID_MAX] = "";
	struct agent *a;
	struct runner *r;

	if (mp_get_strz(args, "agent", name, sizeof(name), NULL) < 0 || !*name) {
		control_refuse(rq, "usage", "agent: a name is needed");
		return NULL;
	}
	a = roster_find(n, name);
	r = a ? NULL : roster_runner(n, name);
	if (r)
		a = r->agent;
	if (!a && strcmp(verb, "explain") == 0)
		a = decided_of(n, name);
	if (!a && !elsewhere_forward(n, rq, verb, "agent", args))
		control_refuse(rq, "refused", "there is no agent '%s'; 'covey status' lists them", name);
	return a;
}

/* ---- explain ---- */

struct sentences {
	char v[SENTENCES_MAX][320];
	size_t n;
};

static void say(struct sentences *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct sentences *s, const char *fmt, ...)
{
	va_list ap;

	if (s->n == SENTENCES_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(s->v[s->n++], sizeof(s->v[0]), fmt, ap); /* a longer one is cut */
	va_end(ap);
}

/* Keys of the file that are there and mean nothing yet. */
static void say_cluster_keys(const struct agent_spec *spec, struct sentences *s)
{
	const struct {
		const char *key;
		bool there;
	} keys[] = {
		{"kind", spec->kind != SPEC_REPLICATED},
		{"isolation", spec->isolation == SPEC_STOP && spec->kind != SPEC_SINGLETON},
		{"replicas.min and max", spec->replicas_min != spec->replicas_max},
		{"placement.prefer", spec->place_prefer.n > 0},
		{"placement.spread", spec->place_spread != NULL},
	};
	char text[200] = "";
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].there)
			n += (size_t)snprintf(
				text + n, sizeof(text) - n, "%s%s", n ? ", " : "", keys[i].key); /* fits */
	if (n)
		say(s, "This node is a cluster of one: what its file says of %s means something once there are more.",
			text);
}

static void say_agent(const struct agent *a, struct sentences *s)
{
	char reason[256], when[UNITS_TEXT_MAX];
	struct roster_count c;

	roster_count(a, &c);
	say(s,
		"%s is %s: %" PRId64 " of %" PRId64 " replicas run, %" PRId64 " ready, %" PRId64 " of version %" PRId64
		".",
		a->name, report_agent_state(a, &c), c.running, c.desired, c.ready, c.current, a->version);
	if (a->scope == SPEC_SCOPE_NODE)
		say(s, "It is an agent of this node alone, defined by %s.", a->file ? a->file : "a file that is gone");
	else
		say(s, "It was last changed at %s.", units_time(when, a->changed_wall_ms));
	if (a->removed)
		say(s, "It is being removed, and is gone once its replicas have ended.");
	else if (a->stopped)
		say(s, "It was stopped and stays so, over reboots too, until 'covey start %s'.", a->name);
	if (report_pending_reason(a, reason, sizeof(reason)))
		say(s, "It %s.", reason);
	if (a->paused)
		say(s, "Its rollout is paused: replicas of an older version stay until 'covey rollout resume %s'.",
			a->name);
	say_cluster_keys(a->spec, s);
}

char *report_runs_text(int64_t for_ms, int64_t pid, const char *health, bool older, char *out, size_t n)
{
	char age[UNITS_TEXT_MAX];

	(void)snprintf(out, n, "runs for %s as pid %" PRId64 ", %s%s", units_age(age, for_ms), pid, health,
		older ? ", an older version" : ""); /* a longer one is cut; so below */
	return out;
}

char *report_rests_text(const char *state, int64_t for_ms, const char *last_exit, char *out, size_t n)
{
	char age[UNITS_TEXT_MAX];

	(void)snprintf(
		out, n, "%s for %s%s%s", state, units_age(age, for_ms), *last_exit ? "; last run: " : "", last_exit);
	return out;
}

static void why_replica(const struct runner *r, char *out, size_t n)
{
	const struct replica *c = &r->core;
	char age[UNITS_TEXT_MAX];
	int64_t left = c->next_ms == DEADLINE_NEVER ? 0 : c->next_ms - r->node->now.mono_ms;
	int64_t for_ms = r->node->now.mono_ms - c->since_mono_ms;

	(void)units_age(age, for_ms);
	if (r->held)
		(void)snprintf(out, n, "stopped by an operator; 'covey start %s' starts it", r->id);
	else if (c->state == REPLICA_BACKOFF)
		(void)snprintf(out, n, "%s; starts again in %" PRId64 "ms after %" PRId64 " failed runs",
			c->last_exit.text, MAX(left, (int64_t)0), c->history.tries);
	else if (c->state == REPLICA_FAILED)
		(void)snprintf(out, n, "given up: %s; 'covey start %s' tries again", c->last_exit.text, r->id);
	else if (c->state == REPLICA_RUNNING && replica_health(c) == HEALTH_UNHEALTHY)
		(void)snprintf(out, n, "runs for %s as pid %d, unhealthy: %s", age, c->pid,
			*c->liveness.text ? c->liveness.text : c->readiness.text);
	else if (c->state == REPLICA_RUNNING)
		(void)report_runs_text(for_ms, c->pid,
			c->unprobed ? "not probed as its definition is not known any more"
				    : health_level_name(replica_health(c)),
			!runner_is_current(r), out, n);
	else if (c->state == REPLICA_STARTING && r->lease_waits && !r->leased && council_recall_why(r->agent))
		(void)snprintf(out, n, "%s", council_recall_why(r->agent));
	else
		(void)report_rests_text(
			replica_state_name((enum replica_state)c->state), for_ms, c->last_exit.text, out, n);
}

/* Limits that hold it back without ending it. */
static void add_limits(const struct runner *r, char *out, size_t n)
{
	const struct spec_resources *limits = &r->spec->resources;
	struct cgroup_usage u;
	size_t at = strlen(out);

	if (r->core.state != REPLICA_RUNNING || cgroup_usage(r->node->cgroup, r->stem, &u, NULL) < 0)
		return;
	if (limits->pids_max > 0 && u.pids_refused > 0)
		(void)snprintf(out + at, n - at, "; its limit of %" PRId64 " processes has refused it %" PRId64 " more",
			limits->pids_max, u.pids_refused); /* a longer one is cut */
}

void report_pack_replicas(struct mp_writer *w, const struct agent *a, size_t more)
{
	size_t n = more;

	for (size_t i = 0; i < a->n_slots; i++)
		n += a->slots[i] != NULL;
	mp_array(w, n);
	for (size_t i = 0; i < a->n_slots; i++) {
		const struct runner *r = a->slots[i];
		char why[512];

		if (!r)
			continue;
		why_replica(r, why, sizeof(why));
		add_limits(r, why, sizeof(why));
		mp_map(w, 4);
		mp_key_str(w, "id", r->id);
		mp_key_str(w, "node", r->node->cfg->name);
		mp_key_str(w, "state", replica_state_name((enum replica_state)r->core.state));
		mp_key_str(w, "why", why);
	}
}

/* The agent's last events as decisions: what, and the sentence that says why. Those of long ago are on disk alone. */
struct explain {
	struct node *node;
	struct control_request *rq;
	char agent[NAME_MAX_LEN + 1];
	int64_t from;	   /* seq: newer ones are in memory */
	struct bytes list; /* of packed decisions; the storage thread's while it reads */
	size_t n;
};

static void explain_free(struct explain *x)
{
	bytes_done(&x->list);
	free(x);
}

static int count_event(void *arg, const struct store_event *ev)
{
	int64_t *n = arg;

	(void)ev;
	(*n)++;
	return 0;
}

/* On the loop or on the storage thread. */
static int pack_event(void *arg, const struct store_event *ev)
{
	struct explain *x = arg;
	struct mp_writer w;

	mp_writer_init(&w, &x->list);
	mp_map(&w, 5);
	mp_key_time(&w, "time", ev->wall_ms);
	mp_key_str(&w, "what", ev->kind);
	mp_key_str(&w, "replica", ev->replica);
	mp_key_str(&w, "why", ev->text);
	mp_key_str(&w, "by", x->node->cfg->name);
	x->n++;
	return x->list.failed ? -ENOMEM : 0;
}

/* The document, with what memory has behind what was read. Ends x. */
static void answer(struct explain *x, const struct agent *a)
{
	const struct events_query q = {.after = x->from, .agent = a->name, .max = DECISIONS_MAX, .newest = true};
	CLEANUP(bytes_done) struct bytes out = {.max = EXPLAIN_MAX};
	struct sentences s = {.n = 0};
	struct mp_writer w;
	int64_t last;

	say_agent(a, &s);
	mp_writer_init(&w, &out);
	mp_map(&w, 5);
	mp_key_int(&w, "format", 1);
	mp_key_str(&w, "agent", a->name);
	mp_str(&w, "text");
	mp_array(&w, s.n);
	for (size_t i = 0; i < s.n; i++)
		mp_str(&w, s.v[i]);
	mp_str(&w, "replicas");
	report_pack_replicas(&w, a, 0);
	(void)events_query(x->node->events, &q, pack_event, x, &last, NULL); /* x->list.failed tells */
	mp_str(&w, "decisions");
	mp_array(&w, x->n);
	if (x->list.n)
		(void)bytes_add(&out, x->list.v, x->list.n); /* the elements; out.failed tells */
	out.failed |= x->list.failed;
	control_reply(x->rq, &out);
	explain_free(x);
}

static void on_read(void *arg, int rc, const char *error)
{
	struct explain *x = arg;
	const struct agent *a = roster_find(x->node, x->agent);

	(void)node_now(x->node);
	if (rc == 0 && a) {
		answer(x, a);
		return;
	}
	control_refuse(x->rq, "refused", "%s", rc < 0 ? error : "it was removed just now");
	explain_free(x);
}

void report_explain(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	const struct agent *a = get_agent(n, rq, "explain", args);
	struct events_query q = {.max = DECISIONS_MAX, .newest = true};
	int64_t oldest = events_oldest(n->events), have = 0, last;
	struct explain *x;

	if (!a || report_explain_decided(n, rq, a))
		return;
	x = mem_zalloc(1, sizeof(*x));
	if (!x) {
		control_refuse(rq, "refused", "out of memory");
		return;
	}
	*x = (struct explain){.node = n, .rq = rq, .list = {.max = EXPLAIN_MAX / 2}};
	(void)snprintf(x->agent, sizeof(x->agent), "%s", a->name); /* fits */
	q.agent = x->agent;
	(void)events_query(
		n->events, &q, count_event, &have, &last, NULL); /* fails with its callback, which does not */
	if (have < DECISIONS_MAX && oldest) {
		x->from = oldest - 1;
		q.max -= have;
		if (events_read(n->events, &q, oldest, pack_event, on_read, x) == 0)
			return;
	}
	answer(x, a); /* too much waits for the disk: what memory has */
}

/* ---- profile ---- */

static size_t learned_of(const struct agent *a, uint8_t learned[64])
{
	size_t n = 0;

	memset(learned, 0, 64);
	for (size_t i = 0; i < a->n_slots; i++)
		for (size_t k = 0; a->slots[i] && k < 64; k++)
			learned[k] |= a->slots[i]->learned[k];
	for (size_t k = 0; k < 64; k++)
		n += (size_t)__builtin_popcount(learned[k]);
	return n;
}

void report_profile(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	const struct agent *a = get_agent(n, rq, "profile", args);
	CLEANUP(bytes_done) struct bytes out = {.max = EXPLAIN_MAX};
	AUTO_FREE char *text = NULL;
	uint8_t learned[64];
	struct mp_writer w;
	struct err e;
	size_t calls;

	if (!a)
		return;
	calls = learned_of(a, learned);
	if (calls == 0) {
		control_refuse(rq, "refused",
			"nothing was learned of %s yet: set 'sandbox: {seccomp: learn}' and let it do its work",
			a->name);
		return;
	}
	text = seccomp_profile_text(n->seccomp, learned, &e);
	if (!text) {
		control_refuse(rq, "refused", "%s", e.text);
		return;
	}
	mp_writer_init(&w, &out);
	mp_map(&w, 6);
	mp_key_int(&w, "format", 1);
	mp_key_str(&w, "agent", a->name);
	mp_key_str(&w, "mode", spec_seccomp_name(a->spec->sandbox.seccomp));
	mp_key_bool(&w, "complete", a->spec->sandbox.seccomp != SPEC_SECCOMP_LEARN);
	mp_key_str(&w, "text", text);
	mp_str(&w, "calls");
	mp_array(&w, calls);
	for (int nr = 0; nr < 512; nr++) {
		char name[64];

		if (learned[nr / 8] & (1u << (nr % 8)))
			mp_str(&w, seccomp_call_name(nr, name, sizeof(name)));
	}
	control_reply(rq, &out);
}

/* ---- version ---- */

void report_version(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	CLEANUP(bytes_done) struct bytes out = {.max = 8192};
	struct version_library libraries[VERSION_LIBRARIES];
	struct mp_writer w;

	(void)args;
	version_libraries(libraries);
	mp_writer_init(&w, &out);
	mp_map(&w, 6);
	mp_key_str(&w, "version", COVEY_VERSION);
	mp_key_int(&w, "protocol", COVEY_CONTROL_PROTOCOL);
	mp_key_str(&w, "node", n->cfg->name);
	mp_key_int(&w, "cgroup", cgroup_version(n->cgroup));
	mp_str(&w, "libraries");
	mp_map(&w, ARRAY_LEN(libraries));
	for (size_t i = 0; i < ARRAY_LEN(libraries); i++)
		mp_key_str(&w, libraries[i].name, libraries[i].text);
	mp_str(&w, "build");
	mp_map(&w, 2);
	mp_key_str(&w, "compiler", __VERSION__);
#ifdef COVEY_SANITIZED
	mp_key_bool(&w, "sanitized", true);
#else
	mp_key_bool(&w, "sanitized", false);
#endif
	control_reply(rq, &out);
}
