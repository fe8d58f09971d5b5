/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gossip/wire: every message comes back as it went; the bytes of version 1 stay as they are; each value of a wrong
 * kind, each frame cut off, each count too large is refused with a sentence, and what a newer peer adds is passed over.
 */
#include "gossip/wire.h"

#include <errno.h>

#include "tests/lib/gossip_msgs.h"
#include "tests/lib/gossip_same.h"
#include "tests/lib/places.h"
#include "tests/lib/test.h"

#define ROUNDS	  2000
#define BIG_FRAME (64 * 1024) /* a test's messages know no budget */

static struct gossip_msg m, back;
static uint8_t frame[BIG_FRAME], other[BIG_FRAME + 64];

static size_t encoded(const struct gossip_msg *from, uint8_t *to)
{
	size_t n = 0;

	assert_int_equal(wire_encode(from, to, BIG_FRAME, &n), 0);
	assert_true(n > 0);
	return n;
}

static void every_message_comes_back(void **state)
{
	unsigned fit = 0;
	struct rng r;

	(void)state;
	rng_seed(&r, 4);
	for (int i = 0; i < ROUNDS; i++)
		for (enum gossip_msg_type t = 1; t < GOSSIP_MSG_TYPE_MAX; t++) {
			struct err e = {0};
			size_t n;

			gossip_msgs_random(&r, t, &m);
			n = encoded(&m, frame);
			if (n > GOSSIP_FRAME_MAX) {
				assert_int_equal(wire_decode(frame, n, &back, &e), -EBADMSG);
				continue;
			}
			fit++;
			memset(&back, 0xff, sizeof(back)); /* what is not set would show */
			if (wire_decode(frame, n, &back, &e) < 0)
				fail_msg("type %d: %s", t, e.text);
			gossip_same(&m, &back);
			assert_int_equal(encoded(&back, other), n);
			assert_memory_equal(frame, other, n);
			assert_int_equal(wire_encode(&m, other, n, &n), 0);
			assert_int_equal(wire_encode(&m, other, n - 1, &n), -EMSGSIZE);
		}
	assert_true(fit > ROUNDS * 10);
}

/* What the core counts with when it fills a message (pack.c), within what msg.h promises it. */
static size_t promised_deltas(const struct gossip_msg_deltas *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_parts; i++) {
		const struct gossip_record *r = &d->parts[i].record;

		n += 56 + (d->parts[i].has_record ? (size_t)64 + r->name.n + r->address.n + r->build.n : 0);
	}
	for (size_t i = 0; i < d->n_entries; i++)
		n += (size_t)16 + d->entries[i].key.n + d->entries[i].value.n;
	return n;
}

static size_t promised(const struct gossip_msg *of)
{
	size_t n = 0;

	switch (of->type) {
	case GOSSIP_MSG_STATES:
		for (size_t i = 0; i < of->states.n; i++)
			n += 32 + of->states.v[i].n_accusers * (size_t)12;
		return 24 + n;
	case GOSSIP_MSG_DIGESTS:
		return 24 + of->digests.n * (size_t)30;
	case GOSSIP_MSG_WANTS:
		return 24 + of->wants.n * (size_t)20;
	case GOSSIP_MSG_SYNC:
		return 24 + of->sync.n * (size_t)9;
	case GOSSIP_MSG_DELTAS:
		return 24 + promised_deltas(&of->deltas);
	case GOSSIP_MSG_ASK:
		return 24 + of->ask.body.n;
	case GOSSIP_MSG_ANSWER:
		return 24 + of->answer.body.n;
	case GOSSIP_MSG_REGISTER:
		return 24 + of->piece.body.n;
	default:
		return 24;
	}
}

static void no_message_is_larger_than_promised(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, 5);
	for (int i = 0; i < ROUNDS; i++)
		for (enum gossip_msg_type t = 1; t < GOSSIP_MSG_TYPE_MAX; t++) {
			gossip_msgs_random(&r, t, &m);
			assert_true(encoded(&m, frame) <= promised(&m));
		}
}

