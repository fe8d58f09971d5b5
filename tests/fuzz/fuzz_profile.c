/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a seccomp profile, with the groups of the tree beside it: taken whole, or refused with FILE:LINE.
 */
#include <string.h>

#include "supervisor/seccomp_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE struct seccomp_groups *groups = calloc(1, sizeof(*groups));
	AUTO_FREE struct seccomp_profile *profile = calloc(1, sizeof(*profile));
	const char *text = seccomp_builtin("groups");
	struct err e = {0};
	int rc;

	if (!groups || !profile)
		return 0;
	rc = seccomp_parse("groups", text, strlen(text), groups, NULL, &e);
	assert(rc == 0);
	rc = seccomp_parse("x", (const char *)data, size, groups, profile, &e);
	assert(rc == 0 || (e.code == rc && strncmp(e.text, "x:", 2) == 0));
	assert(groups->n <= SECCOMP_GROUPS_MAX && profile->n_conds <= SECCOMP_CONDS_MAX);
	return 0;
}
