/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone3 returns twice, in the child on a stack that has no frame to return to. So the call and the jump to what the
 * child does are one piece of assembly: the child never comes back into C code that was entered by the parent. Where
 * it is not written for the processor the caller has the way of clone, and moves the child.
 */
#include "supervisor/spawn_clone.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "base/util.h"

#if defined(__x86_64__)

static NO_ASAN long call_clone(struct clone_args *args, int (*fn)(void *), void *arg)
{
	register void *r_fn __asm__("r8") = (void *)fn;
	register void *r_arg __asm__("r9") = arg;
	long ret = SYS_clone3;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t" /* the child's frames end here */
			 "mov %%r9, %%rdi\n\t"
			 "call *%%r8\n\t"
			 "hlt\n"
			 "1:"
			 : "+a"(ret)
			 : "D"(args), "S"(sizeof(*args)), "r"(r_fn), "r"(r_arg)
			 : "rcx", "r11", "memory", "cc");
	return ret;
}

#elif defined(__aarch64__)

static NO_ASAN long call_clone(struct clone_args *args, int (*fn)(void *), void *arg)
{
	register long x8 __asm__("x8") = SYS_clone3;
	register long x0 __asm__("x0") = (long)args;
	register long x1 __asm__("x1") = sizeof(*args);
	register void *x2 __asm__("x2") = (void *)fn;
	register void *x3 __asm__("x3") = arg;

	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t" /* the child's frames end here */
			 "mov x0, x3\n\t"
			 "blr x2\n\t"
			 "brk #0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3)
			 : "memory", "cc");
	return x0;
}

#else

static long call_clone(struct clone_args *args, int (*fn)(void *), void *arg)
{
	(void)args;
	(void)fn;
	(void)arg;
	return -ENOSYS;
}

#endif

int spawn_clone_into(int (*fn)(void *), void *stack, size_t size, void *arg, int into)
{
	struct clone_args args = {.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.stack = (uint64_t)(uintptr_t)stack,
		.stack_size = size,
		.cgroup = (uint64_t)(unsigned)into};

	return (int)call_clone(&args, fn, arg);
}
