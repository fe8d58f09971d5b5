/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_NOTIFYMSG_H
#define SUPERVISOR_SHIM_NOTIFYMSG_H
/*
 * One datagram of sd_notify(3). Pure.
 */
#include <stdbool.h>
#include <stddef.h>

#include "supervisor/shim_proto.h"

/*
 * Takes what v[0…n) says into `said` and returns whether that changed or renewed anything; *ret_watchdog is set by
 * WATCHDOG=1. Unknown and malformed lines are passed over, whatever they hold.
 */
bool notifymsg_take(const char *v, size_t n, struct shim_notify *said, bool *ret_watchdog);

#endif
