/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_SHIMKIT_H
#define TESTS_LIB_SHIMKIT_H
/*
 * A bed for covey-shim: a run_dir and a cgroup of the test's own, plans built by hand, and the daemon's end of the
 * protocol. Everything waits with a generous bound and fails the test when it is reached.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/limits.h"
#include "supervisor/shim/kernel.h"
#include "supervisor/shim_proto.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/wait.h"

#define KIT_ARGS_MAX   16
#define KIT_ENV_MAX    8
#define KIT_OPS_MAX    32
#define KIT_MOUNTS_MAX 16

/* What a test says of a run; the rest is filled in. Strings are borrowed until kit_start. */
struct kit_plan {
	struct shim_plan p; /* scalars; strings and arrays below */
	const char *argv[KIT_ARGS_MAX];
	const char *env[KIT_ENV_MAX];
	const char *directory;
	const char *label;
	const char *dir_ends; /* NULL: the plan names none */
	struct {
		uint32_t type;
		const char *path, *value;
	} ops[KIT_OPS_MAX];
	size_t n_ops;
	struct {
		uint32_t type;
		const char *path, *options;
	} mounts[KIT_MOUNTS_MAX];
	size_t n_mounts;
	struct shim_rlimit rlimits[4];
	size_t n_rlimits;
};

struct kit {
	struct tmpdir dir;
	char run_dir[96], shims[112], gen_path[128], log_path[128], stem[32], sock_path[160], notify_path[160];
	char ends[112];			   /* a folder that is not there; where the record is looked for once it is */
	char kill_dir[192], oom_path[224]; /* empty: no such cgroup */
	char groups[4][192];		   /* made for this bed, to be removed */
	size_t n_groups;
	bool v2, hybrid; /* hybrid: v2 beside v1 */
	uint64_t gen, run;
	int fd;	    /* the daemon's end; -1 */
	int pid;    /* the shim; 0 */
	int filter; /* memfd or -1 */
	int lease;  /* memfd or -1 */
	struct shim_lease *page;
	bool exited; /* `exit` is filled */
	struct shim_exit exit;
	char exit_label[512];
	struct shim_hello hello; /* the last HELLO or STARTED */
	struct shim_notify notify;
	struct shim_refused refused;
	struct shim_exec_done done;
	unsigned n_done; /* EXEC_DONEs seen */
	struct shim_armed armed;
};

/* Makes the beds to come ones on cgroup v2, if this is a host of v1 that has both. */
bool kit_use_v2(void);
/* The cgroup.procs of a group that a test's process may move to, out of the bed's: valid until the next call. */
const char *kit_outside(struct kit *k);
/* With KIT_V2 in the environment on cgroup v2, if the host has any. */
void kit_open(struct kit *k);
/* Ends the shim and whatever is left in the group, removes all. */
void kit_close(struct kit *k);
/* Parts of the two. */
void kit_groups_open(struct kit *k);
void kit_groups_close(struct kit *k);

/* `sh -c script` as nobody in the bed's group, logs without stamps. */
void kit_plan(struct kit *k, struct kit_plan *p, const char *script);
void kit_op(struct kit_plan *p, uint32_t type, const char *path, const char *value);
void kit_mount(struct kit_plan *p, uint32_t type, const char *path, const char *options);
/* The whole message; the caller frees. */
void *kit_message(struct kit *k, uint32_t type, const struct kit_plan *p, size_t *ret_n);
/* Starts a shim with the plan; the next run number of the bed. */
void kit_start(struct kit *k, const struct kit_plan *p);
void kit_start_raw(struct kit *k, const void *message, size_t n);
/* … and waits for STARTED. */
void kit_run(struct kit *k, const struct kit_plan *p);
void kit_exec(struct kit *k, const struct kit_plan *p);
/* Gives a shim that stays the next run, with the bed's filter. */
void kit_again(struct kit *k, const struct kit_plan *p);

void kit_send(struct kit *k, uint32_t type, const void *v, size_t n);
void kit_stop(struct kit *k, int sig, uint32_t timeout_ms, uint32_t why, const char *text);
/* Handles messages until one of this type has come; fails when the shim closes first. */
void kit_until(struct kit *k, uint32_t type);
/* Handles what is there; false once the other end is closed. */
bool kit_poll(struct kit *k, int wait_ms);
/* Waits for EXIT and the shim's own end, and checks that the record on disk says the same. */
const struct shim_exit *kit_end(struct kit *k);
/* … of a shim that stays: checks its record, and that it is there. */
const struct shim_exit *kit_end_of_run(struct kit *k);
/* The record on disk, without a daemon's end: waits for it. */
const struct shim_exit *kit_record(struct kit *k);
/* Closes the daemon's end; connects anew by the socket. */
void kit_hang_up(struct kit *k);
void kit_connect(struct kit *k);
void kit_reap(struct kit *k); /* waits until the shim's process has ended */

/* The log's text so far; valid until the next call. */
const char *kit_log(struct kit *k, size_t *ret_n);
void kit_wait_log(struct kit *k, const char *text);
/* Number of processes in the group and below. */
int kit_pids(struct kit *k);
void kit_write(const char *path, const char *text);
char *kit_read(const char *path, char *out, size_t cap); /* "" when it is not there */

/* Filters: one that answers `verdict` to nr and lets the rest through. */
void kit_filter(struct kit *k, const int *nrs, size_t n, uint32_t verdict);
/* One that sends everything but sendmsg to the shim. */
void kit_filter_learn(struct kit *k);
void kit_arm(struct kit *k, int64_t ms_from_now);
void kit_unarmed(struct kit *k); /* a page without a deadline */
int64_t kit_boot_ns(void);

#endif
