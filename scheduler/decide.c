/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands are obeyed or refused; then all is put in order; and if anything came of it, that is one decision, with what
 * was known.
 */
#include "scheduler/decide.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "scheduler/decide_impl.h"

#define ERA_VERSIONS 1000 /* as many as those who were given up may have made */

static void remember(struct decide_seen_at *s, uint64_t decision, struct now now)
{
	if (s->decision != decision)
		*s = (struct decide_seen_at){.decision = decision, .mono_ms = now.mono_ms};
}

void decide_remember(struct decide_memory *m, const struct sched_value *v, struct now now)
{
	remember(&m->progress, v->rollout.progress, now);
	for (size_t i = 0; i < SCHED_COOLDOWN_MAX; i++)
		remember(&m->cooldowns[i], v->cooldowns[i].decision, now);
}

static bool is_there(const struct sched_value *v)
{
	return v->now.version && !v->removed;
}

static int64_t desired_of(const struct decider *d, const struct sched_spec *spec, int64_t asked)
{
	if (spec->kind == SCHED_EVERY_NODE)
		return d->v->desired; /* it has none; should it go back to what has, that is it */
	return asked < 0 ? d->v->desired : asked;
}

static int check_desired(const struct decider *d, int64_t n, struct err *e)
{
	if (n > (int64_t)d->v->cap_slots)
		return err_set(e, -ERANGE, "%s: %" PRId64 " replicas are too many: at most %zu", d->in->agent, n,
			d->v->cap_slots);
	return 0;
}

/* The name is used for the first time, or again: it goes on from the numbers that it had. */
static void begin(struct decider *d, const struct sched_spec *spec)
{
	struct sched_value *v = d->v;

	v->removed = v->stopped = false;
	v->before = (struct sched_def){0};
	v->rollout = (struct sched_rollout){0};
	memset(v->cooldowns, 0, sizeof(v->cooldowns));
	v->now = (struct sched_def){.version = v->next_version++, .spec = spec};
}

static void change_definition(struct decider *d, const struct decide_event *ev)
{
	struct sched_value *v = d->v;
	struct sched_def was = v->now;
	enum sched_rollout_state state = v->rollout.state;

	v->now = (struct sched_def){.version = v->next_version++, .spec = ev->spec};
	if (ev->same_run && was.spec->leased == ev->spec->leased) {
		for (size_t i = 0; i < v->n_slots; i++)
			if (v->slots[i].version == was.version) {
				v->slots[i].version = v->now.version;
				v->slots[i].reserve = ev->spec->reserve;
			}
		if (state != SCHED_ROLLOUT_IDLE)
			v->rollout.to = v->now.version;
		return;
	}
	/* In the middle of a change the one before that stays what it is gone back to. */
	if (state == SCHED_ROLLOUT_IDLE || state == SCHED_ROLLOUT_ROLLED_BACK)
		v->before = was;
	v->rollout = (struct sched_rollout){.state = SCHED_ROLLOUT_RUNNING,
		.from = v->before.version,
		.to = v->now.version,
		.progress = d->d.number};
}

static int apply(struct decider *d, const struct decide_event *ev, struct err *e)
{
	int64_t desired = desired_of(d, ev->spec, is_there(d->v) || ev->desired >= 0 ? ev->desired : 1);
	int rc;

	if (ev->if_version && (!is_there(d->v) || d->v->now.version != ev->if_version))
		return err_set(e, -ESTALE, "%s is at version %" PRIu32 ", not %" PRIu32, d->in->agent,
			is_there(d->v) ? d->v->now.version : 0, ev->if_version);
	if (ev->adopt && is_there(d->v))
		return err_set(e, -EEXIST, "%s: the cluster has an agent of that name", d->in->agent);
	rc = check_desired(d, desired, e);
	if (rc < 0)
		return rc;
	if (!is_there(d->v))
		begin(d, ev->spec);
	else if (!ev->same)
		change_definition(d, ev);
	d->v->desired = desired;
	return 0;
}

static int scale(struct decider *d, const struct decide_event *ev, struct err *e)
{
	enum sched_kind kind = d->v->now.spec->kind;
	int rc = check_desired(d, ev->desired, e);

	if (rc < 0)
		return rc;
	if (ev->desired < 0)
		return err_set(e, -EINVAL, "%s: a number of replicas is 0 or more", d->in->agent);
	if (kind == SCHED_EVERY_NODE)
		return err_set(e, -EINVAL, "%s runs on every node: it has no number of replicas", d->in->agent);
	if (kind == SCHED_SINGLETON && ev->desired > 1)
		return err_set(e, -EINVAL, "%s is a singleton: it has one replica at most", d->in->agent);
	d->v->desired = ev->desired;
	return 0;
}

