/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_SHIM_H
#define SUPERVISOR_SHIM_SHIM_H
/*
 * One run of one replica: all that the shim holds. Every byte is there a thousand times, so it is kept within two
 * pages; what is only needed for a while is mapped and given back (os_map).
 *
 *	main.c     reads the plan, turns the loop
 *	loop.c     which descriptors and times are waited for
 *	life.c     preparing (prepare.c) → running → stopping → emptying → the record, or the next run
 *	control.c  the daemon's messages      sockets.c  ID.sock, ID.notify
 *	start.c    clone; child.c, sandbox.c  what the child does       group.c   cgroups, groupfiles.c
 *	logpump.c  the agent's output         notify.c   its sd_notify  refuse.c  its refused system calls
 *	probe.c    commands beside it         fuse.c     its lease      pidns.c   init of its pid namespace
 *	record.c   how it ended, on disk      stray.c    who left its groups
 *	ipc.c      what outlives processes
 */
#include "base/limits.h"
#include "supervisor/shim/fuse.h"
#include "supervisor/shim/group.h"
#include "supervisor/shim/logpump.h"
#include "supervisor/shim/start.h"
#include "supervisor/shim_proto.h"

#define SHIM_STRINGS_KEPT 1024 /* usual paths together; longer ones get a mapping of their own */

/* A message of the daemon's too large for the stack, while it is needed. */
struct frame {
	void *v; /* NULL: none */
	size_t mapped;
	const void *payload;
	size_t size;
};

enum {
	OWED_STARTED = 1,
	OWED_HELLO = 2,
	OWED_NOTIFY = 4,
	OWED_REFUSED = 8,
	OWED_ARMED = 16,
	OWED_END = 32
}; /* to be sent when the daemon reads again */

enum probe_phase { PROBE_FREE, PROBE_STARTING, PROBE_RUNNING, PROBE_ENDED, PROBE_PHASE_MAX };

/* A probe's command. ENDED: its group is being emptied, its result may still be owed. */
struct probe {
	enum probe_phase phase;
	struct task task;
	int out;	    /* its output; -1 */
	bool owed, unheard; /* its result: to be told once the daemon reads; of no use to anybody */
	uint32_t out_n;
	int64_t started_ms, deadline_ms; /* CLOCK_MONOTONIC */
	struct shim_exec_done done;
};

struct record;

struct shim {
	/* what outlives a run */
	int listener, control, notify_fd, signal_fd;
	uint64_t sock_ino;
	bool control_full;   /* the daemon does not read at present */
	bool finished;	     /* nothing is left to do */
	bool settled;	     /* its memory is locked */
	bool lowered;	     /* its oom_score_adj is */
	bool is_again;	     /* not its first run: its sockets are there, its group is empty */
	uint64_t bounding;   /* capabilities that it has not given up for good */
	int64_t later_at_ms; /* what no restart waits for is due, CLOCK_MONOTONIC; 0: done */
	int spent_listener;  /* of a filter that binds nobody any more; -1 */
	struct record *owed_record;
	struct groupfiles files;
	uint64_t run_before; /* its number; 0: none */
	uint64_t oom_base;   /* the group's count up to this run */

	/* who; from here on all is the run's, and strings are kept in `strings` */
	const char *stem, *dir_run, *dir_ends, *log_path, *gen_path;
	uint64_t gen;
	uint32_t flags, uid;
	int32_t stop_signal; /* and how long it may take: when the host goes down */
	uint32_t stop_timeout_ms;
	uint64_t cap_keep;
	uint32_t label_size;
	char label[SHIM_LABEL_MAX];
	struct frame plan_frame; /* until the start */

	/* life */
	enum shim_state state;
	bool ended;	      /* the agent has: `record` says how */
	bool waiting;	      /* the run is over and told of; another plan may come */
	bool is_fresh;	      /* its groups were made for it: nothing can be in them */
	bool killing;	      /* SIGKILL is being sent until all are gone */
	bool going_down;      /* SIGTERM was heard */
	unsigned step, tries; /* of preparing; of killing */
	unsigned listed;      /* processes seen when it was last tried to empty the group */
	unsigned strays;      /* … and of those that had left it */
	int64_t next_try_ms;  /* CLOCK_MONOTONIC; 0: none */
	int64_t stop_at_ms;   /* SIGKILL to the group is due; 0: no stop is under way */
	int64_t settle_at_ms; /* what no start waits for is due; 0: done, or not yet */
	int64_t began_ms;     /* preparing */
	int64_t started_mono_ns;
	struct task agent;
	int agent_out; /* the agent's end of its output, until it has it */
	int init_pid;  /* pid 1 of its pid namespace; 0: none */
	int init_pipe;
	struct group group;
	struct shim_exit record;
	struct shim_hello hello; /* what only the hello tells: times */

