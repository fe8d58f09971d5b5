/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SECCOMP_IMPL_H
#define SUPERVISOR_SECCOMP_IMPL_H
/*
 * Between the files of seccomp alone. A profile is what it says about each system call of this machine, by number:
 * parsed from covey.profile(5) text (seccomp_profile.c), made a filter by libseccomp (seccomp_compile.c) with a short
 * tree in front of it (seccomp_program.c).
 */
#include <linux/filter.h>

#include "base/err.h"
#include "supervisor/seccomp.h"

#define SECCOMP_CALLS	      512 /* numbers below are ours to decide; struct shim_refused.learned has a bit for each */
#define SECCOMP_GROUPS_MAX    64
#define SECCOMP_GROUP_NAME    32 /* with '@' and the NUL */
#define SECCOMP_CONDS_MAX     64 /* `if` lines of a profile */
#define SECCOMP_PROFILE_BYTES (64 * 1024)
#define SECCOMP_PROGRAM_MAX   4096 /* instructions of a filter: the kernel's BPF_MAXINSNS */

enum seccomp_verdict { SECCOMP_REFUSE, SECCOMP_ALLOW, SECCOMP_ALLOW_IF, SECCOMP_ABSENT, SECCOMP_VERDICT_MAX };

struct seccomp_set {
	uint64_t bits[SECCOMP_CALLS / 64];
};

struct seccomp_group {
	char name[SECCOMP_GROUP_NAME];
	struct seccomp_set calls;
};

struct seccomp_groups {
	size_t n;
	struct seccomp_group v[SECCOMP_GROUPS_MAX];
};

struct seccomp_cond {
	int nr;
	unsigned arg; /* 0..5 */
	uint64_t mask, value;
};

struct seccomp_profile {
	bool kill;			/* on-refusal */
	bool open;			/* seccomp: off with a `deny`: what has no other verdict is let through */
	uint8_t verdict[SECCOMP_CALLS]; /* enum seccomp_verdict */
	size_t n_conds;
	struct seccomp_cond conds[SECCOMP_CONDS_MAX]; /* any one that holds lets its call through */
};

static inline bool seccomp_set_has(const struct seccomp_set *s, int nr)
{
	return s->bits[nr / 64] >> (nr % 64) & 1;
}

static inline void seccomp_set_add(struct seccomp_set *s, int nr)
{
	s->bits[nr / 64] |= UINT64_C(1) << (nr % 64);
}

/* seccomp_names.c: number of a call here; -ENOSYS: known, but not one of this architecture's calls below
 * SECCOMP_CALLS; -EINVAL: no such call anywhere. */
int seccomp_call_nr(const char *name);
/* The highest number that has a name here; what is above is younger than this program. */
int seccomp_newest_nr(void);

/* seccomp_profile.c. `file` is for messages, which begin with FILE:LINE:. Groups are added to `groups`; a NULL
 * profile means that the file may define groups alone. */
int seccomp_parse(const char *file, const char *text, size_t len, struct seccomp_groups *groups,
	struct seccomp_profile *profile, struct err *e);
const struct seccomp_group *seccomp_group_find(const struct seccomp_groups *g, const char *name);
/* The calls that a name of an agent's file means: a call or a @group. -EINVAL with the name in e. */
int seccomp_name_calls(const struct seccomp_groups *g, const char *name, struct seccomp_set *ret, struct err *e);
void seccomp_profile_put(struct seccomp_profile *p, const struct seccomp_set *calls, enum seccomp_verdict verdict);
/* The three files that are built in: "groups", "default", "strict"; NULL for another name. */
const char *seccomp_builtin(const char *name);

/* seccomp_compile.c: a sealed memfd of struct sock_filter[] (the caller closes), or -errno. */
int seccomp_compile(const struct seccomp_profile *p, struct err *e);
int seccomp_compile_learn(struct err *e); /* notifies of every call */

/* seccomp_program.c: the program at the end of v, *ret its first instruction: how many, or -E2BIG. Numbers above
 * `newest` are absent; those with SECCOMP_ALLOW_IF go on to the tail, which may be nothing when there are none. */
int seccomp_program(const uint8_t verdict[SECCOMP_CALLS], int newest, const struct sock_filter *tail, size_t n_tail,
	struct sock_filter v[SECCOMP_PROGRAM_MAX], const struct sock_filter **ret);

/* seccomp.c: the profile `name` ("default", "strict") and its groups as they are on this host now; borrowed until the
 * next call. */
int seccomp_cache_load(struct seccomp_cache *c, const char *name, const struct seccomp_groups **ret_groups,
	const struct seccomp_profile **ret_profile, struct err *e);

#endif
