/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_APPLY_H
#define NODE_APPLY_H
/*
 * Definitions by the batch: parsed and checked together, all faults told at once, nothing taken when there is
 * one. Used by
 * `covey apply` and by the reading of agents_dir.
 */
#include "base/bytes.h"
#include "node/control.h"
#include "supervisor/spec.h"

struct node;

struct apply_file {
	const char *name; /* borrowed */
	const char *text; /* borrowed */
	size_t len;
	struct agent_spec *spec;    /* owned once parsed */
	struct spec_faults *faults; /* one of the batch's */
};

struct apply_batch {
	enum spec_scope scope;
	struct apply_file *v;	    /* owned */
	struct spec_faults *faults; /* owned: one a file, in one piece that goes back to the system whole */
	size_t n;
	size_t total_faults;
};

int apply_batch_init(struct apply_batch *b, size_t n, enum spec_scope scope);
void apply_batch_done(struct apply_batch *b);
/*
 * Parses and checks all of v[].text (and faults already there), also against what n holds (NULL: nothing). -EINVAL when
 * there are faults, -ENOMEM.
 */
int apply_batch_check(struct node *n, struct apply_batch *b);
/* The faults as an array of {file, line, key, text}. */
void apply_batch_pack_faults(const struct apply_batch *b, struct mp_writer *w);

/* The verb `apply`. */
void apply_verb(struct node *n, struct control_request *rq, const msgpack_object *args);

#endif
