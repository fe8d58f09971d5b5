/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signed hello as the transport wants it.
 */
#include "gossip/transport_hello.h"

#include <sys/random.h>
#include <time.h>

#include "base/mem.h"

_Static_assert(HELLO_FRAME_MAX <= TRANSPORT_FRAME_MAX, "a hello goes through");

static int64_t wall_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail on Linux */
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void *begin(void *arg, bool dialled, uint64_t token)
{
	uint8_t nonce[HELLO_NONCE_BYTES];
	struct hello *h;

	(void)token; /* whom the dial meant is the core's to compare */
	if (getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
		return NULL;
	h = mem_zalloc(1, sizeof(*h));
	if (h)
		hello_init(h, arg, dialled, nonce);
	return h;
}

static enum transport_verdict feed(void *hello, const void *frame, size_t n, struct bytes *reply, struct err *why)
{
	struct hello *h = hello;
	enum hello_state state = h->state;
	uint8_t out[HELLO_FRAME_MAX];
	size_t out_n = 0;

	if (frame)
		state = hello_step(h, frame, n, wall_ms(), out, &out_n, why);
	else if (h->dialled)
		out_n = hello_begin(h, out);
	(void)bytes_add(reply, out, out_n); /* `failed` tells */
	return state == HELLO_DONE				      ? TRANSPORT_DONE
	       : state == HELLO_REFUSED || state == HELLO_TURNED_AWAY ? TRANSPORT_NO
								      : TRANSPORT_MORE;
}

static void end(void *hello)
{
	hello_done(hello);
	free(hello);
}

const struct transport_hello transport_hello_signed = {begin, feed, end};
