/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_REPLICA_H
#define SUPERVISOR_REPLICA_H
/*
 * The life of one replica, decided purely: when to start, restart, wait, stop, give up, and how healthy it is.
 * (event, now) in; a bounded list of outputs out. It starts nothing itself: node/runner.c acts on the outputs and
 * feeds back what happened.
 *
 *	pending → starting → running → stopping → stopped
 *	             ↓          ↓          ↓
 *	          backoff ← ─ ─ ┘       (start again, when a restart or an update was meant)
 *	             ↓
 *	           failed (limit reached, or it failed and when: never; a good end that is not followed by another
 *	                   run: stopped)
 *
 * What a restart counts and when the counts heal is told in restart.h. A good end: exit code 0, or the death by
 * TERM, INT, HUP, PIPE or the stop signal, as under systemd. An end that was asked for (stop, restart, update)
 * counts nowhere; one by the liveness probe counts as a failed run. LOST is for clusters to show: no replica of
 * this node enters it.
 *
 * A start that the edge drops before it made the run (stopped meanwhile) is answered by SHIM_LOST.
 */
#include "base/clock.h"
#include "base/rng.h"
#include "supervisor/health.h"
#include "supervisor/restart.h"
#include "supervisor/shim_proto.h"
#include "supervisor/spec.h"

enum replica_state {
	REPLICA_PENDING,
	REPLICA_STARTING,
	REPLICA_RUNNING,
	REPLICA_BACKOFF,
	REPLICA_STOPPING,
	REPLICA_STOPPED,
	REPLICA_FAILED,
	REPLICA_LOST,
	REPLICA_STATE_MAX
};

enum replica_reason {
	REASON_NONE,
	REASON_EXITED,
	REASON_SIGNAL,
	REASON_OOM,
	REASON_SECCOMP,
	REASON_HEALTH,
	REASON_STOPPED,
	REASON_FENCED,
	REASON_START_FAILED,
	REASON_MAX
};

/* How the last run ended, in people's words; what the JSON calls last_exit. */
struct replica_exit {
	enum replica_reason reason;
	int code;   /* -1: none */
	int signal; /* 0: none */
	int64_t at_wall_ms;
	char text[EVENT_TEXT_MAX];
};

enum replica_in_type {
	REPLICA_IN_RUN,	    /* it is wanted (again): clears a failure, counts start anew */
	REPLICA_IN_STOP,    /* it is not wanted; why/why_text */
	REPLICA_IN_RESTART, /* stop it, then start it: asked by an operator or an update; why/why_text */
	/* Another definition counts from now on, its policy and its probes. What is running goes on; where the run_hash
	 * differs, say it just before the RESTART. */
	REPLICA_IN_SPEC,
	REPLICA_IN_STARTED, /* the agent's exec succeeded: pid */
	/* The run ended (START_FAILED too): exit, refused_name. Saying it twice is harmless. In PENDING: it ended while
	 * no daemon was there. */
	REPLICA_IN_EXITED,
	REPLICA_IN_SHIM_LOST, /* the shim is gone without a record: its group was emptied */
	/* Found running (or stopping) after a restart of the daemon: pid, hello, unprobed. The spec is the one that it
	 * was started with, if that is known. */
	REPLICA_IN_ADOPTED,
	REPLICA_IN_NOTIFY, /* sd_notify: notify */
	REPLICA_IN_PROBE,  /* a probe came back: which, ok, busy, took_ms, text */
	REPLICA_IN_TICK,   /* the deadline came */
	REPLICA_IN_MAX
};

struct replica_in {
	enum replica_in_type type;
	enum shim_why why;		  /* STOP, RESTART */
	const char *why_text;		  /* STOP, RESTART; borrowed for the call */
	const struct agent_spec *spec;	  /* SPEC; borrowed: the caller keeps it alive until replaced */
	int pid;			  /* STARTED, ADOPTED (which counts while hello->pid_start does) */
	const struct shim_exit *exit;	  /* EXITED; borrowed */
	const char *refused_name;	  /* EXITED: name of the syscall exit->refused_nr_last, or NULL; borrowed */
	const struct shim_hello *hello;	  /* ADOPTED; borrowed */
	bool unprobed;			  /* ADOPTED: as in struct replica */
	const struct shim_notify *notify; /* NOTIFY; borrowed */
	enum health_which which;	  /* PROBE */
	bool ok;			  /* PROBE */
	bool busy;			  /* PROBE, not ok: the shim has no place for it while others take theirs */
	int64_t took_ms;		  /* PROBE */
	const char *text;		  /* PROBE: what went wrong; borrowed */
};

