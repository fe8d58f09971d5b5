/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_REPORT_FAR_H
#define NODE_REPORT_FAR_H
/*
 * What `status` of one agent asks of the nodes that have replicas of it: the details that they do not tell everybody.
 * Whoever has not answered in REPORT_FAR_MS is shown as it told last, with a note.
 */
#include "node/report.h"
#include "node/told.h"

#define REPORT_FAR_MS 2000

struct report_far;

/* NULL: out of memory. report_far_begin, which must follow, takes it. */
struct report_far *report_far_new(struct node *n, struct control_request *rq, const char *only);
/* Is asked for its part of the agent, once; only borrowed for the call. */
void report_far_ask(struct report_far *far, const struct gossip_member *m, struct gossip_str agent);
/* Answers once all have, or the time is up: at once when none was asked. */
void report_far_begin(struct report_far *far);

/* What a node has said of one of its replicas: a map; NULL: nothing. far NULL: nobody was asked. */
const msgpack_object *report_far_replica(const struct report_far *far, const struct told_item *item);
/* "notes": an array of sentences. */
void report_far_pack_notes(struct mp_writer *w, const struct report_far *far, struct gossip_str agent);

/* report_status.c: the document, for the agent of that name ("": of all). */
void report_status_answer(struct node *n, struct control_request *rq, const char *only, const struct report_far *far);

#endif
