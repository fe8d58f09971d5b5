/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases at work: what holding.h says goes to voters, to the disk, and to the replicas' fuses; and what became of
 * replicas goes back. Words about replicas are kept in the core's table, so that one that is made later finds them
 * there: each turn in which something changed goes through the slots.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster.h"
#include "node/cluster_register.h"
#include "node/council_priv.h"
#include "node/node.h"
#include "node/register_agent.h"

#define FAREWELL_S  1.0	  /* voters that do not answer hold a planned stop up no longer */
#define FAREWELL_MS 60000 /* for how long what runs shall go on without a daemon */

/* A row on its way to disk. */
struct writing {
	struct council *c;
	struct msg_key key;
	uint32_t slot;
	uint64_t epoch, number;
};

static int step(struct council *c, const struct holding_in *in);

/* ---- replicas ---- */

static struct runner *runner_of(const struct council *c, const struct msg_key *key, uint32_t slot)
{
	char name[NAME_MAX_LEN + 1];
	struct agent *a;

	(void)snprintf(name, sizeof(name), "%.*s", (int)key->n, key->v); /* fits */
	a = roster_find(c->n, name);
	return a && a->scope == SPEC_SCOPE_CLUSTER && slot < a->n_slots ? a->slots[slot] : NULL;
}

static void on_news(void *arg, struct runner *r)
{
	struct council *c = arg;

	(void)r;
	c->hold_due = true;
}

/* ---- to disk ---- */

static struct writing *writing_new(struct council *c, const struct holding_said *s)
{
	struct writing *w = mem_zalloc(1, sizeof(*w));

	if (w)
		*w = (struct writing){.c = c, .key = s->key, .slot = s->slot, .epoch = s->epoch};
	return w;
}

static void on_released(void *arg, int rc, const char *error)
{
	struct writing *w = arg;

	node_now(w->c->n);
	node_stored(w->c->n, rc, error);
	if (rc == 0 && !w->c->ended)
		(void)step(w->c, &(struct holding_in){.type = HOLDING_IN_RELEASED,
					 .key = w->key,
					 .slot = w->slot,
					 .epoch = w->epoch}); /* cannot fail; so below */
	free(w);
}

static void on_number(void *arg, int rc, const char *error)
{
	struct writing *w = arg;

	node_now(w->c->n);
	node_stored(w->c->n, rc, error);
	if (rc == 0 && !w->c->ended)
		(void)step(w->c, &(struct holding_in){.type = HOLDING_IN_NUMBER, .number = w->number});
	free(w);
}

/* What finds no place is asked for again by the core. */
static void write_release(struct council *c, const struct holding_said *s)
{
	struct writing *w = writing_new(c, s);

	if (w && votes_put_release(c->votes, &s->key, s->slot, s->epoch, on_released, w) < 0)
		free(w);
}

static void write_number(struct council *c, uint64_t number)
{
	static const struct holding_said none;
	struct writing *w = writing_new(c, &none);

	if (!w)
		return;
	w->number = number;
	if (votes_put_number(c->votes, number, on_number, w) < 0)
		free(w);
}

/* ---- what the core says ---- */

static void on_identity(void *arg, const struct agree_answer *a)
{
	(void)arg;
	(void)a; /* the next renewal finds out */
}

/* A change that is none: then a majority has the value, and whoever lacks it hears it. */
static void propose_identity(struct council *c, const struct msg_key *key)
{
	const struct agree_command cmd = {.key = *key, .event = {.type = SCHED_EVENT_TICK, .desired = -1}};

	if (council_command(c, &cmd, on_identity, c) < 0)
		log_debug("no memory to ask for a lease again; it is asked for later");
}

static void act(struct council *c, const struct holding_said *s)
{
	struct runner *r = runner_of(c, &s->key, s->slot);

	switch (s->word) {
	case HOLDING_STOP:
		if (r)
			runner_lease(r, s->epoch, 0);
		if (r && r->epoch == s->epoch && runner_is_alive(r))
			runner_stop(r, SHIM_WHY_STOPPED, "its slot is not this node's any more");
		c->hold_due = true;
		break;
	case HOLDING_RELEASE:
		write_release(c, s);
		break;
	case HOLDING_DROP:
		(void)votes_drop_release(
			c->votes, &s->key, s->slot, s->epoch, node_stored, c->n); /* full: a row too many */
		break;
	case HOLDING_IDENTITY:
		propose_identity(c, &s->key);
		break;
	case HOLDING_RUN:
		if (r)
			runner_lease(r, s->epoch, s->until_ms);
		break;
	case HOLDING_GOES_ON:
		if (r)
			runner_extend(r, s->epoch, s->until_ms);
		break;
	case HOLDING_WORD_MAX:
		break;
	}
}

