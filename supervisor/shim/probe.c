/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes' commands: started as the agent is, in the same sandbox and groups, each with its processes in a sub-group
 * of its own, so that what it forks ends with it: at its end, at its timeout, or when nobody waits for it any more. Two
 * at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "supervisor/shim/os.h"
#include "supervisor/shim/shim.h"

#define OUTPUT_A_TURN	 4 /* reads; what is more than fits is read and forgotten */
#define KILL_PAUSE_MS	 20
#define PROBE_TIMEOUT_MS 60000 /* when none was said */

void probe_none(struct probe *p)
{
	*p = (struct probe){.out = -1};
	start_none(&p->task);
}

static void tell(struct shim *s, const struct shim_exec_done *d, bool *ret_owed)
{
	*ret_owed = control_send(s, SHIM_EXEC_DONE, d, sizeof(*d)) == -EAGAIN;
}

static void refuse(struct shim *s, uint32_t exec_id, int error, uint32_t stage)
{
	struct shim_exec_done d = {.size = sizeof(d), .exec_id = exec_id, .status = -1, .error = error, .stage = stage};
	bool owed;

	tell(s, &d, &owed); /* one that cannot be told now times out at the daemon's */
}

/* The result is known. Its group may take a moment longer. */
static void ended(struct shim *s, struct probe *p, int status, int error, uint32_t stage)
{
	probe_output(p);
	os_close(&p->out);
	p->done.status = status;
	p->done.error = error;
	p->done.stage = stage;
	p->done.took_ms = os_now_ms(CLOCK_MONOTONIC) - p->started_ms;
	p->phase = PROBE_ENDED;
	p->deadline_ms = p->started_ms; /* its group is looked after at once */
	if (!p->unheard)
		tell(s, &p->done, &p->owed);
}

static struct probe *free_slot(struct shim *s)
{
	for (int i = 0; i < GROUP_PROBES; i++)
		if (s->probes[i].phase == PROBE_FREE)
			return &s->probes[i];
	return NULL;
}

static int start(struct shim *s, struct probe *p, const struct plan *plan, struct start_report *report)
{
	struct start_how how = {.plan = plan,
		.group_dir = s->group.dir,
		.beside = s->agent.pid,
		.bounding = s->bounding,
		.badness_is_right = s->flags & SHIM_FLAG_BADNESS_DEFAULT && !s->lowered,
		.may_wait = !(s->flags & SHIM_FLAG_ARMED)};
	int ends[2], sub = (int)(p - s->probes), rc;

	*report = (struct start_report){.stage = SHIM_STAGE_CGROUP};
	if (s->group.dir && group_probe(&s->group, sub) == 0)
		how.sub = group_probe_name(sub);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK); /* our end alone */
	p->out = ends[0];
	how.out_fd = ends[1];
	rc = start_task(&p->task, &how, report);
	os_close(&ends[1]);
	return rc;
}

void probe_exec(struct shim *s, const struct frame *f)
{
	struct probe *p = free_slot(s);
	struct start_report report;
	struct plan plan;
	const char *what;
	int rc = planread_plan(f->payload, f->size, &plan, &what);

	if (rc < 0)
		return; /* it cannot even be said whose it was */
	if (s->state != SHIM_RUNNING || !p) {
		refuse(s, plan.p.exec_id, s->state == SHIM_RUNNING ? EBUSY : ESRCH, SHIM_STAGE_FORK);
		return;
	}
	probe_none(p);
	p->done = (struct shim_exec_done){.size = sizeof(p->done), .exec_id = plan.p.exec_id};
	p->started_ms = os_now_ms(CLOCK_MONOTONIC);
	p->deadline_ms = p->started_ms + (plan.p.timeout_ms ? plan.p.timeout_ms : PROBE_TIMEOUT_MS);
	p->phase = PROBE_STARTING;
	rc = start(s, p, &plan, &report);
	if (rc < 0)
		ended(s, p, -1, report.error ? report.error : -rc, report.stage);
	else if (p->task.starting < 0)
		p->phase = PROBE_RUNNING;
}

