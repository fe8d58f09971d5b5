/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durable before answered. Each write that is handed over lies in the queue with what it changes on disk; an answer
 * lies there with the number that it needs: that of the newest write of its register or of the configuration,
 * whichever is later, so that it rests on nothing that a crash could take back. An answer is completed when it
 * goes: guards and lists of keys are as they are then.
 */
#include <string.h>

#include "consensus/acceptor_impl.h"

/* A step needs at most three places: header, header once more (R's times), and a register or an answer. */
bool acceptor_has_room(const struct acceptor *a)
{
	return a->n_queue + 3 <= ACCEPTOR_PENDING_MAX;
}

static struct acceptor_out *out_add(struct acceptor_outs *outs, enum acceptor_out_type type)
{
	struct acceptor_out *out;

	assert(outs->n < ACCEPTOR_OUTS_MAX);
	out = &outs->v[outs->n++];
	*out = (struct acceptor_out){.type = type};
	return out;
}

static struct pending *queue_add(struct acceptor *a, enum pending_what what)
{
	struct pending *p;

	assert(a->n_queue < ACCEPTOR_PENDING_MAX);
	p = &a->queue[a->n_queue++];
	*p = (struct pending){.what = what};
	if (what != PENDING_NOTHING)
		p->write = p->need = ++a->write;
	return p;
}

void acceptor_write_header(struct acceptor *a, struct acceptor_outs *outs)
{
	struct pending *p = queue_add(a, PENDING_HEADER);
	struct acceptor_out *out = out_add(outs, ACCEPTOR_OUT_HEADER);

	p->header = a->header;
	a->header_write = p->write;
	out->write = p->write;
	out->header = a->header;
}

struct pending *acceptor_write_register(struct acceptor *a, struct reg *r, bool new_value, struct acceptor_outs *outs)
{
	struct pending *p = queue_add(a, PENDING_REGISTER);
	struct acceptor_out *out = out_add(outs, ACCEPTOR_OUT_REGISTER);

	p->reg = r;
	acceptor_image_set(a, &p->image, &r->image);
	r->write = p->write;
	p->need = MAX(r->write, a->header_write);
	out->write = p->write;
	out->key = &r->key;
	out->image = r->image;
	out->new_value = new_value;
	return p;
}

struct pending *acceptor_write_long(struct acceptor *a, struct msg_lease *leases, uint32_t n, const struct uuid *holder,
	uint32_t long_ms, struct acceptor_outs *outs)
{
	struct pending *p = queue_add(a, PENDING_LONG);
	struct acceptor_out *out = out_add(outs, ACCEPTOR_OUT_LONG);

	out->write = p->write;
	out->holder = *holder;
	out->leases = leases;
	out->n_leases = n;
	out->long_ms = long_ms;
	return p;
}

struct pending *acceptor_wait(struct acceptor *a, uint64_t need)
{
	struct pending *p = queue_add(a, PENDING_NOTHING);

	p->need = MAX(need, a->header_write);
	return p;
}

void acceptor_answer(struct acceptor *a, struct pending *p, const struct msg *to, enum msg_type type)
{
	p->answers = true;
	p->to = to->from;
	p->msg = (struct msg){.type = type,
		.from = a->self,
		.cfg.epoch = to->cfg.epoch,
		.round = to->round,
		.key = to->key,
		.ballot = to->ballot,
		.number = to->number,
		.tf_ms = to->tf_ms,
		.boot = a->boot};
}

void acceptor_refuse(struct acceptor *a, const struct msg *to, const struct msg *why, struct acceptor_outs *outs)
{
	struct acceptor_out *out = out_add(outs, ACCEPTOR_OUT_SEND);

	out->to = to->from;
	out->msg = *why;
	out->msg.type = MSG_REFUSED;
	out->msg.from = a->self;
	out->msg.round = to->round;
	out->msg.key = to->key;
	out->msg.number = to->number;
	if (why->why == MSG_WHY_EPOCH)
		out->msg.cfg = a->header.cfg;
	else
		out->msg.cfg.epoch = to->cfg.epoch;
}

void acceptor_refuse_why(struct acceptor *a, const struct msg *to, enum msg_why why, struct acceptor_outs *outs)
{
	acceptor_refuse(a, to, &(struct msg){.why = why}, outs);
}

void acceptor_pending_free(struct acceptor *a, struct pending *p)
{
	value_unref(&a->mem, p->image.value);
	if (p->leases)
		a->mem.release(a->mem.ctx, p->leases, p->n_leases * sizeof(*p->leases));
	if (p->page)
		a->mem.release(a->mem.ctx, p->page, p->page_bytes);
}

