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
#include <sys/random.h>

#include "base/mem.h"
#include "gossip/identity.h"
#include "node/cluster.h"
#include "node/cluster_register.h"
#include "node/council_priv.h"
#include "node/decided.h"
#include "node/node.h"
#include "node/register_reader.h"

#define STEPS_A_TURN 256  /* what is due at once: then the loop turns */
#define WRITE_US     3000 /* how long a write takes */
#define SLEPT_MS     20	  /* the two clocks are not read at one instant */
#define AGAIN_S	     1.0  /* until what the disk did not take is given to it again */

static void *give(void *ctx, size_t n)
{
	(void)ctx;
	return mem_alloc(n);
}

static void take_back(void *ctx, void *p, size_t n)
{
	(void)ctx;
	(void)n;
	free(p);
}

const struct value_mem council_mem = {.alloc = give, .release = take_back};

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
}

static void voters_changed(struct council *c, const struct registers_out *out)
{
	static const char *const texts[VOTERS_OUTCOME_MAX] = {[VOTERS_NONE] = "",
		[VOTERS_CHANGED] = "the voters were changed",
		[VOTERS_OVERTAKEN] = "another node has changed the voters meanwhile",
		[VOTERS_FULL] = "no memory to change the voters; another node may go on",
		[VOTERS_UNREADY] = "the voters are as they were: one that was to vote made no durable write in time"};

	node_event(c->n, SEVERITY_INFO, "voters", NULL, NULL, "%s", texts[out->voters_outcome]);
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
	case REGISTERS_OUT_ENDED:
	case REGISTERS_OUT_MAX:
		break;
	}
}

static uint64_t token_of(const struct council_ask *k)
{
	return k->is_root ? k->root.token : k->command.token;
}

static struct council_ask *find_asked(struct council *c, uint64_t token)
{
	LIST_FOREACH (at, &c->asked) {
		struct council_ask *k = LIST_ENTRY(at, struct council_ask, link);

		if (token_of(k) == token)
			return k;
	}
	return NULL;
}

static void answer(struct council_ask *k, const struct agree_answer *a)
{
	list_del(&k->link);
	k->fn(k->arg, a);
	free(k);
}

static void arm(struct council *c)
{
	int64_t at = c->ended ? DEADLINE_NEVER : MIN(agree_deadline_ms(c->a), holding_deadline_ms(&c->hold));

	if (at == c->armed_ms && ev_is_active(&c->timer))
		return;
	c->armed_ms = at;
	ev_timer_stop(c->n->loop, &c->timer);
	if (at == DEADLINE_NEVER)
		return;
	ev_now_update(c->n->loop);
	ev_timer_set(&c->timer, (double)MAX(at - node_now(c->n).mono_ms, (int64_t)0) / 1e3, 0.);
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
	for (size_t i = 0; i < c->outs.n_answers; i++) {
		struct council_ask *k = find_asked(c, c->outs.answers[i].token);

		if (k)
			answer(k, &c->outs.answers[i]);
	}
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
	if (c->stepping || !c->a || c->ended)
		return;
	ask_self(c);
	for (int i = 0; i < STEPS_A_TURN && agree_deadline_ms(c->a) <= c->n->now.mono_ms; i++)
		(void)step(c, &(struct agree_in){.type = AGREE_IN_REGISTERS,
				      .registers = &(struct registers_in){.type = REGISTERS_IN_TICK}});
	arm(c);
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
	(void)council_in(c, &(struct agree_in){.type = AGREE_IN_REGISTERS, .registers = in}); /* such inputs cannot fail */
}

/* ---- the loop's callbacks ---- */

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct council *c = w->data;

	(void)loop;
	(void)revents;
	node_now(c->n);
	council_hold_tick(c);
	council_go_on(c);
}

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct council *c = w->data;

	(void)loop;
	(void)revents;
	node_now(c->n);
	decided_again(c->n);
}

