/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any frames, through the codec, into a real core that has some members, among links that come and go, time that
 * passes, own changes and allocations that fail. After each step the core's invariants hold, what it says is in form
 * and fits into a frame, it comes to rest, and in the end all its memory is given back.
 *
 * The input is a row of orders: a byte that says which, a byte that says of whom, and what the order takes.
 */
#include <string.h>

#include "gossip/gossip.h"
#include "gossip/wire.h"

#define LINKS	     8
#define PEERS	     24 /* the first LINKS - 2 of them have links from the start */
#define STEPS_MAX    2000
#define PULLS_MAX    20000
#define MEMORY_MAX   (24 * 1024 * 1024)
#define VALUES_BYTES (256 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum order {
	ORDER_FRAME,
	ORDER_TIME,
	ORDER_UP,
	ORDER_DOWN,
	ORDER_SET,
	ORDER_OPERATOR,
	ORDER_DIAL,
	ORDER_OOM,
	ORDER_MAX
};

struct bed {
	struct gossip *g;
	struct now now;
	size_t bytes; /* that the core holds */
	unsigned oom; /* allocations until one fails; 0: none */
	bool up[LINKS], ready[LINKS], closing[LINKS];
	uint32_t dials[16]; /* under way */
	size_t n_dials;
	char names[PEERS][4];
	struct gossip_outs outs;
	struct gossip_msg in, pulled, back;
};

struct input {
	const uint8_t *v;
	size_t n;
};

static uint8_t take(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->v++;
}

