/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters in force: children load what the cache compiled, hand their listener over as a shim's child does, and either
 * try calls one by one or become a real program. This test plays the shim: it counts what is refused.
 */
#include "supervisor/seccomp_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "supervisor/shim_proto.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/wait.h"

/* What a run under a filter did. */
struct run {
	int status;	 /* of waitpid */
	int n_refused;	 /* notifications, all that came */
	int refused[64]; /* the first of them */
	uint8_t learned[64];
};

static struct seccomp_cache *cache_of(const char *dir)
{
	struct seccomp_cache *c = NULL;
	struct err e;

	assert_int_equal(seccomp_cache_new(dir, &c, &e), 0);
	return c;
}

static struct seccomp_filter filter_of(struct seccomp_cache *c, const struct spec_sandbox *s)
{
	struct seccomp_filter f = {.fd = -1};
	struct err e = {0};

	if (seccomp_filter_for(c, s, &f, &e) < 0)
		fail_msg("%s", e.text);
	return f;
}

/* In the child: loads the filter and sends its listener over SHIM_FD_NOTIFY_LISTENER. */
static void load_filter(int filter_fd)
{
	struct sock_filter v[BPF_MAXINSNS];
	ssize_t n = pread(filter_fd, v, sizeof(v), 0);
	struct sock_fprog prog = {.len = (unsigned short)((size_t)n / sizeof(*v)), .filter = v};
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (char[]){'l'}, .iov_len = 1};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int listener;

	if (n <= 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(120);
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
	if (listener < 0)
		_exit(121);
	control.h =
		(struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.h), &listener, sizeof(int));
	if (syscall(SYS_sendmsg, SHIM_FD_NOTIFY_LISTENER, &m, 0) < 0)
		_exit(122);
}

static int receive_listener(int fd)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	int listener;

	if (recvmsg(fd, &m, MSG_CMSG_CLOEXEC) != 1 || m.msg_controllen < CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&listener, CMSG_DATA(&control.h), sizeof(int));
	return listener;
}

/* Answers one notification: EPERM, or on with it when learning. */
static void answer(int listener, bool learn, struct run *r)
{
	struct seccomp_notif n = {0};
	struct seccomp_notif_resp a = {0};

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return; /* who asked has ended */
	if (r->n_refused < (int)ARRAY_LEN(r->refused))
		r->refused[r->n_refused] = n.data.nr;
	r->n_refused++;
	if (n.data.nr >= 0 && n.data.nr < SECCOMP_CALLS)
		r->learned[n.data.nr / 8] |= (uint8_t)(1u << (n.data.nr % 8));
	a.id = n.id;
	a.error = learn ? 0 : -EPERM;
	a.flags = learn ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &a); /* who asked may have ended */
}

/*
 * Answers until nobody is left under the filter. Before Linux 6.11 a process is under it until somebody has waited for
 * it, so that is done as soon as it can be.
 */
static void answer_all(int listener, pid_t pid, bool learn, struct run *r)
{
	AUTO_CLOSE int ended = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p[] = {{.fd = listener, .events = POLLIN}, {.fd = ended, .events = POLLIN}};

	assert_true(ended >= 0);
	while (listener >= 0 && !(p[0].revents & POLLHUP)) {
		assert_int_not_equal(poll(p, ARRAY_LEN(p), WAIT_BOUND_S * 1000), 0);
		if (p[0].revents & POLLIN)
			answer(listener, learn, r);
		if (p[1].revents) {
			assert_int_equal(waitpid(pid, &r->status, 0), pid);
			p[1].fd = -1;
		}
	}
	if (p[1].fd >= 0)
		assert_int_equal(waitpid(pid, &r->status, 0), pid);
}

/* Runs body (or argv, through PATH) under the filter, until nobody is left under it. */
static struct run run_under(struct seccomp_filter f, int (*body)(void), const char *const *argv)
{
	struct run r = {0};
	int pair[2], listener;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		(void)dup2(pair[1], SHIM_FD_NOTIFY_LISTENER); /* sendmsg tells */
		(void)fcntl(SHIM_FD_NOTIFY_LISTENER, F_SETFD, FD_CLOEXEC);
		load_filter(f.fd);
		if (body)
			_exit(body());
		(void)dup2(null, 0); /* a program reads and writes nothing of ours */
		(void)dup2(null, 1);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(123);
	}
	(void)close(pair[1]);
	listener = receive_listener(pair[0]);
	(void)close(pair[0]);
	answer_all(listener, pid, f.learn, &r);
	(void)close(listener);
	return r;
}

