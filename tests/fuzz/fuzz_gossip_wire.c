/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a frame of a link that is up. What is taken is in form, can be said again, and is then the same: the
 * same bytes come of it, however it was written at first.
 */
#include <errno.h>
#include <string.h>

#include "gossip/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gossip_msg m, again; /* too large for a stack */
	uint8_t out[GOSSIP_FRAME_MAX * 4], twice[GOSSIP_FRAME_MAX * 4];
	size_t n, k;
	struct err e = {0};
	int rc = wire_decode(data, size, &m, &e);

	if (rc < 0) {
		if ((rc != -EBADMSG && rc != -ENOTSUP) || e.code != rc || !e.text[0])
			abort();
		return 0;
	}
	if (gossip_msg_fault(&m))
		abort();
	/* msgpack's shortest form is never longer than what came. */
	if (wire_encode(&m, out, sizeof(out), &n) < 0 || n > size)
		abort();
	if (wire_decode(out, n, &again, &e) < 0 || again.type != m.type)
		abort();
	if (wire_encode(&again, twice, sizeof(twice), &k) < 0 || k != n || memcmp(out, twice, n) != 0)
		abort();
	return 0;
}