/* ---- what the bytes are ---- */

static void golden(const char *bytes, size_t n)
{
	assert_int_equal(encoded(&m, frame), n);
	assert_memory_equal(frame, bytes, n);
	assert_int_equal(wire_decode(frame, n, &back, NULL), 0);
	gossip_same(&m, &back);
}

#define GOLDEN(bytes) golden(bytes, sizeof(bytes) - 1)
#define INC	      "\xcf\x00\x00\x00\x07\x00\x00\x00\x02" /* boot 7, refuted twice */
#define INC_VALUE     (7ULL << 32 | 2)
#define STR(text)     ((struct gossip_str){.v = (text), .n = sizeof(text) - 1})

static void small_messages_as_bytes(void **state)
{
	(void)state;
	m = (struct gossip_msg){.type = GOSSIP_MSG_BEAT, .beat = {INC_VALUE, 0x0102030405060708}};
	GOLDEN("\x93\x01" INC "\xcf\x01\x02\x03\x04\x05\x06\x07\x08");
	m = (struct gossip_msg){.type = GOSSIP_MSG_GREET, .greet = {INC_VALUE, 0, true}};
	GOLDEN("\x94\x02" INC "\x00\xc3");
	m = (struct gossip_msg){.type = GOSSIP_MSG_PROBE_ASK, .probe = {.nonce = 300, .subject = 9}};
	GOLDEN("\x93\x03\xcd\x01\x2c\x09");
	m = (struct gossip_msg){.type = GOSSIP_MSG_PROBE_ANSWER,
		.probe = {.nonce = 1, .subject = 9, .verdict = GOSSIP_VERDICT_NO_LINK}};
	GOLDEN("\x94\x04\x01\x09\x02");
	m = (struct gossip_msg){.type = GOSSIP_MSG_PROBE, .probe = {.nonce = 1}};
	GOLDEN("\x92\x05\x01");
	m = (struct gossip_msg){.type = GOSSIP_MSG_PROBE_ACK, .probe = {.nonce = 1}};
	GOLDEN("\x92\x06\x01");
	m = (struct gossip_msg){.type = GOSSIP_MSG_PRUNE};
	GOLDEN("\x91\x0c");
	m = (struct gossip_msg){.type = GOSSIP_MSG_SYNC};
	GOLDEN("\x92\x0b\x90");
	m = (struct gossip_msg){.type = GOSSIP_MSG_ASK, .ask = {7, 9, true, STR("?")}};
	GOLDEN("\x95\x0d\x07\x09\xc3\xc4\x01?");
	m = (struct gossip_msg){.type = GOSSIP_MSG_ANSWER, .answer = {7, false, STR("!")}};
	GOLDEN("\x94\x0e\x07\xc2\xc4\x01!");
	m = (struct gossip_msg){.type = GOSSIP_MSG_MORE, .more = {7, 300}};
	GOLDEN("\x93\x0f\x07\xcd\x01\x2c");
	m = (struct gossip_msg){.type = GOSSIP_MSG_DROP, .drop = {7}};
	GOLDEN("\x92\x10\x07");
	m = (struct gossip_msg){.type = GOSSIP_MSG_REGISTER, .piece = {.size = 300, .at = 1, .body = STR("!")}};
	GOLDEN("\x94\x11\xcd\x01\x2c\x01\xc4\x01!");
}

static void lists_as_bytes(void **state)
{
	(void)state;
	m = (struct gossip_msg){.type = GOSSIP_MSG_STATES,
		.states = {.n = 1,
			.v = {{.id = 5,
				.incarnation = INC_VALUE,
				.flags = GOSSIP_FLAG_DEAD,
				.n_accusers = 2,
				.accusers = {{.id = 1}, {.id = 2, .host_up = true}}}}}};
	GOLDEN("\x92\x07\x91\x94\x05" INC "\x01\x92\x92\x01\xc2\x92\x02\xc3");
	m = (struct gossip_msg){.type = GOSSIP_MSG_DIGESTS,
		.digests = {.serial = 3, .n = 1, .v = {{.id = 5, .incarnation = INC_VALUE, .version = 9, .sum = 1}}}};
	GOLDEN("\x94\x09\x03\xc2\x91\x94\x05" INC "\x09\x01");
	m = (struct gossip_msg){.type = GOSSIP_MSG_WANTS, .wants = {.n = 1, .v = {{.id = 5, .boot = 7, .version = 8}}}};
	GOLDEN("\x93\x0a\x00\x91\x93\x05\x07\x08");
}

