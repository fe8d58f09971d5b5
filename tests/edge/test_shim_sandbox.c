/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent may do and see: its user, capabilities, mounts, network, pid namespace and Landlock.
 */
#include <errno.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/lib/shimkit.h"

static int open_bed(void **state)
{
	static struct kit k;

	kit_open(&k);
	*state = &k;
	return 0;
}

static int close_bed(void **state)
{
	kit_close(*state);
	return 0;
}

/* Runs a script to its end and returns what it wrote. */
static const char *run(struct kit *k, struct kit_plan *p, const char *script)
{
	(void)remove(k->log_path);
	p->argv[2] = script;
	kit_run(k, p);
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_EXITED);
	return kit_log(k, NULL);
}

static void user_and_capabilities(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	const char *caps = "grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs):' /proc/self/status | tr -d '\\n\\t'";

	kit_plan(k, &p, "");
	p.p.uid = 4711;
	p.p.gid = 4712;
	assert_string_equal(run(k, &p, "id -u; id -g; id -G"), "4711\n4712\n4712\n");
	assert_string_equal(run(k, &p, caps),
		"CapInh:0000000000000000CapPrm:0000000000000000CapEff:0000000000000000CapBnd:0000000000000000"
		"CapAmb:0000000000000000NoNewPrivs:1\n");
	p.p.cap_keep = 1ull << 10; /* CAP_NET_BIND_SERVICE */
	p.p.flags &= ~SHIM_FLAG_NO_NEW_PRIVS;
	assert_string_equal(run(k, &p, caps),
		"CapInh:0000000000000400CapPrm:0000000000000400CapEff:0000000000000400CapBnd:0000000000000400"
		"CapAmb:0000000000000400NoNewPrivs:0\n");
	p.p.uid = p.p.gid = 0; /* root without capabilities is no root */
	p.p.cap_keep = 0;
	assert_string_equal(run(k, &p, caps),
		"CapInh:0000000000000000CapPrm:0000000000000000CapEff:0000000000000000CapBnd:0000000000000000"
		"CapAmb:0000000000000000NoNewPrivs:0\n");
}

static void a_filter_without_no_new_privs(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	const int none[] = {SYS_reboot};

	kit_filter(k, none, 1, K_SECCOMP_RET_USER_NOTIF);
	kit_plan(k, &p, "");
	p.p.flags &= ~SHIM_FLAG_NO_NEW_PRIVS;
	assert_string_equal(run(k, &p, "grep -E '^(Seccomp|NoNewPrivs|CapPrm):' /proc/self/status | tr -d '\\n\\t'"),
		"CapPrm:0000000000000000NoNewPrivs:0Seccomp:2\n");
}

static void read_only_root_with_writable_paths(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char data[100], script[1000];

	(void)snprintf(data, sizeof(data), "%s/data", k->dir.path);
	assert_int_equal(mkdir(data, 0777), 0);
	assert_int_equal(chmod(data, 0777), 0);
	assert_int_equal(chmod(k->dir.path, 0777), 0);
	kit_plan(k, &p, "");
	kit_mount(&p, SHIM_MOUNT_READ_ONLY, "/", NULL);
	kit_mount(&p, SHIM_MOUNT_WRITABLE, data, NULL);
	(void)snprintf(script, sizeof(script),
		"touch %s/no 2>&1 | grep -o 'Read-only'; touch /usr/no 2>/dev/null || echo usr; echo x >%s/yes && cat "
		"%s/yes;"
		"echo lost >/dev/null && echo null; head -c 3 /dev/zero | wc -c; echo 5 >/proc/self/oom_score_adj && "
		"echo proc;"
		"[ ! -d /dev/shm ] || { touch /dev/shm/covey-$$ && rm /dev/shm/covey-$$ && echo shm; }",
		k->dir.path, data, data);
	assert_string_equal(run(k, &p, script), "Read-only\nusr\nx\nnull\n3\nproc\nshm\n");
}

/* Others than root may not write there anyhow. */
static void the_kernels_settings_are_read_only_for_root(void **state)
{
	static const char look[] = "for f in sys/kernel/core_pattern sysrq-trigger self/comm; do "
				   "(: >/proc/$f) 2>/dev/null && echo $f; done";
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "");
	p.p.uid = p.p.gid = 0;
	kit_mount(&p, SHIM_MOUNT_READ_ONLY, "/", NULL);
	assert_string_equal(run(k, &p, look), "self/comm\n");
	kit_mount(&p, SHIM_MOUNT_WRITABLE, "/proc/sys", NULL);
	assert_string_equal(run(k, &p, look), "sys/kernel/core_pattern\nself/comm\n");
}

