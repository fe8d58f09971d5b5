/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What voters have written, as those remember who had an answer of them: it is told to each that we get a link to, so
 * that one whose disk went back in time hears of it. Nobody votes before he has heard that: of each member that he has
 * a link to, and of one at least, where there are others.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster.h"
#include "node/cluster_register.h"
#include "node/council_priv.h"
#include "node/node.h"

#define PUT_EVERY_MS 1000
#define ALONE_MS     1000 /* others may be there whom we have not heard yet */

static struct council_saw *find(struct council *c, const struct uuid *node)
{
	for (size_t i = 0; i < c->n_saw; i++)
		if (ballot_same_node(&c->saw[i].node, node))
			return &c->saw[i];
	return NULL;
}

static struct council_saw *find_or_add(struct council *c, const struct uuid *node)
{
	struct council_saw *s = find(c, node);

	if (s)
		return s;
	if (c->n_saw == VOTES_SEEN_MAX) {
		memmove(c->saw, c->saw + 1, (c->n_saw - 1) * sizeof(*c->saw));
		c->n_saw--;
	}
	if (c->n_saw == c->cap_saw) {
		size_t cap = c->cap_saw ? 2 * c->cap_saw : 8;
		struct council_saw *v = mem_realloc(c->saw, cap * sizeof(*v));

		if (!v)
			return NULL;
		c->saw = v;
		c->cap_saw = cap;
	}
	s = &c->saw[c->n_saw++];
	*s = (struct council_saw){.node = *node};
	return s;
}

static int load(void *arg, const struct uuid *node, uint64_t boot, uint64_t write)
{
	struct council_saw *s = find_or_add(arg, node);

	if (!s)
		return -ENOMEM;
	s->boot = boot;
	s->write = write;
	return 0;
}

int council_seen_load(struct council *c, struct err *e)
{
	return votes_load_seen(c->votes, load, c, e);
}

void council_seen_answer(struct council *c, const struct msg *m)
{
	struct council_saw *s;

	if (m->boot == 0)
		return; /* no answer of a voter */
	s = find_or_add(c, &m->from);
	if (!s || (m->boot <= s->boot && m->write <= s->write))
		return; /* no memory: others remember */
	s->boot = MAX(s->boot, m->boot);
	s->write = MAX(s->write, m->write);
	s->due = true;
}

void council_seen_tell(struct council *c, const struct uuid *peer)
{
	const struct council_saw *s = find(c, peer);
	struct msg m = {.type = MSG_SEEN, .from = c->self};

	if (s) {
		m.boot = s->boot;
		m.write = s->write;
	}
	(void)cluster_register_send(c->n->cluster, peer, &m); /* a link that ends is told of when there is another */
}

static bool has_heard(const struct council *c, uint64_t id)
{
	for (size_t i = 0; i < c->n_heard; i++)
		if (c->heard[i] == id)
			return true;
	return false;
}

void council_seen_heard(struct council *c, const struct msg *m)
{
	uint64_t id = gossip_id_of(m->from.v);

	(void)council_in(
		c, &(struct agree_in){.type = AGREE_IN_REGISTERS,
			   .registers = &(struct registers_in){
				   .type = REGISTERS_IN_SEEN, .boot = m->boot, .write = m->write}}); /* cannot fail */
	if (c->open || has_heard(c, id))
		return;
	if (c->n_heard == c->cap_heard) {
		size_t cap = c->cap_heard ? 2 * c->cap_heard : 16;
		uint64_t *v = mem_realloc(c->heard, cap * sizeof(*v));

		if (!v)
			return; /* it votes when that member's link is another */
		c->heard = v;
		c->cap_heard = cap;
	}
	c->heard[c->n_heard++] = id;
}

bool council_is_alone_voter(const struct council *c)
{
	const struct quorum_cfg *cfg = council_voters(c);

	return cfg->old.n == 1 && cfg->next.n == 0 && ballot_same_node(&cfg->old.v[0], &c->self);
}

static bool may_vote(const struct council *c)
{
	const struct gossip *g = cluster_core(c->n->cluster);
	struct gossip_member m;
	size_t heard = 0, others = 0;

	for (uint32_t at = 0; gossip_member_next(g, &at, &m);) {
		if (m.self || m.state > GOSSIP_SUSPECT)
			continue;
		others++;
		if (has_heard(c, m.id))
			heard++;
		else if (m.link != GOSSIP_NO_LINK)
			return false;
	}
	if (others > 0)
		return heard > 0;
	return council_is_alone_voter(c) && c->n->now.mono_ms - c->n->started_mono_ms >= ALONE_MS;
}

static void put(struct council *c, struct council_saw *s)
{
	if (!s->due || c->n->now.mono_ms - s->put_ms < PUT_EVERY_MS)
		return;
	if (votes_put_seen(c->votes, &s->node, s->boot, s->write, node_stored, c->n) < 0)
		return; /* the queue is full: in a later turn */
	s->put_ms = c->n->now.mono_ms;
	s->due = false;
}

static void open_votes(struct council *c)
{
	c->open = true;
	free(c->heard);
	c->heard = NULL;
	c->n_heard = c->cap_heard = 0;
	(void)council_in(c, &(struct agree_in){.type = AGREE_IN_REGISTERS,
				    .registers = &(struct registers_in){.type = REGISTERS_IN_OPEN}}); /* cannot fail */
}

/* Whoever is there has been heard; where nobody is, the operator's word is all there is. */
bool council_trust(struct council *c, struct err *e)
{
	const struct gossip *g = c->n->cluster ? cluster_core(c->n->cluster) : NULL;
	struct gossip_member m;
	char text[ERR_TEXT_MAX];

	if (c->open)
		return true;
	if (*c->fault || !g || !c->n->boot_kept) {
		(void)err_set(e, -EPERM, "%s does not vote: %s", c->n->cfg->name,
			*c->fault ? c->fault
			: g && cluster_fault(c->n->cluster, text, sizeof(text))
				? text
				: "it has just begun"); /* it is read from there */
		return false;
	}
	for (uint32_t at = 0; gossip_member_next(g, &at, &m);)
		if (!m.self && m.state <= GOSSIP_SUSPECT && m.link != GOSSIP_NO_LINK && !has_heard(c, m.id)) {
			(void)err_set(e, -EAGAIN, "%s has not told yet what it knows of the votes of %s",
				m.has_record ? m.record.name.v : "a member", c->n->cfg->name); /* as above */
			return false;
		}
	open_votes(c);
	return true;
}

void council_seen_turn(struct council *c)
{
	for (size_t i = 0; i < c->n_saw; i++)
		put(c, &c->saw[i]);
	if (c->open || *c->fault || !c->n->boot_kept || !may_vote(c))
		return;
	open_votes(c);
}

void council_seen_done(struct council *c)
{
	free(c->saw);
	free(c->heard);
}
