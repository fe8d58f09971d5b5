/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel lists these in /proc/sysvipc, a line each. By creator and by owner: the owner can be changed by itself.
 */
#include "supervisor/shim/ipc.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "supervisor/shim/kernel.h"
#include "supervisor/shim/os.h"
#include "supervisor/shim/text.h"

#define QUEUES	 "/dev/mqueue"
#define INFO_MAX 32

/* How many there are is one number of the kernel's answer to SHM_INFO, SEM_INFO, MSG_INFO. */
static int count_shm(void)
{
	int v[INFO_MAX] = {0};

	return shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)v) < 0 ? 0 : v[0];
}

static int count_sem(void)
{
	int v[INFO_MAX] = {0};

	return semctl(0, 0, SEM_INFO, v) < 0 ? 0 : v[7];
}

static int count_msg(void)
{
	int v[INFO_MAX] = {0};

	return msgctl(0, MSG_INFO, (struct msqid_ds *)(void *)v) < 0 ? 0 : v[0];
}

static void remove_shm(int id)
{
	(void)shmctl(id, IPC_RMID, NULL); /* gone meanwhile is as good */
}

static void remove_sem(int id)
{
	(void)semctl(id, 0, IPC_RMID); /* as above */
}

static void remove_msg(int id)
{
	(void)msgctl(id, IPC_RMID, NULL); /* as above */
}

/* A list's columns: the id is the second; the owner's uid and the creator's. */
static const struct list {
	const char *path;
	int uid_at, creator_at;
	int (*count)(void);
	void (*remove)(int id);
} lists[] = {
	{"/proc/sysvipc/shm", 7, 9, count_shm, remove_shm},
	{"/proc/sysvipc/sem", 4, 6, count_sem, remove_sem},
	{"/proc/sysvipc/msg", 7, 9, count_msg, remove_msg},
};

static void take_line(const struct list *l, const char *line, size_t n, uint32_t uid)
{
	bool is_theirs = false;
	uint64_t id = 0;
	size_t used, at = 0;

	for (int column = 0; column <= l->creator_at; column++) {
		uint64_t v;

		while (at < n && line[at] == ' ')
			at++;
		v = text_to_u64(line + at, n - at, &used);
		if (used == 0 && column > 0) /* the heading; a key may be negative */
			return;
		if (column == 1)
			id = v;
		is_theirs |= (column == l->uid_at || column == l->creator_at) && v == uid;
		while (at < n && line[at] != ' ')
			at++;
	}
	if (is_theirs)
		l->remove((int)id);
}

static void take_list(const struct list *l, uint32_t uid)
{
	AUTO_CLOSE int fd = openat(AT_FDCWD, l->path, O_RDONLY | O_CLOEXEC);
	char v[1024], *end;
	size_t have = 0;
	ssize_t n;

	while (fd >= 0 && have < sizeof(v) && (n = read(fd, v + have, sizeof(v) - have)) > 0) {
		char *line = v;

		have += (size_t)n;
		while ((end = memchr(line, '\n', (size_t)(v + have - line)))) {
			take_line(l, line, (size_t)(end - line), uid);
			line = end + 1;
		}
		have = (size_t)(v + have - line);
		memmove(v, line, have);
	}
}

static void remove_queues(uint32_t uid)
{
	AUTO_CLOSE int dir = openat(AT_FDCWD, QUEUES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t v[128];
	struct stat st;
	long n;

	while (dir >= 0 && (n = syscall(SYS_getdents64, dir, v, sizeof(v))) > 0)
		for (char *at = (char *)v; at < (char *)v + n; at += ((struct k_dirent *)(void *)at)->size) {
			const char *name = ((struct k_dirent *)(void *)at)->name;

			if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
				st.st_uid == uid)
				(void)unlinkat(dir, name, 0); /* as above */
		}
}

void ipc_remove(uint32_t uid)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (lists[i].count() > 0)
			take_list(&lists[i], uid);
	remove_queues(uid);
}
