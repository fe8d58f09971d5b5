/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of shims' files, and their removal. A shim removes its own sockets at its end; one that was killed cannot, and
 * the next of its replica takes their place. What no next one comes for is removed here: names come and go for ever,
 * and run_dir is memory.
 */
#include "node/shimfiles.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "supervisor/shim_proto.h"

#define PATH_BYTES 4096 /* run_dir is bounded by the configuration, stems by their names: all of these fit */

char *shimfiles_record(const struct config *cfg, const char *stem, uint64_t run, char *out)
{
	(void)snprintf(out, PATH_BYTES, "%s/shims/%s.%" PRIu64 ".exit", cfg->run_dir, stem, run); /* as above */
	return out;
}

int shimfiles_remove_record(const struct config *cfg, const char *stem, uint64_t run)
{
	char path[PATH_BYTES];

	return unlink(shimfiles_record(cfg, stem, run, path)) < 0 ? -errno : 0;
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
