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

#include "base/limits.h"

#define LIBRARY	  "libsystemd.so.0"
#define FIELD_MAX 1200
#define FIELDS	  5

static char node_field[NAME_MAX_LEN + 8]; /* set once, at start */

struct fields {
	char text[FIELDS][FIELD_MAX];
	struct iovec v[FIELDS];
	size_t n;
};

/* NULL where the library or the function is missing: then nobody is told. */
static void *function(const char *name)
{
	void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL); /* loaded once; later calls only count */

	return lib ? dlsym(lib, name) : NULL;
}

bool systemd_listens(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

void systemd_notify(const char *state)
{
	__typeof__(sd_notify) *notify;

	if (!systemd_listens())
		return;
	notify = function("sd_notify");
	if (notify)
		(void)notify(0, state); /* systemd's own timeouts tell when it did not hear us */
}

bool systemd_has_journal(void)
{
	return getenv("JOURNAL_STREAM") && getenv("INVOCATION_ID") && function("sd_journal_sendv");
}

void systemd_set_node(const char *name)
{
	(void)snprintf(node_field, sizeof(node_field), "NODE=%s", name); /* a name is at most NAME_MAX_LEN */
}

/* One of the entry's fields; one without a value is left out. */
static void add_field(struct fields *f, const char *name, const char *value)
{
	char *at = f->text[f->n];

	if (!value || !*value)
		return;
	f->v[f->n].iov_base = at;
	f->v[f->n++].iov_len = (size_t)MIN(snprintf(at, FIELD_MAX, "%s%s", name, value), FIELD_MAX - 1); /* cut */
}

void systemd_to_journal(enum log_level level, const char *agent, const char *replica, const char *text)
{
	static const char *const priority[] = {
		[LOG_LEVEL_ERR] = "3", [LOG_LEVEL_WARN] = "4", [LOG_LEVEL_INFO] = "6", [LOG_LEVEL_DEBUG] = "7"};
	__typeof__(sd_journal_sendv) *sendv = function("sd_journal_sendv");
	const char *of = replica ? replica : agent ? agent : "";
	char message[FIELD_MAX];
	struct fields f = {0};

	_Static_assert(ARRAY_LEN(priority) == LOG_LEVEL_MAX, "a priority for each level");
	(void)snprintf(message, sizeof(message), "%s%s%s", of, *of ? ": " : "", text); /* longer ones are cut */
	add_field(&f, "MESSAGE=", message);
	add_field(&f, "PRIORITY=", priority[level]);
	add_field(&f, "AGENT=", agent);
	add_field(&f, "REPLICA=", replica);
	if (node_field[0])
		f.v[f.n++] = (struct iovec){node_field, strlen(node_field)};
	if (sendv)
		(void)sendv(f.v, (int)f.n); /* a log that cannot be written has nowhere to say so */
}
