/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What peers of the control socket do wrong costs them their connection and nobody else anything: garbage, half a
 * frame, a frame of 1 GB, other protocols, leaving at any moment, not reading, too many of them, another uid; and
 * 10,000 commands in a row leave nothing behind.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/limits.h"
#include "base/rng.h"
#include "node/control_frame.h"
#include "node/nng_setup.h"
#include "tests/lib/control_bed.h"
#include "tests/lib/wait.h"

#define NOBODY_UID	    65534
#define COMMANDS	    10000
#define HELD_MORE_BYTES_MAX 65536 /* a block lost with each command would be more */

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
	b.server = control_bed_start(b.path, (uint32_t)-1);
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	control_bed_stop(b->server);
	tmpdir_remove(&b->dir);
	return 0;
}

static int raw_connect(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const struct timeval bound = {.tv_sec = WAIT_BOUND_S};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* The server closes it, whatever it said before; EAGAIN: it did not. */
static void expect_closed(int fd)
{
	char junk[4096];
	ssize_t n;

	while ((n = wait_recv(fd, junk, sizeof(junk))) > 0)
		;
	assert_true(n == 0 || errno == ECONNRESET);
	assert_int_equal(close(fd), 0);
}

static int raw_hello(const char *path)
{
	unsigned char theirs[CONTROL_HELLO_BYTES];
	int fd = raw_connect(path);

	assert_int_equal(send(fd, control_hello_req, CONTROL_HELLO_BYTES, MSG_NOSIGNAL), CONTROL_HELLO_BYTES);
	assert_int_equal(wait_recv_all(fd, theirs, sizeof(theirs)), sizeof(theirs));
	assert_memory_equal(theirs, control_hello_rep, sizeof(theirs));
	return fd;
}

static void still_serves(struct bed *b)
{
	control_bed_expect(b->path, "echo", NULL, 0, "{\"ok\":true,\"result\":{}}");
}

/* What is no protocol of ours closes the connection, and is counted. */
static void test_garbage(void **state)
{
	struct bed *b = *state;
	struct rng rng;

	rng_seed(&rng, 1);
	for (int i = 0; i < 50; i++) {
		unsigned char junk[300];
		int fd = i % 2 ? raw_connect(b->path) : raw_hello(b->path);

		for (size_t k = 0; k < sizeof(junk); k++)
			junk[k] = (unsigned char)(2 + rng_below(&rng, 250)); /* neither a hello's nor a frame's first */
		(void)!send(fd, junk, sizeof(junk), MSG_NOSIGNAL);
		expect_closed(fd);
	}
	still_serves(b);
	assert_int_equal(control_bed_stat(b->path, "bad_frames"), 50);
}

static void frame_refused(struct bed *b, const char *frame, size_t n)
{
	int fd = raw_hello(b->path);

	assert_int_equal(send(fd, frame, n, MSG_NOSIGNAL), n);
	expect_closed(fd);
	still_serves(b);
}

static void test_frames_that_cannot_be(void **state)
{
	struct bed *b = *state;

	frame_refused(b, "\x01\0\0\0\0\x40\0\0\0\x80\0\0\1", 13);		/* 1 GB */
	frame_refused(b, "\x01\0\0\0\0\x01\0\0\1\x80\0\0\1", 13);		/* one past the bound */
	frame_refused(b, "\x01\xff\xff\xff\xff\xff\xff\xff\xff\x80\0\0\1", 13); /* all there is */
	frame_refused(b, "\x01\0\0\0\0\0\0\0\3abcd", 13);			/* no room for an id */
	frame_refused(b, "\x01\0\0\0\0\0\0\0\5\0\0\0\1\xc0", 14);		/* a chain of ids */
	assert_int_equal(control_bed_stat(b->path, "bad_frames"), 5);
}

/* Half of everything, and then the peer leaves. */
static void test_half_a_frame(void **state)
{
	struct bed *b = *state;
	static const char frame[] = "\x01\0\0\0\0\0\x10\0\0\x80\0\0\1";

	for (size_t n = 0; n < CONTROL_HELLO_BYTES; n++) {
		int fd = raw_connect(b->path);

		assert_int_equal(send(fd, control_hello_req, n, MSG_NOSIGNAL), n);
		assert_int_equal(close(fd), 0);
	}
	for (size_t n = 0; n < sizeof(frame) - 1; n++) {
		int fd = raw_hello(b->path);

		assert_int_equal(send(fd, frame, n, MSG_NOSIGNAL), n);
		assert_int_equal(close(fd), 0);
	}
	still_serves(b);
}

/* A frame that is one, with what is no request in it: an answer that says so, and the connection goes on. */
static void body_refused(struct bed *b, const char *body, size_t n, const char *words)
{
	char reply[1024];
	unsigned char head[CONTROL_HEAD_BYTES];
	int fd = raw_hello(b->path);

	for (int again = 0; again < 2; again++) {
		struct control_frame f;

		control_frame_head(head, 7, n);
		assert_int_equal(send(fd, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
		assert_int_equal(send(fd, body, n, MSG_NOSIGNAL), n);
		assert_int_equal(wait_recv_all(fd, head, sizeof(head)), sizeof(head));
		assert_int_equal(control_frame_look(head, sizeof(head), &f, NULL), 0);
		assert_in_range(f.body_bytes, 1, sizeof(reply) - 1);
		assert_int_equal(wait_recv_all(fd, reply, f.body_bytes), f.body_bytes);
		assert_non_null(memmem(reply, f.body_bytes, "usage", 5));
		if (!memmem(reply, f.body_bytes, words, strlen(words)))
			fail_msg("%.*s does not say '%s'", (int)f.body_bytes, reply, words);
	}
	assert_int_equal(close(fd), 0);
}

static void test_requests_that_are_none(void **state)
{
	struct bed *b = *state;
	char deep[2000];

	memset(deep, '\x91', sizeof(deep));
	body_refused(b, "", 0, "");
	body_refused(b, "\xc1", 1, "");
	body_refused(b, "\xdf\xff\xff\xff\xff", 5, "");
	body_refused(b, deep, sizeof(deep), "");
	body_refused(b, "\x01", 1, "a request is a map");
	body_refused(b, "\x81\xa1v\x02", 4, "v: ");
	body_refused(b, "\x81\xa1v\x01", 4, "verb: missing");
	body_refused(b, "\x81\xa4verb\x05", 7, "verb: ");
	body_refused(b,
		"\x82\xa4verb\xa4"
		"echo\xa4"
		"args\x01",
		17, "args: a map");
	still_serves(b);
	assert_int_equal(control_bed_stat(b->path, "bad_frames"), 18);
}

/* A probing peer that leaves before it said anything: nng's own listener ends by that. */
static void test_peers_that_come_and_go(void **state)
{
	struct bed *b = *state;

	for (int i = 0; i < 500; i++)
		assert_int_equal(close(raw_connect(b->path)), 0);
	still_serves(b);
}

/* Requests one after the other without reading; then all answers are read, each with its id. */
static void test_a_peer_that_does_not_read_waits_for_itself(void **state)
{
	enum { ASKED = 2000, SIZE = 4000 };
	static char body[SIZE], reply[SIZE + 100];
	struct bed *b = *state;
	unsigned char head[CONTROL_HEAD_BYTES];
	size_t n = 0;
	int fd = raw_hello(b->path), asked = 0;
	struct control_frame f;

	n += (size_t)snprintf(body, sizeof(body),
		"\x82\xa4verb\xa4"
		"echo\xa4"
		"args\x81\xa1k\xda\x0e\x10");
	memset(body + n, 'x', 3600);
	n += 3600;
	for (; asked < ASKED; asked++) { /* until all buffers are full */
		control_frame_head(head, (uint32_t)asked, n);
		if (send(fd, head, sizeof(head), MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof(head))
			break;
		if (send(fd, body, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
			break;
	}
	assert_in_range(asked, 10, ASKED);
	still_serves(b);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(wait_recv_all(fd, head, sizeof(head)), sizeof(head));
		assert_int_equal(control_frame_look(head, sizeof(head), &f, NULL), 0);
		assert_int_equal(f.id & 0x7fffffff, i);
		assert_int_equal(wait_recv_all(fd, reply, f.body_bytes), f.body_bytes);
	}
	assert_int_equal(close(fd), 0);
	still_serves(b);
}

/* Any nng program can be a client. */
static void test_nng_itself_is_served(void **state)
{
	struct bed *b = *state;
	char url[160], request[] = "\x81\xa4verb\xa4"
				   "echo";
	nng_socket s;

	(void)snprintf(url, sizeof(url), "ipc://%s", b->path);
	assert_int_equal(nng_req0_open(&s), 0);
	assert_int_equal(nng_dial(s, url, NULL, 0), 0);
	for (int i = 0; i < 20; i++) {
		char *reply;
		size_t n;

		assert_int_equal(nng_send(s, request, sizeof(request) - 1, 0), 0);
		assert_int_equal(nng_recv(s, &reply, &n, NNG_FLAG_ALLOC), 0);
		assert_int_equal(n, 13);
		assert_memory_equal(reply, "\x82\xa2ok\xc3\xa6result\x80", n);
		nng_free(reply, n);
	}
	assert_int_equal(nng_close(s), 0);
}

static int call_as(const char *path, uid_t uid, int want)
{
	struct control_client *c = NULL;
	int rc, status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
			_exit(2);
		rc = control_client_open(path, &c, NULL);
		if (rc == 0) {
			struct bytes reply = {.max = 1000};

			rc = control_client_call(c, "echo", NULL, WAIT_BOUND_S * 1000, &reply, NULL);
		}
		_exit(rc == want ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_another_uid_is_refused(void **state)
{
	struct bed *b = *state;

	if (geteuid() != 0)
		TEST_SKIP_ALL("the right to become another user");
	assert_int_equal(chmod(b->dir.path, 0755), 0);
	assert_int_equal(call_as(b->path, NOBODY_UID, -EACCES), 0); /* by the file's mode */
	assert_int_equal(chmod(b->path, 0666), 0);
	assert_int_not_equal(call_as(b->path, NOBODY_UID, 0), 0); /* and by ours */
	still_serves(b);
	assert_int_equal(control_bed_stat(b->path, "refused_peers"), 1);
	control_bed_stop(b->server);
	b->server = control_bed_start(b->path, NOBODY_UID);
	assert_int_equal(chmod(b->path, 0666), 0);
	assert_int_equal(call_as(b->path, NOBODY_UID, 0), 0);
}

static void test_full_is_told(void **state)
{
	struct bed *b = *state;
	int fd[CONTROL_WAITERS_MAX];
	static const char body[] = "\x81\xa4verb\xa4hold";
	unsigned char head[CONTROL_HEAD_BYTES];

	for (int i = 0; i < CONTROL_WAITERS_MAX; i++) {
		fd[i] = raw_hello(b->path);
		control_frame_head(head, 1, sizeof(body) - 1);
		assert_int_equal(send(fd[i], head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
		assert_int_equal(send(fd[i], body, sizeof(body) - 1, MSG_NOSIGNAL), sizeof(body) - 1);
		if (i == CONTROL_WAITERS_MAX - 2)
			WAIT_UNTIL(control_bed_stat(b->path, "held") == CONTROL_WAITERS_MAX - 1, WAIT_BOUND_S);
	}
	for (bool full = false; !full;) { /* the last one may not have come yet */
		struct control_client *c = control_bed_connect(b->path);
		char *got = control_bed_call(c, "echo", NULL, 0);

		full = strstr(got, "\"code\":\"full\"") != NULL;
		free(got);
		control_client_close(c);
	}
	for (int i = 0; i < CONTROL_WAITERS_MAX; i++)
		assert_int_equal(close(fd[i]), 0);
}

static void test_too_many_connected(void **state)
{
	struct bed *b = *state;
	struct rlimit was, more;
	static int fd[CONTROL_PEERS_MAX];

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	more = was;
	more.rlim_cur = MIN(was.rlim_max, (rlim_t)4096);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &more), 0);
	for (int i = 0; i < CONTROL_PEERS_MAX; i++)
		fd[i] = raw_hello(b->path);
	expect_closed(raw_connect(b->path));
	for (int i = 0; i < CONTROL_PEERS_MAX; i++)
		assert_int_equal(close(fd[i]), 0);
	WAIT_UNTIL(({
		struct control_client *c = NULL;
		int rc = control_client_open(b->path, &c, NULL);
		control_client_close(c);
		rc == 0;
	}),
		WAIT_BOUND_S);
	still_serves(b);
	assert_in_range(control_bed_stat(b->path, "full"), 1, 10000);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	assert_int_equal(closedir(d), 0);
	return n;
}

/* Bytes of the heap that somebody holds; resident pages also tell how scattered they lie. */
static size_t held_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void test_ten_thousand_commands_leave_nothing_behind(void **state)
{
	struct bed *b = *state;
	int fds;
	size_t held;

	for (int i = 0; i < COMMANDS / 10; i++)
		still_serves(b);
	WAIT_UNTIL(control_bed_stat(b->path, "waiting") == 1, WAIT_BOUND_S);
	fds = count_fds();
	held = held_bytes();
	for (int i = 0; i < COMMANDS; i++)
		still_serves(b);
	WAIT_UNTIL(count_fds() <= fds, WAIT_BOUND_S);
	/* nng's threads free when they come to it. */
	WAIT_UNTIL(held_bytes() <= held + HELD_MORE_BYTES_MAX, WAIT_BOUND_S);
	assert_int_equal(control_bed_stat(b->path, "bad_frames"), 0);
}

static int start_nng(void **state)
{
	(void)state;
	return nng_setup(NULL);
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
		TEST(test_another_uid_is_refused),
		TEST(test_garbage),
		TEST(test_frames_that_cannot_be),
		TEST(test_half_a_frame),
		TEST(test_requests_that_are_none),
		TEST(test_peers_that_come_and_go),
		TEST(test_a_peer_that_does_not_read_waits_for_itself),
		TEST(test_nng_itself_is_served),
		TEST(test_full_is_told),
		TEST(test_too_many_connected),
		TEST(test_ten_thousand_commands_leave_nothing_behind),
	};

	return cmocka_run_group_tests(tests, start_nng, stop_nng);
}
