/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seats are those who vote now, each with how its node is; a step takes the worst of them away, or gives the best of
 * the spares one.
 */
#include "node/electorate.h"

#include <stdio.h>
#include <string.h>

#include "scheduler/rank.h"

#define AUTOMATIC_MAX 5 /* voters, where the root names no number */

enum seat_state { SEAT_GONE, SEAT_DEAD, SEAT_UNKNOWN, SEAT_SUSPECT, SEAT_ALIVE, SEAT_STATE_MAX };

struct seat {
	struct sched_node id;
	enum seat_state state;
	bool lives; /* one that is to go may */
	int64_t dead_for_ms;
	const char *place; /* the spread label's value; "": none, or not known */
	uint64_t hash;
};

struct judge {
	const struct electorate_in *in;
	char cluster[2 * sizeof(struct uuid) + 1];
	int n;
	struct seat seats[QUORUM_VOTERS_MAX + 2];
	struct electorate_count count;
};

/* ---- what there is ---- */

static bool is_out(const struct register_root *r, struct sched_node id)
{
	return register_nodes_has(&r->forgotten, id) || register_nodes_has(&r->leaving, id);
}

static bool is_member(const struct judge *j, const struct sched_host *h)
{
	return h->state != SCHED_LEFT && h->state != SCHED_FORGOTTEN && !is_out(j->in->root, h->id);
}

static bool is_living(const struct sched_host *h)
{
	return h->state == SCHED_ALIVE || h->state == SCHED_SUSPECT;
}

static const char *place_of(const struct judge *j, const struct sched_host *h)
{
	for (size_t i = 0; h && *j->in->root->spread && i < h->n_labels; i++)
		if (strcmp(h->labels[i].key, j->in->root->spread) == 0)
			return h->labels[i].value;
	return "";
}

static struct seat seat_of(const struct judge *j, struct sched_node id, const struct sched_host *h)
{
	struct seat s = {.id = id, .state = SEAT_UNKNOWN, .place = place_of(j, h), .hash = rank_hash(j->cluster, id)};

	if (is_out(j->in->root, id) || (h && !is_member(j, h)))
		s.state = SEAT_GONE;
	else if (h && h->state == SCHED_DEAD)
		s.state = SEAT_DEAD;
	else if (h)
		s.state = h->state == SCHED_ALIVE ? SEAT_ALIVE : SEAT_SUSPECT;
	s.lives = h && is_living(h) && !register_nodes_has(&j->in->root->forgotten, id);
	if (s.state == SEAT_DEAD)
		s.dead_for_ms = h->state_for_ms;
	return s;
}

static bool sits(const struct judge *j, struct sched_node id)
{
	for (int i = 0; i < j->n; i++)
		if (sched_same_node(j->seats[i].id, id))
			return true;
	return false;
}

/* A node that drains keeps its vote, and is given none. */
static bool is_spare(const struct judge *j, const struct sched_host *h)
{
	if (h->state != SCHED_ALIVE || h->draining || !is_member(j, h) ||
		register_nodes_has(&j->in->root->draining, h->id) || sits(j, h->id))
		return false;
	for (size_t i = 0; i < j->in->n_avoid; i++)
		if (sched_same_node(j->in->avoid[i], h->id))
			return false;
	return true;
}

static uint32_t odd(uint32_t n)
{
	return n == 0 ? 1 : n - (n % 2 == 0);
}

static void judge_init(struct judge *j, const struct electorate_in *in)
{
	uint32_t most = in->root->voters ? in->root->voters : AUTOMATIC_MAX;

	*j = (struct judge){.in = in};
	for (size_t i = 0; i < sizeof(in->root->cluster.v); i++)
		(void)snprintf(j->cluster + 2 * i, 3, "%02x", in->root->cluster.v[i]); /* fits */
	for (int i = 0; i < in->now->n; i++) {
		struct sched_node id = register_node_of(&in->now->v[i]);
		const struct sched_host *h = sched_host_of(in->view, id);

		j->seats[j->n++] = seat_of(j, id, h);
		j->count.members += !h && !is_out(in->root, id); /* it has not been heard of here yet */
		if (j->seats[i].state == SEAT_DEAD && j->count.dead++ == 0)
			j->count.first_dead = id;
	}
	for (size_t i = 0; i < in->view->n_hosts; i++) {
		j->count.members += is_member(j, &in->view->hosts[i]);
		j->count.spares += is_spare(j, &in->view->hosts[i]);
	}
	j->count.voters = in->now->n;
	j->count.wanted = odd(MIN(j->count.members, most));
}