static int roll_command(struct decider *d, const struct decide_event *ev, struct err *e)
{
	struct sched_rollout *r = &d->v->rollout;

	if (ev->type == SCHED_EVENT_UNDO) {
		if (d->v->before.version == 0)
			return err_set(e, -ENOENT, "%s has no earlier version to go back to", d->in->agent);
		decide_go_back(d);
		return 0;
	}
	if (ev->type == SCHED_EVENT_PAUSE && r->state == SCHED_ROLLOUT_RUNNING) {
		r->state = SCHED_ROLLOUT_PAUSED;
		return 0;
	}
	if (ev->type == SCHED_EVENT_RESUME && (r->state == SCHED_ROLLOUT_PAUSED || r->state == SCHED_ROLLOUT_FAILED)) {
		r->state = SCHED_ROLLOUT_RUNNING;
		r->progress = d->d.number;
		return 0;
	}
	return err_set(e, -EINVAL, "%s: no change is under way that could be %s: it is %s", d->in->agent,
		ev->type == SCHED_EVENT_PAUSE ? "paused" : "resumed", sched_rollout_name(r->state));
}

/* The same definition as another version, which every run has to be of: one after the other, as any change. */
static int restart(struct decider *d, struct err *e)
{
	const struct decide_event ev = {.spec = d->v->now.spec};

	if (d->v->stopped)
		return err_set(e, -EINVAL, "%s is stopped; 'covey start %s' starts it", d->in->agent, d->in->agent);
	change_definition(d, &ev);
	d->v->fresh = d->v->now.version;
	return 0;
}

static int obey(struct decider *d, const struct decide_event *ev, struct err *e)
{
	if (ev->type == SCHED_EVENT_APPLY)
		return apply(d, ev, e);
	if (!is_there(d->v))
		return err_set(e, -ENOENT, "there is no agent '%s'", d->in->agent);
	switch (ev->type) {
	case SCHED_EVENT_SCALE:
		return scale(d, ev, e);
	case SCHED_EVENT_START:
		d->v->stopped = false;
		if (d->v->rollout.state == SCHED_ROLLOUT_RUNNING)
			d->v->rollout.progress = d->d.number; /* its time begins anew */
		return 0;
	case SCHED_EVENT_STOP:
		d->v->stopped = true;
		return 0;
	case SCHED_EVENT_RESTART:
		return restart(d, e);
	case SCHED_EVENT_REMOVE:
		d->v->removed = true;
		d->v->desired = 0;
		d->v->rollout = (struct sched_rollout){0};
		return 0;
	default:
		return roll_command(d, ev, e);
	}
}

static bool is_command(enum sched_event_type t)
{
	return t >= SCHED_EVENT_APPLY && t <= SCHED_EVENT_RESTART;
}

static int command(struct decider *d, struct decide_out *out)
{
	const struct decide_event *ev = d->in->event;
	int rc;

	if (ev->op && (ev->op[0] == '\0' || strlen(ev->op) > OP_ID_MAX))
		return err_set(&out->refused, -EINVAL, "an operation's id has 1 to %d characters", OP_ID_MAX);
	if (ev->op && sched_has_op(d->v, ev->op)) {
		out->repeat = true;
		return 0;
	}
	rc = obey(d, ev, &out->refused);
	if (rc < 0)
		return rc;
	if (ev->op)
		sched_add_op(d->v, ev->op);
	d->changed = true;
	return 0;
}

static void count_hosts(struct decider *d)
{
	uint32_t *const n[SCHED_HOST_STATE_MAX] = {[SCHED_ALIVE] = &d->d.alive,
		[SCHED_SUSPECT] = &d->d.suspect,
		[SCHED_DEAD] = &d->d.dead,
		[SCHED_LEFT] = &d->d.gone,
		[SCHED_FORGOTTEN] = &d->d.gone};

	for (size_t i = 0; i < d->in->view->n_hosts; i++)
		++*n[d->in->view->hosts[i].state];
}

/* Each slot's reports, found once. Numbers beyond those that a value may have are nobody's. */
static void find_reports(struct decider *d, struct decide_reports *reports, size_t cap)
{
	const struct sched_view *view = d->in->view;

	d->reports = reports;
	d->n_reports = 0;
	for (size_t i = 0; i < d->v->n_slots; i++)
		if (d->v->slots[i].number < cap)
			d->n_reports = MAX(d->n_reports, (size_t)d->v->slots[i].number + 1);
	for (size_t i = 0; i < d->n_reports; i++)
		reports[i] = (struct decide_reports){0};
	for (size_t i = 0; i < view->n_reports; i++) {
		const struct sched_report *r = &view->reports[i];
		const struct sched_slot *s = r->number < d->n_reports ? sched_slot_of(d->v, r->number) : NULL;

		if (s && sched_same_node(r->node, s->node) && r->epoch == s->epoch)
			reports[r->number].node = r;
		if (s && sched_same_node(r->node, s->from) && r->epoch == s->from_epoch)
			reports[r->number].from = r;
	}
}

