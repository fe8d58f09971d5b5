/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket and its client: questions and answers, kept requests, the socket's file, and what each end says
 * when the other is not there. What peers do wrong: test_control_abuse.c.
 */
#include "node/control.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "node/nng_setup.h"
#include "tests/lib/control_bed.h"
#include "tests/lib/oom.h"
#include "tests/lib/wait.h"

#define NOBODY ((uint32_t)-1)

struct bed {
	struct tmpdir dir;
	char path[128];
	struct control_bed *server;
};

static int setup(void **state)
{
	static struct bed b;

	b.dir = tmpdir_make();
	(void)snprintf(b.path, sizeof(b.path), "%s/c.sock", b.dir.path);
	b.server = control_bed_start(b.path, NOBODY);
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	if (b->server)
		control_bed_stop(b->server);
	tmpdir_remove(&b->dir);
	return 0;
}

static void test_questions_and_answers(void **state)
{
	struct bed *b = *state;
	char want[128];

	control_bed_expect(b->path, "echo", NULL, 0, "{\"ok\":true,\"result\":{}}");
	control_bed_expect(b->path, "echo", "k", -5, "{\"ok\":true,\"result\":{\"k\":-5}}");
	control_bed_expect(
		b->path, "refuse", NULL, 0, "{\"ok\":false,\"code\":\"refused\",\"error\":\"no, because 42\"}");
	control_bed_expect(b->path, "faults", NULL, 0,
		"{\"ok\":false,\"code\":\"faults\",\"error\":\"1 fault\",\"faults\":[{\"line\":7}]}");
	control_bed_expect(b->path, "via", "k", 1, "{\"ok\":true,\"result\":{\"k\":1}}");
	control_bed_expect(b->path, "via", "refuse", 1, "{\"ok\":false,\"code\":\"refused\",\"error\":\"inner no\"}");
	(void)snprintf(want, sizeof(want), "{\"ok\":true,\"result\":{\"uid\":%d,\"gid\":%d,\"pid\":%d}}",
		(int)geteuid(), (int)getegid(), (int)getpid());
	control_bed_expect(b->path, "who", NULL, 0, want);
	assert_int_equal(control_bed_stat(b->path, "waiting"), 1); /* itself */
	assert_int_equal(control_bed_stat(b->path, "requests"), 11);
}

static void test_one_connection_asks_again_and_again(void **state)
{
	struct bed *b = *state;
	struct control_client *c = control_bed_connect(b->path);

	for (int i = 0; i < 300; i++) {
		char want[64], *got = control_bed_call(c, "echo", "i", i);

		(void)snprintf(want, sizeof(want), "{\"ok\":true,\"result\":{\"i\":%d}}", i);
		assert_string_equal(got, want);
		free(got);
	}
	control_client_close(c);
}

/* A call whose answer is read later. */
static void ask(struct control_client *c, const char *verb)
{
	struct bytes reply = {.max = 100};

	assert_int_equal(control_client_call(c, verb, NULL, 0, &reply, NULL), -ETIMEDOUT);
	bytes_done(&reply);
}

static void *hold(void *path)
{
	struct control_client *c = control_bed_connect(path);
	char *got = control_bed_call(c, "hold", NULL, 0);

	control_client_close(c);
	return got;
}

static void test_kept_requests_are_answered_later(void **state)
{
	struct bed *b = *state;
	pthread_t t[3];
	void *got;

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, hold, b->path), 0);
	WAIT_UNTIL(control_bed_stat(b->path, "held") == ARRAY_LEN(t), WAIT_BOUND_S);
	control_bed_expect(b->path, "free", NULL, 0, "{\"ok\":true,\"result\":3}");
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_int_equal(pthread_join(t[i], &got), 0);
		assert_non_null(strstr(got, "\"ok\":true"));
		free(got);
	}
}

