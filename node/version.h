/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_VERSION_H
#define NODE_VERSION_H
/*
 * The libraries that the daemon runs with, as they say themselves.
 */
#include <stddef.h>

#define VERSION_LIBRARIES 6

struct version_library {
	const char *name;
	char text[32];
};

void version_libraries(struct version_library ret[VERSION_LIBRARIES]);

#endif
