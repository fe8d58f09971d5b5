/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULER_SCHED_H
#define SCHEDULER_SCHED_H
/*
 * What the scheduler's files speak of: what one agent's register holds beside the definition's bytes (struct
 * sched_value), and what is known of the cluster when something is decided (struct sched_view). Both are filled by
 * node/: the value from the register's bytes, the view from gossip. Plain structs; their arrays are the caller's.
 *
 * A slot has one owner. A slot that runs without a lease may have an earlier one beside it (`from`) while it moves; one
 * with a lease never. What an earlier owner of a slot without a lease was not seen to stop is remembered in `held`,
 * over the removal of the agent too: where the name is used with leases, the slot waits for it.
 *
 * Times are no part of a value but wall_ms, which is for people: what lasts is counted by each node from when it first
 * saw the decision (struct decide_memory).
 */
#include "base/clock.h"
#include "base/limits.h"
#include "base/util.h"

#define SCHED_SLOTS_MAX	    REPLICAS_MAX /* those of a surge too */
#define SCHED_HELD_MAX	    512
#define SCHED_DECISIONS_MAX 8
#define SCHED_STEPS_MAX	    8 /* kept of one decision; more are counted */
#define SCHED_OPS_MAX	    32
#define SCHED_EXPRS_MAX	    64
#define SCHED_TEXT_MAX	    256
#define SCHED_ANY_SLOT	    UINT32_MAX		/* of struct sched_held: some slot, it is not known any more which */
#define SCHED_VERSION_MAX   (UINT32_C(1) << 31) /* nobody counts that far */
#define SCHED_COUNT_MAX	    (UINT64_C(1) << 62)
#define SCHED_RESERVE_MAX   (INT64_C(1) << 49) /* of one replica: those of all slots can be summed up */

/* A UUID's two halves; zeroes: nobody. */
struct sched_node {
	uint64_t hi, lo;
};

enum sched_kind { SCHED_REPLICATED, SCHED_SINGLETON, SCHED_EVERY_NODE, SCHED_KIND_MAX };

struct sched_label {
	const char *key, *value;
};

/* "zone == a", read. A label that a node does not have is unlike every value. */
struct sched_expr {
	const char *label, *value;
	bool equal;
};

struct sched_share {
	bool is_percent;
	int64_t n;
};

/* What a replica may count on having. */
struct sched_reserve {
	int64_t cpu_milli, memory_bytes;
};

/* What of a definition counts here. Borrowed, and never changed. */
struct sched_spec {
	enum sched_kind kind;
	bool leased; /* isolation: stop */
	const struct sched_expr *require, *prefer;
	size_t n_require, n_prefer; /* at most SCHED_EXPRS_MAX each */
	const char *spread;	    /* a label; NULL: none */
	struct sched_reserve reserve;
	int64_t failover_grace_ms;
	struct sched_share surge, unavailable;
	int64_t min_healthy_ms, timeout_ms;
	bool rollback;
};

enum sched_slot_state {
	SCHED_PENDING, /* nobody's */
	SCHED_RUN,
	SCHED_STOP, /* its owner is to stop it, and is still its owner: a lease is released, not taken away */
	SCHED_SLOT_STATE_MAX
};

/* Why a slot was given, taken, changed. */
enum sched_why {
	SCHED_WHY_NONE,
	SCHED_WHY_WANTED,  /* there were fewer than desired */
	SCHED_WHY_SILENT,  /* its node is dead, and its host silent */
	SCHED_WHY_HOST_UP, /* its node is dead for failover_grace, its host is up */
	SCHED_WHY_DEAD,	   /* its node is dead; its lease ends by itself, whatever its host does */
	SCHED_WHY_LEFT,
	SCHED_WHY_FORGOTTEN,
	SCHED_WHY_DRAIN,
	SCHED_WHY_STOPPED, /* the agent was */
	SCHED_WHY_SURPLUS, /* more than desired */
	SCHED_WHY_REMOVED,
	SCHED_WHY_VERSION, /* another definition */
	SCHED_WHY_UNFIT,   /* its node is none for that definition */
	SCHED_WHY_LEASE,   /* it is to run under a lease and did not, or the other way round */
	SCHED_WHY_READY,   /* where it moved to it is ready */
	SCHED_WHY_EVEN,	   /* load is evened out */
	SCHED_WHY_ERA,	   /* those who were given up may have given it to another: a new epoch */
	SCHED_WHY_UNKNOWN, /* lost voters were given up, and of its node nobody knows anything */
	SCHED_WHY_MAX
};