/* What is known, before anything is decided. false: the caller gave too little room. */
static bool look(struct decider *d, struct decide_out *out)
{
	struct sched_value *v = d->v;

	d->map = (struct place_map){.rooms = out->rooms, .cap = out->cap_rooms};
	if (!place_begin(&d->map, d->in->agent, d->in->view, v->now.spec ? v->now.spec->spread : NULL))
		return false;
	find_reports(d, out->reports, out->cap_reports);
	for (size_t i = 0; i < v->n_slots; i++) {
		const struct sched_slot *s = &v->slots[i];

		if (s->state != SCHED_PENDING)
			place_count(&d->map, &s->reserve, s->node, 1);
		if (sched_is_node(s->from))
			place_count(&d->map, &s->reserve, s->from, 1);
	}
	return true;
}

static void record(struct decider *d)
{
	struct sched_value *v = d->v;

	if (v->n_decisions == SCHED_DECISIONS_MAX) {
		memmove(&v->decisions[0], &v->decisions[1], sizeof(v->decisions) - sizeof(v->decisions[0]));
		v->n_decisions--;
	}
	d->d.version = v->now.version;
	d->d.desired = v->desired;
	d->d.rollout = v->rollout.state;
	v->number = d->d.number;
	v->decisions[v->n_decisions++] = d->d;
}

/*
 * The first decision of an era. Those who were given up may have gone on with the numbers: what is given out from here
 * on is above all of theirs. What runs under a lease runs under one of theirs, perhaps, and begins anew. And a node
 * that nobody has heard of since his start is taken for lost, as they are: else what it had would wait for it for ever.
 */
static void begin_era(struct decider *d)
{
	struct sched_value *v = d->v;

	if (v->next_epoch > d->in->view->floor)
		return;
	v->next_epoch = d->in->view->floor + 1;
	if (v->number == 0)
		return; /* it never was, and is not made by this */
	v->next_version = MIN(v->next_version + ERA_VERSIONS, SCHED_VERSION_MAX);
	if (!is_command(d->in->event->type))
		d->d.event = SCHED_EVENT_RECOVER;
	d->changed = d->era = true;
	for (size_t i = 0; i < v->n_slots; i++)
		if (v->slots[i].leased && v->slots[i].state == SCHED_RUN)
			decide_stop(d, &v->slots[i], SCHED_WHY_ERA);
}

static struct decider decider_of(const struct decide_in *in, struct now now, struct decide_out *out)
{
	return (struct decider){.in = in,
		.now = now,
		.v = out->value,
		.again_ms = DEADLINE_NEVER,
		.d = {.number = in->was->number + 1,
			.by = in->self,
			.ballot = in->ballot,
			.wall_ms = now.wall_ms,
			.event = in->event->type,
			.subject = in->event->subject,
			.version_was = is_there(in->was) ? in->was->now.version : 0,
			.desired_was = in->was->desired,
			.rollout_was = in->was->rollout.state}};
}

void decide_value(const struct decide_in *in, struct now now, struct decide_out *out)
{
	struct decider d = decider_of(in, now, out);

	out->changed = out->repeat = false;
	out->refused = (struct err){0};
	out->again_ms = DEADLINE_NEVER;
	if (!sched_copy(out->value, in->was)) {
		(void)err_set(&out->refused, -ENOSPC, "%s: its value is larger than any of this version", in->agent);
		return;
	}
	begin_era(&d);
	if (is_command(in->event->type) && (command(&d, out) < 0 || out->repeat))
		return;
	if (!d.v->now.version && !d.changed)
		return;
	if (!look(&d, out)) {
		(void)err_set(&out->refused, -ENOSPC, "there are more than %zu nodes", out->cap_rooms);
		return;
	}
	count_hosts(&d);
	if (d.v->now.version)
		decide_settle(&d);
	out->again_ms = d.again_ms;
	if (!d.changed)
		return;
	decide_prune(&d);
	record(&d);
	sched_check(d.v);
	out->changed = true;
}

char *decide_pending(const struct decide_in *in, uint32_t number, struct decide_out *out, char *text, size_t n)
{
	struct decider d = decider_of(in, (struct now){0}, out);
	const struct sched_slot *s;
	struct place_ask ask;
	struct sched_node held;
	enum sched_why why;
	char name[SCHED_NAME_TEXT_MAX];

	assert(n > 0);
	text[0] = '\0';
	if (!sched_copy(out->value, in->was) || !d.v->now.version || !look(&d, out))
		return text;
	s = sched_slot_of(d.v, number);
	if (!s || d.v->stopped ||
		(s->state == SCHED_RUN && decide_fate_of(&d, s->node, s->leased, &why) != DECIDE_LOST) ||
		s->state == SCHED_STOP)
		return text;
	ask = (struct place_ask){.spec = decide_spec_of(&d, s->version), .number = number, .avoid = {s->node}};
	if (ask.spec->leased && decide_held_by(&d, number, &held))
		(void)snprintf(text, n, "may still run on %s", sched_name_of(in->view, held, name)); /* cut at worst */
	else if (!place_pick(&d.map, &ask))
		(void)place_why(&d.map, &ask, text, n);
	return text;
}
