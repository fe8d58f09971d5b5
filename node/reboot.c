/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's id of this start of the host beside the one that the store has. A host on which not one agent was
 * running goes down in order without a record too, so what is told of a cut is told of agents that were to run.
 */
#include "node/reboot.h"

#include <fcntl.h>

#include "base/io.h"
#include "node/node.h"

#define BOOT_ID	      "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_BYTES 64
#define KEY	      "host_boot"

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

	if (now == before || now == 0)
		return;
	(void)store_put_meta(n->store, KEY, now, node_stored, n); /* full: told once more by the next daemon */
	if (before == 0)
		return;
	if (n->ends_found == 0)
		tell_cut(n);
	else
		node_event(n, SEVERITY_INFO, "host", NULL, NULL,
			"the host has started anew; it went down in order, with the ends of %u replicas recorded",
			n->ends_found);
}
