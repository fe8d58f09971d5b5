/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A leased replica on a real node: nothing of it starts before it may, it lives while it is renewed, and its fuse ends
 * it when it is not, whatever became of the daemon; the next daemon goes on renewing the same process. The node is this
 * program again, as coveyd, with a stand-in for those that decide about leases: it does what the file `order` of the
 * bed says, and says in the file `state` how things are.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/nng_setup.h"
#include "node/node.h"
#include "node/node_run.h"
#include "tests/lib/daemon.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

#define PLAYS	   "COVEY_TEST_PLAYS" /* the bed's folder: be the node */
#define PLAY_EVERY 0.05
#define EPOCH	   7

/* ---- the node ---- */

struct play {
	struct node *n;
	const char *dir;
	ev_timer timer;
	unsigned renewed, noted;
};

static void note(void *arg, struct runner *r)
{
	struct play *p = arg;

	(void)r;
	p->noted++;
}

static void write_state(const struct play *p, const struct runner *r, int64_t until_ms)
{
	char path[256], text[256];

	(void)snprintf(path, sizeof(path), "%s/state", p->dir);
	(void)snprintf(text, sizeof(text), "renewed=%u noted=%u armed=%d empty=%d until=%" PRId64 " told=%" PRId64 "\n",
		p->renewed, p->noted, runner_is_armed(r), runner_is_empty(r), runner_until_ms(r), until_ms);
	(void)io_replace_file(AT_FDCWD, path, text, strlen(text), 0644, false, NULL); /* the test waits for it */
}

/* "run EPOCH MS", "unarmed EPOCH", "stop EPOCH"; anything else: nothing is renewed. */
static void on_play(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct play *p = w->data;
	struct runner *r = roster_runner(p->n, "web.0");
	char path[256], word[16] = "";
	unsigned long epoch = 0, ms = 0;
	int64_t until_ms = 0;
	FILE *f;

	(void)loop;
	(void)revents;
	(void)snprintf(path, sizeof(path), "%s/order", p->dir);
	f = fopen(path, "re");
	if (f && fscanf(f, "%15s %lu %lu", word, &epoch, &ms) < 1)
		word[0] = '\0';
	if (f)
		(void)fclose(f); /* read only */
	if (!r)
		return;
	r->lease_fn = note;
	r->lease_arg = p;
	if (strcmp(word, "run") == 0)
		until_ms = node_now(p->n).boot_ms + (int64_t)ms;
	else if (strcmp(word, "unarmed") == 0)
		until_ms = FUSE_PAGE_UNARMED;
	if (until_ms > 0) {
		runner_lease(r, epoch, until_ms);
		p->renewed++;
	} else if (strcmp(word, "stop") == 0) {
		(void)node_now(p->n);
		runner_lease(r, epoch, 0);
		runner_stop(r, SHIM_WHY_STOPPED, "its slot is another's");
	}
	write_state(p, r, until_ms);
}

static int play(const char *file, const char *dir)
{
	const struct sigaction reap = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT | SA_NOCLDSTOP};
	static struct spec_faults faults;
	struct play p = {.dir = dir};
	struct config *cfg = NULL;
	struct err e = {0};
	char path[256];
	sigset_t set;
	int rc;

	(void)sigaction(SIGCHLD, &reap, NULL); /* all as in node/main.c */
	sigfillset(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	if (spawn_reserve_fds(&e) < 0 || config_load(file, &cfg, &faults) < 0 || nng_setup(&e) < 0)
		return 2;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	(void)pthread_sigmask(SIG_SETMASK, &set, NULL);
	log_to(NULL, LOG_LEVEL_DEBUG);
	rc = node_open(cfg, &p.n, &e);
	if (rc < 0)
		log_err("%s", e.text);
	else {
		(void)snprintf(path, sizeof(path), "%s/state", dir);
		(void)unlink(path); /* of the node before */
		p.n->leases = true;
		MAP_FOREACH (at, &p.n->roster.runners)
			CONTAINER_OF(at, struct runner, by_stem)->leased = true; /* those that were loaded */
		ev_timer_init(&p.timer, on_play, 0., PLAY_EVERY);
		p.timer.data = &p;
		ev_timer_start(p.n->loop, &p.timer);
		rc = node_run(p.n);
		ev_timer_stop(p.n->loop, &p.timer);
	}
	if (p.n)
		node_close(p.n);
	nng_teardown();
	config_free(cfg);
	return rc < 0;
}

/* ---- the test ---- */

static void order(struct daemon_bed *d, const char *text)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/order", d->dir.path);
	assert_int_equal(io_replace_file(AT_FDCWD, path, text, strlen(text), 0644, false, NULL), 0);
}

/* `ms` on a plain host, in the words of `order`. */
static void order_run(struct daemon_bed *d, int64_t ms)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "run %d %" PRId64 "\n", EPOCH, ms);
	order(d, text);
}

static int slow(void)
{
	return wait_bound_s() / 30;
}

