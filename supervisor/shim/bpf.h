/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_BPF_H
#define SUPERVISOR_SHIM_BPF_H
/*
 * What a seccomp filter will say to one system call, told before it is loaded. Pure.
 */
#include <stdbool.h>
#include <stddef.h>

#include "supervisor/shim/kernel.h"

/* The filter's answer to `nr` with all arguments 0; K_SECCOMP_RET_USER_NOTIF for a program that it cannot follow. */
uint32_t bpf_verdict(const struct k_sock_filter *v, size_t n, int nr);
/* Whether the call is let through without asking anyone. */
bool bpf_allows(const struct k_sock_filter *v, size_t n, int nr);

#endif