static void set_deltas(void)
{
	m = (struct gossip_msg){.type = GOSSIP_MSG_DELTAS,
		.deltas = {.n_parts = 2,
			.n_entries = 2,
			.parts = {{.id = 0x0101010101010101,
					  .incarnation = INC_VALUE,
					  .to = 3,
					  .has_record = true,
					  .record = {.name = STR("n1"),
						  .address = STR(""),
						  .build = STR("1"),
						  .version = 1,
						  .wire_min = 1,
						  .wire_max = 2,
						  .watch_rings = 5,
						  .beat_ms = 1000},
					  .n = 2},
				{.id = 6, .incarnation = INC_VALUE, .from = 4, .to = 4, .first = 2}},
			.entries = {{.key = STR("a"), .value = STR("v"), .version = 2},
				{.key = STR("b"), .value = STR(""), .version = 3, .removed = true}}}};
	memset(m.deltas.parts[0].record.uuid, 1, GOSSIP_UUID_LEN);
}

static void deltas_as_bytes(void **state)
{
	(void)state;
	set_deltas();
	GOLDEN("\x93\x08\xc2\x92"
	       "\x98\xcf\x01\x01\x01\x01\x01\x01\x01\x01" INC "\x00\x03\x00\x00"
	       "\x9a\xc4\x10\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\xa2n1\xa0\xa1"
	       "1\x01\x01\x02\x00\x05\xcd\x03\xe8"
	       "\x92\x94\xa1"
	       "a\xc4\x01v\x02\xc2\x94\xa1"
	       "b\xc4\x00\x03\xc3"
	       "\x98\x06" INC "\x04\x04\x00\x00\xc0\x90");
}

/* ---- what is not taken ---- */

/* Of each type one that has all there is in it: lists that are not empty, a record and none. */
static size_t example(enum gossip_msg_type type, uint8_t *to)
{
	struct rng r;

	if (type == GOSSIP_MSG_DELTAS) {
		set_deltas();
		return encoded(&m, to);
	}
	for (uint64_t seed = 1;; seed++) {
		rng_seed(&r, seed);
		gossip_msgs_random(&r, type, &m);
		if (type == GOSSIP_MSG_STATES && m.states.v[0].n_accusers == 0)
			continue;
		if ((type == GOSSIP_MSG_SYNC && m.sync.n == 0) || (type == GOSSIP_MSG_DIGESTS && m.digests.n == 0))
			continue;
		if (encoded(&m, to) < 1000)
			return encoded(&m, to);
	}
}

/* In memory of exactly its size, so that a sanitizer sees one byte too many; what came of it borrows from there. */
static uint8_t *exactly;

static int decode(const uint8_t *v, size_t n, struct err *e)
{
	int rc;

	*e = (struct err){0};
	free(exactly);
	exactly = malloc(n ? n : 1);
	assert_non_null(exactly);
	memcpy(exactly, v, n);
	rc = wire_decode(exactly, n, &back, e);
	if (rc < 0)
		assert_true(e->text[0] && e->code == rc);
	return rc;
}

static int teardown(void **state)
{
	(void)state;
	free(exactly);
	exactly = NULL;
	return 0;
}

static void each_frame_cut_off(void **state)
{
	struct err e;

	(void)state;
	for (enum gossip_msg_type t = 1; t < GOSSIP_MSG_TYPE_MAX; t++) {
		size_t n = example(t, frame);

		assert_int_equal(decode(frame, n, &e), 0);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(decode(frame, cut, &e), -EBADMSG);
		frame[n] = 0xc0;
		assert_int_equal(decode(frame, n + 1, &e), -EBADMSG);
		assert_non_null(strstr(e.text, "1 bytes too many"));
	}
}

