/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking on while the daemon may be started anew: see follow.h.
 */
#include "cli/follow.h"

#include <poll.h>
#include <string.h>

#define GRACE_MS 10000
#define RETRY_MS 200

enum cli_status follow_ask(
	struct cli *c, struct follow *f, const char *verb, const struct args *a, struct reply *r, bool *ret_again)
{
	struct err e = {0};
	enum call_end end = call_daemon(c, verb, a, f->on ? FOLLOW_POLL_MS + GRACE_MS : c->opt.timeout_ms, r, &e);

	*ret_again = false;
	if (end == CALL_OK) {
		f->met = true;
		f->gone = false;
		return CLI_DONE;
	}
	if (end == CALL_REFUSED && strcmp(r->code, "away") == 0 && *f->last)
		return cli_fail(CLI_REFUSED, "%s; the last line shown is that of %s", r->error, f->last);
	if (!f->on || !f->met || end == CALL_REFUSED)
		return call_failed(end, r, &e);
	if (!f->gone)
		(void)cli_fail(CLI_NO_DAEMON, "%s; going on when it is back", e.text); /* told; it goes on */
	f->gone = true;
	*ret_again = true;
	(void)poll(NULL, 0, RETRY_MS); /* a signal only makes it shorter */
	return CLI_DONE;
}
