/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULER_DECIDE_IMPL_H
#define SCHEDULER_DECIDE_IMPL_H
/*
 * What the files of decide share: the decision in the making, and the few ways in which a slot may be changed, each of
 * which keeps the count of rooms and writes its step into the decision.
 */
#include "scheduler/decide.h"

struct decider {
	const struct decide_in *in;
	struct now now;
	struct sched_value *v; /* the next one */
	struct place_map map;
	struct decide_reports *reports; /* by number */
	size_t n_reports;
	struct sched_decision d;
	bool changed;
	bool rolled; /* the rollout came on */
	bool era;    /* it is the first decision of one: of whom nobody knows anything, nothing is waited for */
	int64_t again_ms;
	int64_t wanted; /* numbers below it are; 0: stopped ones keep their place, others go */
	int64_t surge, unavailable;
	int64_t spare; /* how many of those that serve may be taken down */
};

enum decide_fate { DECIDE_WELL, DECIDE_UNSURE, DECIDE_LOST, DECIDE_FATE_MAX };

/* decide_slot.c */
void decide_again_at(struct decider *d, int64_t mono_ms);
/* Whether the value has the definition of that version; of others only nodes that run it do. */
bool decide_is_known(const struct decider *d, uint32_t version);
/* Of one that is not known, what is to run now. */
const struct sched_spec *decide_spec_of(const struct decider *d, uint32_t version);
enum decide_fate decide_fate_of(struct decider *d, struct sched_node node, bool leased, enum sched_why *ret_why);
/* Ready for min_healthy, at its old place or its new one. */
bool decide_serves(struct decider *d, const struct sched_slot *s);
bool decide_serves_new(struct decider *d, const struct sched_slot *s);
/* It is known not to serve: to change it costs nobody anything. */
bool decide_is_idle(struct decider *d, const struct sched_slot *s);
bool decide_has_stopped(const struct decider *d, const struct sched_slot *s);
bool decide_never_begins(const struct decider *d, const struct sched_slot *s);
/* Who may still run it, of those that held it; false: nobody. */
bool decide_held_by(const struct decider *d, uint32_t number, struct sched_node *ret);
void decide_prune(struct decider *d); /* forgets those of them who have stopped */
struct place_room *decide_room_for(const struct decider *d, const struct sched_slot *s, struct sched_node last);
/* The slot is node's, with a new epoch. join: who has it now goes on until node is ready. false: too many holders. */
bool decide_assign(struct decider *d, struct sched_slot *s, struct sched_node node, bool join, enum sched_why why);
void decide_release(struct decider *d, struct sched_slot *s, enum sched_why why); /* its `from` */
void decide_go_on(struct decider *d, struct sched_slot *s, enum sched_why why);	  /* `from` has it, as it did */
void decide_stop(struct decider *d, struct sched_slot *s, enum sched_why why);
void decide_pend(struct decider *d, struct sched_slot *s, enum sched_why why); /* nobody's from here on */
void decide_drop(struct decider *d, struct sched_slot *s, enum sched_why why); /* s is gone after it */
/* The slot is to run another version; what comes of it is told apart. */
void decide_set_version(struct decider *d, struct sched_slot *s, uint32_t version);
/* It does so where it is. */
void decide_update(struct decider *d, struct sched_slot *s, uint32_t version);
void decide_step_add(struct decider *d, enum sched_step_type type, enum sched_why why, const struct sched_slot *s,
	struct sched_node from);
/* The budget: true, and it is used up by one, when taking down this slot is allowed. */
bool decide_may_take(struct decider *d, const struct sched_slot *s);
void decide_count_spare(struct decider *d);

/* decide_settle.c: owners, surplus, missing ones */
void decide_settle(struct decider *d);
/* decide_drain.c */
void decide_drain(struct decider *d);
void decide_even(struct decider *d);
int64_t decide_joining(const struct decider *d); /* slots that run twice, extras too */
/* decide_rollout.c */
void decide_timeout(struct decider *d);
void decide_roll(struct decider *d);
void decide_go_back(struct decider *d);
bool decide_is_rolling(const struct decider *d);

#endif
