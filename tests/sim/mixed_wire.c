/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What N+1 says: the encoders of gossip/wire.c and consensus/wire.c, called by whoever calls them in the daemon, with
 * fields put behind the known ones. Where that may be is what their own tables say. What is put there follows from the
 * bytes, so that a message is as long as it was measured; where it does not fit there is less of it, or nothing.
 */
#include <errno.h>
#include <string.h>

#include "gossip/wire.h"
#include "tests/sim/mixed_priv.h"

#define ODD_OF	   40 /* one frame in so many is followed by one that is not known */
#define TOLD_WORDS 2  /* behind the known fields of what a map says */
#define GROWN_MAX  (WIRE_MSG_MAX + 1)

enum level { LEVEL_NONE, LEVEL_TOP, LEVEL_ALL, LEVEL_MAX };

int __real_wire_encode(const struct gossip_msg *m, uint8_t *out, size_t cap, size_t *ret_n);
int __wrap_wire_encode(const struct gossip_msg *m, uint8_t *out, size_t cap, size_t *ret_n);
size_t __real_wire_msg_size(const struct msg *m);
size_t __wrap_wire_msg_size(const struct msg *m);
int __real_wire_msg_encode(const struct msg *m, uint8_t *out, size_t cap, size_t *ret_n);
int __wrap_wire_msg_encode(const struct msg *m, uint8_t *out, size_t cap, size_t *ret_n);
void __real_shape_put_fields(struct shape_out *out, const struct shape *s, const void *base);
void __wrap_shape_put_fields(struct shape_out *out, const struct shape *s, const void *base);

static const struct shape *table; /* of the message that was encoded last */

void __wrap_shape_put_fields(struct shape_out *out, const struct shape *s, const void *base)
{
	table = s;
	__real_shape_put_fields(out, s, base);
}

/* ---- any value ---- */

static void put_nest(msgpack_packer *p, uint64_t number)
{
	(void)msgpack_pack_array(p, 2); /* the writer knows whether it fits; so below */
	(void)msgpack_pack_map(p, 1);
	(void)msgpack_pack_str_with_body(p, "next", 4);
	(void)msgpack_pack_array(p, 1);
	(void)msgpack_pack_uint64(p, number);
	(void)msgpack_pack_nil(p);
}

void mixed_put_any(msgpack_packer *p, uint64_t number)
{
	switch (number % 11) {
	case 0:
		(void)msgpack_pack_nil(p); /* as above */
		break;
	case 1:
		(void)msgpack_pack_true(p);
		break;
	case 2:
		(void)msgpack_pack_uint64(p, number);
		break;
	case 3:
		(void)msgpack_pack_int64(p, -(int64_t)(number >> 1));
		break;
	case 4:
		(void)msgpack_pack_double(p, (double)number);
		break;
	case 5:
		(void)msgpack_pack_float(p, (float)number);
		break;
	case 6:
		(void)msgpack_pack_str_with_body(p, "\xff not of \0 N", number >> 8 & 7);
		break;
	case 7:
		(void)msgpack_pack_bin_with_body(p, &number, number >> 8 & 7);
		break;
	case 8:
		(void)msgpack_pack_ext_with_body(p, &number, sizeof(number), 5);
		break;
	case 9:
		(void)msgpack_pack_array(p, 0);
		break;
	default:
		put_nest(p, number);
	}
}

/* ---- a message with more in it ---- */

struct grower {
	struct unpack in;
	struct shape_out out;
	uint64_t at; /* draws follow from it */
	enum level level;
	bool odd; /* its type is none that is known */
	unsigned types;
};

static uint64_t draw(struct grower *g)
{
	g->at = (g->at ^ g->at >> 29) * 0xbf58476d1ce4e5b9ULL + 0x9e3779b97f4a7c15ULL;
	return g->at >> 16;
}

static void next_of(struct grower *g, struct unpack_head *ret)
{
	int rc = unpack_next(&g->in, ret, NULL);

	assert(rc == 0); /* it was just encoded */
}

static void copy(struct grower *g)
{
	size_t from = g->in.at;
	int rc = unpack_skip(&g->in, UNPACK_DEPTH_MAX, g->in.n, NULL);

	assert(rc == 0);							      /* as above */
	(void)msgpack_pack_bin_body(&g->out.packer, g->in.v + from, g->in.at - from); /* raw; out.full tells */
}

static void grow_struct(struct grower *g, const struct shape *s);

static void grow_list(struct grower *g, const struct shape *of)
{
	struct unpack_head h;

	next_of(g, &h);
	(void)msgpack_pack_array(&g->out.packer, h.number); /* out.full tells */
	for (size_t i = 0; i < h.number; i++)
		grow_struct(g, of);
}

static void grow_field(struct grower *g, const struct shape_field *f)
{
	switch (f->kind) {
	case SHAPE_OPTION:
		if (g->in.v[g->in.at] == 0xc0) {
			copy(g);
			break;
		}
		FALLTHROUGH;
	case SHAPE_STRUCT:
		grow_struct(g, f->of);
		break;
	case SHAPE_LIST:
	case SHAPE_FAR:
	case SHAPE_POOL:
		grow_list(g, f->of);
		break;
	default:
		copy(g);
	}
}

