/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of messages. A field that comes new goes behind the last of its struct: older peers pass over it; and it
 * needs a version of its own, since newer ones miss it in what older peers send.
 */
#include "gossip/wire.h"

#include <errno.h>

#include "base/shape.h"

#define U(s, f, lo, hi)	      SHAPE_U(gossip_##s, f, lo, hi)
#define B(s, f)		      SHAPE_B(gossip_##s, f)
#define TEXT(s, f, lo, hi)    SHAPE_STR(SHAPE_TEXT, gossip_##s, f, lo, hi)
#define BYTES(s, f, lo, hi)   SHAPE_STR(SHAPE_BYTES, gossip_##s, f, lo, hi)
#define LIST(s, f, n, hi, of) SHAPE_ALL(gossip_##s, f, n, 0, hi, of)
#define SHAPE_OF(s, rows)                                                                             \
	{                                                                                             \
		.name = #s, .fields = (rows), .n = ARRAY_LEN(rows), .size = sizeof(struct gossip_##s) \
	}

static const struct shape_field record_fields[] = {
	SHAPE_F(gossip_record, uuid),
	TEXT(record, name, 1, GOSSIP_NAME_MAX),
	TEXT(record, address, 0, GOSSIP_ADDRESS_MAX),
	TEXT(record, build, 0, GOSSIP_BUILD_MAX),
	U(record, version, 1, UINT32_MAX),
	U(record, wire_min, 0, UINT16_MAX),
	U(record, wire_max, 0, UINT16_MAX),
	U(record, features, 0, UINT32_MAX),
	U(record, watch_rings, 1, GOSSIP_WATCH_RINGS_MAX),
	U(record, beat_ms, GOSSIP_BEAT_MIN_MS, GOSSIP_BEAT_MAX_MS),
};
const struct shape wire_record = SHAPE_OF(record, record_fields);

static const struct shape_field accuser_fields[] = {
	U(accuser, id, 1, UINT64_MAX),
	B(accuser, host_up),
};
static const struct shape accuser = SHAPE_OF(accuser, accuser_fields);

static const struct shape_field state_fields[] = {
	U(msg_state, id, 1, UINT64_MAX),
	U(msg_state, incarnation, 0, UINT64_MAX),
	U(msg_state, flags, 0, GOSSIP_FLAGS_ALL),
	LIST(msg_state, accusers, n_accusers, GOSSIP_ACCUSERS_MAX, &accuser),
};
static const struct shape state = SHAPE_OF(msg_state, state_fields);

static const struct shape_field entry_fields[] = {
	TEXT(entry, key, 1, GOSSIP_KEY_MAX),
	BYTES(entry, value, 0, GOSSIP_VALUE_MAX),
	U(entry, version, 1, UINT32_MAX),
	B(entry, removed),
};
static const struct shape entry = SHAPE_OF(entry, entry_fields);

static const struct shape_field part_fields[] = {
	U(part, id, 1, UINT64_MAX),
	U(part, incarnation, 0, UINT64_MAX),
	U(part, from, 0, UINT32_MAX),
	U(part, to, 0, UINT32_MAX),
	U(part, floor, 0, UINT32_MAX),
	U(part, floor_to, 0, UINT32_MAX),
	SHAPE_OPT(gossip_part, record, has_record, &wire_record),
	{.name = "entries",
		.kind = SHAPE_POOL,
		.max = GOSSIP_ENTRIES_MAX,
		.of = &entry,
		.n_at = offsetof(struct gossip_part, n),
		.n_size = SHAPE_SIZE(gossip_part, n),
		.first_at = offsetof(struct gossip_part, first),
		.pool_at = offsetof(struct gossip_msg_deltas, entries),
		.pool_n_at = offsetof(struct gossip_msg_deltas, n_entries)},
};
static const struct shape part = SHAPE_OF(part, part_fields);

static const struct shape_field digest_fields[] = {
	U(digest, id, 1, UINT64_MAX),
	U(digest, incarnation, 0, UINT64_MAX),
	U(digest, version, 0, UINT32_MAX),
	U(digest, sum, 0, UINT32_MAX),
};
static const struct shape digest = SHAPE_OF(digest, digest_fields);

static const struct shape_field want_fields[] = {
	U(want, id, 1, UINT64_MAX),
	U(want, boot, 0, UINT32_MAX),
	U(want, version, 0, UINT32_MAX),
};
static const struct shape want = SHAPE_OF(want, want_fields);

static const struct shape_field beat_fields[] = {
	U(msg_beat, incarnation, 0, UINT64_MAX),
	U(msg_beat, view_hash, 0, UINT64_MAX),
};
static const struct shape_field greet_fields[] = {
	U(msg_greet, incarnation, 0, UINT64_MAX),
	U(msg_greet, view_hash, 0, UINT64_MAX),
	B(msg_greet, wanted),
};
/* PROBE and PROBE_ACK have the first of these, PROBE_ASK two, PROBE_ANSWER all. */
static const struct shape_field probe_fields[] = {
	U(msg_probe, nonce, 0, UINT32_MAX),
	U(msg_probe, subject, 1, UINT64_MAX),
	U(msg_probe, verdict, 0, GOSSIP_VERDICT_MAX - 1),
};
static const struct shape_field states_fields[] = {
	LIST(msg_states, v, n, GOSSIP_STATES_MAX, &state),
};
static const struct shape_field deltas_fields[] = {
	B(msg_deltas, asked),
	LIST(msg_deltas, parts, n_parts, GOSSIP_PARTS_MAX, &part),
};
static const struct shape_field digests_fields[] = {
	U(msg_digests, serial, 0, UINT32_MAX),
	B(msg_digests, last),
	LIST(msg_digests, v, n, GOSSIP_DIGESTS_MAX, &digest),
};
static const struct shape_field wants_fields[] = {
	U(msg_wants, serial, 0, UINT32_MAX),
	LIST(msg_wants, v, n, GOSSIP_WANTS_MAX, &want),
};
static const struct shape_field sync_fields[] = {
	SHAPE_US(gossip_msg_sync, v, n, 0, GOSSIP_BUCKETS),
};
static const struct shape_field ask_fields[] = {
	U(msg_ask, serial, 1, UINT32_MAX),
	U(msg_ask, to, 1, UINT64_MAX),
	B(msg_ask, passed),
	BYTES(msg_ask, body, 1, GOSSIP_BODY_MAX),
};
static const struct shape_field answer_fields[] = {
	U(msg_answer, serial, 1, UINT32_MAX),
	B(msg_answer, last),
	BYTES(msg_answer, body, 0, GOSSIP_BODY_MAX),
};
static const struct shape_field more_fields[] = {
	U(msg_more, serial, 1, UINT32_MAX),
	U(msg_more, taken, 1, UINT32_MAX),
};
static const struct shape_field drop_fields[] = {
	U(msg_drop, serial, 1, UINT32_MAX),
};

