/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a log while its shim writes and rotates it. Nothing is locked: a file is known by its inode and the time it
 * was made (numbers of inodes are used again), wherever a rotation has moved it meanwhile, and a step from one file
 * to the next is only taken if no rotation came between. A rotation renames the oldest first, so one number may be
 * missing for a moment. Shims write whole lines: a file ends in a newline or in the first part of a write that is
 * under way.
 */
#include "supervisor/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"

#define ROTATED_MAX 10000 /* files of one log that are looked for */
#define HOLES_MAX   2	  /* missing numbers after which there is no older file */
#define STEP_TRIES  8	  /* rotations that may come between, one after the other */
#define BLOCK_BYTES 65536

struct file {
	uint64_t id; /* what struct logs_pos calls inode */
	int64_t size;
};

/* As 53 bits, which survive any number format on the way to a reader and back. */
static uint64_t id_of(const struct statx *st)
{
	uint64_t id = st->stx_ino * 0x9e3779b97f4a7c15;

	if (st->stx_mask & STATX_BTIME)
		id ^= (uint64_t)st->stx_btime.tv_sec * 1000000000 + st->stx_btime.tv_nsec;
	id = (id ^ id >> 32) * 0xd6e8feb86659fd93;
	return MAX(id >> 11, 1u);
}

static int open_nth(const char *log_path, int i, struct file *ret)
{
	struct statx st;
	char path[STRING_MAX + 16];
	int fd, n;

	if (i == 0)
		n = snprintf(path, sizeof(path), "%s", log_path);
	else
		n = snprintf(path, sizeof(path), "%s.%d", log_path, i);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st) < 0 || !S_ISREG(st.stx_mode)) {
		(void)close(fd); /* read only: nothing is lost */
		return -EINVAL;
	}
	*ret = (struct file){id_of(&st), (int64_t)st.stx_size};
	return fd;
}

/*
 * Where the last *n lines of a file begin, looking backwards a block at a time. When it has fewer, *n is what is left
 * to find in older files and the offset is 0.
 */
static int find_back(int fd, int64_t size, int64_t *n, int64_t *ret_offset)
{
	AUTO_FREE char *block = malloc(BLOCK_BYTES);
	int64_t end = size;

	if (!block)
		return -ENOMEM;
	while (end > 0) {
		int64_t at = MAX(end - BLOCK_BYTES, 0);
		ssize_t got = pread(fd, block, (size_t)(end - at), at);

		if (got < 0)
			return -errno;
		/* The newline that ends a line counts it; the line begins behind the newline before. */
		for (ssize_t i = got - 1; i >= 0; i--) {
			if (block[i] != '\n' || at + i == size - 1)
				continue;
			if (--*n == 0) {
				*ret_offset = at + i + 1;
				return 0;
			}
		}
		end = at;
	}
	if (size > 0)
		--*n; /* the file's first line has no newline before it */
	*ret_offset = 0;
	return 0;
}

int logs_tail(const char *log_path, int64_t n, struct logs_pos *ret, struct err *e)
{
	struct logs_pos pos = {0};
	uint64_t newer = 0;

	for (int i = 0, holes = 0; i < ROTATED_MAX && holes < HOLES_MAX; i++) {
		struct file f;
		AUTO_CLOSE int fd = open_nth(log_path, i, &f);
		int rc;

		if (fd == -ENOENT) {
			holes++;
			continue;
		}
		if (fd < 0)
			return err_set(e, fd, "open '%s' (or what it was rotated to): %s", log_path, strerror(-fd));
		if (f.id == newer)
			continue; /* rotated since the last one was opened */
		newer = pos.inode = f.id;
		if (n <= 0) {
			pos.offset = f.size;
			break;
		}
		rc = find_back(fd, f.size, &n, &pos.offset);
		if (rc < 0)
			return err_set(e, rc, "read '%s': %s", log_path, strerror(-rc));
		if (n <= 0)
			break;
	}
	*ret = pos;
	return 0;
}

