/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run ended, as a file: written aside and renamed, so that a record that is there is whole. It outlives shim and
 * daemon; the daemon removes it once its store has it. It is beside the sockets while there is a daemon, which hears of
 * the end too; else, or with the end of the host, where it outlives the host as well. It is not waited for until the
 * disk has it: a host that goes down in order takes its time for that, and one that does not leaves no record anyway.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
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

/* A record with its label behind it, in one piece, and whose it is. */
struct record {
	struct shim_exit v;
	char label[SHIM_LABEL_MAX];
	char stem[REPLICA_ID_MAX];
};

static void name_record(const struct record *r, const char *suffix, struct text *t)
{
	text_str(t, r->stem);
	text_str(t, ".");
	text_u64(t, r->v.run);
	text_str(t, suffix);
}

static int write_aside(int dir, const struct record *r, const char *aside)
{
	AUTO_CLOSE int fd = openat(dir, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n, size = (ssize_t)(sizeof(r->v) + r->v.label_size);

	if (fd < 0)
		return -errno;
	n = write(fd, r, (size_t)size);
	if (n < 0)
		return -errno;
	return n == size ? 0 : -ENOSPC;
}

static void take(const struct shim *s, struct record *ret)
{
	ret->v = s->record;
	ret->v.stays = 0;
	memcpy(ret->label, s->label, s->label_size);
	memcpy(ret->stem, s->stem, strlen(s->stem) + 1);
}

static int put_in(int dir, const struct record *r)
{
	char name[RECORD_NAME_MAX], aside[RECORD_NAME_MAX];
	struct text to = TEXT_OVER(name), from = TEXT_OVER(aside);
	int rc;

	name_record(r, ".exit", &to);
	name_record(r, ".exit~", &from);
	rc = write_aside(dir, r, aside);
	if (rc == 0 && renameat(dir, aside, dir, name) < 0)
		rc = -errno;
	if (rc < 0 && rc != -ENOENT)
		(void)unlinkat(dir, aside, 0); /* a part of it, if anything */
	return rc;
}

static int put_in_ends(const struct shim *s, const struct record *r)
{
	AUTO_CLOSE int dir = s->dir_ends ? openat(AT_FDCWD, s->dir_ends, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	return dir < 0 ? -ENOENT : put_in(dir, r);
}

static int put(struct shim *s, const struct record *r, bool lasting)
{
	int rc;

	if (lasting && put_in_ends(s, r) == 0)
		return 0; /* else that disk is full or failing, and memory is better than nothing */
	rc = put_in(AT_FDCWD, r);
	if (rc == -ENOENT) { /* run_dir was wiped */
		sockets_check(s);
		rc = put_in(AT_FDCWD, r);
	}
	return rc;
}

int record_write(struct shim *s)
{
	struct record r;

	take(s, &r);
	return put(s, &r, s->going_down || s->control < 0);
}

void record_owe(struct shim *s)
{
	record_pay(s);
	s->owed_record = os_map(sizeof(*s->owed_record), false);
	if (s->owed_record)
		take(s, s->owed_record);
	else
		(void)record_write(s); /* as below */
}

void record_pay(struct shim *s)
{
	if (!s->owed_record)
		return;
	(void)put(s, s->owed_record, s->going_down); /* for the next daemon alone: this one was told */
	os_unmap(s->owed_record, sizeof(*s->owed_record));
	s->owed_record = NULL;
}
