/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the disk says is to run here without a lease: before any of it is started the other members are asked what they
 * know of these registers, page by page, each once a link, and are answered in turn. See recall.h, which decides.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster.h"
#include "node/cluster_register.h"
#include "node/council_priv.h"
#include "node/node.h"

/* A slot of it would be started by what the disk says. */
static bool is_doubtful(const struct agent *a)
{
	if (a->recall == RECALL_HEARD || !a->decided)
		return false;
	for (size_t i = 0; i < a->decided->n; i++)
		if (!a->decided->slots[i].leased && !a->decided->slots[i].rests)
			return true;
	return false;
}

static bool is_any_doubtful(const struct council *c)
{
	LIST_FOREACH (at, &c->n->roster.order)
		if (is_doubtful(LIST_ENTRY(at, struct agent, order)))
			return true;
	return false;
}

bool council_recall_may_start(const struct agent *a)
{
	const struct council *c = a->node->council;

	return !c || recall_may_start(c->recall, a->recall);
}

const char *council_recall_why(const struct agent *a)
{
	const struct council *c = a->node->council;

	if (council_recall_may_start(a))
		return NULL;
	if (a->recall == RECALL_PASSED)
		return "waits: something newer was decided of it than the disk of this node has, and is not here yet";
	if (c->recall == RECALL_OLD)
		return "waits until another member tells of it: the disk of this node is an old copy";
	return "waits, 10s at most: other members are asked whether the disk of this node is an old copy";
}

/* ---- asking ---- */

static struct council_asked *find(struct council *c, const struct uuid *node)
{
	for (size_t i = 0; i < c->n_recallers; i++)
		if (ballot_same_node(&c->recallers[i].node, node))
			return &c->recallers[i];
	return NULL;
}

static struct council_asked *find_or_add(struct council *c, const struct uuid *node)
{
	struct council_asked *k = find(c, node);

	if (k)
		return k;
	if (c->n_recallers == c->cap_recallers) {
		size_t cap = c->cap_recallers ? 2 * c->cap_recallers : 16;
		struct council_asked *v = mem_realloc(c->recallers, cap * sizeof(*v));

		if (!v)
			return NULL; /* it counts as one that does not answer */
		c->recallers = v;
		c->cap_recallers = cap;
	}
	k = &c->recallers[c->n_recallers++];
	*k = (struct council_asked){.node = *node};
	return k;
}

void council_recall_linked(struct council *c, const struct uuid *peer)
{
	struct council_asked *k = c->is_recalling ? find_or_add(c, peer) : NULL;

	if (k && !k->answered)
		k->due = true;
}

/* Of what came to be known since others were asked. */
static void ask_anew(struct council *c)
{
	const struct gossip *g = cluster_core(c->n->cluster);
	struct gossip_member m;
	struct uuid u;

	for (size_t i = 0; i < c->n_recallers; i++)
		c->recallers[i] = (struct council_asked){.node = c->recallers[i].node, .due = true};
	for (uint32_t at = 0; g && gossip_member_next(g, &at, &m);) {
		if (m.self || m.link == GOSSIP_NO_LINK || !m.has_record)
			continue;
		memcpy(u.v, m.record.uuid, sizeof(u.v));
		council_recall_linked(c, &u);
	}
}

/*
 * What comes soon after the start may be old, too: of an old copy of the disk this node's own voter has accepted it,
 * and of members that are gone it is still told that it was chosen. So others are asked of it as of what was on disk.
 */
void council_recall_taken(struct agent *a, bool first)
{
	struct council *c = a->node->council;
	enum recall_source was = first ? RECALL_DISK : a->recall;
	struct msg_key key;

	a->recall = recall_taken(
		was, c->recall, decided_key(a->name, &key) && registers_is_behind(agree_registers(c->a), &key));
	c->recall_news |= a->recall != was;
	if (!c->n->cluster || c->recall != RECALL_ASKS || !is_doubtful(a))
		return; /* without one it is being loaded */
	c->is_recalling = true;
	ev_timer_start(c->n->loop, &c->patience); /* nothing, where it runs */
	ask_anew(c);
}

