/* SPDX-License-Identifier: Apache-2.0 */
/*
 * covey-shim: the parent of one replica. Started by coveyd, which says over SHIM_FD_CONTROL what is to run
 * (supervisor/shim_proto.h); from then on it needs no daemon: it prepares the sandbox, starts the agent, drains its
 * output, carries out a stop, and leaves a record of how it ended. While the daemon is there it may do so for the next
 * run too. Its own memory is what a thousand of them cost, so
 * it uses neither heap nor stdio, and gets along with a stack of 16 kB, of which the kernel's randomizing may take
 * half.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "supervisor/shim/kernel.h"
#include "supervisor/shim/os.h"
#include "supervisor/shim/shim.h"
#include "supervisor/shim/text.h"

#define STOP_TIMEOUT_DEFAULT_MS 10000 /* as of a definition that says none */

/* Only what the daemon meant for us stays open, and nothing of it in an agent. */
static void take_descriptors(void)
{
	(void)syscall(SYS_close_range, SHIM_FD_NEXT, ~0u, 0); /* the daemon did it too */
	(void)syscall(SYS_close_range, SHIM_FD_CONTROL, SHIM_FD_NEXT - 1, K_CLOSE_RANGE_CLOEXEC);
}

/* None is ignored, whatever the daemon ignores: an agent would inherit it. */
static int take_signals(void)
{
	const struct sigaction dfl = {.sa_handler = SIG_DFL};
	struct sigaction was;
	sigset_t all, ours;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL); /* cannot fail; nobody's signal but SIGKILL ends a shim at once */
	for (int sig = 1; sig < 32; sig++)
		if (sigaction(sig, NULL, &was) == 0 && was.sa_handler == SIG_IGN)
			(void)sigaction(sig, &dfl, NULL); /* could be read, so can be set */
	sigemptyset(&ours);
	sigaddset(&ours, SIGCHLD);
	sigaddset(&ours, SIGUSR1);
	sigaddset(&ours, SIGTERM);
	return signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void run_init(struct shim *s)
{
	const size_t at = offsetof(struct shim, stem);

	memset((char *)s + at, 0, sizeof(*s) - at);
	s->agent_out = s->init_pipe = s->log.pipe = s->log.file.fd = -1;
	s->group.files = &s->files;
	start_none(&s->agent);
	fuse_none(&s->fuse);
	for (int i = 0; i < GROUP_PROBES; i++)
		probe_none(&s->probes[i]);
	s->record = (struct shim_exit){.magic = SHIM_MAGIC, .size = sizeof(s->record), .version = SHIM_PROTO_VERSION};
	s->record.refused.size = sizeof(s->record.refused);
	s->began_ms = os_now_ms(CLOCK_MONOTONIC);
}

/* s is zeroed. */
static void shim_init(struct shim *s)
{
	s->control = SHIM_FD_CONTROL;
	s->listener = s->notify_fd = s->spent_listener = -1;
	s->bounding = UINT64_MAX;
	groupfiles_none(&s->files);
	run_init(s);
}

static void keep(const struct plan *p, struct text *t, shim_str at, const char **ret)
{
	const char *v = planread_str(p, at);

	*ret = NULL;
	if (!v)
		return;
	*ret = t->v + t->n;
	text_mem(t, v, strlen(v) + 1);
}

static bool is_join(const struct shim_op *op)
{
	return (op->type & ~(uint32_t)SHIM_OP_OPTIONAL) == SHIM_OP_JOIN;
}

static size_t kept_size(const struct plan *p)
{
	const shim_str all[] = {p->p.file_stem, p->p.dir_run, p->p.dir_ends, p->p.log_path, p->p.gen_path,
		p->p.kill_dir, p->p.oom_path};
	size_t n = 1;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		n += all[i] ? strlen(planread_str(p, all[i])) + 1 : 0;
	for (size_t i = 0; i < p->p.ops_n; i++)
		n += is_join(planread_op(p, i)) ? strlen(planread_str(p, planread_op(p, i)->path)) + 1 : 0;
	return n;
}