enum replica_out_type {
	REPLICA_OUT_START, /* make a run */
	REPLICA_OUT_STOP,  /* tell the shim: signal, timeout_ms, why, why_text */
	REPLICA_OUT_PROBE, /* run the probe `which` now; answered by IN_PROBE (also on timeout, which the edge keeps) */
	REPLICA_OUT_PROBE_CANCEL, /* an answer of `which` no longer matters */
	REPLICA_OUT_SAVE,	  /* what must be known after a restart of the daemon has changed */
	REPLICA_OUT_EVENT,	  /* something people want to read: severity, kind, text */
	REPLICA_OUT_MAX
};

#define REPLICA_OUTS_MAX 12

enum replica_severity { SEVERITY_DEBUG, SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_ERROR, SEVERITY_MAX };

struct replica_out {
	enum replica_out_type type;
	enum health_which which;
	int signal;
	int64_t timeout_ms;
	enum shim_why why;
	enum replica_severity severity;
	const char *kind;	   /* a static string: "started", "exited", "backoff", "failed", "unhealthy", … */
	char text[EVENT_TEXT_MAX]; /* STOP: why_text; EVENT: the sentence */
};

struct replica_outs {
	size_t n;
	struct replica_out v[REPLICA_OUTS_MAX];
};

struct replica {
	const struct agent_spec *spec; /* borrowed, see IN_SPEC */
	int state;		       /* enum replica_state, moved by sm_move alone */
	bool wanted; /* RUN or STOP was said last. In STOPPING: it is to start again; in STOPPED: it is done */
	bool manual; /* STOPPING: the start that follows was asked for, and counts nowhere */
	int pid;     /* 0: none, or not known */
	bool began;  /* this run's agent has started, whatever became of it */
	/* What runs was started with another definition than any that is known here. It is asked nothing, since it need
	 * not understand; it serves as it did: counts as ready, its health is unknown. Until the next run. */
	bool unprobed;
	int64_t since_mono_ms, since_wall_ms; /* of the state */
	int64_t started_mono_ms;
	int64_t next_ms;  /* backoff: when it is started again; DEADLINE_NEVER otherwise */
	int64_t restarts; /* by itself, over the life of the replica: what status shows */
	struct restart_history history;
	uint64_t ended_run; /* the newest run whose end is known */
	struct health liveness, readiness;
	int64_t free_by_ms; /* by then what was asked of the shim takes no place there any more */
	bool notify_ready;  /* READY=1 was said in this run */
	char status[SHIM_STATUS_MAX];
	struct replica_exit last_exit;
	struct rng rng;
};

/* What survives a restart of the daemon beside the shim itself: restored before the first step. Every one of its
 * changes is told by OUT_SAVE, which comes before the START that follows from it. */
struct replica_saved {
	int64_t restarts, tries;
	uint64_t ended_run;
	bool failed; /* had given up */
	bool done;   /* had ended well, and is not to run again by itself */
	struct replica_exit last_exit;
};

void replica_init(struct replica *r, const struct agent_spec *spec, uint64_t seed, struct now now);
void replica_restore(struct replica *r, const struct replica_saved *saved);
void replica_save(const struct replica *r, struct replica_saved *ret);
/* Appends to outs (the caller empties it). Every event is allowed in every state. */
void replica_step(struct replica *r, const struct replica_in *in, struct now now, struct replica_outs *outs);
/* CLOCK_MONOTONIC; DEADLINE_NEVER when only events matter. */
int64_t replica_deadline_ms(const struct replica *r);
void replica_check(const struct replica *r); /* aborts when an invariant is broken */
/* One line for a golden trace: state, pid, tries, health. Returns out. */
char *replica_dump(const struct replica *r, char *out, size_t n);

/* What people and the JSON see. Health is the worse of both probes' levels; running without any probe is healthy, not
 * running is unknown. */
enum health_level replica_health(const struct replica *r);
bool replica_is_ready(const struct replica *r); /* readiness (or running, without one): what depends_on waits for */
const char *replica_state_name(enum replica_state s);
const char *replica_reason_name(enum replica_reason r);
/* Turns an exit record into words: "killed at its memory limit of 256M", "exited with code 3", … */
void replica_explain_exit(
	const struct agent_spec *spec, const struct shim_exit *x, const char *refused_name, struct replica_exit *ret);
/* "KILL", "RTMIN+3"; written to out, which is returned. */
char *replica_signal_name(int signal, char *out, size_t n);
/* "400ms", "4.2s", "2m05s": how people say a time; writes UNITS_TEXT_MAX bytes at most, returns out. */
char *replica_span(char *out, int64_t ms);

#endif
