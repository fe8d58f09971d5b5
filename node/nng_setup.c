/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nng starts about 14 threads with its first call. What they cost is kept small: stacks of their own size instead of
 * the 8 MiB that transparent huge pages may fill, and few arenas of malloc for all instead of one a thread.
 */
#include "node/nng_setup.h"

#include <errno.h>
#include <malloc.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <pthread.h>
#include <string.h>

#ifdef COVEY_SANITIZED
#define STACK_BYTES ((size_t)8192 * 1024) /* a sanitizer keeps its own state there */
#else
#define STACK_BYTES ((size_t)256 * 1024)
#endif
#define ARENAS 2

/* Runs the first call of nng with small stacks as the default, and sets the default back. */
static int start_threads(void)
{
	nng_socket s;
	int rv = nng_rep0_open_raw(&s);

	if (rv != 0)
		return rv == NNG_ENOMEM ? -ENOMEM : -EAGAIN;
	(void)nng_close(s); /* just opened */
	return 0;
}

int nng_setup(struct err *e)
{
	pthread_attr_t was, small;
	int rc;

	(void)mallopt(M_ARENA_MAX, ARENAS); /* if refused, it costs memory alone */
	if (pthread_getattr_default_np(&was) != 0 || pthread_attr_init(&small) != 0)
		return err_set(e, -ENOMEM, "out of memory while starting nng");
	(void)pthread_attr_setstacksize(&small, STACK_BYTES); /* a valid size; else the default stays */
	(void)pthread_setattr_default_np(&small);	      /* likewise */
	rc = start_threads();
	(void)pthread_setattr_default_np(&was); /* it was the default before */
	(void)pthread_attr_destroy(&small);
	(void)pthread_attr_destroy(&was);
	return rc < 0 ? err_set(e, rc, "starting nng's threads: %s", strerror(-rc)) : 0;
}

void nng_teardown(void)
{
	nng_fini();
}
