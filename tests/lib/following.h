/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_FOLLOWING_H
#define TESTS_LIB_FOLLOWING_H
/*
 * The built `covey` while it follows: begun, read until it has printed what a test waits for, ended.
 */
#include "tests/lib/fake_daemon.h"

#include <signal.h>
#include <sys/prctl.h>

#include "tests/lib/wait.h"

struct following {
	pid_t pid;
	int out;
	struct bytes text; /* both outputs, so far */
};

static inline void following_begin(struct following *f, const struct run *run)
{
	int ends[2];

	*f = (struct following){.text = {.max = 1 << 26}};
	assert_int_equal(bytes_str(&f->text, ""), 0); /* never NULL */
	assert_int_equal(pipe(ends), 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* when the test fails */
		(void)dup2(ends[1], 1);
		(void)dup2(ends[1], 2);
		for (int fd = 3; fd < 64; fd++)
			(void)close(fd);
		run_exec(run);
	}
	(void)close(ends[1]);
	f->out = ends[0];
}

/* Reads on until the text is there. */
static inline void following_until(struct following *f, const char *text)
{
	int64_t end = wait_mono_ms() + WAIT_BOUND_S * 1000;
	char part[4096];

	while (!strstr(f->text.v, text)) {
		struct pollfd p = {.fd = f->out, .events = POLLIN};
		ssize_t n = poll(&p, 1, (int)MAX(end - wait_mono_ms(), (int64_t)0)) == 1
				    ? read(f->out, part, sizeof(part))
				    : -1;

		if (n <= 0)
			fail_msg("'%s' did not come: '%s'", text, f->text.v);
		assert_int_equal(bytes_add(&f->text, part, (size_t)n), 0);
	}
}

static inline void following_end(struct following *f)
{
	if (f->pid > 0) {
		(void)kill(f->pid, SIGKILL);	/* gone already is fine */
		(void)waitpid(f->pid, NULL, 0); /* as above */
		(void)close(f->out);
	}
	bytes_done(&f->text);
	f->pid = 0;
}
#define AUTO_FOLLOWING CLEANUP(following_end)

#endif
