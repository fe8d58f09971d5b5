/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values by their hash, each with its parent's; ballots, each with who has it on disk; what was called chosen, by
 * rising ballot; and which slots were given to whom at which epoch.
 */
#include "tests/sim/whole_truth.h"

#include <inttypes.h>
#include <string.h>

#include "node/register_agent.h"
#include "node/register_root.h"
#include "tests/sim/disaster.h"
#include "tests/sim/mixed_priv.h"

struct value_known {
	uint64_t hash, parent;
};

struct at_ballot {
	struct ballot ballot;
	uint64_t hash;
	uint32_t on_disk; /* bits of nodes */
	bool chosen;
	bool in_era; /* by those who were left: disaster.h */
};

struct given {
	uint32_t slot;
	uint64_t epoch;
	struct sched_node node;
};

struct register_known {
	struct msg_key key;
	struct value_known *values; /* owned; so the next ones */
	struct at_ballot *ballots;  /* by rising ballot */
	struct given *given;
	size_t n_values, n_ballots, n_given;
};

struct whole_truth {
	struct register_known *v; /* owned */
	size_t n;
	struct quorum_cfg *cfgs; /* owned: all that were ever accepted */
	size_t n_cfgs;
};

struct whole_truth *whole_truth_new(void)
{
	struct whole_truth *t = calloc(1, sizeof(*t));

	assert(t);
	return t;
}

void whole_truth_free(struct whole_truth *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].values);
		free(t->v[i].ballots);
		free(t->v[i].given);
	}
	free(t->v);
	free(t->cfgs);
	free(t);
}

static void *grown(void *v, size_t n, size_t size)
{
	void *p = (n & (n - 1)) == 0 ? realloc(v, MAX(n * 2, (size_t)1) * size) : v;

	assert(p);
	return p;
}

static struct register_known *known_of(struct whole_truth *t, const struct msg_key *key)
{
	for (size_t i = 0; i < t->n; i++)
		if (msg_key_cmp(&t->v[i].key, key) == 0)
			return &t->v[i];
	t->v = grown(t->v, t->n, sizeof(*t->v));
	t->v[t->n] = (struct register_known){.key = *key};
	return &t->v[t->n++];
}

/* ---- values ---- */

static const struct value_known *value_of(const struct register_known *r, uint64_t hash)
{
	for (size_t i = r->n_values; i-- > 0;)
		if (r->values[i].hash == hash)
			return &r->values[i];
	return NULL;
}

static void see_cfg(struct whole_truth *t, const struct quorum_cfg *cfg)
{
	for (size_t i = 0; i < t->n_cfgs; i++)
		if (quorum_same(&t->cfgs[i], cfg))
			return;
	t->cfgs = grown(t->cfgs, t->n_cfgs, sizeof(*t->cfgs));
	t->cfgs[t->n_cfgs++] = *cfg;
}

const struct quorum_cfg *whole_truth_cfg(const struct whole_truth *t, size_t *at)
{
	return *at < t->n_cfgs ? &t->cfgs[(*at)++] : NULL;
}

static bool read_parent(struct whole_truth *t, const struct msg_key *key, struct msg_bytes value, uint64_t *ret)
{
	struct register_agent a = {0};
	struct register_root root = {0};
	struct err e;

	if (key->n > 0) {
		if (register_agent_read(&a, &council_mem, value, &e) < 0)
			return false;
		*ret = a.parent;
		register_agent_done(&a);
		return true;
	}
	if (register_root_read(&root, &council_mem, value, &e) < 0)
		return false;
	*ret = root.parent;
	see_cfg(t, &root.cfg);
	register_root_done(&root);
	return true;
}

static bool see_value(struct whole *w, struct register_known *r, struct msg_bytes value, uint64_t *ret_hash)
{
	struct value_known v = {.hash = register_hash(value)};

	*ret_hash = v.hash;
	if (value_of(r, v.hash))
		return true;
	if (!read_parent(whole_sim(w)->whole->truth, &r->key, value, &v.parent)) {
		sim_fail(whole_sim(w), w->sn->number, "a value of register '%.*s' cannot be read", (int)r->key.n,
			r->key.v);
		return false;
	}
	r->values = grown(r->values, r->n_values, sizeof(*r->values));
	r->values[r->n_values++] = v;
	mixed_saw(w, &r->key, value, v.parent);
	return true;
}

