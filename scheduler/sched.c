/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value of an agent's register: its slots and earlier owners kept in order and within their bounds.
 */
#include "scheduler/sched.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const rollout_names[] = {
	[SCHED_ROLLOUT_IDLE] = "idle",
	[SCHED_ROLLOUT_RUNNING] = "running",
	[SCHED_ROLLOUT_PAUSED] = "paused",
	[SCHED_ROLLOUT_FAILED] = "failed",
	[SCHED_ROLLOUT_ROLLED_BACK] = "rolled back",
};
_Static_assert(ARRAY_LEN(rollout_names) == SCHED_ROLLOUT_STATE_MAX, "a name for each state");

static const char *const slot_names[] = {
	[SCHED_PENDING] = "pending",
	[SCHED_RUN] = "run",
	[SCHED_STOP] = "stop",
};
_Static_assert(ARRAY_LEN(slot_names) == SCHED_SLOT_STATE_MAX, "a name for each state");

const char *sched_rollout_name(enum sched_rollout_state s)
{
	return (unsigned)s < SCHED_ROLLOUT_STATE_MAX ? rollout_names[s] : NULL;
}

const char *sched_slot_state_name(enum sched_slot_state s)
{
	return (unsigned)s < SCHED_SLOT_STATE_MAX ? slot_names[s] : NULL;
}

int sched_compare_node(struct sched_node a, struct sched_node b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	return a.lo < b.lo ? -1 : a.lo > b.lo;
}

void sched_init(
	struct sched_value *v, struct sched_slot *slots, size_t cap_slots, struct sched_held *held, size_t cap_held)
{
	*v = (struct sched_value){.next_version = 1,
		.next_epoch = 1,
		.slots = slots,
		.cap_slots = MIN(cap_slots, (size_t)SCHED_SLOTS_MAX),
		.held = held,
		.cap_held = MIN(cap_held, (size_t)SCHED_HELD_MAX)};
}

bool sched_copy(struct sched_value *ret, const struct sched_value *v)
{
	struct sched_value was = *ret;

	if (v->n_slots > ret->cap_slots || v->n_held > ret->cap_held)
		return false;
	*ret = *v;
	ret->slots = was.slots;
	ret->cap_slots = was.cap_slots;
	ret->held = was.held;
	ret->cap_held = was.cap_held;
	if (v->n_slots > 0)
		memmove(ret->slots, v->slots, v->n_slots * sizeof(*v->slots));
	if (v->n_held > 0)
		memmove(ret->held, v->held, v->n_held * sizeof(*v->held));
	return true;
}

