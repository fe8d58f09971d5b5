/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_SANDBOX_H
#define SUPERVISOR_SHIM_SANDBOX_H
/*
 * What an agent sees of the host: its mounts and its network. Called by the child, before it stops being root.
 * Each returns 0 or -errno with what was at fault in *ret_detail (borrowed from the plan, or static).
 */
#include "supervisor/shim/planread.h"

int sandbox_unshare(const struct plan *p, const char **ret_detail);
/* Instead of unshare and mount: the namespaces of the agent that runs already, for a probe beside it. */
int sandbox_join(int pid, const char **ret_detail);
int sandbox_mount(const struct plan *p, const char **ret_detail);
/* Writes outside of what is writable are refused by Landlock; nothing where the kernel has none. */
int sandbox_landlock(const struct plan *p, const char **ret_detail);

#endif