static void send_out(struct council *c, const struct holding_outs *outs)
{
	for (uint8_t i = 0; i < outs->n_to; i++) {
		struct msg m = lease_msg(&outs->msg, outs->brief, i);

		m.from = c->self;
		if (!ballot_same_node(&outs->to[i], &c->self))
			(void)cluster_register_send(c->n->cluster, &outs->to[i], &m); /* lost: renewed again */
		else
			council_ask_self(c, &m);
	}
}

static int step(struct council *c, const struct holding_in *in)
{
	struct holding_outs outs = {.n_to = 0};
	struct holding_said said;
	int rc = holding_step(&c->hold, in, c->n->now, &outs);

	if (outs.number)
		write_number(c, outs.number);
	while (holding_next(&c->hold, &said))
		act(c, &said);
	if (outs.n_to > 0)
		send_out(c, &outs);
	council_go_on(c);
	return rc;
}

/* ---- in ---- */

void council_hold_msg(struct council *c, const struct msg *m)
{
	if (m->type == MSG_GRANT || m->type == MSG_REFUSED)
		(void)step(c, &(struct holding_in){.type = HOLDING_IN_MSG, .msg = m});
}

void council_hold_cfg(struct council *c)
{
	const struct register_root *root = council_root(c);

	(void)step(c, &(struct holding_in){.type = HOLDING_IN_CFG, .cfg = council_voters(c)});
	if (root)
		(void)step(c, &(struct holding_in){.type = HOLDING_IN_TIMES, .times = root->times});
}

void council_hold_resumed(struct council *c)
{
	(void)step(c, &(struct holding_in){.type = HOLDING_IN_RESUMED});
}

void council_hold_chosen(struct council *c, const struct msg_key *key, const struct register_agent *r)
{
	size_t cap = r->v.n_slots + 1;
	AUTO_FREE struct holding_own *own = mem_zalloc(cap, sizeof(*own));
	struct holding_in in = {.type = HOLDING_IN_CHOSEN, .key = *key, .own = own, .next_epoch = r->v.next_epoch};

	c->hold_due = true;
	if (own) {
		in.n_own = holding_own(&r->v, register_node_of(&c->self), own, cap);
		if (step(c, &in) == 0)
			return;
	}
	c->keep_again = true; /* no memory: it is said again */
}

void council_hold_dropped(struct council *c, const struct msg_key *key)
{
	const struct holding_in in = {
		.type = HOLDING_IN_CHOSEN, .key = *key, .next_epoch = quorum_floor(council_voters(c)->epoch)};

	c->hold_due = true;
	(void)step(c, &in); /* of none it cannot fail */
}

void council_hold_tick(struct council *c)
{
	for (int i = 0; i < 16 && holding_deadline_ms(&c->hold) <= c->n->now.mono_ms; i++)
		(void)step(c, &(struct holding_in){.type = HOLDING_IN_TICK});
}

/* ---- the turn ---- */

static const struct holding_slot *slot_of(const struct council *c, const struct msg_key *key, uint32_t slot)
{
	for (uint32_t i = 0; i < c->hold.n_slots; i++)
		if (!c->hold.slots[i].dead && c->hold.slots[i].slot == slot &&
			msg_key_cmp(&c->hold.slots[i].key, key) == 0)
			return &c->hold.slots[i];
	return NULL;
}

