/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_DECREE_RECOVER_H
#define NODE_DECREE_RECOVER_H
/*
 * `covey recover --force`: the majority of the voters is lost for ever, and the cluster goes on without it. Answered
 * once it is seen that there is none, with who is given up; then it goes its way (agree.h), which `wait` tells.
 */
#include "node/control.h"
#include "node/ops.h"

struct node;

/* plan: only tells what would be done. */
void decree_recover(struct node *n, struct control_request *rq, const msgpack_object *args);
/* Of the newest that was asked here. */
void decree_recover_progress(struct node *n, struct op_progress *ret);

#endif
