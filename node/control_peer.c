/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use the control socket. The kernel has checked the file's mode before; this is the second lock, for a socket
 * whose mode or group somebody changed.
 */
#include "node/control_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define STATUS_READ 4096

/* The supplementary groups are nowhere but in /proc: "Groups:\t4 24 990 \n". */
static bool is_in_group(int pid, uint32_t gid)
{
	char path[64], text[STATUS_READ];
	AUTO_CLOSE int fd = -1;
	char *at;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	at = strstr(text, "\nGroups:");
	if (!at)
		return false;
	for (at += strlen("\nGroups:"); *at && *at != '\n';) {
		char *end;
		unsigned long v = strtoul(at, &end, 10);

		if (end == at)
			return false;
		if (v == gid)
			return true;
		at = end + strspn(end, " \t");
	}
	return false;
}

bool control_peer_ask(nng_stream *s, struct control_peer *ret)
{
	uint64_t uid, gid, pid;

	if (nng_stream_get_uint64(s, NNG_OPT_IPC_PEER_UID, &uid) != 0 ||
		nng_stream_get_uint64(s, NNG_OPT_IPC_PEER_GID, &gid) != 0 ||
		nng_stream_get_uint64(s, NNG_OPT_IPC_PEER_PID, &pid) != 0)
		return false;
	*ret = (struct control_peer){.uid = (uint32_t)uid, .gid = (uint32_t)gid, .pid = (int)pid};
	return true;
}

bool control_peer_may(const struct control *c, const struct control_peer *who)
{
	if (who->uid == 0 || who->uid == (uint32_t)geteuid())
		return true;
	if (c->allow_uid != CONTROL_NOBODY && who->uid == c->allow_uid)
		return true;
	return c->gid != CONTROL_NOBODY && (who->gid == c->gid || is_in_group(who->pid, c->gid));
}
