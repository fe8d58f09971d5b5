/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the plan that a shim is given: refused with the field at fault, or every part of it can be walked.
 */
#include <string.h>

#include "base/util.h"
#include "supervisor/shim/planread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk_string(const char *s)
{
	return s ? strlen(s) : 0;
}

static size_t walk(const struct plan *p)
{
	size_t n = walk_string(planread_str(p, p->p.replica_id)) + walk_string(planread_getenv(p, "COVEY_AGENT"));

	for (size_t i = 0; i < p->p.argv_n; i++)
		n += walk_string(planread_argv(p, i));
	for (size_t i = 0; i < p->p.env_n; i++)
		n += walk_string(planread_env(p, i));
	for (size_t i = 0; i < p->p.ops_n; i++)
		n += walk_string(planread_str(p, planread_op(p, i)->path)) + planread_op(p, i)->type;
	for (size_t i = 0; i < p->p.mounts_n; i++)
		n += walk_string(planread_str(p, planread_mount(p, i)->path)) + planread_mount(p, i)->type;
	for (size_t i = 0; i < p->p.rlimits_n; i++)
		n += planread_rlimit(p, i)->resource;
	for (size_t i = 0; i < p->p.groups_n; i++)
		n += planread_groups(p)[i];
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *what = NULL;
	struct plan p;

	if (planread_plan(data, size, &p, &what) < 0)
		assert(what);
	else
		(void)walk(&p); /* that it can be walked is all */
	return 0;
}
