/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_PROBE_H
#define SUPERVISOR_PROBE_H
/*
 * Probes by http and tcp, as the daemon makes them: non-blocking sockets on the loop, to 127.0.0.1, one timer each,
 * at most PROBE_REPLY_MAX bytes read. (exec probes go to the shim, notify needs none.)
 */
#include <ev.h>

#include "base/util.h"
#include "supervisor/spec.h"

struct probe; /* one that is out */

/* Called once, from the loop, unless the probe was cancelled. text is borrowed: what went wrong, or "". */
typedef void probe_done(void *arg, bool ok, int64_t took_ms, const char *text);

/* Starts one; port is resolved by the caller. NULL when out of memory or descriptors (the caller answers for it). */
struct probe *probe_start(struct ev_loop *loop, const struct spec_probe *p, uint16_t port, probe_done *done, void *arg);
void probe_cancel(struct probe *p); /* NULL is fine; done is not called */

#endif
