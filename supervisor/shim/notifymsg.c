/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify's lines "NAME=value". The sender is an agent, so anything may come: each line is taken or passed over by
 * itself, and a status is kept printable and on one line.
 */
#include "supervisor/shim/notifymsg.h"

#include <string.h>

#include "base/util.h"
#include "supervisor/shim/text.h"

static bool value_of(const char *line, size_t n, const char *name, const char **ret, size_t *ret_n)
{
	size_t len = strlen(name);

	if (n <= len || memcmp(line, name, len) != 0 || line[len] != '=')
		return false;
	*ret = line + len + 1;
	*ret_n = n - len - 1;
	return true;
}

static bool is_one(const char *line, size_t n, const char *name)
{
	const char *v;
	size_t len;

	return value_of(line, n, name, &v, &len) && len == 1 && v[0] == '1';
}

/* Cuts at the beginning of a character, so that a long status does not end in half of one. */
static size_t cut_utf8(const char *v, size_t n, size_t max)
{
	if (n <= max)
		return n;
	n = max;
	while (n > 0 && ((unsigned char)v[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static void take_status(struct shim_notify *said, const char *v, size_t n)
{
	n = cut_utf8(v, n, sizeof(said->status) - 1);
	memset(said->status, 0, sizeof(said->status));
	for (size_t i = 0; i < n; i++)
		said->status[i] = (unsigned char)v[i] < ' ' || v[i] == 0x7f ? ' ' : v[i];
}

static bool take_line(const char *line, size_t n, struct shim_notify *said, bool *ret_watchdog)
{
	const char *v;
	size_t len, used;
	uint64_t pid;

	if (is_one(line, n, "READY")) {
		said->ready = 1;
	} else if (is_one(line, n, "STOPPING")) {
		said->stopping = 1;
	} else if (is_one(line, n, "WATCHDOG")) {
		said->watchdog = 1;
		*ret_watchdog = true;
	} else if (value_of(line, n, "STATUS", &v, &len)) {
		take_status(said, v, len);
	} else if (value_of(line, n, "MAINPID", &v, &len)) {
		pid = text_to_u64(v, len, &used);
		if (used == 0 || used != len || pid == 0 || pid > INT32_MAX)
			return false;
		said->main_pid = (int32_t)pid;
	} else {
		return false;
	}
	return true;
}

bool notifymsg_take(const char *v, size_t n, struct shim_notify *said, bool *ret_watchdog)
{
	bool any = false;

	*ret_watchdog = false;
	while (n > 0) {
		const char *end = memchr(v, '\n', n);
		size_t len = end ? (size_t)(end - v) : n;

		any |= take_line(v, len, said, ret_watchdog);
		v += MIN(len + 1, n);
		n -= MIN(len + 1, n);
	}
	return any;
}
