/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a profile to the program that the kernel runs: libseccomp writes it, as a binary tree, for this machine's own
 * architecture (calls by another one's table kill), and a few instructions go in front, which libseccomp has no words
 * for: a call younger than every one we know is answered by ENOSYS, so that a C library newer than this program
 * falls back instead of giving up. What a profile refuses is SECCOMP_RET_USER_NOTIF; the shim answers it.
 */
#include "supervisor/seccomp_impl.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "supervisor/shim_proto.h"

/* Of 32-bit ARM alone, outside of the table: without them no program starts. */
static const char *const private_calls[] = {"breakpoint", "cacheflush", "get_tls", "set_tls", "usr26", "usr32"};

static const uint32_t actions[SECCOMP_VERDICT_MAX] = {
	[SECCOMP_REFUSE] = SCMP_ACT_NOTIFY,
	[SECCOMP_ALLOW] = SCMP_ACT_ALLOW,
	[SECCOMP_ALLOW_IF] = SCMP_ACT_ALLOW,
	[SECCOMP_ABSENT] = SCMP_ACT_ERRNO(ENOSYS),
};
_Static_assert(ARRAY_LEN(actions) == SECCOMP_VERDICT_MAX, "an action for each verdict");

static void release_at(scmp_filter_ctx *ctx)
{
	seccomp_release(*ctx);
}

/* -errno of libseccomp as an err. */
static int fail(struct err *e, int rc, const char *what)
{
	return err_set(e, rc, "%s: %s", what, strerror(-rc));
}

static scmp_filter_ctx new_filter(uint32_t otherwise)
{
	scmp_filter_ctx ctx = seccomp_init(otherwise);

	if (!ctx)
		return NULL;
	if (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0)
		return ctx;
	seccomp_release(ctx);
	return NULL;
}

/* How a child hands its listener to the shim, once the filter is in force. */
static int allow_listener(scmp_filter_ctx ctx)
{
	return seccomp_rule_add(
		ctx, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1, SCMP_A0_32(SCMP_CMP_EQ, SHIM_FD_NOTIFY_LISTENER));
}

static int allow_private(scmp_filter_ctx ctx, bool *ret_some)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(private_calls) && rc == 0; i++) {
		int nr = seccomp_syscall_resolve_name(private_calls[i]);

		if (nr < SECCOMP_CALLS)
			continue;
		*ret_some = true;
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	}
	return rc;
}

static int add_rules(scmp_filter_ctx ctx, const struct seccomp_profile *p, uint32_t otherwise)
{
	int rc = 0;

	for (int nr = 0; nr < SECCOMP_CALLS && rc == 0; nr++) {
		uint32_t action = actions[p->verdict[nr]];

		if (action != otherwise && p->verdict[nr] != SECCOMP_ALLOW_IF)
			rc = seccomp_rule_add(ctx, action, nr, 0);
	}
	for (size_t i = 0; i < p->n_conds && rc == 0; i++) {
		const struct seccomp_cond *c = &p->conds[i];

		rc = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, c->nr, 1, SCMP_CMP64(c->arg, SCMP_CMP_MASKED_EQ, c->mask, c->value));
	}
	return rc;
}

/* The program as a sealed memfd, behind `front`. */
static int export(scmp_filter_ctx ctx, const struct sock_filter *front, size_t n_front, struct err *e)
{
	AUTO_CLOSE int raw = memfd_create("filter-raw", MFD_CLOEXEC);
	AUTO_CLOSE int fd = memfd_create("filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct sock_filter v[BPF_MAXINSNS + 1];
	ssize_t n;
	int rc;

	if (raw < 0 || fd < 0)
		return err_errno(e, "memfd for a seccomp filter");
	rc = seccomp_export_bpf(ctx, raw);
	if (rc < 0)
		return fail(e, rc, "export a seccomp filter");
	n = pread(raw, v, sizeof(v), 0);
	if (n <= 0)
		return err_errno(e, "read a seccomp filter");
	if ((size_t)n / sizeof(*v) + n_front > BPF_MAXINSNS)
		return err_set(e, -E2BIG, "the seccomp filter has more than %d instructions", BPF_MAXINSNS);
	rc = io_write_all(fd, front, n_front * sizeof(*front));
	if (rc == 0)
		rc = io_write_all(fd, v, (size_t)n);
	if (rc == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		rc = -errno;
	if (rc < 0)
		return fail(e, rc, "write a seccomp filter");
	rc = fd;
	fd = -1;
	return rc;
}

int seccomp_compile(const struct seccomp_profile *p, struct err *e)
{
	const struct sock_filter young[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)seccomp_newest_nr(), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
	uint32_t otherwise = p->open ? SCMP_ACT_ALLOW : SCMP_ACT_NOTIFY;
	CLEANUP(release_at) scmp_filter_ctx ctx = new_filter(otherwise);
	bool privates = false;
	int rc;

	if (!ctx)
		return err_set(e, -ENOMEM, "make a seccomp filter: out of memory");
	rc = add_rules(ctx, p, otherwise);
	if (rc == 0 && !p->open)
		rc = allow_private(ctx, &privates);
	if (rc == 0 && p->verdict[SCMP_SYS(sendmsg)] != SECCOMP_ALLOW)
		rc = allow_listener(ctx);
	if (rc < 0)
		return fail(e, rc, "compile a seccomp filter");
	return export(ctx, young, p->open || privates ? 0 : ARRAY_LEN(young), e);
}

int seccomp_compile_learn(struct err *e)
{
	CLEANUP(release_at) scmp_filter_ctx ctx = new_filter(SCMP_ACT_NOTIFY);
	int rc;

	if (!ctx)
		return err_set(e, -ENOMEM, "make a seccomp filter: out of memory");
	rc = allow_listener(ctx);
	if (rc < 0)
		return fail(e, rc, "compile a seccomp filter");
	return export(ctx, NULL, 0, e);
}
