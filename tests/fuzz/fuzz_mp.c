/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a frame of the control protocol: read, looked into as a request is, shown as JSON, and packed again.
 */
#include "node/mp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes json = {.max = 1 << 20};
	char verb[NAME_MAX_LEN + 1] = "";
	const msgpack_object *args;
	struct mp_tree t = {0};
	int64_t v = 0;
	bool yes;
	struct err e;

	if (mp_read(&t, data, size, &e) == 0) {
		/* Only that each of them ends well is looked at: the bytes may say anything. */
		(void)mp_get_int(mp_root(&t), "v", &v, 0, 1, &e);
		(void)mp_get_strz(mp_root(&t), "verb", verb, sizeof(verb), &e);
		(void)mp_get_bool(mp_root(&t), "ok", &yes, &e);
		(void)mp_get_map(mp_root(&t), "args", &args, &e);
		(void)mp_get_array(mp_root(&t), "files", &args, &e);
		(void)mp_to_json(mp_root(&t), size % 3, &json);
	}
	mp_done(&t);
	bytes_done(&json);
	return 0;
}
