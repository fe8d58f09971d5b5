/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_FUSE_PAGE_H
#define NODE_FUSE_PAGE_H
/*
 * The page by which the shim of a leased replica goes (struct shim_lease): made before a shim is started, or given by
 * one that was found. A deadline only moves on, and an armed fuse is never unarmed. Written through memory: no call
 * that could fail or block when it counts.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define FUSE_PAGE_UNARMED INT64_MAX /* as HOLDING_UNARMED */

struct shim_lease;

struct fuse_page {
	struct shim_lease *v; /* mapped; NULL: none */
};

/*
 * With that deadline, CLOCK_BOOTTIME. *ret_fd: to be handed to the shim, then closed by the caller; its size is sealed.
 * 0, or what failed.
 */
int fuse_page_make(struct fuse_page *p, int64_t until_ms, int *ret_fd, struct err *e);
/* Of a shim that was found. Takes fd. -EINVAL: no page that a daemon made. */
int fuse_page_take(struct fuse_page *p, int fd, struct err *e);
void fuse_page_close(struct fuse_page *p); /* a zeroed one is fine */

int64_t fuse_page_until_ms(const struct fuse_page *p); /* rounded down */
/* False: it is no later, nothing was changed. From unarmed any deadline is one; the shim is to be told to look then. */
bool fuse_page_extend(struct fuse_page *p, int64_t until_ms);

#endif
