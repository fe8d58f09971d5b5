/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lost majority: who of the voters answers, and the later era that these begin. What an era is: quorum.h. That there
 * is no majority is seen here by what answers; that it will not come back is the operator's word.
 *
 * In the first configuration of an era each quorum is all of its voters, so nothing is decided in it before each of
 * them has it on disk, and what is decided follows on the newest that any of them has accepted.
 */
#include <errno.h>

#include "consensus/registers_impl.h"
#include "consensus/rules.h"

#define ROLL_MS	       3000 /* who has not answered by then does not */
#define RESEND_ROUNDS  4
#define ADOPT_AGAIN_MS 1000 /* what the disk did not take is given to it again */
#define BRING_AGAIN_MS 10
#define ERAS_MAX       65536 /* skipped at most, at random: two sides that both go on do not begin the same era */

/* ---- a roll call ---- */

/* To those that have not answered: SEAL at the epoch that is asks a voter for nothing but an answer from its disk. */
static void call(struct registers *r)
{
	struct roll *roll = &r->roll;
	const struct msg m = {.type = MSG_SEAL, .from = r->source.node, .cfg = roll->cfg, .round = roll->round};
	struct uuid to[QUORUM_ALL_MAX];
	uint8_t n = 0;

	for (int i = 0; i < quorum_voters(&roll->cfg); i++)
		if (!(roll->answered >> i & 1))
			to[n++] = *quorum_voter(&roll->cfg, i);
	roll->resend_ms = r->now.mono_ms + (int64_t)RESEND_ROUNDS * pace_ms(&r->pace);
	if (n > 0 && registers_send(r, &m, to, n)) {
		roll->self = m;
		roll->self_due = true;
	}
}

int registers_roll_begin(struct registers *r)
{
	struct roll *roll = &r->roll;

	if (r->cfg.epoch == 0)
		return -ENOTCONN;
	if (roll->round != 0 || !r->open)
		return -EAGAIN;
	*roll = (struct roll){.cfg = r->cfg, .round = ++r->round, .until_ms = r->now.mono_ms + ROLL_MS};
	call(r);
	return 0;
}

bool registers_roll_answer(struct registers *r, const struct msg *m)
{
	struct roll *roll = &r->roll;
	int i = quorum_index(&roll->cfg, &m->from);

	if (roll->round == 0 || m->round != roll->round)
		return false;
	if (m->type == MSG_SEALED && m->cfg.epoch == roll->cfg.epoch && i >= 0)
		roll->answered |= (uint16_t)(1u << i);
	return true;
}

void registers_roll_run(struct registers *r)
{
	struct roll *roll = &r->roll;
	bool same = r->cfg.epoch == roll->cfg.epoch;
	struct registers_out *out;

	if (roll->round == 0)
		return;
	if (same && r->now.mono_ms < roll->until_ms && roll->answered != (1u << quorum_voters(&roll->cfg)) - 1) {
		if (r->now.mono_ms >= roll->resend_ms)
			call(r);
		return;
	}
	roll->round = 0;
	roll->self_due = false;
	out = registers_emit(r, REGISTERS_OUT_ROLL);
	out->epoch = roll->cfg.epoch;
	for (int i = 0; same && i < quorum_voters(&roll->cfg); i++)
		if (roll->answered >> i & 1)
			out->to[out->n_to++] = *quorum_voter(&roll->cfg, i);
}

/* ---- an era ---- */

/* Above all that anybody may have counted to: who was given up has not counted an era's step further meanwhile. */
static uint64_t next_era(struct registers *r)
{
	uint64_t highest = MAX(MAX(r->cfg.epoch, r->source.counter), acceptor_highest(r->acceptor));

	for (size_t i = 0; i < r->known.n; i++) {
		const struct known *k = r->known.v[i];

		highest = MAX(highest, ballot_max(&k->ballot, &k->heard)->counter);
	}
	return quorum_floor(highest) + QUORUM_ERA_STEP * (1 + rng_below(&r->rng, ERAS_MAX));
}

