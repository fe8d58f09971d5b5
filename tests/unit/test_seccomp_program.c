/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of ranges says of every call what libseccomp's own program for the same profile says: for the built-in
 * profiles and for many drawn ones, at every number, with every argument that a condition looks at.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/rng.h"
#include "supervisor/seccomp_impl.h"
#include "supervisor/shim_proto.h"
#include "tests/lib/test.h"

struct code {
	struct sock_filter v[SECCOMP_PROGRAM_MAX];
	size_t n;
};

/* What the kernel would answer. */
static uint32_t run(const struct code *c, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < c->n; pc++) {
		const struct sock_filter *i = &c->v[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k % 4 == 0 && i->k < sizeof(*data));
			memcpy(&a, (const char *)data + i->k, sizeof(a));
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("instruction %#x, which keeps the kernel from knowing what needs no filter", i->code);
		}
	}
	fail_msg("the program runs off its end");
	return 0;
}

static void read_code(int fd, struct code *ret)
{
	ssize_t n;

	assert_true(fd >= 0);
	n = pread(fd, ret->v, sizeof(ret->v), 0);
	assert_true(n > 0 && (size_t)n < sizeof(ret->v));
	ret->n = (size_t)n / sizeof(ret->v[0]);
	close(fd);
}

static void add(scmp_filter_ctx ctx, uint32_t action, int nr)
{
	assert_int_equal(seccomp_rule_add(ctx, action, nr, 0), 0);
}

/* The same profile in libseccomp's words. */
static void by_libseccomp(const struct seccomp_profile *p, struct code *ret)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_NOTIFY);
	int fd = memfd_create("oracle", MFD_CLOEXEC);

	assert_int_equal(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), 0);
	for (int nr = 0; nr < SECCOMP_CALLS; nr++) {
		if (p->verdict[nr] == SECCOMP_ALLOW)
			add(ctx, SCMP_ACT_ALLOW, nr);
		if (p->verdict[nr] == SECCOMP_ABSENT)
			add(ctx, SCMP_ACT_ERRNO(ENOSYS), nr);
	}
	for (size_t i = 0; i < p->n_conds; i++)
		assert_int_equal(
			seccomp_rule_add(ctx, SCMP_ACT_ALLOW, p->conds[i].nr, 1,
				SCMP_CMP64(p->conds[i].arg, SCMP_CMP_MASKED_EQ, p->conds[i].mask, p->conds[i].value)),
			0);
	if (p->verdict[SCMP_SYS(sendmsg)] != SECCOMP_ALLOW)
		assert_int_equal(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1,
					 SCMP_A0_32(SCMP_CMP_EQ, SHIM_FD_NOTIFY_LISTENER)),
			0);
	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	seccomp_release(ctx);
	read_code(fd, ret);
}

/* Arguments worth a try: what conditions compare with, and their neighbours. */
static size_t worth_trying(const struct seccomp_profile *p, uint64_t ret[4 * SECCOMP_CONDS_MAX + 4])
{
	size_t n = 0;

	ret[n++] = 0;
	ret[n++] = SHIM_FD_NOTIFY_LISTENER;
	ret[n++] = UINT64_MAX;
	ret[n++] = UINT64_C(1) << 32;
	for (size_t i = 0; i < p->n_conds; i++) {
		ret[n++] = p->conds[i].value;
		ret[n++] = p->conds[i].value + 1;
		ret[n++] = p->conds[i].value | UINT64_C(1) << 40;
		ret[n++] = p->conds[i].value ^ p->conds[i].mask;
	}
	return n;
}

static void compare_at(const struct code *ours, const struct code *theirs, struct seccomp_data *data)
{
	uint32_t a = run(ours, data), b = run(theirs, data);

	if (a != b)
		fail_msg("call %d (arg0 %#llx): %#x, libseccomp says %#x", data->nr, (unsigned long long)data->args[0],
			a, b);
}

static size_t compare(const struct seccomp_profile *p)
{
	static struct code ours, theirs;
	uint64_t tries[4 * SECCOMP_CONDS_MAX + 4];
	size_t n = worth_trying(p, tries);
	struct err e = {0};
	struct seccomp_data data = {.arch = seccomp_arch_native()};

	read_code(seccomp_compile(p, &e), &ours);
	by_libseccomp(p, &theirs);
	for (data.nr = 0; data.nr <= seccomp_newest_nr(); data.nr++)
		for (size_t i = 0; i < n; i++) {
			for (size_t arg = 0; arg < ARRAY_LEN(data.args); arg++)
				data.args[arg] = tries[i];
			compare_at(&ours, &theirs, &data);
		}
	for (uint64_t nr = (uint64_t)seccomp_newest_nr() + 1; nr <= UINT32_MAX; nr += nr + 1) { /* the young */
		data.nr = (int)nr;
		assert_int_equal(run(&ours, &data), SECCOMP_RET_ERRNO | ENOSYS);
	}
	for (data.nr = 0; data.nr < SECCOMP_CALLS; data.nr += 37) {
		data.arch = AUDIT_ARCH_SPARC;
		assert_int_equal(run(&ours, &data), SECCOMP_RET_KILL_PROCESS);
		data.arch = seccomp_arch_native();
	}
	return ours.n;
}

