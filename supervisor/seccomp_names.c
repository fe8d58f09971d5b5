/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and numbers of system calls: libseccomp's tables, and the calls that are newer than the libseccomp of the
 * oldest system we build on. Also the check of names that needs no cache (covey check).
 */
#include "supervisor/seccomp_impl.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* Since Linux 5.1 a new call has the same number everywhere. */
static const struct newer {
	int nr;
	const char *name;
} newer[] = {
	{451, "cachestat"},
	{452, "fchmodat2"},
	{453, "map_shadow_stack"},
	{454, "futex_wake"},
	{455, "futex_wait"},
	{456, "futex_requeue"},
	{457, "statmount"},
	{458, "listmount"},
	{459, "lsm_get_self_attr"},
	{460, "lsm_set_self_attr"},
	{461, "lsm_list_modules"},
	{462, "mseal"},
	{463, "setxattrat"},
	{464, "getxattrat"},
	{465, "listxattrat"},
	{466, "removexattrat"},
	{467, "open_tree_attr"},
	{468, "file_getattr"},
	{469, "file_setattr"},
};

int seccomp_call_nr(const char *name)
{
	int nr;

	for (size_t i = 0; i < ARRAY_LEN(newer); i++)
		if (strcmp(newer[i].name, name) == 0)
			return newer[i].nr;
	nr = seccomp_syscall_resolve_name(name);
	if (nr == __NR_SCMP_ERROR)
		return -EINVAL;
	return nr >= 0 && nr < SECCOMP_CALLS ? nr : -ENOSYS;
}

int seccomp_newest_nr(void)
{
	return newer[ARRAY_LEN(newer) - 1].nr;
}

char *seccomp_call_name(int nr, char *out, size_t n)
{
	AUTO_FREE char *known = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
	const char *name = known;

	for (size_t i = 0; !name && i < ARRAY_LEN(newer); i++)
		if (newer[i].nr == nr)
			name = newer[i].name;
	if (name)
		(void)snprintf(out, n, "%s", name); /* a short buffer cuts the name */
	else
		(void)snprintf(out, n, "syscall %d", nr);
	return out;
}

const char *seccomp_unknown_name(const struct spec_strv *names)
{
	AUTO_FREE struct seccomp_groups *groups = NULL;
	const char *text = seccomp_builtin("groups");

	for (size_t i = 0; i < names->n; i++) {
		const char *name = names->v[i];

		if (name[0] != '@') {
			if (seccomp_call_nr(name) == -EINVAL)
				return name;
			continue;
		}
		if (!groups) {
			groups = mem_zalloc(1, sizeof(*groups));
			if (!groups || seccomp_parse("groups", text, strlen(text), groups, NULL, NULL) < 0)
				return name;
		}
		if (!seccomp_group_find(groups, name))
			return name;
	}
	return NULL;
}