static void grow_fields(struct grower *g, const struct shape *s, size_t n, uint64_t more)
{
	for (size_t i = 0; i < n; i++)
		grow_field(g, &s->fields[i]);
	for (uint64_t i = 0; i < more; i++)
		mixed_put_any(&g->out.packer, draw(g));
}

static void grow_struct(struct grower *g, const struct shape *s)
{
	uint64_t more = g->level == LEVEL_ALL ? draw(g) % 3 : 0;
	struct unpack_head h;

	next_of(g, &h);
	(void)msgpack_pack_array(&g->out.packer, h.number + more); /* out.full tells */
	grow_fields(g, s, h.number, more);
}

/* Its type is 7 bits long, here as there: what was measured stays so. */
static void grow_message(struct grower *g, const struct shape *s)
{
	uint64_t more = g->level > LEVEL_NONE ? 1 + draw(g) % 2 : 0;
	struct unpack_head h, type;

	next_of(g, &h);
	next_of(g, &type);
	(void)msgpack_pack_array(&g->out.packer, h.number + more); /* out.full tells */
	(void)msgpack_pack_uint64(&g->out.packer, g->odd ? g->types + draw(g) % 60 : type.number);
	grow_fields(g, s, h.number - 1, more);
}

/* `plain` with as much more as fits into cap: its length. */
static size_t grow(
	const struct grower *as, const uint8_t *plain, size_t n, const struct shape *s, uint8_t *out, size_t cap)
{
	for (enum level level = LEVEL_ALL; level > LEVEL_NONE; level--) {
		struct grower g = *as;

		g.in = (struct unpack){.v = plain, .n = n};
		g.at = register_hash((struct msg_bytes){plain, n});
		g.level = level;
		shape_out_init(&g.out, out, cap);
		grow_message(&g, s);
		if (!g.out.full)
			return g.out.n;
	}
	memcpy(out, plain, n);
	return n;
}

/* ---- gossip's ---- */

/* A reader of N finds in it what it finds in the plain one. */
static void must_read_the_same(
	const struct sim_node *n, const uint8_t *plain, size_t plain_n, const uint8_t *grown, size_t grown_n)
{
	static struct gossip_msg m; /* large */
	uint8_t again[GOSSIP_FRAME_MAX];
	struct err e = {.text = "something else"};
	size_t again_n = 0;

	if (wire_decode(grown, grown_n, &m, &e) < 0 || __real_wire_encode(&m, again, sizeof(again), &again_n) < 0 ||
		again_n != plain_n || memcmp(again, plain, plain_n) != 0)
		sim_fail(n->sim, n->number, "a frame with more fields is read as %s", e.text);
}

int __wrap_wire_encode(const struct gossip_msg *m, uint8_t *out, size_t cap, size_t *ret_n)
{
	struct sim_node *n;
	struct mixed *x = mixed_at_work(&n);
	struct grower g = {.types = GOSSIP_MSG_TYPE_MAX};
	uint8_t plain[GOSSIP_FRAME_MAX];
	size_t plain_n = 0;
	int rc;

	if (!x || !n->newer)
		return __real_wire_encode(m, out, cap, ret_n);
	rc = __real_wire_encode(m, plain, MIN(cap, sizeof(plain)), &plain_n);
	if (rc < 0)
		return rc;
	*ret_n = grow(&g, plain, plain_n, table, out, MIN(cap, sizeof(plain)));
	x->frames++;
	must_read_the_same(n, plain, plain_n, out, *ret_n);
	return 0;
}

/* Its type alone is another one, of 1 to 5 bytes. */
size_t mixed_odd_frame(struct sim_node *n, const uint8_t *frame, size_t len, uint8_t *out, size_t cap)
{
	static const uint64_t types[] = {GOSSIP_MSG_TYPE_MAX, 40, 127, 128, 300, 70000, UINT64_MAX};
	struct mixed *x = mixed_of(n->sim);
	struct unpack in = {.v = frame, .n = len};
	struct unpack_head h, type;
	struct shape_out o;

	if (!x || !n->newer || rng_below(&x->rng, ODD_OF) || unpack_next(&in, &h, NULL) < 0 ||
		unpack_next(&in, &type, NULL) < 0)
		return 0;
	shape_out_init(&o, out, cap);
	(void)msgpack_pack_array(&o.packer, h.number); /* o.full tells; so below */
	(void)msgpack_pack_uint64(&o.packer, types[rng_below(&x->rng, ARRAY_LEN(types))]);
	(void)msgpack_pack_bin_body(&o.packer, frame + in.at, len - in.at); /* raw */
	x->odds += !o.full;
	return o.full ? 0 : o.n;
}

bool mixed_is_odd(const struct sim *s, int rc)
{
	return mixed_of(s) && rc == -ENOTSUP;
}

/* ---- that of registers ---- */

