/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any register messages, through the codec, to a voter and to a proposal of the same node, among disks that store or
 * are full, time that passes, a host that slept and allocations that fail. After each step the invariants of both hold,
 * what they say is without fault and comes back from its bytes, and in the end all their memory is given back.
 *
 * The input is a row of orders: a byte that says which, a byte that says of whom, and what the order takes.
 */
#include <string.h>

#include "consensus/acceptor.h"
#include "consensus/proposer.h"
#include "consensus/wire.h"

#define NODES	   4 /* a, b, c vote at first; a is ours */
#define STEPS_MAX  600
#define STORED_MAX 64
#define MEMORY_MAX (8 * 1024 * 1024)
#define SLOTS_MAX  10

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum order {
	ORDER_BYTES,  /* a length, as many bytes: a message as they say */
	ORDER_ASK,    /* a message in form, of the types that voters take */
	ORDER_ANSWER, /* and of those that proposals take, as if it were their answer */
	ORDER_TIME,
	ORDER_STORED,
	ORDER_FULL,
	ORDER_RESUMED,
	ORDER_SEEN,
	ORDER_PROPOSE,
	ORDER_OOM,
	ORDER_MAX
};

struct input {
	const uint8_t *v;
	size_t n;
};

struct bed {
	struct acceptor *a;
	struct proposer p;
	struct ballot_source source;
	struct now now;
	size_t bytes; /* that the cores hold */
	unsigned oom; /* allocations until one fails; 0: none */
	uint64_t write, round;
	uint8_t made; /* by the change function */
	uint64_t set; /* of the leases that were asked for last by name */
	struct acceptor_outs outs;
	struct proposer_outs said;
};

static uint8_t take(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->v++;
}

static struct msg_bytes take_bytes(struct input *in, size_t n)
{
	struct msg_bytes ret = {in->v, MIN(n, in->n)};

	in->v += ret.n;
	in->n -= ret.n;
	return ret;
}

static void *mem_get(void *ctx, size_t n)
{
	struct bed *b = ctx;
	void *p;

	if ((b->oom && --b->oom == 0) || n > MEMORY_MAX - b->bytes)
		return NULL;
	p = malloc(n ? n : 1);
	if (!p)
		abort();
	memset(p, 0xa5, n);
	b->bytes += n;
	return p;
}

static void mem_put(void *ctx, void *p, size_t n)
{
	struct bed *b = ctx;

	if (n > b->bytes)
		abort();
	b->bytes -= n;
	free(p);
}

static struct uuid node_of(unsigned who)
{
	return (struct uuid){.v = {(uint8_t)(0xa0 + who % NODES), [15] = 1}};
}

/* ---- values: slots by rising number, a byte of the owner and one of the epoch each; or "t…", R's times ---- */

static bool slot_next(const void *ctx, struct msg_bytes value, size_t *at, struct msg_slot *ret)
{
	(void)ctx;
	if (*at >= SLOTS_MAX || value.n < 2 * *at + 2 || value.v[0] == 't')
		return false;
	*ret = (struct msg_slot){
		.slot = (uint32_t)*at, .owner = node_of(value.v[2 * *at]), .epoch = value.v[2 * *at + 1] % 4};
	++*at;
	return true;
}

static bool times_get(const void *ctx, struct msg_bytes value, struct value_times *ret)
{
	(void)ctx;
	if (value.n == 0 || value.v[0] != 't')
		return false;
	*ret = (struct value_times){.tf_ms = 2000, .kill_ms = 500, .lv_ms = 3100};
	return true;
}

static bool cfg_get(const void *ctx, struct msg_bytes value, struct quorum_cfg *ret)
{
	(void)ctx;
	(void)value;
	(void)ret;
	return false;
}

static const struct value_reader reader = {slot_next, cfg_get, times_get, NULL};

static enum proposer_verdict change(void *ctx, const struct proposer_base *base, struct msg_bytes *ret)
{
	static const uint8_t values[] = "b1a2c3b0t";
	const struct bed *b = ctx;

	if (base->written && base->value.n > MSG_VALUE_MAX)
		abort();
	if (b->made % 4 == 0)
		return b->made % 8 ? PROPOSER_SAME : PROPOSER_REFUSE;
	*ret = (struct msg_bytes){values + b->made % sizeof(values), sizeof(values) - b->made % sizeof(values)};
	return PROPOSER_CHANGE;
}

/* ---- what they say ---- */

static void check_said(const struct msg *m)
{
	static uint8_t out[WIRE_MSG_MAX], twice[WIRE_MSG_MAX];
	struct arena lists = {.max_bytes = WIRE_LISTS_MAX};
	struct msg back;
	size_t n, k;

	if (msg_fault(m) || wire_msg_encode(m, out, sizeof(out), &n) < 0)
		abort();
	if (wire_msg_decode(out, n, &m->from, &lists, &back, NULL) < 0)
		abort();
	if (wire_msg_encode(&back, twice, sizeof(twice), &k) < 0 || k != n || memcmp(out, twice, n) != 0)
		abort();
	arena_done(&lists);
}

