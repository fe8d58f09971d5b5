/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two sockets of a run in dir_run, which is the shim's working directory, so that names stay short. A socket is
 * bound and listening under a name of its run before it takes the replica's: whoever finds ID.sock can connect to it.
 * A shim never takes the place of one that is alive: it waits until that one is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "supervisor/shim/os.h"
#include "supervisor/shim/shim.h"
#include "supervisor/shim/text.h"

#define BACKLOG	      8
#define SOCK_NAME_MAX (REPLICA_ID_MAX + 8)

static void name_of(const struct shim *s, struct text *t)
{
	text_str(t, s->stem);
	text_str(t, ".sock");
}

static int enter_dir(const char *dir)
{
	int rc;

	if (chdir(dir) == 0)
		return 0;
	rc = os_mkdirs(dir);
	if (rc == 0 && chdir(dir) < 0)
		rc = -errno;
	return rc;
}

/*
 * Whether somebody has the socket open. Asked with a socket of another type, which the kernel refuses one way when
 * there is somebody and another way when not, so that nobody is disturbed. By descriptor, since names may be too
 * long.
 */
static bool is_alive(const char *name)
{
	AUTO_CLOSE int path = openat(AT_FDCWD, name, O_PATH | O_CLOEXEC);
	AUTO_CLOSE int probe = path < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct text t = TEXT_OVER(to.sun_path);

	if (probe < 0)
		return false;
	text_str(&t, "/proc/self/fd/");
	text_u64(&t, (uint64_t)path);
	return connect(probe, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == EPROTOTYPE;
}

/* A socket under the replica's name, by way of one under the run's. */
static int bind_as(struct shim *s, int type, mode_t mode, const char *name, int *ret_fd)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct text aside = TEXT_OVER(at.sun_path);
	int rc;

	if (fd < 0)
		return -errno;
	text_str(&aside, ".");
	text_u64(&aside, s->record.run);
	text_str(&aside, type == SOCK_SEQPACKET ? ".sock" : ".notify");
	(void)umask(0777 & ~mode); /* cannot fail */
	rc = bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ? -errno : 0;
	if (rc == -EADDRINUSE && unlink(at.sun_path) == 0) /* of nobody: the run's number is ours alone */
		rc = bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ? -errno : 0;
	(void)umask(0);
	if (rc < 0)
		return rc;
	if (type == SOCK_SEQPACKET && listen(fd, BACKLOG) < 0)
		return -errno;
	if (rename(at.sun_path, name) < 0)
		return -errno;
	os_close(ret_fd);
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static uint64_t sock_inode(const struct shim *s)
{
	char name[SOCK_NAME_MAX];
	struct text t = TEXT_OVER(name);
	struct stat st;

	name_of(s, &t);
	return lstat(name, &st) < 0 ? 0 : st.st_ino;
}

static int bind_both(struct shim *s)
{
	char name[SOCK_NAME_MAX], notify[SHIM_SUN_PATH_MAX + 1];
	struct text t = TEXT_OVER(name);
	int on = 1, rc;

	name_of(s, &t);
	shim_notify_name(s->dir_run, s->stem, notify);
	rc = bind_as(s, SOCK_SEQPACKET, 0600, name, &s->listener);
	if (rc == 0)
		rc = bind_as(s, SOCK_DGRAM, 0666, notify, &s->notify_fd);
	if (rc < 0)
		return rc;
	s->sock_ino = sock_inode(s);
	return setsockopt(s->notify_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ? -errno : 0;
}

int sockets_open(struct shim *s)
{
	char name[SOCK_NAME_MAX];
	struct text t = TEXT_OVER(name);
	int rc = enter_dir(s->dir_run);

	if (rc < 0)
		return rc;
	name_of(s, &t);
	return is_alive(name) ? -EADDRINUSE : bind_both(s);
}

void sockets_check(struct shim *s)
{
	if (s->listener < 0 || enter_dir(s->dir_run) < 0)
		return; /* not bound yet; or tried again when the next asks */
	if (s->sock_ino != sock_inode(s))
		(void)bind_both(s); /* as above */
}

void sockets_close(struct shim *s)
{
	char name[SOCK_NAME_MAX], notify[SHIM_SUN_PATH_MAX + 1];
	struct text t = TEXT_OVER(name);

	if (s->listener >= 0 && s->sock_ino == sock_inode(s)) {
		name_of(s, &t);
		shim_notify_name(s->dir_run, s->stem, notify);
		(void)unlink(name); /* gone already is as good */
		(void)unlink(notify);
	}
	os_close(&s->listener);
	os_close(&s->notify_fd);
}
