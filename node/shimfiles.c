/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of shims' files, their order, and their removal. A shim removes its own sockets at its end; one that was killed
 * cannot, and the next of its replica takes their place. What no next one comes for is removed here: names come and go
 * for ever, and run_dir is memory. Who asks for a record is not told where it was.
 */
#include "node/shimfiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "supervisor/shim_proto.h"

#define PATH_BYTES 4096 /* both folders are bounded by the configuration, stems by their names: all of these fit */

enum place { PLACE_RUN, PLACE_ENDS, PLACE_MAX };

static char *folder(const struct config *cfg, enum place at, char *out)
{
	const bool run = at == PLACE_RUN;

	(void)snprintf(out, PATH_BYTES, "%s/%s", run ? cfg->run_dir : cfg->data_dir, run ? "shims" : "ends"); /* fits */
	return out;
}

char *shimfiles_ends(const struct config *cfg, char *out)
{
	return folder(cfg, PLACE_ENDS, out);
}

static char *record(const struct config *cfg, enum place at, const char *stem, uint64_t run, char *out)
{
	size_t n = strlen(folder(cfg, at, out));

	(void)snprintf(out + n, PATH_BYTES - n, "/%s.%" PRIu64 ".exit", stem, run); /* as above */
	return out;
}

int shimfiles_read_record(const struct config *cfg, const char *stem, uint64_t run, struct bytes *out)
{
	char path[PATH_BYTES];
	int rc = -ENOENT;

	for (int at = 0; at < PLACE_MAX && rc < 0; at++)
		rc = io_read_file(AT_FDCWD, record(cfg, (enum place)at, stem, run, path), out, NULL);
	return rc;
}

int shimfiles_remove_record(const struct config *cfg, const char *stem, uint64_t run)
{
	char path[PATH_BYTES];
	int rc = -ENOENT;

	for (int at = 0; at < PLACE_MAX && rc == -ENOENT; at++)
		rc = unlink(record(cfg, (enum place)at, stem, run, path)) < 0 ? -errno : 0;
	return rc;
}

void shimfiles_remove_sockets(const struct config *cfg, const char *stem)
{
	char dir[PATH_BYTES / 2], name[SHIM_SUN_PATH_MAX + 1], path[PATH_BYTES];

	(void)snprintf(dir, sizeof(dir), "%s/shims", cfg->run_dir); /* fits, as all below */
	(void)snprintf(path, sizeof(path), "%s/%s.sock", dir, stem);
	(void)unlink(path); /* gone already is as good */
	shim_notify_name(dir, stem, name);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	(void)unlink(path); /* as above */
}

/* ---- all of them ---- */

struct listing {
	struct dirent **v;
	int n, at;
};

static void listing_done(struct listing *l)
{
	for (int i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
}

static int list(const struct config *cfg, enum place at, struct listing *ret, struct err *e)
{
	char dir[PATH_BYTES];

	ret->n = scandir(folder(cfg, at, dir), &ret->v, NULL, versionsort);
	if (ret->n >= 0)
		return 0;
	*ret = (struct listing){0};
	return err_errno(e, "read '%s'", dir);
}

static const struct dirent **head(struct listing *l)
{
	return l->at < l->n ? (const struct dirent **)&l->v[l->at] : NULL;
}

/* Which of the lists has the name that comes first; PLACE_MAX: all are through. */
static enum place first_of(struct listing l[PLACE_MAX])
{
	const struct dirent **run = head(&l[PLACE_RUN]), **ends = head(&l[PLACE_ENDS]);

	if (run && ends)
		return versionsort(ends, run) < 0 ? PLACE_ENDS : PLACE_RUN;
	if (run)
		return PLACE_RUN;
	return ends ? PLACE_ENDS : PLACE_MAX;
}

static void walk(const struct config *cfg, struct listing l[PLACE_MAX], shimfiles_fn *fn, void *arg)
{
	char dirs[PLACE_MAX][PATH_BYTES], path[PATH_BYTES + NAME_MAX + 2];
	enum place at, next;

	for (int i = 0; i < PLACE_MAX; i++)
		(void)folder(cfg, (enum place)i, dirs[i]);
	for (at = first_of(l); at != PLACE_MAX; at = next) {
		const char *name = (*head(&l[at]))->d_name;

		l[at].at++;
		next = first_of(l);
		(void)snprintf(path, sizeof(path), "%s/%s", dirs[at], name); /* fits */
		fn(arg, path, name, next != PLACE_MAX ? (*head(&l[next]))->d_name : NULL);
	}
}

int shimfiles_each(const struct config *cfg, shimfiles_fn *fn, void *arg, struct err *e)
{
	struct listing l[PLACE_MAX] = {0};
	int rc = list(cfg, PLACE_RUN, &l[PLACE_RUN], e);

	if (rc == 0)
		walk(cfg, l, fn, arg);
	listing_done(&l[PLACE_RUN]);
	return rc;
}

int shimfiles_each_record(const struct config *cfg, shimfiles_fn *fn, void *arg, struct err *e)
{
	struct listing l[PLACE_MAX] = {0};
	int rc = list(cfg, PLACE_RUN, &l[PLACE_RUN], e);

	if (rc == 0 && list(cfg, PLACE_ENDS, &l[PLACE_ENDS], e) < 0)
		log_warn("%s; what was recorded there is read once it can be", e->text);
	if (rc == 0)
		walk(cfg, l, fn, arg);
	for (int at = 0; at < PLACE_MAX; at++)
		listing_done(&l[at]);
	return rc;
}