static void load_builtin(const char *name, struct seccomp_profile *ret)
{
	static struct seccomp_groups groups;
	const char *text = seccomp_builtin("groups");
	struct err e = {0};

	groups.n = 0;
	assert_int_equal(seccomp_parse("groups", text, strlen(text), &groups, NULL, &e), 0);
	text = seccomp_builtin(name);
	memset(ret, 0, sizeof(*ret));
	assert_int_equal(seccomp_parse(name, text, strlen(text), &groups, ret, &e), 0);
}

static void test_built_in_ones(void **state)
{
	static struct seccomp_profile p;

	(void)state;
	load_builtin("default", &p);
	assert_in_range(compare(&p), 20, 120); /* what a start waits for: libseccomp alone writes more than 400 */
	load_builtin("strict", &p);
	assert_in_range(compare(&p), 20, 160);
}

/* From few changes to one at every number, with and without conditions. */
static void draw(struct rng *r, struct seccomp_profile *ret)
{
	uint64_t run_max = 1 + rng_below(r, 40);
	int nr = 0;

	memset(ret, 0, sizeof(*ret));
	while (nr < SECCOMP_CALLS) {
		int end = nr + 1 + (int)rng_below(r, run_max);
		enum seccomp_verdict verdict = (enum seccomp_verdict)rng_below(r, SECCOMP_VERDICT_MAX);

		for (; nr < end && nr < SECCOMP_CALLS; nr++)
			ret->verdict[nr] = verdict == SECCOMP_ALLOW_IF ? SECCOMP_REFUSE : (uint8_t)verdict;
	}
	for (uint64_t left = rng_below(r, 20); left > 0; left--) {
		struct seccomp_cond c = {.nr = (int)rng_below(r, (uint64_t)seccomp_newest_nr()),
			.arg = (unsigned)rng_below(r, 6),
			.mask = rng_u64(r) >> rng_below(r, 64)};

		if (ret->verdict[c.nr] == SECCOMP_ALLOW_IF)
			continue; /* libseccomp merges rules of several arguments in ways of its own */
		c.value = rng_u64(r) & c.mask;
		ret->verdict[c.nr] = SECCOMP_ALLOW_IF;
		ret->conds[ret->n_conds++] = c;
	}
}

static void test_drawn_ones(void **state)
{
	static struct seccomp_profile p;
	struct rng r;

	(void)state;
	rng_seed(&r, 20);
	for (int i = 0; i < 60; i++) {
		draw(&r, &p);
		(void)compare(&p);
	}
}

/* A change at every number: returns and jumps lie further apart than a conditional jump reaches. */
static void test_a_change_at_every_number(void **state)
{
	static struct seccomp_profile p;

	(void)state;
	for (int nr = 0; nr < SECCOMP_CALLS; nr++)
		p.verdict[nr] = nr % 2 ? SECCOMP_ALLOW : nr % 4 ? SECCOMP_ABSENT : SECCOMP_REFUSE;
	assert_in_range(compare(&p), SECCOMP_CALLS / 2, SECCOMP_PROGRAM_MAX);
}

static void test_one_verdict_for_all(void **state)
{
	static struct seccomp_profile p;

	(void)state;
	memset(p.verdict, SECCOMP_ALLOW, sizeof(p.verdict));
	(void)compare(&p);
}

static void test_what_does_not_fit(void **state)
{
	static struct sock_filter v[SECCOMP_PROGRAM_MAX], tail[SECCOMP_PROGRAM_MAX];
	static uint8_t verdict[SECCOMP_CALLS];
	const struct sock_filter *at = NULL;
	int n = seccomp_program(verdict, 400, tail, 100, v, &at);

	(void)state;
	assert_in_range(n, 105, 110);
	assert_int_equal(seccomp_program(verdict, 400, tail, SECCOMP_PROGRAM_MAX + 1, v, &at), -E2BIG);
	for (size_t room = 0; room < (size_t)n - 100; room++)
		assert_int_equal(seccomp_program(verdict, 400, tail, SECCOMP_PROGRAM_MAX - room, v, &at), -E2BIG);
	n = seccomp_program(verdict, 400, tail, SECCOMP_PROGRAM_MAX - (size_t)n + 100, v, &at);
	assert_int_equal(n, SECCOMP_PROGRAM_MAX);
	assert_ptr_equal(at, v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_built_in_ones),
		cmocka_unit_test(test_drawn_ones),
		cmocka_unit_test(test_a_change_at_every_number),
		cmocka_unit_test(test_one_verdict_for_all),
		cmocka_unit_test(test_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
