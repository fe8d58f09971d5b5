/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_WHOLE_HOLD_H
#define TESTS_SIM_WHOLE_HOLD_H
/*
 * Leases at work (node/holding.h) between the council and the runners, as long as no file of node/ joins them.
 */
#include <stddef.h>

struct whole;

void whole_hold_begin(struct whole *w); /* after council_load */
void whole_hold_turn(struct whole *w);	/* after council_turn */
void whole_hold_end(struct whole *w);
char *whole_hold_dump(const struct whole *w, char *out, size_t n);

#endif