static bool was_refused(const struct run *r, long nr)
{
	for (int i = 0; i < r->n_refused && i < (int)ARRAY_LEN(r->refused); i++)
		if (r->refused[i] == nr)
			return true;
	return false;
}

#define CHECK(cond)                                \
	do {                                       \
		if (!(cond))                       \
			return __LINE__ % 100 + 1; \
	} while (0)

static int body_default(void)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	int fd;

	CHECK(getppid() > 0);
	CHECK(mount("none", "/proc", "tmpfs", 0, NULL) < 0 && errno == EPERM);
	CHECK(unshare(CLONE_NEWUSER) < 0 && errno == EPERM);
	CHECK(syscall(SYS_keyctl, 0, 0, 0, 0, 0) < 0 && errno == EPERM);
	CHECK(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) < 0 && errno == EPERM);
	CHECK(syscall(SYS_socket, 38, SOCK_SEQPACKET, 0) < 0 && errno == EPERM);
	CHECK(syscall(SYS_socket, 0x1000000000 | 38, SOCK_SEQPACKET, 0) < 0 && errno == EPERM);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0);
	CHECK(syscall(SYS_clone3, &args, sizeof(args)) < 0 && errno == ENOSYS);
	CHECK(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == ENOSYS);
	CHECK(syscall(seccomp_newest_nr() + 1) < 0 && errno == ENOSYS);
	CHECK(syscall(100000) < 0 && errno == ENOSYS);
	return 0;
}

static void test_default_refuses_and_allows(void **state)
{
	struct seccomp_cache *c = cache_of("/nonexistent");
	struct spec_sandbox s = {.seccomp = SPEC_SECCOMP_DEFAULT};
	struct seccomp_filter f = filter_of(c, &s);
	struct run r = run_under(f, body_default, NULL);

	(void)state;
	assert_false(f.kill);
	assert_false(f.learn);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.n_refused, 6);
	assert_true(was_refused(&r, SYS_mount));
	assert_true(was_refused(&r, SYS_unshare));
	assert_true(was_refused(&r, SYS_keyctl));
	assert_true(was_refused(&r, SYS_clone));
	assert_true(was_refused(&r, SYS_socket));
	seccomp_cache_free(c);
}

static int body_strict(void)
{
	CHECK(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
	CHECK(chown("/nonexistent", 0, 0) < 0 && errno == EPERM);
	CHECK(setuid(0) < 0 && errno == EPERM);
	CHECK(syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM);
	return 0;
}

static void test_strict_takes_more_away(void **state)
{
	struct seccomp_cache *c = cache_of("/nonexistent");
	struct spec_sandbox s = {.seccomp = SPEC_SECCOMP_STRICT};
	struct seccomp_filter f = filter_of(c, &s);
	struct run r = run_under(f, body_strict, NULL);

	(void)state;
	assert_true(f.kill);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.n_refused, 3);
	seccomp_cache_free(c);
}

#ifdef __x86_64__
static int body_other_table(void)
{
	long ret = 20; /* getpid of i386 */

	__asm__ volatile("int $0x80" : "+a"(ret) : : "memory", "r8", "r9", "r10", "r11");
	return 0;
}

static void test_calls_by_another_table_kill(void **state)
{
	struct seccomp_cache *c = cache_of("/nonexistent");
	struct spec_sandbox s = {.seccomp = SPEC_SECCOMP_DEFAULT};
	struct run r = run_under(filter_of(c, &s), body_other_table, NULL);

	(void)state;
	assert_true(WIFSIGNALED(r.status)); /* SIGSYS, or SIGSEGV from a kernel that has no such table */
	seccomp_cache_free(c);
}
#endif

static int body_custom(void)
{
	CHECK(unshare(CLONE_FILES) == 0);
	CHECK(syscall(SYS_keyctl, 0, -1, 0, 0, 0) >= 0 || errno != EPERM);
	CHECK(syscall(SYS_getcwd, NULL, 0) < 0 && errno == EPERM);
	CHECK(syscall(SYS_kill, getpid(), 0) < 0 && errno == EPERM);
	return 0;
}

