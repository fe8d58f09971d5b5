/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What registers hold in the bed, the changes of them, and a host's proposals: begun, fed, begun again under a newer
 * configuration, and their ends looked at.
 */
#include <stdio.h>
#include <string.h>

#include "tests/lib/consensus_bed.h"

struct msg_key cbed_key(int key)
{
	struct msg_key k = {0};

	if (key > 0)
		k.n = (uint8_t)snprintf(k.v, sizeof(k.v), "k%d", key);
	return k;
}

int cbed_key_of(const struct msg_key *key)
{
	return key->n == 0 ? 0 : key->v[1] - '0';
}

struct msg_bytes cbed_bytes(const struct cval *v)
{
	return (struct msg_bytes){.v = (const uint8_t *)v, .n = sizeof(*v)};
}

bool cbed_read(struct msg_bytes bytes, struct cval *ret)
{
	if (bytes.n != sizeof(*ret))
		return false;
	memcpy(ret, bytes.v, sizeof(*ret));
	return true;
}

static bool slot_next(const void *ctx, struct msg_bytes value, size_t *at, struct msg_slot *ret)
{
	struct cval v;

	(void)ctx; /* a pure function of the bytes */
	if (!cbed_read(value, &v) || *at >= v.n_slots)
		return false;
	*ret = v.slots[(*at)++];
	return true;
}

static bool cfg_get(const void *ctx, struct msg_bytes value, struct quorum_cfg *ret)
{
	struct cval v;

	(void)ctx; /* as above */
	if (!cbed_read(value, &v) || v.cfg.epoch == 0)
		return false;
	*ret = v.cfg;
	return true;
}

static bool times_get(const void *ctx, struct msg_bytes value, struct value_times *ret)
{
	struct cval v;

	(void)ctx; /* as above */
	if (!cbed_read(value, &v) || v.times.tf_ms == 0)
		return false;
	*ret = v.times;
	return true;
}

const struct value_reader cbed_reader = {.slot_next = slot_next, .cfg_get = cfg_get, .times_get = times_get};

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static bool is_done(const struct cval *v, uint64_t id)
{
	for (size_t i = 0; i < CBED_HISTORY_MAX; i++)
		if (v->done[i] == id)
			return true;
	return false;
}

static enum proposer_verdict change(void *ctx, const struct proposer_base *base, struct msg_bytes *ret)
{
	struct cop *op = ctx;
	struct cval was = {0}, *v = &op->next;

	(void)cbed_read(base->value, &was); /* zeroes: never written */
	if (op->kind == CBED_NOTHING || is_done(&was, op->id))
		return PROPOSER_SAME;
	*v = was;
	if (op->kind == CBED_MOVE) {
		v->n_slots = CBED_SLOTS_MAX;
		for (uint32_t i = 0; i < v->n_slots; i++)
			if (was.n_slots == 0 || i == op->slot)
				v->slots[i] = (struct msg_slot){
					.slot = i, .owner = op->b->hosts[op->to].uuid, .epoch = ++v->next_epoch};
	}
	if (op->kind == CBED_VOTERS) {
		enum proposer_verdict verdict = voters_change(&op->b->hosts[op->host].voters, base, ret);

		if (verdict != PROPOSER_CHANGE)
			return verdict;
		(void)cbed_read(*ret, v); /* just put there */
	}
	v->id = mix(op->id ^ mix(was.id + 1)) | 1;
	v->parent = was.id;
	v->depth = was.depth + 1;
	memmove(&v->done[1], &v->done[0], sizeof(v->done) - sizeof(v->done[0]));
	v->done[0] = op->id;
	*ret = cbed_bytes(v);
	return PROPOSER_CHANGE;
}

/* The proposer of an operation, new or under a newer configuration. */
static void propose(struct cbed *b, struct cop *op)
{
	struct chost *h = &b->hosts[op->host];
	struct proposer_config config = {.source = &h->source,
		.reader = &cbed_reader,
		.mem = cbed_mem(b),
		.cfg = op->own_cfg ? op->cfg : h->cfg,
		.key = cbed_key(op->key),
		.round = ++h->round,
		.read = op->kind == CBED_READ,
		.change = change,
		.ctx = op,
		.round_ms = 25,
		.for_ms = op->until_ms - b->now_ms,
		.seed = rng_u64(&b->rng)};

	proposer_init(&op->p, &config, cbed_now(b, op->host));
	heap_set(&b->heap, &op->timer, b->now_ms);
}

struct cop *cbed_begin_at(
	struct cbed *b, int host, int key, enum cbed_kind kind, int64_t for_ms, const struct quorum_cfg *cfg)
{
	struct chost *h = &b->hosts[host];

