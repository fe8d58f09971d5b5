/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of a real daemon, asked for over HTTP and by the real command.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "tests/lib/daemon.h"
#include "tests/lib/following.h"
#include "tests/lib/wait.h"

static struct daemon_bed bed;

static int begin(void **state)
{
	(void)state;
	daemon_init(&bed);
	daemon_start(&bed);
	return 0;
}

static int end(void **state)
{
	(void)state;
	daemon_done(&bed);
	return 0;
}

/* ---- over HTTP ---- */

static uint16_t http_port_of(struct daemon_bed *d)
{
	char line[4096];
	unsigned port = 0;
	FILE *f = fopen(tmpdir_path(&d->dir, "coveyd.log"), "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) { /* the last one counts */
		const char *at = strstr(line, "metrics: http://127.0.0.1:");

		if (at)
			(void)sscanf(at, "metrics: http://127.0.0.1:%u", &port);
	}
	(void)fclose(f); /* read only */
	assert_in_range(port, 1, UINT16_MAX);
	return (uint16_t)port;
}

static int http_ask(struct daemon_bed *d, const char *target)
{
	const struct sockaddr_in sa = {
		.sin_family = AF_INET, .sin_port = htons(http_port_of(d)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval bound = {.tv_sec = WAIT_BOUND_S};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[512];

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound)), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	(void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	return fd;
}

static void http_says(int fd, const char *status, const char *words)
{
	static char reply[1 << 20];
	size_t n = 0;
	ssize_t r;

	while (n < sizeof(reply) - 1 && (r = recv(fd, reply + n, sizeof(reply) - 1 - n, 0)) > 0)
		n += (size_t)r;
	reply[n] = '\0';
	assert_int_equal(close(fd), 0);
	if (!strstr(reply, status) || !strstr(reply, words))
		fail_msg("wanted %s and %s, got '%s'", status, words, reply);
}

/* Who waits is answered when there is something, or its time is up; the daemon serves others meanwhile. */
static void test_http_may_wait(void **state)
{
	int nothing, news;

	(void)state;
	nothing = http_ask(&bed, "/v1/events?after=n1:99999&wait_ms=1000");
	news = http_ask(&bed, "/v1/events?agent=news&wait_ms=2000");
	http_says(http_ask(&bed, "/health/live"), " 200 ", "live\n");
	daemon_run(&bed, "name: news\ncommand: [/bin/sleep, \"1000\"]\n");
	http_says(news, " 200 ", "\"agent\":\"news\"");
	http_says(nothing, " 200 ", "\"events\":[]");
	http_says(http_ask(&bed, "/v1/events?wait_ms=9999"), " 400 ", "wait_ms");
}

/* The daemon ends while some wait: told or closed, it ends in order. */
static void test_http_waits_while_the_daemon_ends(void **state)
{
	int fd[8], status;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		fd[i] = http_ask(&bed, "/v1/events?after=n1:99999&wait_ms=2000");
	http_says(http_ask(&bed, "/health/live"), " 200 ", "live\n");
	assert_int_equal(kill(bed.pid, SIGTERM), 0);
	assert_int_equal(waitpid(bed.pid, &status, 0), bed.pid);
	bed.pid = 0;
	assert_int_equal(status, 0);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		http_says(fd[i], "", "");
	daemon_start(&bed);
}

/* ---- by the command ---- */

static void test_followed_from_the_last_few(void **state)
{
	AUTO_FOLLOWING struct following f = {.pid = 0};

	(void)state;
	for (int i = 0; i < 6; i++) {
		daemon_run(&bed, "name: before\ncommand: [/bin/sleep, \"1000\"]\n");
		assert_true(daemon_ok(daemon_call(&bed, "remove", "agent=before")));
	}
	following_begin(&f, &(struct run){.socket = bed.socket,
				    .argv = (const char *const[]){"events", "-f", "--agent", "before", NULL}});
	following_until(&f, "before: removed");
	assert_non_null(strstr(f.text.v, "before.0: started"));
	daemon_run(&bed, "name: before\ncommand: [/bin/sleep, \"2000\"]\nreplicas: 2\n");
	following_until(&f, "before.1: started");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_may_wait),
		cmocka_unit_test(test_http_waits_while_the_daemon_ends),
		cmocka_unit_test(test_followed_from_the_last_few),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, begin, end);
}
