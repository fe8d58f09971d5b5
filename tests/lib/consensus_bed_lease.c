/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots that hosts run under leases: a process is started when its lease may run and the newest chosen value known says
 * so.
 */
#include <string.h>

#include "tests/lib/consensus_bed.h"

static void step(struct cbed *b, int host, const struct lease_in *in);

static bool is_mine(const struct cbed *b, int host, int key, uint32_t slot, uint64_t *epoch)
{
	const struct chost *h = &b->hosts[host];
	const struct cval *v = &h->newest[key];

	if (slot >= v->n_slots || !ballot_same_node(&v->slots[slot].owner, &h->uuid))
		return false;
	*epoch = v->slots[slot].epoch;
	return true;
}

static struct lease_slot name_of(int key, uint32_t slot, uint64_t epoch)
{
	return (struct lease_slot){.key = cbed_key(key), .slot = slot, .epoch = epoch};
}

static void start(struct cbed *b, struct cproc *p, uint64_t epoch, int64_t until_ms)
{
	if (b->hosts[p->host].disk.released[p->key][p->slot] >= epoch)
		cbed_wrong(b, "slot %d of key %d runs at an epoch that was released", (int)p->slot, p->key);
	cbed_proc_start(b, p, epoch, until_ms);
}

void cbed_proc_timer(struct cbed *b, struct cproc *p)
{
	struct chost *h = &b->hosts[p->host];
	struct lease_in in = {.type = LEASE_IN_EMPTY, .slot = name_of(p->key, p->slot, p->epoch)};
	uint64_t epoch;

	if (cbed_proc_ends(b, p) && h->up && (!is_mine(b, p->host, p->key, p->slot, &epoch) || epoch != p->epoch))
		step(b, p->host, &in);
}

/* What the lease says of a slot. */
static void changed(struct cbed *b, int host, const struct lease_slot *s)
{
	struct chost *h = &b->hosts[host];
	int key = cbed_key_of(&s->key);
	struct cproc *p = &h->procs[key][s->slot];
	struct lease_in in = {.type = LEASE_IN_RELEASED, .slot = *s};
	struct now now = cbed_now(b, host);
	uint64_t epoch;

	if (s->state == LEASE_EMPTY) {
		h->disk.released[key][s->slot] = MAX(h->disk.released[key][s->slot], s->epoch);
		step(b, host, &in);
		return;
	}
	if (s->unknown)
		(void)cbed_begin(b, host, key, CBED_NOTHING, 3000); /* no place: at the next refusal */
	if (!lease_may_run(s, now))
		return;
	if (p->running && p->epoch == s->epoch && !p->dying && p->until_ms > now.boot_ms)
		cbed_proc_extend(b, p, s->until_ms);
	else if (!p->running && is_mine(b, host, key, s->slot, &epoch) && epoch == s->epoch)
		start(b, p, epoch, s->until_ms);
}

static void step(struct cbed *b, int host, const struct lease_in *in)
{
	struct chost *h = &b->hosts[host];
	struct lease_outs outs;
	struct lease_slot s;
	int64_t deadline;

	(void)lease_step(&h->lease, in, cbed_now(b, host), &outs); /* no memory: not held, until the next news */
	lease_check(&h->lease);
	cbed_ask_voters(b, host, &outs.msg, outs.brief, outs.to, outs.n_to);
	while (lease_changed(&h->lease, &s))
		changed(b, host, &s);
	deadline = lease_deadline_ms(&h->lease);
	if (deadline == DEADLINE_NEVER)
		heap_del(&b->heap, &h->lease_timer);
	else
		heap_set(&b->heap, &h->lease_timer,
			MAX(deadline == INT64_MIN ? 0 : cbed_real_ms(b, host, deadline), b->now_ms + 1));
}

