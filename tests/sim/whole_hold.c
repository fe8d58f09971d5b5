/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See whole_hold.h. The calls of council.c to cluster_register_send pass through here (--wrap): what a node says to its
 * own voter, and is answered, goes over no link.
 */
#include "tests/sim/whole_hold.h"

#include <errno.h>
#include <string.h>

#include "node/register_agent.h"
#include "tests/sim/whole_priv.h"
#include "tests/sim/whole_run.h"

#define ASKED_MAX  16 /* ticks in a turn */
#define SEEN_MAX   64 /* registers whose newest value was told */

bool __real_cluster_register_send(struct cluster *c, const struct uuid *to, const struct msg *m);
bool __wrap_cluster_register_send(struct cluster *c, const struct uuid *to, const struct msg *m);
void __real_cluster_register_listen(struct cluster *c, cluster_register_heard *fn, void *arg);
void __wrap_cluster_register_listen(struct cluster *c, cluster_register_heard *fn, void *arg);

struct whole_hold {
	struct holding h;
	ev_timer timer;
	cluster_register_heard *heard;
	void *heard_arg;
	uint64_t epoch; /* of the configuration that it was told */
	struct ballot root;
	struct {
		struct msg_key key;
		struct ballot ballot;
	} told[SEEN_MAX];
	size_t n_told;
	int64_t slept_ms;
	bool due;
};

struct writing {
	struct whole *w;
	struct msg_key key;
	uint32_t slot;
	uint64_t epoch, number;
};

static int step(struct whole *w, const struct holding_in *in);

/* ---- to disk ---- */

static void on_written(void *arg, int rc, const char *error)
{
	struct writing *o = arg;
	struct holding_in in = {.type = o->number ? HOLDING_IN_NUMBER : HOLDING_IN_RELEASED,
		.key = o->key,
		.slot = o->slot,
		.epoch = o->epoch,
		.number = o->number};

	(void)error;
	if (rc == 0 && !o->w->ending)
		(void)step(o->w, &in); /* cannot fail */
	free(o);
}

static void write_row(struct whole *w, const struct holding_said *s, uint64_t number)
{
	struct writing *o = calloc(1, sizeof(*o));
	int rc;

	assert(o);
	*o = (struct writing){.w = w, .number = number};
	if (s) {
		o->key = s->key;
		o->slot = s->slot;
		o->epoch = s->epoch;
	}
	rc = s ? votes_put_release(w->n->council->votes, &s->key, s->slot, s->epoch, on_written, o)
	       : votes_put_number(w->n->council->votes, number, on_written, o);
	if (rc < 0)
		free(o); /* it is asked for again */
}

/* ---- what the core says ---- */

static struct runner *runner_of(struct whole *w, const struct msg_key *key, uint32_t slot)
{
	char name[NAME_MAX_LEN + 1];
	struct agent *a;

	(void)snprintf(name, sizeof(name), "%.*s", (int)key->n, key->v); /* fits */
	a = roster_find(w->n, name);
	return a && slot < a->n_slots ? a->slots[slot] : NULL;
}

static void on_identity(void *arg, const struct agree_answer *a)
{
	(void)arg;
	(void)a; /* the next renewal finds out */
}