static const struct shape_field register_fields[] = {
	U(msg_register, size, 1, UINT32_MAX),
	U(msg_register, at, 0, UINT32_MAX),
	BYTES(msg_register, body, 1, GOSSIP_BODY_MAX),
};

#define MESSAGE(s, rows)                                                                                  \
	{                                                                                                 \
		.name = #s, .fields = (rows), .n = ARRAY_LEN(rows), .size = sizeof(struct gossip_msg_##s) \
	}
#define PROBE(called, count)                                                                                    \
	{                                                                                                       \
		.name = (called), .fields = probe_fields, .n = (count), .size = sizeof(struct gossip_msg_probe) \
	}

static const struct shape messages[] = {
	[GOSSIP_MSG_BEAT] = MESSAGE(beat, beat_fields),
	[GOSSIP_MSG_GREET] = MESSAGE(greet, greet_fields),
	[GOSSIP_MSG_PROBE_ASK] = PROBE("probe ask", 2),
	[GOSSIP_MSG_PROBE_ANSWER] = PROBE("probe answer", 3),
	[GOSSIP_MSG_PROBE] = PROBE("probe", 1),
	[GOSSIP_MSG_PROBE_ACK] = PROBE("probe ack", 1),
	[GOSSIP_MSG_STATES] = MESSAGE(states, states_fields),
	[GOSSIP_MSG_DELTAS] = MESSAGE(deltas, deltas_fields),
	[GOSSIP_MSG_DIGESTS] = MESSAGE(digests, digests_fields),
	[GOSSIP_MSG_WANTS] = MESSAGE(wants, wants_fields),
	[GOSSIP_MSG_SYNC] = MESSAGE(sync, sync_fields),
	[GOSSIP_MSG_PRUNE] = {.name = "prune"},
	[GOSSIP_MSG_ASK] = MESSAGE(ask, ask_fields),
	[GOSSIP_MSG_ANSWER] = MESSAGE(answer, answer_fields),
	[GOSSIP_MSG_MORE] = MESSAGE(more, more_fields),
	[GOSSIP_MSG_DROP] = MESSAGE(drop, drop_fields),
	[GOSSIP_MSG_REGISTER] = MESSAGE(register, register_fields),
};
_Static_assert(ARRAY_LEN(messages) == GOSSIP_MSG_TYPE_MAX, "a row a message");

int wire_encode(const struct gossip_msg *m, uint8_t *out, size_t cap, size_t *ret_n)
{
	const struct shape *s = &messages[m->type];
	struct shape_out o;

	assert(m->type > 0 && m->type < GOSSIP_MSG_TYPE_MAX);
	shape_out_init(&o, out, cap);
	(void)msgpack_pack_array(&o.packer, 1 + s->n); /* o.full tells, of this and all others */
	(void)msgpack_pack_uint64(&o.packer, m->type);
	shape_put_fields(&o, s, &m->beat); /* where every message of the union begins */
	if (o.full)
		return -EMSGSIZE;
	*ret_n = o.n;
	return 0;
}

int wire_decode(const void *v, size_t n, struct gossip_msg *ret, struct err *e)
{
	struct unpack u = {.v = v, .n = n};
	const struct shape *s;
	const char *fault;
	unsigned type = 0;
	size_t fields = 0;
	int rc;

	if (n > GOSSIP_FRAME_MAX)
		return err_set(e, -EBADMSG, "message: %zu bytes, at most %d are allowed", n, GOSSIP_FRAME_MAX);
	rc = shape_get_type(&u, "message", 1, GOSSIP_MSG_TYPE_MAX, &type, &fields, e);
	if (rc < 0)
		return rc;
	ret->type = (enum gossip_msg_type)type;
	s = &messages[ret->type];
	if (ret->type == GOSSIP_MSG_DELTAS)
		ret->deltas.n_entries = 0; /* parts add theirs */
	else if (s->fields == probe_fields)
		ret->probe = (struct gossip_msg_probe){0};
	rc = shape_get_fields(&u, s, fields, &ret->beat, NULL, e);
	if (rc == 0 && u.at < n)
		rc = err_set(e, -EBADMSG, "%zu bytes too many", n - u.at);
	fault = rc == 0 ? gossip_msg_fault(ret) : NULL;
	if (fault)
		rc = err_set(e, -EBADMSG, "%s", fault);
	if (rc < 0)
		(void)err_wrap(e, "%s", s->name); /* rc goes on */
	return rc;
}
