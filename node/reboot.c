/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's id of this start of the host beside the one that the store has. Without a record of an end the host lost
 * its power, if it took the daemon with it; if that had been ended in order before, nobody knows, or nothing ran.
 */
#include "node/reboot.h"

#include <fcntl.h>

#include "base/io.h"
#include "node/node.h"

#define BOOT_ID	      "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_BYTES 64
#define KEY	      "host_boot"
#define KEY_ENDED     "ended" /* 1: the last daemon was asked to */

/* The first 60 bits of a UUID: what the store keeps is a number. 0: there is none. */
static int64_t boot_id(void)
{
	CLEANUP(bytes_done) struct bytes b;
	int64_t id = 0;
	int digits = 0;

	bytes_init(&b, BOOT_ID_BYTES);
	if (io_read_file(AT_FDCWD, BOOT_ID, &b, NULL) < 0)
		return 0;
	for (size_t i = 0; i < b.n && digits < 15; i++) {
		char c = ((const char *)b.v)[i];
		int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

		if (v < 0)
			continue;
		id = id << 4 | v;
		digits++;
	}
	return id;
}

static void tell_cut(struct node *n)
{
	LIST_FOREACH (at, &n->roster.order) {
		const struct agent *a = LIST_ENTRY(at, struct agent, order);

		if (!a->stopped && !a->removed && a->desired > 0)
			node_event(n, SEVERITY_WARNING, "host", a->name, NULL,
				"the host went down without notice (its power was cut, or it crashed): what ran of "
				"this agent ended with it, how is not recorded");
	}
}

void reboot_note(struct node *n)
{
	int64_t now = boot_id(), before = store_meta(n->store, KEY, 0);
	bool ended = store_meta(n->store, KEY_ENDED, 0) != 0;

	if (ended)
		(void)store_put_meta(n->store, KEY_ENDED, 0, node_stored, n); /* full: the next cut is told less of */
	if (now == before || now == 0)
		return;
	(void)store_put_meta(n->store, KEY, now, node_stored, n); /* full: told once more by the next daemon */
	if (before == 0)
		return;
	if (n->ends_found > 0)
		node_event(n, SEVERITY_INFO, "host", NULL, NULL,
			"the host has started anew; it went down in order, with the ends of %u replicas recorded",
			n->ends_found);
	else if (ended)
		node_event(n, SEVERITY_INFO, "host", NULL, NULL,
			"the host has started anew; no end of an agent is recorded");
	else
		tell_cut(n);
}

void reboot_ending(struct node *n)
{
	if (n->store)
		(void)store_put_meta(n->store, KEY_ENDED, 1, NULL, NULL); /* full: as after a cut */
}