/* Those behind the last that were asked about. */
static uint32_t next_page(const struct council *c, const struct msg_key *after, struct msg_chosen page[MSG_KEYS_MAX])
{
	uint32_t n = 0;

	LIST_FOREACH (at, &c->n->roster.order) {
		const struct agent *a = LIST_ENTRY(at, struct agent, order);
		struct msg_chosen m;

		if (n == MSG_KEYS_MAX)
			break;
		if (!is_doubtful(a) || !decided_key(a->name, &m.key) || msg_key_cmp(&m.key, after) <= 0)
			continue;
		m.ballot = a->decided->ballot;
		page[n++] = m;
	}
	return n;
}

static void ask(struct council *c, struct council_asked *k)
{
	struct msg_chosen page[MSG_KEYS_MAX];
	struct msg m = {.type = MSG_KEPT, .from = c->self, .chosen = page};

	m.n_chosen = next_page(c, &k->after, page);
	k->due = false;
	k->answered = m.n_chosen == 0;
	if (k->answered)
		return;
	m.key = page[m.n_chosen - 1].key;
	k->asked = m.key;
	k->due = !cluster_register_send(c->n->cluster, &k->node, &m); /* in a later turn, or with the next link */
}

/* Without a link nobody is asked: the next one asks. */
static void ask_all_due(struct council *c)
{
	const struct gossip *g = cluster_core(c->n->cluster);
	struct gossip_member m;

	for (size_t i = 0; i < c->n_recallers; i++) {
		struct council_asked *k = &c->recallers[i];

		k->due = k->due && g && gossip_member_get(g, gossip_id_of(k->node.v), &m) && m.link != GOSSIP_NO_LINK;
		if (k->due)
			ask(c, k);
	}
}

/* ---- being asked ---- */

/* What is known from the disk alone confirms nothing; that something newer was chosen is so in any case. */
static bool knows(struct council *c, const struct msg_chosen *asked, struct ballot *ret)
{
	char name[NAME_MAX_LEN + 1];
	struct msg_bytes value;
	const struct agent *a;
	int newer;

	(void)snprintf(name, sizeof(name), "%.*s", (int)asked->key.n, asked->key.v); /* fits */
	if (!registers_get(agree_registers(c->a), &asked->key, ret, &value))
		return false;
	newer = ballot_cmp(ret, &asked->ballot);
	a = roster_find(c->n, name);
	return newer > 0 || (newer == 0 && (!a || a->recall == RECALL_HEARD));
}

static void answer(struct council *c, const struct msg *asked)
{
	struct msg_chosen known[MSG_KEYS_MAX];
	struct msg m = {.type = MSG_KNOWN, .from = c->self, .key = asked->key, .chosen = known};

	for (uint32_t i = 0; i < asked->n_chosen; i++) {
		known[m.n_chosen].key = asked->chosen[i].key;
		m.n_chosen += knows(c, &asked->chosen[i], &known[m.n_chosen].ballot);
	}
	(void)cluster_register_send(c->n->cluster, &asked->from, &m); /* one that is lost is waited for, for a while */
}

/* ---- what is told ---- */

static void told(struct council *c, const struct msg_key *key, const struct ballot *ballot, bool answers)
{
	char name[NAME_MAX_LEN + 1];
	enum recall_source was;
	struct agent *a;
	int at;

	if (!c->is_recalling)
		return;
	(void)snprintf(name, sizeof(name), "%.*s", (int)key->n, key->v); /* fits */
	a = roster_find(c->n, name);
	if (!a || !a->decided)
		return;
	was = a->recall;
	at = ballot_cmp(ballot, &a->decided->ballot);
	if (answers || at > 0)
		a->recall = recall_told(was, at);
	if (a->recall == was)
		return;
	c->recall_news = true;
	roster_mark(a);
}

/* In gossip: of members that are gone, too. So that it is the same says nothing. */
void council_recall_told(struct council *c, const struct msg_key *key, const struct ballot *ballot)
{
	told(c, key, ballot, false);
}

