/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consensus/wire: every register message comes back as it went; its bytes stay as they are; one that is cut off, has a
 * value of a wrong kind or a count too large is refused with a sentence, no changed byte does harm, and what a newer
 * peer adds is passed over.
 */
#include "consensus/wire.h"

#include <errno.h>

#include "tests/lib/consensus_msgs.h"
#include "tests/lib/consensus_story.h"
#include "tests/lib/oom.h"
#include "tests/lib/places.h"

#define ROUNDS	    400
#define EXAMPLE_MAX 700
#define PLACES_MAX  500

static struct consensus_msgs random_msg;
static struct msg back;
static struct arena lists = {.max_bytes = WIRE_LISTS_MAX};
static uint8_t bytes[WIRE_MSG_MAX + 64], other[WIRE_MSG_MAX + 64];

static size_t encoded(const struct msg *m, uint8_t *to)
{
	size_t n = 0;

	assert_int_equal(wire_msg_encode(m, to, WIRE_MSG_MAX, &n), 0);
	assert_int_equal(wire_msg_size(m), n);
	return n;
}

/* In memory of exactly its size, so that a sanitizer sees one byte too many; what came of it borrows from there. */
static uint8_t *exactly;

static int decode(const uint8_t *v, size_t n, const struct uuid *from, struct err *e)
{
	int rc;

	*e = (struct err){0};
	arena_done(&lists);
	free(exactly);
	exactly = malloc(n ? n : 1);
	assert_non_null(exactly);
	memcpy(exactly, v, n);
	memset(&back, 0xff, sizeof(back)); /* what is not set would show */
	rc = wire_msg_decode(exactly, n, from, &lists, &back, e);
	if (rc < 0)
		assert_true(e->text[0] && e->code == rc);
	return rc;
}

static int teardown(void **state)
{
	(void)state;
	arena_done(&lists);
	free(exactly);
	exactly = NULL;
	return 0;
}

static void every_message_comes_back(void **state)
{
	struct msg *m = &random_msg.m;
	unsigned long_ones = 0;
	struct rng r;
	struct err e;

	(void)state;
	rng_seed(&r, 4);
	for (int i = 0; i < ROUNDS; i++)
		for (enum msg_type t = 0; t < MSG_TYPE_MAX; t++) {
			size_t n, k;

			consensus_msgs_random(&r, t, &random_msg);
			n = encoded(m, bytes);
			long_ones += n > MSG_VALUE_MAX;
			if (decode(bytes, n, &m->from, &e) < 0)
				fail_msg("%s: %s", msg_name(t), e.text);
			consensus_same(m, &back);
			assert_int_equal(encoded(&back, other), n);
			assert_memory_equal(bytes, other, n);
			assert_int_equal(wire_msg_encode(m, other, n, &k), 0);
			assert_int_equal(wire_msg_encode(m, other, n - 1, &k), -EMSGSIZE);
		}
	assert_true(long_ones > 10);
}

/* ---- the largest ---- */

static const struct uuid far = {.v = {[0 ... 15] = 0xff}};
static const struct msg_slot wide_slot = {.slot = UINT32_MAX, .owner = {.v = {[0 ... 15] = 0xff}}, .epoch = UINT64_MAX};

static struct msg_key long_key(void)
{
	struct msg_key k = {.n = NAME_MAX_LEN};

	memset(k.v, 'k', sizeof(k.v));
	return k;
}

static void come_back(const struct msg *m, size_t at_least, size_t at_most)
{
	struct err e;
	size_t n = encoded(m, bytes);

	assert_in_range(n, at_least, at_most);
	assert_int_equal(decode(bytes, n, &far, &e), 0);
	consensus_same(m, &back);
}