static void tell_proposer(struct bed *b, const struct msg *m)
{
	struct proposer_in in = {.type = m ? PROPOSER_IN_MSG : PROPOSER_IN_TICK, .msg = m};

	proposer_step(&b->p, &in, b->now, &b->said);
	proposer_check(&b->p);
	if (b->said.n_to > QUORUM_ALL_MAX)
		abort();
	if (b->said.n_to > 0)
		check_said(&b->said.msg);
}

static void step(struct bed *b, const struct acceptor_in *in)
{
	static const struct acceptor_in tick = {.type = ACCEPTOR_IN_TICK};
	unsigned rounds = 0;

	for (;;) {
		acceptor_step(b->a, in, b->now, &b->outs);
		acceptor_check(b->a);
		for (size_t i = 0; i < b->outs.n; i++) {
			const struct acceptor_out *o = &b->outs.v[i];

			if (o->type == ACCEPTOR_OUT_SEND)
				check_said(&o->msg);
			else if (o->type != ACCEPTOR_OUT_ROLLED_BACK && o->write <= b->write)
				abort();
			b->write = MAX(b->write, o->write);
		}
		if (acceptor_deadline_ms(b->a) > b->now.mono_ms)
			return;
		if (++rounds > ACCEPTOR_PENDING_MAX)
			abort();
		in = &tick;
	}
}

/* As the node does: requests to the voter, all else to the proposal. */
static void hear(struct bed *b, const struct msg *m)
{
	switch (m->type) {
	case MSG_PREPARE:
	case MSG_ACCEPT:
	case MSG_READ:
	case MSG_SEAL:
	case MSG_RENEW:
	case MSG_RELEASE:
		step(b, &(struct acceptor_in){.type = ACCEPTOR_IN_MSG, .msg = m});
		break;
	default:
		tell_proposer(b, m);
	}
}

static void hear_bytes(struct bed *b, const struct uuid *from, const uint8_t *v, size_t n)
{
	struct arena lists = {.max_bytes = WIRE_LISTS_MAX};
	AUTO_FREE uint8_t *exactly = malloc(n ? n : 1); /* of exactly its size */
	struct msg m;

	if (!exactly)
		abort();
	if (n)
		memcpy(exactly, v, n);
	if (wire_msg_decode(exactly, n, from, &lists, &m, NULL) == 0)
		hear(b, &m);
	arena_done(&lists);
}

/* In form, or nearly: what is wrong with it the codec says. */
static void hear_struct(struct bed *b, const struct msg *m)
{
	uint8_t out[4096];
	size_t n;

	if (wire_msg_encode(m, out, sizeof(out), &n) == 0)
		hear_bytes(b, &m->from, out, n);
}

/* ---- orders ---- */

static struct quorum_cfg cfg_of(uint8_t x)
{
	struct quorum_cfg c = {.epoch = 1 + x / 64, .old = {.n = 3, .v = {node_of(0), node_of(1), node_of(2)}}};

	if (x % 64 == 1)
		c.next = (struct quorum_set){.n = 2, .v = {node_of(x / 64), node_of(3)}};
	return c;
}

static struct ballot ballot_of(uint8_t x, struct uuid node)
{
	return (struct ballot){.counter = x % 8, .node = node, .nonce = 1 + x / 128};
}

static struct msg_key key_of(uint8_t x)
{
	struct msg_key k = {.n = x % 3};

	memset(k.v, 'a' + x % 2, k.n);
	return k;
}

static void ask(struct bed *b, uint8_t whom, struct input *in)
{
	static const enum msg_type types[] = {MSG_PREPARE, MSG_ACCEPT, MSG_READ, MSG_SEAL, MSG_RENEW, MSG_RELEASE};
	uint8_t what = take(in), x = take(in), y = take(in), leases_n = what >> 6;
	struct msg_lease leases[4];
	struct msg m = {.type = types[(what & 0x3f) % ARRAY_LEN(types)],
		.from = node_of(whom),
		.cfg = cfg_of(x),
		.round = y,
		.key = key_of(y),
		.ballot = ballot_of(y, node_of(whom)),
		.more = y & 1,
		.number = y,
		.tf_ms = y & 0x80 ? 30000 : 2000,
		.leases = leases,
		.n_leases = leases_n};

	if (m.type == MSG_ACCEPT)
		m.value = take_bytes(in, y >> 4);
	for (unsigned i = 0; i < leases_n; i++) {
		uint8_t z = take(in);

		leases[i] = (struct msg_lease){.key = key_of(z), .slot = z / 8 % SLOTS_MAX, .epoch = z % 4};
	}
	if (m.type == MSG_RENEW && leases_n > 0)
		b->set = msg_leases_sum(leases, leases_n);
	if (m.type == MSG_RENEW && y & 1)
		m.set = b->set;
	hear_struct(b, &m);
}

