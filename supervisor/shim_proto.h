/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_PROTO_H
#define SUPERVISOR_SHIM_PROTO_H
/*
 * What coveyd and covey-shim say to each other, over a SOCK_SEQPACKET Unix socket: one struct shim_msg header and
 * its payload a packet, native byte order, both ends on one host. Also the record of how an agent ended, which
 * the shim leaves on disk. Shared by both programs; libc alone.
 *
 * A daemon of one build talks to shims of another: structs only ever grow at their end, `size` fields say how
 * much is there, unknown message types are ignored by both.
 *
 * The life of a shim (one run of one replica, or several in a row):
 *
 *	daemon: writes PLAN into its end of a socketpair, execs covey-shim with the other end as SHIM_FD_CONTROL
 *	shim:   binds run_dir/shims/ID.sock, then reads run_dir/daemon.gen: if it is not the plan's, another daemon
 *	        has taken over meanwhile and did not know of us: exits, having started nothing (no replica runs twice)
 *	shim:   prepares cgroups, starts the agent, says STARTED (or leaves an exit record START_FAILED)
 *	shim:   drains output, answers, forwards sd_notify, enforces a stop it was told of, all without a daemon too
 *	agent ends: shim kills what is left in the group until it is empty, writes ID.RUN.exit, says EXIT, exits
 *	daemon: makes the exit durable in its store, then unlinks the record
 *
 * The record of an end that no daemon heard of, or that came with its host's, is in data_dir/ends instead: run_dir is
 * memory, and goes with the host.
 *
 * A shim whose plan says STAY says EXIT with `stays` instead of its end, and waits on the same socket for another PLAN,
 * whose filter comes with it (SCM_RIGHTS): a restart at once costs no exec of a shim. The daemon decides meanwhile, so
 * it is told first, and the record follows: before anybody else is answered, or finds the shim gone. It exits when the
 * daemon closes the socket, or when anybody else connects.
 *
 * SIGTERM to a shim is the stop of a host that goes down, or of the unit that agents live in: the agent is stopped as
 * its plan says, with or without a daemon. That a daemon starts it again later is the daemon's to decide.
 *
 * A new daemon writes a new daemon.gen first, then looks for sockets and records, connects, says QUERY, and is
 * told HELLO. The newest connection is the one that is spoken to; an older one is closed.
 */
#include <stdint.h>
#include <string.h>

#define SHIM_PROTO_VERSION 1
#define SHIM_MAGIC	   0x636f7679u /* "covy" */

/* Descriptors a shim is started with. 0–2 are /dev/null, /dev/null and the daemon's standard error. */
#define SHIM_FD_CONTROL 3
#define SHIM_FD_FILTER	4 /* memfd of struct sock_filter[], or /dev/null: no filter */
#define SHIM_FD_LEASE	5 /* memfd of one struct shim_lease, or /dev/null: no fuse */
#define SHIM_FD_NEXT	6 /* the first that must be closed in a shim */

#define SHIM_FD_NOTIFY_LISTENER 1000 /* where a child sends its seccomp listener: sendmsg on it is let through */

enum shim_msg_type {
	/* daemon → shim */
	SHIM_PLAN = 1, /* struct shim_plan and its blob; the first message of a run */
	SHIM_QUERY,    /* nothing; answered by HELLO */
	SHIM_SIGNAL,   /* struct shim_stop, timeout_ms unused: just the signal to the agent's main process */
	SHIM_STOP,     /* struct shim_stop: signal, then SIGKILL to the whole group after timeout_ms (0: at once) */
	SHIM_EXEC,     /* struct shim_plan (exec_id set) and its blob: run a probe's command beside the agent */
	SHIM_LABEL,    /* opaque bytes ≤ SHIM_LABEL_MAX, replaces what the plan brought */
	SHIM_REBIND,   /* nothing: run_dir was wiped, make the sockets again */
	SHIM_CALL_OFF, /* struct shim_call_off: nobody waits for that probe's command any more, end it; no answer */
	SHIM_ARM,      /* nothing: the page of the fuse has its first deadline, look; answered by ARMED */
	/* shim → daemon */
	SHIM_HELLO = 64, /* struct shim_hello, then the label; with the fuse's page (SCM_RIGHTS), where there is one */
	SHIM_STARTED,	 /* struct shim_hello, then the label: the agent's exec succeeded */
	SHIM_NOTIFY,	 /* struct shim_notify: sd_notify of the agent */
	SHIM_REFUSED,	 /* struct shim_refused: the counts so far; at most one a second */
	SHIM_EXEC_DONE,	 /* struct shim_exec_done */
	SHIM_EXIT,	 /* struct shim_exit as in the record; the last message */
	SHIM_ARMED,	 /* struct shim_armed */
	SHIM_MSG_MAX
};

