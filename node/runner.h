/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_RUNNER_H
#define NODE_RUNNER_H
/*
 * One replica on this node: its core (supervisor/replica.h) and the edges that act for it: shim, probes, store,
 * events.
 */
#include <ev.h>

#include "base/list.h"
#include "base/map.h"
#include "node/fuse_page.h"
#include "node/shimlink.h"
#include "node/store.h"
#include "supervisor/cgroup.h"
#include "supervisor/probe.h"
#include "supervisor/replica.h"
#include "supervisor/spawn.h"

struct agent;
struct node;
struct runner;

#define RUNNER_STEM_MAX REPLICA_ID_MAX

/* What a shim keeps for us; grows at its end only, `size` says how much there is. */
struct runner_label {
	uint32_t size, scope;
	int32_t slot;
	uint32_t uid, gid, n_ports;
	int64_t version;
	uint64_t run_hash, epoch;
	int64_t restarts, tries;
	uint16_t ports[PORTS_MAX];
	char agent[NAME_MAX_LEN + 1];
};

/* What the store keeps of a replica; grows at its end only. */
struct runner_record {
	uint32_t size;
	uint32_t uid;
	uint64_t last_run; /* the newest run whose end is counted in `saved` */
	uint32_t held;	   /* the operator stopped this one replica */
	uint32_t n_ports;
	uint16_t ports[PORTS_MAX];
	uint8_t learned[64];
	struct replica_saved saved;
	uint64_t spare;	    /* was written by earlier builds */
	uint64_t asked_run; /* as in struct runner */
};

struct runner_sample {
	struct cgroup_usage usage; /* as of at_mono_ms */
	int64_t at_mono_ms;	   /* 0: never */
	struct cgroup_usage base;  /* where the rates are measured from */
	int64_t base_mono_ms;
	double cpu_cores;		   /* -1: not known yet */
	int64_t io_read_bps, io_write_bps; /* -1: not known */
};

/* Whether something of it runs, or by which deadline, may be another than before. Called from within: it only notes. */
typedef void runner_lease_fn(void *arg, struct runner *r);

struct runner {
	struct map_node by_stem; /* in roster.runners */
	struct list waiting;	 /* in roster.starting */
	struct node *node;
	struct agent *agent;
	int slot;
	char *id, *stem; /* "n1/web.0" and "n1+web.0", behind the struct */
	struct replica core;
	struct agent_spec *spec; /* of the run (or of the next one); a reference, what core.spec points to */
	struct shimlink link;
	uint64_t run;	      /* of the shim, 0: none */
	uint64_t last_run;    /* newest run whose end was taken */
	uint64_t stored_run;  /* newest run whose end the store has */
	uint64_t record_left; /* the run whose record stays, as the store could not take it; 0: none */
	uint64_t run_hash;    /* of the definition that is running */
	uint64_t groups_for;  /* run_hash of the definition that its groups are made for; 0: not known */
	int64_t run_version;
	uint64_t epoch;
	uint32_t uid, gid;
	bool has_uid;	    /* dynamic one allotted */
	bool held;	    /* stopped by itself, not with its agent */
	uint64_t asked_run; /* a run of at least this number was asked for: a daemon that dies makes it none or two */
	/* What its row says of the two: a change under way is stored before it is taken. */
	bool held_row;
	uint64_t asked_row;
	bool awaiting;	       /* found at start, did not answer yet: not planned */
	bool records_left;     /* ends that are judged once it has answered */
	bool launching;	       /* counted in roster.n_starting */
	bool restart_due;      /* asked for: it is replaced when its turn comes */
	bool parked;	       /* its link is to a shim that waits for the next run */
	bool leased;	       /* nothing of it is started without a lease */
	bool lease_waits;      /* STARTING, until there is one; or until its agent's decision is believed */
	bool arming;	       /* its shim is to look at the page, and has not said that it did */
	uint64_t lease_epoch;  /* of the newest lease, which the next run has; `epoch` is of the run */
	int64_t lease_ms;      /* CLOCK_BOOTTIME; it may be started before that */
	struct fuse_page page; /* of the run */
	runner_lease_fn *lease_fn;
	void *lease_arg;
	int64_t ready_since_ms; /* CLOCK_MONOTONIC; 0: not ready */
	bool counting;		/* an end is being taken: it is saved once, after the step */
	struct probe *probes[HEALTH_WHICH_MAX];
	uint32_t exec_ids[HEALTH_WHICH_MAX]; /* exec probes that are out; 0: none */
	uint16_t exec_count;		     /* of the ids given so far */
	uint16_t ports[PORTS_MAX];
	size_t n_ports;
	struct shim_refused refused; /* of this run */
	uint8_t learned[64];	     /* of all runs */
	uint64_t log_bytes, log_dropped_lines;
	uint64_t told_hash; /* of what other nodes were told last; 0: nothing */
	struct runner_sample sample;
	ev_timer deadline; /* the core's */
	ev_timer emptying; /* the shim is gone: kill until the group is empty */
	int empty_tries;
};