static void test_allow_and_deny(void **state)
{
	const char *allow[] = {"unshare", "@keyring", "kill", NULL}, *deny[] = {"getcwd", "kill", NULL};
	struct seccomp_cache *c = cache_of("/nonexistent");
	struct spec_sandbox s = {
		.seccomp = SPEC_SECCOMP_DEFAULT, .seccomp_allow = {3, allow}, .seccomp_deny = {2, deny}};
	struct run r = run_under(filter_of(c, &s), body_custom, NULL);

	(void)state;
	assert_int_equal(r.status, 0);
	assert_int_equal(r.n_refused, 2);
	seccomp_cache_free(c);
}

static int body_off(void)
{
	CHECK(syscall(SYS_keyctl, 0, -1, 0, 0, 0) < 0 && errno == EPERM);
	CHECK(unshare(CLONE_FILES) == 0);
	CHECK(syscall(500) < 0 && errno == ENOSYS);
	return 0;
}

static void test_off_with_deny(void **state)
{
	const char *deny[] = {"@keyring", NULL};
	struct seccomp_cache *c = cache_of("/nonexistent");
	struct spec_sandbox s = {.seccomp = SPEC_SECCOMP_OFF, .seccomp_deny = {1, deny}};
	struct run r = run_under(filter_of(c, &s), body_off, NULL);

	(void)state;
	assert_int_equal(r.status, 0);
	assert_int_equal(r.n_refused, 1);
	s.seccomp_deny.n = 0;
	assert_int_equal(filter_of(c, &s).fd, -1);
	seccomp_cache_free(c);
}

static void test_bad_names_are_named(void **state)
{
	const char *names[] = {"read", "mounty", NULL}, *group[] = {"@mounts", NULL};
	struct seccomp_cache *c = cache_of("/nonexistent");
	struct spec_sandbox s = {.seccomp = SPEC_SECCOMP_DEFAULT, .seccomp_allow = {2, names}};
	struct seccomp_filter f;
	struct err e;

	(void)state;
	assert_int_equal(seccomp_filter_for(c, &s, &f, &e), -EINVAL);
	assert_string_equal(e.text, "seccomp: allow: there is no system call 'mounty'");
	s.seccomp_allow.n = 0;
	s.seccomp_deny = (struct spec_strv){1, group};
	assert_int_equal(seccomp_filter_for(c, &s, &f, &e), -EINVAL);
	assert_string_equal(e.text, "seccomp: deny: there is no group '@mounts'");
	s.seccomp = SPEC_SECCOMP_LEARN;
	assert_int_equal(seccomp_filter_for(c, &s, &f, &e), -EINVAL);
	seccomp_cache_free(c);
}

/* Ordinary programs, each with what it does at its start and a little of threads, children, sockets and files. */
static const struct program {
	const char *argv[8];
} programs[] = {
	{{"sh", "-c",
		"echo a | cat >/dev/null; (sleep 0.01 & wait); cd /tmp; ulimit -n >/dev/null; trap : TERM; kill -0 "
		"$$"}},
	{{"sh", "-c",
		"ls -l / >/dev/null; id >/dev/null; date >/dev/null; grep -r zz /etc/hostname; tar cf - /etc/hostname "
		"| gzip >/dev/null; true"}},
	{{"perl", "-e",
		"use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0); listen($s, 1); my $p = fork; if (!$p) { exit 0 } "
		"waitpid($p, 0);"}},
	{{"python3", "-c",
		"import threading, socket, subprocess, time, tempfile, select\n"
		"t = threading.Thread(target=time.sleep, args=(0.01,)); t.start(); t.join()\n"
		"s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
		"try: socket.getaddrinfo('localhost', 80)\n"
		"except socket.gaierror: pass  # no /etc/hosts and no resolver: what it called counts\n"
		"subprocess.run(['true'], check=True)\n"
		"with tempfile.NamedTemporaryFile() as f: f.write(b'x'); f.flush()\n"
		"select.epoll().close()\n"}},
	{{"node", "-e",
		"const http = require('http'), fs = require('fs');"
		"fs.writeFileSync('/dev/null', 'x'); require('child_process').execFileSync('true');"
		"const s = http.createServer((q, r) => r.end('x')).listen(0, '127.0.0.1', () =>"
		" http.get({host: '127.0.0.1', port: s.address().port}, r => { r.resume(); r.on('end', () => "
		"s.close()) }))"}},
	{{"java", "-Xmx64m", "-version"}},
};

