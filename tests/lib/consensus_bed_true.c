/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be true whatever happens: the chosen values of a register form one chain, nobody who asks later sees less
 * than was chosen before, what a voter said it keeps, and nothing is said before it is on its disk.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/consensus_bed.h"
#include "tests/lib/test.h"

void cbed_wrong(struct cbed *b, const char *fmt, ...)
{
	va_list ap;

	if (b->wrong[0])
		return;
	va_start(ap, fmt);
	(void)vsnprintf(b->wrong, sizeof(b->wrong), fmt, ap);
	va_end(ap);
}

static const struct cval_line *line_of(const struct cbed *b, uint64_t id)
{
	for (uint32_t i = (uint32_t)id % CBED_VALUES_MAX; b->values[i].id; i = (i + 1) % CBED_VALUES_MAX)
		if (b->values[i].id == id)
			return &b->values[i];
	return NULL;
}

void cbed_made(struct cbed *b, int key, const struct cval *v)
{
	uint32_t i = (uint32_t)v->id % CBED_VALUES_MAX;

	if (line_of(b, v->id))
		return;
	if (++b->n_values > CBED_VALUES_MAX / 2) {
		cbed_wrong(b, "the bed is full: more values than it holds");
		return;
	}
	while (b->values[i].id)
		i = (i + 1) % CBED_VALUES_MAX;
	b->values[i] = (struct cval_line){.id = v->id, .parent = v->parent, .depth = v->depth, .key = key};
}

/* It and all before it must be what was chosen at their depths. */
void cbed_chosen(struct cbed *b, int key, const struct cval *v, uint32_t at_least)
{
	uint64_t id = v->id;

	if (v->depth < at_least)
		cbed_wrong(b, "key %d: %" PRIu32 " changes are seen, %" PRIu32 " were chosen before", key, v->depth,
			at_least);
	while (id) {
		const struct cval_line *line = line_of(b, id);

		if (!line || line->key != key) {
			cbed_wrong(b, "key %d: a value that nobody made", key);
			return;
		}
		if (line->depth >= ARRAY_LEN(b->chain[0])) {
			cbed_wrong(b, "the bed is full: a chain that is too long");
			return;
		}
		if (b->chain[key][line->depth] == id)
			break;
		if (b->chain[key][line->depth]) {
			cbed_wrong(b, "key %d: two values are chosen at depth %" PRIu32, key, line->depth);
			return;
		}
		b->chain[key][line->depth] = id;
		id = line->parent;
	}
	b->tip[key] = MAX(b->tip[key], v->depth);
}

static void said_before_durable(struct cbed *b, int host, const char *what)
{
	cbed_wrong(b, "host %d says %s before it is on its disk", host, what);
}

void cbed_asks(struct cbed *b, int host, const struct msg *m)
{
	struct casked *a = &b->hosts[host].asked[m->number % CBED_ASKED_MAX];

	if (m->type != MSG_RENEW)
		return;
	assert_in_range(m->n_leases, 1, ARRAY_LEN(a->leases));
	a->number = m->number;
	a->n = m->n_leases;
	memcpy(a->leases, m->leases, m->n_leases * sizeof(a->leases[0]));
}

static void granted(struct cbed *b, int host, const struct msg_lease *l)
{
	const struct cval *v = &b->hosts[host].disk.regs[cbed_key_of(&l->key)].value;

	/* A later one: the voter slept until the guard was over, and the answer is of no use to anybody. */
	if (l->slot >= v->n_slots || v->slots[l->slot].epoch < l->epoch)
		said_before_durable(b, host, "a grant");
}

/* All that the host asked for under that number, as far as it is remembered. */
static void granted_all(struct cbed *b, int host, int to, const struct msg *m)
{
	const struct casked *a = &b->hosts[to].asked[m->number % CBED_ASKED_MAX];

	if (a->number != m->number)
		return;
	if (msg_leases_sum(a->leases, a->n) != m->set)
		cbed_wrong(b, "host %d grants host %d other leases than it asked for", host, to);
	for (uint32_t i = 0; i < a->n; i++)
		granted(b, host, &a->leases[i]);
}

void cbed_answered(struct cbed *b, int host, int to, const struct msg *m)
{
	struct chost *h = &b->hosts[host];
	int key = cbed_key_of(&m->key);

	if (b->config.outcomes_only || m->type == MSG_REFUSED)
		return;
	if (msg_fault(m))
		cbed_wrong(b, "host %d says %s: %s", host, msg_name(m->type), msg_fault(m));
	if (h->disk.header.cfg.epoch < m->cfg.epoch)
		said_before_durable(b, host, "an epoch");
	if (m->type == MSG_PROMISE) {
		if (ballot_cmp(&h->disk.regs[key].promised, &m->ballot) < 0)
			said_before_durable(b, host, "a promise");
		h->told_promised[key] = *ballot_max(&h->told_promised[key], &m->ballot);
	} else if (m->type == MSG_ACCEPTED) {
		if (ballot_cmp(&h->disk.regs[key].accepted, &m->ballot) < 0)
			said_before_durable(b, host, "an accept");
		h->told_accepted[key] = *ballot_max(&h->told_accepted[key], &m->ballot);
	} else if (m->type == MSG_VALUE && ballot_cmp(&h->disk.regs[key].accepted, &m->accepted) < 0)
		said_before_durable(b, host, "a value");
	if (m->type == MSG_GRANT && m->set)
		granted_all(b, host, to, m);
	for (uint32_t i = 0; m->type == MSG_GRANT && i < m->n_leases; i++)
		if (m->leases[i].why == MSG_WHY_NONE)
			granted(b, host, &m->leases[i]);
}

void cbed_after_step(struct cbed *b, int host)
{
	const struct chost *h = &b->hosts[host];

	acceptor_check(h->a);
	if (b->config.outcomes_only)
		return;
	for (int key = 0; key < b->config.keys; key++) {
		struct msg_key k = cbed_key(key);
		struct acceptor_image image = {0};

		(void)acceptor_get(h->a, &k, &image); /* zeroes when it is not there */
		if (ballot_cmp(&image.promised, &h->told_promised[key]) < 0)
			cbed_wrong(b, "host %d: a promise has fallen", host);
		if (ballot_cmp(&image.accepted, &h->told_accepted[key]) < 0)
			cbed_wrong(b, "host %d: an accept has fallen", host);
	}
}
