/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether all agree, and with the truth.
 */
#include "tests/sim/oracle_priv.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "tests/sim/node.h"

/* NULL, or what is wrong with how this one is seen. */
static const char *seen_wrongly(const struct sim *s, uint32_t i)
{
	const struct sim_node *n = &s->nodes[i];
	const uint32_t *of = s->oracle->count[i].of;

	if (n->forgotten)
		return of[ORACLE_ALIVE] + of[ORACLE_SUSPECT] + of[ORACLE_DEAD] ? "was forgotten, and is still seen"
									       : NULL;
	switch (n->life) {
	case SIM_RUNS:
		return of[ORACLE_ALIVE] != s->oracle->living && !n->leaving ? "lives, and not all know" : NULL;
	case SIM_DOWN:
	case SIM_LOST:
	case SIM_LEFT:
		return of[ORACLE_ALIVE] + of[ORACLE_SUSPECT] ? "is gone, and not all know" : NULL;
	case SIM_ABSENT:
	case SIM_STOPPED:
	case SIM_ASLEEP:
	case SIM_LIFE_MAX:
		break;
	}
	return NULL;
}

bool oracle_all_agree(struct sim *s, void *unused)
{
	(void)unused;
	for (uint32_t i = 0; i < s->o.room; i++)
		if (seen_wrongly(s, i))
			return false;
	return true;
}

/* Two living nodes whose views differ. */
static bool hashes_differ(const struct sim *s, uint32_t *ret_a, uint32_t *ret_b)
{
	const struct sim_node *first = NULL;

	for (uint32_t i = 0; i < s->o.room; i++) {
		const struct sim_node *n = &s->nodes[i];

		if (!node_lives(n) || n->forgotten)
			continue;
		if (!first)
			first = n;
		if (gossip_view_hash(n->g) == gossip_view_hash(first->g))
			continue;
		*ret_a = first->number;
		*ret_b = i;
		return true;
	}
	return false;
}

bool oracle_converged(struct sim *s, void *unused)
{
	uint32_t a, b;

	return oracle_all_agree(s, unused) && !hashes_differ(s, &a, &b);
}

static bool is_gone(bool has, const struct gossip_member *m)
{
	return !has || m->state == GOSSIP_LEFT || m->state == GOSSIP_FORGOTTEN;
}

/* The first member of whom two have different knowledge. */
static void tell_difference(struct sim *s, uint32_t a, uint32_t b, char *out, size_t n)
{
	for (uint32_t i = 0; i < s->o.room; i++) {
		struct gossip_member x = {0}, y = {0};
		bool has_x = gossip_member_get(s->nodes[a].g, s->nodes[i].id, &x);
		bool has_y = gossip_member_get(s->nodes[b].g, s->nodes[i].id, &y);

		if (is_gone(has_x, &x) && is_gone(has_y, &y))
			continue;
		if (has_x == has_y && x.incarnation == y.incarnation && x.version == y.version && x.state == y.state &&
			x.n_accusers == y.n_accusers && x.host_up == y.host_up)
			continue;
		(void)snprintf(out, n,
			"of n%" PRIu32 " n%" PRIu32 " has %s %" PRIx64 " version %" PRIu32 " (%u accusers), n%" PRIu32
			" has %s %" PRIx64 " version %" PRIu32 " (%u)",
			i, a, has_x ? gossip_state_name(x.state) : "nothing", x.incarnation, x.version, x.n_accusers, b,
			has_y ? gossip_state_name(y.state) : "nothing", y.incarnation, y.version, y.n_accusers);
		return;
	}
	(void)snprintf(out, n, "the views' hashes of n%" PRIu32 " and n%" PRIu32 " differ, and no member does", a, b);
}

uint32_t oracle_explain(struct sim *s, char *out, size_t n)
{
	uint32_t a, b;

	for (uint32_t i = 0; i < s->o.room; i++) {
		const char *wrong = seen_wrongly(s, i);
		const uint32_t *of = s->oracle->count[i].of;

		if (!wrong)
			continue;
		(void)snprintf(out, n,
			"n%" PRIu32 " %s: %" PRIu32 " living, of whom %" PRIu32 " see it alive, %" PRIu32
			" suspect, %" PRIu32 " dead, %" PRIu32 " left",
			i, wrong, s->oracle->living, of[ORACLE_ALIVE], of[ORACLE_SUSPECT], of[ORACLE_DEAD],
			of[ORACLE_LEFT]);
		return i;
	}
	if (!hashes_differ(s, &a, &b)) {
		(void)snprintf(out, n, "all agree");
		return UINT32_MAX;
	}
	tell_difference(s, a, b, out, n);
	return b;
}

struct content {
	uint64_t sum;
	size_t n;
};

static uint64_t hash_of(uint64_t h, const char *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)v[i]) * 0x100000001b3ULL;
	return h;
}

static void content_add(struct content *c, struct gossip_str key, struct gossip_str value)
{
	uint64_t h = hash_of(0xcbf29ce484222325ULL, key.v, key.n);

	c->sum += hash_of(h * 31 + 7, value.v, value.n);
	c->n++;
}

static struct content content_at(const struct sim_node *viewer, uint64_t id)
{
	struct content c = {0};
	struct gossip_entry e;
	uint32_t at = 0;

	while (gossip_value_next(viewer->g, id, &at, &e))
		if (!e.removed)
			content_add(&c, e.key, e.value);
	return c;
}

static struct content content_set(const struct sim_node *n)
{
	struct content c = {0};

	for (unsigned i = 0; i < SIM_KEYS_MAX; i++) {
		const struct sim_key *k = &n->keys[i];
		char name[16];
		struct gossip_str key = {.v = name};

		if (!k->set || k->removed)
			continue;
		key.n = (uint16_t)snprintf(name, sizeof(name), "key/%u", i);
		content_add(&c, key, (struct gossip_str){k->value, (uint16_t)k->len});
	}
	return c;
}

static void compare(
	struct sim *s, const struct sim_node *viewer, uint32_t subject, const struct content *as, const char *whose)
{
	struct content c = content_at(viewer, s->nodes[subject].id);

	if (c.n != as->n || c.sum != as->sum)
		sim_fail(s, viewer->number, "its map of n%" PRIu32 " has %zu entries and is not %s, of %zu", subject,
			c.n, whose, as->n);
}

void oracle_compare_all(struct sim *s)
{
	for (uint32_t i = 0; i < s->o.room; i++) {
		struct content as = {0};
		bool set = node_lives(&s->nodes[i]) && !s->nodes[i].forgotten, known = set;

		if (set)
			as = s->nodes[i].w ? content_at(&s->nodes[i], s->nodes[i].id) : content_set(&s->nodes[i]);
		for (uint32_t v = 0; v < s->o.room; v++) {
			const struct sim_node *viewer = &s->nodes[v];

			if (!node_lives(viewer) || viewer->forgotten)
				continue;
			if (!known)
				as = content_at(viewer, s->nodes[i].id);
			known = true;
			compare(s, viewer, i, &as, set ? "what it set" : "what others have");
		}
	}
}