static uint16_t take16(struct input *in)
{
	uint16_t high = take(in);

	return (uint16_t)(high << 8 | take(in));
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

/* Every eighth has a name that another one has. */
static struct gossip_record record_of(struct bed *b, unsigned who)
{
	struct gossip_record r = {.uuid = {(uint8_t)(who + 1)},
		.version = 1,
		.wire_min = 1,
		.wire_max = 1,
		.watch_rings = 5,
		.beat_ms = 1000};

	b->names[who][0] = 'n';
	b->names[who][1] = (char)('a' + (who % 8 == 7 ? 1 : who));
	r.name = (struct gossip_str){.v = b->names[who], .n = 2};
	r.address = (struct gossip_str){.v = b->names[who], .n = who % 5 ? 2 : 0};
	r.build = (struct gossip_str){.v = "1", .n = 1};
	return r;
}

static void route(struct bed *b, const struct gossip_out *o)
{
	switch (o->type) {
	case GOSSIP_OUT_READY:
		if (o->link >= LINKS || !b->up[o->link])
			abort();
		b->ready[o->link] = true;
		break;
	case GOSSIP_OUT_CLOSE:
		if (o->link >= LINKS || !b->up[o->link])
			abort();
		b->closing[o->link] = true;
		break;
	case GOSSIP_OUT_DIAL:
		if (!o->address || !o->address[0] || o->dial == 0)
			abort();
		if (b->n_dials < ARRAY_LEN(b->dials))
			b->dials[b->n_dials++] = o->dial;
		break;
	default:
		if (o->type == GOSSIP_OUT_EVENT && !gossip_event_name(o->event))
			abort();
	}
}

static void step(struct bed *b, const struct gossip_in *in)
{
	gossip_step(b->g, in, b->now, &b->outs);
	gossip_check(b->g);
	if (b->outs.n > GOSSIP_OUTS_MAX)
		abort();
	for (size_t i = 0; i < b->outs.n; i++)
		route(b, &b->outs.v[i]);
}

static void pull(struct bed *b, uint32_t link)
{
	uint8_t out[GOSSIP_FRAME_MAX];
	unsigned pulls = 0;
	size_t n;

	b->ready[link] = false;
	while (b->up[link] && gossip_pull(b->g, link, b->now, &b->pulled)) {
		if (pulls++ > PULLS_MAX || gossip_msg_fault(&b->pulled))
			abort();
		if (wire_encode(&b->pulled, out, sizeof(out), &n) < 0)
			abort(); /* larger than the core believed */
		if (wire_decode(out, n, &b->back, NULL) < 0 || b->back.type != b->pulled.type)
			abort();
	}
	gossip_check(b->g);
}

/* Until nothing is due at this time. */
static void rest(struct bed *b)
{
	struct gossip_in in = {.type = GOSSIP_IN_TICK};

	for (unsigned n = 0; n < STEPS_MAX; n++) {
		bool busy = gossip_deadline_ms(b->g) <= b->now.mono_ms;

		in.type = GOSSIP_IN_TICK;
		if (busy)
			step(b, &in);
		for (uint32_t link = 0; link < LINKS; link++) {
			busy |= b->ready[link] || b->closing[link];
			if (b->ready[link])
				pull(b, link);
			if (!b->closing[link])
				continue;
			b->up[link] = b->closing[link] = b->ready[link] = false;
			in = (struct gossip_in){.type = GOSSIP_IN_LINK_DOWN, .link = link};
			step(b, &in);
		}
		if (!busy)
			return;
	}
	abort();
}

static uint32_t take_dial(struct bed *b)
{
	return b->n_dials ? b->dials[--b->n_dials] : 0;
}

static void link_up(struct bed *b, uint32_t link, unsigned who, uint32_t boot, uint32_t dial)
{
	struct gossip_record r = record_of(b, who);
	struct gossip_in in = {
		.type = GOSSIP_IN_LINK_UP, .link = link, .record = &r, .boot = boot ? boot : 1, .dial = dial};

	if (b->up[link])
		return;
	b->up[link] = true;
	step(b, &in);
}

/* A frame in memory of exactly its size, so that a sanitizer sees one byte too many, and what is kept of it. */
static void frame(struct bed *b, uint32_t link, struct input *in)
{
	size_t told = take16(in), n = MIN(told, in->n);
	AUTO_FREE uint8_t *exactly = malloc(n ? n : 1);
	struct gossip_in msg = {.type = GOSSIP_IN_MSG, .link = link, .msg = &b->in};

	if (!exactly)
		abort();
	memcpy(exactly, in->v, n);
	in->v += n;
	in->n -= n;
	if (b->up[link] && wire_decode(exactly, n, &b->in, NULL) == 0)
		step(b, &msg);
}

static void set_own(struct bed *b, uint8_t which, struct input *in)
{
	static const char letters[GOSSIP_VALUE_MAX];
	static const char keys[] = "abcdefgh";
	uint16_t n = take16(in);
	struct gossip_in set = {.type = GOSSIP_IN_SET,
		.key = {.v = keys + which % 4, .n = 1 + which % 3},
		.value = {.v = letters, .n = n % (GOSSIP_VALUE_MAX + 1)},
		.removed = n == 0};

	step(b, &set);
}

static void operator_says(struct bed *b, uint8_t which, struct input *in)
{
	static const enum gossip_in_type types[] = {GOSSIP_IN_FORGET, GOSSIP_IN_VOTERS, GOSSIP_IN_FOUNDED,
		GOSSIP_IN_RECORD, GOSSIP_IN_LEAVE, GOSSIP_IN_VISIT};
	struct gossip_record r = record_of(b, 0);
	uint16_t both = take16(in);
	uint64_t ids[2] = {(uint64_t)(both >> 8) << 56, (uint64_t)(both & 0xff) << 56};
	struct gossip_in says = {
		.type = types[which % ARRAY_LEN(types)], .id = ids[0], .ids = ids, .n_ids = 2, .record = &r};

	r.features = take(in);
	step(b, &says);
}

static void order(struct bed *b, struct input *in)
{
	enum order what = (enum order)(take(in) % ORDER_MAX);
	uint8_t whom = take(in);
	uint32_t link = whom % LINKS;
	uint16_t both;
	struct gossip_in down = {.type = GOSSIP_IN_LINK_DOWN, .link = link, .reset = whom & 0x80};
	struct gossip_in failed = {
		.type = GOSSIP_IN_DIAL_FAILED, .how = (enum gossip_dial_end)(whom % GOSSIP_DIAL_END_MAX)};

	switch (what) {
	case ORDER_FRAME:
		frame(b, link, in);
		break;
	case ORDER_TIME:
		b->now.mono_ms += take16(in);
		b->now.boot_ms = b->now.wall_ms = b->now.mono_ms;
		break;
	case ORDER_UP:
		both = take16(in);
		link_up(b, link, 1 + (both >> 8) % (PEERS - 1), both & 0xff, whom & 0x80 ? take_dial(b) : 0);
		break;
	case ORDER_DOWN:
		if (!b->up[link])
			break;
		b->up[link] = b->ready[link] = false;
		step(b, &down);
		break;
	case ORDER_SET:
		set_own(b, whom, in);
		break;
	case ORDER_OPERATOR:
		operator_says(b, whom, in);
		break;
	case ORDER_DIAL:
		failed.dial = take_dial(b);
		if (failed.dial)
			step(b, &failed);
		break;
	case ORDER_OOM:
		b->oom = whom;
		break;
	case ORDER_MAX:
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bed b; /* too large for a stack */
	static const char *const seeds[] = {"s:1", "nb"};
	struct input in = {.v = data, .n = size};
	struct gossip_config config = {.boot = 3, .seeds = seeds, .n_seeds = ARRAY_LEN(seeds), .seed = 1};

	b = (struct bed){.now = {.mono_ms = 1000, .boot_ms = 1000, .wall_ms = 1000}};
	config.record = record_of(&b, 0);
	config.profile = (enum gossip_profile_id)(take(&in) % GOSSIP_PROFILE_MAX);
	config.values_max_bytes = VALUES_BYTES;
	if (gossip_new(&config, &(struct gossip_mem){mem_get, mem_put, &b}, b.now, &b.g) < 0)
		abort();
	for (uint32_t link = 0; link < LINKS - 2; link++)
		link_up(&b, link, 1 + link, 2, 0);
	rest(&b);
	for (unsigned n = 0; in.n > 0 && n < STEPS_MAX; n++) {
		order(&b, &in);
		rest(&b);
	}
	gossip_free(b.g);
	if (b.bytes != 0)
		abort();
	return 0;
}
