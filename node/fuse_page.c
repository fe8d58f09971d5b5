/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See fuse_page.h. Of a memfd, whose size is sealed: neither end can take the page from under the other.
 */
#include "node/fuse_page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "supervisor/shim_proto.h"

#define NS_A_MS 1000000
#define SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

_Static_assert(FUSE_PAGE_UNARMED == SHIM_LEASE_UNARMED, "said alike in both units");

static int64_t ns_of(int64_t until_ms)
{
	return until_ms >= INT64_MAX / NS_A_MS ? SHIM_LEASE_UNARMED : until_ms * NS_A_MS;
}

static int map(struct fuse_page *p, int fd, struct err *e)
{
	void *v = mmap(NULL, sizeof(*p->v), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (v == MAP_FAILED)
		return err_errno(e, "map the page of a fuse");
	p->v = v;
	return 0;
}

int fuse_page_make(struct fuse_page *p, int64_t until_ms, int *ret_fd, struct err *e)
{
	const struct shim_lease first = {.deadline_boot_ns = ns_of(until_ms)};
	AUTO_CLOSE int fd = memfd_create("covey-fuse", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	assert(!p->v);
	if (fd < 0)
		return err_errno(e, "make the page of a fuse");
	if (write(fd, &first, sizeof(first)) != sizeof(first)) /* it has its memory now, or nothing is started */
		return err_errno(e, "fill the page of a fuse");
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return err_errno(e, "seal the page of a fuse");
	rc = map(p, fd, e);
	if (rc < 0)
		return rc;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int fuse_page_take(struct fuse_page *p, int fd, struct err *e)
{
	AUTO_CLOSE int own = fd;
	struct stat st;
	int seals = fcntl(own, F_GET_SEALS);

	assert(!p->v);
	if (seals < 0 || (seals & SEALS) != SEALS || fstat(own, &st) < 0 || st.st_size < (off_t)sizeof(*p->v))
		return err_set(e, -EINVAL, "its shim gave no page of a fuse");
	return map(p, own, e);
}

void fuse_page_close(struct fuse_page *p)
{
	if (p->v)
		(void)munmap(p->v, sizeof(*p->v)); /* mapped: cannot fail */
	p->v = NULL;
}

int64_t fuse_page_until_ms(const struct fuse_page *p)
{
	int64_t ns = atomic_load_explicit(&p->v->deadline_boot_ns, memory_order_acquire);

	return ns == SHIM_LEASE_UNARMED ? FUSE_PAGE_UNARMED : ns / NS_A_MS;
}

bool fuse_page_extend(struct fuse_page *p, int64_t until_ms)
{
	int64_t was = atomic_load_explicit(&p->v->deadline_boot_ns, memory_order_acquire), ns = ns_of(until_ms);

	if (ns == SHIM_LEASE_UNARMED || (was != SHIM_LEASE_UNARMED && ns <= was))
		return false;
	atomic_store_explicit(&p->v->deadline_boot_ns, ns, memory_order_release); /* one writer: nobody wrote between */
	return true;
}