	/* to the daemon */
	unsigned owed;
	int64_t refused_told_ms, notify_told_ms;

	struct shim_notify notify;
	struct logpump log;
	struct fuse fuse;
	struct probe probes[GROUP_PROBES];
	char strings[SHIM_STRINGS_KEPT];
	void *long_strings; /* a mapping for those that do not fit; NULL */
	size_t long_size;
};

/* main.c */
void shim_again(struct shim *s, const struct frame *frame); /* the next run, of a shim that waits */

/* life.c */
void life_begin(struct shim *s); /* with plan_frame set and read */
void life_go_on(struct shim *s); /* the agent's start has moved on */
void life_child(struct shim *s, int pid, int status, const void *rusage);
void life_stop(struct shim *s, const struct shim_stop *stop);
void life_signal(struct shim *s, int sig);
void life_go_down(struct shim *s); /* SIGTERM: the host's agents are being ended */
void life_fuse(struct shim *s);
void life_arm(struct shim *s);
void life_fence(struct shim *s, enum fuse_verdict verdict);
void life_time(struct shim *s, int64_t now_ms);
int64_t life_deadline_ms(const struct shim *s); /* 0: none */
void life_leave(struct shim *s);		/* one that waits: nobody has another plan for it */
void life_spend_listener(struct shim *s);	/* the agent's filter binds nobody any more */

/* prepare.c */
/* 0; -EAGAIN; -ESTALE: another daemon has taken over; -ECANCELED: fenced; else what is wrong, and with what. */
int prepare(struct shim *s, struct plan *p, const char **ret_detail);
enum shim_stage prepare_stage(const struct shim *s); /* where it is */

/* record.c */
int record_write(struct shim *s);
void record_owe(struct shim *s); /* it is written by record_pay, a moment later */
void record_pay(struct shim *s);
void record_died(struct shim *s, int status, const void *rusage);

/* sockets.c */
int sockets_open(struct shim *s);   /* -EADDRINUSE: another shim of this replica is not gone yet */
void sockets_check(struct shim *s); /* makes them again if they are gone */
void sockets_close(struct shim *s);

/* control.c */
int control_wait_plan(struct shim *s);
void control_accept(struct shim *s);
void control_read(struct shim *s);
void control_send_owed(struct shim *s);
int64_t control_deadline_ms(const struct shim *s); /* 0: none */
/* 0, -EAGAIN when the daemon does not read, -ENOTCONN without one. */
int control_send(struct shim *s, uint32_t type, const void *v, size_t n);
int control_send_labelled(struct shim *s, uint32_t type, const void *v, size_t n);
int control_send_exit(struct shim *s);		 /* the last message of a run */
void control_say(struct shim *s, unsigned owed); /* now, or as soon as it can be sent */
void frame_free(struct frame *f);

/* notify.c */
void notify_read(struct shim *s);
void notify_drop(struct shim *s); /* what was said before this run */
/* refuse.c */
void refuse_read(struct shim *s, const struct task *t);
/* probe.c */
void probe_none(struct probe *p);
void probe_exec(struct shim *s, const struct frame *f);
void probe_go_on(struct shim *s, struct probe *p);
void probe_output(struct probe *p);
bool probe_child(struct shim *s, int pid, int status); /* whether it was one of theirs */
void probe_time(struct shim *s, int64_t now_ms);
int64_t probe_deadline_ms(const struct shim *s); /* 0: none */
void probe_tell(struct shim *s);		 /* what is owed */
void probe_hang_up(struct shim *s);		 /* the daemon that asked is gone: the next finds their places free */
void probe_call_off(struct shim *s, uint32_t exec_id);
void probe_abandon(struct shim *s);

/* pidns.c */
int pidns_open(struct shim *s);	       /* from here on children are in it */
void pidns_look(const struct shim *s); /* at the fuse, now */
#define PIDNS_EXIT_FUSE 86	       /* an init that ended everything because of its fuse; + enum fuse_verdict */

/* loop.c */
void loop_turn(struct shim *s);

#endif
