/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a voter does with each request: the configuration first, then the two phases, reads and seals. Leases are in
 * acceptor_lease.c, what waits for the disk in acceptor_store.c.
 */
#include "consensus/acceptor.h"

#include <errno.h>
#include <string.h>

#include "consensus/acceptor_impl.h"

static const struct msg_key root;

int acceptor_new(
	const struct acceptor_config *config, const struct value_mem *mem, struct now now, struct acceptor **ret)
{
	static const struct uuid none;
	struct acceptor *a;

	if (ballot_same_node(&config->self, &none) || config->boot == 0 || quorum_fault(&config->header.cfg))
		return -EINVAL;
	a = mem->alloc(mem->ctx, sizeof(*a));
	if (!a)
		return -ENOMEM;
	memset(a, 0, sizeof(*a));
	a->mem = *mem;
	a->queue = mem->alloc(mem->ctx, ACCEPTOR_PENDING_MAX * sizeof(*a->queue));
	if (!a->queue) {
		mem->release(mem->ctx, a, sizeof(*a));
		return -ENOMEM;
	}
	a->reader = config->reader;
	a->self = config->self;
	a->header = a->durable_header = config->header;
	a->boot = config->boot;
	a->write_first = a->write = a->durable = a->on_disk = config->write;
	a->header_write = a->header_durable_write = config->write;
	a->now = now;
	if (RULE(M17))
		acceptor_restart_wait(a);
	*ret = a;
	return 0;
}

void acceptor_free(struct acceptor *a)
{
	struct value_mem mem;

	if (!a)
		return;
	mem = a->mem;
	for (size_t i = 0; i < a->n_queue; i++)
		acceptor_pending_free(a, &a->queue[i]);
	for (size_t i = 0; i < a->n_spent; i++)
		acceptor_pending_free(a, &a->spent[i]);
	acceptor_regs_free(a);
	acceptor_sets_free(a);
	mem.release(mem.ctx, a->queue, ACCEPTOR_PENDING_MAX * sizeof(*a->queue));
	mem.release(mem.ctx, a, sizeof(*a));
}

int acceptor_load(struct acceptor *a, const struct msg_key *key, const struct ballot *promised,
	const struct ballot *accepted, struct msg_bytes value)
{
	struct value *v = NULL;
	struct reg *r;

	if (ballot_cmp(promised, accepted) < 0 || value.n > MSG_VALUE_MAX || key->n > NAME_MAX_LEN)
		return -EINVAL;
	if (acceptor_reg_find(a, key))
		return -EEXIST;
	if (a->regs.n >= ACCEPTOR_KEYS_MAX)
		return -ENOSPC;
	if (!ballot_is_zero(accepted)) {
		v = value_new(&a->mem, value);
		if (!v)
			return -ENOMEM;
	}
	r = acceptor_reg_add(a, key);
	if (!r) {
		value_unref(&a->mem, v);
		return -ENOMEM;
	}
	r->image = (struct acceptor_image){.promised = *promised, .accepted = *accepted, .value = v};
	acceptor_image_set(a, &r->durable, &r->image);
	r->write = r->durable_write = a->write;
	if (msg_key_cmp(key, &root) != 0)
		return 0;
	acceptor_times(a);
	a->header.lv_max_ms = MAX(a->header.lv_max_ms, a->times.lv_ms); /* a crash between two writes */
	if (RULE(M17))
		acceptor_restart_wait(a);
	return 0;
}

struct acceptor_image acceptor_kept(const struct acceptor *a, const struct acceptor_image *image)
{
	if (image->accepted.counter >= a->header.keep_from)
		return *image;
	return (struct acceptor_image){.promised = image->promised};
}

/*
 * A later era begins with those who survived; what they have accepted is all that is left of the one before. So who is
 * none of them, or comes to it later, has been given up: what it has accepted may be what others have lost.
 */
static void adopt(struct acceptor *a, const struct quorum_cfg *cfg, struct acceptor_outs *outs)
{
	struct acceptor_header *h = &a->header;

	if (quorum_floor(cfg->epoch) > quorum_floor(h->cfg.epoch) &&
		!(quorum_is_first(cfg) && quorum_index(cfg, &a->self) >= 0) && RULE(M26))
		h->keep_from = quorum_floor(cfg->epoch);
	h->cfg = *cfg;
	acceptor_write_header(a, outs);
	acceptor_times(a);
}

/* The sender's configuration is chosen, so a newer one is taken over; its write comes before whatever rests on it. */
static bool enter(struct acceptor *a, const struct msg *m, struct acceptor_outs *outs)
{
	const struct quorum_cfg *mine = &a->header.cfg;

	if (m->cfg.epoch > mine->epoch)
		adopt(a, &m->cfg, outs);
	if ((m->cfg.epoch < mine->epoch && RULE(M7)) || (m->cfg.epoch == mine->epoch && !quorum_same(&m->cfg, mine))) {
		acceptor_refuse_why(a, m, MSG_WHY_EPOCH, outs);
		return false;
	}
	if (m->type != MSG_SEAL && quorum_index(m->cfg.epoch < mine->epoch ? &m->cfg : mine, &a->self) < 0) {
		acceptor_refuse_why(a, m, MSG_WHY_NOT_VOTER, outs);
		return false;
	}
	return true;
}

