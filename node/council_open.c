/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The council's beginning and end: what its disk has, first; a damaged or doubtful vote is no reason to take no part.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "gossip/identity.h"
#include "node/cluster_register.h"
#include "node/council_priv.h"
#include "node/decided.h"
#include "node/node.h"
#include "node/register_reader.h"

const struct value_mem council_mem = {.alloc = mem_give, .release = mem_take_back};

static int load_begin(void *arg, const struct acceptor_header *header, uint64_t write)
{
	struct council *c = arg;
	struct agree_config config = {.registers = {.acceptor = {.self = c->self,
							    .header = *header,
							    .boot = c->n->next_run >> 32,
							    .write = write,
							    .reader = &register_reader},
					      .seed = rng_u64(&c->n->rng)},
		.world = {.view = council_view, .spec = council_spec, .same_run = council_same_run, .ctx = c}};

	if (getrandom(&config.registers.nonce, sizeof(config.registers.nonce), 0) !=
		(ssize_t)sizeof(config.registers.nonce))
		return -EIO;
	return agree_new(&config, &council_mem, c->n->now, &c->a);
}

static int load_vote(void *arg, const struct msg_key *key, const struct ballot *promised, const struct ballot *accepted,
	struct msg_bytes value)
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
	ev_timer_init(&c->timer, council_on_timer, 0., 0.);
	ev_timer_init(&c->again, council_on_again, 0., 0.);
	ev_timer_init(&c->coming, council_on_coming, 0., 0.);
	c->timer.data = c->again.data = c;
	c->armed_ms = DEADLINE_NEVER;
	c->slept_ms = n->now.boot_ms - n->now.mono_ms;
	council_hint_init(c);
	council_recall_init(c);
	if (identity_parse(store_node_id(n->store), c->self.v) < 0)
		rc = err_set(e, -EUCLEAN, "the store has an id that is none: it is damaged; restore a backup");
	else
		rc = votes_new(n->store, n->cfg->run_dir, &council_hooks, c, &c->votes, e);
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
	if (rc == 0)
		council_era_turn(c); /* what is on disk is what later ones are told apart from */
	return rc;
}

void council_begin(struct council *c)
{
	cluster_register_listen(c->n->cluster, council_on_message, c);
	ev_timer_start(c->n->loop, &c->timer);
	council_hint_begin(c);
	council_recall_begin(c);
}

void council_end(struct council *c)
{
	if (!c)
		return;
	c->ended = true;
	ev_timer_stop(c->n->loop, &c->timer);
	ev_timer_stop(c->n->loop, &c->again);
	ev_timer_stop(c->n->loop, &c->coming);
	ev_timer_stop(c->n->loop, &c->patience);
	council_end_commands(c);
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
	council_recall_done(c);
	free(c);
}
