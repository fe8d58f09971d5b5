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

/* All of them. -EINVAL: faults, each logged; -errno: the folder cannot be read. An absent folder is an empty one. */
int local_load(struct node *n, struct err *e);
void local_reload_verb(struct node *n, struct control_request *rq, const msgpack_object *args);

#endif