static void refuse_ballot(struct acceptor *a, const struct msg *m, const struct reg *r, struct acceptor_outs *outs)
{
	const struct ballot least = {.counter = a->header.keep_from};
	struct acceptor_image is = acceptor_kept(a, &r->image);

	acceptor_refuse(a, m,
		&(struct msg){
			.why = MSG_WHY_BALLOT, .ballot = *ballot_max(&least, ballot_max(&is.promised, &is.accepted))},
		outs);
}

static void prepare(struct acceptor *a, const struct msg *m, struct acceptor_outs *outs)
{
	struct reg *r = acceptor_reg_add(a, &m->key);
	struct acceptor_image is;
	struct pending *p;
	int to_promised;

	if (!r) {
		acceptor_refuse_why(a, m, MSG_WHY_FULL, outs);
		return;
	}
	is = acceptor_kept(a, &r->image);
	to_promised = ballot_cmp(&m->ballot, &is.promised);
	if (to_promised < 0 || m->ballot.counter < a->header.keep_from ||
		(RULE(M1) && ballot_cmp(&m->ballot, &is.accepted) <= 0)) {
		refuse_ballot(a, m, r, outs);
		return;
	}
	if (to_promised > 0) {
		r->image.promised = m->ballot;
		p = acceptor_write_register(a, r, false, outs);
	} else {
		p = acceptor_wait(a, r->write);
		acceptor_image_set(a, &p->image, &r->image);
	}
	acceptor_answer(a, p, m, MSG_PROMISE);
	p->msg.accepted = is.accepted;
	p->has_value = ballot_cmp(&m->accepted, &is.accepted) == 0;
}

static void accept_value(struct acceptor *a, const struct msg *m, struct acceptor_outs *outs)
{
	struct reg *r = acceptor_reg_add(a, &m->key);
	struct acceptor_image is;
	struct msg why = {0};
	struct value *v;
	struct pending *p;

	if (!r) {
		acceptor_refuse_why(a, m, MSG_WHY_FULL, outs);
		return;
	}
	is = acceptor_kept(a, &r->image);
	if (ballot_cmp(&m->ballot, &is.accepted) == 0) {
		acceptor_answer(a, acceptor_wait(a, r->write), m, MSG_ACCEPTED);
		return;
	}
	if (ballot_cmp(&m->ballot, &is.promised) < 0 || m->ballot.counter < a->header.keep_from ||
		(RULE(M1) && ballot_cmp(&m->ballot, &is.accepted) < 0)) {
		refuse_ballot(a, m, r, outs);
		return;
	}
	if (acceptor_forbids(a, r, m->value, &why)) {
		acceptor_refuse(a, m, &why, outs);
		return;
	}
	v = value_new(&a->mem, m->value);
	if (!v) {
		acceptor_refuse_why(a, m, MSG_WHY_FULL, outs);
		return;
	}
	value_unref(&a->mem, r->image.value);
	r->image = (struct acceptor_image){
		.promised = RULE(M1) ? m->ballot : r->image.promised, .accepted = m->ballot, .value = v};
	acceptor_moved(a, r);
	p = acceptor_write_register(a, r, true, outs);
	if (msg_key_cmp(&r->key, &root) == 0) {
		acceptor_times(a);
		if (a->times.lv_ms > a->header.lv_max_ms) {
			a->header.lv_max_ms = a->times.lv_ms;
			acceptor_write_header(a, outs);
		}
		p->need = MAX(p->need, a->header_write);
	}
	acceptor_answer(a, p, m, MSG_ACCEPTED);
}

/*
 * One value a ballot, and what is chosen stays: so it may be accepted late, below what was promised too. Who asked for
 * that promise has the value, or one made from it, from the quorum that chose it.
 */
static void known(struct acceptor *a, const struct acceptor_in *in, struct acceptor_outs *outs)
{
	struct reg *r = acceptor_has_room(a) ? acceptor_reg_add(a, in->key) : NULL;
	struct acceptor_image was;

	if (!r)
		return; /* the caller looks whether it is there */
	was = acceptor_kept(a, &r->image);
	if (ballot_cmp(&in->ballot, &was.accepted) <= 0 || in->ballot.counter < a->header.keep_from)
		return;
	value_unref(&a->mem, r->image.value);
	r->image = (struct acceptor_image){.promised = *ballot_max(&in->ballot, &r->image.promised),
		.accepted = in->ballot,
		.value = value_ref(in->value)};
	acceptor_moved(a, r);
	(void)acceptor_write_register(a, r, true, outs); /* nobody waits for it */
	if (msg_key_cmp(&r->key, &root) != 0)
		return;
	acceptor_times(a);
	if (a->times.lv_ms > a->header.lv_max_ms) {
		a->header.lv_max_ms = a->times.lv_ms;
		acceptor_write_header(a, outs);
	}
}

