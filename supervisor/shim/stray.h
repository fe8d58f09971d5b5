/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_STRAY_H
#define SUPERVISOR_SHIM_STRAY_H
/*
 * Descendants of an agent that have moved themselves out of its group, which takes root's rights. They are found by
 * their parent: as orphans they are the shim's, their subreaper's.
 */
#include <stdbool.h>

/* STRAY_DEAD: there are children, and one waits to be reaped. */
enum stray { STRAY_NONE, STRAY_DEAD, STRAY_LIVE, STRAY_MAX };

enum stray stray_look(void);
/* SIGKILLs this process's children, once; returns how many there were. Reads all of /proc: when there are some. */
int stray_kill(void);

#endif
