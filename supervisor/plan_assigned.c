/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same for an agent of a cluster, where others have decided which slots are this node's, what each is to run, and
 * when: nothing is weighed here. What is there of another assignment stops first.
 */
#include "supervisor/plan_impl.h"

static void assigned(struct planner *p, const struct plan_slot *s)
{
	if (s->exists && s->other_epoch) {
		if (s->wanted)
			plan_push(p, PLAN_STOP, s->slot, "the slot was assigned anew");
	} else if (s->rests || s->held) {
		plan_halt(p, s,
			s->held		   ? "stopped by an operator"
			: p->view->stopped ? "the agent is stopped"
					   : "it goes to another node");
	} else {
		plan_want(p, s);
		if (s->exists && s->wanted && !s->current)
			plan_push(p, PLAN_REPLACE, s->slot, "its definition has changed");
	}
}

void plan_assigned(const struct plan_view *view, struct now now, struct plan_moves *ret)
{
	struct planner p = {.view = view, .ret = ret, .now_ms = now.mono_ms};

	ret->n = 0;
	ret->more = false;
	ret->again_ms = DEADLINE_NEVER;
	for (size_t i = 0; i < view->n_slots && !ret->more; i++) {
		const struct plan_slot *s = &view->slots[i];

		if (s->assigned)
			assigned(&p, s);
		else
			plan_retire(&p, s, view->removed ? "removed" : "it is another node's, or nobody's");
	}
}