static void test_a_call_has_a_bound_of_time(void **state)
{
	struct bed *b = *state;
	struct control_client *c = control_bed_connect(b->path);
	struct bytes reply = {.max = 100};
	struct err e = {0};

	assert_int_equal(control_client_call(c, "hold", NULL, 10, &reply, &e), -ETIMEDOUT);
	assert_string_equal(e.text, "hold: the daemon did not answer in time");
	assert_int_equal(control_client_call(c, "echo", NULL, 10, &reply, &e), -ENOTCONN);
	assert_int_equal(control_client_fd(c), -1);
	control_client_close(c);
	bytes_done(&reply);
}

/* The client leaves while its request is kept: told to the handler, ended without harm. */
static void test_who_leaves_while_waiting_is_gone(void **state)
{
	struct bed *b = *state;
	struct control_client *c = control_bed_connect(b->path);

	ask(c, "hold"); /* its time is over at once, and it closes */
	WAIT_UNTIL(control_bed_stat(b->path, "requests") >= 1, WAIT_BOUND_S);
	WAIT_UNTIL(control_bed_stat(b->path, "waiting") == 1, WAIT_BOUND_S); /* the one that asks */
	control_client_close(c);
}

static void test_big_answers_and_too_big_ones(void **state)
{
	struct bed *b = *state;
	struct control_client *c = control_bed_connect(b->path);
	struct bytes args = {.max = 64}, reply = {.max = CONTROL_FRAME_MAX}, large = {.max = 2 * CONTROL_FRAME_MAX};
	struct err e = {0};
	char *got;

	control_bed_pack(&args, "n", 10 * 1024 * 1024);
	assert_int_equal(control_client_call(c, "big", &args, -1, &reply, &e), 0);
	assert_in_range(reply.n, 10 * 1024 * 1024, 10 * 1024 * 1024 + 64);
	got = control_bed_call(c, "big", "n", CONTROL_FRAME_MAX);
	assert_non_null(strstr(got, "too large"));
	free(got);
	assert_int_equal(bytes_reserve(&large, CONTROL_FRAME_MAX), 0);
	large.n = CONTROL_FRAME_MAX;
	assert_int_equal(control_client_call(c, "echo", &large, -1, &reply, &e), -EMSGSIZE);
	assert_string_equal(e.text, "echo: the request is too large");
	got = control_bed_call(c, "echo", NULL, 0); /* nothing was sent: it goes on */
	free(got);
	bytes_done(&reply);
	reply.max = 100;
	assert_int_equal(control_client_call(c, "big", &args, -1, &reply, &e), -EFBIG);
	control_client_close(c);
	bytes_done(&args);
	bytes_done(&reply);
	bytes_done(&large);
}

static void cannot_open(const char *path, int rc, const char *words)
{
	struct control_client *c = NULL;
	struct err e = {0};

	assert_int_equal(control_client_open(path, &c, &e), rc);
	assert_null(c);
	if (!strstr(e.text, words))
		fail_msg("'%s' does not say '%s'", e.text, words);
}

static void test_the_client_says_why_it_cannot(void **state)
{
	struct bed *b = *state;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/none.sock", b->dir.path);
	cannot_open(path, -ECONNREFUSED, "is coveyd running?");
	cannot_open("/dev/null/x", -ECONNREFUSED, "is coveyd running?");
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	cannot_open(path, -ENAMETOOLONG, "too long");
}

static void test_a_daemon_that_stops_answers_first(void **state)
{
	struct bed *b = *state;
	pthread_t t;
	void *got;

	assert_int_equal(pthread_create(&t, NULL, hold, b->path), 0);
	WAIT_UNTIL(control_bed_stat(b->path, "held") == 1, WAIT_BOUND_S);
	control_bed_stop(b->server);
	b->server = NULL;
	assert_int_equal(pthread_join(t, &got), 0);
	assert_string_equal(got, "{\"ok\":false,\"code\":\"stopping\",\"error\":\"the daemon is stopping\"}");
	free(got);
	assert_int_equal(access(b->path, F_OK), -1);
	cannot_open(b->path, -ECONNREFUSED, "is coveyd running?");
}

