/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to be there before an agent starts, in the order of the table below: each step returns 0, -EAGAIN to be
 * tried again a little later, or what is wrong. Of a run that is not the shim's first, half of it is there already.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "supervisor/shim/os.h"
#include "supervisor/shim/shim.h"
#include "supervisor/shim/text.h"

static int open_sockets(struct shim *s, struct plan *p, const char **ret_detail)
{
	int rc = s->is_again ? 0 : sockets_open(s);

	(void)p;
	*ret_detail = s->dir_run;
	return rc == -EADDRINUSE ? -EAGAIN : rc;
}

/* Another daemon has come and did not find us when it looked: it starts this replica itself. */
static int check_generation(struct shim *s, struct plan *p, const char **ret_detail)
{
	char v[32];
	uint64_t gen;
	ssize_t n;

	(void)p;
	*ret_detail = s->gen_path;
	if (s->is_again)
		return 0; /* our sockets were there all the time */
	n = os_read_file(AT_FDCWD, s->gen_path, v, sizeof(v));
	if (n < 16 || !text_to_hex64(v, 16, &gen) || gen != s->gen)
		return -ESTALE;
	return 0;
}

static int make_groups(struct shim *s, struct plan *p, const char **ret_detail)
{
	return group_make(p, &s->is_fresh, ret_detail);
}

static int empty_group(struct shim *s, struct plan *p, const char **ret_detail)
{
	(void)p;
	*ret_detail = s->group.dir;
	if (s->is_again)
		return 0; /* that is how the run before was left */
	if (s->is_fresh) {
		s->group.has_subs = false;
		return 0;
	}
	if (group_kill(&s->group, -1) > 0)
		return -EAGAIN;
	group_settle(&s->group);
	s->oom_base = groupfiles_oom_kills(&s->files, s->group.oom_path);
	return 0;
}

static int open_log(struct shim *s, struct plan *p, const char **ret_detail)
{
	bool stamps = s->flags & SHIM_FLAG_LOG_TIMESTAMPS;
	int rc = logpump_open(&s->log, s->log_path, stamps, p->p.log_max_bytes, p->p.log_keep, &s->agent_out);

	*ret_detail = s->log_path;
	if (rc == 0)
		(void)fchown(s->agent_out, p->p.uid, p->p.gid); /* so that it may open /dev/stdout */
	return rc;
}

static int arm(struct shim *s, struct plan *p, const char **ret_detail)
{
	enum fuse_verdict verdict;
	int rc = 0;

	(void)p;
	*ret_detail = "lease";
	if (s->flags & SHIM_FLAG_ARMED) {
		rc = fuse_open(&s->fuse);
		if (rc < 0)
			return rc;
		fuse_first_in_line();
		verdict = fuse_look(&s->fuse);
		if (verdict != FUSE_HOLDS) {
			life_fence(s, verdict);
			return -ECANCELED;
		}
	}
	*ret_detail = "pid namespace";
	return s->flags & SHIM_FLAG_NEW_PIDNS ? pidns_open(s) : 0;
}

static const struct {
	enum shim_stage stage;
	int (*run)(struct shim *s, struct plan *p, const char **ret_detail);
} prepare_steps[] = {
	{SHIM_STAGE_SOCKET, open_sockets},
	{SHIM_STAGE_SOCKET, check_generation},
	{SHIM_STAGE_CGROUP, make_groups},
	{SHIM_STAGE_CGROUP, empty_group},
	{SHIM_STAGE_LOG, open_log},
	{SHIM_STAGE_NAMESPACE, arm},
};

int prepare(struct shim *s, struct plan *p, const char **ret_detail)
{
	int rc = 0;

	while (rc == 0 && s->step < ARRAY_LEN(prepare_steps)) {
		rc = prepare_steps[s->step].run(s, p, ret_detail);
		if (rc == 0) {
			s->step++;
			s->tries = 0;
		}
	}
	return rc;
}

enum shim_stage prepare_stage(const struct shim *s)
{
	return prepare_steps[s->step].stage;
}
