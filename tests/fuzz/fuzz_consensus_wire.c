/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a register message. What is taken is in form, can be said again, and is then the same: the same bytes
 * come of it, however it was written at first.
 */
#include <errno.h>
#include <string.h>

#include "consensus/wire.h"

#define NO_BALLOT 21 /* bytes of the zero one */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What an older peer does not say: a set, and which value it has. */
static size_t left_out(const struct msg *m)
{
	return (m->set == 0) + (m->type == MSG_PREPARE && ballot_is_zero(&m->accepted) ? NO_BALLOT : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct uuid from = {.v = {0xa0, [15] = 1}};
	static uint8_t out[WIRE_MSG_MAX], twice[WIRE_MSG_MAX];
	struct arena lists = {.max_bytes = WIRE_LISTS_MAX}, more = {.max_bytes = WIRE_LISTS_MAX};
	struct msg m, again;
	size_t n, k;
	struct err e = {0};
	int rc = wire_msg_decode(data, size, &from, &lists, &m, &e);

	if (rc < 0) {
		if ((rc != -EBADMSG && rc != -ENOTSUP) || e.code != rc || !e.text[0])
			abort();
		arena_done(&lists);
		return 0;
	}
	if (msg_fault(&m) || !ballot_same_node(&m.from, &from))
		abort();
	/* msgpack's shortest form is never longer than what came. */
	if (wire_msg_encode(&m, out, sizeof(out), &n) < 0 || n > size + left_out(&m) || wire_msg_size(&m) != n)
		abort();
	if (wire_msg_decode(out, n, &from, &more, &again, &e) < 0 || again.type != m.type)
		abort();
	if (wire_msg_encode(&again, twice, sizeof(twice), &k) < 0 || k != n || memcmp(out, twice, n) != 0)
		abort();
	arena_done(&lists);
	arena_done(&more);
	return 0;
}
