/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether all is as it should be, once nothing is done to anybody any more.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "node/agree_impl.h"
#include "node/register_agent.h"
#include "tests/sim/disaster.h"
#include "tests/sim/mixed.h"
#include "tests/sim/oracle.h"
#include "tests/sim/whole_truth.h"

#define S_US	1000000LL
#define LOOK_US (S_US / 5)

static const struct msg_key root_key;

/* A sentence, of this node; returns false. */
static bool wrong(char *why, uint32_t *ret_node, uint32_t node, const char *fmt, ...) PRINTF_LIKE(4, 5);

static bool wrong(char *why, uint32_t *ret_node, uint32_t node, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, 200, fmt, ap); /* cut is fine */
	va_end(ap);
	*ret_node = node;
	return false;
}

static bool takes_part(const struct sim_node *n)
{
	return n->life == SIM_RUNS && n->member && n->w->n;
}

static struct whole *first(const struct sim *s)
{
	for (uint32_t i = 0; i < s->o.room; i++)
		if (takes_part(&s->nodes[i]))
			return s->nodes[i].w;
	return NULL;
}

static const struct registers *registers_of(const struct whole *w)
{
	return agree_registers(w->n->council->a);
}

/* ---- values ---- */

static bool knows_as(const struct whole *w, const struct whole *as, char *why, uint32_t *node)
{
	struct msg_bytes value, other;
	struct ballot ballot, is;
	struct msg_key key;
	size_t n = 0;

	for (size_t at = 0; registers_next(registers_of(as), &at, &key); n++) {
		bool knows = registers_get(registers_of(w), &key, &is, &other);

		(void)registers_get(registers_of(as), &key, &ballot, &value); /* it is there */
		if (!knows || ballot_cmp(&is, &ballot) != 0)
			return wrong(why, node, w->sn->number,
				"of '%.*s' n%" PRIu32 " knows ballot %" PRIu64 ", n%" PRIu32 " %" PRIu64, (int)key.n,
				key.v, as->sn->number, ballot.counter, w->sn->number, knows ? is.counter : 0);
	}
	for (size_t at = 0; registers_next(registers_of(w), &at, &key);)
		n--;
	return n == 0 || wrong(why, node, w->sn->number, "it knows more registers than n%" PRIu32, as->sn->number);
}

static bool all_know(struct sim *s, const struct whole *as, char *why, uint32_t *node)
{
	for (uint32_t i = 0; i < s->o.room; i++)
		if (takes_part(&s->nodes[i]) && !knows_as(s->nodes[i].w, as, why, node))
			return false;
	return true;
}

/* ---- voters ---- */

static bool voters_suit(struct sim *s, const struct whole *w, char *why, uint32_t *node)
{
	const struct quorum_cfg *cfg = council_voters(w->n->council);
	struct electorate_count count;
	char text[256];

	for (uint32_t i = 0; i < s->o.room; i++)
		if (takes_part(&s->nodes[i]) && council_voters(s->nodes[i].w->n->council)->epoch != cfg->epoch)
			return wrong(why, node, i, "it knows of other voters than n%" PRIu32, w->sn->number);
	if (quorum_is_joint(cfg))
		return wrong(why, node, w->sn->number, "a change of voters does not end");
	council_view_drop(w->n->council);
	if (!agree_electorate(w->n->council->a, &count, text, sizeof(text)))
		return wrong(why, node, w->sn->number, "does not know who votes");
	if ((count.voters < count.wanted && count.spares > 1) || (count.dead > 0 && count.spares > 0) ||
		count.voters > count.wanted)
		return wrong(why, node, w->sn->number,
			"%" PRIu32 " vote, %" PRIu32 " should, %" PRIu32 " are dead, of %" PRIu32 " with %" PRIu32
			" spares",
			count.voters, count.wanted, count.dead, count.members, count.spares);
	return true;
}

/* ---- replicas ---- */

struct running {
	size_t n;	/* of the slot at the node, ready */
	size_t others;	/* of the agent, of no slot of it */
	uint32_t where; /* one of these */
};

static bool is_given(const struct sched_value *v, const struct whole_shim *s)
{
	const struct sched_slot *slot = sched_slot_of(v, (uint32_t)s->label.slot);

	return slot && slot->state == SCHED_RUN && slot->epoch == s->label.epoch;
}

static void count(struct sim *s, const struct sched_value *v, const char *agent, const struct register_def *def,
	struct running *ret)
{
	bool everywhere = def && def->agent->kind == SPEC_EVERY_NODE;

	*ret = (struct running){0};
	for (uint32_t i = 0; i < s->o.room; i++)
		LIST_FOREACH (at, &s->nodes[i].w->shims) {
			const struct whole_shim *o = LIST_ENTRY(at, struct whole_shim, link);
			bool given = everywhere ? !v->stopped && o->label.epoch == 0 && takes_part(&s->nodes[i])
						: is_given(v, o);

			if (o->state == WHOLE_ENDED || strcmp(o->label.agent, agent) != 0)
				continue;
			if (s->nodes[i].life == SIM_LEFT && o->label.epoch == 0)
				continue; /* what runs everywhere goes on there */
			if (!given || v->removed) {
				ret->others++;
				ret->where = i;
			} else if (def && o->state == WHOLE_RUNS && o->ready &&
				   o->label.run_hash == def->agent->run_hash) {
				ret->n++;
			}
		}
}

