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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(what_is_none_is_refused),
		cmocka_unit_test(who_is_who),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