static bool descends(const struct register_known *r, uint64_t hash, uint64_t from)
{
	for (size_t i = 0; i <= r->n_values && hash != from; i++) {
		const struct value_known *v = value_of(r, hash);

		if (!v || v->parent == 0)
			return false;
		hash = v->parent;
	}
	return hash == from;
}

/* ---- ballots ---- */

static struct at_ballot *at(struct whole *w, struct register_known *r, const struct ballot *ballot, uint64_t hash)
{
	size_t i = r->n_ballots;

	while (i > 0 && ballot_cmp(&r->ballots[i - 1].ballot, ballot) > 0)
		i--;
	if (i > 0 && ballot_cmp(&r->ballots[i - 1].ballot, ballot) == 0) {
		if (r->ballots[i - 1].hash != hash)
			sim_fail(whole_sim(w), w->sn->number, "register '%.*s': one ballot has two values",
				(int)r->key.n, r->key.v);
		return &r->ballots[i - 1];
	}
	r->ballots = grown(r->ballots, r->n_ballots, sizeof(*r->ballots));
	memmove(&r->ballots[i + 1], &r->ballots[i], (r->n_ballots++ - i) * sizeof(*r->ballots));
	r->ballots[i] = (struct at_ballot){.ballot = *ballot, .hash = hash};
	return &r->ballots[i];
}

void whole_run_accepted(struct whole *w, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value)
{
	struct register_known *r = known_of(whole_sim(w)->whole->truth, key);
	uint64_t hash;

	if (see_value(w, r, value, &hash))
		at(w, r, ballot, hash)->on_disk |= UINT32_C(1) << w->sn->number;
}

static bool a_quorum_has(const struct sim *s, const struct whole_truth *t, uint32_t on_disk)
{
	for (size_t i = 0; i < t->n_cfgs; i++) {
		uint16_t mask = 0;

		for (int k = 0; k < quorum_voters(&t->cfgs[i]); k++) {
			uint32_t n = sim_number_of(gossip_id_of(quorum_voter(&t->cfgs[i], k)->v));

			if (n < s->o.room && (on_disk >> n & 1))
				mask |= (uint16_t)(1u << k);
		}
		if (quorum_reached(&t->cfgs[i], mask))
			return true;
	}
	return false;
}

/* in_era: what is kept there may have the number of something that is lost. */
static void give(struct register_known *r, struct given g, bool in_era)
{
	for (size_t i = r->n_given; i-- > 0;) {
		const struct given *was = &r->given[i];

		if (was->epoch == g.epoch && (!in_era || (was->slot == g.slot && sched_same_node(was->node, g.node))))
			return;
	}
	r->given = grown(r->given, r->n_given, sizeof(*r->given));
	r->given[r->n_given++] = g;
}

static void see_given(struct register_known *r, struct msg_bytes value, bool in_era)
{
	struct register_agent a = {0};
	struct err e;

	if (r->key.n == 0 || register_agent_read(&a, &council_mem, value, &e) < 0)
		return;
	for (size_t i = 0; i < a.v.n_slots; i++) {
		const struct sched_slot *s = &a.v.slots[i];

		if (s->state == SCHED_PENDING)
			continue;
		give(r, (struct given){.slot = s->number, .epoch = s->epoch, .node = s->node}, in_era);
		if (sched_is_node(s->from))
			give(r, (struct given){.slot = s->number, .epoch = s->from_epoch, .node = s->from}, in_era);
	}
	register_agent_done(&a);
}

/* first: the earlier one. Nobody could tell where one that accepted it votes, and its disk has lost that. */
static void two_are_chosen(struct whole *w, const struct register_known *r, const struct at_ballot *first)
{
	struct sim *s = whole_sim(w);

	s->outside |= (first->on_disk & s->whole->lost_votes) && !s->failed;
	sim_fail(s, w->sn->number, "register '%.*s': two values are chosen, neither made from the other", (int)r->key.n,
		r->key.v);
}

/* By ballot, but what was chosen in an era is behind all that was before it. */
static bool is_before(const struct at_ballot *a, const struct at_ballot *b)
{
	return a->in_era != b->in_era ? b->in_era : ballot_cmp(&a->ballot, &b->ballot) < 0;
}