static void *stop(void *server)
{
	control_bed_stop(server);
	return NULL;
}

static void test_an_answer_under_way_leaves_before_the_end(void **state)
{
	struct bed *b = *state;
	struct control_client *c = control_bed_connect(b->path);
	const int64_t size = 3 * 1024 * 1024;
	struct bytes args = {.max = 64}, reply = {.max = 0};
	static char junk[65536];
	size_t got = 0;
	pthread_t t;
	ssize_t n;
	int fd;

	control_bed_pack(&args, "n", size);
	fd = dup(control_client_fd(c));
	assert_int_equal(control_client_call(c, "big", &args, 0, &reply, NULL), -ETIMEDOUT); /* it asked; we read */
	WAIT_UNTIL(recv(fd, junk, 1, MSG_PEEK | MSG_DONTWAIT) == 1, WAIT_BOUND_S);
	assert_int_equal(pthread_create(&t, NULL, stop, b->server), 0);
	b->server = NULL;
	while ((n = recv(fd, junk, sizeof(junk), 0)) > 0)
		got += (size_t)n;
	assert_true(got > (size_t)size);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(close(fd), 0);
	control_client_close(c);
	bytes_done(&args);
	bytes_done(&reply);
}

static void test_a_daemon_that_is_gone_is_told(void **state)
{
	struct bed *b = *state;
	struct control_client *c = control_bed_connect(b->path);
	struct bytes reply = {.max = 100};
	struct err e = {0};

	control_bed_stop(b->server);
	b->server = NULL;
	assert_int_equal(control_client_call(c, "echo", NULL, -1, &reply, &e), -ECONNRESET);
	assert_non_null(strstr(e.text, "closed the connection"));
	control_client_close(c);
	bytes_done(&reply);
}

static void refused_to_listen(const char *path, int rc, const char *words)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct control *c = NULL;
	struct err e = {0};

	assert_int_equal(control_open(loop, path, NOBODY, NULL, NULL, &c, &e), rc);
	assert_null(c);
	if (!strstr(e.text, words))
		fail_msg("'%s' does not say '%s'", e.text, words);
	ev_loop_destroy(loop);
}

