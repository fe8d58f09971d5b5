/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How what a voter keeps lies on disk: numbers big-endian, nodes as their 16 bytes, and of each row a sum over all its
 * columns.
 */
#include <endian.h>
#include <string.h>

#include "base/sum.h"
#include "node/votes_priv.h"

#define UUID_BYTES   sizeof(((struct uuid *)0)->v)
#define HEADER_FIXED 14 /* epoch, lv_max_ms, how many in each set; keep_from stands behind the sets, if any is */
#define KEEP_BYTES   8

_Static_assert(HEADER_FIXED + 2 * QUORUM_VOTERS_MAX * UUID_BYTES + KEEP_BYTES <= VOTES_BODY_MAX, "a header fits");
_Static_assert(8 + UUID_BYTES + 8 == VOTES_BALLOT_BYTES, "a ballot without gaps");

void votes_u64_bytes(uint64_t x, uint8_t out[8])
{
	x = htobe64(x);
	memcpy(out, &x, sizeof(x));
}

uint64_t votes_u64_read(const uint8_t v[8])
{
	uint64_t x;

	memcpy(&x, v, sizeof(x));
	return be64toh(x);
}

void votes_ballot_bytes(const struct ballot *b, uint8_t out[VOTES_BALLOT_BYTES])
{
	votes_u64_bytes(b->counter, out);
	memcpy(out + 8, b->node.v, UUID_BYTES);
	votes_u64_bytes(b->nonce, out + 8 + UUID_BYTES);
}

void votes_ballot_read(const uint8_t v[VOTES_BALLOT_BYTES], struct ballot *ret)
{
	ret->counter = votes_u64_read(v);
	memcpy(ret->node.v, v + 8, UUID_BYTES);
	ret->nonce = votes_u64_read(v + 8 + UUID_BYTES);
}

static size_t set_bytes(const struct quorum_set *s, uint8_t *out)
{
	memcpy(out, s->v, s->n * UUID_BYTES);
	return s->n * UUID_BYTES;
}

size_t votes_header_bytes(const struct acceptor_header *h, uint8_t out[VOTES_BODY_MAX])
{
	uint32_t lv = htobe32(h->lv_max_ms);
	size_t n = HEADER_FIXED;

	votes_u64_bytes(h->cfg.epoch, out);
	memcpy(out + 8, &lv, sizeof(lv));
	out[12] = h->cfg.old.n;
	out[13] = h->cfg.next.n;
	n += set_bytes(&h->cfg.old, out + n);
	n += set_bytes(&h->cfg.next, out + n);
	if (h->keep_from == 0)
		return n;
	votes_u64_bytes(h->keep_from, out + n);
	return n + KEEP_BYTES;
}

bool votes_header_read(const uint8_t *v, size_t n, struct acceptor_header *ret)
{
	struct acceptor_header h = {0};
	size_t sets;
	uint32_t lv;

	if (n < HEADER_FIXED || v[12] > QUORUM_VOTERS_MAX || v[13] > QUORUM_VOTERS_MAX)
		return false;
	sets = (v[12] + v[13]) * UUID_BYTES;
	if (n != HEADER_FIXED + sets && n != HEADER_FIXED + sets + KEEP_BYTES)
		return false;
	h.cfg.epoch = votes_u64_read(v);
	memcpy(&lv, v + 8, sizeof(lv));
	h.lv_max_ms = be32toh(lv);
	h.cfg.old.n = v[12];
	h.cfg.next.n = v[13];
	memcpy(h.cfg.old.v, v + HEADER_FIXED, v[12] * UUID_BYTES);
	memcpy(h.cfg.next.v, v + HEADER_FIXED + v[12] * UUID_BYTES, v[13] * UUID_BYTES);
	if (n > HEADER_FIXED + sets)
		h.keep_from = votes_u64_read(v + HEADER_FIXED + sets);
	*ret = h;
	return true;
}

static uint64_t sum_of(uint64_t sum, struct msg_bytes b)
{
	return sum_bytes(sum, b.v, b.n);
}

uint64_t votes_sum_state(enum votes_tag tag, const void *body, size_t n)
{
	return sum_bytes(tag, body, n);
}

uint64_t votes_sum_value(enum votes_tag tag, struct msg_bytes key, struct msg_bytes ballot, struct msg_bytes value)
{
	return sum_of(sum_of(sum_of(tag, key), ballot), value);
}

uint64_t votes_sum_slot(
	enum votes_tag tag, struct msg_bytes key, int64_t slot, struct msg_bytes owner, int64_t epoch, int64_t long_ms)
{
	uint64_t sum = sum_u64(sum_of(tag, key), (uint64_t)slot);

	sum = sum_u64(sum_of(sum, owner), (uint64_t)epoch);
	return sum_u64(sum, (uint64_t)long_ms);
}

uint64_t votes_sum_seen(struct msg_bytes node, int64_t boot, int64_t write)
{
	return sum_u64(sum_u64(sum_of(VOTES_TAG_SEEN, node), (uint64_t)boot), (uint64_t)write);
}