static void answer(struct bed *b, uint8_t whom, struct input *in)
{
	static const enum msg_type types[] = {MSG_PROMISE, MSG_ACCEPTED, MSG_VALUE, MSG_REFUSED, MSG_SEALED, MSG_GRANT};
	uint8_t what = take(in), x = take(in), y = take(in);
	const struct msg_guard guard = {{x % SLOTS_MAX, node_of(y), y % 4}, y * 10u};
	struct msg m = {.type = types[(what & 0x3f) % ARRAY_LEN(types)],
		.from = node_of(whom),
		.cfg = b->p.config.cfg,
		.round = b->p.config.round,
		.key = b->p.config.key,
		.ballot = what & 0x80 ? ballot_of(x, node_of(y)) : b->p.ballot,
		.accepted = ballot_of(x, node_of(y)),
		.guards = &guard,
		.n_guards = what >> 6 & 1,
		.why = (enum msg_why)(x % MSG_WHY_MAX),
		.left_ms = y,
		.boot = 1};

	if (m.type == MSG_REFUSED && m.why == MSG_WHY_EPOCH)
		m.cfg = cfg_of(y);
	if (m.type == MSG_PROMISE || m.type == MSG_VALUE)
		m.value = take_bytes(in, y >> 4);
	hear_struct(b, &m);
}

static void propose(struct bed *b, uint8_t whom)
{
	struct proposer_config config = {.source = &b->source,
		.reader = &reader,
		.mem = {mem_get, mem_put, b},
		.cfg = *acceptor_cfg(b->a),
		.key = key_of(whom),
		.round = ++b->round,
		.read = whom & 0x80,
		.change = change,
		.ctx = b,
		.rank = whom >> 4 & 1,
		.round_ms = 10,
		.for_ms = 5000,
		.seed = whom};

	if (config.cfg.epoch == 0)
		config.cfg = cfg_of(0);
	proposer_done(&b->p);
	b->made = whom;
	proposer_init(&b->p, &config, b->now);
	tell_proposer(b, NULL);
}

static void pass(struct bed *b, uint8_t x)
{
	b->now.mono_ms += x * 4;
	b->now.boot_ms += x * 4;
	if (b->p.config.source)
		tell_proposer(b, NULL);
	step(b, &(struct acceptor_in){.type = ACCEPTOR_IN_TICK});
}

static void order(struct bed *b, struct input *in)
{
	enum order what = (enum order)(take(in) % ORDER_MAX);
	uint8_t whom = take(in);
	struct uuid from = node_of(whom);
	struct msg_bytes bytes;
	size_t n;

	switch (what) {
	case ORDER_BYTES:
		n = take(in);
		bytes = take_bytes(in, n);
		hear_bytes(b, &from, bytes.v, bytes.n);
		break;
	case ORDER_ASK:
		ask(b, whom, in);
		break;
	case ORDER_ANSWER:
		answer(b, whom, in);
		break;
	case ORDER_TIME:
		pass(b, whom);
		break;
	case ORDER_STORED: /* never more than was handed over; what is told again changes nothing */
		n = whom % STORED_MAX;
		step(b, &(struct acceptor_in){.type = ACCEPTOR_IN_STORED, .write = b->write - MIN(n, b->write)});
		break;
	case ORDER_FULL:
		step(b, &(struct acceptor_in){.type = ACCEPTOR_IN_FULL});
		break;
	case ORDER_RESUMED:
		b->now.boot_ms += whom * 100;
		step(b, &(struct acceptor_in){.type = ACCEPTOR_IN_RESUMED});
		break;
	case ORDER_SEEN:
		step(b, &(struct acceptor_in){.type = ACCEPTOR_IN_SEEN, .boot = 1 + (whom == 0xff), .write = whom / 8});
		break;
	case ORDER_PROPOSE:
		propose(b, whom);
		break;
	case ORDER_OOM:
		b->oom = 1 + whom % 16;
		break;
	case ORDER_MAX:
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bed b; /* too large for a stack */
	struct value_mem mem = {mem_get, mem_put, &b};
	struct acceptor_config config = {
		.self = node_of(0), .header = {.cfg = cfg_of(0)}, .boot = 1, .reader = &reader};
	struct input in = {data, size};

	memset(&b, 0, sizeof(b));
	b.source = (struct ballot_source){.node = node_of(0), .nonce = 1};
	b.now = (struct now){.mono_ms = 1000, .boot_ms = 1000};
	if (acceptor_new(&config, &mem, b.now, &b.a) < 0)
		abort();
	propose(&b, 1);
	for (unsigned n = 0; in.n > 0 && n < STEPS_MAX; n++)
		order(&b, &in);
	proposer_done(&b.p);
	acceptor_free(b.a);
	if (b.bytes != 0)
		abort();
	return 0;
}
