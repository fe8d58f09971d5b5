/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shim that stays writes its record only after it has told of the end, and the store may be quicker: what was not
 * there yet is looked for again. A record that the store could not take stays, to be counted after a restart; but only
 * the newest of its replica, so that a full disk does not fill run_dir too.
 */
#include "node/counted.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "node/node.h"
#include "node/shimfiles.h"

#define LATE_TRIES 5 /* of counted_sweep */

struct counted *counted_new(struct runner *r, uint64_t run, bool stayed)
{
	size_t size = strlen(r->stem) + 1;
	struct counted *c = mem_zalloc(1, sizeof(*c) + size);

	if (!c)
		return NULL;
	c->node = r->node;
	c->run = run;
	c->stayed = stayed;
	list_init(&c->late);
	memcpy(c->stem, r->stem, size);
	return c;
}

static void counted_free(struct counted *c)
{
	if (!list_is_empty(&c->late))
		c->node->n_late_records--;
	list_del(&c->late);
	free(c);
}

/* Notes what the store has. Whether the record of c is to stay; one that was left before it is not. */
static bool note_stored(const struct counted *c, int rc)
{
	struct map_node *at = map_get(&c->node->roster.runners, c->stem);
	struct runner *r = at ? CONTAINER_OF(at, struct runner, by_stem) : NULL;
	bool left = rc < 0 && r && r->last_run == c->run;

	if (r && r->record_left && r->record_left < c->run) {
		(void)shimfiles_remove_record(c->node->cfg, c->stem, r->record_left); /* wiped is as good */
		r->record_left = 0;
	}
	if (left)
		r->record_left = c->run;
	if (r && rc == 0)
		r->stored_run = MAX(r->stored_run, c->run);
	return left;
}

void counted_stored(void *arg, int rc, const char *error)
{
	struct counted *c = arg;
	struct node *n = c->node;

	node_stored(n, rc, error);
	if (note_stored(c, rc) || shimfiles_remove_record(n->cfg, c->stem, c->run) != -ENOENT || !c->stayed ||
		n->n_late_records >= COUNTED_LATE_MAX) {
		counted_free(c);
		return;
	}
	list_add_tail(&n->late_records, &c->late);
	n->n_late_records++;
}

void counted_sweep(struct node *n)
{
	LIST_FOREACH_SAFE (at, &n->late_records) {
		struct counted *c = LIST_ENTRY(at, struct counted, late);

		if (shimfiles_remove_record(n->cfg, c->stem, c->run) != -ENOENT || ++c->tries >= LATE_TRIES)
			counted_free(c);
	}
}

void counted_done(struct node *n)
{
	counted_sweep(n);
	while (!list_is_empty(&n->late_records))
		counted_free(LIST_ENTRY(n->late_records.next, struct counted, late));
}
