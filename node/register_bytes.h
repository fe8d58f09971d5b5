/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_REGISTER_BYTES_H
#define NODE_REGISTER_BYTES_H
/*
 * What the values of registers are made of: msgpack arrays, their fields by position. A newer version adds fields at
 * the end of any of them. Whoever does not know these carries them over, byte for byte, into what it makes of the
 * value: a reader writes down where they were (struct register_more), under what they belong to (struct register_key),
 * and the writer of the next value puts them there again. Where that is gone, they are gone with it.
 *
 * A reader keeps its first fault, and gives zeroes after it: who reads asks once, at the end, and in loops. A writer
 * does the same with what does not fit. Neither takes memory.
 */
#include <endian.h>
#include <string.h>

#include <msgpack.h>

#include "base/err.h"
#include "base/unpack.h"
#include "consensus/value.h"
#include "scheduler/sched.h"

/* The form of values that this version knows. One with a higher `min_version` is read, and never proposed on. */
#define REGISTER_VERSION   1
#define REGISTER_DEPTH_MAX 16 /* of what is not known */

enum register_kind { REGISTER_AGENT = 1, REGISTER_ROOT, REGISTER_KIND_MAX };

/* What may have fields that are not known. */
enum register_part {
	REGISTER_VALUE,
	REGISTER_DEFINITION, /* by version */
	REGISTER_ROLLOUT,
	REGISTER_COOLDOWNS,
	REGISTER_COOLDOWN, /* by kind */
	REGISTER_SLOT,	   /* by number */
	REGISTER_HELD,	   /* by number and node */
	REGISTER_DECISION, /* by number */
	REGISTER_STEP,	   /* by the decision's number; node.lo: which */
	REGISTER_CFG,
	REGISTER_TIMES,
	REGISTER_DRAINING,  /* by node */
	REGISTER_FORGOTTEN, /* by node */
	REGISTER_LEAVING,   /* by node */
	REGISTER_PART_MAX
};

struct register_key {
	enum register_part part;
	uint64_t number;
	struct sched_node node;
};

struct register_more {
	struct register_key key;
	struct msg_bytes bytes; /* borrowed from the value */
	size_t n;		/* values in it */
};

/* By rising key. */
struct register_mores {
	struct register_more *v;
	size_t n;
};

struct register_in {
	struct unpack u;
	struct err *e;
	int rc; /* of the first fault */
	/* What was not known: filled when it is not NULL, else counted. */
	struct register_more *more;
	size_t n_more;
};

struct register_out {
	uint8_t *v; /* borrowed */
	size_t n, cap;
	bool full;
	const struct register_mores *mores; /* may be NULL */
	msgpack_packer packer;
};

/* `what` is put in front of the sentence that says what is wrong. */
size_t register_get_array(struct register_in *in, const char *what, size_t min, size_t max);
uint64_t register_get_uint(struct register_in *in, const char *what, uint64_t min, uint64_t max);
bool register_get_bool(struct register_in *in, const char *what);
struct msg_bytes register_get_bin(struct register_in *in, const char *what, size_t min, size_t max);
/* Text of less than n bytes, clean: it goes into logs and onto terminals. */
void register_get_text(struct register_in *in, const char *what, char *out, size_t n);
/* A name without NUL, of 1 to OP_ID_MAX bytes. */
void register_get_ops(struct register_in *in, char ops[SCHED_OPS_MAX][OP_ID_MAX + 1], size_t *ret_n);
bool register_get_nil(struct register_in *in); /* whether nil comes next: it is passed then */
/* What follows `known` fields of an array of n. */
void register_get_more(struct register_in *in, struct register_key key, size_t n, size_t known);
/* Where a fault was: "slot 3: …". Nothing when there was none. Whoever says it reads nothing after a fault before. */
void PRINTF_LIKE(2, 3) register_wrap(struct register_in *in, const char *fmt, ...);
int PRINTF_LIKE(2, 3) register_refuse(struct register_in *in, const char *fmt, ...); /* returns rc, -EBADMSG at first */

void register_out_init(struct register_out *out, uint8_t *v, size_t cap, const struct register_mores *mores);
void register_put_array(struct register_out *out, size_t n);
/* One of `known` fields and those that were not known under key; what it returns is put behind them. */
const struct register_more *register_put_row(struct register_out *out, struct register_key key, size_t known);
void register_put_more(struct register_out *out, const struct register_more *more); /* NULL: none */
void register_put_uint(struct register_out *out, uint64_t v);
void register_put_bool(struct register_out *out, bool v);
void register_put_bin(struct register_out *out, const void *v, size_t n);
void register_put_text(struct register_out *out, const char *s); /* what is not clean becomes '?' */
void register_put_ops(struct register_out *out, const char ops[SCHED_OPS_MAX][OP_ID_MAX + 1], size_t n);
void register_put_nil(struct register_out *out);

/* A number for a value's bytes: what is made of it says it as `parent`. For people and for checks of chains. */
uint64_t register_hash(struct msg_bytes value);

/* Big endian, as leases and UUIDs are. */
static inline uint64_t register_load(const uint8_t v[8])
{
	uint64_t x;

	memcpy(&x, v, sizeof(x));
	return be64toh(x);
}

static inline void register_store(uint8_t v[8], uint64_t x)
{
	x = htobe64(x);
	memcpy(v, &x, sizeof(x));
}

static inline uint32_t register_load32(const uint8_t v[4])
{
	uint32_t x;

	memcpy(&x, v, sizeof(x));
	return be32toh(x);
}

static inline void register_store32(uint8_t v[4], uint32_t x)
{
	x = htobe32(x);
	memcpy(v, &x, sizeof(x));
}

static inline struct sched_node register_node_of(const struct uuid *u)
{
	return (struct sched_node){.hi = register_load(u->v), .lo = register_load(u->v + 8)};
}

static inline struct uuid register_uuid_of(struct sched_node node)
{
	struct uuid u;

	register_store(u.v, node.hi);
	register_store(u.v + 8, node.lo);
	return u;
}

#endif