static void the_largest_of_all(void **state)
{
	struct ballot top = {BALLOT_COUNTER_MAX, far, UINT64_MAX}, next = {BALLOT_COUNTER_MAX - 1, far, UINT64_MAX};
	struct msg m = {.type = MSG_PROMISE,
		.from = far,
		.cfg.epoch = BALLOT_COUNTER_MAX,
		.round = UINT64_MAX,
		.key = long_key(),
		.ballot = top,
		.accepted = next,
		.value = {random_msg.value, MSG_VALUE_MAX},
		.guards = random_msg.guards,
		.n_guards = MSG_GUARDS_MAX,
		.boot = UINT64_MAX,
		.write = UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < MSG_GUARDS_MAX; i++)
		random_msg.guards[i] = (struct msg_guard){wide_slot, UINT32_MAX};
	come_back(&m, WIRE_MSG_MAX - WIRE_HEAD_MAX + 1, WIRE_MSG_MAX);
	for (size_t i = 0; i < MSG_LEASES_MAX; i++)
		random_msg.leases[i] = (struct msg_lease){long_key(), UINT32_MAX, UINT64_MAX, MSG_WHY_MAX - 1};
	m = (struct msg){.type = MSG_GRANT,
		.from = far,
		.cfg.epoch = BALLOT_COUNTER_MAX,
		.leases = random_msg.leases,
		.n_leases = MSG_LEASES_MAX,
		.number = UINT64_MAX};
	come_back(&m, MSG_LEASES_MAX * WIRE_LEASE_MAX, MSG_LEASES_MAX * WIRE_LEASE_MAX + WIRE_HEAD_MAX);
	m = (struct msg){.type = MSG_REFUSED,
		.from = far,
		.why = MSG_WHY_EPOCH,
		.cfg = {BALLOT_COUNTER_MAX, {.n = QUORUM_VOTERS_MAX}, {.n = QUORUM_VOTERS_MAX}},
		.round = UINT64_MAX,
		.key = long_key(),
		.ballot = top,
		.left_ms = UINT32_MAX,
		.slot = wide_slot,
		.number = UINT64_MAX,
		.boot = UINT64_MAX,
		.write = UINT64_MAX};
	for (int i = 0; i < QUORUM_VOTERS_MAX; i++)
		m.cfg.old.v[i] = m.cfg.next.v[i] = story_node((char)('a' + i));
	come_back(&m, WIRE_HEAD_MAX * 3 / 4, WIRE_HEAD_MAX);
	bytes[0] = 0xc0;
	assert_int_equal(wire_msg_decode(bytes, WIRE_MSG_MAX + 1, &far, &lists, &back, NULL), -EBADMSG);
}

/* ---- what the bytes are ---- */

#define NODE(first) "\xc4\x10" first "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
#define A	    NODE("\xa0")
#define B	    NODE("\xa1")
#define C	    NODE("\xa2")
#define NOBODY	    "\xc4\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define CFG	    "\x93\x01\x93" A B C "\x90"
#define JOINT	    "\x93\x02\x91" A "\x92" A B
#define BALLOT(n)   "\x93" n A "\x01" /* of node a, with nonce 1 */
#define WEB    \
	"\xa3" \
	"web"
#define DISK	    "\x07\x09"				  /* boot 7, write 9 */
#define OLD_PREPARE "\x95\x00\x05" CFG WEB BALLOT("\x04") /* its sender has nothing */

static const struct quorum_cfg epoch_1 = {.epoch = 1};

static void golden(struct msg m, const char *is, size_t n)
{
	struct err e;

	m.from = story_node('a');
	assert_null(msg_fault(&m));
	assert_int_equal(encoded(&m, bytes), n);
	assert_memory_equal(bytes, is, n);
	assert_int_equal(decode(bytes, n, &m.from, &e), 0);
	consensus_same(&m, &back);
}

#define GOLDEN(m, is) golden(m, is, sizeof(is) - 1)

static void a_change_as_bytes(void **state)
{
	struct msg m = {.type = MSG_PREPARE,
		.cfg = story_cfg(1, "abc", ""),
		.round = 5,
		.key = story_key("web"),
		.ballot = story_ballot(4, 'a')};
	const struct msg_guard guard = {{0, story_node('c'), 1}, 300};
	struct err e;

	(void)state;
	GOLDEN(m, "\x96\x00\x05" CFG WEB BALLOT("\x04") "\x93\x00" NOBODY "\x00");
	m.accepted = story_ballot(3, 'a');
	GOLDEN(m, "\x96\x00\x05" CFG WEB BALLOT("\x04") BALLOT("\x03"));
	assert_int_equal(decode((const uint8_t *)OLD_PREPARE, sizeof(OLD_PREPARE) - 1, &m.ballot.node, &e), 0);
	m.accepted = back.accepted; /* none */
	m.type = MSG_ACCEPT;
	m.value = story_value("new");
	GOLDEN(m, "\x96\x02\x05" CFG WEB BALLOT("\x04") "\xc4\x03"
							"new");
	m.cfg = epoch_1;
	m.value = (struct msg_bytes){0};
	m.boot = 7;
	m.write = 9;
	m.type = MSG_ACCEPTED;
	GOLDEN(m, "\x97\x03\x05\x01" DISK WEB BALLOT("\x04"));
	m.type = MSG_PROMISE;
	m.accepted = story_ballot(3, 'a');
	m.value = story_value("old");
	m.guards = &guard;
	m.n_guards = 1;
	GOLDEN(m, "\x9a\x01\x05\x01" DISK WEB BALLOT("\x04") BALLOT("\x03") "\xc4\x03"
									    "old"
									    "\x91\x92\x93\x00" C "\x01\xcd\x01\x2c");
}

