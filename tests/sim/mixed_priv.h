/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_MIXED_PRIV_H
#define TESTS_SIM_MIXED_PRIV_H
/*
 * What the files of mixed.h share, and what whole nodes ask of them.
 */
#include "base/shape.h"
#include "tests/sim/mixed.h"
#include "tests/sim/whole_truth.h"

#define MIXED_FORM 2 /* of values, that N+1 alone knows */

/* What a field of N+1's says first. */
struct mixed_field {
	struct register_key key; /* what it belongs to */
	uint64_t count;
	uint64_t hash; /* of it and all behind it in its array */
};

struct mixed_fields {
	struct mixed_field *v; /* owned; by rising key */
	size_t n;
};

/* A value that somebody wrote. */
struct mixed_value {
	uint64_t hash;
	bool newer; /* who wrote it is */
	uint32_t min_version;
	struct mixed_fields fields;
};

struct mixed {
	struct rng rng;
	struct heap_item next;		/* of the rolling upgrade */
	struct sim_node *down;		/* that it has taken down */
	uint32_t first, up, down_again; /* of 100: is newer at first; becomes so at a restart; goes back */
	int64_t pause_us;		/* of the upgrade, on average; 0: it is left to restarts */
	bool raises, raised;		/* min_version of one register: of an agent by that name, or the root's */
	char agent[8];
	bool is_root;
	bool odd;		    /* what is sent is of a type that nobody knows */
	struct mixed_value *values; /* owned */
	size_t n_values;
	/* Figures. */
	uint64_t starts, frames, odds, written, carried, beyond;
};

static inline struct mixed *mixed_of(const struct sim *s)
{
	return s->whole ? s->whole->mixed : NULL;
}

struct mixed *mixed_at_work(struct sim_node **ret); /* NULL: nobody is, or all are of one version */

/* ---- mixed_wire.c ---- */

/* Any one value, by that number. */
void mixed_put_any(msgpack_packer *p, uint64_t number);
void mixed_odd_register(struct whole *w, struct cluster *c, const struct uuid *to, const struct msg *m);
/* A value of its map, as it tells it: v itself, or in out. */
const void *mixed_told(struct sim_node *n, const char *key, const void *v, size_t *len, uint8_t *out, size_t cap);

/* ---- mixed_truth.c ---- */

int mixed_compare_key(const void *a, const void *b); /* of what begins with a struct register_key */
/* A field of N+1's, and what was read of one; false: it is none. */
void mixed_put_field(msgpack_packer *p, const struct register_key *key, uint64_t count);
bool mixed_read_field(struct msg_bytes more, struct mixed_field *ret);
void mixed_wrote(struct mixed *m, const struct sim_node *n, struct msg_bytes value);
/* Of N+1: all that it says stands in what it wrote, as far as what it belongs to does. */
void mixed_said(const struct sim_node *n, bool is_agent, struct msg_bytes value, const struct register_mores *said);
/* It is on a disk, or chosen. */
void mixed_saw(struct whole *w, const struct msg_key *key, struct msg_bytes value, uint64_t parent);
/* Whether a command there must be refused, since the value asks for N+1. */
bool mixed_is_beyond(struct whole *w, const struct msg_key *key);
void mixed_answered(struct whole *w, bool beyond, const struct agree_answer *a);

#endif
