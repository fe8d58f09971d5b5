/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_PLAN_IMPL_H
#define SUPERVISOR_PLAN_IMPL_H
/*
 * What the two planners share.
 */
#include "supervisor/plan.h"

struct planner {
	const struct plan_view *view;
	struct plan_moves *ret;
	int64_t now_ms;
};

void plan_push(struct planner *p, enum plan_move_type type, int64_t slot, const char *why);
void plan_retire(struct planner *p, const struct plan_slot *s, const char *why); /* stopped, then forgotten */
void plan_halt(struct planner *p, const struct plan_slot *s, const char *why);	 /* stopped, and kept to be seen */
void plan_want(struct planner *p, const struct plan_slot *s);

#endif