static void act(struct whole *w, const struct holding_said *s)
{
	const struct agree_command same = {.key = s->key, .event = {.type = SCHED_EVENT_TICK, .desired = -1}};
	struct runner *r = runner_of(w, &s->key, s->slot);
	int rc;

	w->hold->due = true;
	switch (s->word) {
	case HOLDING_STOP:
		if (r)
			runner_lease(r, s->epoch, 0);
		if (r && r->epoch == s->epoch && runner_is_alive(r))
			runner_stop(r, SHIM_WHY_STOPPED, "its slot is not this node's any more");
		break;
	case HOLDING_RELEASE:
		write_row(w, s, 0);
		break;
	case HOLDING_DROP:
		(void)votes_drop_release(w->n->council->votes, &s->key, s->slot, s->epoch, NULL, NULL); /* a row too many */
		break;
	case HOLDING_IDENTITY:
		rc = council_command(w->n->council, &same, on_identity, NULL);
		assert(rc == 0);
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

static void ask_self(struct whole *w, const struct msg *m)
{
	struct msg own = *m;

	own.from = w->n->council->self;
	(void)council_in(w->n->council,
		&(struct agree_in){.type = AGREE_IN_REGISTERS,
			.registers = &(struct registers_in){.type = REGISTERS_IN_MSG, .msg = &own}}); /* cannot fail */
}

static int step(struct whole *w, const struct holding_in *in)
{
	struct whole_hold *h = w->hold;
	struct holding_said said;
	struct holding_outs outs;
	struct msg m;
	int rc = holding_step(&h->h, in, w->n->now, &outs);

	holding_check(&h->h);
	if (outs.number)
		write_row(w, NULL, outs.number);
	while (holding_next(&h->h, &said))
		act(w, &said);
	m = outs.msg;
	m.from = w->n->council->self;
	for (uint8_t i = 0; i < outs.n_to; i++)
		if (ballot_same_node(&outs.to[i], &w->n->council->self))
			ask_self(w, &m);
		else
			(void)__real_cluster_register_send(w->c, &outs.to[i], &m); /* lost: renewed again */
	return rc;
}

static void hear(struct whole *w, const struct msg *m)
{
	if (m->type == MSG_GRANT || m->type == MSG_REFUSED)
		(void)step(w, &(struct holding_in){.type = HOLDING_IN_MSG, .msg = m}); /* cannot fail */
}

bool __wrap_cluster_register_send(struct cluster *c, const struct uuid *to, const struct msg *m)
{
	struct whole *w = whole_of(c->n);

	whole_run_sends(w, m);
	if (!ballot_same_node(to, &c->n->council->self))
		return __real_cluster_register_send(c, to, m);
	hear(w, m);
	return true;
}

static void on_heard(void *arg, const struct msg *m)
{
	struct whole *w = arg;

	hear(w, m);
	w->hold->heard(w->hold->heard_arg, m);
}

void __wrap_cluster_register_listen(struct cluster *c, cluster_register_heard *fn, void *arg)
{
	struct whole *w = whole_of(c->n);

	w->hold->heard = fn;
	w->hold->heard_arg = arg;
	__real_cluster_register_listen(c, on_heard, w);
}

/* ---- values ---- */

static struct ballot *newest_told(struct whole_hold *h, const struct msg_key *key)
{
	for (size_t i = 0; i < h->n_told; i++)
		if (msg_key_cmp(&h->told[i].key, key) == 0)
			return &h->told[i].ballot;
	assert(h->n_told < SEEN_MAX);
	h->told[h->n_told].key = *key;
	h->told[h->n_told].ballot = (struct ballot){0};
	return &h->told[h->n_told++].ballot;
}

static int tell_value(struct whole *w, const struct msg_key *key, struct msg_bytes value)
{
	struct holding_own own[64];
	struct holding_in in = {.type = HOLDING_IN_CHOSEN, .key = *key, .own = own};
	struct register_agent r = {0};
	struct err e;

	if (register_agent_read(&r, &council_mem, value, &e) < 0)
		return 0;
	in.next_epoch = r.v.next_epoch;
	in.n_own = holding_own(&r.v, register_node_of(&w->n->council->self), own, ARRAY_LEN(own));
	register_agent_done(&r);
	return step(w, &in);
}

/* Once it is on disk here, where it names this node: then the roster has it. */
static void tell_values(struct whole *w)
{
	struct registers *all = agree_registers(w->n->council->a);
	struct msg_bytes value;
	struct ballot ballot;
	struct msg_key key;

	for (size_t at = 0; registers_next(all, &at, &key);) {
		char name[NAME_MAX_LEN + 1];
		struct ballot *told;
		const struct agent *a;

		if (key.n == 0 || !registers_get(all, &key, &ballot, &value))
			continue;
		told = newest_told(w->hold, &key);
		(void)snprintf(name, sizeof(name), "%.*s", (int)key.n, key.v); /* fits */
		a = roster_find(w->n, name);
		if (ballot_cmp(told, &ballot) >= 0 || (a && a->decided && ballot_cmp(&a->decided->ballot, &ballot) != 0))
			continue;
		if (!a && w->n->council->keep_again)
			continue;
		if (tell_value(w, &key, value) == 0)
			*told = ballot;
	}
}

/* ---- replicas ---- */

static void on_news(void *arg, struct runner *r)
{
	struct whole *w = arg;

	(void)r;
	w->hold->due = true;
}

static const struct holding_slot *slot_of(const struct holding *h, const struct msg_key *key, uint32_t slot)
{
	for (uint32_t i = 0; i < h->n_slots; i++)
		if (!h->slots[i].dead && h->slots[i].slot == slot && msg_key_cmp(&h->slots[i].key, key) == 0)
			return &h->slots[i];
	return NULL;
}

static void find(struct whole *w, struct runner *r)
{
	struct holding_in in = {.type = HOLDING_IN_FOUND,
		.slot = (uint32_t)r->slot,
		.epoch = r->epoch,
		.until_ms = runner_until_ms(r)};

	if (!decided_key(r->agent->name, &in.key) || slot_of(&w->hold->h, &in.key, in.slot))
		return;
	if (step(w, &in) == -ESTALE)
		runner_stop(r, SHIM_WHY_STOPPED, "its slot was given back");
	else
		*newest_told(w->hold, &in.key) = (struct ballot){0}; /* it is told again */
}

static void look_at_runners(struct whole *w)
{
	MAP_FOREACH (at, &w->n->roster.runners) {
		struct runner *r = CONTAINER_OF(at, struct runner, by_stem);

		if (!r->leased || r->awaiting)
			continue;
		if (!r->lease_fn) {
			r->lease_fn = on_news;
			r->lease_arg = w;
		}
		if (r->run && runner_is_alive(r))
			find(w, r);
	}
}

static bool look_at_slot(struct whole *w, const struct holding_slot *s)
{
	struct holding_in in = {.key = s->key, .slot = s->slot, .epoch = s->epoch};
	struct runner *r = runner_of(w, &s->key, s->slot);
	bool ends = s->state == HOLDING_ENDING || s->state == HOLDING_LOST;

	if (r && s->state == HOLDING_OURS && s->until_ms > 0 &&
		(r->lease_epoch != s->epoch || r->lease_ms != s->until_ms))
		runner_lease(r, s->epoch, s->until_ms);
	if (ends && w->n->awaiting == 0 && (!r || runner_is_empty(r) || (r->epoch != s->epoch && !r->awaiting)))
		in.type = HOLDING_IN_EMPTY;
	else if (s->unarmed && r && runner_is_armed(r))
		in.type = HOLDING_IN_ARMED;
	else
		return false;
	(void)step(w, &in); /* cannot fail */
	return true;
}

static void tell_cluster(struct whole *w)
{
	const struct register_root *root = council_root(w->n->council);
	const struct quorum_cfg *cfg = council_voters(w->n->council);
	struct whole_hold *h = w->hold;
	int64_t slept_ms = w->n->now.boot_ms - w->n->now.mono_ms;

	if (slept_ms > h->slept_ms + 20)
		(void)step(w, &(struct holding_in){.type = HOLDING_IN_RESUMED}); /* these cannot fail */
	h->slept_ms = MAX(h->slept_ms, slept_ms);
	if (cfg->epoch != h->epoch) {
		h->epoch = cfg->epoch;
		(void)step(w, &(struct holding_in){.type = HOLDING_IN_CFG, .cfg = cfg});
		if (root)
			(void)step(w, &(struct holding_in){.type = HOLDING_IN_TIMES, .times = root->times});
	}
}

static void arm(struct whole *w)
{
	int64_t at = holding_deadline_ms(&w->hold->h);

	ev_timer_stop(w->n->loop, &w->hold->timer);
	if (at == DEADLINE_NEVER)
		return;
	ev_timer_set(&w->hold->timer, (double)MAX(at - w->n->now.mono_ms, (int64_t)0) / 1e3, 0.);
	ev_timer_start(w->n->loop, &w->hold->timer);
}

void whole_hold_turn(struct whole *w)
{
	struct whole_hold *h = w->hold;

	if (w->n->council->ended)
		return;
	tell_cluster(w);
	tell_values(w);
	for (int i = 0; i < ASKED_MAX && holding_deadline_ms(&h->h) <= w->n->now.mono_ms; i++)
		(void)step(w, &(struct holding_in){.type = HOLDING_IN_TICK}); /* cannot fail */
	look_at_runners(w);
	if (h->due) {
		h->due = false;
		for (uint32_t i = 0; i < h->h.n_slots; i++)
			if (!h->h.slots[i].dead && look_at_slot(w, &h->h.slots[i]))
				h->due = true; /* the table may have moved: again */
		w->loop.again |= h->due;
	}
	arm(w);
}

/* ---- its beginning and end ---- */

static void on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop; /* the turn that follows does it */
	(void)t;
	(void)revents;
}

static int load(void *arg, const struct msg_key *key, uint32_t slot, uint64_t epoch)
{
	struct whole *w = arg;

	return holding_load(&w->hold->h, key, slot, epoch, w->n->now);
}

void whole_hold_begin(struct whole *w)
{
	const struct register_root *root = council_root(w->n->council);
	struct holding_config config = {.self = w->n->council->self,
		.cfg = *council_voters(w->n->council),
		.times = root ? root->times : REGISTER_DEFAULT_TIMES,
		.number = w->disk.number,
		.mem = council_mem};
	struct err e;
	uint64_t number;
	int rc;

	w->hold = calloc(1, sizeof(*w->hold));
	assert(w->hold);
	holding_init(&w->hold->h, &config, w->n->now);
	w->hold->slept_ms = w->n->now.boot_ms - w->n->now.mono_ms;
	rc = votes_load_leases(w->n->council->votes, load, w, &number, &e);
	assert(rc == 0);
	ev_timer_init(&w->hold->timer, on_timer, 0., 0.);
	w->hold->due = true;
}

void whole_hold_end(struct whole *w)
{
	ev_timer_stop(w->n->loop, &w->hold->timer);
	holding_done(&w->hold->h);
	free(w->hold);
	w->hold = NULL;
}

char *whole_hold_dump(const struct whole *w, char *out, size_t n)
{
	return holding_dump(&w->hold->h, out, n);
}