static void take(struct council *c, const struct msg *m)
{
	struct council_asked *k = find(c, &m->from);

	for (uint32_t i = 0; i < m->n_chosen; i++) {
		told(c, &m->chosen[i].key, &m->chosen[i].ballot, true);
		(void)council_in(c, &(struct agree_in){.type = AGREE_IN_REGISTERS,
					    .registers = &(struct registers_in){.type = REGISTERS_IN_HEARD,
						    .key = m->chosen[i].key,
						    .ballot = m->chosen[i].ballot}}); /* cannot fail */
	}
	if (!k || k->answered || msg_key_cmp(&k->asked, &m->key) != 0)
		return; /* it was asked in another life */
	k->after = m->key;
	ask(c, k);
}

void council_recall_msg(struct council *c, const struct msg *m)
{
	if (m->type == MSG_KEPT)
		answer(c, m);
	else
		take(c, m);
}

/* ---- the turn ---- */

static bool has_answered(struct council *c, const struct gossip_member *m)
{
	const struct council_asked *k;
	struct uuid u;

	if (!m->has_record)
		return false;
	memcpy(u.v, m->record.uuid, sizeof(u.v));
	k = find(c, &u);
	return k && k->answered;
}

/* Those that are here still. */
static size_t count_answered(const struct council *c, const struct gossip *g)
{
	struct gossip_member m;
	size_t n = 0;

	for (size_t i = 0; i < c->n_recallers; i++)
		n += c->recallers[i].answered && gossip_member_get(g, gossip_id_of(c->recallers[i].node.v), &m) &&
		     m.state <= GOSSIP_SUSPECT;
	return n;
}

static void look(struct council *c, struct recall_view *v)
{
	const struct gossip *g = cluster_core(c->n->cluster);
	struct gossip_member m;
	bool others = false;

	*v = (struct recall_view){
		.old = c->recall == RECALL_OLD, .since_ms = c->n->now.mono_ms - c->n->started_mono_ms};
	for (uint32_t at = 0; g && gossip_member_next(g, &at, &m);) {
		if (m.self || m.state > GOSSIP_SUSPECT)
			continue;
		others = true;
		v->silent += m.link != GOSSIP_NO_LINK && !has_answered(c, &m);
	}
	v->answered = g ? count_answered(c, g) : 0;
	v->single = !others && council_is_alone_voter(c) && cluster_was_alone(c->n->cluster);
}

static void has_come_to(struct council *c, const struct recall_view *v)
{
	ev_timer_stop(c->n->loop, &c->patience);
	if (c->recall == RECALL_ALONE && !v->single)
		node_event(c->n, SEVERITY_INFO, "believed", NULL, NULL,
			"no other member has told within %d s whether the disk of %s is an old copy: what it says is "
			"started",
			(int)(v->since_ms / 1000), c->n->cfg->name);
	LIST_FOREACH (at, &c->n->roster.order)
		if (LIST_ENTRY(at, struct agent, order)->recall != RECALL_HEARD)
			roster_mark(LIST_ENTRY(at, struct agent, order));
}

void council_recall_turn(struct council *c)
{
	struct recall_view v;
	enum recall_stand was = c->recall;

	if (!c->is_recalling || !c->n->cluster)
		return;
	ask_all_due(c);
	if (was == RECALL_ASKS) {
		look(c, &v);
		c->recall = recall_judge(was, &v);
		if (c->recall != was)
			has_come_to(c, &v);
	}
	if (c->recall_news)
		c->is_recalling = is_any_doubtful(c);
	c->recall_news = false;
}

void council_recall_old(struct council *c)
{
	c->recall = recall_judge(c->recall, &(struct recall_view){.old = true});
	ev_timer_stop(c->n->loop, &c->patience);
}

static void on_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct council *c = w->data;

	(void)loop;
	(void)revents;
	node_now(c->n); /* the loop turns, which is all */
}

void council_recall_init(struct council *c)
{
	ev_timer_init(&c->patience, on_patience, RECALL_ALONE_MS / 1e3, RECALL_ALONE_MS / 1e3);
	c->patience.data = c;
}

void council_recall_begin(struct council *c)
{
	c->is_recalling = is_any_doubtful(c);
	if (c->is_recalling && c->recall == RECALL_ASKS)
		ev_timer_start(c->n->loop, &c->patience);
}

void council_recall_done(struct council *c)
{
	ev_timer_stop(c->n->loop, &c->patience);
	free(c->recallers);
}