struct sched_slot {
	uint32_t number;
	uint32_t version; /* of the definition that it is to run */
	enum sched_slot_state state;
	enum sched_why why; /* of its state */
	bool leased;	    /* its owner runs it under a lease alone */
	bool extra;	    /* of a surge: goes when the change is done */
	struct sched_node node;
	uint64_t epoch;		/* of node; each assignment has its own, rising */
	struct sched_node from; /* runs it until node is ready */
	uint64_t from_epoch;
	struct sched_node last;	      /* who had it before, as long as it is nobody's */
	uint64_t decision;	      /* that assigned it, or told it to stop */
	struct sched_reserve reserve; /* of its version: of older ones nobody has the definition */
};

/* An earlier owner that was not seen to have stopped. */
struct sched_held {
	uint32_t number;
	struct sched_node node;
	uint64_t epoch;	   /* that one and lower ones */
	uint64_t decision; /* since which it is to stop */
};

enum sched_rollout_state {
	SCHED_ROLLOUT_IDLE,
	SCHED_ROLLOUT_RUNNING,
	SCHED_ROLLOUT_PAUSED,
	SCHED_ROLLOUT_FAILED,	   /* it got nowhere for `timeout`, and is not to be taken back by itself */
	SCHED_ROLLOUT_ROLLED_BACK, /* taken back, or being taken back */
	SCHED_ROLLOUT_STATE_MAX
};

struct sched_rollout {
	enum sched_rollout_state state;
	uint32_t from, to; /* versions */
	uint64_t progress; /* the decision that last brought it on */
};

/* Nothing of that kind again until length_ms after the decision was seen. */
struct sched_cooldown {
	uint64_t decision; /* 0: none */
	int64_t length_ms;
};
enum sched_cooldown_kind { SCHED_COOLDOWN_EVEN, SCHED_COOLDOWN_UP, SCHED_COOLDOWN_DOWN, SCHED_COOLDOWN_MAX };

enum sched_event_type {
	SCHED_EVENT_TICK,
	SCHED_EVENT_APPLY,
	SCHED_EVENT_SCALE,
	SCHED_EVENT_START,
	SCHED_EVENT_STOP,
	SCHED_EVENT_REMOVE,
	SCHED_EVENT_PAUSE,
	SCHED_EVENT_RESUME,
	SCHED_EVENT_UNDO,
	SCHED_EVENT_RESTART,
	SCHED_EVENT_DRAIN,
	SCHED_EVENT_UNDRAIN,
	SCHED_EVENT_NODE_DEAD,
	SCHED_EVENT_NODE_BACK,
	SCHED_EVENT_NODE_GONE, /* left, or forgotten */
	SCHED_EVENT_RECOVER,   /* a lost majority of the voters was given up */
	SCHED_EVENT_MAX
};

enum sched_step_type {
	SCHED_STEP_PLACE,   /* nobody's → node */
	SCHED_STEP_MOVE,    /* from → node; from has stopped, or is not waited for */
	SCHED_STEP_JOIN,    /* from → node; from goes on until node is ready */
	SCHED_STEP_RELEASE, /* from is not needed any more */
	SCHED_STEP_STOP,
	SCHED_STEP_UPDATE, /* node runs another version, in place */
	SCHED_STEP_DROP,   /* the slot is gone */
	SCHED_STEP_PEND,   /* it has no node */
	SCHED_STEP_MAX
};

struct sched_step {
	enum sched_step_type type;
	enum sched_why why;
	uint32_t number, version;
	bool leased;
	struct sched_node node, from;
	uint64_t epoch;
};

/* What was known, chosen, why, by whom. */
struct sched_decision {
	uint64_t number; /* rises by one */
	struct sched_node by;
	uint64_t ballot; /* its counter; 0: not told */
	int64_t wall_ms;
	enum sched_event_type event;
	struct sched_node subject; /* the node that the event is about */
	uint32_t alive, suspect, dead, gone;
	uint32_t version_was, version;
	int64_t desired_was, desired;
	enum sched_rollout_state rollout_was, rollout;
	uint32_t n_steps; /* all of them; the first SCHED_STEPS_MAX are kept */
	struct sched_step steps[SCHED_STEPS_MAX];
	char text[SCHED_TEXT_MAX]; /* why a slot is pending, or what else must be said; may be empty */
};

struct sched_def {
	uint32_t version; /* 0: none */
	const struct sched_spec *spec;
};

