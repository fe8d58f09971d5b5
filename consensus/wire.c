/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of messages: each has what msg.h says of its type, a request the sender's configuration, an answer the
 * epoch alone and what is known of the voter's disk. A field that comes new goes behind the last of its struct: older
 * peers pass over it; and it needs a version of its own, since newer ones miss it in what older peers send, or is one
 * of those behind `need`, and means nothing where it is 0.
 */
#include "consensus/wire.h"

#include <errno.h>

#include "base/shape.h"

#define U(s, f, hi)    SHAPE_U(s, f, 0, hi)
#define NAME(s, f)     SHAPE_STR(SHAPE_NAME, s, f, 0, NAME_MAX_LEN)
#define FAR(f, hi, of) SHAPE_EACH(SHAPE_FAR, msg, f, n_##f, 0, hi, 0, of)
#define VOTERS(f)      SHAPE_EACH(SHAPE_FIXEDS, quorum_cfg, f.v, f.n, 0, QUORUM_VOTERS_MAX, sizeof(struct uuid), NULL)

/* The last so many fields are not there in what older peers send. */
#define SHAPE_NEW(s, called, rows, newer)                                                           \
	{                                                                                           \
		.name = (called), .fields = (rows), .n = ARRAY_LEN(rows), .size = sizeof(struct s), \
		.need = ARRAY_LEN(rows) - (newer)                                                   \
	}

#define SHAPE_OF(s, called, rows) SHAPE_NEW(s, called, rows, 0)

static const struct shape_field cfg_fields[] = {
	U(quorum_cfg, epoch, UINT64_MAX),
	VOTERS(old),
	VOTERS(next),
};
static const struct shape cfg = SHAPE_OF(quorum_cfg, "cfg", cfg_fields);

static const struct shape_field ballot_fields[] = {
	U(ballot, counter, UINT64_MAX),
	SHAPE_F(ballot, node),
	U(ballot, nonce, UINT64_MAX),
};
static const struct shape ballot = SHAPE_OF(ballot, "ballot", ballot_fields);

static const struct shape_field slot_fields[] = {
	U(msg_slot, slot, UINT32_MAX),
	SHAPE_F(msg_slot, owner),
	U(msg_slot, epoch, UINT64_MAX),
};
static const struct shape slot = SHAPE_OF(msg_slot, "slot", slot_fields);

static const struct shape_field guard_fields[] = {
	SHAPE_IN(msg_guard, slot, &slot),
	U(msg_guard, left_ms, UINT32_MAX),
};
static const struct shape guard = SHAPE_OF(msg_guard, "guard", guard_fields);

/* Asked for it has the first three of these, answered all. */
static const struct shape_field lease_fields[] = {
	NAME(msg_lease, key),
	U(msg_lease, slot, UINT32_MAX),
	U(msg_lease, epoch, UINT64_MAX),
	U(msg_lease, why, MSG_WHY_MAX - 1),
};
static const struct shape asked = {.name = "lease", .fields = lease_fields, .n = 3, .size = sizeof(struct msg_lease)};
static const struct shape granted = SHAPE_OF(msg_lease, "lease", lease_fields);

/* msg_key is the field of a struct everywhere else; in a list it is the struct. */
struct listed {
	struct msg_key key;
};
_Static_assert(sizeof(struct listed) == sizeof(struct msg_key), "a list of names");
static const struct shape_field listed_fields[] = {
	NAME(listed, key),
};
static const struct shape listed = SHAPE_OF(listed, "name", listed_fields);

static const struct shape_field chosen_fields[] = {
	NAME(msg_chosen, key),
	SHAPE_IN(msg_chosen, ballot, &ballot),
};
static const struct shape chosen = SHAPE_OF(msg_chosen, "register", chosen_fields);

#define ROUND	 U(msg, round, UINT64_MAX)
#define CFG	 SHAPE_IN(msg, cfg, &cfg)
#define KEY	 NAME(msg, key)
#define BALLOT	 SHAPE_IN(msg, ballot, &ballot)
#define ACCEPTED SHAPE_IN(msg, accepted, &ballot)
#define VALUE	 SHAPE_STR(SHAPE_BYTES, msg, value, 0, MSG_VALUE_MAX)
#define NUMBER	 U(msg, number, UINT64_MAX)
#define MORE	 SHAPE_B(msg, more)
#define LEFT	 U(msg, left_ms, UINT32_MAX)
#define SET	 U(msg, set, UINT64_MAX)
#define DISK	 U(msg, boot, UINT64_MAX), U(msg, write, UINT64_MAX)
#define REQUEST	 ROUND, CFG
#define ANSWER	 ROUND, U(msg, cfg.epoch, UINT64_MAX), DISK

static const struct shape_field prepare_fields[] = {REQUEST, KEY, BALLOT, ACCEPTED};
static const struct shape_field promise_fields[] = {
	ANSWER, KEY, BALLOT, ACCEPTED, VALUE, FAR(guards, MSG_GUARDS_MAX, &guard)};
