/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of leased slots, whoever says when they run: at no instant of real time does a slot run twice. One goes
 * on when its daemon dies, and is killed by its fuse.
 */
#include <inttypes.h>

#include "tests/lib/consensus_bed.h"

#define STOP_MS 300 /* how long a process takes that is told to stop, at most */
#define KILL_MS 500 /* how long the last of it takes to die, by the host's clock */

static int64_t fuse_at_ms(const struct cbed *b, const struct cproc *p)
{
	return p->until_ms == INT64_MAX ? INT64_MAX : cbed_real_ms(b, p->host, p->until_ms);
}

void cbed_proc_extend(struct cbed *b, struct cproc *p, int64_t until_ms)
{
	p->until_ms = until_ms;
	if (!p->dying && until_ms != INT64_MAX)
		heap_set(&b->heap, &p->timer, fuse_at_ms(b, p));
}

void cbed_proc_start(struct cbed *b, struct cproc *p, uint64_t epoch, int64_t until_ms)
{
	for (int i = 0; i < b->config.hosts; i++)
		if (b->hosts[i].procs[p->key][p->slot].running)
			cbed_wrong(b, "slot %d of key %d runs twice: host %d at epoch %" PRIu64 ", host %d at %" PRIu64,
				(int)p->slot, p->key, i, b->hosts[i].procs[p->key][p->slot].epoch, p->host, epoch);
	p->running = true;
	p->dying = false;
	p->epoch = epoch;
	cbed_proc_extend(b, p, until_ms);
	b->starts++;
}

void cbed_proc_stop(struct cbed *b, struct cproc *p)
{
	if (p->dying)
		return;
	p->dying = true;
	heap_set(&b->heap, &p->timer, MIN(b->now_ms + cbed_between(b, 0, STOP_MS), fuse_at_ms(b, p)));
}

bool cbed_proc_ends(struct cbed *b, struct cproc *p)
{
	if (!p->dying) {
		p->dying = true;
		b->fenced++;
		heap_set(&b->heap, &p->timer, cbed_real_ms(b, p->host, p->until_ms + cbed_between(b, 0, KILL_MS)));
		return false;
	}
	p->running = p->dying = false;
	return true;
}

void cbed_ask_voters(
	struct cbed *b, int host, const struct msg *msg, uint16_t brief, const struct uuid *to, unsigned n_to)
{
	if (n_to > 0)
		cbed_asks(b, host, msg);
	for (unsigned i = 0; i < n_to; i++) {
		struct msg m = lease_msg(msg, brief, i);

		cbed_send(b, host, cbed_host_of(b, &to[i]), &m);
	}
}
