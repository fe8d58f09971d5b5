/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_GROUPS_H
#define TESTS_LIB_GROUPS_H
/*
 * Where tests make their control groups: at the root of each hierarchy, or below the group that COVEY_TEST_GROUP names
 * ("system.slice/x.service"). Under systemd that is one which was delegated, and which holds no process itself.
 */
#include <stdio.h>
#include <stdlib.h>

#define GROUPS_BELOW_MAX 96

/* "" or "system.slice/x.service/", to stand before a group's name. */
static inline const char *groups_below(void)
{
	static char below[GROUPS_BELOW_MAX];
	const char *group = getenv("COVEY_TEST_GROUP");

	if (group && group[0])
		(void)snprintf(below, sizeof(below), "%s/", group); /* a longer one is cut, and not found */
	return below;
}

#endif
