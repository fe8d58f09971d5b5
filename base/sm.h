/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SM_H
#define BASE_SM_H
/*
 * Checked state machines: a table of states with the moves each allows, and one function through which every
 * move goes. A move that the table does not allow is a bug and aborts (dqlite's sm.c).
 */
#include "base/util.h"

struct sm_state {
	const char *name;
	uint32_t to; /* bit mask of the states it may move to: SM_TO(X) | SM_TO(Y) */
};

#define SM_TO(state) (1u << (state))

/* Moves *at to `to`, which the table must allow. */
void sm_move(const struct sm_state *table, int n, int *at, int to);
bool sm_may_move(const struct sm_state *table, int n, int at, int to);

#endif
