/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program of a closed profile, short: the kernel checks, translates and tries out every instruction of a filter at
 * each start of a replica, so that its length is what a start costs most. Which calls are plainly allowed, refused or
 * absent changes only a few dozen times from the lowest number to the highest: a binary tree over those changes decides
 * nearly all, a quarter of what libseccomp writes for the same calls one by one. Calls with conditions go on to `tail`,
 * which is libseccomp's program for them alone.
 *
 * It is written from its end to its beginning, so that the distance of each jump is known when it is written. Only
 * instructions that the kernel can follow when it works out which calls need no filter at all (seccomp_is_const_allow)
 * are used: loads, comparisons, returns.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>

#include "base/util.h"
#include "supervisor/seccomp_impl.h"

#define JUMP_MAX   255 /* of a conditional one */
#define PUT_AT_ONE 8   /* more than what is put between two looks at the room that is left */

struct program {
	struct sock_filter *v; /* SECCOMP_PROGRAM_MAX of them, used from `at` on */
	size_t at;
	size_t tail;				/* where the conditions are decided */
	size_t verdict_at[SECCOMP_VERDICT_MAX]; /* the newest place that decides so; 0: none yet */
	bool full;
};

static size_t put(struct program *p, struct sock_filter i)
{
	if (p->at == 0)
		p->full = true;
	else
		p->v[--p->at] = i;
	return p->at;
}

static bool is_near(const struct program *p, size_t target)
{
	return target - p->at <= JUMP_MAX - PUT_AT_ONE;
}

/* An address within reach that goes to `target`. */
static size_t bring_near(struct program *p, size_t target)
{
	if (is_near(p, target))
		return target;
	return put(p, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(target - p->at)));
}

/* A place within reach that decides so. */
static size_t decide(struct program *p, enum seccomp_verdict verdict)
{
	static const uint32_t returns[SECCOMP_VERDICT_MAX] = {
		[SECCOMP_REFUSE] = SECCOMP_RET_USER_NOTIF,
		[SECCOMP_ALLOW] = SECCOMP_RET_ALLOW,
		[SECCOMP_ABSENT] = SECCOMP_RET_ERRNO | ENOSYS,
	};
	size_t *at = &p->verdict_at[verdict];

	if (*at == 0 && verdict == SECCOMP_ALLOW_IF)
		*at = p->tail;
	if (*at && (is_near(p, *at) || verdict == SECCOMP_ALLOW_IF))
		*at = bring_near(p, *at);
	else
		*at = put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, returns[verdict]));
	return *at;
}

static void put_jump(struct program *p, uint16_t how, uint32_t k, size_t yes, size_t no)
{
	(void)put(p,
		(struct sock_filter)BPF_JUMP(BPF_JMP | how | BPF_K, k, (uint8_t)(yes - p->at), (uint8_t)(no - p->at)));
}

/* The numbers at which the verdict changes: change[i] to below change[i + 1] have the same. */
struct changes {
	size_t n;
	int at[SECCOMP_CALLS];
};

static void find_changes(const uint8_t verdict[SECCOMP_CALLS], int newest, struct changes *ret)
{
	ret->n = 0;
	for (int nr = 0; nr <= newest; nr++)
		if (nr == 0 || verdict[nr] != verdict[nr - 1])
			ret->at[ret->n++] = nr;
}

/*
 * Where the ranges first … end - 1 are decided. As many levels as the number of ranges has digits (of two), so at most
 * ten deep.
 */
static size_t put_tree(
	struct program *p, const uint8_t verdict[SECCOMP_CALLS], const struct changes *c, size_t first, size_t end)
{
	size_t mid = first + (end - first) / 2, upper, lower;

	if (end - first == 1)
		return decide(p, (enum seccomp_verdict)verdict[c->at[first]]);
	upper = put_tree(p, verdict, c, mid, end);
	lower = put_tree(p, verdict, c, first, mid);
	upper = bring_near(p, upper);
	lower = bring_near(p, lower);
	put_jump(p, BPF_JGE, (uint32_t)c->at[mid], upper, lower);
	return p->at;
}

int seccomp_program(const uint8_t verdict[SECCOMP_CALLS], int newest, const struct sock_filter *tail, size_t n_tail,
	struct sock_filter v[SECCOMP_PROGRAM_MAX], const struct sock_filter **ret)
{
	struct program p = {.v = v, .at = SECCOMP_PROGRAM_MAX};
	struct changes c;
	size_t tree, young, foreign;

	if (n_tail > SECCOMP_PROGRAM_MAX)
		return -E2BIG;
	p.at -= n_tail;
	p.tail = p.at;
	memcpy(v + p.at, tail, n_tail * sizeof(*tail));
	find_changes(verdict, newest, &c);
	tree = put_tree(&p, verdict, &c, 0, c.n);
	young = decide(&p, SECCOMP_ABSENT);
	tree = bring_near(&p, tree);
	put_jump(&p, BPF_JGT, (uint32_t)newest, young, tree);
	(void)put(&p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
	tree = p.at;
	foreign = put(&p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	put_jump(&p, BPF_JEQ, seccomp_arch_native(), tree, foreign);
	(void)put(&p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
	if (p.full)
		return -E2BIG;
	*ret = v + p.at;
	return (int)(SECCOMP_PROGRAM_MAX - p.at);
}