static size_t living(const struct sim *s)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s->o.room; i++)
		n += takes_part(&s->nodes[i]);
	return n;
}

static bool runs_well(struct sim *s, const struct whole *w, const struct msg_key *key, struct msg_bytes value,
	char *why, uint32_t *node)
{
	struct register_agent a = {0};
	const struct register_def *def;
	char name[NAME_MAX_LEN + 1];
	struct running is;
	bool everywhere;
	size_t want;
	struct err e;

	if (register_agent_read(&a, &council_mem, value, &e) < 0)
		return wrong(why, node, w->sn->number, "a value cannot be read: %s", e.text);
	(void)snprintf(name, sizeof(name), "%.*s", (int)key->n, key->v); /* fits */
	def = a.now.n > 0 ? council_def(w->n->council, a.now, &e) : NULL;
	everywhere = def && def->agent->kind == SPEC_EVERY_NODE;
	a.v.now.spec = def ? &def->spec : NULL;
	want = a.v.removed || a.v.stopped || !def ? 0 : everywhere ? living(s) : (size_t)decide_wanted(&a.v);
	count(s, &a.v, name, def, &is);
	register_agent_done(&a);
	if (is.others > 0)
		return wrong(why, node, is.where, "%s runs there, and should not", name);
	return is.n == want ||
	       wrong(why, node, w->sn->number, "of %s %zu replicas are ready, %zu should be", name, is.n, want);
}

static bool all_run(struct sim *s, const struct whole *w, char *why, uint32_t *node)
{
	struct msg_bytes value;
	struct ballot ballot;
	struct msg_key key;

	for (size_t at = 0; registers_next(registers_of(w), &at, &key);)
		if (key.n > 0 && registers_get(registers_of(w), &key, &ballot, &value) &&
			!runs_well(s, w, &key, value, why, node))
			return false;
	return true;
}

/* ---- all of it ---- */

static bool is_well(struct sim *s, char *why, uint32_t *node)
{
	struct whole *w = first(s);
	struct msg_bytes value;
	struct ballot ballot;

	if (!disaster_is_over(s))
		return wrong(why, node, UINT32_MAX, "hosts are still to come back");
	if (!oracle_converged(s, NULL)) {
		*node = oracle_explain(s, why, 200);
		return false;
	}
	if (!w || !registers_get(registers_of(w), &root_key, &ballot, &value))
		return wrong(why, node, w ? w->sn->number : 0, "knows no root register");
	if (whole_run_tidy(s, mixed_to_ask(s, w)))
		return wrong(why, node, w->sn->number, "nodes drain, or are gone and not forgotten");
	return all_know(s, w, why, node) && voters_suit(s, w, why, node) && all_run(s, w, why, node);
}

double whole_run_heals(struct sim *s, int64_t within_us)
{
	int64_t begun_us = s->now_us;
	char why[200] = "";
	uint32_t node = UINT32_MAX;

	while (!s->failed && !is_well(s, why, &node) && s->now_us < begun_us + within_us)
		(void)sim_run(s, s->now_us + LOOK_US, NULL, NULL);
	if (!s->failed && s->now_us >= begun_us + within_us)
		sim_fail(s, node, "not healed within %lld s: %s", (long long)(within_us / S_US), why);
	return (double)(s->now_us - begun_us) / S_US;
}

const struct quorum_cfg *whole_run_cfg(const struct sim *s)
{
	const struct quorum_cfg *newest = NULL;

	for (uint32_t i = 0; i < s->o.room; i++)
		if (s->nodes[i].w->n) {
			const struct quorum_cfg *cfg = council_voters(s->nodes[i].w->n->council);

			newest = !newest || cfg->epoch > newest->epoch ? cfg : newest;
		}
	return newest;
}

/* There is a quorum that n is not of. */
static bool stays(const struct sim *s, const struct quorum_cfg *cfg, const struct sim_node *n)
{
	uint16_t mask = 0;

	for (int k = 0; k < quorum_voters(cfg); k++) {
		uint32_t i = sim_number_of(gossip_id_of(quorum_voter(cfg, k)->v));

		if (i < s->o.room && i != n->number && !s->nodes[i].gone && !s->nodes[i].forgets)
			mask |= (uint16_t)(1u << k);
	}
	return quorum_reached(cfg, mask);
}

/* What one voter has accepted may be chosen long after: then who votes by it must be there. */
bool whole_run_may_go(const struct sim *s, const struct sim_node *n)
{
	const struct quorum_cfg *newest = whole_run_cfg(s), *cfg;

	if (!newest || newest->epoch == 0 || quorum_is_joint(newest) || !stays(s, newest, n))
		return false;
	for (size_t at = 0; (cfg = whole_truth_cfg(s->whole->truth, &at));)
		if (cfg->epoch > newest->epoch && !stays(s, cfg, n))
			return false;
	return true;
}

