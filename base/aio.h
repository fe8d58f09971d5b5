/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_AIO_H
#define BASE_AIO_H
/*
 * nng's aios without a callback: what they were begun for mostly ends before nng returns, and who began them looks.
 *
 *	nng_aio_alloc(&aio, NULL, NULL);
 *	nng_stream_send(stream, aio);
 *	if (!aio_is_over(aio))
 *		the socket is full: look again, in aio_pause_ms(since it was begun)
 */
#include <nng/nng.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

/* Of an aio that was begun to move some bytes: it has, or has failed. Then its result and count stay. */
static inline bool aio_is_over(nng_aio *aio)
{
	if (nng_aio_count(aio) == 0 && nng_aio_result(aio) == 0)
		return false;
	nng_aio_wait(aio); /* for a thread of nng's that is about to be done with it */
	return true;
}

/* Milliseconds until it is looked at again, by those that it has taken. At once in the first, in which nng's TLS makes
 * room for more: later in steps of a quarter, from 1 to 50.
 */
static inline int64_t aio_pause_ms(int64_t since_ms)
{
	return since_ms > 0 ? MIN(MAX(since_ms / 4, (int64_t)1), (int64_t)50) : 0;
}

#endif
