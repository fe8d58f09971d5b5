/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must always be true of a voter, and what it looks like in a trace.
 */
#include <inttypes.h>
#include <stdio.h>

#include "consensus/acceptor_impl.h"

static void check_reg(const struct acceptor *a, const struct reg *r)
{
	assert(!RULE(M1) || ballot_cmp(&r->image.promised, &r->image.accepted) >= 0);
	assert(!RULE(M1) || ballot_cmp(&r->image.promised, &r->durable.promised) >= 0);
	assert(!RULE(M1) || ballot_cmp(&r->image.accepted, &r->durable.accepted) >= 0);
	assert(ballot_is_zero(&r->image.accepted) == (r->image.value == NULL));
	assert(r->durable_write <= a->durable && r->write <= a->write && r->durable_write <= r->write);
	for (uint32_t i = 0; i < r->n_guards; i++) {
		const struct guard *g = &r->guards[i];

		assert(i == 0 || r->guards[i - 1].slot.slot < g->slot.slot);
		assert(!g->released || g->until_ms == 0);
		assert(g->until_ms <= a->now.boot_ms + (int64_t)value_guard_ms(MSG_TF_MAX_MS, UINT32_MAX / 4));
	}
}

static void check_sets(const struct acceptor *a)
{
	uint32_t n = 0;

	assert(a->n_sets <= ACCEPTOR_SETS_MAX && a->set_leases <= ACCEPTOR_LEASES_MAX);
	for (uint32_t i = 0; i < a->n_sets; i++) {
		n += a->sets[i].n;
		assert(a->sets[i].n > 0 && a->sets[i].sum != 0);
	}
	assert(n == a->set_leases);
}

void acceptor_check(const struct acceptor *a)
{
	uint64_t last = a->durable;

	check_sets(a);

	assert(a->on_disk <= a->durable && a->durable <= a->write && a->write_first <= a->write);
	assert(a->header.cfg.epoch >= a->durable_header.cfg.epoch && !quorum_fault(&a->header.cfg));
	assert(a->header.keep_from <= quorum_floor(a->header.cfg.epoch) &&
		a->header.keep_from >= a->durable_header.keep_from);
	for (size_t i = 0; i < a->regs.n; i++) {
		check_reg(a, a->regs.v[i]);
	}
	assert(a->n_queue <= ACCEPTOR_PENDING_MAX && a->n_spent <= ACCEPTOR_OUTS_MAX);
	for (size_t i = 0; i < a->n_queue; i++) {
		const struct pending *p = &a->queue[i];

		assert(p->need <= a->write && p->need >= p->write);
		if (p->what == PENDING_NOTHING)
			continue;
		assert(p->write > last);
		last = p->write;
	}
}

static size_t dump_reg(const struct acceptor *a, const struct reg *r, char *out, size_t n)
{
	char promised[BALLOT_TEXT_MAX], accepted[BALLOT_TEXT_MAX], node[8];
	struct acceptor_image is = acceptor_kept(a, &r->image);
	size_t at = (size_t)snprintf(out, n, " | %.*s %s %s", r->key.n ? r->key.n : 1, r->key.n ? r->key.v : "/",
		ballot_text(&is.promised, promised, sizeof(promised)),
		ballot_text(&is.accepted, accepted, sizeof(accepted)));

	for (uint32_t i = 0; i < r->n_guards && at < n; i++) {
		const struct guard *g = &r->guards[i];

		if (g->until_ms > a->now.boot_ms || g->released)
			at += (size_t)snprintf(out + at, n - at, " [%" PRIu32 " %s/%" PRIu64 " %s%" PRId64 "]",
				g->slot.slot, ballot_node_text(&g->slot.owner, node, sizeof(node)), g->slot.epoch,
				g->moving ? "moving " : "", g->until_ms);
	}
	return MIN(at, n - 1);
}

char *acceptor_dump(const struct acceptor *a, char *out, size_t n)
{
	size_t at;
	int rc;

	(void)quorum_text(&a->header.cfg, out, n);
	for (at = 0; out[at];)
		at++;
	rc = snprintf(out + at, n - at, " disk %" PRIu64 "/%" PRIu64 " waiting %zu%s%s%s", a->durable, a->write,
		a->n_queue, a->header.keep_from ? " given up" : "",
		a->wait_until_ms > a->now.boot_ms ? " restarted" : "", a->rolled_back ? " rolled back" : "");
	at = MIN(at + (size_t)rc, n - 1);
	for (size_t i = 0; i < a->regs.n; i++)
		at += dump_reg(a, a->regs.v[i], out + at, n - at);
	return out;
}
