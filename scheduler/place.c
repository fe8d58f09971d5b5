/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rooms, sorted by id so that one is found by halving and so that the order of the view is forgotten; and the choice of
 * the best among those that a slot fits into.
 */
#include "scheduler/place.h"

#include <string.h>

#include "scheduler/rank.h"

static void swap(struct place_room *a, struct place_room *b)
{
	struct place_room was = *a;

	*a = *b;
	*b = was;
}

static void sift(struct place_room *v, size_t at, size_t n)
{
	for (size_t child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && sched_compare_node(v[child].host->id, v[child + 1].host->id) < 0)
			child++;
		if (sched_compare_node(v[at].host->id, v[child].host->id) >= 0)
			return;
		swap(&v[at], &v[child]);
	}
}

/* Heapsort: qsort may ask for memory. */
static void sort(struct place_room *v, size_t n)
{
	for (size_t i = n / 2; i-- > 0;)
		sift(v, i, n);
	for (size_t i = n; i-- > 1;) {
		swap(&v[0], &v[i]);
		sift(v, 0, i);
	}
}

static const char *label_of(const struct sched_host *h, const char *key)
{
	for (size_t i = 0; i < h->n_labels; i++)
		if (strcmp(h->labels[i].key, key) == 0)
			return h->labels[i].value;
	return NULL;
}

/* Those without the label are a place of their own together. */
static bool same_value(const struct sched_host *a, const struct sched_host *b, const char *key)
{
	const char *x = label_of(a, key), *y = label_of(b, key);

	return x && y ? strcmp(x, y) == 0 : x == y;
}

bool place_begin(struct place_map *m, const char *agent, const struct sched_view *view, const char *spread)
{
	if (view->n_hosts > m->cap)
		return false;
	m->agent = agent;
	m->n = view->n_hosts;
	for (size_t i = 0; i < m->n; i++)
		m->rooms[i] = (struct place_room){.host = &view->hosts[i]};
	sort(m->rooms, m->n);
	for (uint32_t i = 0; i < m->n; i++) {
		uint32_t d = spread ? 0 : i;

		/* d is a first room when it is its own domain */
		while (d < i && (m->rooms[d].domain != d || !same_value(m->rooms[d].host, m->rooms[i].host, spread)))
			d++;
		m->rooms[i].domain = d;
	}
	return true;
}

struct place_room *place_room_of(const struct place_map *m, struct sched_node id)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (sched_compare_node(m->rooms[mid].host->id, id) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->n && sched_same_node(m->rooms[lo].host->id, id) ? &m->rooms[lo] : NULL;
}

void place_count(struct place_map *m, const struct sched_reserve *what, struct sched_node node, int sign)
{
	struct place_room *r = place_room_of(m, node);

	if (!r)
		return;
	assert(sign > 0 || r->mine > 0);
	r->mine += (uint32_t)sign;
	r->cpu_milli += sign * what->cpu_milli;
	r->memory_bytes += sign * what->memory_bytes;
	m->rooms[r->domain].domain_mine += (uint32_t)sign;
}

static bool holds(const struct sched_expr *e, const struct sched_host *h)
{
	const char *value = label_of(h, e->label);

	return e->equal == (value && strcmp(value, e->value) == 0);
}

static int64_t free_cpu(const struct place_room *r)
{
	return r->host->cpu_milli - r->host->reserved_cpu_milli - r->cpu_milli;
}

static int64_t free_memory(const struct place_room *r)
{
	return r->host->memory_bytes - r->host->reserved_memory_bytes - r->memory_bytes;
}

static int64_t unused_memory(const struct place_room *r)
{
	return r->host->memory_bytes - r->host->used_memory_bytes;
}

