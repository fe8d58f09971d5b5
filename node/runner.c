/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One replica on this node. Its core decides (supervisor/replica.h); here its outputs become messages to the
 * shim, probes,
 * rows of the store and events, and what comes back becomes its inputs. No decision is taken here, but for what the
 * core cannot see: whether anything is left of a run whose shim is gone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/adopt.h"
#include "node/counted.h"
#include "node/node.h"
#include "node/runner_parts.h"
#include "node/shimfiles.h"

#define EMPTY_PAUSE_FIRST 0.002
#define EMPTY_PAUSE_MAX	  1.0

void runner_name(const struct agent *a, const char *node, int slot, char id[REPLICA_ID_MAX], char stem[RUNNER_STEM_MAX])
{
	const char *in = a->scope == SPEC_SCOPE_NODE ? node : "", *slash = *in ? "/" : "", *plus = *in ? "+" : "";
	char which[NAME_MAX_LEN + 1];

	(void)snprintf(which, sizeof(which), "%d", slot); /* always fits */
	if (a->spec && a->spec->kind == SPEC_EVERY_NODE)
		(void)snprintf(which, sizeof(which), "%s", node); /* names are bounded alike */
	(void)snprintf(id, REPLICA_ID_MAX, "%s%s%s.%s", in, slash, a->name, which);
	(void)snprintf(stem, RUNNER_STEM_MAX, "%s%s%s.%s", in, plus, a->name, which); /* three names and a number fit */
}

char *runner_log_path(const struct runner *r, char *out, size_t n)
{
	(void)snprintf(out, n, "%s/logs/%s.log", r->node->cfg->data_dir, r->stem); /* data_dir is bounded at config */
	return out;
}

bool runner_is_stale(const struct runner *r)
{
	const struct decided *d = r->agent->decided;

	return d && r->run_version < d->fresh && runner_is_alive(r) && r->run;
}

/* A run that is to start anew is kept as long as its slot has not come to it. */
bool runner_is_current(const struct runner *r)
{
	const struct decided_slot *s = r->agent->decided ? decided_slot(r->agent, r->slot) : NULL;

	if (s && runner_is_stale(r) && s->version >= r->agent->decided->fresh)
		return false;
	return (runner_is_alive(r) && r->run ? r->run_hash : r->spec->run_hash) == roster_spec(r)->run_hash;
}

int64_t runner_version(const struct runner *r)
{
	uint64_t hash = runner_is_alive(r) && r->run ? r->run_hash : r->spec->run_hash;
	const struct agent *a = r->agent;
	const struct decided_slot *s = a->decided ? decided_slot(a, r->slot) : NULL;
	const struct agent_spec *asked = s ? decided_spec(a, s) : NULL;

	if (runner_is_stale(r))
		return r->run_version;
	if (asked && hash == asked->run_hash)
		return s->version;
	if (hash == a->spec->run_hash)
		return a->version;
	return a->decided && a->before && hash == a->before->run_hash ? a->decided->before_version : r->run_version;
}

bool runner_is_asked(const struct runner *r)
{
	return r->asked_run > MAX(r->last_run, r->run);
}

void runner_go_on(struct runner *r)
{
	const struct agent *a = r->agent;

	if (!runner_is_asked(r) || a->stopped || a->removed || r->held || !r->core.wanted)
		return;
	if (!runner_is_alive(r)) {
		runner_run(r);
		return;
	}
	r->restart_due = true;
	roster_mark(r->agent);
}

bool runner_is_alive(const struct runner *r)
{
	return r->core.state == REPLICA_STARTING || r->core.state == REPLICA_RUNNING ||
	       r->core.state == REPLICA_STOPPING;
}

/* ---- the store ---- */

static int save(struct runner *r, bool lazy, store_done *done, void *arg)
{
	struct runner_record rec = {.size = sizeof(rec),
		.uid = r->has_uid ? r->uid : 0,
		.last_run = r->last_run,
		.held = r->held_row,
		.asked_run = r->asked_row,
		.n_ports = (uint32_t)r->n_ports};
	const struct store_replica row = {.id = r->id, .saved = &rec, .saved_len = sizeof(rec), .lazy = lazy};

	memcpy(rec.ports, r->ports, sizeof(rec.ports));
	memcpy(rec.learned, r->learned, sizeof(rec.learned));
	replica_save(&r->core, &rec.saved);
	return store_put_replica(r->node->store, &row, done, arg);
}

int runner_store(struct runner *r, store_done *done, void *arg)
{
	return save(r, false, done, arg);
}

static void save_counted(struct runner *r, uint64_t run, bool stayed)
{
	struct counted *c = counted_new(r, run, stayed);

	if (c && save(r, true, counted_stored, c) < 0) /* until it is done the record says it */
		free(c);
}

