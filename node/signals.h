/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_SIGNALS_H
#define NODE_SIGNALS_H
/*
 * Signals: SIGTERM and SIGINT end the daemon and no agent, SIGHUP reads agents_dir again.
 */
struct node;

/* From here on; SIGHUP is blocked until then (main.c), for it would end a daemon that starts. */
void signals_watch(struct node *n);
/* Before beginning again: one that came while the next store was made is still to be told by the loop, and to end
 * counts more than to begin again. One that comes from here on waits for the next image. */
void signals_leave(struct node *n);

#endif
