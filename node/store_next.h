/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_STORE_NEXT_H
#define NODE_STORE_NEXT_H
/*
 * The next store: what `covey restore` and `covey reset` put in the place of the one that is there. It is made beside
 * it, whole and checked, while the old one is in use, and taken by the next start of the daemon, so that whatever dies
 * in between leaves one or the other. Both calls may block: they read and write a whole store.
 */
#include "base/err.h"
#include "node/store.h"

/* What must not fall behind what it was: numbers that were given already must not be given again. */
struct store_counts {
	int64_t boot;	   /* starts */
	int64_t event_seq; /* the next event's, and later ones */
};

/*
 * Makes DATA_DIR/covey.db.next: a copy of the backup in the file `from`, brought to this version's schema; from NULL:
 * an empty store. It gets a node id of its own: votes that were given since the backup was made are not in it. op (or
 * NULL) is a change that it knows as done. counts NULL: they cannot be known; events skip more than any backup lacks.
 * A file that is no backup, damaged, being written or of a newer version is refused, and nothing is left of it.
 */
int store_next_make(const char *data_dir, const char *from, const struct store_op *op,
	const struct store_counts *counts, struct err *e);

/* Takes what was made, if anything was: 1, else 0. Before store_open, by the holder of the data_dir's lock. */
int store_next_take(const char *data_dir, struct err *e);

#endif
