/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SECCOMP_H
#define SUPERVISOR_SECCOMP_H
/*
 * Seccomp profiles: readable files with groups of syscalls (etc/seccomp/NAME.profile), compiled once by libseccomp
 * and exported into a memfd that shims load raw. A call that the profile does not allow goes to the shim
 * (SECCOMP_RET_USER_NOTIF), which names and counts it and answers EPERM, or kills (`on-refusal kill`).
 */
#include "base/err.h"
#include "supervisor/spec.h"

struct seccomp_cache; /* compiled profiles by content; one a daemon */

/*
 * Files NAME.profile in profile_dir (copied) are used instead of what is built in, as they are when a filter is asked
 * for.
 */
int seccomp_cache_new(const char *profile_dir, struct seccomp_cache **ret, struct err *e);
void seccomp_cache_free(struct seccomp_cache *c);

struct seccomp_filter {
	int fd;	    /* memfd of struct sock_filter[]; borrowed from the cache; -1: no filter */
	bool kill;  /* SHIM_FLAG_SECCOMP_KILL */
	bool learn; /* SHIM_FLAG_SECCOMP_LEARN */
};

/* The filter for a sandbox; compiled on first use. An unknown syscall or group in allow/deny is -EINVAL, named; so is a
 * fault in a file of profile_dir, with FILE:LINE. Beside `learn`, allow and deny are -EINVAL. */
int seccomp_filter_for(
	struct seccomp_cache *c, const struct spec_sandbox *s, struct seccomp_filter *ret, struct err *e);
/* Checks the names of allow and deny without a cache (covey check). Returns the first that is unknown, or NULL. */
const char *seccomp_unknown_name(const struct spec_strv *names);
/* Name of a syscall by number ("mount"), or "syscall 423"; written to out, which is returned. */
char *seccomp_call_name(int nr, char *out, size_t n);
/* The profile that allows what was seen (bits as in struct shim_refused.learned), as text to paste into an agent's
 * file: the shortest of `seccomp: strict`, `default` and a custom one. The caller frees. */
char *seccomp_profile_text(struct seccomp_cache *c, const uint8_t learned[64], struct err *e);

#endif
