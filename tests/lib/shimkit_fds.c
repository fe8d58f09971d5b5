/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shim is handed as a descriptor: filters written by hand, also with a plan for the next run, and the page that
 * arms a fuse.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "tests/lib/shimkit.h"

static void use_filter(struct kit *k, const struct k_sock_filter *v, size_t n)
{
	k->filter = memfd_create("filter", MFD_CLOEXEC);
	assert_true(k->filter >= 0);
	assert_int_equal(write(k->filter, v, n * sizeof(*v)), n * sizeof(*v));
}

void kit_filter(struct kit *k, const int *nrs, size_t n, uint32_t verdict)
{
	struct k_sock_filter v[64] = {{0x20, 0, 0, 0}};
	size_t at = 1;

	for (size_t i = 0; i < n; i++) {
		v[at++] = (struct k_sock_filter){0x15, 0, 1, (uint32_t)nrs[i]};
		v[at++] = (struct k_sock_filter){0x06, 0, 0, verdict};
	}
	v[at++] = (struct k_sock_filter){0x06, 0, 0, K_SECCOMP_RET_ALLOW};
	use_filter(k, v, at);
}

void kit_filter_learn(struct kit *k)
{
	static const struct k_sock_filter v[] = {
		{0x20, 0, 0, 0},
		{0x15, 0, 1, SYS_sendmsg},
		{0x06, 0, 0, K_SECCOMP_RET_ALLOW},
		{0x06, 0, 0, K_SECCOMP_RET_USER_NOTIF},
	};

	use_filter(k, v, ARRAY_LEN(v));
}

void kit_again(struct kit *k, const struct kit_plan *p)
{
	struct kit_plan mine = *p;
	int filter = k->filter >= 0 ? dup(k->filter) : open("/dev/null", O_RDONLY | O_CLOEXEC);
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	k->exited = false;
	mine.p.run = ++k->run;
	iov.iov_base = kit_message(k, SHIM_PLAN, &mine, &iov.iov_len);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(filter));
	memcpy(CMSG_DATA(cmsg), &filter, sizeof(filter));
	assert_int_equal(sendmsg(k->fd, &msg, MSG_NOSIGNAL), iov.iov_len);
	free(iov.iov_base);
	close(filter);
}

int64_t kit_boot_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void make_page(struct kit *k)
{
	if (k->lease >= 0)
		return;
	k->lease = memfd_create("lease", MFD_CLOEXEC);
	assert_int_equal(ftruncate(k->lease, 4096), 0);
	k->page = mmap(NULL, sizeof(*k->page), PROT_READ | PROT_WRITE, MAP_SHARED, k->lease, 0);
	assert_true(k->page != MAP_FAILED);
}

void kit_unarmed(struct kit *k)
{
	make_page(k);
	atomic_store(&k->page->deadline_boot_ns, SHIM_LEASE_UNARMED);
}

void kit_arm(struct kit *k, int64_t ms_from_now)
{
	make_page(k);
	atomic_store(&k->page->deadline_boot_ns, kit_boot_ns() + ms_from_now * 1000000);
}
