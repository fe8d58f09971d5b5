/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULER_DECIDE_H
#define SCHEDULER_DECIDE_H
/*
 * The change function of an agent's register: given its value, what is known of the cluster, and what has happened, the
 * next value, or none. A command is obeyed or refused; then everything is put as it should be, as far as may be done in
 * one go: slots of lost nodes, slots that finish moving or stopping, those too many or missing, draining nodes, the
 * change to another definition, and load. Called again with what it decided, it says nothing new until something else
 * is known.
 *
 *	decide_remember(&memory, &value, now);		with each value that was chosen
 *	decide_value(&in, now, &out);
 *	if (out.changed)
 *		propose(out.value);			and again on each retry, with the value found there
 *	wake_at(out.again_ms);
 *
 * Without a lease the slots of a silent dead host move at once, those of a host that is up after failover_grace. With
 * one they get another owner and epoch at once: what enforces the wait are the voters and the shim (consensus/). A slot
 * with a lease that is to move stops first: its owner releases it, and only then is it given away.
 *
 * Never more than `unavailable` replicas are down by what is decided here, counted over all that serve. With both
 * bounds 0, and with leases, where surge counts as 0, it is one.
 */
#include "base/err.h"
#include "scheduler/place.h"

/* What a node has seen when. Zeroed at first. */
struct decide_seen_at {
	uint64_t decision;
	int64_t mono_ms;
};
struct decide_memory {
	struct decide_seen_at progress, cooldowns[SCHED_COOLDOWN_MAX];
};

struct decide_event {
	enum sched_event_type type;
	struct sched_node subject;     /* of events of nodes */
	const char *op;		       /* of commands: a retry is recognised by it; NULL: none */
	uint32_t if_version;	       /* apply: refuse when it is another; 0: do not ask */
	const struct sched_spec *spec; /* apply: borrowed as long as the value */
	bool adopt;		       /* apply: of a new name; its replicas run already, on the node that decides */
	bool same;		       /* apply: it is the definition that is there, to the letter */
	bool same_run;		       /* apply: what runs need not be restarted for it */
	int64_t desired;	       /* apply (-1: as it is), scale */
};

struct decide_reports {
	const struct sched_report *node, *from;
};

struct decide_in {
	const char *agent;
	const struct sched_value *was;
	const struct sched_view *view;
	const struct decide_event *event;
	const struct decide_memory *memory; /* never NULL */
	struct sched_node self;
	uint64_t ballot; /* for the record; 0: not known */
};

struct decide_out {
	/* The caller's: a value of sched_init, rooms for all hosts, reports for all numbers of slots. */
	struct sched_value *value;
	struct place_room *rooms;
	size_t cap_rooms;
	struct decide_reports *reports;
	size_t cap_reports;
	/* The answer. */
	bool changed;	    /* value is the next one; else it says nothing */
	bool repeat;	    /* that operation was done already */
	struct err refused; /* a command that makes no sense, in one sentence; code 0: none */
	int64_t again_ms;   /* CLOCK_MONOTONIC: ask again then though nothing happens; DEADLINE_NEVER */
};

void decide_remember(struct decide_memory *m, const struct sched_value *v, struct now now);
/* How many slots there are to be: every-node has none, a singleton at most one. */
int64_t decide_wanted(const struct sched_value *v);
void decide_value(const struct decide_in *in, struct now now, struct decide_out *out);
/*
 * Why the slot does not run, as it is known now: no node for it, or who may still run it. "" when nothing is in its
 * way. Uses the rooms and value of out. Returns text.
 */
char *decide_pending(const struct decide_in *in, uint32_t number, struct decide_out *out, char *text, size_t n);

#endif