static void each_value_of_a_wrong_kind(void **state)
{
	static struct place at[1000];
	unsigned tried = 0, options = 0;
	struct err e;

	(void)state;
	for (enum gossip_msg_type t = 1; t < GOSSIP_MSG_TYPE_MAX; t++) {
		size_t n = example(t, frame), count = places(frame, n, at, ARRAY_LEN(at));

		for (size_t i = 0; i < count; i++)
			for (size_t k = 0; k < ARRAY_LEN(place_values); k++) {
				size_t len = places_replaced(frame, n, &at[i], &place_values[k], other);

				if (place_values[k].kind == at[i].kind)
					continue;
				tried++;
				if (decode(other, len, &e) == -EBADMSG)
					continue;
				/* A record may be nil, though not where a map begins. */
				assert_true(place_values[k].kind == UNPACK_NIL && at[i].kind == UNPACK_ARRAY);
				options++;
			}
	}
	assert_true(tried > 500);
	assert_true(options <= 1);
}

static void what_a_newer_peer_adds_is_passed_over(void **state)
{
	static struct place at[1000];
	unsigned structs = 0, lists = 0;
	struct err e;

	(void)state;
	for (enum gossip_msg_type t = 1; t < GOSSIP_MSG_TYPE_MAX; t++) {
		size_t n = example(t, frame), count = places(frame, n, at, ARRAY_LEN(at));

		for (size_t i = 0; i < count; i++) {
			size_t len = places_longer(frame, n, &at[i], other);

			if (len == 0)
				continue;
			if (decode(other, len, &e) < 0) {
				lists++; /* that is no element of it */
				continue;
			}
			structs++;
			assert_int_equal(encoded(&back, other), n);
		}
	}
	assert_true(structs > 20);
	assert_true(lists > 5);
}

static void refused(const char *v, size_t n, const char *said)
{
	struct err e;

	assert_int_equal(decode((const uint8_t *)v, n, &e), -EBADMSG);
	if (!strstr(e.text, said))
		fail_msg("'%s' was not said, but: %s", said, e.text);
}

#define REFUSED(v, said) refused(v, sizeof(v) - 1, said)

static void counts_and_lengths_are_not_believed(void **state)
{
	static char many[GOSSIP_FRAME_MAX + 1];
	size_t n;

	(void)state;
	REFUSED("\x92\x07\xdd\x7f\xff\xff\xff", "states: v: byte 7: 2147483647 values announced, 0 bytes are there");
	REFUSED("\xdd\xff\xff\xff\xff\x01", "message: byte 5: 4294967295 values announced");
	REFUSED("\x93\x08\xc2\xdf\x7f\xff\xff\xff", "deltas: parts: byte 8: 4294967294 values announced");
	REFUSED("\x93\x08\xc2\x91\x98\x05\x01\x00\x01\x00\x00\xc0\x91\x94\xdb\xff\xff\xff\xff",
		"deltas: parts: number 1: entries: number 1: key: byte 19: 4294967295 bytes announced");
	refused(many, sizeof(many), "message: 4097 bytes, at most 4096 are allowed");
	memcpy(many, "\x92\x07\xdc\x00\x65", 5);
	memset(many + 5, 0x90, 101);
	refused(many, 106, "states: v: 101 in all, must be from 0 to 100");
	memcpy(many, "\x92\x0b\xdc\x00\x21", 5);
	memset(many + 5, 1, 33);
	refused(many, 38, "sync: v: 33 in all, must be from 0 to 32");
	/* Entries are counted over all parts. */
	n = 4;
	memcpy(many, "\x93\x08\xc2\x92", 4);
	for (int part = 0; part < 2; part++) {
		memcpy(many + n, "\x98\x05\x01\x01\x7f\x00\x00\xc0\xdc\x00\x65", 11);
		n += 11;
		for (int i = 0; i < 101; i++, n += 6)
			memcpy(many + n, "\x94\xa1k\xc4\x00\x02", 6), many[n + 6] = (char)0xc2, n++;
	}
	refused(many, n, "deltas: parts: number 2: entries: 202 in all, must be from 0 to 200");
}