/* Owned: the message with more in it. A message that is too long is as N says it. */
static uint8_t *grown_msg(const struct msg *m, bool odd, size_t *ret_n)
{
	size_t n = __real_wire_msg_size(m), cap = MIN(n * 4 + 512, (size_t)GROWN_MAX);
	uint8_t *plain = malloc(n + cap), *out = plain + n;
	struct grower g = {.odd = odd, .types = MSG_TYPE_MAX};

	assert(plain);
	(void)__real_wire_msg_encode(m, plain, n, &n); /* it was measured */
	*ret_n = grow(&g, plain, n, table, out, MIN(cap, (size_t)WIRE_MSG_MAX));
	memmove(plain, out, *ret_n);
	return plain;
}

static size_t read_again(const struct sim_node *from, const uint8_t *v, size_t n, uint8_t *out, size_t cap)
{
	CLEANUP(arena_done) struct arena lists = {.max_bytes = WIRE_LISTS_MAX};
	struct uuid id;
	struct msg m;

	memcpy(id.v, from->uuid, sizeof(id.v));
	if (wire_msg_decode(v, n, &id, &lists, &m, NULL) < 0 || __real_wire_msg_encode(&m, out, cap, &n) < 0)
		return 0;
	return n;
}

static void must_be_the_same(const struct sim_node *n, const struct msg *m, const uint8_t *grown, size_t grown_n)
{
	size_t plain_n = __real_wire_msg_size(m), a, b;
	uint8_t *plain = malloc(3 * plain_n);

	assert(plain);
	(void)__real_wire_msg_encode(m, plain, plain_n, &plain_n); /* it was measured */
	a = read_again(n, plain, plain_n, plain + plain_n, plain_n);
	b = read_again(n, grown, grown_n, plain + 2 * plain_n, plain_n);
	if (a == 0 || a != b || memcmp(plain + plain_n, plain + 2 * plain_n, a) != 0)
		sim_fail(n->sim, n->number, "a %s with more fields is not read as it is", msg_name(m->type));
	free(plain);
}

size_t __wrap_wire_msg_size(const struct msg *m)
{
	struct sim_node *n;
	struct mixed *x = mixed_at_work(&n);
	size_t size;

	if (!x || !n->newer)
		return __real_wire_msg_size(m);
	free(grown_msg(m, x->odd, &size));
	return size;
}

int __wrap_wire_msg_encode(const struct msg *m, uint8_t *out, size_t cap, size_t *ret_n)
{
	struct sim_node *n;
	struct mixed *x = mixed_at_work(&n);
	uint8_t *v;

	if (!x || !n->newer)
		return __real_wire_msg_encode(m, out, cap, ret_n);
	v = grown_msg(m, x->odd, ret_n);
	if (*ret_n <= cap)
		memcpy(out, v, *ret_n);
	if (!x->odd)
		must_be_the_same(n, m, v, *ret_n);
	free(v);
	return *ret_n <= cap ? 0 : -EMSGSIZE;
}

bool __real_cluster_register_send(struct cluster *c, const struct uuid *to, const struct msg *m);

/* The same once more, by a type that is not known. */
void mixed_odd_register(struct whole *w, struct cluster *c, const struct uuid *to, const struct msg *m)
{
	struct mixed *x = mixed_of(whole_sim(w));

	if (!x || !w->sn->newer || rng_below(&x->rng, ODD_OF))
		return;
	x->odd = true;
	(void)__real_cluster_register_send(c, to, m); /* it may be lost */
	x->odd = false;
	x->odds++;
}

/* ---- what is told in maps ---- */

static bool is_exit(const char *key, size_t i)
{
	return strncmp(key, TOLD_REPLICA, strlen(TOLD_REPLICA)) == 0 && i == TOLD_REPLICA_EXIT;
}

static void grow_exit(struct grower *g)
{
	struct unpack_head h;

	if (g->in.v[g->in.at] == 0xc0) {
		copy(g);
		return;
	}
	next_of(g, &h);
	(void)msgpack_pack_array(&g->out.packer, h.number + 1); /* out.full tells */
	for (size_t i = 0; i < h.number; i++)
		copy(g);
	mixed_put_any(&g->out.packer, draw(g));
}

const void *mixed_told(struct sim_node *n, const char *key, const void *v, size_t *len, uint8_t *out, size_t cap)
{
	struct grower g = {.in = {.v = v, .n = *len}};
	struct unpack_head h;

	if (!mixed_of(n->sim) || !n->newer || !v)
		return v;
	g.at = register_hash((struct msg_bytes){v, *len});
	shape_out_init(&g.out, out, cap);
	next_of(&g, &h);
	assert(h.kind == UNPACK_ARRAY);					/* each is */
	(void)msgpack_pack_array(&g.out.packer, h.number + TOLD_WORDS); /* out.full tells */
	for (size_t i = 0; i < h.number; i++)
		if (is_exit(key, i))
			grow_exit(&g);
		else
			copy(&g);
	for (int i = 0; i < TOLD_WORDS; i++)
		mixed_put_any(&g.out.packer, draw(&g));
	if (g.out.full)
		return v;
	*len = g.out.n;
	return out;
}
