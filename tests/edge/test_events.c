/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of a real daemon, asked for over HTTP and by the real command.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sqlite3.h>
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

static bool http_has(int fd, const char *status, const char *words, const char **ret)
{
	static char reply[1 << 20];
	size_t n = 0;
	ssize_t r;

	while (n < sizeof(reply) - 1 && (r = wait_recv(fd, reply + n, sizeof(reply) - 1 - n)) > 0)
		n += (size_t)r;
	reply[n] = '\0';
	assert_int_equal(close(fd), 0);
	*ret = reply;
	return strstr(reply, status) && strstr(reply, words);
}

static void http_says(int fd, const char *status, const char *words)
{
	const char *reply;

	if (!http_has(fd, status, words, &reply))
		fail_msg("wanted %s and %s, got '%s'", status, words, reply);
}

/* Who waits is answered when there is something, or its time is up; the daemon serves others meanwhile. */
static void test_http_may_wait(void **state)
{
	const char *reply;
	int nothing, news;

	(void)state;
	nothing = http_ask(&bed, "/v1/events?after=n1:99999&wait_ms=1000");
	news = http_ask(&bed, "/v1/events?agent=news&wait_ms=2000");
	http_says(http_ask(&bed, "/health/live"), " 200 ", "live\n");
	daemon_run(&bed, "name: news\ncommand: [/bin/sleep, \"1000\"]\n");
	if (!http_has(news, " 200 ", "\"agent\":\"news\"", &reply)) /* its time was up before: a slow host */
		http_says(http_ask(&bed, "/v1/events?agent=news&wait_ms=2000"), " 200 ", "\"agent\":\"news\"");
	http_says(nothing, " 200 ", "\"events\":[]");
	http_says(http_ask(&bed, "/v1/events?wait_ms=9999"), " 400 ", "wait_ms");
}

/* By SIGTERM, and in order. */
static void end_daemon(void)
{
	int status;

	assert_int_equal(kill(bed.pid, SIGTERM), 0);
	assert_int_equal(waitpid(bed.pid, &status, 0), bed.pid);
	bed.pid = 0;
#ifdef __SANITIZE_THREAD__
	status = WEXITSTATUS(status) == 66 ? 0 : status; /* it told of nng's own threads, whose locks it does not see */
#endif
	assert_int_equal(status, 0);
}

