/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_REGISTER_AGENT_H
#define NODE_REGISTER_AGENT_H
/*
 * An agent's register as bytes: struct sched_value, and the text of the definitions that it has. Pure; memory is the
 * caller's. doc/PROTOCOL.md has the fields.
 *
 *	register_agent_read(&base, &mem, bytes, &e);
 *	base.v.now.spec = …, base.v.before.spec = …;		of base.now, base.before: register_def.h
 *	decide_value(…);					base.v → next
 *	register_agent_write(&base, &next, text, out, cap, &n, &e);
 *	register_agent_done(&base);
 *
 * What voters ask of the bytes (register_reader.h) stands at their head: all slots under leases that have an owner, in
 * records of one size, so that these are read without the rest.
 *
 * What is written of one struct is always the same, and can be read. A removed agent without slots keeps no definition.
 */
#include "node/register_bytes.h"

/* At the head: slot (4 bytes), epoch (8), owner's UUID (16); big endian, by rising slot. */
#define REGISTER_LEASE_LEN 28

struct register_agent {
	struct sched_value v;	      /* its arrays are owned, and full; specs are NULL: the caller sets them */
	struct msg_bytes now, before; /* definitions' texts; borrowed from the bytes, as all that follows */
	uint32_t min_version;
	uint64_t parent; /* register_hash of the value that it was made from; 0: of none */
	struct msg_bytes bytes;
	struct register_mores mores; /* owned */
	struct value_mem mem;
};

/*
 * No bytes are an agent that never was. -EBADMSG with a sentence, -ENOMEM; *ret is then as it was. With a higher
 * min_version than REGISTER_VERSION what is known is read.
 */
int register_agent_read(struct register_agent *ret, const struct value_mem *mem, struct msg_bytes bytes, struct err *e);
void register_agent_done(struct register_agent *a); /* a zeroed one is fine */

/*
 * The value that follows on `base`: `v` with what is not known in base, and base's hash as its parent. text: of a
 * definition whose version base does not have. At most `cap` bytes, of MSG_VALUE_MAX at most; *ret_n of them.
 * -EMSGSIZE, -ENOTSUP (base's min_version), -EINVAL (v has a fault, or a version no text), -ENOMEM, with a sentence.
 */
int register_agent_write(const struct register_agent *base, const struct sched_value *v, struct msg_bytes text,
	uint8_t *out, size_t cap, size_t *ret_n, struct err *e);

/* The leases of a value; false: it is none of an agent, or makes no sense. */
bool register_agent_leases(struct msg_bytes value, struct msg_bytes *ret);
/* As value_reader's slot_next. */
bool register_agent_slot(struct msg_bytes value, size_t *at, struct msg_slot *ret);

/* For the two files: how many fields of each array are known. */
#define REGISTER_AGENT_FIELDS	   20
#define REGISTER_ROLLOUT_FIELDS	   4
#define REGISTER_COOLDOWN_FIELDS   2
#define REGISTER_DEFINITION_FIELDS 2
#define REGISTER_SLOT_FIELDS	   13
#define REGISTER_HELD_FIELDS	   4
#define REGISTER_DECISION_FIELDS   19
#define REGISTER_STEP_FIELDS	   8
#define REGISTER_RESERVE_FIELDS	   2
/* msgpack says the length of 16 fields and more in two bytes, whatever is added: the head is read by place. */
_Static_assert(REGISTER_AGENT_FIELDS >= 16, "a long array");

#endif
