/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On v1 libcgroup finds the hierarchies and makes the daemon's own subtree, once, at start. Single groups are not made
 * through it: that takes five to twenty times as long as writing to the files.
 */
#include "supervisor/cgroup_lib.h"

#include <errno.h>
#include <libcgroup.h>

int cgroup_lib_mounts(int (*fn)(void *arg, const char *controller, const char *path), void *arg, struct err *e)
{
	struct cgroup_mount_point m;
	void *at = NULL;
	int rc = cgroup_init(), told = 0;

	if (rc)
		return err_set(e, -ENOTSUP, "libcgroup: %s", cgroup_strerror(rc));
	rc = cgroup_get_controller_begin(&at, &m);
	while (rc == 0 && told >= 0) {
		told = fn(arg, m.name, m.path);
		rc = cgroup_get_controller_next(&at, &m);
	}
	(void)cgroup_get_controller_end(&at); /* only frees */
	if (told < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return rc == 0 || rc == ECGEOF ? 0 : err_set(e, -ENOTSUP, "libcgroup: %s", cgroup_strerror(rc));
}

static void free_group(struct cgroup **g)
{
	if (*g)
		cgroup_free(g);
}

int cgroup_lib_make(const char *parent, const char *const *controllers, size_t n, struct err *e)
{
	CLEANUP(free_group) struct cgroup *g = NULL;
	int rc = cgroup_init();

	if (rc)
		return err_set(e, -EIO, "libcgroup: %s", cgroup_strerror(rc));
	g = cgroup_new_cgroup(parent);
	if (!g)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (!cgroup_add_controller(g, controllers[i]))
			return err_set(e, -EIO, "libcgroup: cannot add controller %s", controllers[i]);
	rc = cgroup_create_cgroup(g, 0);
	return rc ? err_set(e, -EIO, "libcgroup: make '%s': %s", parent, cgroup_strerror(rc)) : 0;
}