static void on_message(void *arg, const struct msg *m)
{
	struct council *c = arg;

	if (m->type == MSG_SEEN) {
		council_seen_heard(c, m);
		return;
	}
	council_seen_answer(c, m);
	council_hold_msg(c, m);
	registers_in(c, &(struct registers_in){.type = REGISTERS_IN_MSG, .msg = m});
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

static const struct votes_hooks hooks = {.stored = on_stored, .full = on_full, .failed = on_failed};

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

static void refuse(struct council_ask *k, int rc, const char *why)
{
	struct agree_answer a = {.token = token_of(k), .outcome = AGREE_REFUSED};

	(void)err_set(&a.refused, rc, "%s", why); /* it is read from there */
	answer(k, &a);
}

static const char *refusal_of(const struct council *c, int rc, char *out, size_t n)
{
	switch (rc) {
	case -ENOTCONN:
		return council_fault(c, out, n) ? out : "it is not known yet who votes; try again in a moment";
	case -EAGAIN:
		return "too many changes are under way; try again in a moment";
	case -ENOSPC:
		return "there are as many agents already as there may be, removed ones among them";
	case -ENOMEM:
		return "out of memory";
	default:
		return strerror(-rc);
	}
}

static void give_commands(struct council *c)
{
	while (!list_is_empty(&c->asks)) {
		struct council_ask *k = LIST_ENTRY(c->asks.next, struct council_ask, link);
		char text[ERR_TEXT_MAX];
		int rc;

		list_del(&k->link);
		list_add_tail(&c->asked, &k->link);
		rc = council_in(c, &(struct agree_in){.type = k->is_root ? AGREE_IN_ROOT : AGREE_IN_COMMAND,
					   .command = &k->command,
					   .root = &k->root});
		if (rc < 0)
			refuse(k, rc, refusal_of(c, rc, text, sizeof(text)));
	}
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

void council_turn(struct council *c)
{
	if (!c->a || c->ended)
		return;
	look_for_sleep(c);
	council_view_drop(c);
	council_defs_sweep(c);
	give_commands(c);
	if (!c->n->cluster || !cluster_core(c->n->cluster))
		return;
	if (c->keep_again && !ev_is_active(&c->again)) {
		ev_timer_set(&c->again, AGAIN_S, 0.);
		ev_timer_start(c->n->loop, &c->again);
	}
	council_seen_turn(c);
	if (c->cfg_changed) {
		c->cfg_changed = false;
		tell_voters(c);
		council_hold_cfg(c);
	}
	decided_hold_due(c->n);
	council_hold_turn(c);
	council_hint_turn(c);
	arm(c);
}

/* ---- opening ---- */

static int load_begin(void *arg, const struct acceptor_header *header, uint64_t write)
{
	struct council *c = arg;
	struct agree_config config = {
		.registers = {.acceptor = {.self = c->self,
				      .header = *header,
				      .boot = c->n->next_run >> 32,
				      .write = write,
				      .reader = &register_reader},
			.seed = rng_u64(&c->n->rng)},
		.world = {.view = council_view, .spec = council_spec, .same_run = council_same_run, .ctx = c},
		.write_us = WRITE_US};

	if (getrandom(&config.registers.nonce, sizeof(config.registers.nonce), 0) !=
		(ssize_t)sizeof(config.registers.nonce))
		return -EIO;
	return agree_new(&config, &council_mem, c->n->now, &c->a);
}

static int load_vote(void *arg, const struct msg_key *key, const struct ballot *promised,
	const struct ballot *accepted, struct msg_bytes value)
{
	return registers_load(agree_registers(((struct council *)arg)->a), key, promised, accepted, value);
}

static int load_lasting(void *arg, const struct msg_key *key, const struct msg_slot *slot, uint32_t long_ms)
{
	return registers_load_long(agree_registers(((struct council *)arg)->a), key, slot, long_ms);
}

static const struct votes_sink sink = {.begin = load_begin, .vote = load_vote, .lasting = load_lasting};

static int load_chosen(void *arg, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value)
{
	struct council *c = arg;
	int rc = registers_load_chosen(agree_registers(c->a), key, ballot, value);

	if (rc == 0 && key->n > 0)
		decided_loaded(c->n, key, ballot, value);
	return rc;
}

int council_open(struct node *n, struct council **ret, struct err *e)
{
	struct council *c = mem_zalloc(1, sizeof(*c));
	int rc;

	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	c->n = n;
	list_init(&c->asks);
	list_init(&c->asked);
	list_init(&c->self_asks);
	ev_timer_init(&c->timer, on_timer, 0., 0.);
	ev_timer_init(&c->again, on_again, AGAIN_S, 0.);
	c->timer.data = c->again.data = c;
	c->armed_ms = DEADLINE_NEVER;
	c->slept_ms = n->now.boot_ms - n->now.mono_ms;
	council_hint_init(c);
	if (identity_parse(store_node_id(n->store), c->self.v) < 0)
		rc = err_set(e, -EUCLEAN, "the store has an id that is none: it is damaged; restore a backup");
	else
		rc = votes_new(n->store, n->cfg->run_dir, &hooks, c, &c->votes, e);
	if (rc < 0) {
		council_hint_done(c);
		free(c);
		return rc;
	}
	*ret = c;
	n->leases = true;
	return 0;
}

/* One that does not vote takes part all the same: it decides, and hears what is chosen. */
static int load_without_votes(struct council *c, const struct err *why, struct err *e)
{
	const struct acceptor_header none = {0};
	int rc;

	memcpy(c->fault, why->text, sizeof(c->fault));
	node_event(c->n, SEVERITY_ERROR, "no-votes", NULL, NULL, "%s", c->fault);
	agree_free(c->a);
	c->a = NULL;
	rc = load_begin(c, &none, 0);
	return rc < 0 ? err_set(e, rc, "registers: %s", strerror(-rc)) : 0;
}

int council_load(struct council *c, struct err *e)
{
	struct err why;
	int rc = votes_load(c->votes, &sink, c, &why);

	if (rc == -EUCLEAN || rc == -EIO)
		rc = load_without_votes(c, &why, e);
	else if (rc < 0)
		memcpy(e, &why, sizeof(*e));
	if (rc == 0)
		rc = council_hold_load(c, e);
	if (rc == 0)
		rc = votes_load_chosen(c->votes, load_chosen, c, e);
	if (rc == 0)
		rc = council_seen_load(c, e);
	c->cfg_changed = true;
	return rc;
}

void council_begin(struct council *c)
{
	cluster_register_listen(c->n->cluster, on_message, c);
	council_hint_begin(c);
	arm(c);
}

void council_end(struct council *c)
{
	if (!c)
		return;
	c->ended = true;
	ev_timer_stop(c->n->loop, &c->timer);
	ev_timer_stop(c->n->loop, &c->again);
	LIST_FOREACH_SAFE (at, &c->asks)
		refuse(LIST_ENTRY(at, struct council_ask, link), -ESHUTDOWN, "the daemon is stopping");
	LIST_FOREACH_SAFE (at, &c->asked) {
		struct council_ask *k = LIST_ENTRY(at, struct council_ask, link);

		answer(k, &(struct agree_answer){.token = token_of(k), .outcome = AGREE_UNKNOWN});
	}
}

void council_close(struct council *c)
{
	if (!c)
		return;
	votes_free(c->votes);
	agree_free(c->a);
	council_hold_done(c);
	LIST_FOREACH_SAFE (at, &c->self_asks)
		free(LIST_ENTRY(at, struct council_self, link));
	council_view_done(c);
	council_hint_done(c);
	council_seen_done(c);
	free(c);
}

/* ---- for others ---- */

static struct council_ask *ask_new(struct council *c, size_t text_n, council_answered *fn, void *arg)
{
	struct council_ask *k = mem_alloc(sizeof(*k) + text_n);

	if (!k)
		return NULL;
	*k = (struct council_ask){.fn = fn, .arg = arg};
	list_add_tail(&c->asks, &k->link);
	return k;
}

/* The caller has checked their lengths. NULL stays NULL. */
static const char *keep(char *to, size_t n, const char *s)
{
	if (!s)
		return NULL;
	(void)snprintf(to, n, "%s", s); /* fits */
	return to;
}

int council_command(struct council *c, const struct agree_command *cmd, council_answered *fn, void *arg)
{
	struct council_ask *k = ask_new(c, cmd->text.n, fn, arg);

	if (!k)
		return -ENOMEM;
	k->command = *cmd;
	k->command.token = ++c->token;
	if (cmd->text.n > 0)
		memcpy(k->text, cmd->text.v, cmd->text.n);
	k->command.text.v = k->text;
	k->command.event.op = keep(k->op, sizeof(k->op), cmd->event.op);
	return 0;
}

int council_root_command(struct council *c, const struct agree_root_command *cmd, council_answered *fn, void *arg)
{
	struct council_ask *k = ask_new(c, 0, fn, arg);

	if (!k)
		return -ENOMEM;
	k->is_root = true;
	k->root = *cmd;
	k->root.token = ++c->token;
	k->root.op = keep(k->op, sizeof(k->op), cmd->op);
	k->root.name = keep(k->name, sizeof(k->name), cmd->name);
	k->root.spread = keep(k->spread, sizeof(k->spread), cmd->spread);
	return 0;
}

const struct register_root *council_root(const struct council *c)
{
	return agree_root(c->a);
}

bool council_get(const struct council *c, const char *agent, struct ballot *ret_ballot, struct msg_bytes *ret_value)
{
	struct msg_key key;

	return c && c->a && decided_key(agent, &key) &&
	       registers_get(agree_registers(c->a), &key, ret_ballot, ret_value);
}

const struct quorum_cfg *council_voters(const struct council *c)
{
	return registers_cfg(agree_registers(c->a));
}

bool council_is_voter(const struct council *c, uint64_t member)
{
	const struct quorum_cfg *cfg = council_voters(c);

	for (uint8_t i = 0; i < cfg->old.n; i++)
		if (gossip_id_of(cfg->old.v[i].v) == member)
			return true;
	for (uint8_t i = 0; i < cfg->next.n; i++)
		if (gossip_id_of(cfg->next.v[i].v) == member)
			return true;
	return false;
}

const char *council_fault(const struct council *c, char *out, size_t n)
{
	const struct cluster *cluster = c->n->cluster;

	if (cluster && cluster_fault(cluster, out, n))
		return out;
	if (registers_cfg(agree_registers(c->a))->epoch == 0) {
		(void)snprintf(out, n, "%s has not heard yet who votes", c->n->cfg->name); /* cut is fine */
		return out;
	}
	return NULL;
}

/* ---- of members ---- */

static void hosts(struct council *c, enum sched_event_type event, const struct gossip_member *m)
{
	struct uuid u = {{0}};

	if (m->has_record)
		memcpy(u.v, m->record.uuid, sizeof(u.v));
	council_view_drop(c);
	(void)council_in(c,
		&(struct agree_in){.type = AGREE_IN_HOSTS, .event = event, .subject = register_node_of(&u)}); /* cannot fail */
}

void council_member(struct council *c, const struct gossip_member *m, int was)
{
	switch (m->state) {
	case GOSSIP_ALIVE:
		if (was != GOSSIP_SUSPECT)
			hosts(c, SCHED_EVENT_NODE_BACK, m);
		break;
	case GOSSIP_DEAD:
		hosts(c, SCHED_EVENT_NODE_DEAD, m);
		break;
	case GOSSIP_LEFT:
	case GOSSIP_FORGOTTEN:
		hosts(c, SCHED_EVENT_NODE_GONE, m);
		break;
	case GOSSIP_SUSPECT:
	case GOSSIP_STATE_MAX:
		break;
	}
}

/* "web" of "web.3". */
static struct gossip_str agent_of(struct gossip_str id)
{
	const char *dot = memrchr(id.v, '.', id.n);

	return dot ? (struct gossip_str){id.v, (uint16_t)(dot - id.v)} : id;
}

static bool begins(struct gossip_str key, const char *with, struct gossip_str *rest)
{
	size_t n = strlen(with);

	if (key.n < n || memcmp(key.v, with, n) != 0)
		return false;
	*rest = (struct gossip_str){key.v + n, (uint16_t)(key.n - n)};
	return true;
}

/* Something is said of an agent's replicas: whether anything is to be decided of it now. */
static void look_at(struct council *c, struct gossip_str agent)
{
	struct agree_in in = {.type = AGREE_IN_AGENT};

	if (agent.n > NAME_MAX_LEN || memchr(agent.v, '/', agent.n))
		return; /* a node's own */
	in.key.n = (uint8_t)agent.n;
	memcpy(in.key.v, agent.v, agent.n);
	(void)council_in(c, &in); /* cannot fail */
}

void council_told(struct council *c, const struct gossip_member *m, uint32_t version)
{
	const struct gossip *g = cluster_core(c->n->cluster);
	struct gossip_entry e;
	struct gossip_str rest;

	council_view_drop(c);
	for (uint32_t at = 0; gossip_value_next(g, m->id, &at, &e);) {
		if (e.version <= version)
			continue;
		if (begins(e.key, TOLD_CHOSEN, &rest)) {
			if (!e.removed && !m->self)
				council_hint_heard(c, m, &e);
		} else if (begins(e.key, TOLD_AGENT, &rest)) {
			look_at(c, rest);
		} else if (begins(e.key, TOLD_REPLICA, &rest)) {
			look_at(c, agent_of(rest));
		} else if (begins(e.key, TOLD_NODE, &rest)) {
			hosts(c, SCHED_EVENT_TICK, m);
		}
	}
}

void council_linked(struct council *c, const struct uuid *peer)
{
	council_seen_tell(c, peer);
}

void council_anew(struct council *c)
{
	council_hint_anew(c);
}