static void keep_joins(struct shim *s, const struct plan *p, struct text *t)
{
	s->group.joins = t->v + t->n;
	s->group.joins_n = 0;
	for (size_t i = 0; i < p->p.ops_n; i++) {
		const struct shim_op *op = planread_op(p, i);
		const char *path = planread_str(p, op->path);

		if (!is_join(op))
			continue;
		text_mem(t, path, strlen(path) + 1);
		s->group.joins_n++;
	}
	if (s->files.joins_n != s->group.joins_n)
		groupfiles_close(&s->files); /* of another list */
}

/* What of the plan is needed after the start; the rest of it is given back then. */
static int keep_plan(struct shim *s, const struct plan *p)
{
	struct text t = TEXT_OVER(s->strings);
	size_t need = kept_size(p);

	if (need > sizeof(s->strings)) {
		t.v = os_map(need, false);
		t.cap = need;
		if (!t.v)
			return -ENOMEM;
		s->long_strings = t.v;
		s->long_size = need;
	}
	keep(p, &t, p->p.file_stem, &s->stem);
	keep(p, &t, p->p.dir_run, &s->dir_run);
	keep(p, &t, p->p.dir_ends, &s->dir_ends);
	keep(p, &t, p->p.log_path, &s->log_path);
	keep(p, &t, p->p.gen_path, &s->gen_path);
	keep(p, &t, p->p.kill_dir, &s->group.dir);
	keep(p, &t, p->p.oom_path, &s->group.oom_path);
	keep_joins(s, p, &t);
	MUST(!t.cut);
	s->group.has_subs = !s->is_again; /* an earlier shim may have been killed */
	s->cap_keep = p->p.cap_keep;
	s->flags = p->p.flags;
	s->uid = p->p.uid;
	s->stop_signal = p->p.stop_signal > 0 ? p->p.stop_signal : SIGTERM;
	s->stop_timeout_ms = p->p.stop_signal > 0 ? p->p.stop_timeout_ms : STOP_TIMEOUT_DEFAULT_MS;
	s->gen = p->p.gen;
	s->record.run = p->p.run;
	s->label_size = p->p.label_size;
	memcpy(s->label, p->blob + p->p.label, s->label_size);
	return 0;
}

/* A plan that cannot be read has no name to leave a record under: the daemon alone is told. */
static int refuse_plan(struct shim *s, int error, const char *what)
{
	struct text t = TEXT_OVER(s->record.detail);

	s->record.kind = SHIM_START_FAILED;
	s->record.stage = SHIM_STAGE_PLAN;
	s->record.error = -error;
	text_str(&t, what);
	record_pay(s);
	sockets_close(s);
	(void)control_send_exit(s); /* when the daemon does not read, it sees our end */
	s->finished = true;
	return 1;
}

/* With plan_frame set, which holds p. */
static int begin(struct shim *s, const struct plan *p)
{
	int rc = keep_plan(s, p);

	if (rc < 0)
		return refuse_plan(s, rc, "plan");
	if (p->p.cap_keep & ~s->bounding) /* given up for good by an earlier run: a new shim has them */
		return refuse_plan(s, -EPERM, "capabilities");
	life_begin(s);
	return 0;
}

void shim_again(struct shim *s, const struct frame *frame)
{
	struct plan p;
	const char *what;

	if (planread_plan(frame->payload, frame->size, &p, &what) < 0) {
		life_leave(s); /* no daemon of ours says that; it sees our end */
		return;
	}
	start_forget(&s->agent);
	for (int i = 0; i < GROUP_PROBES; i++)
		start_forget(&s->probes[i].task);
	os_unmap(s->long_strings, s->long_size);
	s->run_before = s->record.run;
	run_init(s);
	s->is_again = true;
	s->plan_frame = *frame;
	notify_drop(s);
	(void)begin(s, &p); /* what it refuses is told, and is its end */
}

int main(void)
{
	static struct shim s;
	const char *what = "plan";
	struct plan p;
	int rc;

	take_descriptors();
	shim_init(&s);
	s.signal_fd = take_signals();
	(void)umask(0);					 /* every mode below is said in full */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* cannot fail */
	rc = s.signal_fd < 0 ? -EMFILE : control_wait_plan(&s);
	if (rc == 0)
		rc = planread_plan(s.plan_frame.payload, s.plan_frame.size, &p, &what);
	if (rc < 0)
		return refuse_plan(&s, rc, what);
	rc = begin(&s, &p);
	while (!s.finished)
		loop_turn(&s);
	return rc;
}