struct shim_msg {
	uint32_t type;
	uint32_t size; /* of the payload that follows */
};

/* A string of a plan's blob: offset from the blob's start, NUL-terminated; 0 means none (blob[0] is NUL). */
typedef uint32_t shim_str;

/*
 * One step of preparing a replica's cgroups, in order. The shim knows nothing of v1 and v2; supervisor/cgroup.c
 * writes the list. MKDIR, WRITE: done by the shim before it forks (an existing directory is fine). JOIN: done by
 * the child, by writing "0" to the file. INTO: the directory given to clone3(CLONE_INTO_CGROUP).
 */
enum shim_op_type { SHIM_OP_MKDIR = 1, SHIM_OP_WRITE, SHIM_OP_JOIN, SHIM_OP_INTO, SHIM_OP_MAX };
#define SHIM_OP_OPTIONAL 0x100 /* or'ed in: a failure is ignored */

struct shim_op {
	uint32_t type;
	shim_str path;
	shim_str value; /* WRITE */
};

/* One mount of the sandbox, in order, in the agent's own mount namespace. */
enum shim_mount_type { SHIM_MOUNT_TMPFS = 1, SHIM_MOUNT_READ_ONLY, SHIM_MOUNT_WRITABLE, SHIM_MOUNT_MAX };

struct shim_mount {
	uint32_t type;
	shim_str path;
	shim_str options; /* TMPFS: size=… */
};

struct shim_rlimit {
	uint32_t resource, pad;
	uint64_t soft, hard;
};

#define SHIM_FLAG_NO_NEW_PRIVS	  (1u << 0)
#define SHIM_FLAG_NEW_NET	  (1u << 1)
#define SHIM_FLAG_NEW_PIDNS	  (1u << 2) /* an init of the shim's own is pid 1 and dies with the shim (leases) */
#define SHIM_FLAG_LOG_TIMESTAMPS  (1u << 3)
#define SHIM_FLAG_SECCOMP_LEARN	  (1u << 4)  /* continue every call, only record it */
#define SHIM_FLAG_SECCOMP_KILL	  (1u << 5)  /* a refused call kills (SIGSYS); else it returns EPERM */
#define SHIM_FLAG_V2		  (1u << 6)  /* group_dir is cgroup v2: memory.events */
#define SHIM_FLAG_ARMED		  (1u << 7)  /* there is a fuse: SHIM_FD_LEASE counts */
#define SHIM_FLAG_LOCK_MEMORY	  (1u << 8)  /* mlockall */
#define SHIM_FLAG_LANDLOCK	  (1u << 9)  /* Landlock, where there is one, refuses writes outside of `writable` */
#define SHIM_FLAG_STAY		  (1u << 10) /* wait for another plan at the end, while the daemon is there */
#define SHIM_FLAG_BADNESS_DEFAULT (1u << 11) /* the daemon's oom_score_adj is 0, and so what it starts has */
#define SHIM_FLAG_REMOVE_IPC	  (1u << 12) /* the uid is this replica's alone: so is what it leaves in IPC */