static void test_the_file(void **state)
{
	struct bed *b = *state;
	char path[256];
	struct stat st;

	assert_int_equal(stat(b->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	refused_to_listen(b->path, -EADDRINUSE, "another daemon answers");
	control_bed_expect(b->path, "echo", NULL, 0, "{\"ok\":true,\"result\":{}}"); /* and no harm was done to it */
	(void)snprintf(path, sizeof(path), "%s/file", b->dir.path);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	refused_to_listen(path, -EEXIST, "is no socket");
	refused_to_listen("/nonexistent/x.sock", -ENOENT, "/nonexistent/x.sock");
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	refused_to_listen(path, -ENAMETOOLONG, "too long");
}

static void test_a_stale_file_is_replaced(void **state)
{
	struct bed *b = *state;
	char aside[160];

	(void)snprintf(aside, sizeof(aside), "%s.aside", b->path);
	assert_int_equal(rename(b->path, aside), 0);
	control_bed_stop(b->server); /* unlinks its path, which is not there; aside has nobody behind it now */
	assert_int_equal(rename(aside, b->path), 0);
	cannot_open(b->path, -ECONNREFUSED, "is coveyd running?");
	b->server = control_bed_start(b->path, NOBODY);
	control_bed_expect(b->path, "echo", NULL, 0, "{\"ok\":true,\"result\":{}}");
}

static void test_a_removed_file_is_made_again(void **state)
{
	struct bed *b = *state;
	struct control_client *c = control_bed_connect(b->path);
	struct stat st;
	char *got;

	assert_int_equal(unlink(b->path), 0);
	cannot_open(b->path, -ECONNREFUSED, "is coveyd running?");
	got = control_bed_call(c, "rebind", NULL, 0); /* connections go on */
	assert_string_equal(got, "{\"ok\":true,\"result\":0}");
	free(got);
	got = control_bed_call(c, "rebind", NULL, 0);
	assert_non_null(strstr(got, "is there"));
	free(got);
	assert_int_equal(stat(b->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	control_bed_expect(b->path, "echo", NULL, 0, "{\"ok\":true,\"result\":{}}");
	got = control_bed_call(c, "echo", NULL, 0);
	free(got);
	control_client_close(c);
}

static void test_every_allocation_of_the_client_fails_once(void **state)
{
	struct bed *b = *state;

	OOM_LOOP (o) {
		struct bytes reply = {.max = 1000};
		struct control_client *c = NULL;
		struct err e = {0};
		int rc = control_client_open(b->path, &c, &e);

		if (rc == 0)
			rc = control_client_call(c, "echo", NULL, WAIT_BOUND_S * 1000, &reply, &e);
		if (oom_hit(&o))
			assert_true(rc == -ENOMEM || rc == -EFBIG);
		else
			assert_int_equal(rc, 0);
		control_client_close(c);
		bytes_done(&reply);
	}
}

/* Whether a call on a connection of its own was answered with a result. */
static bool try_call(const char *path, const char *verb, int64_t n)
{
	struct bytes args = {.max = 100}, reply = {.max = 1000};
	struct control_client *c = NULL;
	bool ok = false;
	int rc = control_client_open(path, &c, NULL);

	if (rc == 0) {
		control_bed_pack(&args, "n", n);
		rc = control_client_call(c, verb, &args, WAIT_BOUND_S * 1000, &reply, NULL);
		ok = rc == 0 && reply.v[4] == '\xc3'; /* {"ok": true */
	}
	if (rc < 0)
		assert_true(rc == -ECONNRESET || rc == -ECONNREFUSED);
	control_client_close(c);
	bytes_done(&args);
	bytes_done(&reply);
	return ok;
}

static void test_every_allocation_of_the_server_fails_once(void **state)
{
	struct bed *b = *state;
	int failed = 0;

	for (int n = 1; n < 40; n++) {
		WAIT_UNTIL(try_call(b->path, "oom", n), WAIT_BOUND_S);
		failed += !try_call(b->path, "echo", n);
		WAIT_UNTIL(try_call(b->path, "oom", 0), WAIT_BOUND_S);
	}
	assert_in_range(failed, 5, 35); /* and in the end none is left to fail */
	assert_int_equal(control_bed_stat(b->path, "waiting"), 1);
}

static void test_every_allocation_of_opening_fails_once(void **state)
{
	struct bed *b = *state;
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/other.sock", b->dir.path);
	OOM_LOOP (o) {
		struct control *c = NULL;
		struct err e = {0};
		int rc = control_open(loop, path, NOBODY, NULL, NULL, &c, &e);

		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		control_close(c);
	}
	ev_loop_destroy(loop);
}

static int stop_nng(void **state)
{
	(void)state;
	nng_teardown();
	return 0;
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_questions_and_answers),
		TEST(test_one_connection_asks_again_and_again),
		TEST(test_kept_requests_are_answered_later),
		TEST(test_a_call_has_a_bound_of_time),
		TEST(test_who_leaves_while_waiting_is_gone),
		TEST(test_big_answers_and_too_big_ones),
		TEST(test_the_client_says_why_it_cannot),
		TEST(test_a_daemon_that_stops_answers_first),
		TEST(test_an_answer_under_way_leaves_before_the_end),
		TEST(test_a_daemon_that_is_gone_is_told),
		TEST(test_the_file),
		TEST(test_a_stale_file_is_replaced),
		TEST(test_a_removed_file_is_made_again),
		TEST(test_every_allocation_of_the_client_fails_once),
		TEST(test_every_allocation_of_the_server_fails_once),
		TEST(test_every_allocation_of_opening_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, stop_nng);
}
