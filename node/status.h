/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_STATUS_H
#define NODE_STATUS_H
/*
 * What systemd is told of this node: that it is ready, what `systemctl status` shows, that it reloads. Where systemd
 * did not start the daemon these do nothing.
 */
#include "base/util.h"

struct node;

#define STATUS_TEXT_MAX 512

void status_ready(struct node *n); /* it serves */
/* Called once a while: says the figures when they are others than last time, and that the daemon is well. */
void status_tick(struct node *n);
void status_reload_begin(struct node *n);
void status_reload_end(struct node *n);
/* What is wrong with agents_dir, shown until it is right; NULL: nothing. */
void status_set_fault(struct node *n, const char *fault);
/* The daemon ends, or could not start: the sentence that `systemctl status` goes on showing. */
void status_failed(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
