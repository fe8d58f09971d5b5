/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_VALUE_H
#define CONSENSUS_VALUE_H
/*
 * Values are bytes to the core. What it must read of them (who owns which slot; of the root register the voters and
 * the times of leases) it asks of the reader that its caller gives, pure functions of the bytes. Values and the
 * memory of the core's tables come from an allocator that is given, too: tests fail each allocation.
 */
#include "consensus/msg.h"

struct value_mem {
	void *(*alloc)(void *ctx, size_t n);	       /* not zeroed; NULL when there is none */
	void (*release)(void *ctx, void *p, size_t n); /* n as it was allocated; p is never NULL */
	void *ctx;
};

/* Immutable, counted. */
struct value {
	uint32_t refs, n;
	uint8_t v[];
};

/* How leases of this cluster are: fields of the root register, never of a node's file. */
struct value_times {
	uint32_t tf_ms;	  /* from a renewal to the fuse */
	uint32_t kill_ms; /* from the fuse to the death of the last process */
	uint32_t lv_ms;	  /* how long a voter guards: at least value_guard_ms(tf_ms, kill_ms) */
};

struct value_reader {
	/* Slots that run under leases, by rising number; *at is 0 at first. Values that make no sense have none. */
	bool (*slot_next)(const void *ctx, struct msg_bytes value, size_t *at, struct msg_slot *ret);
	/* Of the root register's value; false: it says nothing of it. */
	bool (*cfg_get)(const void *ctx, struct msg_bytes value, struct quorum_cfg *ret);
	bool (*times_get)(const void *ctx, struct msg_bytes value, struct value_times *ret);
	const void *ctx;
};

/* How long a voter must guard a lease of tf: (tf + kill) · (1 + ρ) / (1 − ρ), rounded up. */
uint32_t value_guard_ms(uint32_t tf_ms, uint32_t kill_ms);
/* How long to wait by one clock until ms have passed by every clock: ms · (1 + ρ) / (1 − ρ), rounded up. */
uint32_t value_wait_ms(uint32_t ms);
struct value *value_new(const struct value_mem *mem, struct msg_bytes bytes) MUST_CHECK; /* NULL: no memory */
struct value *value_ref(struct value *v);						 /* NULL stays NULL */
void value_unref(const struct value_mem *mem, struct value *v);				 /* NULL is fine */
struct msg_bytes value_bytes(const struct value *v);					 /* NULL: none */
/* The slot of that number; false: it is not there. */
bool value_slot(const struct value_reader *r, struct msg_bytes value, uint32_t slot, struct msg_slot *ret);
bool value_slot_same(const struct msg_slot *a, const struct msg_slot *b);
/* The first slot of `was` that `now` gives to another (owner, epoch), or to nobody; false: none. */
bool value_moves(const struct value_reader *r, struct msg_bytes was, struct msg_bytes now, struct msg_slot *ret);

#endif
