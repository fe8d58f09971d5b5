/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H
/*
 * One request of a reader that may follow (-f): a daemon that has answered before and is away is waited for, without
 * end. A reader keeps its own place (a log's file and offset, an event's id), so that it goes on without a gap.
 */
#include "cli/call.h"

#define FOLLOW_POLL_MS	2000 /* one long poll */
#define FOLLOW_LAST_MAX 60
#define FOLLOW_LINES	10 /* of what was before, unless told otherwise */

struct follow {
	bool on;		  /* -f */
	bool met;		  /* it has answered before: from now on its absence is waited for */
	bool gone;		  /* said so */
	int64_t unknown_until_ms; /* what it asks for is not known since a while: until when that is waited for; or 0 */
	char last[FOLLOW_LAST_MAX + 1]; /* of the last line that was shown: its time, or how it begins; "" */
};

/* CLI_DONE with a result, or with *ret_again (nothing yet: ask again); else told and over. */
enum cli_status follow_ask(
	struct cli *c, struct follow *f, const char *verb, const struct args *a, struct reply *r, bool *ret_again);

#endif