static void reads_and_seals_as_bytes(void **state)
{
	const struct msg_key keys[] = {story_key("a"), story_key("web")};
	struct msg m = {.type = MSG_READ, .cfg = story_cfg(1, "abc", ""), .round = 5};

	(void)state;
	GOLDEN(m, "\x94\x04\x05" CFG "\xa0");
	m.type = MSG_SEAL;
	m.cfg = story_cfg(2, "a", "ab");
	m.key = story_key("web");
	m.more = true;
	GOLDEN(m, "\x95\x06\x05" JOINT WEB "\xc3");
	m = (struct msg){.type = MSG_VALUE, .cfg = epoch_1, .round = 5, .boot = 7, .write = 9};
	GOLDEN(m, "\x98\x05\x05\x01" DISK "\xa0\x93\x00" NOBODY "\x00\xc4\x00");
	m.type = MSG_SEALED;
	m.keys = keys;
	m.n_keys = 2;
	m.more = true;
	m.left_ms = 3100;
	GOLDEN(m, "\x99\x07\x05\x01" DISK "\xa0\x92\x91\xa1"
		  "a\x91" WEB "\xc3\xcd\x0c\x1c");
}

static void leases_as_bytes(void **state)
{
	const struct msg_lease leases[] = {
		{story_key("web"), 0, 7, MSG_WHY_NONE}, {story_key("web"), 1, 8, MSG_WHY_VALUE}};
	struct msg m = {.type = MSG_RENEW,
		.cfg = story_cfg(1, "abc", ""),
		.leases = leases,
		.n_leases = 1,
		.number = 6,
		.tf_ms = 2000};

	(void)state;
	GOLDEN(m, "\x97\x08\x00" CFG "\x06\xcd\x07\xd0\x91\x93" WEB "\x00\x07\x00");
	m.set = 0xabcd;
	GOLDEN(m, "\x97\x08\x00" CFG "\x06\xcd\x07\xd0\x91\x93" WEB "\x00\x07\xcd\xab\xcd");
	m.n_leases = 0; /* the same again */
	GOLDEN(m, "\x97\x08\x00" CFG "\x06\xcd\x07\xd0\x90\xcd\xab\xcd");
	m.n_leases = 1;
	m.set = 0;
	m.type = MSG_RELEASE;
	m.tf_ms = 0;
	GOLDEN(m, "\x95\x0a\x00" CFG "\x06\x91\x93" WEB "\x00\x07");
	m = (struct msg){
		.type = MSG_GRANT, .cfg = epoch_1, .leases = leases, .n_leases = 2, .number = 6, .boot = 7, .write = 9};
	GOLDEN(m, "\x98\x09\x00\x01" DISK "\x06\x92\x94" WEB "\x00\x07\x00\x94" WEB "\x01\x08\x0a\x00");
	m.n_leases = 0;
	m.set = UINT64_MAX; /* all of them */
	GOLDEN(m, "\x98\x09\x00\x01" DISK "\x06\x90\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
}

static void taken_as_before(const char *v, size_t n, enum msg_type type)
{
	struct uuid from = story_node('a');
	struct err e;

	assert_int_equal(decode((const uint8_t *)v, n, &from, &e), 0);
	assert_true(back.type == type && back.number == 6 && back.n_leases == 1 && back.set == 0);
	assert_true(back.leases[0].slot == 0 && back.leases[0].epoch == 7);
}

#define TAKEN_AS_BEFORE(v, type) taken_as_before(v, sizeof(v) - 1, type)

/* It knows of no sets. */
static void leases_of_an_older_peer(void **state)
{
	(void)state;
	TAKEN_AS_BEFORE("\x96\x08\x00" CFG "\x06\xcd\x07\xd0\x91\x93" WEB "\x00\x07", MSG_RENEW);
	TAKEN_AS_BEFORE("\x97\x09\x00\x01" DISK "\x06\x91\x94" WEB "\x00\x07\x00", MSG_GRANT);
}

/* What stands for the same is the same; each part of it counts, and so does the order. */
static void the_sum_of_leases(void **state)
{
	struct msg_lease v[] = {{story_key("a"), 1, 7, MSG_WHY_NONE}, {story_key("b"), 2, 8, MSG_WHY_NONE}};
	struct msg_lease was[2];
	uint64_t sum = msg_leases_sum(v, 2);

	(void)state;
	memcpy(was, v, sizeof(v));
	v[0].why = MSG_WHY_VALUE; /* that is of the answer */
	assert_true(msg_leases_sum(v, 2) == sum && msg_leases_sum(v, 0) != 0);
	assert_true(msg_leases_sum(v, 1) != sum && msg_leases_sum(&v[1], 1) != msg_leases_sum(v, 1));
	v[1].slot = 3;
	assert_true(msg_leases_sum(v, 2) != sum);
	memcpy(v, was, sizeof(v));
	v[1].epoch = 9;
	assert_true(msg_leases_sum(v, 2) != sum);
	memcpy(v, was, sizeof(v));
	v[1].key = story_key("c");
	assert_true(msg_leases_sum(v, 2) != sum);
	v[0] = was[1];
	v[1] = was[0];
	assert_true(msg_leases_sum(v, 2) != sum);
}

static void refusals_as_bytes(void **state)
{
	struct msg m = {.type = MSG_REFUSED,
		.cfg = epoch_1,
		.round = 5,
		.why = MSG_WHY_GUARD,
		.key = story_key("web"),
		.left_ms = 300,
		.slot = {2, story_node('b'), 7}};

	(void)state;
	GOLDEN(m, "\x9b\x0b\x05\x93\x01\x90\x90\x00\x00\x03" WEB "\x93\x00" NOBODY "\x00\xcd\x01\x2c\x93\x02" B
		  "\x07\x00");
	m = (struct msg){.type = MSG_REFUSED, .cfg = story_cfg(2, "a", "ab"), .why = MSG_WHY_EPOCH, .number = 6};
	GOLDEN(m, "\x9b\x0b\x00" JOINT "\x00\x00\x02\xa0\x93\x00" NOBODY "\x00\x00\x93\x00" NOBODY "\x00\x06");
}

/* ---- what is not taken ---- */

/* Of each type a short one that has all there is in it: lists and sets that are not empty. */
static size_t example(enum msg_type type, uint8_t *to)
{
	const struct msg *m = &random_msg.m;
	struct rng r;

	for (uint64_t seed = 1;; seed++) {
		bool has;

		rng_seed(&r, seed);
		consensus_msgs_random(&r, type, &random_msg);
		has = (type != MSG_PROMISE || (m->n_guards > 0 && m->value.n > 0)) &&
		      (type != MSG_SEALED || m->n_keys > 1) &&
		      ((type != MSG_KEPT && type != MSG_KNOWN) || m->n_chosen > 1) &&
		      (type != MSG_REFUSED || m->why == MSG_WHY_EPOCH) && (m->cfg.old.n == 0 || m->cfg.next.n > 0) &&
		      ((type != MSG_RENEW && type != MSG_GRANT && type != MSG_RELEASE) || m->n_leases > 0);
		if (has && wire_msg_size(m) < EXAMPLE_MAX)
			return encoded(m, to);
	}
}

static void each_message_cut_off(void **state)
{
	struct err e;

	(void)state;
	for (enum msg_type t = 0; t < MSG_TYPE_MAX; t++) {
		size_t n = example(t, bytes);

		assert_int_equal(decode(bytes, n, &random_msg.m.from, &e), 0);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(decode(bytes, cut, &random_msg.m.from, &e), -EBADMSG);
		bytes[n] = 0xc0;
		assert_int_equal(decode(bytes, n + 1, &random_msg.m.from, &e), -EBADMSG);
		assert_non_null(strstr(e.text, "1 bytes too many"));
	}
}

/* Refused (false), or a message without fault, which can be said again. */
static bool is_taken(const uint8_t *v, size_t n, const struct uuid *from)
{
	struct err e;
	size_t k;
	int rc = decode(v, n, from, &e);

	if (rc < 0) {
		assert_true(rc == -EBADMSG || rc == -ENOTSUP);
		return false;
	}
	assert_null(msg_fault(&back));
	assert_int_equal(wire_msg_encode(&back, other, sizeof(other), &k), 0);
	assert_true(k <= n && ballot_same_node(&back.from, from));
	return true;
}

static void each_byte_changed(void **state)
{
	unsigned taken = 0;

	(void)state;
	for (enum msg_type t = 0; t < MSG_TYPE_MAX; t++) {
		size_t n = example(t, bytes);

		for (size_t i = 0; i < n; i++)
			for (unsigned by = 1; by < 256; by++) {
				bytes[i] ^= (uint8_t)by;
				taken += is_taken(bytes, n, &random_msg.m.from);
				bytes[i] ^= (uint8_t)by;
			}
	}
	assert_true(taken > 1000); /* another number is another message */
}

static void each_value_of_a_wrong_kind(void **state)
{
	static struct place at[PLACES_MAX];
	unsigned tried = 0;
	struct err e;

	(void)state;
	for (enum msg_type t = 0; t < MSG_TYPE_MAX; t++) {
		size_t n = example(t, bytes), count = places(bytes, n, at, ARRAY_LEN(at));

		for (size_t i = 0; i < count; i++)
			for (size_t k = 0; k < ARRAY_LEN(place_values); k++) {
				size_t len = places_replaced(bytes, n, &at[i], &place_values[k], other);

				if (place_values[k].kind == at[i].kind)
					continue;
				tried++;
				assert_int_equal(decode(other, len, &random_msg.m.from, &e), -EBADMSG);
			}
	}
	assert_true(tried > 1000);
}

static void what_a_newer_peer_adds_is_passed_over(void **state)
{
	static struct place at[PLACES_MAX];
	unsigned structs = 0, arrays = 0;
	struct err e;

	(void)state;
	for (enum msg_type t = 0; t < MSG_TYPE_MAX; t++) {
		size_t n = example(t, bytes), count = places(bytes, n, at, ARRAY_LEN(at));

		for (size_t i = 0; i < count; i++) {
			size_t len = places_longer(bytes, n, &at[i], other);

			if (len == 0)
				continue;
			if (decode(other, len, &random_msg.m.from, &e) < 0) {
				arrays++; /* that is no element of it */
				continue;
			}
			structs++;
			assert_int_equal(encoded(&back, other), n);
			assert_memory_equal(bytes, other, n);
		}
	}
	assert_true(structs > 20);
	assert_true(arrays > 5);
}

static void refused(const char *v, size_t n, const char *said)
{
	struct uuid from = story_node('a');
	struct err e;

	assert_int_equal(decode((const uint8_t *)v, n, &from, &e), -EBADMSG);
	if (!strstr(e.text, said))
		fail_msg("'%s' was not said, but: %s", said, e.text);
}

#define REFUSED(v, said) refused(v, sizeof(v) - 1, said)

static void counts_and_lengths_are_not_believed(void **state)
{
	static char many[64 * 1024];
	size_t head = sizeof("\x97\x09\x00\x01\x07\x09\x06") - 1;

	(void)state;
	REFUSED("", "register message: cut off");
	REFUSED("\xc0", "register message: is nil, must be an array");
	REFUSED("\x90", "register message: is empty");
	REFUSED("\x91\xa1x", "register message: begins with a string, must begin with its type");
	REFUSED("\x93\x04\x05" CFG, "read: 2 fields, 3 are needed");
	REFUSED("\x95\x08\x00" CFG "\x06\x00", "renew: 4 fields, 5 are needed");
	REFUSED("\x97\x08\x00" CFG "\x06\x00\x90\xa0", "renew: set: is a string, must be");
	REFUSED("\x97\x08\x00" CFG "\x06\x00\x90\xff", "renew: set: is");
	REFUSED("\x97\x09\x00\x01\x07\x09\x06\xdd\xff\xff\xff\xff",
		"grant: leases: byte 12: 4294967295 values announced");
	REFUSED("\x98\x05\x05\x01\x07\x09\xa0" BALLOT("\x04") "\xc6\x00\x08\x00\x01", "value: value: byte");
	REFUSED("\x94\x04\x05"
		"\x93\x01\x98" A B C A B C A B "\x90"
		"\xa0",
		"read: cfg: old.v: 8 in all, must be from 0 to 7");
	/* As many as there are bytes: no element is one byte long. */
	memcpy(many, "\x97\x09\x00\x01\x07\x09\x06", head);
	memcpy(many + head, "\xdc\x27\x10", 3);
	memset(many + head + 3, 0x90, 10000);
	refused(many, head + 3 + 10000, "grant: leases: 10000 announced, 10000 bytes are there");
	assert_null(lists.head);
	memcpy(many + head, "\xdc\x27\x11", 3);
	memset(many + head + 3, 0x90, 50010);
	refused(many, head + 3 + 50010, "grant: leases: 10001 in all, must be from 0 to 10000");
	assert_null(lists.head);
}

static void memory_is_the_callers(void **state)
{
	struct arena little = {.max_bytes = 64};
	struct err e;
	size_t n = example(MSG_GRANT, bytes);

	(void)state;
	assert_int_equal(wire_msg_decode(bytes, n, &far, &little, &back, &e), -ENOMEM);
	assert_non_null(strstr(e.text, "grant: leases: no memory for"));
	arena_done(&little);
	OOM_LOOP (o) {
		struct arena a = {.max_bytes = WIRE_LISTS_MAX};
		int rc = wire_msg_decode(bytes, n, &far, &a, &back, &e);

		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		arena_done(&a);
	}
}

/* In form, and yet wrong: msg_fault has the rules, and is asked. */
static void what_contradicts_itself(void **state)
{
	struct uuid from = story_node('b');
	struct err e;

	(void)state;
	assert_int_equal(decode((const uint8_t *)"\x95\x00\x05" CFG WEB BALLOT("\x04"),
				 sizeof("\x95\x00\x05" CFG WEB BALLOT("\x04")) - 1, &from, &e),
		-EBADMSG);
	assert_string_equal(e.text, "prepare: a ballot of another node");
	REFUSED("\x94\x04\x05\x93\x00\x90\x90\xa0", "read: no voters");
	REFUSED("\x94\x04\x05\x93\x01\x92" A A "\x90\xa0", "read: a voter stands twice in one set");
	REFUSED("\x99\x07\x05\x01" DISK "\xa0\x92\x91" WEB "\x91" WEB "\xc3\x00", "sealed: names out of order");
	REFUSED("\x98\x09\x00\x01" DISK "\x06\x91\x94" WEB "\x00\x07\x00\x01", "grant: a grant of all that names some");
	REFUSED("\x94\x04\x05" CFG "\xa2\xc3\x28", "read: key: has bytes that are no text");
	REFUSED("\x94\x04\x05" CFG "\xa2\x1b[", "read: key: has bytes that are no text");
}

static void a_type_of_a_newer_version(void **state)
{
	struct uuid from = story_node('a');
	struct err e;

	(void)state;
	assert_int_equal(decode((const uint8_t *)"\x92\x0f\x01", 3, &from, &e), -ENOTSUP);
	assert_string_equal(e.text, "register message: there is no type 15");
}

/* Only where they are the reason do a refusal's voters count; elsewhere nobody has looked at them. */
static void voters_that_are_no_reason(void **state)
{
	static const char v[] = "\x9b\x0b\x05\x93\x01\x92" A A "\x90\x00\x00\x03" WEB "\x93\x00" NOBODY
				"\x00\xcd\x01\x2c\x93\x02" B "\x07\x00";
	struct uuid from = story_node('a');
	struct err e;

	(void)state;
	assert_int_equal(decode((const uint8_t *)v, sizeof(v) - 1, &from, &e), 0);
	assert_int_equal(back.why, MSG_WHY_GUARD);
	assert_true(back.cfg.epoch == 1 && back.cfg.old.n == 0 && back.cfg.next.n == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_comes_back),
		cmocka_unit_test(the_largest_of_all),
		cmocka_unit_test(a_change_as_bytes),
		cmocka_unit_test(reads_and_seals_as_bytes),
		cmocka_unit_test(leases_as_bytes),
		cmocka_unit_test(leases_of_an_older_peer),
		cmocka_unit_test(the_sum_of_leases),
		cmocka_unit_test(refusals_as_bytes),
		cmocka_unit_test(each_message_cut_off),
		cmocka_unit_test(each_byte_changed),
		cmocka_unit_test(each_value_of_a_wrong_kind),
		cmocka_unit_test(what_a_newer_peer_adds_is_passed_over),
		cmocka_unit_test(counts_and_lengths_are_not_believed),
		cmocka_unit_test(memory_is_the_callers),
		cmocka_unit_test(what_contradicts_itself),
		cmocka_unit_test(a_type_of_a_newer_version),
		cmocka_unit_test(voters_that_are_no_reason),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