/* A replica that runs and that the core has not heard of: found after a restart. */
static void find(struct council *c, struct runner *r)
{
	struct holding_in in = {
		.type = HOLDING_IN_FOUND, .slot = (uint32_t)r->slot, .epoch = r->epoch, .until_ms = runner_until_ms(r)};
	struct msg_bytes value;
	struct ballot ballot;

	if (!decided_key(r->agent->name, &in.key) || slot_of(c, &in.key, in.slot))
		return;
	if (step(c, &in) == -ESTALE) {
		runner_stop(r, SHIM_WHY_STOPPED, "its slot was given back");
		return;
	}
	if (council_get(c, r->agent->name, &ballot, &value))
		decided_hold(c->n, &in.key, value);
}

static void look_at_runner(struct council *c, struct runner *r)
{
	if (!r->leased || r->awaiting)
		return;
	r->lease_fn = on_news;
	r->lease_arg = c;
	if (r->run && runner_is_alive(r))
		find(c, r);
}

/* What the core was told, and has to hear of what became of it. */
static bool look_at_slot(struct council *c, const struct holding_slot *s)
{
	struct holding_in in = {.key = s->key, .slot = s->slot, .epoch = s->epoch};
	struct runner *r = runner_of(c, &s->key, s->slot);
	bool ends = s->state == HOLDING_ENDING || s->state == HOLDING_LOST;

	if (r && s->state == HOLDING_OURS && s->until_ms > 0 &&
		(r->lease_epoch != s->epoch || r->lease_ms != s->until_ms))
		runner_lease(r, s->epoch, s->until_ms);
	if (ends && c->n->awaiting == 0 && (!r || runner_is_empty(r) || (r->epoch != s->epoch && !r->awaiting)))
		in.type = HOLDING_IN_EMPTY;
	else if (s->unarmed && r && runner_is_armed(r))
		in.type = HOLDING_IN_ARMED;
	else
		return false;
	(void)step(c, &in);
	return true;
}

void council_hold_turn(struct council *c)
{
	if (!c->hold_due)
		return;
	c->hold_due = false;
	MAP_FOREACH (at, &c->n->roster.runners)
		look_at_runner(c, CONTAINER_OF(at, struct runner, by_stem));
	for (uint32_t i = 0; i < c->hold.n_slots; i++)
		if (!c->hold.slots[i].dead && look_at_slot(c, &c->hold.slots[i]))
			c->hold_due = true; /* the table may have moved: again in the next turn */
	if (c->hold_due)
		ev_feed_event(c->n->loop, &c->timer, EV_TIMER);
}

/* ---- a planned stop ---- */

static void on_enough(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	*(bool *)w->data = true;
	ev_break(loop, EVBREAK_ONE);
}

void council_farewell(struct council *c)
{
	int64_t enough_ms = c->n->now.boot_ms + FAREWELL_MS / 2;
	bool enough = false;
	ev_timer bound;

	if (!c->a || c->ended || holding_least_ms(&c->hold) == DEADLINE_NEVER)
		return;
	(void)step(c, &(struct holding_in){.type = HOLDING_IN_LONG, .tf_ms = FAREWELL_MS});
	ev_timer_init(&bound, on_enough, FAREWELL_S, 0.);
	bound.data = &enough;
	ev_timer_start(c->n->loop, &bound);
	while (!enough && holding_least_ms(&c->hold) < enough_ms)
		ev_run(c->n->loop, EVRUN_ONCE);
	ev_timer_stop(c->n->loop, &bound);
}

/* ---- opening ---- */

static int pass(void *arg, const struct msg_key *key, uint32_t slot, uint64_t epoch)
{
	(void)arg;
	(void)key;
	(void)slot;
	(void)epoch;
	return 0;
}

static int load(void *arg, const struct msg_key *key, uint32_t slot, uint64_t epoch)
{
	struct council *c = arg;

	return holding_load(&c->hold, key, slot, epoch, c->n->now);
}

int council_hold_load(struct council *c, struct err *e)
{
	const struct register_root *root = council_root(c);
	struct holding_config config = {.self = c->self,
		.cfg = *council_voters(c),
		.times = root ? root->times : REGISTER_DEFAULT_TIMES,
		.mem = council_mem};
	int rc = votes_load_leases(c->votes, pass, NULL, &config.number, e);

	if (rc < 0)
		return rc;
	holding_init(&c->hold, &config, c->n->now);
	c->hold_due = true;
	return votes_load_leases(c->votes, load, c, &config.number, e);
}

void council_hold_done(struct council *c)
{
	holding_done(&c->hold);
}