void runner_save(struct runner *r)
{
	if (!r->counting)
		(void)save(r, false, node_stored, r->node); /* full: the next save brings it */
}

void runner_saw(struct runner *r, uint64_t run)
{
	r->node->next_run = MAX(r->node->next_run, run + 1);
}

void runner_restore(struct runner *r, const void *saved, size_t n)
{
	struct runner_record rec = {0};

	memcpy(&rec, saved, MIN(n, sizeof(rec)));
	r->last_run = r->stored_run = rec.last_run;
	runner_saw(r, rec.last_run);
	r->held = r->held_row = rec.held;
	r->asked_run = r->asked_row = rec.asked_run;
	memcpy(r->learned, rec.learned, sizeof(r->learned));
	r->n_ports = MIN(rec.n_ports, (uint32_t)PORTS_MAX);
	memcpy(r->ports, rec.ports, sizeof(r->ports));
	rec.saved.last_exit.text[sizeof(rec.saved.last_exit.text) - 1] = '\0';
	replica_restore(&r->core, &rec.saved);
}

/* ---- the end of a run ---- */

static void count_run(struct runner *r, uint64_t run)
{
	r->last_run = MAX(r->last_run, run);
	runner_saw(r, run);
}

static void unpark(struct runner *r)
{
	if (r->parked)
		shimlink_close(&r->link);
	r->parked = false;
}

/* park: the shim waits for the next run, which is still to be decided about. */
static void end_run(struct runner *r, bool park)
{
	for (int w = 0; w < HEALTH_WHICH_MAX; w++) {
		probe_cancel(r->probes[w]);
		r->probes[w] = NULL;
		r->exec_ids[w] = 0;
	}
	if (!park)
		shimlink_close(&r->link);
	r->parked = park;
	runner_lease_ended(r);
	if (r->awaiting) {
		r->awaiting = false;
		r->node->awaiting--;
		roster_mark(r->agent); /* it was left out of plans */
	}
	runner_launched(r);
}

static void close_run(struct runner *r)
{
	end_run(r, false);
}

int runner_read_exit(const struct runner *r, const void *v, size_t size, struct shim_exit *ret)
{
	struct shim_exit x = {0};
	size_t head = offsetof(struct shim_exit, code);

	if (size)
		memcpy(&x, v, MIN(size, sizeof(x)));
	if (size < head || x.magic != SHIM_MAGIC || x.size < head || x.size > size || x.kind == 0 ||
		x.kind >= SHIM_EXIT_KIND_MAX) {
		log_line(
			LOG_LEVEL_WARN, r->agent->name, r->id, "a record of %zu bytes is none of ours, ignoring", size);
		return -EINVAL;
	}
	x.why_text[sizeof(x.why_text) - 1] = x.detail[sizeof(x.detail) - 1] = '\0';
	*ret = x;
	return 0;
}

/* The events that tell of an end and the row that counts it reach the disk together: else a daemon that is killed in
 * between leaves an end to be told twice. What is to start next waits meanwhile. */
static void begin_count(struct runner *r)
{
	r->counting = true;
	store_group_begin(r->node->store);
}

static void end_count(struct runner *r, const struct shim_exit *x)
{
	save_counted(r, x->run, x->stays);
	store_group_end(r->node->store);
	r->counting = false;
}

/* It was found, and has ended before it has answered: ends of its shim's runs before that one, whose records may not
 * have been there when they were looked for, come first. */
static void note_earlier(struct runner *r, uint64_t run)
{
	r->awaiting = false;
	r->run = run;
	r->records_left = true;
	adopt_answered(r);
	r->awaiting = true;
}

int runner_exited(struct runner *r, const void *v, size_t size)
{
	const char *refused_name = NULL;
	struct shim_exit x;
	char name[64];

	if (runner_read_exit(r, v, size, &x) < 0)
		return -EINVAL;
	if (x.run <= r->last_run)
		return 0; /* counted before */
	if (r->awaiting)
		note_earlier(r, x.run);
	count_run(r, x.run);
	if (x.kind == SHIM_START_FAILED)
		r->groups_for = 0;
	r->log_dropped_lines = x.log_dropped_lines;
	if (x.refused.total)
		runner_refused(r, &x.refused, sizeof(x.refused));
	if (x.run == r->run || r->awaiting) { /* one that was found may end before it has answered */
		end_run(r, x.stays && r->link.fd >= 0);
		r->run = 0;
		runner_lease_news(r);
	}
	if (x.refused.total)
		refused_name = seccomp_call_name(x.refused_nr_last, name, sizeof(name));
	begin_count(r);
	runner_feed(r, &(struct replica_in){.type = REPLICA_IN_EXITED, .exit = &x, .refused_name = refused_name});
	end_count(r, &x);
	if (r->core.state != REPLICA_STARTING)
		unpark(r);
	roster_start_next(r->node);
	return 0;
}

