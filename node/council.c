/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop's side of what is decided. What the core says is done at once where others wait for it (messages, writes),
 * and at the end of the turn where it goes into gossip: that may be what called us. Commands wait for that, too, so
 * that whoever is answered may give the next one.
 */
#include "node/council.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster.h"
#include "node/cluster_register.h"
#include "node/council_priv.h"
#include "node/decided.h"
#include "node/node.h"

#define STEPS_A_TURN 256 /* what is due at once: then the loop turns */
#define SLEPT_MS     20	 /* the two clocks are not read at one instant */
#define AGAIN_S	     1.0 /* until what the disk did not take is given to it again */
#define COMING_S     5.0 /* a majority that lives has been heard of by then */

/* ---- outputs ---- */

static void send_out(struct council *c, const struct registers_out *out)
{
	struct msg m = out->msg;

	m.from = c->self;
	for (uint8_t i = 0; c->n->cluster && i < out->n_to; i++)
		(void)cluster_register_send(c->n->cluster, &out->to[i], &m); /* what is lost is asked again */
}

static void rolled_back(struct council *c)
{
	(void)snprintf(c->fault, sizeof(c->fault),
		"the disk of this node went back in time: others remember votes that it has not; it does not vote "
		"until \"covey reset\" made it a new node");
	node_event(c->n, SEVERITY_ERROR, "rolled-back", NULL, NULL, "%s", c->fault);
	council_recall_old(c);
}

static void voters_changed(struct council *c, const struct registers_out *out)
{
	static const char *const texts[VOTERS_OUTCOME_MAX] = {[VOTERS_NONE] = "",
		[VOTERS_CHANGED] = "the voters were changed",
		[VOTERS_OVERTAKEN] = "another node has changed the voters meanwhile",
		[VOTERS_FULL] = "no memory to change the voters; another node may go on",
		[VOTERS_UNREADY] = "the voters are as they were: no durable write was made in time by "};
	char unready[256] = "";

	if (out->voters_outcome == VOTERS_UNREADY)
		(void)council_names(c, out->to, out->n_to, unready, sizeof(unready));
	node_event(c->n, SEVERITY_INFO, "voters", NULL, NULL, "%s%s", texts[out->voters_outcome], unready);
}

static void route(struct council *c, const struct registers_out *out)
{
	switch (out->type) {
	case REGISTERS_OUT_SEND:
		send_out(c, out);
		break;
	case REGISTERS_OUT_WRITE:
		votes_write(c->votes, out->write);
		break;
	case REGISTERS_OUT_GRANT:
		council_hold_msg(c, &out->msg);
		break;
	case REGISTERS_OUT_CHOSEN:
		council_hint_chosen(c, out);
		c->cfg_changed |= out->key.n == 0; /* the times of leases may be others */
		if (out->key.n > 0)
			decided_chosen(c->n, &out->key, &out->ballot, out->value);
		break;
	case REGISTERS_OUT_CFG:
		c->cfg_changed = true;
		break;
	case REGISTERS_OUT_VOTERS:
		voters_changed(c, out);
		break;
	case REGISTERS_OUT_ROLLED_BACK:
		rolled_back(c);
		break;
	case REGISTERS_OUT_DROPPED:
		council_hint_dropped(c, &out->key);
		if (out->key.n > 0)
			decided_dropped(c->n, &out->key);
		break;
	case REGISTERS_OUT_ROLL:
	case REGISTERS_OUT_ENDED:
	case REGISTERS_OUT_MAX:
		break;
	}
}

/* due_ms: agree_deadline_ms, which costs a walk over all that is under way. */
static void arm(struct council *c, int64_t due_ms)
{
	int64_t at = c->ended ? DEADLINE_NEVER : MIN(due_ms, holding_deadline_ms(&c->hold)), now;

	if (at == c->armed_ms && ev_is_active(&c->timer))
		return;
	c->armed_ms = at;
	ev_timer_stop(c->n->loop, &c->timer);
	if (at == DEADLINE_NEVER)
		return;
	ev_now_update(c->n->loop);
	now = node_now(c->n).mono_ms;
	ev_timer_set(&c->timer, (double)(MAX(at, now) - now) / 1e3, 0.); /* INT64_MIN: at once */
	ev_timer_start(c->n->loop, &c->timer);
}

static int step(struct council *c, const struct agree_in *in)
{
	int rc;

	assert(!c->stepping);
	c->stepping = true;
	rc = agree_step(c->a, in, c->n->now, &c->outs);
	for (size_t i = 0; i < c->outs.registers.n; i++)
		route(c, &c->outs.registers.v[i]);
	for (size_t i = 0; i < c->outs.n_answers; i++)
		council_answer(c, &c->outs.answers[i]);
	c->stepping = false;
	return rc;
}

static void ask_self(struct council *c)
{
	while (!list_is_empty(&c->self_asks)) {
		struct council_self *s = LIST_ENTRY(c->self_asks.next, struct council_self, link);

		list_del(&s->link);
		(void)step(c, &(struct agree_in){.type = AGREE_IN_REGISTERS,
				      .registers = &(struct registers_in){.type = REGISTERS_IN_MSG, .msg = &s->m}});
		free(s);
	}
}

/* What is due at once: proposals to our own voter among it. */
void council_go_on(struct council *c)
{
	int64_t due_ms;

	if (c->stepping || !c->a || c->ended)
		return;
	ask_self(c);
	due_ms = agree_deadline_ms(c->a);
	for (int i = 0; i < STEPS_A_TURN && due_ms <= c->n->now.mono_ms; i++) {
		(void)step(c, &(struct agree_in){.type = AGREE_IN_REGISTERS,
				      .registers = &(struct registers_in){.type = REGISTERS_IN_TICK}});
		due_ms = agree_deadline_ms(c->a);
	}
	arm(c, due_ms);
}

