/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket's file. nng binds, sets the mode and listens; between bind and the mode the file has what umask leaves, so
 * umask leaves nothing to others. The group comes last and the mode that lets it in after that: at no instant may
 * anybody connect who may not in the end.
 */
#include "node/control_priv.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/mem.h"

#define GROUP	   "covey"
#define MODE_FIRST 0600
#define MODE	   0660

/* Is somebody behind the file? 0: no, it may go; -EADDRINUSE. */
static int probe(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	return errno == ECONNREFUSED ? 0 : -errno;
}

static int clear_way(const char *path, struct err *e)
{
	struct stat st;
	int rc;

	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return err_set(e, -ENAMETOOLONG, "'%s' is too long for a socket (%zu characters at most)", path,
			sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_errno(e, "stat '%s'", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, -EEXIST, "'%s' is there and is no socket: move it away", path);
	rc = probe(path);
	if (rc == -EADDRINUSE)
		return err_set(e, rc, "another daemon answers at '%s': stop it first", path);
	if (rc < 0)
		return err_set(e, rc, "connect to '%s': %s", path, strerror(-rc));
	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(e, "remove the stale '%s'", path);
	return 0;
}

/* A system's own group stands in /etc/group: asking the name service would load its libraries for good. */
static uint32_t group_id(void)
{
	FILE *f = fopen("/etc/group", "re");
	const struct group *g = NULL;
	uint32_t gid = CONTROL_NOBODY;

	while (f && (g = fgetgrent(f)) && strcmp(g->gr_name, GROUP) != 0)
		;
	if (g)
		gid = (uint32_t)g->gr_gid;
	if (f)
		(void)fclose(f); /* read only */
	return gid;
}

static int let_in(struct control *c, struct err *e)
{
	c->gid = group_id();
	if (c->gid != CONTROL_NOBODY && lchown(c->path, (uid_t)-1, (gid_t)c->gid) < 0)
		return err_errno(e, "give '%s' to the group " GROUP, c->path);
	if (chmod(c->path, MODE) < 0)
		return err_errno(e, "set the mode of '%s'", c->path);
	return 0;
}

static int say_nng(int rv, const char *path, struct err *e)
{
	static const struct {
		int nng, errnum;
	} codes[] = {{NNG_ENOMEM, ENOMEM}, {NNG_EADDRINUSE, EADDRINUSE}, {NNG_EPERM, EACCES}, {NNG_ENOENT, ENOENT},
		{NNG_ENOFILES, EMFILE}};
	int code = -EIO;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].nng == rv)
			code = -codes[i].errnum;
	if (rv & NNG_ESYSERR)
		code = -(rv & ~NNG_ESYSERR);
	return err_set(e, code, "listen at '%s': %s", path, nng_strerror(rv));
}

static int start(struct control *c, struct err *e)
{
	AUTO_FREE char *url = mem_printf("ipc://%s", c->path);
	nng_stream_listener *l = NULL;
	mode_t was;
	int rv;

	if (!url)
		return err_set(e, -ENOMEM, "out of memory for the control socket");
	rv = nng_stream_listener_alloc(&l, url);
	if (rv != 0)
		return say_nng(rv, c->path, e);
	rv = nng_stream_listener_set_int(l, NNG_OPT_IPC_PERMISSIONS, MODE_FIRST);
	was = umask(0777 & ~MODE_FIRST);
	if (rv == 0)
		rv = nng_stream_listener_listen(l);
	(void)umask(was);
	if (rv != 0) {
		nng_stream_listener_free(l);
		return say_nng(rv, c->path, e);
	}
	c->listener = l;
	return 0;
}

int control_socket_listen(struct control *c, struct err *e)
{
	int rc = clear_way(c->path, e);

	if (rc < 0)
		return rc;
	rc = start(c, e);
	if (rc < 0)
		return rc;
	rc = let_in(c, e);
	if (rc < 0)
		control_socket_close(c);
	return rc;
}

void control_socket_close(struct control *c)
{
	if (!c->listener)
		return;
	nng_stream_listener_close(c->listener); /* unlinks its path, whoever's file is there by now */
	nng_aio_wait(c->accept);		/* it was under way, or had ended */
	nng_stream_listener_free(c->listener);
	c->listener = NULL;
}