/* Which of the files is the one with this inode (0: the oldest); *ret_i its number. -ENOENT: none. */
static int open_inode(const char *log_path, uint64_t inode, int *ret_i, struct file *ret)
{
	int oldest = -ENOENT;

	for (int i = 0, holes = 0; i < ROTATED_MAX && holes < HOLES_MAX; i++) {
		struct file f;
		int fd = open_nth(log_path, i, &f);

		if (fd == -ENOENT) {
			holes++;
			continue;
		}
		if (oldest >= 0)
			(void)close(oldest); /* read only: nothing is lost */
		if (fd < 0)
			return fd;
		oldest = fd;
		*ret_i = i;
		*ret = f;
		if (inode && f.id == inode)
			return fd;
	}
	if (inode && oldest >= 0) {
		(void)close(oldest); /* as above */
		return -ENOENT;
	}
	return oldest;
}

/* Whether file i is the one that it was when it was opened. */
static bool is_still(const char *log_path, int i, uint64_t inode)
{
	struct file f;
	AUTO_CLOSE int fd = open_nth(log_path, i, &f);

	return fd >= 0 && f.id == inode;
}

/* Puts *pos at the beginning of the next newer file; false when there is none (yet), or a rotation came between. */
static bool step(const char *log_path, int i, struct logs_pos *pos)
{
	struct file f;
	AUTO_CLOSE int fd = i > 0 ? open_nth(log_path, i - 1, &f) : -1;

	if (fd < 0 || f.id == pos->inode || !is_still(log_path, i, pos->inode))
		return false;
	*pos = (struct logs_pos){.inode = f.id};
	return true;
}

/* What is there at an offset, cut behind the last whole line if there is one. */
static int read_lines(int fd, int64_t at, size_t max, bool last, struct bytes *out, struct logs_pos *pos)
{
	size_t before = out->n, n;
	ssize_t got;
	int rc = bytes_reserve(out, max);

	if (rc < 0)
		return rc;
	got = pread(fd, out->v + before, max, at);
	if (got < 0)
		return -errno;
	for (n = (size_t)got; n > 0 && out->v[before + n - 1] != '\n'; n--)
		;
	if (n == 0 && ((size_t)got == max || !last))
		n = (size_t)got; /* a line longer than what was asked for, or one that will never be whole */
	out->n += n;
	out->v[out->n] = '\0';
	pos->offset = at + (int64_t)n;
	return 0;
}

static int read_on(const char *log_path, struct logs_pos *pos, size_t max, struct bytes *out, bool *ret_gap)
{
	for (int tries = 0; tries < STEP_TRIES; tries++) {
		size_t before = out->n;
		struct file f;
		int i = 0, rc;
		AUTO_CLOSE int fd = open_inode(log_path, pos->inode, &i, &f);

		if (fd == -ENOENT && pos->inode) {
			*ret_gap = true;
			*pos = (struct logs_pos){0};
			continue;
		}
		if (fd < 0)
			return fd == -ENOENT ? 0 : fd; /* never written to: nothing new */
		if (pos->offset > f.size) {
			*ret_gap = true; /* it was emptied */
			pos->offset = 0;
		}
		pos->inode = f.id;
		rc = read_lines(fd, pos->offset, max, i == 0, out, pos);
		if (rc < 0 || out->n > before || i == 0)
			return rc;
		(void)step(log_path, i, pos); /* if it did not, the next try finds out where the file is now */
	}
	return 0;
}

int logs_read(const char *log_path, struct logs_pos *pos, size_t max, struct bytes *out, bool *ret_gap, struct err *e)
{
	struct logs_pos at = *pos;
	bool gap = false;
	int rc = read_on(log_path, &at, max, out, &gap);

	if (rc < 0)
		return err_set(e, rc, "read '%s': %s", log_path, strerror(-rc));
	*pos = at;
	*ret_gap = gap;
	return 0;
}

int logs_remove(const char *log_path, struct err *e)
{
	for (int i = 0; i < ROTATED_MAX; i++) {
		char path[STRING_MAX + 16];
		int n = i == 0 ? snprintf(path, sizeof(path), "%s", log_path)
			       : snprintf(path, sizeof(path), "%s.%d", log_path, i);

		if (n < 0 || (size_t)n >= sizeof(path))
			return err_set(e, -ENAMETOOLONG, "remove '%s': %s", log_path, strerror(ENAMETOOLONG));
		if (unlink(path) == 0)
			continue;
		if (errno != ENOENT)
			return err_errno(e, "remove '%s'", path);
		if (i > 0)
			break; /* the current one alone may be missing, in the midst of a rotation */
	}
	return 0;
}
