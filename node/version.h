/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_VERSION_H
#define NODE_VERSION_H
/*
 * The libraries that the daemon runs with, as they say themselves; libcgroup, which cannot: as it was built with.
 */
#include <stddef.h>

#define VERSION_LIBRARIES 8

struct version_library {
	const char *name;
	char text[32];
};

void version_libraries(struct version_library ret[VERSION_LIBRARIES]);

#endif