struct sched_value {
	uint64_t number;	 /* of the newest decision; 0: there was none */
	struct sched_def now;	 /* what is to run */
	struct sched_def before; /* the last that ran everywhere: what a rollback goes back to */
	uint32_t next_version;	 /* ≥ 1 */
	uint32_t fresh;		 /* runs of lower versions are started anew, whatever the definition asks; 0: none */
	uint64_t next_epoch;	 /* ≥ 1; never falls */
	int64_t desired;
	bool stopped;
	bool removed; /* a tombstone: next_epoch, next_version, ops, held stay */
	struct sched_rollout rollout;
	struct sched_cooldown cooldowns[SCHED_COOLDOWN_MAX];
	size_t n_slots, cap_slots;
	struct sched_slot *slots; /* by rising number */
	size_t n_held, cap_held;
	struct sched_held *held;
	size_t n_decisions;
	struct sched_decision decisions[SCHED_DECISIONS_MAX]; /* the newest last */
	size_t n_ops;
	char ops[SCHED_OPS_MAX][OP_ID_MAX + 1]; /* the newest last */
};

enum sched_host_state {
	SCHED_ALIVE,
	SCHED_SUSPECT,
	SCHED_DEAD,
	SCHED_LEFT, /* of its own accord, having stopped what it ran */
	SCHED_FORGOTTEN,
	SCHED_HOST_STATE_MAX
};

struct sched_host {
	struct sched_node id;
	const char *name;
	enum sched_host_state state;
	bool host_up;	      /* dead: something on the host answered */
	int64_t state_for_ms; /* by CLOCK_MONOTONIC of who decides */
	bool schedulable, draining;
	const struct sched_label *labels;
	size_t n_labels;
	int64_t cpu_milli, memory_bytes;		   /* its capacity */
	int64_t reserved_cpu_milli, reserved_memory_bytes; /* by all agents but this one */
	int64_t used_cpu_milli, used_memory_bytes;	   /* measured, all together */
	/* The newest decision of this agent that it acts on, by its word; never ahead of what it says of replicas. */
	uint64_t knows;
};

/* What a node says of a replica of this agent. One that has nothing to run says nothing. */
struct sched_report {
	struct sched_node node;
	uint32_t number;
	uint32_t version; /* the newest that asks for no other run than this one */
	uint64_t epoch;
	bool up; /* some process of it may be there */
	bool ready;
	int64_t ready_for_ms;
};

/* In any order, no node and no (node, number, epoch) twice. A node that is not in it is not known: nothing is decided
 * of what it has. */
struct sched_view {
	const struct sched_host *hosts;
	size_t n_hosts;
	const struct sched_report *reports;
	size_t n_reports;
	uint64_t floor; /* epochs of this era are above it: lower ones may have been given out twice; 0: none */
};

static inline bool sched_is_node(struct sched_node a)
{
	return a.hi != 0 || a.lo != 0;
}

static inline bool sched_same_node(struct sched_node a, struct sched_node b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

/* Less, equal, greater than 0. */
int sched_compare_node(struct sched_node a, struct sched_node b);

/* An agent that never was. Arrays are the caller's, and stay. */
void sched_init(
	struct sched_value *v, struct sched_slot *slots, size_t cap_slots, struct sched_held *held, size_t cap_held);
/* false: it does not fit into ret's arrays; ret is then as it was. */
bool sched_copy(struct sched_value *ret, const struct sched_value *v) MUST_CHECK;
/* NULL, or what is wrong with it, in words; of definitions their versions alone. What comes from others is asked. */
const char *sched_fault(const struct sched_value *v);
void sched_check(const struct sched_value *v); /* aborts when an invariant is broken, or a version has no spec */

struct sched_slot *sched_slot_of(const struct sched_value *v, uint32_t number); /* NULL: none */
/* A new pending slot in its place; NULL: it is there, or full. */
struct sched_slot *sched_slot_add(struct sched_value *v, uint32_t number);
void sched_slot_drop(struct sched_value *v, struct sched_slot *s);
/*
 * Remembers that node may run the slot. What does not fit is put together with what else that node may run: some slot
 * of it, up to the highest of the epochs. false: there are too many nodes.
 */
bool sched_hold(struct sched_value *v, struct sched_held h) MUST_CHECK;
bool sched_has_op(const struct sched_value *v, const char *op);
void sched_add_op(struct sched_value *v, const char *op); /* the oldest goes when full */
/* Whole number of n replicas that a share means. */
int64_t sched_share_of(struct sched_share s, int64_t n, bool round_up);
const struct sched_host *sched_host_of(const struct sched_view *view, struct sched_node id); /* NULL: none; O(hosts) */
/* "n3", or the first digits of its UUID. Returns out. */
#define SCHED_NAME_TEXT_MAX 64
char *sched_name_of(const struct sched_view *view, struct sched_node id, char out[SCHED_NAME_TEXT_MAX]);
const char *sched_rollout_name(enum sched_rollout_state s);
const char *sched_slot_state_name(enum sched_slot_state s);
/* One line a value, one a slot and an earlier owner, for golden traces. Returns out. */
char *sched_dump(const struct sched_value *v, const struct sched_view *view, char *out, size_t n);

#endif