enum place_fault place_lacks(
	const struct place_room *r, const struct sched_spec *spec, const struct sched_reserve *was, size_t *ret_unmet)
{
	int64_t cpu = spec->reserve.cpu_milli - (was ? was->cpu_milli : 0);
	int64_t memory = spec->reserve.memory_bytes - (was ? was->memory_bytes : 0);

	for (size_t i = 0; i < spec->n_require; i++) {
		if (holds(&spec->require[i], r->host))
			continue;
		if (ret_unmet)
			*ret_unmet = i;
		return PLACE_UNMET;
	}
	if (cpu > 0 && cpu > free_cpu(r))
		return PLACE_NO_CPU;
	if (memory > 0 && memory > free_memory(r))
		return PLACE_NO_MEMORY;
	/* What runs there is among what is used, so a replica that stays where it is asks for nothing new. */
	if (!was && memory > unused_memory(r))
		return PLACE_FULL_MEMORY;
	return PLACE_FITS;
}

enum place_fault place_fault(
	const struct place_room *r, const struct sched_spec *spec, const struct sched_reserve *was, size_t *ret_unmet)
{
	if (r->host->state != SCHED_ALIVE)
		return PLACE_AWAY;
	if (!r->host->schedulable)
		return PLACE_CLOSED;
	if (r->host->draining)
		return PLACE_DRAINING;
	return place_lacks(r, spec, was, ret_unmet);
}

/* In tenths of what there is, the highest of reserved cpu, reserved memory, used cpu. */
static int64_t load(const struct place_room *r, const struct sched_spec *spec)
{
	const struct sched_host *h = r->host;
	int64_t cpu = 0, used = 0, memory = 0;

	if (h->cpu_milli > 0) {
		cpu = (h->cpu_milli - free_cpu(r) + spec->reserve.cpu_milli) * 10 / h->cpu_milli;
		used = h->used_cpu_milli * 10 / h->cpu_milli;
	}
	if (h->memory_bytes >= 16)
		memory = (h->memory_bytes - free_memory(r) + spec->reserve.memory_bytes) / (h->memory_bytes / 16 + 1) *
			 10 / 16;
	return MAX(MAX(cpu, used), memory);
}

static int64_t preferred(const struct sched_spec *spec, const struct sched_host *h)
{
	int64_t n = 0;

	for (size_t i = 0; i < spec->n_prefer; i++)
		n += holds(&spec->prefer[i], h);
	return n;
}

/* Less is better; the first that differs decides. The hash is compared apart. */
struct score {
	int64_t v[4];
	uint64_t hash;
};

static struct score score_of(const struct place_map *m, const struct place_room *r, const struct place_ask *ask)
{
	struct sched_node id = r->host->id;

	id.lo ^= (uint64_t)(ask->number + 1) * 0x9e3779b97f4a7c15ULL;
	return (struct score){
		.v = {m->rooms[r->domain].domain_mine, r->mine, -preferred(ask->spec, r->host), load(r, ask->spec)},
		.hash = rank_hash(m->agent, id)};
}

/* Rooms are walked by rising id, so that of two that are alike the first stays. */
static bool is_better(const struct score *a, const struct score *b)
{
	for (size_t i = 0; i < ARRAY_LEN(a->v); i++)
		if (a->v[i] != b->v[i])
			return a->v[i] < b->v[i];
	return a->hash > b->hash;
}

static bool is_avoided(const struct place_ask *ask, const struct place_room *r)
{
	for (size_t i = 0; i < ARRAY_LEN(ask->avoid); i++)
		if (sched_same_node(ask->avoid[i], r->host->id))
			return true;
	return false;
}

struct place_room *place_pick(const struct place_map *m, const struct place_ask *ask)
{
	struct place_room *best = place_room_of(m, ask->last);
	struct score best_score = {0};

	if (best && !is_avoided(ask, best) && place_fault(best, ask->spec, NULL, NULL) == PLACE_FITS)
		return best;
	best = NULL;
	for (size_t i = 0; i < m->n; i++) {
		struct place_room *r = &m->rooms[i];
		struct score s;

		if (is_avoided(ask, r) || place_fault(r, ask->spec, NULL, NULL) != PLACE_FITS)
			continue;
		s = score_of(m, r, ask);
		if (best && !is_better(&s, &best_score))
			continue;
		best = r;
		best_score = s;
	}
	return best;
}