void acceptor_stored(struct acceptor *a, uint64_t write)
{
	if (write > a->write || write <= a->durable)
		return;
	a->durable = a->on_disk = write;
	for (size_t i = 0; i < a->n_queue; i++) {
		struct pending *p = &a->queue[i];

		if (p->what == PENDING_NOTHING || p->write > write)
			continue;
		if (p->what == PENDING_HEADER) {
			a->durable_header = p->header;
			a->header_durable_write = p->write;
		} else if (p->what == PENDING_REGISTER) {
			acceptor_image_set(a, &p->reg->durable, &p->image);
			p->reg->durable_write = p->write;
		}
		p->what = PENDING_NOTHING;
	}
}

/* What was handed over and not made is undone; guards stay, since they only forbid. */
void acceptor_full(struct acceptor *a)
{
	for (size_t i = 0; i < a->n_queue; i++) {
		struct pending *p = &a->queue[i];

		if (p->what == PENDING_REGISTER) {
			acceptor_image_set(a, &p->reg->image, &p->reg->durable);
			p->reg->write = p->reg->durable_write;
		} else if (p->what == PENDING_HEADER) {
			a->header = a->durable_header;
			a->header_write = a->header_durable_write;
		}
		p->what = PENDING_NOTHING;
		if (p->need <= a->durable || !p->answers)
			continue;
		p->msg.type = MSG_REFUSED;
		p->msg.why = MSG_WHY_FULL;
		p->msg.ballot = p->msg.accepted = (struct ballot){0};
		p->msg.set = 0;
	}
	a->durable = a->write; /* these numbers are gone */
	acceptor_times(a);
}

static bool keys_tell(struct acceptor *a, struct pending *p)
{
	size_t from = p->msg.more ? acceptor_reg_after(a, &p->msg.key) : 0, n = MIN(a->regs.n - from, MSG_KEYS_MAX);
	struct msg_key *keys;

	p->page_bytes = MSG_KEYS_MAX * sizeof(*keys);
	p->page = keys = a->mem.alloc(a->mem.ctx, p->page_bytes);
	if (!keys)
		return false;
	for (size_t i = 0; i < n; i++)
		keys[i] = ((const struct reg *)a->regs.v[from + i])->key;
	p->msg.keys = keys;
	p->msg.n_keys = (uint32_t)n;
	p->msg.more = from + n < a->regs.n;
	p->msg.left_ms = acceptor_left_ms(a, a->now);
	return true;
}

static void complete(struct acceptor *a, struct pending *p)
{
	bool told = true;

	if (p->msg.type == MSG_PROMISE)
		told = acceptor_guards_tell(a, acceptor_reg_find(a, &p->msg.key), p);
	else if (p->msg.type == MSG_SEALED)
		told = keys_tell(a, p);
	else if (p->msg.type == MSG_GRANT && p->msg.set == 0) {
		p->msg.leases = p->leases;
		p->msg.n_leases = p->n_leases;
	}
	if ((p->msg.type == MSG_PROMISE || p->msg.type == MSG_VALUE) && !ballot_is_zero(&p->msg.accepted) &&
		!p->has_value)
		p->msg.value = value_bytes(p->image.value);
	if (told)
		return;
	p->msg.type = MSG_REFUSED;
	p->msg.why = MSG_WHY_FULL;
}

static bool is_done(const struct acceptor *a, const struct pending *p)
{
	return p->need <= a->durable && p->what == PENDING_NOTHING;
}

void acceptor_flush(struct acceptor *a, struct acceptor_outs *outs)
{
	size_t kept = 0;

	a->due = false;
	for (size_t i = 0; i < a->n_queue; i++) {
		struct pending *p = &a->queue[i];

		if (!is_done(a, p) || outs->n == ACCEPTOR_OUTS_MAX || a->n_spent == ACCEPTOR_OUTS_MAX) {
			a->due |= is_done(a, p);
			if (kept != i)
				a->queue[kept] = *p;
			kept++;
			continue;
		}
		if (p->answers && !a->rolled_back) {
			struct acceptor_out *out = out_add(outs, ACCEPTOR_OUT_SEND);

			complete(a, p);
			out->to = p->to;
			out->msg = p->msg;
			out->msg.write = a->on_disk;
		}
		a->spent[a->n_spent++] = *p;
	}
	a->n_queue = kept;
}

bool acceptor_is_due(const struct acceptor *a)
{
	return a->due || (a->rolled_back && !a->rolled_back_told);
}
