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

/*
 * Makes DATA_DIR/covey.db.next: a copy of the backup in the file `from`, brought to this version's schema; from NULL:
 * an empty store. It gets a node id of its own: votes that were given since the backup was made are not in it. `boot`
 * is the number of starts that it must not fall behind; op (or NULL) is a change that it knows as done. A file that is
 * no backup, damaged or of a newer version is refused, and nothing is left of it.
 */
int store_next_make(const char *data_dir, const char *from, const struct store_op *op, int64_t boot, struct err *e);

/* Takes what was made, if anything was: 1, else 0. Before store_open, by the holder of the data_dir's lock. */
int store_next_take(const char *data_dir, struct err *e);

#endif