void runner_note_exit(struct runner *r, const struct shim_exit *x)
{
	struct replica_exit words;
	char name[64];

	replica_explain_exit(r->spec, x,
		x->refused.total ? seccomp_call_name(x->refused_nr_last, name, sizeof(name)) : NULL, &words);
	count_run(r, x->run);
	r->core.last_exit = words;
	begin_count(r);
	node_event(
		r->node, SEVERITY_INFO, "exited", r->agent->name, r->id, "%s, while the daemon was away", words.text);
	end_count(r, x);
}

static bool read_record(struct runner *r)
{
	CLEANUP(bytes_done) struct bytes b;

	bytes_init(&b, sizeof(struct shim_exit) + SHIM_LABEL_MAX + 1024);
	return shimfiles_read_record(r->node->cfg, r->stem, r->run, &b) == 0 && runner_exited(r, b.v, b.n) == 0;
}

static void on_emptying(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct runner *r = w->data;
	int left = cgroup_kill(r->node->cgroup, r->stem);
	double pause = MIN(EMPTY_PAUSE_FIRST * (1 << MIN(r->empty_tries, 10)), EMPTY_PAUSE_MAX);

	(void)revents;
	if (left > 0) {
		r->empty_tries++;
		ev_timer_set(w, pause, 0.);
		ev_timer_start(loop, w);
		return;
	}
	r->run = 0;
	r->groups_for = 0; /* killing left them closed to newcomers */
	runner_lease_news(r);
	node_now(r->node);
	runner_feed(r, &(struct replica_in){.type = REPLICA_IN_SHIM_LOST});
	runner_save(r);
}

void runner_lost(struct runner *r)
{
	uint64_t run = r->run;
	bool unanswered = r->awaiting;

	node_now(r->node);
	close_run(r);
	if (run == 0 && unanswered)
		adopt_unanswered(r);
	if (run == 0) {
		runner_lease_news(r);
		return; /* its end was told before */
	}
	if (read_record(r))
		return;
	log_line(LOG_LEVEL_WARN, r->agent->name, r->id, "its shim is gone without a record, ending what is left of it");
	count_run(r, run);
	r->empty_tries = 0;
	on_emptying(r->node->loop, &r->emptying, 0);
}

/* ---- what the core says ---- */

static void tell_stop(struct runner *r, const struct replica_out *out)
{
	struct shim_stop s = {.size = sizeof(s),
		.signal = out->signal,
		.timeout_ms = (uint32_t)MIN(out->timeout_ms, (int64_t)UINT32_MAX),
		.why = out->why};
	int rc;

	unpark(r);
	if (r->link.fd < 0 && !r->awaiting && !ev_is_active(&r->emptying)) {
		list_del(&r->waiting); /* a start that waits for its turn is dropped */
		r->lease_waits = false;
		runner_feed(r, &(struct replica_in){.type = REPLICA_IN_SHIM_LOST});
		return;
	}
	(void)snprintf(s.why_text, sizeof(s.why_text), "%s", out->text); /* a longer one is cut */
	rc = shimlink_send_order(&r->link, SHIM_STOP, &s, sizeof(s));
	if (rc < 0)
		log_line(LOG_LEVEL_WARN, r->agent->name, r->id, "its shim does not take the order to stop (%s), %s",
			strerror(-rc), rc == -EAGAIN ? "it is sent again once the shim reads" : "which is lost");
}

static void act_one(struct runner *r, const struct replica_out *out)
{
	switch (out->type) {
	case REPLICA_OUT_START:
		list_del(&r->waiting);
		list_add_tail(&r->node->roster.starting, &r->waiting);
		if (!r->counting)
			roster_start_next(r->node);
		break;
	case REPLICA_OUT_STOP:
		tell_stop(r, out);
		break;
	case REPLICA_OUT_PROBE:
		runner_start_probe(r, out->which);
		break;
	case REPLICA_OUT_PROBE_CANCEL:
		runner_cancel_probe(r, out->which);
		break;
	case REPLICA_OUT_SAVE:
		runner_save(r);
		break;
	case REPLICA_OUT_EVENT:
		node_event(r->node, out->severity, out->kind, r->agent->name, r->id, "%s", out->text);
		break;
	case REPLICA_OUT_MAX:
		assert(!"no output");
	}
}

static void act(struct runner *r, const struct replica_outs *outs)
{
	for (size_t i = 0; i < outs->n; i++)
		act_one(r, &outs->v[i]);
}

