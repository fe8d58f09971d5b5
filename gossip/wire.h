/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GOSSIP_WIRE_H
#define GOSSIP_WIRE_H
/*
 * gossip/msg.h as bytes: a frame is one msgpack array, the message's type first, then its fields by position, from one
 * table (wire.c; doc/PROTOCOL.md says it for people). Edge in name only: no clock, file or memory, so that the
 * simulator sends real frames.
 */
#include "base/err.h"
#include "gossip/msg.h"

/* Versions of all this that we speak; which one a link speaks is settled by its hello. */
#define WIRE_VERSION_MIN 1
#define WIRE_VERSION_MAX 1

/* 0 and *ret_n, or -EMSGSIZE: more than cap. Counts above their bounds abort: no frame has them. */
int wire_encode(const struct gossip_msg *m, uint8_t *out, size_t cap, size_t *ret_n);
/*
 * *ret borrows from v. -EBADMSG with a sentence: not in form, too large, or at fault in itself (gossip_msg_fault);
 * -ENOTSUP: a type that is not known. It costs the sender this frame alone; *ret is then anything.
 */
int wire_decode(const void *v, size_t n, struct gossip_msg *ret, struct err *e);

/* A record's row of fields, for what carries one outside of messages. */
struct shape;
extern const struct shape wire_record;

#endif
