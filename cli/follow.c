/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking on while the daemon may be started anew: see follow.h.
 */
#include "cli/follow.h"

#include <poll.h>
#include <string.h>

#define GRACE_MS   10000
#define RETRY_MS   200
#define UNKNOWN_MS 5000 /* a node that begins anew is back before all that it has is known again */

/* What was read before and is not known now: whether to ask again. */
static bool is_waited_for(struct follow *f, const struct reply *r)
{
	int64_t now_ms = cli_mono_ms();

	if (!f->on || !f->met || strcmp(r->code, "unknown") != 0)
		return false;
	if (f->unknown_until_ms == 0)
		f->unknown_until_ms = now_ms + UNKNOWN_MS;
	return now_ms < f->unknown_until_ms;
}

enum cli_status follow_ask(
	struct cli *c, struct follow *f, const char *verb, const struct args *a, struct reply *r, bool *ret_again)
{
	struct err e = {0};
	enum call_end end = call_daemon(c, verb, a, f->on ? FOLLOW_POLL_MS + GRACE_MS : c->opt.timeout_ms, r, &e);

	*ret_again = false;
	if (end == CALL_OK) {
		f->met = true;
		f->gone = false;
		f->unknown_until_ms = 0;
		return CLI_DONE;
	}
	if (end == CALL_REFUSED && is_waited_for(f, r)) {
		*ret_again = true;
		(void)poll(NULL, 0, RETRY_MS); /* a signal only makes it shorter */
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
