/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_PAGE_H
#define NODE_PAGE_H
/*
 * What HTTP answers: /metrics, /health/live, /health/ready, /v1/VERB for reading verbs.
 */
#include "node/http.h"

/* http_handler; arg is the node. */
void page_answer(void *arg, struct http_request *rq, const char *path, const char *query);

#endif
