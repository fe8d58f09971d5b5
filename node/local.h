/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_LOCAL_H
#define NODE_LOCAL_H
/*
 * The agents of this node alone: agents_dir, read at start and on SIGHUP. One faulty file and nothing is taken:
 * what runs
 * goes on as it was.
 */
#include "base/err.h"
#include "node/control.h"

struct node;
struct spec_fault;

/* All of them. -EINVAL: faults, each logged; -errno: the folder cannot be read. An absent folder is an empty one. */
int local_load(struct node *n, struct err *e);
/* Looks at them alone, without a node: -EINVAL after `tell` was called for each fault; else *ret_n files are good. */
typedef void local_fault(const char *file, const struct spec_fault *x);
int local_check(const char *agents_dir, local_fault *tell, size_t *ret_n, struct err *e);
void local_reload_verb(struct node *n, struct control_request *rq, const msgpack_object *args);

#endif
