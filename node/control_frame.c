/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes on the control socket. Nothing is believed of a length but that it is within the bound; memory is spent on
 * what came, by who reads.
 */
#include "node/control_frame.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/limits.h"

#define FRAME_MESSAGE 1
#define ID_LAST	      0x80000000u /* ends a chain of ids; devices would make longer ones, and we serve none */

/* Protocol numbers of nng: req 0x30, rep 0x31. */
const unsigned char control_hello_req[CONTROL_HELLO_BYTES] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
const unsigned char control_hello_rep[CONTROL_HELLO_BYTES] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};

static uint64_t get_be(const unsigned char *from, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | from[i];
	return v;
}

static void put_be(unsigned char *to, uint64_t v, size_t bytes)
{
	for (size_t i = bytes; i-- > 0; v >>= 8)
		to[i] = (unsigned char)v;
}

int control_frame_look(const void *v, size_t n, struct control_frame *ret, struct err *e)
{
	const unsigned char *p = v;
	uint64_t length;

	*ret = (struct control_frame){.need = CONTROL_HEAD_BYTES};
	if (n > 0 && p[0] != FRAME_MESSAGE)
		return err_set(e, -EPROTO, "no message: type %u", p[0]);
	if (n < CONTROL_HEAD_BYTES)
		return 0;
	length = get_be(p + 1, 8);
	if (length < CONTROL_ID_BYTES)
		return err_set(e, -EPROTO, "a message without a request id");
	if (length > CONTROL_FRAME_MAX)
		return err_set(
			e, -EPROTO, "a message of %" PRIu64 " bytes, past the bound of %d", length, CONTROL_FRAME_MAX);
	ret->id = (uint32_t)get_be(p + CONTROL_HEAD_BYTES - CONTROL_ID_BYTES, CONTROL_ID_BYTES);
	if (!(ret->id & ID_LAST))
		return err_set(e, -EPROTO, "a message with a chain of request ids");
	ret->body_bytes = (size_t)length - CONTROL_ID_BYTES;
	ret->need = CONTROL_HEAD_BYTES + ret->body_bytes;
	ret->whole = n >= ret->need;
	return 0;
}

void control_frame_head(unsigned char out[CONTROL_HEAD_BYTES], uint32_t id, size_t body_bytes)
{
	out[0] = FRAME_MESSAGE;
	put_be(out + 1, body_bytes + CONTROL_ID_BYTES, 8);
	put_be(out + CONTROL_HEAD_BYTES - CONTROL_ID_BYTES, id | ID_LAST, CONTROL_ID_BYTES);
}

int control_frame_hello(const void *v, size_t n, const unsigned char want[CONTROL_HELLO_BYTES])
{
	return memcmp(v, want, MIN(n, (size_t)CONTROL_HELLO_BYTES)) == 0 ? 0 : -EPROTO;
}