/* The two, one of them just chosen, with none between them. */
static void must_follow(
	struct whole *w, const struct register_known *r, const struct at_ballot *first, const struct at_ballot *next)
{
	if (!first || !next || descends(r, next->hash, first->hash) ||
		(!first->in_era && next->in_era && disaster_excuses(whole_sim(w), first->on_disk)))
		return;
	two_are_chosen(w, r, first);
}

static void must_be_a_chain(struct whole *w, const struct register_known *r, const struct at_ballot *is)
{
	const struct at_ballot *low = NULL, *high = NULL;

	for (const struct at_ballot *b = r->ballots; b < r->ballots + r->n_ballots; b++) {
		if (!b->chosen || b == is)
			continue;
		if (is_before(b, is))
			low = low && is_before(b, low) ? low : b;
		else
			high = high && is_before(high, b) ? high : b;
	}
	must_follow(w, r, low, is);
	must_follow(w, r, is, high);
}

void whole_run_chosen(struct whole *w, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value)
{
	struct whole_run *run = whole_sim(w)->whole;
	struct register_known *r = known_of(run->truth, key);
	struct at_ballot *b;
	uint64_t hash;

	if (!see_value(w, r, value, &hash))
		return;
	if (disaster_is_in_era(w)) /* its first configuration is in no value */
		see_cfg(run->truth, council_voters(w->n->council));
	b = at(w, r, ballot, hash);
	if (b->chosen)
		return;
	b->chosen = true;
	b->in_era = disaster_is_in_era(w);
	run->chosen++;
	whole_tell(w, "'%.*s' is chosen at %" PRIu64 ": %016" PRIx64, (int)key->n, key->v, ballot->counter, hash);
	if (!a_quorum_has(whole_sim(w), run->truth, b->on_disk))
		sim_fail(whole_sim(w), w->sn->number,
			"register '%.*s': a value is called chosen that no quorum has on disk", (int)key->n, key->v);
	must_be_a_chain(w, r, b);
	see_given(r, value, b->in_era);
}

void __real_council_hint_chosen(struct council *c, const struct registers_out *out);
void __wrap_council_hint_chosen(struct council *c, const struct registers_out *out);

/* Of each CHOSEN of a council, before anything is done about it. */
void __wrap_council_hint_chosen(struct council *c, const struct registers_out *out)
{
	whole_run_chosen(whole_of(c->n), &out->key, &out->ballot, out->value);
	__real_council_hint_chosen(c, out);
}

/* ---- answers ---- */

bool __real_cluster_register_send(struct cluster *c, const struct uuid *to, const struct msg *m);
bool __wrap_cluster_register_send(struct cluster *c, const struct uuid *to, const struct msg *m);

/* Of all that a council says to others. */
bool __wrap_cluster_register_send(struct cluster *c, const struct uuid *to, const struct msg *m)
{
	struct whole *w = whole_of(c->n);
	struct sim_node *was = mixed_enter(w->sn);
	bool sent;

	whole_run_sends(w, m);
	sent = __real_cluster_register_send(c, to, m);
	mixed_odd_register(w, c, to, m);
	(void)mixed_enter(was);
	return sent;
}

void whole_run_sends(struct whole *w, const struct msg *m)
{
	const struct whole_reg *r = NULL;
	enum msg_why why = m->type == MSG_GRANT && m->n_leases > 0 ? m->leases[0].why : m->why;

	whole_sim(w)->whole->reads += m->type == MSG_READ;
	whole_tell(w, "says %s '%.*s' %" PRIu64 " %s", msg_name(m->type), (int)m->key.n, m->key.v, m->ballot.counter,
		why ? msg_why_text(why) : "");
	if (m->type != MSG_PROMISE && m->type != MSG_ACCEPTED)
		return;
	for (size_t i = 0; i < w->disk.votes.n && !r; i++)
		if (msg_key_cmp(&w->disk.votes.v[i].key, &m->key) == 0)
			r = &w->disk.votes.v[i];
	if (!r || ballot_cmp(m->type == MSG_PROMISE ? ballot_max(&r->promised, &r->accepted) : &r->accepted,
			  &m->ballot) < 0)
		sim_fail(whole_sim(w), w->sn->number, "answers %s of register '%.*s', which is not on its disk",
			msg_name(m->type), (int)m->key.n, m->key.v);
}

