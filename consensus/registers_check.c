/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must always be true of a node's part in the registers, and what it looks like in a trace.
 */
#include <stdio.h>

#include "consensus/registers_impl.h"

void registers_check(const struct registers *r)
{
	size_t n = 0;

	acceptor_check(r->acceptor);
	for (size_t i = 0; i < r->works_end; i++) {
		const struct work *w = r->works[i];

		if (!w)
			continue;
		n++;
		proposer_check(&w->p);
		assert(!w->self_due || (!w->ended && w->p.state != PROPOSER_DONE));
		assert(w->config.round <= r->round);
	}
	assert(n == r->n_works && r->n_asked <= REGISTERS_PROPOSALS_MAX);
	assert(acceptor_cfg(r->acceptor)->epoch <= r->cfg.epoch);
	if (r->voters)
		voters_check(r->voters);
	registers_known_check(r);
}

char *registers_dump(const struct registers *r, char *out, size_t n)
{
	char cfg[256];

	(void)snprintf(out, n, "%s, %zu known, %zu under way%s%s", quorum_text(&r->cfg, cfg, sizeof(cfg)), r->known.n,
		r->n_works, r->voters ? ", changes voters" : "", r->open ? "" : ", not open"); /* cut is fine */
	return out;
}
