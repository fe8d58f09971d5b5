/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes on the control socket after the hello: cut into frames as control_conn.c does, each body read as a request,
 * its arguments asked for in every type, as verbs do. A length is believed only within the bound.
 */
#include <string.h>

#include "base/limits.h"
#include "node/control_frame.h"
#include "node/mp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask_all(const msgpack_object *args)
{
	static const char *const keys[] = {"agent", "n", "op", "after", "max", "wait_ms", "all", "files", "replica"};
	struct bytes json = {.max = 64 * 1024};
	char text[OP_ID_MAX];
	const char *s;
	size_t n;
	int64_t v;
	bool flag;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		v = 7;
		if (mp_get_strz(args, keys[i], text, sizeof(text), NULL) == 0 && strlen(text) >= sizeof(text))
			abort();
		if (mp_get_int(args, keys[i], &v, 0, 1000, NULL) == 0 && (v < 0 || v > 1000))
			abort();
		(void)mp_get_bool(args, keys[i], &flag, NULL); /* any answer is right; none may crash */
		(void)mp_get_str(args, keys[i], &s, &n, NULL); /* likewise */
	}
	(void)mp_to_json(args, 0, &json); /* likewise */
	bytes_done(&json);
}

static void take_request(const unsigned char *body, size_t n)
{
	const msgpack_object *args;
	char verb[32];
	int64_t version = 1;
	struct mp_tree t;
	struct err e;

	if (mp_read(&t, body, n, &e) < 0) {
		if (e.code >= 0 || !e.text[0])
			abort();
		return;
	}
	if (mp_root(&t)->type == MSGPACK_OBJECT_MAP && mp_get_int(mp_root(&t), "v", &version, 1, 1, NULL) == 0 &&
		mp_get_strz(mp_root(&t), "verb", verb, sizeof(verb), NULL) == 0) {
		args = mp_get(mp_root(&t), "args");
		if (args && args->type == MSGPACK_OBJECT_MAP)
			ask_all(args);
	}
	mp_done(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_frame f;
	struct err e;

	while (size > 0) {
		if (control_frame_look(data, size, &f, &e) < 0)
			return 0;
		if (f.need > (size_t)CONTROL_FRAME_MAX + CONTROL_HEAD_BYTES || f.need < CONTROL_HEAD_BYTES)
			abort();
		if (!f.whole)
			return 0;
		if (f.need > size)
			abort();
		take_request(data + CONTROL_HEAD_BYTES, f.body_bytes);
		data += f.need;
		size -= f.need;
	}
	return 0;
}