static bool is_on_path(const char *name)
{
	char command[128];

	(void)snprintf(
		command, sizeof(command), "command -v %s >/dev/null 2>&1 && %s --version >/dev/null 2>&1", name, name);
	return strcmp(name, "sh") == 0 || system(command) == 0;
}

static void run_programs(enum spec_seccomp which)
{
	struct seccomp_cache *c = cache_of("/nonexistent");
	struct spec_sandbox s = {.seccomp = which};
	struct seccomp_filter f = filter_of(c, &s);
	char name[64];

	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		struct run r;

		if (!is_on_path(programs[i].argv[0]))
			continue;
		r = run_under(f, NULL, programs[i].argv);
		for (int k = 0; k < r.n_refused && k < (int)ARRAY_LEN(r.refused); k++)
			print_error("%s: refused %s\n", programs[i].argv[0],
				seccomp_call_name(r.refused[k], name, sizeof(name)));
		assert_int_equal(r.n_refused, 0);
		assert_int_equal(r.status, 0);
	}
	seccomp_cache_free(c);
}

static void test_programs_run_under_default(void **state)
{
	(void)state;
	run_programs(SPEC_SECCOMP_DEFAULT);
}

static void test_programs_run_under_strict(void **state)
{
	(void)state;
	run_programs(SPEC_SECCOMP_STRICT);
}

/* The names between allow: [ and ], as an agent's file would bring them; the text is cut up. */
static size_t parse_allow(char *text, const char **names, size_t max)
{
	char *at = strstr(text, "allow: ["), *save = NULL;
	size_t n = 0;

	if (!at)
		return 0;
	*strchr(at, ']') = '\0';
	for (char *w = strtok_r(at + 8, ", \"", &save); w && n < max; w = strtok_r(NULL, ", \"", &save))
		names[n++] = w;
	return n;
}

static int body_unusual(void)
{
	CHECK(syscall(SYS_keyctl, 0, -1, 0, 0, 0) >= 0 || errno != EPERM);
	CHECK(unshare(CLONE_FILES) == 0);
	(void)syscall(SYS_add_key, NULL, NULL, NULL, 0, 0); /* asked for is enough */
	(void)syscall(SYS_request_key, NULL, NULL, NULL, 0, 0);
	return 0;
}

static void test_learn_and_use_what_was_learned(void **state)
{
	struct seccomp_cache *c = cache_of("/nonexistent");
	struct spec_sandbox s = {.seccomp = SPEC_SECCOMP_LEARN};
	const char *names[16];
	struct seccomp_filter f = filter_of(c, &s);
	struct run r = run_under(f, body_unusual, NULL);
	AUTO_FREE char *text = NULL;
	struct err e;

	(void)state;
	assert_true(f.learn);
	assert_int_equal(r.status, 0);
	text = seccomp_profile_text(c, r.learned, &e);
	assert_string_equal(text, "sandbox:\n  seccomp: {base: strict, allow: [\"@keyring\", unshare]}\n");
	s.seccomp = SPEC_SECCOMP_STRICT;
	s.seccomp_allow.n = parse_allow(text, names, ARRAY_LEN(names));
	s.seccomp_allow.v = names;
	r = run_under(filter_of(c, &s), body_unusual, NULL);
	assert_int_equal(r.status, 0);
	assert_int_equal(r.n_refused, 0);
	seccomp_cache_free(c);
}

static void learned_is(struct seccomp_cache *c, const int *calls, const char *want)
{
	uint8_t learned[64] = {0};
	AUTO_FREE char *text = NULL;
	struct err e;

	for (; *calls >= 0; calls++)
		learned[*calls / 8] |= (uint8_t)(1u << (*calls % 8));
	text = seccomp_profile_text(c, learned, &e);
	assert_string_equal(text, want);
}

