/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_ROSTER_H
#define NODE_ROSTER_H
/*
 * The agents that this node knows, and their replicas here. The roster says what is wanted; supervisor/plan.c says
 * what follows from it; runners do it.
 */
#include "base/list.h"
#include "base/map.h"
#include "node/decided.h"
#include "node/recall.h"
#include "node/register_view.h"
#include "node/runner.h"
#include "supervisor/plan.h"
#include "supervisor/spec.h"

struct node;

struct agent {
	struct map_node by_name; /* in roster.agents */
	struct list dirty;	 /* in roster.dirty, when something changed since the last plan */
	struct list order;	 /* in roster.order, sorted by name */
	struct node *node;
	char name[NAME_MAX_LEN + 1];
	enum spec_scope scope;
	char *file;		   /* scope node: where it is defined; owned */
	struct agent_spec *spec;   /* a reference */
	struct agent_spec *before; /* the definition that was replaced last (undo); a reference, or NULL */
	int64_t version;
	int64_t desired; /* on all nodes together */
	bool stopped, paused, removed;
	int64_t changed_wall_ms;
	struct decided *decided; /* owned: what of it the cluster has given this node; NULL: this node alone decides */
	struct register_seen seen; /* for those decisions */
	enum recall_source recall; /* where the newest decision is known from */
	bool kept;		   /* a row of it is on disk: it is found again after a restart */
	bool importing;		   /* council_import.c has asked for it */
	bool hold_due;		   /* council_hold.c has not heard of the newest decision */
	struct runner **slots;	   /* owned; may have NULLs */
	size_t n_slots;
	bool deps_were_ready;
	uint64_t told_hash;	     /* of what other nodes were told last; 0: nothing */
	bool told_replica, tell_due; /* cluster_share.c: with its replicas it is told itself, else a little later */
	int64_t ready_slots;	     /* as of the last plan: a change wakes the agents that depend on this one */
	ev_timer again;		     /* the plan asked to be called again */
};

struct roster {
	struct map agents;
	struct list order;
	struct list dirty;
	bool depends;	      /* some agent depends on another, or did */
	struct map runners;   /* by file stem, also those of agents that are gone */
	struct list starting; /* runners that wait for their turn to start */
	int n_starting;	      /* shims under way to STARTED */
	bool in_start;	      /* roster_start_next is under way */
	uint8_t uids[(SPAWN_DYNAMIC_MAX - SPAWN_DYNAMIC_MIN) / 8 + 1]; /* dynamic uids in use */
};

int roster_init(struct node *n, struct err *e);
void roster_done(struct node *n);

/* "web", or "n1/web" on n1. */
struct agent *roster_find(struct node *n, const char *name);
/* A name of ours without our own node's: "web" of "n1/web"; others as they are. */
const char *roster_bare(const struct node *n, const char *name);
/* Makes an agent that nothing is known of but its name. -EEXIST, -ENOSPC, -ENOMEM. */
int roster_add(struct node *n, const char *name, enum spec_scope scope, struct agent **ret, struct err *e);
/* Takes another reference of spec as the newest definition. */
void roster_set_spec(struct agent *a, struct agent_spec *spec);
/* What a replica of its is to run, and of which version that is. */
struct agent_spec *roster_spec(const struct runner *r);
int64_t roster_version(const struct runner *r);
/* Drops an agent of which nothing is here. */
void roster_drop(struct agent *a);
/* Readiness elsewhere has changed: those that depend on it are planned. */
void roster_wake_dependents(struct node *n, const char *name);
/* Why this node, and so no node, is one for the agent's replicas: a sentence in out; NULL: it is. */
const char *roster_barred(const struct agent *a, char *out, size_t n);
/* Something about the agent changed: it is planned again before the loop waits. */
void roster_mark(struct agent *a);
/* Plans every marked agent, until none is. */
void roster_settle(struct node *n);
/* Replicas that are there and wanted, running, ready, of the newest definition. */
struct roster_count {
	int64_t desired, exist, running, ready, healthy, current, alive, failed;
};
void roster_count(const struct agent *a, struct roster_count *ret);
/* The replica of a slot, made when it is not there (under the file stem `found`, unless NULL); NULL when out of
 * memory or past the bound. */
struct runner *roster_slot(struct agent *a, int slot, const char *found);
/* The runner of "web.0", "n1/web.0"; NULL. */
struct runner *roster_runner(struct node *n, const char *id);
/* Runners that wait for their turn are started, while STARTING_MAX allows; after a start of the daemon not before the
 * shims that were found have told which ids and ports they hold. */
void roster_start_next(struct node *n);

#endif
