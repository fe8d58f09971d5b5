/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsystemd, loaded when it is needed, by the two functions that are.
 */
#include "node/systemd.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#define LIBRARY	  "libsystemd.so.0"
#define FIELD_MAX 1200

/* NULL where the library or the function is missing: then nobody is told. */
static void *function(const char *name)
{
	void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL); /* loaded once; later calls only count */

	return lib ? dlsym(lib, name) : NULL;
}

void systemd_notify(const char *state)
{
	__typeof__(sd_notify) *notify;

	if (!getenv("NOTIFY_SOCKET"))
		return;
	notify = function("sd_notify");
	if (notify)
		(void)notify(0, state); /* systemd's own timeouts tell when it did not hear us */
}

bool systemd_has_journal(void)
{
	return getenv("JOURNAL_STREAM") && getenv("INVOCATION_ID") && function("sd_journal_sendv");
}

void systemd_to_journal(enum log_level level, const char *agent, const char *replica, const char *text)
{
	static const int priority[] = {
		[LOG_LEVEL_ERR] = 3, [LOG_LEVEL_WARN] = 4, [LOG_LEVEL_INFO] = 6, [LOG_LEVEL_DEBUG] = 7};
	__typeof__(sd_journal_sendv) *sendv = function("sd_journal_sendv");
	const char *of = replica ? replica : agent ? agent : "";
	char field[4][FIELD_MAX];
	struct iovec v[4];

	_Static_assert(ARRAY_LEN(priority) == LOG_LEVEL_MAX, "a priority for each level");
	(void)snprintf(field[0], FIELD_MAX, "MESSAGE=%s%s%s", of, *of ? ": " : "", text); /* longer ones are cut */
	(void)snprintf(field[1], FIELD_MAX, "PRIORITY=%d", priority[level]);
	(void)snprintf(field[2], FIELD_MAX, "AGENT=%s", agent ? agent : "");
	(void)snprintf(field[3], FIELD_MAX, "REPLICA=%s", replica ? replica : "");
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		v[i] = (struct iovec){field[i], strlen(field[i])};
	if (sendv)
		(void)sendv(v, ARRAY_LEN(v)); /* a log that cannot be written has nowhere to say so */
}