	for (int i = 0; i < CBED_OPS_MAX; i++) {
		struct cop *op = &h->ops[i];

		if (op->used)
			continue;
		*op = (struct cop){.used = true,
			.timer.kind = op->timer.kind,
			.b = b,
			.own_cfg = cfg != NULL,
			.host = host,
			.kind = kind,
			.id = rng_u64(&b->rng) | 1,
			.key = key,
			.depth = b->tip[key],
			.until_ms = b->now_ms + for_ms};
		if (cfg)
			op->cfg = *cfg;
		b->ops_begun++;
		propose(b, op);
		return op;
	}
	return NULL;
}

struct cop *cbed_begin(struct cbed *b, int host, int key, enum cbed_kind kind, int64_t for_ms)
{
	return cbed_begin_at(b, host, key, kind, for_ms, NULL);
}

struct cop *cbed_move(struct cbed *b, int host, int key, uint32_t slot, int to, int64_t for_ms)
{
	struct cop *op = cbed_begin_at(b, host, key, CBED_MOVE, for_ms, NULL);

	if (op) {
		op->slot = slot;
		op->to = to;
	}
	return op;
}

static void ended(struct cbed *b, struct cop *op)
{
	struct msg_bytes bytes = proposer_value(&op->p);
	struct quorum_cfg newer = op->p.newer, cfg;

	op->outcome = op->p.outcome;
	if (op->outcome == PROPOSER_CHOSEN || op->outcome == PROPOSER_REFUSED) {
		op->got = (struct cval){0};
		(void)cbed_read(bytes, &op->got); /* zeroes: never written */
		cbed_chosen(b, op->key, &op->got, op->depth);
		if ((op->kind == CBED_APPEND || op->kind == CBED_MOVE) && !is_done(&op->got, op->id))
			cbed_wrong(b, "key %d: a change is told as chosen that is not in the value", op->key);
		b->ops_chosen++;
		cbed_news(b, op->host, op->key, &op->got);
		cbed_publish(b, op->host, op->key, &op->got);
		if (op->key == 0 && cfg_get(NULL, cbed_bytes(&op->got), &cfg))
			cbed_learn(b, op->host, &cfg);
	}
	proposer_done(&op->p);
	op->p = (struct proposer){0};
	if (op->outcome == PROPOSER_EPOCH && b->now_ms < op->until_ms && !op->own_cfg) {
		cbed_learn(b, op->host, &newer);
		propose(b, op);
		return;
	}
	b->ops_unknown += op->outcome == PROPOSER_UNKNOWN || op->outcome == PROPOSER_EPOCH;
	if (op->must && op->outcome != PROPOSER_CHOSEN)
		cbed_wrong(b, "healed, and yet what host %d asks of key %d is not decided", op->host, op->key);
	heap_del(&b->heap, &op->timer);
	op->used = false;
	if (op->kind == CBED_VOTERS)
		cbed_voters_proposed(b, op);
}

static void step(struct cbed *b, struct cop *op, const struct proposer_in *in)
{
	struct proposer_outs outs;
	int64_t deadline;

	proposer_step(&op->p, in, cbed_now(b, op->host), &outs);
	proposer_check(&op->p);
	if (op->p.state == PROPOSER_ACCEPTING && op->p.changed)
		cbed_made(b, op->key, &op->next);
	for (int i = 0; i < outs.n_to; i++)
		cbed_send(b, op->host, cbed_host_of(b, &outs.to[i]), &outs.msg);
	if (outs.done) {
		ended(b, op);
		return;
	}
	deadline = proposer_deadline_ms(&op->p);
	heap_set(&b->heap, &op->timer, MAX(cbed_real_ms(b, op->host, deadline), b->now_ms + 1));
}

void cbed_op_tick(struct cbed *b, struct cop *op)
{
	step(b, op, &(struct proposer_in){.type = PROPOSER_IN_TICK});
}

void cbed_op_msg(struct cbed *b, int host, const struct msg *m)
{
	struct chost *h = &b->hosts[host];

	for (int i = 0; i < CBED_OPS_MAX; i++)
		if (h->ops[i].used && h->ops[i].p.config.round == m->round) {
			step(b, &h->ops[i], &(struct proposer_in){.type = PROPOSER_IN_MSG, .msg = m});
			return;
		}
}

void cbed_ops_drop(struct cbed *b, int host)
{
	for (int i = 0; i < CBED_OPS_MAX; i++) {
		struct cop *op = &b->hosts[host].ops[i];

		if (!op->used)
			continue;
		proposer_done(&op->p);
		heap_del(&b->heap, &op->timer);
		op->used = false;
		op->outcome = PROPOSER_UNKNOWN;
		b->ops_unknown++;
	}
}
