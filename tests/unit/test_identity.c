/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gossip/identity: UUIDs are written and read back, what is none is refused, and a node tells itself, its copy and a
 * stranger apart.
 */
#include "gossip/identity.h"

#include <errno.h>
#include <string.h>

#include "base/rng.h"
#include "tests/lib/test.h"

static void what_is_written_is_read_back(void **state)
{
	uint8_t uuid[IDENTITY_UUID_BYTES], again[IDENTITY_UUID_BYTES];
	char text[IDENTITY_UUID_TEXT];
	struct rng r;

	(void)state;
	rng_seed(&r, 1);
	for (int i = 0; i < 1000; i++) {
		for (size_t k = 0; k < sizeof(uuid); k++)
			uuid[k] = (uint8_t)rng_below(&r, 256);
		identity_make(uuid);
		assert_int_equal(strlen(identity_text(uuid, text)), IDENTITY_UUID_TEXT - 1);
		assert_int_equal(text[14], '4');
		assert_non_null(strchr("89ab", text[19]));
		assert_int_equal(identity_parse(text, again), 0);
		assert_memory_equal(uuid, again, sizeof(uuid));
	}
	memset(uuid, 0, sizeof(uuid));
	identity_make(uuid);
	assert_int_equal(identity_parse(identity_text(uuid, text), again), 0); /* an id even then */
}

static void what_is_none_is_refused(void **state)
{
	static const char *const bad[] = {"", "0f8fad5b", "0f8fad5b-d9cb-469f-a165-70867728950",
		"0f8fad5b-d9cb-469f-a165-70867728950e0", "0f8fad5bd9cb-469f-a165-70867728950e-",
		"0f8fad5b-d9cb-469f-a165-7086772895g0", "0f8fad5b-d9cb-469f-a165-7086772895 0",
		"00000000-0000-0000-a165-70867728950e", "0f8fad5b-d9cb-469f-a165_70867728950e"};
	uint8_t uuid[IDENTITY_UUID_BYTES] = {7};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(identity_parse(bad[i], uuid), -EINVAL);
	assert_int_equal(uuid[0], 7);
	assert_int_equal(identity_parse("0F8FAD5B-D9CB-469F-A165-70867728950E", uuid), 0);
	assert_int_equal(uuid[0], 0x0f);
	assert_int_equal(uuid[15], 0x0e);
}

static void who_is_who(void **state)
{
	uint8_t own[IDENTITY_UUID_BYTES] = {1, 2, 3}, alike[IDENTITY_UUID_BYTES] = {1, 2, 3},
		other[IDENTITY_UUID_BYTES] = {1, 2, 3};

	(void)state;
	alike[8] = 1;
	other[7] = 1;
	assert_int_equal(identity_kin(own, 5, own, 5), IDENTITY_SELF);
	assert_int_equal(identity_kin(own, 5, own, 6), IDENTITY_CLONE);
	assert_int_equal(identity_kin(own, 5, alike, 5), IDENTITY_ALIKE);
	assert_int_equal(identity_kin(own, 5, other, 5), IDENTITY_OTHER);
}

/* A disk of three starts ago is put back: its next number must be none of those three. */
static void a_start_has_a_number_above_all_before(void **state)
{
	const int64_t s2026_ms = 1796000000000, y2100_ms = 4102444800000;
	uint32_t first = identity_boot(0, s2026_ms);

	(void)state;
	assert_int_equal(first, 1796000000 - 1577836800);
	assert_int_equal(identity_boot(first, s2026_ms + 400), first + 1); /* within one second */
	assert_int_equal(identity_boot(first + 1, s2026_ms + 2000), first + 2);
	assert_int_equal(identity_boot(first, s2026_ms + 3000), first + 3); /* an old copy */
	assert_int_equal(identity_boot(first, 0), first + 1);		    /* no clock: 1970 */
	assert_int_equal(identity_boot(first, y2100_ms), first + 1);	    /* nor a sane one */
	assert_int_equal(identity_boot(0, 0), 1);
	assert_int_equal(identity_boot(-3, -5000), 1); /* a store that is none of ours */
	assert_int_equal(identity_boot(INT64_MAX - 1, s2026_ms), UINT32_MAX - 1);
	assert_int_equal(identity_boot_above(7), 1007);
	assert_int_equal(identity_boot_above(UINT32_MAX - 3), UINT32_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(what_is_none_is_refused),
		cmocka_unit_test(who_is_who),
		cmocka_unit_test(a_start_has_a_number_above_all_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
