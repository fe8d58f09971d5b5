/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues out, and one message that comes.
 */
#include "node/parcel.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

struct parcel {
	struct list link;
	size_t n;
	uint8_t v[];
};

static struct parcel *first(const struct list *l)
{
	return list_is_empty(l) ? NULL : LIST_ENTRY(l->next, struct parcel, link);
}

static size_t cost(size_t n)
{
	return sizeof(struct parcel) + n;
}

static bool is_small(size_t n)
{
	return n <= GOSSIP_BODY_MAX;
}

void parcel_link_init(struct parcel_link *l, struct parcels *all)
{
	*l = (struct parcel_link){.all = all};
	list_init(&l->small);
	list_init(&l->large);
}

static void drop(struct parcel_link *l, struct parcel *p)
{
	*(is_small(p->n) ? &l->small_bytes : &l->large_bytes) -= cost(p->n);
	l->all->held -= cost(p->n);
	list_del(&p->link);
	free(p);
}

/* What has come is of no use any more. */
static void forget(struct parcel_link *l)
{
	l->all->held -= l->in_size;
	l->in_size = 0;
	bytes_done(&l->in);
}

void parcel_link_done(struct parcel_link *l)
{
	struct list *const queues[] = {&l->small, &l->large};

	for (size_t i = 0; i < ARRAY_LEN(queues); i++)
		for (struct parcel *p; (p = first(queues[i]));) {
			l->all->figures.lost++;
			drop(l, p);
		}
	l->all->figures.lost += l->in_size > 0;
	forget(l);
	l->sent = 0;
}

/* ---- out ---- */

int parcel_add(struct parcel_link *l, const struct msg *m)
{
	size_t n = wire_msg_size(m), all = cost(n), *bytes = is_small(n) ? &l->small_bytes : &l->large_bytes;
	size_t max = is_small(n) ? PARCEL_SMALL_MAX : PARCEL_LARGE_MAX;
	struct parcel *p;

	if (all > max - *bytes || all > PARCEL_HELD_MAX - l->all->held) {
		l->all->figures.full++;
		return -ENOBUFS;
	}
	p = mem_alloc(all);
	if (!p) {
		l->all->figures.lost++;
		return -ENOMEM;
	}
	(void)wire_msg_encode(m, p->v, n, &p->n); /* it was measured */
	*bytes += all;
	l->all->held += all;
	list_add_tail(is_small(n) ? &l->small : &l->large, &p->link);
	return 0;
}

bool parcel_next(const struct parcel_link *l, struct gossip_msg *ret, bool *ret_alone)
{
	const struct parcel *p = first(&l->small);
	size_t at = 0;

	*ret_alone = p != NULL;
	if (!p) {
		p = first(&l->large);
		at = l->sent;
	}
	if (!p)
		return false;
	ret->type = GOSSIP_MSG_REGISTER;
	ret->piece = (struct gossip_msg_register){.size = (uint32_t)p->n,
		.at = (uint32_t)at,
		.body = {(const char *)p->v + at, (uint16_t)MIN(p->n - at, (size_t)GOSSIP_BODY_MAX)}};
	return true;
}

void parcel_sent(struct parcel_link *l, const struct gossip_msg *piece, bool sent)
{
	struct parcel_figures *x = &l->all->figures;
	bool small = is_small(piece->piece.size);
	struct parcel *p = first(small ? &l->small : &l->large);

	assert(p && p->n == piece->piece.size);
	if (sent) {
		x->frames_out++;
		x->bytes_out += piece->piece.body.n;
	}
	if (sent && piece->piece.at + piece->piece.body.n < p->n) {
		l->sent += piece->piece.body.n;
		return;
	}
	if (sent)
		x->out++;
	else
		x->lost++; /* the other end drops what it has of it, when the next one begins */
	if (!small)
		l->sent = 0;
	drop(l, p);
}

/* ---- in ---- */

/* The first piece of several. */
static bool begin(struct parcel_link *l, uint32_t size)
{
	if (l->in_size > 0) { /* the other end gave it up */
		l->all->figures.lost++;
		forget(l);
	}
	if (size > PARCEL_HELD_MAX - l->all->held) {
		l->all->figures.full++;
		return false;
	}
	bytes_init(&l->in, size);
	l->in_size = size;
	l->all->held += size;
	return true;
}

/* Memory is taken as it comes, not as it was announced. */
static bool add(struct parcel_link *l, const struct gossip_msg_register *p)
{
	if (bytes_add(&l->in, p->body.v, p->body.n) == 0)
		return true;
	l->all->figures.lost++;
	forget(l);
	return false;
}

bool parcel_take(struct parcel_link *l, const struct gossip_msg_register *piece, struct parcel_whole *ret)
{
	struct parcel_figures *x = &l->all->figures;

	x->frames_in++;
	x->bytes_in += piece->body.n;
	*ret = (struct parcel_whole){.v = piece->body.v, .n = piece->body.n};
	if (piece->size > WIRE_MSG_MAX) {
		x->too_large++;
		return false;
	}
	if (piece->body.n == piece->size) {
		x->in++;
		return true;
	}
	if (piece->at > 0 && (piece->size != l->in_size || piece->at != l->in.n)) {
		x->strays++;
		forget(l);
		return false;
	}
	if ((piece->at == 0 && !begin(l, piece->size)) || !add(l, piece) || l->in.n < l->in_size)
		return false;
	x->in++;
	*ret = (struct parcel_whole){.v = l->in.v, .n = l->in.n, .own = l->in};
	l->in = (struct bytes){0};
	forget(l);
	return true;
}

void parcel_whole_done(struct parcel_whole *w)
{
	bytes_done(&w->own);
}