void whole_run_calm(struct sim *s)
{
	s->whole->calm = true;
	s->whole->fail_ppm = s->whole->slow_start_ppm = 0;
	mixed_end(s);
	for (uint32_t i = 0; i < s->o.room; i++) {
		struct sim_node *n = &s->nodes[i];

		whole_disk_faults(n, 0, 0);
		n->w->fsync_fails = false;
		if (n->forgets && n->life == SIM_RUNS) /* as by `covey reset`: it is another node then */
			n->gone = node_lose(n);
		if (n->w->suspect && n->life == SIM_RUNS && node_lose(n) && node_back(n)) /* its host is started anew */
			(void)node_start(n, false);					  /* it is down */
	}
	mixed_calm(s);
}

/* ---- what is told of a failure ---- */

static void dump_value(struct whole *w, const struct msg_key *key, struct msg_bytes value, FILE *to)
{
	struct register_agent a = {0};
	struct sched_view view;
	char text[4096];
	struct err e;

	if (key->n == 0 || register_agent_read(&a, &council_mem, value, &e) < 0)
		return;
	(void)fprintf(
		to, "%.*s: %s\n", (int)key->n, key->v, sched_dump(&a.v, &(struct sched_view){0}, text, sizeof(text)));
	register_agent_done(&a);
	(void)snprintf(text, sizeof(text), "%.*s", (int)key->n, key->v); /* fits */
	council_view_drop(w->n->council);
	if (!council_view(w->n->council, text, &view))
		return;
	for (size_t i = 0; i < view.n_reports; i++) {
		const struct sched_report *r = &view.reports[i];

		(void)fprintf(to, "  %s tells of slot %" PRIu32 " at epoch %" PRIu64 ": version %" PRIu32 "%s%s\n",
			sched_name_of(&view, r->node, text), r->number, r->epoch, r->version, r->up ? ", up" : "",
			r->ready ? ", ready" : "");
	}
}

/* Who tells it which ballots, by n's maps. */
static void dump_hints(const struct sim_node *n, FILE *to)
{
	struct gossip_member m;
	struct gossip_entry e;

	for (uint32_t at = 0; gossip_member_next(n->g, &at, &m);)
		for (uint32_t k = 0; gossip_value_next(n->g, m.id, &k, &e);)
			if (!e.removed && e.key.n >= strlen(TOLD_CHOSEN) &&
				memcmp(e.key.v, TOLD_CHOSEN, strlen(TOLD_CHOSEN)) == 0 && e.value.n > 11)
				(void)fprintf(to, "  n%" PRIu32 " (%s) tells %.*s %u\n", sim_number_of(m.id),
					gossip_state_name(m.state), (int)e.key.n, e.key.v,
					(unsigned)(uint8_t)e.value.v[9] << 8 | (uint8_t)e.value.v[10]);
}

void whole_run_dump(struct sim *s, FILE *to)
{
	struct whole *w = first(s);
	struct msg_bytes value;
	struct ballot ballot;
	struct msg_key key;
	char text[4096];

	for (size_t at = 0; w && registers_next(registers_of(w), &at, &key);)
		if (registers_get(registers_of(w), &key, &ballot, &value))
			dump_value(w, &key, value, to);
	for (uint32_t i = 0; i < s->o.room; i++) {
		const struct whole *o = s->nodes[i].w;

		if (!o->n)
			continue;
		(void)fprintf(to, "n%" PRIu32 " %s: %s\n", i,
			sched_name_of(&(struct sched_view){0}, register_node_of(&o->n->council->self), text),
			agree_dump(o->n->council->a, text + 64, sizeof(text) - 64));
		(void)fprintf(to,
			"  voters: due %d, under way %d, look at %" PRId64 ", turn at %" PRId64 ", now %" PRId64 "\n",
			o->n->council->a->voting.due, o->n->council->a->voting.under_way,
			o->n->council->a->root_ward->look_at_ms, o->n->council->a->root_ward->turn_at_ms,
			node_clocks(&s->nodes[i]).mono_ms);
		(void)fprintf(to, "  leases: %s\n", holding_dump(&o->n->council->hold, text, sizeof(text)));
		dump_hints(&s->nodes[i], to);
		MAP_FOREACH (p, &o->n->roster.runners) {
			const struct runner *r = CONTAINER_OF(p, struct runner, by_stem);

			(void)fprintf(to,
				"  %s: state %d, wanted %d, epoch %" PRIu64 ", lease %" PRIu64 " until %" PRId64
				" waits %d, run %" PRIu64 ", awaiting %d, launching %d\n",
				r->id, r->core.state, r->core.wanted, r->epoch, r->lease_epoch, r->lease_ms,
				r->lease_waits, r->run, r->awaiting, r->launching);
		}
	}
}