static void read_value(struct acceptor *a, const struct msg *m)
{
	const struct reg *r = acceptor_reg_find(a, &m->key);
	struct pending *p = acceptor_wait(a, r ? r->write : 0);
	struct acceptor_image is;

	acceptor_answer(a, p, m, MSG_VALUE);
	if (!r)
		return;
	is = acceptor_kept(a, &r->image);
	p->msg.accepted = is.accepted;
	acceptor_image_set(a, &p->image, &is);
}

/*
 * The list is made when the answer goes: after the seal is durable. One that does not vote is asked whether it could,
 * and its answer counts for nothing else: it writes what it has once more, so that its disk has just been tried.
 */
static void seal(struct acceptor *a, const struct msg *m, struct acceptor_outs *outs)
{
	struct pending *p;

	if (quorum_index(&m->cfg, &a->self) < 0 && a->header_write <= a->durable)
		acceptor_write_header(a, outs);
	p = acceptor_wait(a, a->header_write);
	acceptor_answer(a, p, m, MSG_SEALED);
	p->msg.more = m->more;
}

static void take(struct acceptor *a, const struct msg *m, struct acceptor_outs *outs)
{
	bool asks = m->type == MSG_PREPARE || m->type == MSG_ACCEPT || m->type == MSG_READ || m->type == MSG_SEAL ||
		    m->type == MSG_RENEW;

	if (!asks && m->type != MSG_RELEASE)
		return;
	if (a->rolled_back || !acceptor_has_room(a)) {
		if (asks)
			acceptor_refuse_why(a, m, a->rolled_back ? MSG_WHY_ROLLED_BACK : MSG_WHY_BUSY, outs);
		return;
	}
	if (m->type == MSG_RELEASE) {
		acceptor_release(a, m); /* at whatever epoch: it only lifts what its sender asked for */
		return;
	}
	if (!enter(a, m, outs))
		return;
	if (m->type == MSG_PREPARE)
		prepare(a, m, outs);
	else if (m->type == MSG_ACCEPT)
		accept_value(a, m, outs);
	else if (m->type == MSG_READ)
		read_value(a, m);
	else if (m->type == MSG_SEAL)
		seal(a, m, outs);
	else
		acceptor_renew(a, m, outs);
}

/* A later boot than this one is another's life; a number from an earlier boot that was not on disk at the start, or
 * one from this boot that was never handed out, was lost. */
static void seen(struct acceptor *a, uint64_t boot, uint64_t write)
{
	if (boot > a->boot || write > (boot < a->boot ? a->write_first : a->write))
		a->rolled_back = RULE(M6);
}

void acceptor_step(struct acceptor *a, const struct acceptor_in *in, struct now now, struct acceptor_outs *outs)
{
	outs->n = 0;
	for (size_t i = 0; i < a->n_spent; i++)
		acceptor_pending_free(a, &a->spent[i]);
	a->n_spent = 0;
	a->now = now;
	switch (in->type) {
	case ACCEPTOR_IN_MSG:
		take(a, in->msg, outs);
		break;
	case ACCEPTOR_IN_STORED:
		acceptor_stored(a, in->write);
		break;
	case ACCEPTOR_IN_FULL:
		acceptor_full(a);
		break;
	case ACCEPTOR_IN_RESUMED:
		acceptor_restart_wait(a);
		break;
	case ACCEPTOR_IN_SEEN:
		seen(a, in->boot, in->write);
		break;
	case ACCEPTOR_IN_KNOWN:
		known(a, in, outs);
		break;
	case ACCEPTOR_IN_CFG:
		if (in->cfg->epoch > a->header.cfg.epoch && acceptor_has_room(a))
			adopt(a, in->cfg, outs);
		break;
	case ACCEPTOR_IN_TICK:
	case ACCEPTOR_IN_MAX:
		break;
	}
	if (a->rolled_back && !a->rolled_back_told) {
		a->rolled_back_told = true;
		outs->v[outs->n++] = (struct acceptor_out){.type = ACCEPTOR_OUT_ROLLED_BACK};
	}
	acceptor_flush(a, outs);
}

int64_t acceptor_deadline_ms(const struct acceptor *a)
{
	return acceptor_is_due(a) ? a->now.mono_ms : DEADLINE_NEVER;
}

const struct quorum_cfg *acceptor_cfg(const struct acceptor *a)
{
	return &a->header.cfg;
}

size_t acceptor_keys(const struct acceptor *a)
{
	return a->regs.n;
}

bool acceptor_get(const struct acceptor *a, const struct msg_key *key, struct acceptor_image *ret)
{
	const struct reg *r = acceptor_reg_find(a, key);

	if (r)
		*ret = acceptor_kept(a, &r->image);
	return r != NULL;
}

bool acceptor_is_settled(const struct acceptor *a)
{
	return a->durable == a->write;
}

uint64_t acceptor_highest(const struct acceptor *a)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < a->regs.n; i++) {
		const struct acceptor_image *is = &((const struct reg *)a->regs.v[i])->image;

		highest = MAX(highest, ballot_max(&is->promised, &is->accepted)->counter);
	}
	return highest;
}