/* The daemon ends while some wait: they are told, or closed. */
static void test_http_waits_while_the_daemon_ends(void **state)
{
	int fd[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		fd[i] = http_ask(&bed, "/v1/events?after=n1:99999&wait_ms=2000");
	http_says(http_ask(&bed, "/health/live"), " 200 ", "live\n");
	end_daemon();
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

/* ---- further back than memory reaches ---- */

#define OLD_SEQ 100000 /* the first of them; higher than any that the daemon has given yet */
#define OLD_N	4000
#define OLD_MS	1000000000000 /* September 2001; one each second */

/* Puts events into the store of a daemon that is not running: each hundredth is of the agent "rare". */
static void add_old_events(void)
{
	sqlite3 *db = NULL;
	char sql[512];

	(void)snprintf(sql, sizeof(sql),
		"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<%d) INSERT INTO events "
		"SELECT %d+i, %lld+1000*i, 'info', 'test', iif(i%%100=0,'rare','common'), NULL, 'event '||i, NULL FROM "
		"n",
		OLD_N - 1, OLD_SEQ, (long long)OLD_MS);
	assert_int_equal(sqlite3_open(tmpdir_path(&bed.dir, "data/covey.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* How many of the old ones were printed; they must follow one another in steps of `step`, from `first` on. */
static int old_ones(const struct ran *r, int first, int step)
{
	int n = 0, i;

	if (r->status != 0)
		fail_msg("covey events: %s", r->err.v);
	for (const char *at = r->out.v; (at = strstr(at, ": event ")); at++, n++) {
		assert_int_equal(sscanf(at, ": event %d", &i), 1);
		assert_int_equal(i, first + n * step);
	}
	return n;
}

static void test_all_that_is_on_disk_is_reached(void **state)
{
	(void)state;
	end_daemon();
	add_old_events();
	daemon_start(&bed);
	{
		AUTO_RAN struct ran all = RUN(bed.socket, "events");
		AUTO_RAN struct ran rare = RUN(bed.socket, "events", "--agent", "rare");
		AUTO_RAN struct ran since = RUN(bed.socket, "events", "--since", "2001-09-09T02:00:00Z");
		AUTO_RAN struct ran both =
			RUN(bed.socket, "events", "--since", "2001-09-09T02:00:00Z", "--agent", "rare");
		AUTO_RAN struct ran after = RUN(bed.socket, "events", "--after", "n1:100010", "--json");

		assert_int_equal(old_ones(&all, 0, 1), OLD_N);
		assert_int_equal(old_ones(&rare, 0, 100), OLD_N / 100);
		assert_int_equal(old_ones(&since, 800, 1), OLD_N - 800); /* the first was at 01:46:40 */
		assert_int_equal(old_ones(&both, 800, 100), OLD_N / 100 - 8);
		assert_null(strstr(after.out.v, "\"n1:100010\""));
		assert_non_null(strstr(after.out.v, "\"n1:100011\""));
		assert_non_null(strstr(after.out.v, "\"n1:103999\""));
	}
}

static uint32_t n_events(const msgpack_object *reply)
{
	assert_true(daemon_ok(reply));
	return mp_get(mp_get(reply, "result"), "events")->via.array.size;
}

/* The newest few, some of which memory has: all of the agent "rare" but the newest 10 are on disk alone. */
static void test_the_newest_few_are_found_on_disk(void **state)
{
	const msgpack_object *reply;

	(void)state;
	reply = daemon_call(&bed, "events", "agent=rare,tail=15");
	assert_int_equal(n_events(reply), 15);
	assert_string_equal(
		daemon_text(&mp_get(mp_get(reply, "result"), "events")->via.array.ptr[0], "id"), "n1:102500");
	assert_int_equal(n_events(daemon_call(&bed, "events", "agent=rare,tail=100")), OLD_N / 100);
	assert_int_equal(n_events(daemon_call(&bed, "events", "agent=rare,tail=5")), 5);
	assert_int_equal(n_events(daemon_call(&bed, "events", "agent=nobody,tail=5")), 0);
	assert_int_equal(n_events(daemon_call(&bed, "events", "agent=rare,max=7")), 7);
	http_says(http_ask(&bed, "/v1/events?agent=rare&max=3"), " 200 ", "\"text\":\"event 200\"");
}

/* Why an agent is as it is, also when a thousand other things have happened since. */
static void test_decisions_of_long_ago(void **state)
{
	const msgpack_object *list;

	(void)state;
	daemon_run(&bed, "name: rare\ncommand: [/bin/sleep, \"1000\"]\n");
	list = mp_get(mp_get(daemon_call(&bed, "explain", "agent=rare"), "result"), "decisions");
	assert_int_equal(list->via.array.size, 20);
	for (uint32_t i = 1; i < 20; i++) {
		char before[64];

		(void)snprintf(before, sizeof(before), "%.63s", daemon_text(&list->via.array.ptr[i - 1], "time"));
		assert_true(strcmp(before, daemon_text(&list->via.array.ptr[i], "time")) <= 0);
	}
	assert_non_null(strstr(daemon_text(&list->via.array.ptr[0], "why"), "event "));
	http_says(http_ask(&bed, "/v1/explain?agent=rare"), " 200 ", "\"decisions\":[");
}

/* The daemon ends while pages are being read. */
static void test_it_may_end_while_it_reads(void **state)
{
	int fd[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		fd[i] = http_ask(&bed, i % 2 ? "/v1/events?agent=nobody&wait_ms=2000" : "/v1/explain?agent=rare");
	end_daemon();
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		assert_int_equal(close(fd[i]), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_may_wait),
		cmocka_unit_test(test_http_waits_while_the_daemon_ends),
		cmocka_unit_test(test_followed_from_the_last_few),
		cmocka_unit_test(test_all_that_is_on_disk_is_reached),
		cmocka_unit_test(test_the_newest_few_are_found_on_disk),
		cmocka_unit_test(test_decisions_of_long_ago),
		cmocka_unit_test(test_it_may_end_while_it_reads),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, begin, end);
}
