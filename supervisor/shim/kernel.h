/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_KERNEL_H
#define SUPERVISOR_SHIM_KERNEL_H
/*
 * What the shim needs of the kernel's ABI and finds in no header of musl, under names of its own, so that a libc that
 * does declare it is in nobody's way. Numbers of system calls are <sys/syscall.h>'s.
 */
#include <stdint.h>
#include <sys/ioctl.h>

/* clone3(2) */
#define K_CLONE_INTO_CGROUP 0x200000000ull
struct k_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
		cgroup;
};

/* getdents64(2) */
struct k_dirent {
	uint64_t inode;
	int64_t next;
	uint16_t size;
	uint8_t type;
	char name[];
};

/* close_range(2) */
#define K_CLOSE_RANGE_CLOEXEC (1u << 2)

/* mount_setattr(2), open_tree(2), move_mount(2) */
#define K_AT_RECURSIVE		  0x8000
#define K_MOUNT_ATTR_RDONLY	  1
#define K_OPEN_TREE_CLONE	  1
#define K_MOVE_MOUNT_F_EMPTY_PATH 4
struct k_mount_attr {
	uint64_t attr_set, attr_clr, propagation, userns_fd;
};

/* capset(2) */
#define K_CAPABILITY_VERSION_3 0x20080522
#define K_CAP_SYS_ADMIN	       21
#define K_CAP_LAST_MAX	       63
struct k_cap_header {
	uint32_t version;
	int32_t pid;
};
struct k_cap_data {
	uint32_t effective, permitted, inheritable;
};

/* Classic BPF, as seccomp(2) takes it */
struct k_sock_filter {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};
struct k_sock_fprog {
	uint16_t len;
	const struct k_sock_filter *filter;
};

/* seccomp(2) and its user notifications */
#define K_SECCOMP_SET_MODE_FILTER     1
#define K_SECCOMP_GET_NOTIF_SIZES     3
#define K_SECCOMP_FLAG_NEW_LISTENER   (1u << 3)
#define K_SECCOMP_RET_USER_NOTIF      0x7fc00000u
#define K_SECCOMP_RET_LOG	      0x7ffc0000u
#define K_SECCOMP_RET_ALLOW	      0x7fff0000u
#define K_SECCOMP_RET_ACTION	      0xffff0000u
#define K_SECCOMP_USER_NOTIF_CONTINUE 1u
struct k_seccomp_data {
	int32_t nr;
	uint32_t arch;
	uint64_t instruction_pointer;
	uint64_t args[6];
};
struct k_seccomp_notif {
	uint64_t id;
	uint32_t pid, flags;
	struct k_seccomp_data data;
};
struct k_seccomp_resp {
	uint64_t id;
	int64_t val;
	int32_t error;
	uint32_t flags;
};
#define K_SECCOMP_NOTIF_RECV _IOWR('!', 0, struct k_seccomp_notif)
#define K_SECCOMP_NOTIF_SEND _IOWR('!', 1, struct k_seccomp_resp)

#if defined(__x86_64__)
#define K_AUDIT_ARCH 0xc000003eu
#elif defined(__aarch64__)
#define K_AUDIT_ARCH 0xc00000b7u
#elif defined(__riscv) && __riscv_xlen == 64
#define K_AUDIT_ARCH 0xc00000f3u
#else
#error "covey-shim: this architecture's AUDIT_ARCH is not known here"
#endif

/* Landlock */
#define K_LANDLOCK_CREATE_VERSION 1u
#define K_LANDLOCK_RULE_PATH	  1
#define K_LANDLOCK_WRITE_FILE	  (1ull << 1)
#define K_LANDLOCK_REMOVE_DIR	  (1ull << 4)
#define K_LANDLOCK_MAKE_SYM	  (1ull << 12)
#define K_LANDLOCK_REFER	  (1ull << 13) /* since ABI 2 */
#define K_LANDLOCK_TRUNCATE	  (1ull << 14) /* since ABI 3 */
struct k_landlock_ruleset {
	uint64_t handled_access_fs;
};
struct k_landlock_path {
	uint64_t allowed_access;
	int32_t parent_fd;
}; /* packed in the kernel's header; the same bytes */

/* sched_setscheduler(2), timerfd(2) */
#define K_SCHED_RESET_ON_FORK	  0x40000000
#define K_TFD_TIMER_CANCEL_ON_SET (1 << 1)

#endif