/* found: the file stem that it has already, or NULL: as runner_name says. */
int runner_new(struct node *n, struct agent *a, int slot, const char *found, struct runner **ret, struct err *e);
void runner_free(struct runner *r);
/* The id and file stem of a slot of an agent. */
void runner_name(
	const struct agent *a, const char *node, int slot, char id[REPLICA_ID_MAX], char stem[RUNNER_STEM_MAX]);

/* Feeds the core and acts on what it says. */
void runner_feed(struct runner *r, const struct replica_in *in);
/* Shorthands of it. */
void runner_run(struct runner *r);
void runner_stop(struct runner *r, enum shim_why why, const char *why_text);
void runner_restart(struct runner *r, enum shim_why why, const char *why_text);
/* Takes another definition for the next run (and for probes now, when nothing has to be restarted for it). */
void runner_take_spec(struct runner *r, struct agent_spec *spec);

/*
 * node/runner_lease.c: of one that runs under a lease, as node/holding.h says. It may be started at that epoch, and may
 * run until then, by CLOCK_BOOTTIME; 0: nothing of it is started. A start waits for it, and one that its fuse has ended
 * is to start (starting, in status).
 */
void runner_lease(struct runner *r, uint64_t epoch, int64_t until_ms);
/* What runs of it goes on until then; no start follows. */
void runner_extend(struct runner *r, uint64_t epoch, int64_t until_ms);
/* Nothing of it runs or is being started; shims that were found have answered. */
bool runner_is_empty(const struct runner *r);
/* What runs of it, if anything, goes by a deadline. */
bool runner_is_armed(const struct runner *r);
/* Of what runs; FUSE_PAGE_UNARMED also where there is no fuse. */
int64_t runner_until_ms(const struct runner *r);

/* Whether the newest definition is what runs (or would). */
bool runner_is_current(const struct runner *r);
bool runner_is_stale(const struct runner *r); /* it runs, and is to start anew when its turn comes */
/* Of the definition that it runs (or would): what its slot asks for, if that is this run; else the newest that asks for
 * no other. */
int64_t runner_version(const struct runner *r);
bool runner_is_asked(const struct runner *r); /* that run has not begun yet */
/* After a start of the daemon, once it is known what runs: what was asked of the one before, and is not so yet. */
void runner_go_on(struct runner *r);
bool runner_is_alive(const struct runner *r); /* a process may be there: starting, running, stopping */

/* The end of a run, from a message or a record: size bytes of struct shim_exit and what follows. Bad ones: refused. */
/* What a shim wrote about the end of a run, checked and bounded; said and -EINVAL when it is none of ours. */
int runner_read_exit(const struct runner *r, const void *v, size_t size, struct shim_exit *ret);
/* A run of that number was there: no later one gets it, whatever the store could keep of the numbers. */
void runner_saw(struct runner *r, uint64_t run);
int runner_exited(struct runner *r, const void *v, size_t size);
/* A run that ended before the one that runs now: told and kept, nothing follows from it. */
void runner_note_exit(struct runner *r, const struct shim_exit *x);
/* The shim's socket closed: looks for the record; without one its group is killed until it is empty. */
void runner_lost(struct runner *r);
/* HELLO or STARTED of its shim. */
void runner_hello(struct runner *r, const struct shim_hello *h, bool started, const void *label, size_t label_size);
/* To the store; coalesced. */
void runner_save(struct runner *r);
/* The same, told of; never coalesced. -ENOSPC, -ENOMEM: nothing was queued. */
int runner_store(struct runner *r, store_done *done, void *arg);
void runner_restore(struct runner *r, const void *saved, size_t n);
/* Path of its log. */
char *runner_log_path(const struct runner *r, char *out, size_t n);

/* node/launch.c: starts a shim now. Failures are fed to the core as a start that failed. */
void launch_run(struct runner *r);
/* A plan for a probe's command; 0 or -errno. */
int launch_exec_plan(struct runner *r, const struct spec_strv *command, uint32_t exec_id, int64_t timeout_ms,
	struct bytes *out, struct err *e);
void launch_free_uid(struct node *n, struct runner *r);
/* A run that was found holds this dynamic uid; others (0, a user's) are ignored. */
void launch_take_uid(struct node *n, struct runner *r, uint32_t uid);

#endif