/* Where the slot is, or would be. */
static size_t slot_at(const struct sched_value *v, uint32_t number)
{
	size_t lo = 0, hi = v->n_slots;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v->slots[mid].number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct sched_slot *sched_slot_of(const struct sched_value *v, uint32_t number)
{
	size_t i = slot_at(v, number);

	return i < v->n_slots && v->slots[i].number == number ? &v->slots[i] : NULL;
}

struct sched_slot *sched_slot_add(struct sched_value *v, uint32_t number)
{
	size_t i = slot_at(v, number);

	if (v->n_slots == v->cap_slots || (i < v->n_slots && v->slots[i].number == number))
		return NULL;
	memmove(&v->slots[i + 1], &v->slots[i], (v->n_slots - i) * sizeof(*v->slots));
	v->n_slots++;
	v->slots[i] = (struct sched_slot){.number = number};
	return &v->slots[i];
}

void sched_slot_drop(struct sched_value *v, struct sched_slot *s)
{
	size_t i = (size_t)(s - v->slots);

	assert(i < v->n_slots);
	v->n_slots--;
	memmove(&v->slots[i], &v->slots[i + 1], (v->n_slots - i) * sizeof(*v->slots));
}

static void held_drop(struct sched_value *v, size_t i)
{
	v->n_held--;
	memmove(&v->held[i], &v->held[i + 1], (v->n_held - i) * sizeof(*v->held));
}

/* All that the node may run becomes one: some slot of it. */
static bool held_gather(struct sched_value *v, struct sched_node node, struct sched_held *ret)
{
	bool any = false;

	for (size_t i = v->n_held; i-- > 0;) {
		const struct sched_held *h = &v->held[i];

		if (!sched_same_node(h->node, node))
			continue;
		ret->number = SCHED_ANY_SLOT;
		ret->epoch = MAX(ret->epoch, h->epoch);
		ret->decision = MAX(ret->decision, h->decision);
		held_drop(v, i);
		any = true;
	}
	return any;
}

/* The node that is there most often. */
static bool held_most(const struct sched_value *v, struct sched_node *ret)
{
	size_t most = 1;

	for (size_t i = 0; i < v->n_held; i++) {
		size_t n = 0;

		for (size_t k = 0; k < v->n_held; k++)
			n += sched_same_node(v->held[k].node, v->held[i].node);
		if (n > most) {
			most = n;
			*ret = v->held[i].node;
		}
	}
	return most > 1;
}

bool sched_hold(struct sched_value *v, struct sched_held h)
{
	struct sched_held other = {0};

	for (size_t i = 0; i < v->n_held; i++) {
		struct sched_held *x = &v->held[i];

		if (!sched_same_node(x->node, h.node) || (x->number != h.number && x->number != SCHED_ANY_SLOT))
			continue;
		x->epoch = MAX(x->epoch, h.epoch);
		x->decision = MAX(x->decision, h.decision);
		return true;
	}
	if (v->n_held == v->cap_held && !held_gather(v, h.node, &h)) {
		if (!held_most(v, &other.node))
			return false;
		(void)held_gather(v, other.node, &other); /* there are at least two */
		v->held[v->n_held++] = other;
	}
	v->held[v->n_held++] = h;
	return true;
}

bool sched_has_op(const struct sched_value *v, const char *op)
{
	for (size_t i = 0; i < v->n_ops; i++)
		if (strcmp(v->ops[i], op) == 0)
			return true;
	return false;
}

void sched_add_op(struct sched_value *v, const char *op)
{
	if (v->n_ops == SCHED_OPS_MAX) {
		memmove(v->ops[0], v->ops[1], sizeof(v->ops) - sizeof(v->ops[0]));
		v->n_ops--;
	}
	(void)snprintf(v->ops[v->n_ops++], sizeof(v->ops[0]), "%s", op); /* the caller has looked at its length */
}

int64_t sched_share_of(struct sched_share s, int64_t n, bool round_up)
{
	if (!s.is_percent)
		return s.n;
	return (n * s.n + (round_up ? 99 : 0)) / 100;
}

const struct sched_host *sched_host_of(const struct sched_view *view, struct sched_node id)
{
	for (size_t i = 0; i < view->n_hosts; i++)
		if (sched_same_node(view->hosts[i].id, id))
			return &view->hosts[i];
	return NULL;
}

char *sched_name_of(const struct sched_view *view, struct sched_node id, char out[SCHED_NAME_TEXT_MAX])
{
	const struct sched_host *h = sched_host_of(view, id);

	if (h)
		(void)snprintf(out, SCHED_NAME_TEXT_MAX, "%s", h->name); /* a name is shorter */
	else if (!sched_is_node(id))
		(void)snprintf(out, SCHED_NAME_TEXT_MAX, "nobody");
	else
		(void)snprintf(out, SCHED_NAME_TEXT_MAX, "%08" PRIx64, id.hi >> 32); /* fits */
	return out;
}

/* Appends; what does not fit is cut. */
static void PRINTF_LIKE(4, 5) say(char *out, size_t n, size_t *at, const char *fmt, ...)
{
	va_list ap;
	int more;

	va_start(ap, fmt);
	more = *at < n ? vsnprintf(out + *at, n - *at, fmt, ap) : 0;
	va_end(ap);
	if (more > 0)
		*at += (size_t)more;
}

static void slot_dump(const struct sched_slot *s, const struct sched_view *view, char *out, size_t n, size_t *at)
{
	char name[SCHED_NAME_TEXT_MAX];

	say(out, n, at, "%s%" PRIu32, s->extra ? "+" : "", s->number);
	if (s->state == SCHED_PENDING) {
		say(out, n, at, ":pending");
		return;
	}
	say(out, n, at, ":%s%s@%" PRIu64 "v%" PRIu32, s->state == SCHED_STOP ? "stop " : "",
		sched_name_of(view, s->node, name), s->epoch, s->version);
	if (s->leased)
		say(out, n, at, "L");
	if (sched_is_node(s->from))
		say(out, n, at, "(from %s@%" PRIu64 ")", sched_name_of(view, s->from, name), s->from_epoch);
}

char *sched_dump(const struct sched_value *v, const struct sched_view *view, char *out, size_t n)
{
	char name[SCHED_NAME_TEXT_MAX];
	size_t at = 0;

	assert(n > 0);
	out[0] = '\0';
	say(out, n, &at, "#%" PRIu64 " v%" PRIu32 " ×%" PRId64 "%s%s", v->number, v->now.version, v->desired,
		v->stopped ? " stopped" : "", v->removed ? " removed" : "");
	if (v->rollout.state != SCHED_ROLLOUT_IDLE)
		say(out, n, &at, " [%" PRIu32 "→%" PRIu32 " %s]", v->rollout.from, v->rollout.to,
			rollout_names[v->rollout.state]);
	for (size_t i = 0; i < v->n_slots; i++) {
		say(out, n, &at, " ");
		slot_dump(&v->slots[i], view, out, n, &at);
	}
	for (size_t i = 0; i < v->n_held; i++) {
		const struct sched_held *h = &v->held[i];

		say(out, n, &at, "%s%s", i ? " " : " held ", sched_name_of(view, h->node, name));
		if (h->number != SCHED_ANY_SLOT)
			say(out, n, &at, ".%" PRIu32, h->number);
		say(out, n, &at, "@%" PRIu64, h->epoch);
	}
	return out;
}