/* -1: the node says nothing of it. */
static int64_t state_of(struct daemon_bed *d, const char *name)
{
	char key[32], text[256] = "";
	const char *at;
	FILE *f = fopen(tmpdir_path(&d->dir, "state"), "r");

	if (f && !fgets(text, sizeof(text), f))
		text[0] = '\0';
	if (f)
		(void)fclose(f); /* read only */
	(void)snprintf(key, sizeof(key), "%s=", name);
	at = strstr(text, key);
	return at ? strtoll(at + strlen(key), NULL, 10) : -1;
}

static int64_t boot_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t); /* cannot fail on Linux */
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* So many renewals from now on. */
static void wait_renewals(struct daemon_bed *d, int n)
{
	int64_t from = state_of(d, "renewed");

	WAIT_UNTIL(state_of(d, "renewed") >= from + n, WAIT_BOUND_S);
}

/* web.0 is applied, and waits for its lease. */
static void begin(struct daemon_bed *d)
{
	daemon_init(d);
	d->program = "/proc/self/exe";
	assert_int_equal(setenv(PLAYS, d->dir.path, 1), 0);
	daemon_start(d);
	assert_true(daemon_ok(daemon_apply(d, "name: web\n"
					      "command: [/bin/sh, -c, \"trap '' TERM; (setsid sleep 1000 &); "
					      "while :; do sleep 0.1; done\"]\n"
					      "isolation: stop\n"
					      "stop: {timeout: 200ms}\n"
					      "restart: {initial: 10ms}\n")));
	WAIT_UNTIL(daemon_state_is(d, "web.0", "starting"), WAIT_BOUND_S);
	WAIT_UNTIL(state_of(d, "empty") == 1, WAIT_BOUND_S);
}

static int wait_running(struct daemon_bed *d)
{
	WAIT_UNTIL(daemon_pid_of(d, "web.0") > 0, WAIT_BOUND_S);
	return daemon_pid_of(d, "web.0");
}

/* Its pid, under a lease of so many ms. */
static int run(struct daemon_bed *d, int64_t ms)
{
	order_run(d, ms);
	return wait_running(d);
}

static void is_fenced(struct daemon_bed *d)
{
	struct daemon_replica r;

	WAIT_UNTIL(state_of(d, "empty") == 1 && daemon_state_is(d, "web.0", "starting"), WAIT_BOUND_S);
	assert_true(daemon_replica(d, "web.0", &r));
	assert_string_equal(r.reason, "fenced");
	WAIT_UNTIL(daemon_processes(d) == 0, WAIT_BOUND_S); /* its descendant too */
}

static bool has_env(int pid, const char *text)
{
	char path[64], v[16384];
	AUTO_CLOSE int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, v, sizeof(v));
	return n > 0 && memmem(v, (size_t)n, text, strlen(text) + 1);
}

static void test_it_starts_when_it_may(void **state)
{
	struct daemon_bed d;
	int pid;

	(void)state;
	begin(&d);
	assert_int_equal(daemon_processes(&d), 0);
	order(&d, "run 7 0\n"); /* until now: no time is left */
	wait_renewals(&d, 3);
	assert_true(daemon_state_is(&d, "web.0", "starting"));
	assert_int_equal(daemon_processes(&d), 0);
	pid = run(&d, 5000 * slow());
	assert_true(has_env(pid, "COVEY_EPOCH=7"));
	assert_int_equal(state_of(&d, "empty"), 0);
	WAIT_UNTIL(state_of(&d, "armed") == 1, WAIT_BOUND_S);
	daemon_done(&d);
}

/* It lives for twice its lease and more; then it dies, and is started again under the next one. */
static void test_renewed_it_lives(void **state)
{
	int64_t tf_ms = 4000 * slow(), last;
	struct daemon_bed d;
	int pid;

	(void)state;
	begin(&d);
	pid = run(&d, tf_ms);
	last = boot_ms() + 2 * tf_ms;
	WAIT_UNTIL(state_of(&d, "until") > last + tf_ms, WAIT_BOUND_S + 8 * tf_ms / 1000);
	assert_int_equal(daemon_pid_of(&d, "web.0"), pid);
	order(&d, "none\n");
	WAIT_UNTIL(proc_is_gone(pid), WAIT_BOUND_S);
	assert_true(boot_ms() >= state_of(&d, "told"));
	is_fenced(&d);
	assert_int_not_equal(run(&d, tf_ms), pid);
	daemon_done(&d);
}

static void test_without_a_daemon_it_dies_at_its_deadline(void **state)
{
	int64_t tf_ms = 4000 * slow(), told;
	struct daemon_bed d;
	int pid;

	(void)state;
	begin(&d);
	pid = run(&d, tf_ms);
	wait_renewals(&d, 3);
	told = state_of(&d, "until");
	daemon_kill(&d, SIGKILL);
	order(&d, "none\n");
	WAIT_UNTIL(proc_is_gone(pid), WAIT_BOUND_S);
	assert_true(boot_ms() >= told);
	daemon_start(&d);
	is_fenced(&d);
	(void)run(&d, tf_ms);
	daemon_done(&d);
}

