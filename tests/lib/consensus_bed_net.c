/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bed's network and disks: what the seed loses, delays and doubles, which writes are durable when, and what an
 * acceptor hears and says.
 */
#include <string.h>

#include "tests/lib/consensus_bed.h"
#include "tests/lib/test.h"

static struct cmsg *msg_copy(int from, int to, const struct msg *m)
{
	size_t keys = m->n_keys * sizeof(*m->keys), guards = m->n_guards * sizeof(*m->guards),
	       leases = m->n_leases * sizeof(*m->leases);
	struct cmsg *c = calloc(1, sizeof(*c) + keys + guards + leases + m->value.n);
	uint8_t *at = (uint8_t *)(c + 1);

	assert_non_null(c);
	c->from = from;
	c->to = to;
	c->timer.kind = EV_MSG;
	c->m = *m;
	c->m.guards = guards ? memcpy(at, m->guards, guards) : NULL;
	c->m.leases = leases ? memcpy(at + guards, m->leases, leases) : NULL;
	c->m.keys = keys ? memcpy(at + guards + leases, m->keys, keys) : NULL;
	c->m.value.v = m->value.n ? memcpy(at + guards + leases + keys, m->value.v, m->value.n) : NULL;
	return c;
}

static void post(struct cbed *b, int from, int to, const struct msg *m)
{
	struct cmsg *c = msg_copy(from, to, m), **last = &b->held;
	int64_t late = cbed_chance(b, b->config.late_pct) ? cbed_between(b, 50, 3000) : 0;

	if (!b->by_hand) {
		heap_set(&b->heap, &c->timer, b->now_ms + (from == to ? 0 : cbed_between(b, 1, 12) + late));
		return;
	}
	while (*last)
		last = &(*last)->next;
	*last = c;
}

void cbed_send(struct cbed *b, int from, int to, const struct msg *m)
{
	b->msgs++;
	b->brief += m->type == MSG_RENEW && m->n_leases == 0;
	b->brief_granted += m->type == MSG_GRANT && m->n_leases == 0;
	b->sets_unknown += m->type == MSG_REFUSED && m->why == MSG_WHY_SET;
	if (!b->config.outcomes_only && msg_fault(m))
		cbed_wrong(b, "host %d sends a %s that is faulty: %s", from, msg_name(m->type), msg_fault(m));
	if (to < 0 || (from != to && (b->cut[from][to] || cbed_chance(b, b->config.lose_pct))))
		return;
	post(b, from, to, m);
	if (cbed_chance(b, b->config.double_pct))
		post(b, from, to, m);
}

/* What of the queue reached the disk before now, or by luck before a crash. */
void cbed_disk_apply(struct chost *h, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct cwrite *w = &h->queue[i];

		h->disk.write = w->number;
		if (w->what == ACCEPTOR_OUT_HEADER)
			h->disk.header = w->header;
		for (uint32_t k = 0; k < w->n_leases; k++)
			if (w->leases[k].why == MSG_WHY_NONE)
				h->disk.longs[cbed_key_of(&w->leases[k].key)][w->leases[k].slot] =
					(struct clong){.slot = {.slot = w->leases[k].slot,
							       .owner = w->holder,
							       .epoch = w->leases[k].epoch},
						.long_ms = w->long_ms};
		if (w->what != ACCEPTOR_OUT_REGISTER)
			continue;
		h->disk.regs[w->key].there = true;
		h->disk.regs[w->key].promised = w->promised;
		h->disk.regs[w->key].accepted = w->accepted;
		if (!w->new_value)
			continue;
		h->disk.regs[w->key].has_value = w->has_value;
		h->disk.regs[w->key].value = w->value;
	}
	memmove(h->queue, h->queue + n, (h->n_queue - n) * sizeof(h->queue[0]));
	h->n_queue -= n;
}