/* The newest value that is known, held against what runs. */
static void apply(struct cbed *b, int host, int key)
{
	struct chost *h = &b->hosts[host];

	for (uint32_t s = 0; s < CBED_SLOTS_MAX; s++) {
		struct cproc *p = &h->procs[key][s];
		struct lease_in in = {.type = LEASE_IN_HOLD};
		struct lease_slot held;
		uint64_t epoch = 0;
		bool mine = is_mine(b, host, key, s, &epoch);
		struct msg_key k = cbed_key(key);

		if (p->running && (!mine || p->epoch != epoch))
			cbed_proc_stop(b, p);
		else if (!p->running && lease_get(&h->lease, &k, s, &held) && (!mine || held.epoch != epoch))
			step(b, host, &(struct lease_in){.type = LEASE_IN_EMPTY, .slot = held});
		if (!mine || h->disk.released[key][s] >= epoch)
			continue;
		in.slot = name_of(key, s, epoch);
		if (p->running && p->epoch == epoch)
			in.slot.until_ms = p->until_ms;
		step(b, host, &in);
	}
}

void cbed_news(struct cbed *b, int host, int key, const struct cval *v)
{
	struct chost *h = &b->hosts[host];

	if (!b->config.leases || v->depth <= h->newest[key].depth)
		return;
	h->newest[key] = *v;
	if (key == 0)
		step(b, host, &(struct lease_in){.type = LEASE_IN_TIMES, .times = v->times});
	else
		apply(b, host, key);
}

void cbed_lease_boot(struct cbed *b, int host)
{
	struct chost *h = &b->hosts[host];
	struct lease_config config = {.self = h->uuid,
		.cfg = h->cfg,
		.times = {.tf_ms = 2000, .kill_ms = 500, .lv_ms = 3100},
		.number = h->disk.boot << 32,
		.mem = cbed_mem(b)};

	memset(h->newest, 0, sizeof(h->newest));
	if (!b->config.leases)
		return;
	lease_init(&h->lease, &config, cbed_now(b, host));
	for (int key = 1; key < b->config.keys; key++)
		for (uint32_t s = 0; s < CBED_SLOTS_MAX; s++) {
			struct cproc *p = &h->procs[key][s];
			struct lease_in in = {.type = LEASE_IN_HOLD, .slot = name_of(key, s, p->epoch)};

			if (!p->running || p->dying)
				continue;
			in.slot.until_ms = p->until_ms;
			step(b, host, &in);
		}
}

void cbed_lease_drop(struct cbed *b, int host)
{
	lease_done(&b->hosts[host].lease);
	heap_del(&b->heap, &b->hosts[host].lease_timer);
}

void cbed_lease_tick(struct cbed *b, int host)
{
	step(b, host, &(struct lease_in){.type = LEASE_IN_TICK});
}

void cbed_lease_msg(struct cbed *b, int host, const struct msg *m)
{
	if (b->config.leases)
		step(b, host, &(struct lease_in){.type = LEASE_IN_MSG, .msg = m});
}

void cbed_lease_cfg(struct cbed *b, int host)
{
	if (b->config.leases && b->hosts[host].up)
		step(b, host, &(struct lease_in){.type = LEASE_IN_CFG, .cfg = &b->hosts[host].cfg});
}

void cbed_give_up(struct cbed *b, int host, int key, uint32_t slot)
{
	struct chost *h = &b->hosts[host];

	if (!h->procs[key][slot].running)
		return;
	h->newest[key].n_slots = 0; /* as if it were told that nothing of it is its own */
	cbed_proc_stop(b, &h->procs[key][slot]);
}

void cbed_long(struct cbed *b, int host, uint32_t tf_ms)
{
	step(b, host, &(struct lease_in){.type = LEASE_IN_LONG, .tf_ms = tf_ms});
}

void cbed_all_run(struct cbed *b)
{
	for (int key = 1; key < b->config.keys && b->config.leases; key++)
		for (int i = 0; i < b->config.hosts; i++)
			for (uint32_t s = 0; s < CBED_SLOTS_MAX; s++) {
				uint64_t epoch;

				if (is_mine(b, i, key, s, &epoch) && b->hosts[i].disk.released[key][s] < epoch &&
					!b->hosts[i].procs[key][s].running)
					cbed_wrong(b, "healed, and yet slot %d of key %d does not run on host %d",
						(int)s, key, i);
			}
}