/* ---- who is best, who is worst ---- */

static int crowd(const struct judge *j, const char *place)
{
	int n = 0;

	for (int i = 0; i < j->n; i++)
		n += strcmp(j->seats[i].place, place) == 0;
	return n;
}

/* In the order of the hash; two of one hash in that of their ids. */
static bool stands_before(const struct seat *a, const struct seat *b)
{
	return a->hash != b->hash ? a->hash > b->hash : sched_compare_node(a->id, b->id) < 0;
}

static bool best_spare(const struct judge *j, struct seat *ret)
{
	bool any = false;

	for (size_t i = 0; i < j->in->view->n_hosts; i++) {
		const struct sched_host *h = &j->in->view->hosts[i];
		struct seat s;
		int by;

		if (!is_spare(j, h))
			continue;
		s = seat_of(j, h->id, h);
		by = any ? crowd(j, s.place) - crowd(j, ret->place) : -1;
		if (by < 0 || (by == 0 && stands_before(&s, ret)))
			*ret = s;
		any = true;
	}
	return any;
}

/* Who is to go, dead before living; then the dead; `dead_first`: these before who is to go and lives. */
static int worth(const struct seat *s, bool dead_first)
{
	if (s->state == SEAT_GONE)
		return !s->lives ? 0 : dead_first ? 2 * SEAT_SUSPECT - 1 : 1;
	return 2 * (int)s->state;
}

static int worst_seat(const struct judge *j, bool dead_first)
{
	int worst = 0;

	for (int i = 1; i < j->n; i++) {
		const struct seat *s = &j->seats[i], *w = &j->seats[worst];
		int by = worth(w, dead_first) - worth(s, dead_first);

		if (by == 0)
			by = crowd(j, s->place) - crowd(j, w->place);
		if (by > 0 || (by == 0 && stands_before(w, s)))
			worst = i;
	}
	return worst;
}

static void drop(struct judge *j, int at)
{
	j->n--;
	memmove(&j->seats[at], &j->seats[at + 1], (size_t)(j->n - at) * sizeof(j->seats[0]));
}

static bool add(struct judge *j)
{
	struct seat s;

	if (!best_spare(j, &s))
		return false;
	j->seats[j->n++] = s;
	return true;
}

/* A seat's node is another. The spare is sought as if the seat were empty, and is never the one who had it. */
static bool swap(struct judge *j, int at)
{
	struct seat s, was = j->seats[at];

	j->seats[at].place = "\n"; /* no label's */
	if (!best_spare(j, &s)) {
		j->seats[at] = was;
		return false;
	}
	j->seats[at] = s;
	return true;
}

/* ---- the step ---- */

/* Where two more vote in one place than would with a spare from another: each such step makes it more even. */
static bool spread(struct judge *j)
{
	struct seat s;
	int at = worst_seat(j, false);

	for (int i = 0; i < j->n; i++)
		if (j->seats[i].state != SEAT_ALIVE)
			return false;
	if (!*j->in->root->spread || !best_spare(j, &s) || crowd(j, j->seats[at].place) - crowd(j, s.place) < 2)
		return false;
	j->seats[at] = s;
	return true;
}

/* While JOINT a majority of them must answer, so one must live. */
static bool most_live(const struct judge *j)
{
	int n = 0;

	for (int i = 0; i < j->n; i++)
		n += j->seats[i].lives;
	return n > j->n / 2;
}