static void persist(struct cbed *b, int host, const struct acceptor_out *out)
{
	struct chost *h = &b->hosts[host];
	struct cwrite *w;
	int64_t ms;

	assert_true(h->n_queue < CBED_QUEUE_MAX);
	w = &h->queue[h->n_queue++];
	*w = (struct cwrite){.number = out->write, .what = out->type, .header = out->header};
	if (out->type == ACCEPTOR_OUT_LONG) {
		w->holder = out->holder;
		w->long_ms = out->long_ms;
		w->n_leases = out->n_leases;
		memcpy(w->leases, out->leases, out->n_leases * sizeof(w->leases[0]));
	}
	if (out->type == ACCEPTOR_OUT_REGISTER) {
		w->key = cbed_key_of(out->key);
		w->promised = out->image.promised;
		w->accepted = out->image.accepted;
		w->new_value = out->new_value;
		w->has_value = out->new_value;
		if (out->new_value)
			(void)cbed_read(value_bytes(out->image.value), &w->value); /* zeroes: an empty value */
	}
	ms = cbed_between(b, 0, cbed_chance(b, b->config.late_pct / 4) ? 400 : 6);
	if (b->by_hand || b->disk_ms > 0)
		ms = b->disk_ms;
	if (!heap_has(&h->disk_timer))
		heap_set(&b->heap, &h->disk_timer, b->now_ms + ms);
}

void cbed_acceptor_step(struct cbed *b, int host, const struct acceptor_in *in)
{
	static struct acceptor_outs outs;
	static const struct acceptor_in tick = {.type = ACCEPTOR_IN_TICK};
	struct chost *h = &b->hosts[host];

	do {
		struct now now = cbed_now(b, host);

		if (in->msg && in->msg->type == MSG_RENEW)
			now.boot_ms -= b->stale_ms;
		acceptor_step(h->a, in, now, &outs);
		for (size_t i = 0; i < outs.n; i++) {
			const struct acceptor_out *out = &outs.v[i];

			if (out->type == ACCEPTOR_OUT_SEND) {
				cbed_answered(b, host, cbed_host_of(b, &out->to), &out->msg);
				cbed_send(b, host, cbed_host_of(b, &out->to), &out->msg);
			} else if (out->type != ACCEPTOR_OUT_ROLLED_BACK)
				persist(b, host, out);
		}
		cbed_after_step(b, host);
		cbed_learn(b, host, acceptor_cfg(h->a));
		in = &tick;
	} while (acceptor_deadline_ms(h->a) != DEADLINE_NEVER);
}

void cbed_disk_done(struct cbed *b, int host)
{
	struct chost *h = &b->hosts[host];

	if (cbed_chance(b, b->config.full_pct)) {
		h->n_queue = 0;
		cbed_acceptor_step(b, host, &(struct acceptor_in){.type = ACCEPTOR_IN_FULL});
		return;
	}
	cbed_disk_apply(h, h->n_queue);
	cbed_acceptor_step(b, host, &(struct acceptor_in){.type = ACCEPTOR_IN_STORED, .write = h->disk.write});
}

void cbed_deliver(struct cbed *b, const struct cmsg *c)
{
	struct chost *h = &b->hosts[c->to], *from = &b->hosts[c->from];
	struct msg m = c->m;

	if (!h->up)
		return;
	if (h->older || from->older)
		m.set = 0; /* passed over, or not said */
	if (m.boot > 0 && m.boot >= from->seen_boot) {
		from->seen_boot = m.boot;
		from->seen_write = MAX(from->seen_write, m.write);
	}
	switch (m.type) {
	case MSG_PREPARE:
	case MSG_ACCEPT:
	case MSG_READ:
	case MSG_SEAL:
	case MSG_RENEW:
	case MSG_RELEASE:
		cbed_acceptor_step(b, c->to, &(struct acceptor_in){.type = ACCEPTOR_IN_MSG, .msg = &m});
		break;
	default:
		if (m.type == MSG_REFUSED && m.why == MSG_WHY_EPOCH)
			cbed_learn(b, c->to, &m.cfg);
		cbed_op_msg(b, c->to, &m);
		cbed_voters_msg(b, c->to, &m);
		cbed_lease_msg(b, c->to, &m);
	}
}

bool cbed_hand(struct cbed *b, int from, int to, enum msg_type type)
{
	for (struct cmsg **at = &b->held; *at; at = &(*at)->next) {
		struct cmsg *c = *at;

		if ((from >= 0 && c->from != from) || (to >= 0 && c->to != to) || c->m.type != type)
			continue;
		*at = c->next;
		cbed_deliver(b, c);
		free(c);
		cbed_run(b, 0);
		return true;
	}
	return false;
}

void cbed_lose(struct cbed *b, int from, int to, enum msg_type type)
{
	for (struct cmsg **at = &b->held; *at;) {
		struct cmsg *c = *at;

		if ((from >= 0 && c->from != from) || (to >= 0 && c->to != to) || c->m.type != type) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		free(c);
	}
}
