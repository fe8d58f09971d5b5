/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_REBOOT_H
#define NODE_REBOOT_H
/*
 * Whether the host has started anew since a daemon last ran, and how it went down: in order, and then shims have left
 * how their agents ended in data_dir/ends, or not, and then nothing is known but that.
 */
struct node;

/* Once records have been read (adopt_scan): tells it, and notes this start of the host. */
void reboot_note(struct node *n);
/* The daemon ends because it was asked to, as it is when its host goes down in order. */
void reboot_ending(struct node *n);

#endif
