/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_NODE_H
#define NODE_NODE_H
/*
 * The node: everything that this daemon holds, owned by the loop's thread. Its files:
 *
 *	main.c      arguments, signals
 *	node.c      order of opening, the loop's callbacks
 *	roster.c    the agents and their replicas; what is wanted
 *	runner.c    one replica: its core's outputs to edges, what edges tell back (runner_shim.c, runner_probe.c)
 *	            runner_lease.c: of one under a lease
 *	launch.c    one start: ids, ports, groups, filter, plan, shim
 *	shimlink.c  the daemon's end of a shim's socket; shimfiles.c what it leaves on disk
 *	adopt.c     after a restart of the daemon: who is there; reboot.c of the host: how it went down
 *	apply.c     definitions by the batch; change.c the other changes; answer.c stores, takes and answers them
 *	host.c      where agents may live on this host, and what it lacks
 *	status.c    what systemd is told
 *	local.c     agents_dir
 *	ops.c       operations, and waiting for them
 *	report.c    what reading verbs answer (report_nodes.c, …), poll.c those that may wait, page.c over HTTP
 *	verbs.c     the table of verbs; renew.c: those that replace the store
 *	cluster.c   this node's part in gossip (cluster.h has the list)
 *	council.c   … and in what is decided (council.h likewise)
 *	sample.c    use of cpu, memory, … of replicas, read when asked
 */
#include <ev.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/rng.h"
#include "node/config.h"
#include "node/control.h"
#include "node/events.h"
#include "node/http.h"
#include "node/lag.h"
#include "node/roster.h"
#include "node/status.h"
#include "node/store.h"
#include "supervisor/cgroup.h"
#include "supervisor/seccomp.h"
#include "supervisor/spawn.h"

/* A rate of the host's or the daemon's processor time (sample.c). */
struct sample_rate {
	int64_t busy_us, total_us, at_mono_ms;
	double cores;
};

/* The last user that was looked up (launch.c). */
struct launch_user {
	char name[64]; /* "": none */
	int64_t at_mono_ms;
	uint32_t uid, gid;
	uint32_t groups[64];
	size_t n_groups;
};

struct node {
	struct ev_loop *loop;
	struct config *cfg;
	struct now now; /* refreshed by node_now */
	struct rng rng;
	uint64_t gen;	   /* of this start of the daemon, as in run_dir/daemon.gen */
	uint64_t next_run; /* (number of the start << 32) + a count: unique for ever */
	char shim_path[4096];
	bool badness_is_default;
	struct store *store;
	struct events *events;
	struct control *control;
	struct http *http;
	struct cluster *cluster; /* NULL: no gossip section */
	struct council *council; /* likewise */
	struct cgroup *cgroup;
	struct cgroup_home home;   /* where agents live under systemd */
	struct cgroup_place place; /* … and shims */
	struct seccomp_cache *seccomp;
	struct roster roster;
	struct list ops; /* of struct op, oldest first, OPS_MAX */
	size_t n_ops, ops_bytes;
	int64_t ops_seq;	  /* of the last one */
	struct list late_records; /* of struct counted, COUNTED_LATE_MAX */
	size_t n_late_records;
	struct list waiters;	     /* of long polls */
	int awaiting;		     /* shims found at start that did not answer yet */
	bool boot_kept;		     /* the number of this start is on disk */
	unsigned ends_found;	     /* records of ends that were read at the start */
	bool serving;		     /* control and http are open */
	bool unread[SPEC_SCOPE_MAX]; /* definitions that could not be read: what runs of that scope is left alone */
	bool sweep_groups;	     /* some of replicas that are gone were busy */
	bool draining;
	bool leases;	   /* agents with isolation: stop run under leases alone (runner_lease) */
	bool store_failed; /* the last job of the store failed: said once */
	int64_t started_wall_ms, started_mono_ms;
	uint64_t spawns;
	struct launch_user user;
	struct sample_rate host_rate, self_rate;
	bool heard;	     /* other nodes told something since the loop waited last */
	bool changing;	     /* a change is being stored */
	struct list changes; /* that wait for it (verbs.c) */
	size_t n_changes;
	int lock_fd;
	ev_prepare settle;  /* before each wait of the loop: agents whose replicas changed */
	ev_check woke;	    /* after each */
	int64_t turn_at_us; /* CLOCK_MONOTONIC; 0: the loop waits */
	struct lag lag;
	ev_timer poll_timer;  /* waiters, once a while */
	ev_timer again_timer; /* agents are left to be planned */
	ev_timer serve_timer;
	ev_timer run_dir_timer; /* run_dir wiped? */
	ev_signal on_term, on_int, on_hup;
	struct events_watch event_watch;
	char status[STATUS_TEXT_MAX]; /* as systemd was told last */
	char dir_fault[256];	      /* what is wrong with agents_dir; "" */
	char lacks[48];		      /* what the host does not have: "memory, seccomp"; "": nothing of weight */
	bool failed;		      /* could not serve */
	bool again;		      /* it ends to begin again, in the same process */
	bool ending;		      /* nothing is begun any more */
};

/* Reads the clocks and returns them. */
struct now node_now(struct node *n);
/* Ends, once what was answered has left, and begins again with what data_dir holds then (main.c). */
void node_begin_again(struct node *n);
/* Requests wait that must be looked at soon. */
void node_wake_polls(struct node *n);
/* For messages and the store: jobs whose failure is told once, not each time. arg is the node. */
void node_stored(void *arg, int rc, const char *error);

/* An event for people: kept, logged, shown. agent and replica may be NULL. */
void node_event(struct node *n, enum replica_severity severity, const char *kind, const char *agent,
	const char *replica, const char *fmt, ...) PRINTF_LIKE(6, 7);
/* One of the node's own, with what programs read of it: a packed map, which may have failed: then without. */
void node_event_data(struct node *n, enum replica_severity severity, const char *kind, const struct bytes *data,
	const char *fmt, ...) PRINTF_LIKE(5, 6);

#endif
