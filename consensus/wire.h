/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_WIRE_H
#define CONSENSUS_WIRE_H
/*
 * consensus/msg.h as bytes: one msgpack array, the message's type first, then its fields by position, from one table
 * (wire.c; doc/PROTOCOL.md says it for people). Who says it does not stand in it: that is the link's node. How it goes
 * over a link whose frames are smaller is the caller's affair.
 */
#include "base/arena.h"
#include "base/err.h"
#include "consensus/msg.h"

/* All that is neither the value nor a list. */
#define WIRE_HEAD_MAX 512
/* A guard is an array of a slot (an array of a number, a UUID and an epoch) and a number. */
#define WIRE_GUARD_MAX (1 + (1 + 5 + 18 + 9) + 5)
#define WIRE_LEASE_MAX (1 + (2 + NAME_MAX_LEN) + 5 + 9 + 1)
/* The longest is a PROMISE with its value and all its guards. */
#define WIRE_MSG_MAX (MSG_VALUE_MAX + MSG_GUARDS_MAX * WIRE_GUARD_MAX + WIRE_HEAD_MAX)
/* What the lists of one message take once decoded. */
#define WIRE_LISTS_MAX (MSG_LEASES_MAX * sizeof(struct msg_lease) + 64)

_Static_assert(MSG_LEASES_MAX *WIRE_LEASE_MAX + WIRE_HEAD_MAX <= WIRE_MSG_MAX, "leases fit");
_Static_assert(MSG_GUARDS_MAX * sizeof(struct msg_guard) <= WIRE_LISTS_MAX, "a message has one list");

/* How many bytes it takes: at most WIRE_MSG_MAX. Counts above their bounds abort, here and below: none is sent. */
size_t wire_msg_size(const struct msg *m);
/* 0 and *ret_n, or -EMSGSIZE: more than cap. */
int wire_msg_encode(const struct msg *m, uint8_t *out, size_t cap, size_t *ret_n);
/*
 * *ret borrows its value from v and its list from mem, which the caller gives empty and with a bound. -EBADMSG with a
 * sentence: not in form, too large, or at fault in itself (msg_fault); -ENOTSUP: a type that is not known; -ENOMEM.
 * *ret is then anything.
 */
int wire_msg_decode(
	const void *v, size_t n, const struct uuid *from, struct arena *mem, struct msg *ret, struct err *e) MUST_CHECK;

#endif
