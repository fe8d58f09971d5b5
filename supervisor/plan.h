/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_PLAN_H
#define SUPERVISOR_PLAN_H
/*
 * What one agent's replicas on this node should do next, decided purely and without memory: given what is wanted
 * and what is there, a bounded list of moves. Called whenever either changed; called again, it says the same.
 * Starts wait for depends_on; a changed definition is rolled through the replicas with at most `unavailable` (at
 * least one) of them down at a time, the next only after the last has been ready for min_healthy.
 */
#include "base/clock.h"
#include "supervisor/replica.h"

struct plan_slot {
	int slot;
	enum replica_state state;
	bool exists; /* a replica object is there */
	bool wanted; /* struct replica's: it was told to run */
	bool held;   /* the operator stopped this replica alone: it rests until started */
	bool ready;
	bool current; /* runs (or would run) the newest definition; false too when it is to be restarted in turn */
	int64_t ready_since_ms; /* CLOCK_MONOTONIC; 0: not ready */
	/* plan_assigned's: */
	bool assigned;	  /* it is this node's */
	bool rests;	  /* … to stop, and to be seen */
	bool other_epoch; /* what runs is of an earlier assignment */
};

struct plan_view {
	int64_t desired; /* slots 0 … desired-1 are wanted */
	bool stopped;	 /* the operator stopped the agent */
	bool removed;	 /* it is going away: stop all, then forget */
	bool deps_ready; /* everything in depends_on is ready */
	bool paused;	 /* a rollout under way is paused */
	const struct agent_spec *spec;
	const struct plan_slot *slots; /* slots[i].slot is i; those without a replica have exists false */
	size_t n_slots;
};

enum plan_move_type {
	PLAN_CREATE, /* make a replica object, not yet running */
	PLAN_RUN,    /* tell it to run, with the newest definition; may follow CREATE in the same list */
	PLAN_STOP,
	PLAN_REPLACE, /* tell it the newest definition, then RESTART */
	PLAN_FORGET,  /* nothing of it runs: drop the object */
	PLAN_MOVE_MAX
};

struct plan_move {
	enum plan_move_type type;
	int slot;
	const char *why; /* a static string */
};

struct plan_moves {
	size_t n, cap; /* cap given by the caller; more than fit are said by `more`, and come at the next call */
	bool more;
	int64_t again_ms; /* CLOCK_MONOTONIC: call again then even if nothing changed; DEADLINE_NEVER */
	struct plan_move *v;
};

void plan_agent(const struct plan_view *view, struct now now, struct plan_moves *ret);
/* The same, of an agent whose slots the cluster assigns; `desired`, stopped and paused are not asked. */
void plan_assigned(const struct plan_view *view, struct now now, struct plan_moves *ret);

#endif