static void test_the_shortest_profile_is_told(void **state)
{
	struct seccomp_cache *c = cache_of("/nonexistent");

	(void)state;
	learned_is(c, (int[]){-1}, "sandbox:\n  seccomp: strict\n");
	learned_is(c, (int[]){SYS_read, SYS_clone, SYS_clone3, -1}, "sandbox:\n  seccomp: strict\n");
	learned_is(c, (int[]){SYS_read, SYS_setuid, -1}, "sandbox:\n  seccomp: default\n");
	learned_is(c, (int[]){SYS_read, SYS_setuid, SYS_mount, -1},
		"sandbox:\n  seccomp: {base: default, allow: [mount]}\n");
	learned_is(c, (int[]){SYS_chroot, SYS_mount, SYS_umount2, -1}, /* not all of @mount */
		"sandbox:\n  seccomp: {base: strict, allow: [chroot, mount, umount2]}\n");
	learned_is(c, (int[]){500, SYS_keyctl, -1},
		"# syscall 500 was called, for which there is no name here\n"
		"sandbox:\n  seccomp: {base: strict, allow: [keyctl]}\n");
	seccomp_cache_free(c);
}

static void put_file(struct tmpdir *d, const char *name, const char *text)
{
	FILE *f = fopen(tmpdir_path(d, name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void test_files_of_the_host_count(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct seccomp_cache *c = cache_of(d.path);
	struct spec_sandbox s = {.seccomp = SPEC_SECCOMP_DEFAULT};
	struct seccomp_filter f = filter_of(c, &s);
	char want[256];
	struct err e;

	(void)state;
	assert_false(f.kill);
	put_file(&d, "default.profile", "on-refusal kill\nallow @self\n");
	assert_true(filter_of(c, &s).kill);
	put_file(&d, "groups.profile", "group @mine read\n");
	assert_int_equal(seccomp_filter_for(c, &s, &f, &e), -EINVAL);
	(void)snprintf(
		want, sizeof(want), "%.200s:2: no group above is called @self", tmpdir_path(&d, "default.profile"));
	assert_string_equal(e.text, want);
	put_file(&d, "default.profile", "allow @mine\n");
	assert_false(filter_of(c, &s).kill);
	assert_int_equal(unlink(tmpdir_path(&d, "groups.profile")), 0);
	assert_int_equal(unlink(tmpdir_path(&d, "default.profile")), 0);
	assert_true(filter_of(c, &s).fd >= 0);
	assert_int_equal(mkdir(tmpdir_path(&d, "strict.profile"), 0700), 0);
	s.seccomp = SPEC_SECCOMP_STRICT;
	assert_int_equal(seccomp_filter_for(c, &s, &f, &e), -EISDIR);
	seccomp_cache_free(c);
}

static ino_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void test_filters_are_compiled_once_and_bounded(void **state)
{
	struct seccomp_cache *c = cache_of("/nonexistent");
	const char *allow[SECCOMP_CALLS];
	char names[200][64];
	struct spec_sandbox s = {.seccomp = SPEC_SECCOMP_DEFAULT, .seccomp_allow = {0, allow}};
	int first = filter_of(c, &s).fd, highest = 0;
	ino_t was = inode_of(first);

	(void)state;
	assert_int_equal(filter_of(c, &s).fd, first);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		allow[0] = seccomp_call_name((int)i, names[i], sizeof(names[i]));
		s.seccomp_allow.n = 1;
		highest = MAX(highest, filter_of(c, &s).fd);
		s.seccomp_allow.n = 0;
		assert_int_equal(filter_of(c, &s).fd, first); /* in use: stays */
		assert_true(inode_of(first) == was);
	}
	assert_true(highest < first + 100);
	seccomp_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_refuses_and_allows),
		cmocka_unit_test(test_strict_takes_more_away),
#ifdef __x86_64__
		cmocka_unit_test(test_calls_by_another_table_kill),
#endif
		cmocka_unit_test(test_allow_and_deny),
		cmocka_unit_test(test_off_with_deny),
		cmocka_unit_test(test_bad_names_are_named),
		cmocka_unit_test(test_programs_run_under_default),
		cmocka_unit_test(test_programs_run_under_strict),
		cmocka_unit_test(test_learn_and_use_what_was_learned),
		cmocka_unit_test(test_the_shortest_profile_is_told),
		cmocka_unit_test(test_files_of_the_host_count),
		cmocka_unit_test(test_filters_are_compiled_once_and_bounded),
	};

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &(struct seccomp_notif_sizes){0}) < 0)
		TEST_SKIP_ALL("seccomp with user notification");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