static void test_the_next_daemon_renews_the_same_process(void **state)
{
	struct daemon_bed d;
	int pid;

	(void)state;
	begin(&d);
	pid = run(&d, 4000 * slow());
	for (int i = 0; i < 2; i++) {
		int64_t until;

		wait_renewals(&d, 3);
		daemon_kill(&d, SIGKILL);
		until = state_of(&d, "until");
		daemon_start(&d);
		assert_int_equal(daemon_pid_of(&d, "web.0"), pid);
		WAIT_UNTIL(boot_ms() > until + 500, WAIT_BOUND_S + 8 * slow()); /* the deadline of before has come */
		assert_int_equal(daemon_pid_of(&d, "web.0"), pid);
		assert_true(state_of(&d, "until") > until);
	}
	order(&d, "none\n");
	is_fenced(&d);
	daemon_done(&d);
}

/* Of a cluster of one: no deadline, until the next daemon gives it its first. */
static void test_unarmed_it_outlives_its_daemons(void **state)
{
	struct daemon_bed d;
	int pid;

	(void)state;
	begin(&d);
	order(&d, "unarmed 7\n");
	pid = wait_running(&d);
	WAIT_UNTIL(state_of(&d, "until") == FUSE_PAGE_UNARMED, WAIT_BOUND_S);
	assert_int_equal(state_of(&d, "armed"), 0);
	daemon_kill(&d, SIGKILL);
	order(&d, "none\n");
	daemon_start(&d);
	WAIT_UNTIL(state_of(&d, "empty") == 0, WAIT_BOUND_S);
	assert_int_equal(daemon_pid_of(&d, "web.0"), pid);
	assert_int_equal(state_of(&d, "armed"), 0);
	order_run(&d, 4000 * slow());
	WAIT_UNTIL(state_of(&d, "armed") == 1, WAIT_BOUND_S);
	wait_renewals(&d, 100 * slow()); /* more than its lease */
	assert_int_equal(daemon_pid_of(&d, "web.0"), pid);
	order(&d, "unarmed 7\n"); /* never again */
	WAIT_UNTIL(proc_is_gone(pid), WAIT_BOUND_S);
	daemon_done(&d);
}

/* It is stopped as any, is not started again at that epoch, and is at the next. */
static void test_a_slot_that_is_anothers(void **state)
{
	struct daemon_bed d;

	(void)state;
	begin(&d);
	(void)run(&d, 30000 * slow());
	order(&d, "stop 7\n");
	WAIT_UNTIL(state_of(&d, "empty") == 1, WAIT_BOUND_S);
	assert_int_equal(daemon_processes(&d), 0);
	assert_true(daemon_ok(daemon_call(&d, "start", "target=web")));
	wait_renewals(&d, 0);
	assert_int_equal(daemon_processes(&d), 0);
	order(&d, "run 9 30000\n");
	assert_true(has_env(wait_running(&d), "COVEY_EPOCH=9"));
	order(&d, "stop 9\n");
	WAIT_UNTIL(state_of(&d, "empty") == 1, WAIT_BOUND_S);
	order(&d, "run 8 30000\n"); /* an older one is none */
	assert_true(daemon_ok(daemon_call(&d, "start", "target=web")));
	WAIT_UNTIL(daemon_state_is(&d, "web.0", "starting"), WAIT_BOUND_S);
	wait_renewals(&d, 3);
	assert_int_equal(daemon_processes(&d), 0);
	daemon_done(&d);
}

/* The death of its shim is that of all that it started, though nobody is there to see to it. */
static void test_nothing_outlives_its_shim(void **state)
{
	struct daemon_bed d;
	int64_t until;
	int pid, shim;

	(void)state;
	begin(&d);
	pid = run(&d, 60000 * slow());
	WAIT_UNTIL(daemon_processes(&d) >= 3, WAIT_BOUND_S); /* the shell, one in a session of its own, one more */
	shim = proc_parent(pid);
	until = state_of(&d, "until");
	daemon_kill(&d, SIGKILL);
	assert_int_equal(kill(shim, SIGKILL), 0);
	WAIT_UNTIL(daemon_processes(&d) == 0, WAIT_BOUND_S);
	assert_true(boot_ms() < until);
	daemon_done(&d);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_starts_when_it_may),
		cmocka_unit_test(test_renewed_it_lives),
		cmocka_unit_test(test_without_a_daemon_it_dies_at_its_deadline),
		cmocka_unit_test(test_the_next_daemon_renews_the_same_process),
		cmocka_unit_test(test_unarmed_it_outlives_its_daemons),
		cmocka_unit_test(test_a_slot_that_is_anothers),
		cmocka_unit_test(test_nothing_outlives_its_shim),
	};
	char shim[PATH_MAX];

	if (argc > 2 && strcmp(argv[1], "-c") == 0)
		return play(argv[2], getenv(PLAYS));
	daemon_need_root();
	assert_non_null(realpath("./covey-shim", shim)); /* which the node does not find beside itself */
	assert_int_equal(setenv("COVEY_SHIM", shim, 1), 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
