/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_COUNTED_H
#define NODE_COUNTED_H
/*
 * Records of ends (run_dir/shims/ID.RUN.exit) go once the store has what they say.
 */
#include "base/list.h"
#include "node/store.h"

struct node;
struct runner;

#define COUNTED_LATE_MAX 4096 /* more are left, and dropped as counted at the next start */

/* An end whose row is being stored. */
struct counted {
	struct node *node;
	struct list late; /* of node.late_records, when it is */
	uint64_t run;
	bool stayed;	/* its shim did: it writes the record a moment after it told of the end */
	unsigned tries; /* to find it */
	char stem[];
};

/* NULL: out of memory. To be passed with counted_stored to the store, or freed. */
struct counted *counted_new(struct runner *r, uint64_t run, bool stayed);
void counted_stored(void *arg, int rc, const char *error); /* store_done; takes it */
void counted_sweep(struct node *n);			   /* now and then: records that came late */
void counted_done(struct node *n);

#endif
