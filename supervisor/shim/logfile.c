/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of one log. After a write that failed in its midst the file is cut back to its last whole line, so that a
 * reader never sees half of one. While lines are being dropped each batch is an attempt: the disk may have room
 * again.
 */
#include "supervisor/shim/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "supervisor/shim/logline.h"
#include "supervisor/shim/os.h"
#include "supervisor/shim/planread.h"
#include "supervisor/shim/text.h"

static int open_file(struct logfile *f, int create)
{
	struct stat st;

	f->fd = openat(AT_FDCWD, f->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | create, 0640);
	if (f->fd < 0)
		return -errno;
	if (fstat(f->fd, &st) < 0)
		return -errno;
	f->size = (uint64_t)st.st_size;
	return 0;
}

static int open_current(struct logfile *f)
{
	return open_file(f, O_CREAT);
}

static int check_dir(const struct logfile *f)
{
	char dir[PLAN_PATH_MAX];
	struct text t = TEXT_OVER(dir);
	const char *slash = strrchr(f->path, '/');

	if (slash && slash > f->path)
		text_mem(&t, f->path, (size_t)(slash - f->path));
	else
		text_str(&t, slash ? "/" : ".");
	return access(dir, W_OK | X_OK) < 0 ? -errno : 0;
}

int logfile_open(struct logfile *f)
{
	int rc = open_file(f, 0);

	return rc == -ENOENT ? check_dir(f) : rc;
}

uint64_t logfile_room(const struct logfile *f)
{
	if (f->max == 0)
		return UINT64_MAX;
	return f->size < f->max ? f->max - f->size : 0;
}

static void name_of(const struct logfile *f, uint32_t i, struct text *t)
{
	t->n = 0;
	text_str(t, f->path);
	if (i == 0)
		return;
	text_str(t, ".");
	text_u64(t, i);
}

void logfile_rotate(struct logfile *f)
{
	char from[PLAN_PATH_MAX + 16], to[PLAN_PATH_MAX + 16];
	struct text a = TEXT_OVER(from), b = TEXT_OVER(to);

	os_close(&f->fd);
	f->size = 0;
	for (uint32_t i = f->keep; i > 0; i--) {
		name_of(f, i - 1, &a);
		name_of(f, i, &b);
		(void)rename(from, to); /* most are not there yet; a log that cannot be moved is emptied below */
	}
	if (f->keep == 0)
		(void)unlink(f->path); /* as above */
	if (open_current(f) < 0 || f->size == 0)
		return; /* what cannot be opened now is tried at the next write */
	if (ftruncate(f->fd, 0) < 0)
		os_close(&f->fd);
	f->size = 0;
}

static void drop(struct logfile *f, const char *v, size_t n, int error)
{
	uint64_t lines = logline_count(v, n);

	f->dropped += lines;
	f->dropped_now += lines;
	f->drop_errno = error;
}

/* Writes lines, or what of them fits; returns how many bytes of whole lines stay written, the error in *ret_error. */
static size_t write_lines(struct logfile *f, const char *v, size_t n, int *ret_error)
{
	size_t at = 0, whole;

	*ret_error = 0;
	while (at < n && *ret_error == 0) {
		ssize_t put = write(f->fd, v + at, n - at);

		if (put < 0 && errno != EINTR)
			*ret_error = errno;
		else if (put > 0)
			at += (size_t)put;
	}
	whole = logline_whole(v, at);
	f->size += whole;
	if (whole < at)
		(void)ftruncate(f->fd, (off_t)f->size); /* half a line stays where even this fails */
	return whole;
}

/* "covey: 12 lines dropped: No space left on device", before the first line that can be written again. */
static bool write_note(struct logfile *f, const char *stamp, size_t stamp_n)
{
	char note[LOGLINE_STAMP + LOGFILE_NOTE_MAX];
	struct text t = TEXT_OVER(note);
	int error;

	text_mem(&t, stamp, stamp_n);
	text_str(&t, "covey: ");
	text_u64(&t, f->dropped_now);
	text_str(&t, f->dropped_now == 1 ? " line dropped: " : " lines dropped: ");
	text_str(&t, strerror(f->drop_errno));
	text_str(&t, "\n");
	if (t.n > logfile_room(f))
		logfile_rotate(f);
	if (f->fd < 0 || write_lines(f, note, t.n, &error) < t.n)
		return false;
	f->dropped_now = 0;
	return true;
}

void logfile_write(struct logfile *f, const char *v, size_t n, const char *stamp, size_t stamp_n)
{
	int error = 0;
	size_t whole = 0;

	if (n == 0)
		return;
	if (f->fd < 0)
		error = -open_current(f);
	if (f->fd >= 0 && error == 0 && f->dropped_now && !write_note(f, stamp, stamp_n))
		error = f->drop_errno;
	if (error == 0 && f->fd >= 0 && n > logfile_room(f))
		logfile_rotate(f); /* the note has taken the room */
	if (error == 0 && f->fd >= 0)
		whole = write_lines(f, v, n, &error);
	if (whole < n)
		drop(f, v + whole, n - whole, error ? error : EIO);
}

void logfile_close(struct logfile *f)
{
	os_close(&f->fd);
}