struct shim_plan {
	uint32_t size;	  /* of this struct, as the sender knows it */
	uint32_t version; /* SHIM_PROTO_VERSION */
	uint64_t run;	  /* unique on this node for ever: the run's number */
	uint64_t gen;	  /* of the daemon, as in run_dir/daemon.gen (16 hex digits) */
	uint32_t exec_id; /* of SHIM_EXEC; else 0 */
	uint32_t flags;
	uint32_t uid, gid;
	uint64_t cap_keep;   /* mask of capabilities kept */
	uint32_t timeout_ms; /* of SHIM_EXEC */
	uint32_t umask;
	/* strings: offsets into the blob */
	shim_str replica_id;
	shim_str dir_run;   /* run_dir/shims */
	shim_str file_stem; /* ID in ID.sock, ID.notify (or shorter), ID.RUN.exit: the id with '/' written as '+' */
	shim_str gen_path;  /* run_dir/daemon.gen */
	shim_str directory; /* chdir */
	shim_str log_path;  /* current log; rotated ones are log_path.1, .2, … */
	shim_str log_group; /* unused, 0 */
	shim_str kill_dir;  /* group whose cgroup.procs must be empty before start and after exit */
	shim_str oom_path;  /* v1 memory.oom_control, v2 memory.events: the oom_kill count; 0: none */
	shim_str label;	    /* opaque, label_size bytes */
	uint32_t label_size;
	/* arrays: offset into the blob (8-aligned) and count */
	uint32_t argv_at, argv_n; /* shim_str each */
	uint32_t env_at, env_n;	  /* shim_str "NAME=value" each */
	uint32_t ops_at, ops_n;	  /* struct shim_op */
	uint32_t mounts_at, mounts_n;
	uint32_t rlimits_at, rlimits_n;
	uint32_t groups_at, groups_n; /* uint32_t supplementary gids */
	uint64_t log_max_bytes;
	uint32_t log_keep;
	uint32_t blob_size;	  /* bytes that follow */
	int32_t stop_signal;	  /* what SIGTERM to the shim stops the agent with; 0: an older daemon's plan, TERM */
	uint32_t stop_timeout_ms; /* … and how long it may take */
	shim_str dir_ends;	  /* data_dir/ends; 0: an older daemon's plan, dir_run alone */
	uint32_t pad;
};

enum shim_state { SHIM_PREPARING, SHIM_RUNNING, SHIM_STOPPING, SHIM_EMPTYING, SHIM_STATE_MAX };

struct shim_hello {
	uint32_t size, version;
	uint64_t run;
	uint32_t state; /* enum shim_state */
	int32_t pid;	/* the agent's, in the host's pid namespace; 0 while preparing */
	/* HELLO: field 22 of /proc/PID/stat of a process that the shim holds, so that nobody else can have its pid.
	 * 0: it holds none any more (or none yet), and pid may be anybody's. STARTED: 0, not looked up. */
	uint64_t pid_start;
	int64_t started_wall_ms, started_boot_ms;
	uint32_t ready;		  /* READY=1 was said */
	uint32_t watchdog;	  /* WATCHDOG=1 was said ever */
	int64_t watchdog_boot_ms; /* … and last then */
	uint64_t log_bytes, log_dropped_lines;
	uint64_t refused_total;
	uint32_t why; /* why it is stopping: enum shim_why */
	uint32_t label_size;
	char status[128];    /* STATUS=, NUL-terminated */
	uint64_t run_before; /* of this very shim, which stayed: its record is on disk by now; 0: none */
};

struct shim_stop {
	uint32_t size;
	int32_t signal;
	uint32_t timeout_ms;
	uint32_t why;
	char why_text[160]; /* NUL-terminated; comes back in the exit record */
};

/* Why an agent was stopped, as the daemon told the shim. */
enum shim_why {
	SHIM_WHY_NONE,
	SHIM_WHY_STOPPED,
	SHIM_WHY_HEALTH,
	SHIM_WHY_RESTART,
	SHIM_WHY_UPDATE,
	SHIM_WHY_WATCHDOG,
	SHIM_WHY_MAX
};

struct shim_notify {
	uint32_t size;
	uint32_t ready, watchdog, stopping;
	int32_t main_pid;
	char status[128];
};

#define SHIM_REFUSED_KINDS 8 /* different syscalls told by number; the rest is counted alone */
struct shim_refused {
	uint32_t size, kinds;
	uint64_t total;
	struct {
		int32_t nr;
		uint32_t count;
	} v[SHIM_REFUSED_KINDS];
	uint8_t learned[64]; /* learn: bit nr is set for each syscall seen below 512 */
};

struct shim_exec_done {
	uint32_t size, exec_id;
	int32_t status; /* as from waitpid; -1 with error set: it could not be started */
	int32_t error;	/* errno; EBUSY at stage FORK: two others are not over yet, ask again */
	uint32_t timed_out;
	uint32_t stage; /* enum shim_stage of the error */
	int64_t took_ms;
	char output[128]; /* the first bytes it wrote, NUL-terminated */
};

