/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a profile to the program that the kernel runs, for this machine's own architecture (calls by another one's table
 * kill). What a profile refuses is SECCOMP_RET_USER_NOTIF; the shim answers it. libseccomp writes the conditions, and
 * all of an open profile; what a closed one says of calls plainly is a tree of our own (seccomp_program.c), in which a
 * call younger than every one we know is answered by ENOSYS, so that a C library newer than this program falls back
 * instead of giving up.
 */
#include "supervisor/seccomp_impl.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
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

/* libseccomp does not say why it makes none: it asks the kernel first for what a filter needs. */
static int no_filter(struct err *e)
{
	static const uint32_t needs[] = {SECCOMP_RET_ERRNO, SECCOMP_RET_USER_NOTIF};

	for (size_t i = 0; i < ARRAY_LEN(needs); i++)
		if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &needs[i]) < 0)
			return err_set(e, -ENOSYS,
				"sandbox.seccomp: the kernel has %s; without a filter it starts by 'seccomp: off'",
				needs[i] == SECCOMP_RET_ERRNO ? "no seccomp" : "a seccomp that is too old");
	return err_set(e, -ENOMEM, "make a seccomp filter: out of memory");
}

/* How a child hands its listener to the shim, once the filter is in force, whatever the profile says of sendmsg. */
static int allow_listener(scmp_filter_ctx ctx, enum seccomp_verdict sendmsg)
{
	int rc = 0;

	if (sendmsg == SECCOMP_ALLOW)
		return 0;
	if (sendmsg == SECCOMP_ABSENT)
		rc = seccomp_rule_add(ctx, actions[sendmsg], SCMP_SYS(sendmsg), 0);
	return rc < 0 ? rc
		      : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1,
				SCMP_A0_32(SCMP_CMP_EQ, SHIM_FD_NOTIFY_LISTENER));
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

static int add_conditions(scmp_filter_ctx ctx, const struct seccomp_profile *p)
{
	int rc = 0;

	for (size_t i = 0; i < p->n_conds && rc == 0; i++) {
		const struct seccomp_cond *c = &p->conds[i];

		rc = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, c->nr, 1, SCMP_CMP64(c->arg, SCMP_CMP_MASKED_EQ, c->mask, c->value));
	}
	return rc;
}

static int add_calls(scmp_filter_ctx ctx, const struct seccomp_profile *p, uint32_t otherwise)
{
	int rc = 0;

	for (int nr = 0; nr < SECCOMP_CALLS && rc == 0; nr++) {
		uint32_t action = actions[p->verdict[nr]];

		if (action != otherwise && p->verdict[nr] != SECCOMP_ALLOW_IF)
			rc = seccomp_rule_add(ctx, action, nr, 0);
	}
	return rc;
}

/* What libseccomp writes: how many instructions, or -errno. */
static int export(scmp_filter_ctx ctx, struct sock_filter v[SECCOMP_PROGRAM_MAX], struct err *e)
{
	AUTO_CLOSE int raw = memfd_create("filter-raw", MFD_CLOEXEC);
	ssize_t n;
	int rc;

	if (raw < 0)
		return err_errno(e, "memfd for a seccomp filter");
	rc = seccomp_export_bpf(ctx, raw);
	if (rc < 0)
		return fail(e, rc, "export a seccomp filter");
	n = pread(raw, v, SECCOMP_PROGRAM_MAX * sizeof(*v), 0);
	return n <= 0 ? err_errno(e, "read a seccomp filter") : (int)((size_t)n / sizeof(*v));
}

/* The program as a sealed memfd. */
static int seal(const struct sock_filter *v, size_t n, struct err *e)
{
	AUTO_CLOSE int fd = memfd_create("filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (fd < 0)
		return err_errno(e, "memfd for a seccomp filter");
	rc = io_write_all(fd, v, n * sizeof(*v));
	if (rc == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		rc = -errno;
	if (rc < 0)
		return fail(e, rc, "write a seccomp filter");
	rc = fd;
	fd = -1;
	return rc;
}

/* libseccomp's program for all of it. */
static int compile_whole(scmp_filter_ctx ctx, const struct seccomp_profile *p, uint32_t otherwise, struct err *e)
{
	struct sock_filter v[SECCOMP_PROGRAM_MAX];
	int rc = add_calls(ctx, p, otherwise);

	if (rc < 0)
		return fail(e, rc, "compile a seccomp filter");
	rc = export(ctx, v, e);
	return rc < 0 ? rc : seal(v, (size_t)rc, e);
}

/* A tree of ours, and behind it libseccomp's program for the calls with conditions. */
static int compile_tree(scmp_filter_ctx ctx, const struct seccomp_profile *p, struct err *e)
{
	struct sock_filter v[SECCOMP_PROGRAM_MAX], tail[SECCOMP_PROGRAM_MAX];
	uint8_t verdict[SECCOMP_CALLS];
	const struct sock_filter *at;
	int n = export(ctx, tail, e);

	if (n < 0)
		return n;
	memcpy(verdict, p->verdict, sizeof(verdict));
	if (verdict[SCMP_SYS(sendmsg)] != SECCOMP_ALLOW)
		verdict[SCMP_SYS(sendmsg)] = SECCOMP_ALLOW_IF; /* allow_listener */
	n = seccomp_program(verdict, seccomp_newest_nr(), tail, (size_t)n, v, &at);
	if (n < 0)
		return err_set(e, n, "the seccomp filter has more than %d instructions", SECCOMP_PROGRAM_MAX);
	return seal(at, (size_t)n, e);
}

int seccomp_compile(const struct seccomp_profile *p, struct err *e)
{
	uint32_t otherwise = p->open ? SCMP_ACT_ALLOW : SCMP_ACT_NOTIFY;
	CLEANUP(release_at) scmp_filter_ctx ctx = new_filter(otherwise);
	bool privates = false;
	int rc;

	if (!ctx)
		return no_filter(e);
	rc = add_conditions(ctx, p);
	if (rc == 0 && !p->open)
		rc = allow_private(ctx, &privates);
	if (rc == 0)
		rc = allow_listener(ctx, (enum seccomp_verdict)p->verdict[SCMP_SYS(sendmsg)]);
	if (rc < 0)
		return fail(e, rc, "compile a seccomp filter");
	return p->open || privates ? compile_whole(ctx, p, otherwise, e) : compile_tree(ctx, p, e);
}

int seccomp_compile_learn(struct err *e)
{
	struct sock_filter v[SECCOMP_PROGRAM_MAX];
	CLEANUP(release_at) scmp_filter_ctx ctx = new_filter(SCMP_ACT_NOTIFY);
	int rc;

	if (!ctx)
		return no_filter(e);
	rc = allow_listener(ctx, SECCOMP_REFUSE);
	if (rc < 0)
		return fail(e, rc, "compile a seccomp filter");
	rc = export(ctx, v, e);
	return rc < 0 ? rc : seal(v, (size_t)rc, e);
}
