/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_HTTP_PARSE_H
#define NODE_HTTP_PARSE_H
/*
 * What of a request decides whether and where it is answered: its target and its Host. Pure.
 */
#include "base/util.h"

#define HTTP_PATH_MAX	1024
#define HTTP_QUERY_MAX	2048
#define HTTP_METHOD_MAX 16

/*
 * The path, decoded once and without `.`, `..` and doubled slashes, and the query as it came. -EINVAL: no path, a bad
 * escape, a control character, a way above the root; -ENAMETOOLONG.
 */
int http_parse_target(const char *target, char path[HTTP_PATH_MAX], char query[HTTP_QUERY_MAX]);

/*
 * Whether a Host header names this server: an address, localhost, the node's name or the bound host, with or without a
 * port. Any other name may have been made to point here by a page that a browser has open.
 */
bool http_parse_host_ok(const char *host, const char *node_name, const char *bind_host);

#endif