static void arm_deadline(struct runner *r)
{
	int64_t at = replica_deadline_ms(&r->core);

	ev_timer_stop(r->node->loop, &r->deadline);
	if (at == DEADLINE_NEVER)
		return;
	ev_timer_set(&r->deadline, (double)MAX(at - r->node->now.mono_ms, (int64_t)0) / 1e3, 0.);
	ev_timer_start(r->node->loop, &r->deadline);
}

static void note_ready(struct runner *r)
{
	bool ready = r->core.state == REPLICA_RUNNING && replica_is_ready(&r->core);

	if (!ready)
		r->ready_since_ms = 0;
	else if (!r->ready_since_ms)
		r->ready_since_ms = r->node->now.mono_ms;
}

void runner_feed(struct runner *r, const struct replica_in *in)
{
	struct replica_outs outs = {0};

	replica_step(&r->core, in, r->node->now, &outs);
	note_ready(r);
	roster_mark(r->agent);
	act(r, &outs);
	arm_deadline(r);
}

void runner_run(struct runner *r)
{
	runner_feed(r, &(struct replica_in){.type = REPLICA_IN_RUN});
}

void runner_stop(struct runner *r, enum shim_why why, const char *why_text)
{
	runner_feed(r, &(struct replica_in){.type = REPLICA_IN_STOP, .why = why, .why_text = why_text});
}

void runner_restart(struct runner *r, enum shim_why why, const char *why_text)
{
	runner_feed(r, &(struct replica_in){.type = REPLICA_IN_RESTART, .why = why, .why_text = why_text});
}

void runner_take_spec(struct runner *r, struct agent_spec *spec)
{
	struct agent_spec *was = r->spec;

	if (was == spec)
		return;
	r->spec = spec_ref(spec);
	runner_lease_spec(r);
	runner_feed(r, &(struct replica_in){.type = REPLICA_IN_SPEC, .spec = spec});
	spec_unref(was);
}

static void on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct runner *r = w->data;

	(void)loop;
	(void)revents;
	node_now(r->node);
	runner_feed(r, &(struct replica_in){.type = REPLICA_IN_TICK});
}

/* The names are behind the struct: most are a tenth of what they may be. */
static struct runner *runner_alloc(const struct node *n, const struct agent *a, int slot, const char *found)
{
	char id[REPLICA_ID_MAX], stem[RUNNER_STEM_MAX];
	struct runner *r;
	size_t len;

	runner_name(a, n->cfg->name, slot, id, stem);
	if (found) {
		(void)snprintf(stem, sizeof(stem), "%s", found); /* bounded alike */
		for (size_t i = 0; i <= strlen(stem); i++)
			id[i] = stem[i] == '+' ? '/' : stem[i];
	}
	len = strlen(id) + 1; /* as long as the stem */
	r = mem_zalloc(1, sizeof(*r) + 2 * len);
	if (!r)
		return NULL;
	r->id = memcpy((char *)(r + 1), id, len);
	r->stem = memcpy((char *)(r + 1) + len, stem, len);
	return r;
}

int runner_new(struct node *n, struct agent *a, int slot, const char *found, struct runner **ret, struct err *e)
{
	struct runner *r = runner_alloc(n, a, slot, found);
	int rc;

	if (!r)
		return err_set(e, -ENOMEM, "out of memory");
	r->node = n;
	r->agent = a;
	r->slot = slot;
	r->sample.cpu_cores = -1;
	list_init(&r->waiting);
	rc = map_add(&n->roster.runners, &r->by_stem, r->stem);
	if (rc < 0) {
		free(r);
		return err_set(e, rc, "%s: %s", a->name,
			rc == -EEXIST ? "an earlier one of that name is still ending" : strerror(-rc));
	}
	r->spec = spec_ref(a->spec);
	runner_lease_spec(r);
	replica_init(&r->core, r->spec, rng_u64(&n->rng), n->now);
	shimlink_init(&r->link, n->loop, runner_message, runner_closed, r);
	ev_timer_init(&r->deadline, on_deadline, 0., 0.);
	ev_timer_init(&r->emptying, on_emptying, 0., 0.);
	r->deadline.data = r->emptying.data = r;
	*ret = r;
	return 0;
}

void runner_free(struct runner *r)
{
	struct node *n = r->node;

	close_run(r);
	ev_timer_stop(n->loop, &r->deadline);
	ev_timer_stop(n->loop, &r->emptying);
	list_del(&r->waiting);
	map_del(&n->roster.runners, &r->by_stem);
	launch_free_uid(n, r);
	spec_unref(r->spec);
	free(r);
}