/* ---- replicas ---- */

void __real_council_seen_heard(struct council *c, const struct msg *m);
void __wrap_council_seen_heard(struct council *c, const struct msg *m);

/* Of each that tells a council what it remembers of it. */
void __wrap_council_seen_heard(struct council *c, const struct msg *m)
{
	struct whole *w = whole_of(c->n);

	w->heard |= UINT32_C(1) << sim_number_of(gossip_id_of(m->from.v));
	w->told_old |= m->boot > w->sn->boot || m->write > w->disk.write;
	__real_council_seen_heard(c, m);
}

/*
 * What nobody could tell: it is started by a copy of a value that an old copy of the disk brought back, and of those
 * whom this daemon has heard since its start, one at least, none knows of a newer one, or of votes that this disk has
 * not; or it has heard nobody for as long as it must wait.
 */
static bool is_misled(const struct whole_shim *s, const struct msg_key *key)
{
	const struct whole *w = s->w;
	const struct agent *a = roster_find(w->n, s->label.agent);
	struct msg_bytes value;
	struct ballot ballot;

	if (s->leased || w->told_old || !a || !a->decided || a->recall == RECALL_HEARD ||
		!whole_disk_fell(&w->disk, key))
		return false;
	if (w->heard == 0 && w->n->now.mono_ms - w->n->started_mono_ms < RECALL_ALONE_MS)
		return false;
	for (uint32_t i = 0; i < whole_sim(w)->o.room; i++) {
		const struct node *n = whole_sim(w)->nodes[i].w->n;

		if ((w->heard >> i & 1) && n && council_get(n->council, s->label.agent, &ballot, &value) &&
			ballot_cmp(&ballot, &a->decided->ballot) > 0)
			return false;
	}
	return true;
}

void whole_run_launched(struct whole_shim *s)
{
	struct sim *sim = whole_sim(s->w);
	const struct uuid *self = &s->w->n->council->self;
	struct register_known *r;
	struct msg_key key;
	bool is = decided_key(s->label.agent, &key);

	if (!is)
		return;
	s->misled = is_misled(s, &key);
	if (s->misled) {
		sim->whole->misled++;
		whole_tell(s->w, "%s is started by an old copy of the disk, and nobody could tell", s->stem);
	}
	r = known_of(sim->whole->truth, &key);
	for (size_t i = r->n_given; i-- > 0;)
		if (r->given[i].epoch == s->label.epoch && r->given[i].slot == (uint32_t)s->label.slot &&
			sched_same_node(r->given[i].node, register_node_of(self)))
			return;
	for (size_t i = 0; i < r->n_ballots && s->label.epoch == 0; i++)
		if (r->ballots[i].chosen)
			return; /* it runs on every node */
	sim_fail(sim, s->w->sn->number, "starts %s at epoch %" PRIu64 ", which no chosen value gives it", s->stem,
		s->label.epoch);
}

/* Two leases may be granted where a voter has lost with its disk to whom the slot was given last, and votes. */
static void runs_twice(const struct whole_shim *s, const struct whole_shim *o)
{
	struct sim *sim = whole_sim(s->w);

	sim->outside |= o->leased && s->leased && sim->whole->lost_votes && !sim->failed;
	sim_fail(sim, s->w->sn->number, "%s runs twice: here at epoch %" PRIu64 ", on n%" PRIu32 " at %" PRIu64,
		s->stem, s->label.epoch, o->w->sn->number, o->label.epoch);
}

void whole_run_began(struct whole_shim *s)
{
	struct sim *sim = whole_sim(s->w);

	sim->whole->begun++;
	for (uint32_t i = 0; i < sim->o.room && s->label.epoch > 0; i++) {
		struct whole *w = sim->nodes[i].w;

		if (w == s->w || sim->nodes[i].life == SIM_ASLEEP)
			continue;
		LIST_FOREACH (at, &w->shims) {
			const struct whole_shim *o = LIST_ENTRY(at, struct whole_shim, link);

			if (o->state == WHOLE_RUNS && o->label.slot == s->label.slot &&
				strcmp(o->label.agent, s->label.agent) == 0 && (o->leased || s->leased) && !o->misled &&
				!s->misled)
				runs_twice(s, o);
		}
	}
}
