/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_NNG_SETUP_H
#define NODE_NNG_SETUP_H
/*
 * What must be arranged before nng starts its threads, which it does with its first call, and after the last one.
 */
#include "base/err.h"

/* Once, before any nng call, with all signals that the loop handles blocked already: nng's threads inherit the mask. */
int nng_setup(struct err *e);
/* After everything of nng is closed; frees what it keeps and ends its threads. */
void nng_teardown(void);

#endif