static void values_out_of_bounds(void **state)
{
	static char deep[512];

	(void)state;
	REFUSED("", "message: cut off");
	REFUSED("\xc0", "message: is nil, must be an array");
	REFUSED("\x90", "message: is empty");
	REFUSED("\x91\xa1x", "message: begins with a string, must begin with its type");
	REFUSED("\x92\x01\x00", "beat: 1 fields, 2 are needed");
	REFUSED("\x93\x03\xcf\x00\x00\x00\x01\x00\x00\x00\x00\x09", "probe ask: nonce: 4294967296, must be from 0 to");
	REFUSED("\x93\x03\x01\x00", "probe ask: subject: 0, must be from 1 to");
	REFUSED("\x94\x04\x01\x09\x03", "probe answer: verdict: 3, must be from 0 to 2");
	REFUSED("\x92\x07\x91\x94\x05\x01\x10\x90", "states: v: number 1: flags: 16, must be from 0 to 15");
	REFUSED("\x93\x01\x01\xff", "beat: view_hash: is a negative number, must be a whole number");
	set_deltas();
	m.deltas.entries[0].key = STR("a\x1b[2J");
	refused((char *)frame, encoded(&m, frame), "entries: number 1: key: has bytes that are no text");
	m.deltas.entries[0].key = STR("\xc3\x28");
	refused((char *)frame, encoded(&m, frame), "key: has bytes that are no text");
	m.deltas.entries[0].key = STR("a\xc2\x85");
	refused((char *)frame, encoded(&m, frame), "key: has bytes that are no text");
	m.deltas.entries[0].key = STR("");
	refused((char *)frame, encoded(&m, frame), "key: 0 bytes, must be from 1 to 255");
	m.deltas.entries[0].key = STR("\xc3\xa4");
	assert_int_equal(wire_decode(frame, encoded(&m, frame), &back, NULL), 0);
	memset(deep, 0x91, sizeof(deep));
	memcpy(deep, "\x92\x0c", 2);
	deep[sizeof(deep) - 1] = 1;
	refused(deep, sizeof(deep), "prune: nested deeper than 8");
}

static void a_type_of_a_newer_version(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(decode((const uint8_t *)"\x92\x12\x01", 3, &e), -ENOTSUP);
	assert_string_equal(e.text, "message: there is no type 18");
	assert_int_equal(decode((const uint8_t *)"\x91\x00", 2, &e), -ENOTSUP);
}

/* In form, and yet wrong: gossip_msg_fault has the rules, and is asked. */
static void what_contradicts_itself(void **state)
{
	struct err e;

	(void)state;
	set_deltas();
	m.deltas.parts[0].from = 5;
	assert_int_equal(decode(frame, encoded(&m, frame), &e), -EBADMSG);
	set_deltas();
	m.deltas.parts[0].record.wire_min = 3;
	assert_int_equal(decode(frame, encoded(&m, frame), &e), -EBADMSG);
	set_deltas();
	m.deltas.entries[0].version = 3;
	assert_int_equal(decode(frame, encoded(&m, frame), &e), -EBADMSG);
	assert_memory_equal(e.text, "deltas: ", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_comes_back),
		cmocka_unit_test(no_message_is_larger_than_promised),
		cmocka_unit_test(small_messages_as_bytes),
		cmocka_unit_test(lists_as_bytes),
		cmocka_unit_test(deltas_as_bytes),
		cmocka_unit_test(each_frame_cut_off),
		cmocka_unit_test(each_value_of_a_wrong_kind),
		cmocka_unit_test(what_a_newer_peer_adds_is_passed_over),
		cmocka_unit_test(counts_and_lengths_are_not_believed),
		cmocka_unit_test(values_out_of_bounds),
		cmocka_unit_test(a_type_of_a_newer_version),
		cmocka_unit_test(what_contradicts_itself),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