void probe_go_on(struct shim *s, struct probe *p)
{
	struct start_report report;
	int rc = start_go_on(&p->task, &report);

	if (rc == -EAGAIN)
		return;
	if (rc < 0)
		ended(s, p, -1, report.error, report.stage);
	else
		p->phase = PROBE_RUNNING;
}

void probe_output(struct probe *p)
{
	for (int i = 0; i < OUTPUT_A_TURN && p->out >= 0; i++) {
		char v[1024];
		ssize_t n = read(p->out, v, sizeof(v));
		size_t room = sizeof(p->done.output) - 1 - p->out_n;

		if (n < 0)
			return;
		if (n == 0) {
			os_close(&p->out);
			return;
		}
		room = MIN(room, (size_t)n);
		memcpy(p->done.output + p->out_n, v, room);
		p->out_n += (uint32_t)room;
	}
}

bool probe_child(struct shim *s, int pid, int status)
{
	for (int i = 0; i < GROUP_PROBES; i++) {
		struct probe *p = &s->probes[i];

		if (p->task.pid != pid)
			continue;
		p->task.pid = 0;
		if (p->phase == PROBE_STARTING)
			probe_go_on(s, p); /* its exec, and at once its end */
		if (p->phase == PROBE_RUNNING)
			ended(s, p, status, 0, SHIM_STAGE_NONE);
		return true;
	}
	return false;
}

static void settle(struct shim *s, struct probe *p, int64_t now_ms)
{
	if (group_kill(&s->group, (int)(p - s->probes)) > 0 || p->task.pid) {
		p->deadline_ms = now_ms + KILL_PAUSE_MS;
		return;
	}
	p->deadline_ms = 0;
	if (p->owed)
		return;
	start_forget(&p->task);
	probe_none(p);
}

void probe_time(struct shim *s, int64_t now_ms)
{
	for (int i = 0; i < GROUP_PROBES; i++) {
		struct probe *p = &s->probes[i];

		if (p->phase == PROBE_FREE || p->deadline_ms == 0 || now_ms < p->deadline_ms)
			continue;
		if (p->phase != PROBE_ENDED) {
			p->done.timed_out = 1;
			if (p->task.pid)
				(void)kill(p->task.pid, SIGKILL); /* ours and not reaped */
			ended(s, p, -1, ETIMEDOUT, SHIM_STAGE_NONE);
		}
		settle(s, p, now_ms);
	}
}

int64_t probe_deadline_ms(const struct shim *s)
{
	int64_t at = 0;

	for (int i = 0; i < GROUP_PROBES; i++) {
		const struct probe *p = &s->probes[i];

		if (p->phase != PROBE_FREE && p->deadline_ms && (at == 0 || p->deadline_ms < at))
			at = p->deadline_ms;
	}
	return at;
}

void probe_tell(struct shim *s)
{
	for (int i = 0; i < GROUP_PROBES; i++) {
		struct probe *p = &s->probes[i];

		if (!p->owed)
			continue;
		tell(s, &p->done, &p->owed);
		if (p->deadline_ms == 0)
			p->deadline_ms = p->started_ms; /* and is done with */
	}
}

/* Nobody waits for it any more. Its end and its place's are probe_time's, as at a timeout. */
static void call_off(struct probe *p)
{
	p->owed = false;
	p->unheard = true; /* another daemon may be there already, which did not ask */
	if (p->phase != PROBE_FREE)
		p->deadline_ms = p->started_ms;
}

void probe_hang_up(struct shim *s)
{
	for (int i = 0; i < GROUP_PROBES && !s->ended; i++)
		call_off(&s->probes[i]);
}

void probe_call_off(struct shim *s, uint32_t exec_id)
{
	for (int i = 0; i < GROUP_PROBES && !s->ended; i++)
		if (s->probes[i].phase != PROBE_FREE && s->probes[i].done.exec_id == exec_id)
			call_off(&s->probes[i]);
}

void probe_abandon(struct shim *s)
{
	for (int i = 0; i < GROUP_PROBES; i++) {
		struct probe *p = &s->probes[i];

		if (p->task.pid)
			(void)kill(p->task.pid, SIGKILL); /* ours and not reaped */
		os_close(&p->out);
		p->deadline_ms = 0;
	}
}