void council_ask_self(struct council *c, const struct msg *m)
{
	struct council_self *s = mem_alloc(sizeof(*s) + m->n_leases * sizeof(s->leases[0]));

	if (!s)
		return; /* as one that was lost */
	s->m = *m;
	if (m->n_leases > 0)
		memcpy(s->leases, m->leases, m->n_leases * sizeof(s->leases[0]));
	s->m.leases = s->leases;
	list_add_tail(&c->self_asks, &s->link);
}

int council_in(struct council *c, const struct agree_in *in)
{
	int rc;

	if (!c->a || c->ended)
		return -ESHUTDOWN;
	rc = step(c, in);
	council_go_on(c);
	return rc;
}

static void registers_in(struct council *c, const struct registers_in *in)
{
	(void)council_in(
		c, &(struct agree_in){.type = AGREE_IN_REGISTERS, .registers = in}); /* such inputs cannot fail */
}

/* ---- the loop's callbacks ---- */

void council_on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct council *c = w->data;

	(void)loop;
	(void)revents;
	node_now(c->n);
	council_hold_tick(c);
	council_go_on(c);
}

void council_on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct council *c = w->data;

	(void)loop;
	(void)revents;
	node_now(c->n);
	decided_again(c->n);
}

void council_on_message(void *arg, const struct msg *m)
{
	struct council *c = arg;

	node_now(c->n); /* after it was taken from its queue: no guard begins before its RENEW was sent */
	if (m->type == MSG_SEEN) {
		council_seen_heard(c, m);
		return;
	}
	if (m->type == MSG_KEPT || m->type == MSG_KNOWN) {
		council_recall_msg(c, m);
		return;
	}
	council_seen_answer(c, m);
	council_hold_msg(c, m);
	registers_in(c, &(struct registers_in){.type = REGISTERS_IN_MSG, .msg = m});
}

void council_on_coming(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents; /* the loop has turned, which is all */
}

static void on_stored(void *arg, uint64_t write)
{
	struct council *c = arg;

	node_now(c->n);
	registers_in(c, &(struct registers_in){.type = REGISTERS_IN_STORED, .write = write});
}

static void on_full(void *arg)
{
	struct council *c = arg;

	node_now(c->n);
	registers_in(c, &(struct registers_in){.type = REGISTERS_IN_FULL});
}

/* The page cache is not to be trusted any more. Agents run on; the next start does not vote (votes.h). */
static void on_failed(void *arg, const char *sentence)
{
	struct council *c = arg;
	struct node *n = c->n;

	c->ended = true;
	node_event(n, SEVERITY_ERROR, "store", NULL, NULL, "%s", sentence);
	n->failed = true;
	ev_break(n->loop, EVBREAK_ALL);
}

const struct votes_hooks council_hooks = {.stored = on_stored, .full = on_full, .failed = on_failed};

/* ---- the turn ---- */

static void sleep_is_over(struct council *c)
{
	registers_in(c, &(struct registers_in){.type = REGISTERS_IN_RESUMED});
	council_hold_resumed(c);
}

static void look_for_sleep(struct council *c)
{
	int64_t slept_ms = c->n->now.boot_ms - c->n->now.mono_ms;

	if (slept_ms > c->slept_ms + SLEPT_MS)
		sleep_is_over(c);
	c->slept_ms = MAX(c->slept_ms, slept_ms);
}

/* Gossip keeps links to those that vote. */
static void tell_voters(struct council *c)
{
	const struct quorum_cfg *cfg = registers_cfg(agree_registers(c->a));
	const struct quorum_set *const sets[] = {&cfg->old, &cfg->next};
	uint64_t ids[QUORUM_ALL_MAX];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		for (uint8_t k = 0; k < sets[i]->n; k++)
			ids[n++] = gossip_id_of(sets[i]->v[k].v);
	cluster_voters(c->n->cluster, ids, n);
}

bool council_is_coming(const struct council *c)
{
	return ev_is_active(&c->coming);
}

/* It ends with a turn of the loop, in which what has waited goes on. */
static void look_for_majority(struct council *c)
{
	bool comes = !c->came && cluster_stand(c->n->cluster) == CLUSTER_MEMBER;
	bool heard = (comes || council_is_coming(c)) && council_has_quorum(c);

	if (!comes && !heard)
		return;
	c->came = true;
	ev_timer_stop(c->n->loop, &c->coming);
	ev_timer_set(&c->coming, heard ? 0. : COMING_S, 0.);
	ev_timer_start(c->n->loop, &c->coming);
}

void council_turn(struct council *c)
{
	if (!c->a || c->ended)
		return;
	look_for_sleep(c);
	council_view_drop(c);
	council_defs_sweep(c);
	council_give_commands(c);
	council_recall_turn(c);
	if (!c->n->cluster || !cluster_core(c->n->cluster))
		return;
	if (c->keep_again && !ev_is_active(&c->again)) {
		ev_timer_set(&c->again, AGAIN_S, 0.);
		ev_timer_start(c->n->loop, &c->again);
	}
	look_for_majority(c);
	council_seen_turn(c);
	if (c->cfg_changed) {
		c->cfg_changed = false;
		tell_voters(c);
		council_era_turn(c);
		council_hold_cfg(c);
	}
	council_import_turn(c);
	decided_hold_due(c->n);
	council_hold_turn(c);
	council_hint_turn(c);
	arm(c, agree_deadline_ms(c->a));
}
