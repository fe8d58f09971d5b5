/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The longest names of a node and an agent, under the longest run_dir: their sockets' paths are longer than a socket's
 * name may be, and still the replica starts, notifies, is probed, is found again and stops.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "node/config.h"
#include "supervisor/shim_proto.h"
#include "tests/lib/daemon.h"
#include "tests/lib/wait.h"

/* Says READY=1 each time that it is told to by USR1, as it did at its start. */
#define SPEAKS                                                                                      \
	"command: [/usr/bin/perl, -MSocket, -e, \"socket(S, AF_UNIX, SOCK_DGRAM, 0); sub say_so { " \
	"send(S, qq(READY=1\\nSTATUS=$$_[0]), 0, sockaddr_un($$ENV{NOTIFY_SOCKET})) or die $$! } "  \
	"$$SIG{USR1} = sub { say_so(qq(again)) }; say_so(qq(first)); sleep 1000 while 1\"]\n"

static struct daemon_bed bed;
static char agent[NAME_MAX_LEN + 1], id[REPLICA_ID_MAX];

static void longest(char *out, char c)
{
	memset(out, c, NAME_MAX_LEN);
	out[NAME_MAX_LEN] = '\0';
}

/* A run_dir of the bed's, of exactly the bytes that the configuration takes. */
static void long_run_dir(void)
{
	int n = snprintf(bed.run_dir, sizeof(bed.run_dir), "%s/", bed.dir.path);

	memset(bed.run_dir + n, 'r', (size_t)(CONFIG_RUN_DIR_MAX - n));
	bed.run_dir[CONFIG_RUN_DIR_MAX] = '\0';
	(void)snprintf(bed.socket, sizeof(bed.socket), "%s/covey.sock", bed.run_dir);
}

static bool is_well(struct daemon_replica *r)
{
	return daemon_replica(&bed, id, r) && strcmp(r->state, "running") == 0 && strcmp(r->health, "healthy") == 0;
}

static bool says(const char *status)
{
	return daemon_call(&bed, "status", NULL) && memmem(bed.reply.v, bed.reply.n, status, strlen(status));
}

static int64_t probes_so_far(void)
{
	return daemon_size(&bed, "probed");
}

/* Files in run_dir/shims, and whether each could be a socket's name where it lies. */
static int shim_files(bool *ret_all_short)
{
	char path[CONFIG_RUN_DIR_MAX + 16];
	const struct dirent *de;
	int n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/shims", bed.run_dir);
	d = opendir(path);
	assert_non_null(d);
	*ret_all_short = true;
	while ((de = readdir(d))) {
		if (de->d_name[0] == '.')
			continue;
		n++;
		*ret_all_short = *ret_all_short && strlen(path) + 1 + strlen(de->d_name) <= SHIM_SUN_PATH_MAX;
	}
	(void)closedir(d); /* read only */
	return n;
}

static void define_agent(void)
{
	char text[2048], name[NAME_MAX_LEN + 32];

	longest(bed.name, 'n');
	longest(agent, 'a');
	(void)snprintf(id, sizeof(id), "%s/%s.0", bed.name, agent);
	assert_int_equal(mkdir(tmpdir_path(&bed.dir, "agents.d"), 0755), 0);
	(void)daemon_file(&bed, "probed", "", 0666);
	(void)snprintf(text, sizeof(text),
		"name: %s\n" SPEAKS "sandbox: {writable: [%s/probed]}\n"
		"health: {readiness: {notify: {}}, "
		"liveness: {exec: {command: [/bin/sh, -c, \"echo >> %s/probed\"]}, every: 100ms, after: 0}}\n",
		agent, bed.dir.path, bed.dir.path);
	(void)snprintf(name, sizeof(name), "agents.d/%s.yaml", agent);
	(void)daemon_file(&bed, name, text, 0644);
}

static void test_the_longest_names(void **state)
{
	struct daemon_replica r;
	bool all_short;
	int64_t before;
	int pid;

	(void)state;
	daemon_start(&bed);
	WAIT_UNTIL(is_well(&r), WAIT_BOUND_S); /* ready by its own word */
	WAIT_UNTIL(probes_so_far() > 0, WAIT_BOUND_S);
	assert_int_equal(shim_files(&all_short), 2);
	assert_false(all_short); /* or this proves nothing */
	pid = r.pid;
	for (int i = 0; i < 3; i++) {
		daemon_kill(&bed, SIGKILL);
		before = probes_so_far();
		daemon_start(&bed);
		WAIT_UNTIL(is_well(&r), WAIT_BOUND_S);
		assert_int_equal(r.pid, pid);
		assert_int_equal(r.restarts, 0);
		WAIT_UNTIL(probes_so_far() > before, WAIT_BOUND_S);
		assert_int_equal(shim_files(&all_short), 2);
	}
	assert_int_equal(kill(pid, SIGUSR1), 0);
	WAIT_UNTIL(says("again"), WAIT_BOUND_S);
	assert_true(is_well(&r));
	assert_int_equal(r.pid, pid);
	assert_true(daemon_ok(daemon_call(&bed, "stop", "all=true")));
	WAIT_UNTIL(daemon_state_is(&bed, id, "stopped"), WAIT_BOUND_S);
	WAIT_UNTIL(shim_files(&all_short) == 0, WAIT_BOUND_S);
}

static int begin(void **state)
{
	(void)state;
	daemon_init(&bed);
	long_run_dir();
	define_agent();
	return 0;
}

static int end(void **state)
{
	(void)state;
	daemon_done(&bed);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_longest_names, begin, end),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
