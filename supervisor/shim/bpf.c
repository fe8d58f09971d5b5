/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader of classic BPF, as far as seccomp filters use it. A child that shares its parent's memory keeps the parent
 * waiting until its exec; were that exec itself a call that the parent must answer for, both would wait for ever. So
 * the shim asks here first, and forks the long way when the answer is not a plain yes. A wrong "no" costs
 * microseconds, so what is unusual is simply not followed.
 */
#include "supervisor/shim/bpf.h"

#include <string.h>

/* Opcodes of struct sock_filter, class and mode together. */
enum {
	LD_W_ABS = 0x20,
	JMP_JA = 0x05,
	JMP_JEQ_K = 0x15,
	JMP_JGT_K = 0x25,
	JMP_JGE_K = 0x35,
	JMP_JSET_K = 0x45,
	ALU_AND_K = 0x54,
	RET_K = 0x06,
};

static bool compare(uint16_t code, uint32_t a, uint32_t k)
{
	switch (code) {
	case JMP_JEQ_K:
		return a == k;
	case JMP_JGT_K:
		return a > k;
	case JMP_JGE_K:
		return a >= k;
	default: /* JMP_JSET_K */
		return (a & k) != 0;
	}
}

static bool load(const struct k_seccomp_data *data, uint32_t at, uint32_t *ret_a)
{
	if (at > sizeof(*data) - sizeof(*ret_a) || at % 4)
		return false;
	memcpy(ret_a, (const char *)data + at, sizeof(*ret_a));
	return true;
}

uint32_t bpf_verdict(const struct k_sock_filter *v, size_t n, int nr)
{
	const struct k_seccomp_data data = {.nr = nr, .arch = K_AUDIT_ARCH};
	uint32_t a = 0;

	for (size_t pc = 0; pc < n; pc++) {
		const struct k_sock_filter *i = &v[pc];

		switch (i->code) {
		case LD_W_ABS:
			if (!load(&data, i->k, &a))
				return K_SECCOMP_RET_USER_NOTIF;
			break;
		case JMP_JA:
			pc += i->k;
			break;
		case JMP_JEQ_K:
		case JMP_JGT_K:
		case JMP_JGE_K:
		case JMP_JSET_K:
			pc += compare(i->code, a, i->k) ? i->jt : i->jf;
			break;
		case ALU_AND_K:
			a &= i->k;
			break;
		case RET_K:
			return i->k & K_SECCOMP_RET_ACTION;
		default:
			return K_SECCOMP_RET_USER_NOTIF;
		}
	}
	return K_SECCOMP_RET_USER_NOTIF;
}

bool bpf_allows(const struct k_sock_filter *v, size_t n, int nr)
{
	uint32_t verdict = bpf_verdict(v, n, nr);

	return verdict == K_SECCOMP_RET_ALLOW || verdict == K_SECCOMP_RET_LOG;
}