static void a_read_only_path_of_its_own(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char dir[100], script[300];

	(void)snprintf(dir, sizeof(dir), "%s/ro", k->dir.path);
	assert_int_equal(mkdir(dir, 0777), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(chmod(k->dir.path, 0777), 0);
	kit_plan(k, &p, "");
	kit_mount(&p, SHIM_MOUNT_READ_ONLY, dir, NULL);
	(void)snprintf(
		script, sizeof(script), "touch %s/x 2>/dev/null || echo no; touch %s/y && echo yes", dir, k->dir.path);
	assert_string_equal(run(k, &p, script), "no\nyes\n");
	assert_int_equal(access(tmpdir_path(&k->dir, "y"), F_OK), 0);
}

static void a_private_tmp(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char file[100], script[400];

	(void)snprintf(file, sizeof(file), "%s/kept", k->dir.path);
	kit_write(file, "kept\n");
	kit_plan(k, &p, "");
	kit_mount(&p, SHIM_MOUNT_READ_ONLY, "/", NULL);
	kit_mount(&p, SHIM_MOUNT_TMPFS, "/tmp", "mode=1777,size=1m");
	kit_mount(&p, SHIM_MOUNT_WRITABLE, file, NULL); /* below the tmpfs: its place is made again */
	(void)snprintf(script, sizeof(script),
		"find /tmp -type f; cat %s; echo x >/tmp/covey-mine && cat /tmp/covey-mine; head -c 2000000 /dev/zero "
		">/tmp/big "
		"2>/dev/null ||"
		" echo full; umount /tmp 2>/dev/null || echo stays",
		file);
	(void)snprintf(k->dir.joined, sizeof(k->dir.joined), "%s\nkept\nx\nfull\nstays\n", file);
	assert_string_equal(run(k, &p, script), k->dir.joined);
	assert_int_not_equal(access("/tmp/covey-mine", F_OK), 0);
}

static void mounts_that_fail_are_named(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "");
	kit_mount(&p, SHIM_MOUNT_WRITABLE, "/no/such/path", NULL);
	kit_start(k, &p);
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_START_FAILED);
	assert_int_equal(k->exit.stage, SHIM_STAGE_MOUNT);
	assert_int_equal(k->exit.error, ENOENT);
	assert_string_equal(k->exit.detail, "/no/such/path");
}

static void a_network_of_its_own(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "");
	p.p.flags |= SHIM_FLAG_NEW_NET;
	assert_string_equal(
		run(k, &p, "tail -n +3 /proc/net/dev | tr -d ' ' | cut -d: -f1; grep -c lo /proc/net/if_inet6"),
		"lo\n1\n");
}

static void a_pid_namespace_that_ends_with_the_shim(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char comm[64], path[64];
	int agent;

	kit_plan(k, &p, "echo $$; ls -d /proc/[0-9]* | tr '\\n' ' '; echo; (setsid sleep 1000 &) ; sleep 1001");
	p.p.flags |= SHIM_FLAG_NEW_PIDNS;
	kit_run(k, &p);
	kit_wait_log(k, "/proc/1 /proc/2 "); /* the init and the agent, and nobody of the host */
	assert_memory_equal(kit_log(k, NULL), "2\n", 2);
	assert_null(strstr(kit_log(k, NULL), "/proc/9"));
	agent = k->hello.pid; /* as the host sees it */
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", agent);
	assert_string_equal(kit_read(path, comm, sizeof(comm)), "sh\n");
	WAIT_UNTIL(kit_pids(k) == 3, WAIT_BOUND_S);
	assert_int_equal(kill(k->pid, SIGKILL), 0);
	WAIT_UNTIL(kit_pids(k) == 0, WAIT_BOUND_S);
}

static void a_pid_namespace_and_its_end(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "");
	p.p.flags |= SHIM_FLAG_NEW_PIDNS;
	p.argv[2] = "(setsid sleep 1000 &) ; sleep 0.1; exit 6";
	kit_run(k, &p);
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_EXITED);
	assert_int_equal(k->exit.code, 6);
	assert_int_equal(k->exit.leftovers, 1);
	p.argv[2] = "trap '' TERM; echo up; while :; do sleep 0.1; done";
	kit_run(k, &p);
	kit_wait_log(k, "up\n");
	kit_stop(k, SIGTERM, 50, SHIM_WHY_STOPPED, "");
	(void)kit_end(k);
	assert_int_equal(k->exit.signal, SIGKILL);
	assert_int_equal(kit_pids(k), 0);
}

