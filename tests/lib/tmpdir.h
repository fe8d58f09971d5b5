/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_TMPDIR_H
#define TESTS_LIB_TMPDIR_H
/*
 * A directory of a test's own, and its removal with all that is in it (mounts are not crossed, links not followed).
 *
 *	AUTO_TMPDIR struct tmpdir dir = tmpdir_make();
 *	… tmpdir_path(&dir, "a/b") …
 */
#include <assert.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/util.h"

struct tmpdir {
	char path[64];
	char joined[PATH_MAX]; /* of the last tmpdir_path */
};

static inline struct tmpdir tmpdir_make(void)
{
	struct tmpdir d = {.path = "/tmp/covey-test-XXXXXX"};

	if (!mkdtemp(d.path))
		abort();
	return d;
}

static inline int tmpdir_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static inline void tmpdir_remove(struct tmpdir *d)
{
	if (d->path[0])
		(void)nftw(d->path, tmpdir_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT); /* gone already is fine */
	d->path[0] = '\0';
}

/* The path of `name` inside; valid until the next call. */
static inline const char *tmpdir_path(struct tmpdir *d, const char *name)
{
	int n = snprintf(d->joined, sizeof(d->joined), "%s/%s", d->path, name);

	assert(n > 0 && (size_t)n < sizeof(d->joined));
	return d->joined;
}

#define AUTO_TMPDIR CLEANUP(tmpdir_remove)

#endif
