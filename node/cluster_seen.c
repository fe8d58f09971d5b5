/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the core does not keep, since it knows no wall clock and forgets names: since when each member is as it is, as
 * seen here, and how it was called. And for the next start the addresses of those that are here (after a reboot of many
 * hosts those of `join` alone may be the wrong ones) and the names of the voters: whoever begins alone can say for whom
 * it waits.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster_priv.h"
#include "node/council.h"

#define KEEP_AFTER_S 5.0 /* a start of many nodes is one write */
#define GONE_MAX     64	 /* names of them that are kept, for events that are told late */

/* Where id is, or would be. */
static size_t at_of(const struct cluster *c, uint64_t id)
{
	size_t low = 0, high = c->n_seen;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (c->seen[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct cluster_seen *find(const struct cluster *c, uint64_t id)
{
	size_t at = at_of(c, id);

	return at < c->n_seen && c->seen[at].id == id ? &c->seen[at] : NULL;
}

static struct cluster_seen *insert(struct cluster *c, uint64_t id)
{
	size_t at = at_of(c, id);

	if (c->n_seen == c->cap_seen) {
		size_t cap = c->cap_seen ? 2 * c->cap_seen : 16;
		struct cluster_seen *v = mem_realloc(c->seen, cap * sizeof(*v));

		if (!v)
			return NULL; /* it is shown without its age, until the next change */
		c->seen = v;
		c->cap_seen = cap;
	}
	memmove(&c->seen[at + 1], &c->seen[at], (c->n_seen - at) * sizeof(c->seen[0]));
	c->n_seen++;
	c->seen[at] = (struct cluster_seen){.id = id, .state = GOSSIP_STATE_MAX};
	return &c->seen[at];
}

/* Those that the core does not show any more, nor may know any more. */
static void drop_gone(struct cluster *c)
{
	struct gossip_member m;
	size_t left = 0;

	if (c->n_seen <= gossip_members(c->g) + GONE_MAX)
		return;
	for (size_t i = 0; i < c->n_seen; i++)
		if (gossip_member_get(c->g, c->seen[i].id, &m) && m.state != GOSSIP_FORGOTTEN)
			c->seen[left++] = c->seen[i];
	c->n_seen = left;
}

/* What it tells beyond what was looked at; a new boot's map begins anew. */
static void look_at_map(struct cluster *c, struct cluster_seen *s, const struct gossip_member *m)
{
	uint64_t boot = m->incarnation >> 32;
	uint32_t from = boot == s->boot ? s->told : 0;

	if (!c->n->council || (boot == s->boot && m->version <= s->told))
		return;
	s->boot = boot;
	s->told = m->version;
	council_told(c->n->council, m, from);
}

void cluster_seen_change(struct cluster *c)
{
	struct gossip_member m;
	bool moved = false;
	int was;

	c->changed = false;
	while (c->g && gossip_change_next(c->g, &c->cursor, &m)) {
		struct cluster_seen *s = find(c, m.id);

		if (!s && !(s = insert(c, m.id)))
			continue;
		if (m.has_record) {
			memcpy(s->name, m.record.name.v, m.record.name.n);
			s->name[m.record.name.n] = '\0';
		}
		look_at_map(c, s, &m);
		if (s->state == m.state)
			continue;
		was = s->state;
		s->state = (uint8_t)m.state;
		if (m.state == GOSSIP_FORGOTTEN)
			cluster_forget_heard(c, m.id);
		s->since_wall_ms = c->n->now.wall_ms;
		s->since_mono_ms = c->n->now.mono_ms;
		moved = true;
		if (c->n->council)
			council_member(c->n->council, &m, was);
	}
	if (!moved)
		return;
	drop_gone(c);
	cluster_seen_keep(c);
}

/* ---- for the next start ---- */

static bool is_worth_it(const struct gossip_member *m)
{
	return !m->self && m->state <= GOSSIP_DEAD && m->has_record && m->record.address.n > 0;
}

static void on_kept(void *arg, int rc, const char *error)
{
	if (rc == 0)
		log_debug("members are remembered for the next start");
	node_stored(arg, rc, error);
}

/* *was: as on disk. */
static void keep_text(struct cluster *c, enum store_note note, struct bytes *text, char **was)
{
	if (text->failed || (*was && strcmp(*was, text->v) == 0))
		return;
	free(*was);
	*was = bytes_take(text);
	if (*was)
		(void)store_put_note(c->n->store, note, *was, on_kept, c->n); /* full: at the next change */
}

static void keep_known(struct cluster *c)
{
	CLEANUP(bytes_done) struct bytes text = {.max = (size_t)CLUSTER_KNOWN_MAX * CLUSTER_ADDRESS_MAX + 1};
	struct gossip_member m;
	size_t n = 0;

	(void)bytes_str(&text, ""); /* `failed` tells; as below */
	for (uint32_t at = 0; n < CLUSTER_KNOWN_MAX && gossip_member_next(c->g, &at, &m);)
		if (is_worth_it(&m)) {
			(void)bytes_fmt(&text, "%s\n", m.record.address.v);
			n++;
		}
	keep_text(c, STORE_NOTE_KNOWN, &text, &c->known);
}

static void keep_names(struct cluster *c)
{
	CLEANUP(bytes_done) struct bytes text = {.max = (size_t)QUORUM_ALL_MAX * (16 + 1 + GOSSIP_NAME_MAX + 1) + 1};
	const struct quorum_cfg *cfg = c->n->council ? council_voters(c->n->council) : NULL;

	(void)bytes_str(&text, "");
	for (int i = 0; cfg && i < quorum_voters(cfg); i++) {
		uint64_t id = gossip_id_of(quorum_voter(cfg, i)->v);
		const char *name = cluster_seen_name(c, id);

		if (id != gossip_id_of(c->uuid) && strcmp(name, "?") != 0)
			(void)bytes_fmt(&text, "%016" PRIx64 " %s\n", id, name);
	}
	if (text.n > 0)
		keep_text(c, STORE_NOTE_NAMES, &text, &c->names);
}

static void keep_all(struct cluster *c)
{
	if (!c->g)
		return;
	keep_known(c);
	keep_names(c);
}

static void on_keep(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	keep_all(w->data);
}

void cluster_seen_keep(struct cluster *c)
{
	if (ev_is_active(&c->keep))
		return;
	ev_timer_set(&c->keep, KEEP_AFTER_S, 0.);
	ev_timer_start(c->n->loop, &c->keep);
}

void cluster_seen_end(struct cluster *c)
{
	if (!ev_is_active(&c->keep))
		return;
	ev_timer_stop(c->n->loop, &c->keep);
	keep_all(c);
}

static void load_names(struct cluster *c)
{
	char name[GOSSIP_NAME_MAX + 1];
	uint64_t id;
	int n = 0;

	c->names = store_note(c->n->store, STORE_NOTE_NAMES);
	for (const char *p = c->names; p && sscanf(p, "%16" SCNx64 " %63s\n%n", &id, name, &n) == 2; p += n) {
		struct cluster_seen *s = find(c, id);

		if (s || (s = insert(c, id)))
			(void)snprintf(s->name, sizeof(s->name), "%s", name); /* fits */
	}
}

void cluster_seen_init(struct cluster *c)
{
	ev_timer_init(&c->keep, on_keep, 0., 0.);
	c->keep.data = c;
	c->known = store_note(c->n->store, STORE_NOTE_KNOWN);
	load_names(c);
}

void cluster_seen_done(struct cluster *c)
{
	ev_timer_stop(c->n->loop, &c->keep);
	free(c->seen);
	c->seen = NULL;
	c->n_seen = c->cap_seen = 0;
	c->changed = false;
}

/* ---- for others ---- */

int64_t cluster_since(const struct cluster *c, uint64_t id)
{
	const struct cluster_seen *s = find(c, id);

	return s ? s->since_wall_ms : 0;
}

int64_t cluster_since_mono(const struct cluster *c, uint64_t id)
{
	const struct cluster_seen *s = find(c, id);

	return s ? s->since_mono_ms : c->n->now.mono_ms;
}

bool cluster_was_alone(const struct cluster *c)
{
	return !c->known || !*c->known;
}

const char *cluster_seen_name(const struct cluster *c, uint64_t id)
{
	const struct cluster_seen *s;
	struct gossip_member m;

	if (c->g && gossip_member_get(c->g, id, &m) && m.has_record)
		return m.record.name.v;
	s = find(c, id);
	return s && *s->name ? s->name : "?";
}