int registers_era_begin(struct registers *r, const struct quorum_set *set, uint64_t epoch)
{
	struct quorum_cfg cfg;
	uint16_t mask = 0;

	if (r->cfg.epoch == 0)
		return -ENOTCONN;
	if (!r->open || r->next_era.epoch > 0)
		return -EAGAIN;
	if (epoch != r->cfg.epoch)
		return -ESTALE;
	if (set->n == 0 || set->n > QUORUM_ALL_IN || !quorum_set_has(set, &r->source.node))
		return -EINVAL;
	for (uint8_t i = 0; i < set->n; i++) {
		int at = quorum_index(&r->cfg, &set->v[i]);

		if (at < 0)
			return -EINVAL;
		mask |= (uint16_t)(1u << at);
	}
	cfg = quorum_all_of(next_era(r), set);
	if (quorum_reached(&r->cfg, mask) || quorum_fault(&cfg))
		return quorum_reached(&r->cfg, mask) ? -EINVAL : -ERANGE;
	r->next_era = cfg;
	r->adopt_at_ms = r->now.mono_ms;
	return 0;
}

/* A later era is known, and not on disk. */
static bool is_to_adopt(const struct registers *r)
{
	return quorum_floor(r->cfg.epoch) > quorum_floor(acceptor_cfg(r->acceptor)->epoch);
}

/* What this node knows to be chosen, and its own voter has missed; NULL: nothing. */
static const struct known *missed(const struct registers *r)
{
	for (size_t i = 0; i < r->known.n; i++) {
		const struct known *k = r->known.v[i];
		struct acceptor_image is = {0};

		if (!k->value)
			continue;
		if (!acceptor_get(r->acceptor, &k->key, &is) || ballot_cmp(&is.accepted, &k->ballot) < 0)
			return k;
	}
	return NULL;
}

static void bring(struct registers *r, const struct known *k)
{
	const struct acceptor_in in = {
		.type = ACCEPTOR_IN_KNOWN, .key = &k->key, .ballot = k->ballot, .value = k->value};

	registers_acceptor_input(r, &in);
}

/*
 * Of the root register each voter keeps what is chosen, though it missed it: without that nobody can give up the others
 * (agree_recover.c).
 */
static bool bring_root(struct registers *r)
{
	static const struct msg_key root;
	const struct known *k = keyed_find(&r->known, &root);
	struct acceptor_image is = {0};

	r->root_at_ms = DEADLINE_NEVER;
	if (!k || !k->value || k->doubted || quorum_index(acceptor_cfg(r->acceptor), &r->source.node) < 0 ||
		(acceptor_get(r->acceptor, &root, &is) && ballot_cmp(&is.accepted, &k->ballot) >= 0))
		return false;
	bring(r, k);
	return true;
}

/*
 * What voters have accepted is all that an era begins with: so what this node knows goes to its voter before, and is
 * durable before anybody hears of the era.
 */
static void bring_on(struct registers *r)
{
	const struct known *k = RULE(M27) ? missed(r) : NULL;
	const struct quorum_cfg cfg = r->next_era;

	if (k) {
		bring(r, k);
		r->adopt_at_ms = r->now.mono_ms + (missed(r) == k ? BRING_AGAIN_MS : 0);
	} else if (!acceptor_is_settled(r->acceptor)) {
		r->adopt_at_ms = r->now.mono_ms + BRING_AGAIN_MS;
	} else {
		r->next_era = (struct quorum_cfg){0};
		r->adopt_at_ms = r->now.mono_ms;
		registers_see_cfg(r, &cfg);
	}
}

bool registers_era_self(struct registers *r)
{
	if (r->root_at_ms <= r->now.mono_ms && bring_root(r))
		return true;
	if (r->adopt_at_ms > r->now.mono_ms)
		return false;
	if (r->next_era.epoch > 0 && is_to_adopt(r))
		r->next_era = (struct quorum_cfg){0}; /* another era has begun */
	if (r->next_era.epoch > 0) {
		bring_on(r);
		return true;
	}
	if (!is_to_adopt(r))
		return false;
	r->adopt_at_ms = r->now.mono_ms + ADOPT_AGAIN_MS;
	registers_acceptor_input(r, &(struct acceptor_in){.type = ACCEPTOR_IN_CFG, .cfg = &r->cfg});
	return true;
}

int64_t registers_era_deadline(const struct registers *r)
{
	int64_t at = r->roll.round ? MIN(r->roll.resend_ms, r->roll.until_ms) : DEADLINE_NEVER;

	if (r->open)
		at = MIN(at, r->root_at_ms);
	return r->open && (r->next_era.epoch > 0 || is_to_adopt(r)) ? MIN(at, r->adopt_at_ms) : at;
}
