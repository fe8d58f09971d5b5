/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run ended, as a file beside the sockets: written aside and renamed, so that a record that is there is whole.
 * It outlives shim and daemon; the daemon removes it once its store has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "supervisor/shim/os.h"
#include "supervisor/shim/shim.h"
#include "supervisor/shim/text.h"

#define RECORD_NAME_MAX (REPLICA_ID_MAX + 40)

static int64_t us_of(const struct timeval *t)
{
	return t->tv_sec * 1000000ll + t->tv_usec;
}

void record_died(struct shim *s, int status, const void *rusage)
{
	const struct rusage *ru = rusage;
	struct shim_exit *r = &s->record;

	if (r->kind == 0)
		r->kind = WIFSIGNALED(status) ? SHIM_SIGNALED : SHIM_EXITED;
	r->code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	r->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	r->ran_ms = (os_now_ns(CLOCK_MONOTONIC) - s->started_mono_ns) / 1000000;
	r->user_us = us_of(&ru->ru_utime);
	r->system_us = us_of(&ru->ru_stime);
	r->rss_max_bytes = (int64_t)ru->ru_maxrss * 1024;
}

static void name_record(const struct shim *s, const char *suffix, struct text *t)
{
	text_str(t, s->stem);
	text_str(t, ".");
	text_u64(t, s->record.run);
	text_str(t, suffix);
}

static int write_aside(const struct shim *s, const char *aside)
{
	AUTO_CLOSE int fd = openat(AT_FDCWD, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct iovec iov[] = {
		{(void *)(uintptr_t)&s->record, sizeof(s->record)}, {(void *)(uintptr_t)s->label, s->label_size}};
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = writev(fd, iov, 2);
	if (n < 0)
		return -errno;
	return (size_t)n == sizeof(s->record) + s->label_size ? 0 : -ENOSPC;
}

int record_write(struct shim *s)
{
	char name[RECORD_NAME_MAX], aside[RECORD_NAME_MAX];
	struct text to = TEXT_OVER(name), from = TEXT_OVER(aside);
	int rc;

	name_record(s, ".exit", &to);
	name_record(s, ".exit~", &from);
	rc = write_aside(s, aside);
	if (rc == -ENOENT) { /* run_dir was wiped */
		sockets_check(s);
		rc = write_aside(s, aside);
	}
	if (rc == 0 && rename(aside, name) < 0)
		rc = -errno;
	return rc;
}