/* A shim of a build that does not know it ends the command at its timeout; until then it takes one of two places. */
struct shim_call_off {
	uint32_t size, exec_id;
};

/* The deadline by which the fuse goes now. */
struct shim_armed {
	uint32_t size, pad;
	int64_t deadline_boot_ns;
};

/* Where a start failed. */
enum shim_stage {
	SHIM_STAGE_NONE,
	SHIM_STAGE_PLAN,
	SHIM_STAGE_SOCKET,
	SHIM_STAGE_CGROUP,
	SHIM_STAGE_LOG,
	SHIM_STAGE_FORK,
	SHIM_STAGE_JOIN,
	SHIM_STAGE_RLIMIT,
	SHIM_STAGE_NAMESPACE,
	SHIM_STAGE_MOUNT,
	SHIM_STAGE_DIRECTORY,
	SHIM_STAGE_USER,
	SHIM_STAGE_CAPABILITIES,
	SHIM_STAGE_LANDLOCK,
	SHIM_STAGE_SECCOMP,
	SHIM_STAGE_EXEC,
	SHIM_STAGE_MAX
};

enum shim_exit_kind { SHIM_EXITED = 1, SHIM_SIGNALED, SHIM_START_FAILED, SHIM_FENCED, SHIM_EXIT_KIND_MAX };

/* How a run ended. The record file is exactly this struct, then the label. Written aside and renamed. */
struct shim_exit {
	uint32_t magic, size;
	uint32_t version;
	uint32_t kind; /* enum shim_exit_kind */
	uint64_t run;
	int32_t code;	    /* EXITED */
	int32_t signal;	    /* SIGNALED */
	uint32_t stage;	    /* START_FAILED */
	int32_t error;	    /* START_FAILED: errno */
	uint32_t why;	    /* enum shim_why of the stop that was under way; NONE: on its own, or from outside */
	uint32_t escalated; /* the stop had to use SIGKILL after its timeout */
	uint64_t oom_kills; /* in the group during this run */
	int32_t pid;
	uint32_t label_size;
	int64_t started_wall_ms, ended_wall_ms;
	int64_t ran_ms; /* CLOCK_MONOTONIC, from exec to exit; 0 for START_FAILED */
	int64_t user_us, system_us;
	int64_t rss_max_bytes;
	uint64_t log_dropped_lines;
	uint64_t leftovers; /* processes killed after the main one had ended */
	int32_t refused_nr_last;
	uint32_t killed_by_seccomp; /* the refused call was answered by SIGSYS */
	struct shim_refused refused;
	char why_text[160];
	char detail[256]; /* START_FAILED: the path or name at fault */
	uint32_t stays;	  /* the shim waits for another plan; 0 in a record */
	uint32_t pad;
};

#define SHIM_SUN_PATH_MAX 107 /* of a socket's path, without the NUL */

/*
 * The name of NOTIFY_SOCKET in dir_run: ID.notify, or, where that path is longer than a client of sd_notify can use,
 * ten letters made of ID, for which every run_dir that the configuration takes leaves room. The daemon tells it and
 * the shim binds it, each of its own build: so the rule stays as it is.
 */
static inline void shim_notify_name(const char *dir_run, const char *file_stem, char out[SHIM_SUN_PATH_MAX + 1])
{
	static const char suffix[] = ".notify", letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	size_t n = strlen(file_stem);
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */

	if (strlen(dir_run) + 1 + n + strlen(suffix) <= SHIM_SUN_PATH_MAX) {
		memcpy(out, file_stem, n);
		memcpy(out + n, suffix, sizeof(suffix));
		return;
	}
	for (; *file_stem; file_stem++)
		h = (h ^ (unsigned char)*file_stem) * 0x100000001b3u;
	for (n = 0; n < 10; n++)
		out[n] = letters[h >> 5 * n & 31];
	out[n] = '\0';
}

/*
 * The page that arms a fuse: one writer (the daemon that started the shim, then those that it gave it to), one reader
 * (the shim). A deadline only ever moves on, so that it is read again when it has come, and no sooner. Before the first
 * one the fuse is unarmed, and is told to look (ARM).
 */
#define SHIM_LEASE_UNARMED INT64_MAX

struct shim_lease {
	_Atomic int64_t deadline_boot_ns; /* CLOCK_BOOTTIME; the replica is killed once it has passed */
};

#endif