static void landlock_refuses_writes(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char data[100], script[900];

	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) <= 0)
		TEST_SKIP_ALL("Landlock");
	(void)snprintf(data, sizeof(data), "%s/data", k->dir.path);
	assert_int_equal(mkdir(data, 0777), 0);
	assert_int_equal(chmod(data, 0777), 0);
	assert_int_equal(chmod(k->dir.path, 0777), 0);
	kit_plan(k, &p, "");
	p.p.flags |= SHIM_FLAG_LANDLOCK;
	kit_mount(&p, SHIM_MOUNT_WRITABLE, data, NULL);
	(void)snprintf(script, sizeof(script),
		"touch %s/no 2>/dev/null || echo refused; echo x >%s/a && mkdir %s/d && mv %s/a %s/d/b && cat %s/d/b; "
		"echo >/dev/null",
		k->dir.path, data, data, data, data, data);
	assert_string_equal(run(k, &p, script), "refused\nx\n");
	p.p.flags &= ~SHIM_FLAG_NO_NEW_PRIVS;
	(void)snprintf(script, sizeof(script), "touch %s/no 2>/dev/null || echo refused", k->dir.path);
	assert_string_equal(run(k, &p, script), "refused\n");
}

/* How many lines of the kernel's lists of IPC name a uid, and how many queues are its own. */
static int ipc_of(unsigned uid)
{
	char text[1 << 16], want[16];
	static const char *const lists[] = {"shm", "sem", "msg"};
	int n = 0;

	(void)snprintf(want, sizeof(want), " %5u ", uid);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		char path[32];

		(void)snprintf(path, sizeof(path), "/proc/sysvipc/%s", lists[i]);
		(void)kit_read(path, text, sizeof(text));
		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
			n += strstr(line, want) != NULL;
	}
	return n;
}

/* Shared memory, semaphores and a queue of System V, and a POSIX queue where they are mounted. */
static void what_it_leaves_in_ipc_is_removed(void **state)
{
	static const char make[] = "my $name = \"%s\"; my $q = syscall(%d, $name, 0102, 0600, 0);"
				   "my @ids = (shmget(0, 4096, 0600), semget(0, 1, 0600), msgget(0, 0600));"
				   "print scalar(grep { defined } @ids), \"\\n\"";
	struct kit *k = *state;
	struct kit_plan p;
	const unsigned uid = 62000 + (unsigned)getpid() % 2900; /* another run of this test has another */
	int ours = shmget(IPC_PRIVATE, 4096, 0600);
	char script[512], name[32], queue[64];

	assert_true(ours >= 0);
	kit_plan(k, &p, "");
	p.p.uid = p.p.gid = uid;
	p.argv[0] = "perl";
	p.argv[1] = "-e";
	(void)snprintf(name, sizeof(name), "covey-test-%d", (int)getpid()); /* fits; so below */
	(void)snprintf(queue, sizeof(queue), "/dev/mqueue/%s", name);
	(void)snprintf(script, sizeof(script), make, name, SYS_mq_open);
	assert_string_equal(run(k, &p, script), "3\n");
	assert_int_equal(ipc_of(uid), 3); /* of a user that has a name it stays */
	p.p.flags |= SHIM_FLAG_REMOVE_IPC;
	assert_string_equal(run(k, &p, script), "3\n");
	assert_int_equal(ipc_of(uid), 0);
	assert_int_equal(access(queue, F_OK), -1);
	assert_int_equal(shmctl(ours, IPC_RMID, NULL), 0); /* of others too */
	(void)syscall(SYS_mq_unlink, name);		   /* where queues are not mounted it is still there */
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_bed, close_bed)
	const struct CMUnitTest tests[] = {
		CASE(user_and_capabilities),
		CASE(a_filter_without_no_new_privs),
		CASE(read_only_root_with_writable_paths),
		CASE(the_kernels_settings_are_read_only_for_root),
		CASE(a_read_only_path_of_its_own),
		CASE(a_private_tmp),
		CASE(mounts_that_fail_are_named),
		CASE(a_network_of_its_own),
		CASE(a_pid_namespace_that_ends_with_the_shim),
		CASE(a_pid_namespace_and_its_end),
		CASE(landlock_refuses_writes),
		CASE(what_it_leaves_in_ipc_is_removed),
	};

	if (getenv("CASE"))
		cmocka_set_test_filter(getenv("CASE"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
