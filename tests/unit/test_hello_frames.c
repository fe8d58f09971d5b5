/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gossip/hello: frames that are none, out of turn, cut off, of wrong kinds or of a newer peer.
 */
#include "base/unpack.h"
#include "tests/lib/hello_bed.h"

#define NOW PKI_BED_NOW

static const uint8_t cluster_a[16] = {0xa1, 2, 3};

static void malformed(const uint8_t *v, size_t n, bool dialled, const char *said)
{
	struct hello_node n1 = hello_node_of("n1", cluster_a, NULL);
	struct hello_frame answer;
	struct hello h;
	struct err e = {0};

	hello_bed_init(&h, &n1, dialled, 1);
	assert_int_equal(hello_step(&h, v, n, NOW, answer.v, &answer.n, &e), HELLO_REFUSED);
	assert_int_equal(h.why, HELLO_WHY_MALFORMED);
	if (!strstr(e.text, said))
		fail_msg("'%s' was not said, but: %s", said, e.text);
	assert_true(answer.n > 0 && answer.n < 300); /* the peer is told */
	hello_done(&h);
}

static size_t good_hello(uint8_t *v)
{
	struct hello_node n2 = hello_node_of("n2", cluster_a, NULL);
	struct hello h;
	size_t n;

	hello_bed_init(&h, &n2, true, 2);
	n = hello_begin(&h, v);
	hello_done(&h);
	return n;
}

static void what_is_no_hello(void **state)
{
	static const uint8_t http[] = "GET / HTTP/1.1\r\n\r\n", tls[] = {0x16, 3, 1, 2, 0, 1, 0},
			     newer[] = {0x92, 0xa5, 'c', 'o', 'v', 'e', 'y', 2},
			     other[] = {0x91, 0xa5, 'c', 'o', 'v', 'e', 'x'};
	static uint8_t big[HELLO_FRAME_MAX + 1];
	uint8_t v[HELLO_FRAME_MAX];
	size_t n = good_hello(v);

	(void)state;
	for (int dialled = 0; dialled < 2; dialled++) {
		malformed(http, sizeof(http) - 1, dialled, "what came is no hello of covey's");
		malformed(tls, sizeof(tls), dialled, "no hello of covey's");
		malformed(other, sizeof(other), dialled, "no hello of covey's");
		malformed(v, 0, dialled, "no hello of covey's");
		malformed(newer, sizeof(newer), dialled, "hello: 2 fields, 8 are needed");
		malformed(big, HELLO_GREETING_MAX + 1, dialled, "hello: 1025 bytes, at most 1024");
		malformed(big, sizeof(big), dialled, "hello: 4097 bytes, at most 4096");
		for (size_t cut = 0; cut < n; cut++)
			malformed(v, cut, dialled, "");
		v[n] = 0xc0;
		malformed(v, n + 1, dialled, "hello: 1 bytes too many");
	}
}

/* A HELLO whose value at `at` (after the head) is replaced. */
static void field_is(size_t at, const char *value, size_t value_n, const char *said)
{
	uint8_t v[HELLO_FRAME_MAX], w[HELLO_FRAME_MAX];
	size_t n = good_hello(v), end;
	struct unpack u = {.v = v, .n = n, .at = 1};

	for (size_t i = 0; i < at; i++)
		assert_int_equal(unpack_skip(&u, 4, 100, NULL), 0);
	memcpy(w, v, u.at);
	memcpy(w + u.at, value, value_n);
	end = u.at;
	assert_int_equal(unpack_skip(&u, 4, 100, NULL), 0);
	memcpy(w + end + value_n, v + u.at, n - u.at);
	malformed(w, end + value_n + n - u.at, false, said);
}

#define FIELD_IS(at, value, said) field_is(at, value, sizeof(value) - 1, said)

static void fields_of_a_wrong_kind(void **state)
{
	static const char *const names[] = {"", "format", "is_signed", "cluster", "process", "boot", "nonce", "record"};
	char said[64];

	(void)state;
	for (size_t i = 1; i < ARRAY_LEN(names); i++) {
		(void)snprintf(said, sizeof(said), "hello: %s: is a map, must be", names[i]);
		field_is(i, "\x80", 1, said);
	}
	FIELD_IS(1, "\x02", "hello: format: 2, must be from 1 to 1");
	FIELD_IS(3,
		"\x91\xc4\x0f"
		"123456789012345",
		"hello: cluster: uuid: 15 bytes, must be 16");
	FIELD_IS(5, "\x00", "hello: boot: 0, must be from 1 to");
	FIELD_IS(5, "\xcf\x00\x00\x00\x01\x00\x00\x00\x00", "hello: boot: 4294967296, must be");
	FIELD_IS(6, "\xc4\x01z", "hello: nonce: 1 bytes, must be 32");
	FIELD_IS(6, "\xc4\x21nonce_of_one_byte_more_than_is_ok", "hello: nonce: 33 bytes, must be 32");
	FIELD_IS(7, "\x90", "hello: record: 0 fields, 10 are needed");
	FIELD_IS(7, "\xdd\x7f\xff\xff\xff", "2147483647 values announced");
}