/* Who is to go goes first, unless too few of the others live: then the dead do. */
static void shrink(struct judge *j)
{
	const struct judge was = *j;
	const int n = j->n % 2 ? 2 : 1;

	for (int i = 0; i < n; i++)
		drop(j, worst_seat(j, false));
	if (most_live(j))
		return;
	*j = was;
	for (int i = 0; i < n; i++)
		drop(j, worst_seat(j, true));
}

static bool grow(struct judge *j)
{
	int n = j->n % 2 ? 2 : 1;

	while (n-- > 0)
		if (!add(j))
			return false;
	return true;
}

/* Who has been dead for longest. -1: nobody. */
static int longest_dead(const struct judge *j)
{
	int at = -1;

	for (int i = 0; i < j->n; i++)
		if (j->seats[i].state == SEAT_DEAD && (at < 0 || j->seats[i].dead_for_ms > j->seats[at].dead_for_ms))
			at = i;
	return at;
}

static bool decide(struct judge *j, int64_t *ret_in_ms)
{
	int dead = longest_dead(j);

	if ((uint32_t)j->n > j->count.wanted) {
		shrink(j);
		return true;
	}
	if (j->seats[worst_seat(j, false)].state == SEAT_GONE) {
		if (swap(j, worst_seat(j, false)))
			return true;
		if (j->n == 1)
			return false; /* who else? */
		shrink(j);
		return true;
	}
	if (dead >= 0 && j->count.spares > 0) {
		int64_t left_ms = (int64_t)j->in->root->replace_after_ms - j->seats[dead].dead_for_ms;

		if (left_ms <= 0)
			return swap(j, dead);
		*ret_in_ms = left_ms;
	}
	return (uint32_t)j->n < j->count.wanted ? grow(j) : spread(j);
}

bool electorate_next(const struct electorate_in *in, struct quorum_set *ret, int64_t *ret_in_ms)
{
	struct judge j;

	*ret_in_ms = INT64_MAX;
	judge_init(&j, in);
	if (j.n == 0 || !decide(&j, ret_in_ms) || !most_live(&j))
		return false;
	assert(j.n <= QUORUM_VOTERS_MAX);
	*ret = (struct quorum_set){.n = (uint8_t)j.n};
	for (int i = 0; i < j.n; i++)
		ret->v[i] = register_uuid_of(j.seats[i].id);
	return true;
}

void electorate_count(const struct electorate_in *in, struct electorate_count *ret)
{
	struct judge j;

	judge_init(&j, in);
	*ret = j.count;
}

char *electorate_text(const struct electorate_in *in, char *out, size_t n)
{
	struct judge j;
	const struct electorate_count *c = &j.count;
	char name[SCHED_NAME_TEXT_MAX];

	judge_init(&j, in);
	*out = '\0';
	if (c->dead > 0 && c->spares == 0)
		(void)snprintf(out, n,
			"%s votes and is dead, and no living node is free to vote in its place: start it, add a node, "
			"or forget it",
			sched_name_of(in->view, c->first_dead, name)); /* cut is fine; so below */
	else if (c->dead > 0)
		(void)snprintf(out, n, "%s votes and is dead: another takes its vote after %u s",
			sched_name_of(in->view, c->first_dead, name), in->root->replace_after_ms / 1000);
	else if (c->members == 2 && in->root->voters != 1)
		(void)snprintf(out, n,
			"of 2 nodes 1 votes, and nothing is decided without it: add a third, for which a witness "
			"(schedulable: no) is enough");
	else if (c->voters < c->wanted && c->spares < 2)
		(void)snprintf(out, n, "%u of %u voters: %s", c->voters, c->wanted,
			c->spares ? "one more living node is needed" : "two more living nodes are needed");
	else if (c->voters < c->wanted)
		(void)snprintf(out, n, "%u of %u voters: more are being added", c->voters, c->wanted);
	else if (in->root->voters > c->wanted)
		(void)snprintf(out, n, "%u voters are asked for, and %u nodes are there: %u vote", in->root->voters,
			c->members, c->wanted);
	return out;
}
