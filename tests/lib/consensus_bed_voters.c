/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of voters in the bed: a host runs one, or takes up what another left.
 */
#include <string.h>

#include "tests/lib/consensus_bed.h"

#define PROPOSAL_MS 3000

struct quorum_set cbed_set(const struct cbed *b, const char *hosts)
{
	struct quorum_set s = {0};

	for (; *hosts; hosts++)
		s.v[s.n++] = b->hosts[*hosts - '0'].uuid;
	return s;
}

static bool cfg_put(void *ctx, struct msg_bytes value, const struct quorum_cfg *cfg, struct msg_bytes *ret)
{
	struct chost *h = ctx;

	if (!cbed_read(value, &h->cfg_next))
		return false;
	h->cfg_next.cfg = *cfg;
	*ret = cbed_bytes(&h->cfg_next);
	return true;
}

static void end(struct cbed *b, int host)
{
	struct chost *h = &b->hosts[host];

	for (int i = 0; i < CBED_OPS_MAX; i++) {
		struct cop *op = &h->ops[i];

		if (!op->used || op->kind != CBED_VOTERS)
			continue;
		proposer_done(&op->p);
		heap_del(&b->heap, &op->timer);
		op->used = false;
	}
	voters_done(&h->voters);
	h->runs_voters = false;
	heap_del(&b->heap, &h->voters_timer);
}

static void step(struct cbed *b, int host, const struct voters_in *in)
{
	struct chost *h = &b->hosts[host];
	struct voters_outs outs;
	int64_t deadline;

	voters_step(&h->voters, in, cbed_now(b, host), &outs);
	voters_check(&h->voters);
	for (int i = 0; i < outs.n_sends; i++)
		cbed_send(b, host, cbed_host_of(b, &outs.to[i]), &outs.sends[i]);
	for (int i = 0; i < outs.n_proposals; i++)
		if (!cbed_begin_at(b, host, cbed_key_of(&outs.keys[i]), CBED_VOTERS, PROPOSAL_MS, &outs.cfg)) {
			end(b, host); /* no place: given up, as a crash would */
			return;
		}
	if (outs.done) {
		b->voters_changed += h->voters.outcome == VOTERS_CHANGED;
		end(b, host);
		return;
	}
	deadline = voters_deadline_ms(&h->voters);
	if (deadline == DEADLINE_NEVER)
		heap_del(&b->heap, &h->voters_timer);
	else
		heap_set(&b->heap, &h->voters_timer, MAX(cbed_real_ms(b, host, deadline), b->now_ms + 1));
}

void cbed_voters_begin(struct cbed *b, int host, const struct quorum_set *target)
{
	struct chost *h = &b->hosts[host];
	struct voters_config config = {.self = h->uuid,
		.reader = &cbed_reader,
		.cfg_put = cfg_put,
		.ctx = h,
		.mem = cbed_mem(b),
		.cfg = h->cfg,
		.target = *target,
		.round = ++h->round,
		.round_ms = 25};

	h->runs_voters = true;
	voters_init(&h->voters, &config, cbed_now(b, host));
	cbed_voters_tick(b, host);
}

void cbed_voters_tick(struct cbed *b, int host)
{
	step(b, host, &(struct voters_in){.type = VOTERS_IN_TICK});
}

void cbed_voters_msg(struct cbed *b, int host, const struct msg *m)
{
	if (b->hosts[host].runs_voters)
		step(b, host, &(struct voters_in){.type = VOTERS_IN_MSG, .msg = m});
}

void cbed_voters_proposed(struct cbed *b, const struct cop *op)
{
	if (b->hosts[op->host].runs_voters)
		step(b, op->host,
			&(struct voters_in){.type = VOTERS_IN_PROPOSED,
				.key = cbed_key(op->key),
				.outcome = op->outcome,
				.value = cbed_bytes(&op->got)});
}

void cbed_voters_drop(struct cbed *b, int host)
{
	if (b->hosts[host].runs_voters)
		end(b, host);
}

/* One swapped, or one or two added or removed: whatever is allowed and has hosts for it. */
static bool target(struct cbed *b, const struct quorum_set *from, struct quorum_set *ret)
{
	*ret = *from;
	for (uint64_t n = rng_below(&b->rng, 3); n > 0 && ret->n > 0; n--) {
		uint64_t i = rng_below(&b->rng, ret->n--);

		ret->v[i] = ret->v[ret->n];
	}
	for (uint64_t n = rng_below(&b->rng, 3); n > 0; n--) {
		const struct uuid *node = &b->hosts[rng_below(&b->rng, (uint64_t)b->config.hosts)].uuid;

		if (ret->n < QUORUM_VOTERS_MAX && !quorum_set_has(ret, node))
			ret->v[ret->n++] = *node;
	}
	return ret->n > 0 && !voters_fault(from, ret);
}

void cbed_vote(struct cbed *b, int host)
{
	struct chost *h = &b->hosts[host];
	struct quorum_set set = {0};

	if (!h->up || h->runs_voters || (b->calm && !quorum_is_joint(&h->cfg)))
		return;
	if (quorum_is_joint(&h->cfg) || target(b, &h->cfg.old, &set))
		cbed_voters_begin(b, host, &set);
}