static void records_that_are_none(void **state)
{
	struct hello_node n1 = hello_node_of("n1", cluster_a, NULL), n2 = hello_node_of("n2", cluster_a, NULL);
	struct hello_talk t = {0}, u = {0}, v = {0};

	(void)state;
	memset(n1.record.uuid, 0, 8);
	hello_talk_between(&t, &n1, &n2);
	hello_bed_refused(&t, false, HELLO_WHY_MALFORMED, "hello: record: the UUID gives no id");
	n1 = hello_node_of("n1", cluster_a, NULL);
	n1.record.wire_min = 2;
	hello_talk_between(&u, &n1, &n2);
	hello_bed_refused(&u, false, HELLO_WHY_MALFORMED, "hello: record: versions 2 to 1");
	n1 = hello_node_of("n\x1b[2J", cluster_a, NULL);
	hello_talk_between(&v, &n1, &n2);
	hello_bed_refused(&v, false, HELLO_WHY_MALFORMED, "hello: record: name: has bytes that are no text");
	hello_talk_done(&t);
	hello_talk_done(&u);
	hello_talk_done(&v);
}

static void more_fields(void *arg, size_t number, struct hello_frame *f)
{
	(void)arg;
	(void)number;
	f->v[0]++; /* an array of one more */
	f->v[f->n++] = 0x91;
	f->v[f->n++] = 0x01;
}

/* Both ends must have signed what was said: here they come from a newer peer, so nobody meddles with signed ones. */
static void a_newer_peer_says_more(void **state)
{
	struct hello_node n1 = hello_node_of("n1", cluster_a, NULL), n2 = hello_node_of("n2", cluster_a, NULL);
	struct hello_talk t = {.meddle = more_fields};

	(void)state;
	hello_talk_between(&t, &n1, &n2);
	hello_knows(&t.d, "n2");
	hello_knows(&t.l, "n1");
	hello_talk_done(&t);
}

static void frames_out_of_turn(void **state)
{
	static const uint8_t proof[] = {0x93, 101, 0xc4, 0, 0x90}, beat[] = {0x93, 1, 2, 3};
	struct hello_node n1 = hello_node_of("n1", cluster_a, NULL);
	uint8_t v[HELLO_FRAME_MAX];
	size_t n = good_hello(v);
	const struct {
		const uint8_t *v;
		size_t n;
		const char *said;
	} late[] = {{v, n, "a frame came that is not due"}, {beat, sizeof(beat), "a frame came that is not due"},
		{proof, sizeof(proof) - 1, "hello: chain: cut off"}, {v, 0, "cut off"}};
	struct hello_frame answer;
	struct hello h;
	struct err e;

	(void)state;
	malformed(proof, sizeof(proof), false, "no hello of covey's");
	malformed(beat, sizeof(beat), false, "no hello of covey's");
	for (size_t i = 0; i < ARRAY_LEN(late); i++) {
		hello_bed_init(&h, &n1, false, 1);
		assert_int_equal(hello_step(&h, v, n, NOW, answer.v, &answer.n, &e), HELLO_AWAITS_PROOF);
		assert_int_equal(hello_step(&h, late[i].v, late[i].n, NOW, answer.v, &answer.n, &e), HELLO_REFUSED);
		assert_int_equal(h.why, HELLO_WHY_MALFORMED);
		if (!strstr(e.text, late[i].said))
			fail_msg("'%s' was not said, but: %s", late[i].said, e.text);
		hello_done(&h);
	}
}

static void a_refusal_is_read_as_text_alone(void **state)
{
	static const uint8_t unknown[] = {0x93, 102, 99, 0xa2, 'n', 'o'}, dirty[] = {0x93, 102, 99, 0xa2, 'n', 0x1b};
	struct hello_node n1 = hello_node_of("n1", cluster_a, NULL);
	struct hello_frame answer;
	struct hello h;
	struct err e;

	(void)state;
	hello_bed_init(&h, &n1, true, 1);
	assert_int_equal(hello_step(&h, unknown, sizeof(unknown), NOW, answer.v, &answer.n, &e), HELLO_TURNED_AWAY);
	assert_int_equal(h.why, HELLO_WHY_MALFORMED);
	assert_string_equal(e.text, "turned away: no");
	assert_int_equal(answer.n, 0);
	hello_done(&h);
	malformed(dirty, sizeof(dirty), true, "no hello of covey's");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_hello),
		cmocka_unit_test(fields_of_a_wrong_kind),
		cmocka_unit_test(records_that_are_none),
		cmocka_unit_test(a_newer_peer_says_more),
		cmocka_unit_test(frames_out_of_turn),
		cmocka_unit_test(a_refusal_is_read_as_text_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