static const struct shape_field accept_fields[] = {REQUEST, KEY, BALLOT, VALUE};
static const struct shape_field accepted_fields[] = {ANSWER, KEY, BALLOT};
static const struct shape_field read_fields[] = {REQUEST, KEY};
static const struct shape_field value_fields[] = {ANSWER, KEY, ACCEPTED, VALUE};
static const struct shape_field seal_fields[] = {REQUEST, KEY, MORE};
static const struct shape_field sealed_fields[] = {ANSWER, KEY, FAR(keys, MSG_KEYS_MAX, &listed), MORE, LEFT};
static const struct shape_field renew_fields[] = {
	REQUEST, NUMBER, U(msg, tf_ms, UINT32_MAX), FAR(leases, MSG_LEASES_MAX, &asked), SET};
static const struct shape_field grant_fields[] = {ANSWER, NUMBER, FAR(leases, MSG_LEASES_MAX, &granted), SET};
static const struct shape_field release_fields[] = {REQUEST, NUMBER, FAR(leases, MSG_LEASES_MAX, &asked)};
static const struct shape_field refused_fields[] = {
	REQUEST, DISK, U(msg, why, MSG_WHY_MAX - 1), KEY, BALLOT, LEFT, SHAPE_IN(msg, slot, &slot), NUMBER};
static const struct shape_field seen_fields[] = {DISK};
static const struct shape_field kept_fields[] = {KEY, FAR(chosen, MSG_KEYS_MAX, &chosen)};
static const struct shape_field known_fields[] = {KEY, FAR(chosen, MSG_KEYS_MAX, &chosen)};

#define MESSAGE(n)	      SHAPE_OF(msg, #n, n##_fields)
#define MESSAGE_NEW(n, newer) SHAPE_NEW(msg, #n, n##_fields, newer)

static const struct shape messages[] = {
	[MSG_PREPARE] = MESSAGE_NEW(prepare, 1),
	[MSG_PROMISE] = MESSAGE(promise),
	[MSG_ACCEPT] = MESSAGE(accept),
	[MSG_ACCEPTED] = MESSAGE(accepted),
	[MSG_READ] = MESSAGE(read),
	[MSG_VALUE] = MESSAGE(value),
	[MSG_SEAL] = MESSAGE(seal),
	[MSG_SEALED] = MESSAGE(sealed),
	[MSG_RENEW] = MESSAGE_NEW(renew, 1),
	[MSG_GRANT] = MESSAGE_NEW(grant, 1),
	[MSG_RELEASE] = MESSAGE(release),
	[MSG_REFUSED] = MESSAGE(refused),
	[MSG_SEEN] = MESSAGE(seen),
	[MSG_KEPT] = MESSAGE(kept),
	[MSG_KNOWN] = MESSAGE(known),
};
_Static_assert(ARRAY_LEN(messages) == MSG_TYPE_MAX, "a row a message");

static void put(struct shape_out *o, const struct msg *m)
{
	const struct shape *s = &messages[m->type];

	assert((unsigned)m->type < MSG_TYPE_MAX);
	(void)msgpack_pack_array(&o->packer, 1 + s->n); /* o->full tells, of this and all others */
	(void)msgpack_pack_uint64(&o->packer, m->type);
	shape_put_fields(o, s, m);
}

size_t wire_msg_size(const struct msg *m)
{
	struct shape_out o;

	shape_out_init(&o, NULL, SIZE_MAX);
	put(&o, m);
	return o.n;
}

int wire_msg_encode(const struct msg *m, uint8_t *out, size_t cap, size_t *ret_n)
{
	struct shape_out o;

	shape_out_init(&o, out, cap);
	put(&o, m);
	if (o.full)
		return -EMSGSIZE;
	*ret_n = o.n;
	return 0;
}

int wire_msg_decode(const void *v, size_t n, const struct uuid *from, struct arena *mem, struct msg *ret, struct err *e)
{
	struct unpack u = {.v = v, .n = n};
	const struct shape *s;
	const char *fault;
	unsigned type = 0;
	size_t fields = 0;
	int rc;

	if (n > WIRE_MSG_MAX)
		return err_set(e, -EBADMSG, "register message: %zu bytes, at most %d are allowed", n, WIRE_MSG_MAX);
	*ret = (struct msg){.from = *from};
	rc = shape_get_type(&u, "register message", 0, MSG_TYPE_MAX, &type, &fields, e);
	if (rc < 0)
		return rc;
	ret->type = (enum msg_type)type;
	s = &messages[ret->type];
	rc = shape_get_fields(&u, s, fields, ret, mem, e);
	if (rc == 0 && u.at < n)
		rc = err_set(e, -EBADMSG, "%zu bytes too many", n - u.at);
	if (ret->type == MSG_REFUSED && ret->why != MSG_WHY_EPOCH)
		ret->cfg = (struct quorum_cfg){.epoch = ret->cfg.epoch}; /* no reason to believe the rest */
	fault = rc == 0 ? msg_fault(ret) : NULL;
	if (fault)
		rc = err_set(e, -EBADMSG, "%s", fault);
	if (rc < 0)
		(void)err_wrap(e, "%s", s->name); /* rc goes on */
	return rc;
}
