/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a run: preparing, running, stopping, emptying, and the record at its end. All of it happens without a
 * daemon too. Nothing here waits: what cannot be done yet is tried again at a time (life_deadline_ms).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "supervisor/shim/ipc.h"
#include "supervisor/shim/os.h"
#include "supervisor/shim/shim.h"
#include "supervisor/shim/stray.h"
#include "supervisor/shim/text.h"

#define PREPARE_PAUSE_MS   10
#define PREPARE_MAX_MS	   10000 /* an older shim, or processes that do not die: then it is a failed start */
#define KILL_PAUSE_MAX_MS  100
#define STRAY_PAUSE_MAX_MS 1000 /* each of its rounds reads all of /proc */
#define RECORD_PAUSE_MS	   1000
#define SETTLE_AFTER_MS	   1000
#define LATER_MS	   5 /* more than a daemon takes to decide about a restart */

/* Namespaces and leases are one run's: who has them goes with it. */
static bool may_stay(const struct shim *s)
{
	return s->flags & SHIM_FLAG_STAY && !(s->flags & (SHIM_FLAG_ARMED | SHIM_FLAG_NEW_PIDNS)) && s->control >= 0 &&
	       !s->control_full && s->listener >= 0;
}

/* What a restart need not wait for: freeing a filter wakes a thread of the kernel, a record is a file to be made. */
static void do_later(struct shim *s)
{
	s->later_at_ms = 0;
	os_close(&s->spent_listener);
	record_pay(s);
}

void life_spend_listener(struct shim *s)
{
	if (s->agent.listener < 0)
		return;
	os_close(&s->spent_listener);
	s->spent_listener = s->agent.listener;
	s->agent.listener = -1;
}

void life_leave(struct shim *s)
{
	do_later(s);
	sockets_close(s);
	s->finished = true;
}

/* False: the daemon could not be told. The record is for one that dies now: this one knows. */
static bool finish_and_wait(struct shim *s)
{
	control_send_owed(s);
	s->record.stays = 1;
	s->waiting = control_send_exit(s) == 0;
	s->record.stays = 0;
	if (s->waiting) {
		s->owed = 0; /* as in control_say */
		record_owe(s);
		s->later_at_ms = os_now_ms(CLOCK_MONOTONIC) + LATER_MS;
	}
	return s->waiting;
}

static void finish(struct shim *s)
{
	uint64_t oom_kills = groupfiles_oom_kills(&s->files, s->group.oom_path);
	int rc;

	group_settle(&s->group);
	if (s->flags & SHIM_FLAG_REMOVE_IPC)
		ipc_remove(s->uid); /* before anybody hears of the end: the uid may be another's then */
	logpump_finish(&s->log);
	s->record.log_dropped_lines = s->log.file.dropped;
	s->record.oom_kills += oom_kills - s->oom_base; /* of each time that it is tried to finish */
	s->oom_base = oom_kills;
	s->record.label_size = s->label_size;
	if (s->record.ended_wall_ms == 0)
		s->record.ended_wall_ms = os_now_ms(CLOCK_REALTIME);
	if (may_stay(s) && finish_and_wait(s))
		return;
	record_pay(s);
	rc = record_write(s);
	if (rc < 0 && s->control < 0) { /* nobody knows yet: stay until somebody does */
		s->next_try_ms = os_now_ms(CLOCK_MONOTONIC) + RECORD_PAUSE_MS;
		return;
	}
	control_send_owed(s);
	sockets_close(s);
	(void)control_send_exit(s); /* the record says it too */
	s->finished = true;
}

static void count_leftovers(struct shim *s, unsigned *listed, unsigned n)
{
	if (n > *listed && !s->record.escalated && s->record.kind != SHIM_FENCED)
		s->record.leftovers += n - *listed;
	*listed = n;
}

/* Of an empty group, without an init of its own: whether descendants are left elsewhere. */
static bool kill_strays(struct shim *s)
{
	enum stray found = stray_look();

	if (found == STRAY_NONE)
		return false;
	if (found == STRAY_LIVE || s->tries > 1) /* at first: those that died with the agent are reaped any moment */
		count_leftovers(s, &s->strays, (unsigned)stray_kill());
	return true;
}

/* One round of SIGKILL; the end, once nothing is left. */
static void kill_round(struct shim *s)
{
	int n = group_kill(&s->group, -1), pause = 1 << MIN(s->tries, 10u);

	s->tries++;
	if (s->agent.pid)
		(void)kill(s->agent.pid, SIGKILL); /* ours and not reaped */
	if (s->ended)
		count_leftovers(s, &s->listed, s->group.own);
	if (s->ended && s->init_pid)
		(void)kill(s->init_pid, SIGKILL); /* as above; its namespace ends with it */
	if (s->ended && n == 0 && s->init_pid == 0 && !kill_strays(s)) {
		s->next_try_ms = 0;
		finish(s);
		return;
	}
	s->next_try_ms = os_now_ms(CLOCK_MONOTONIC) + MIN(pause, s->strays ? STRAY_PAUSE_MAX_MS : KILL_PAUSE_MAX_MS);
}

/* The agent is no more, or never was: what is left of it goes too. */
static void end(struct shim *s)
{
	s->ended = true;
	s->state = SHIM_EMPTYING;
	s->stop_at_ms = 0;
	s->settle_at_ms = 0;
	s->tries = 0;
	s->listed = s->strays = 0;
	frame_free(&s->plan_frame);
	os_close(&s->agent_out);
	probe_abandon(s);
	kill_round(s);
}

static void fail(struct shim *s, uint32_t stage, int error, const char *detail)
{
	struct text t = TEXT_OVER(s->record.detail);

	s->record.kind = SHIM_START_FAILED;
	s->record.stage = stage;
	s->record.error = error;
	text_str(&t, detail ? detail : "");
	end(s);
}

void life_fence(struct shim *s, enum fuse_verdict verdict)
{
	struct text t = TEXT_OVER(s->record.detail);

	if (s->ended || s->record.kind == SHIM_FENCED)
		return;
	s->record.kind = SHIM_FENCED;
	text_str(&t, fusejudge_text(verdict));
	s->state = SHIM_STOPPING;
	s->tries = 0;
	s->stop_at_ms = 0;
	s->killing = true;
	if (s->agent.pid)
		kill_round(s);
	else
		end(s);
}

/*
 * What no start waits for, a moment later: an agent that ends at once is not worth it. It makes the shim hard to lose,
 * and the next start quick.
 */
static void settle_in(struct shim *s)
{
	if (s->flags & SHIM_FLAG_STAY && s->files.pids < 0 && s->files.joins_n == 0)
		groupfiles_open(&s->files, s->group.dir, s->group.oom_path, s->group.joins, s->group.joins_n);
	if (s->settled)
		return;
	s->lowered = os_write_file(AT_FDCWD, "/proc/self/oom_score_adj", "-1000") == 0; /* else we may be killed */
	if (s->flags & SHIM_FLAG_LOCK_MEMORY && !(s->flags & SHIM_FLAG_ARMED))
		(void)mlockall(MCL_CURRENT); /* as above: may be swapped */
	s->settled = true;
}

static void started(struct shim *s)
{
	s->started_mono_ns = os_now_ns(CLOCK_MONOTONIC);
	s->record.started_wall_ms = os_now_ms(CLOCK_REALTIME);
	s->hello.started_boot_ms = os_now_ms(CLOCK_BOOTTIME);
	s->record.pid = s->agent.pid;
	if (s->state == SHIM_PREPARING)
		s->state = SHIM_RUNNING;
	control_say(s, OWED_STARTED);
	do_later(s);
	s->settle_at_ms = s->started_mono_ns / 1000000 + SETTLE_AFTER_MS;
}

/* Once, and not in each child: a shim never execs, so its own bounding set is there to be inherited alone. */
static void give_up_capabilities(struct shim *s)
{
	if (child_drop_bounding(s->bounding & ~s->cap_keep) == 0)
		s->bounding = s->cap_keep; /* else the child tries, and tells */
}

static void start_agent(struct shim *s, const struct plan *p)
{
	struct start_how how = {.plan = p,
		.out_fd = s->agent_out,
		.group_dir = s->group.dir,
		.joins = &s->files,
		.badness_is_right = s->flags & SHIM_FLAG_BADNESS_DEFAULT && !s->lowered,
		.may_wait = !(s->flags & SHIM_FLAG_ARMED)};
	struct start_report report;
	int rc;

	give_up_capabilities(s);
	how.bounding = s->bounding;
	rc = start_task(&s->agent, &how, &report);

	os_close(&s->agent_out);
	frame_free(&s->plan_frame);
	if (rc < 0)
		fail(s, report.stage, report.error, report.detail);
	else if (s->agent.starting < 0)
		started(s);
}

void life_begin(struct shim *s)
{
	const char *detail = "";
	struct plan p;
	int rc = planread_plan(s->plan_frame.payload, s->plan_frame.size, &p, &detail);

	if (rc == 0)
		rc = prepare(s, &p, &detail);
	if (rc == 0) {
		start_agent(s, &p);
	} else if (rc == -EAGAIN && os_now_ms(CLOCK_MONOTONIC) < s->began_ms + PREPARE_MAX_MS) {
		s->tries++;
		s->next_try_ms = os_now_ms(CLOCK_MONOTONIC) + MIN(s->tries, (unsigned)PREPARE_PAUSE_MS);
	} else if (rc == -ESTALE) {
		sockets_close(s);
		s->finished = true;
	} else if (rc != -ECANCELED) {
		fail(s, prepare_stage(s), rc == -EAGAIN ? EBUSY : -rc, detail);
	}
}

void life_go_on(struct shim *s)
{
	struct start_report report;
	int rc = start_go_on(&s->agent, &report);

	if (rc == -EAGAIN)
		return;
	if (rc == 0)
		started(s);
	else if (s->record.kind || s->record.why) /* ended by us on its way */
		end(s);
	else
		fail(s, report.stage, report.error, report.detail);
}

void life_child(struct shim *s, int pid, int status, const void *rusage)
{
	if (pid == s->init_pid) {
		int verdict = WIFEXITED(status) ? WEXITSTATUS(status) - PIDNS_EXIT_FUSE : 0;

		s->init_pid = 0;
		if (verdict > FUSE_HOLDS && verdict < FUSE_VERDICT_MAX)
			life_fence(s, (enum fuse_verdict)verdict);
	}
	if (pid == s->agent.pid) {
		if (s->agent.starting >= 0)
			life_go_on(s);
		s->agent.pid = 0;
		if (s->ended)
			return;
		record_died(s, status, rusage);
		life_spend_listener(s);
		start_forget(&s->agent);
		end(s);
	} else if (s->ended && !s->finished && !s->waiting) {
		s->next_try_ms = os_now_ms(CLOCK_MONOTONIC);
	}
}

void life_signal(struct shim *s, int sig)
{
	if (s->agent.pid && s->agent.starting < 0 && sig > 0 && sig < 65)
		(void)kill(s->agent.pid, sig); /* ours and not reaped */
}

/* Before there is an agent a stop is its end at once. */
static void stop_preparing(struct shim *s, const struct shim_stop *stop)
{
	s->record.kind = SHIM_SIGNALED;
	s->record.signal = stop->signal;
	s->state = SHIM_STOPPING;
	if (s->agent.pid)
		(void)kill(s->agent.pid, SIGKILL); /* ours and not reaped; its end is seen by life_go_on */
	else
		end(s);
}

void life_stop(struct shim *s, const struct shim_stop *stop)
{
	int64_t at = os_now_ms(CLOCK_MONOTONIC) + stop->timeout_ms;

	if (s->ended)
		return; /* it ended by itself, and that is how it is told */
	if (stop->why > SHIM_WHY_NONE && stop->why < SHIM_WHY_MAX) {
		s->record.why = stop->why;
		memcpy(s->record.why_text, stop->why_text, sizeof(s->record.why_text));
	}
	if (s->state == SHIM_PREPARING) {
		stop_preparing(s, stop);
		return;
	}
	life_signal(s, stop->signal);
	s->state = SHIM_STOPPING;
	if (s->stop_at_ms == 0 || at < s->stop_at_ms)
		s->stop_at_ms = at;
	life_time(s, os_now_ms(CLOCK_MONOTONIC));
}

/* Said again it changes nothing: whoever ends a host's agents may ask until they are gone. */
void life_go_down(struct shim *s)
{
	struct shim_stop stop = {.size = sizeof(stop),
		.signal = s->stop_signal,
		.timeout_ms = s->stop_timeout_ms,
		.why = SHIM_WHY_STOPPED,
		.why_text = "with all agents of its host"};

	if (s->finished || s->going_down)
		return;
	s->going_down = true;
	if (s->waiting)
		life_leave(s);
	else
		life_stop(s, &stop);
}

void life_fuse(struct shim *s)
{
	enum fuse_verdict verdict = fuse_look(&s->fuse);

	if (verdict != FUSE_HOLDS)
		life_fence(s, verdict);
}

/* Before it is opened it is read by its opening. */
void life_arm(struct shim *s)
{
	life_fuse(s);
	pidns_look(s);
	if (s->fuse.lease)
		control_say(s, OWED_ARMED);
}

void life_time(struct shim *s, int64_t now_ms)
{
	if (!s->ended && s->stop_at_ms && now_ms >= s->stop_at_ms) {
		s->stop_at_ms = 0;
		s->killing = true;
		s->record.escalated = 1;
		s->tries = 0;
		kill_round(s);
		return;
	}
	if (s->later_at_ms && now_ms >= s->later_at_ms)
		do_later(s);
	if (s->settle_at_ms && now_ms >= s->settle_at_ms) {
		s->settle_at_ms = 0;
		settle_in(s);
	}
	if (s->next_try_ms == 0 || now_ms < s->next_try_ms)
		return;
	s->next_try_ms = 0;
	if (s->ended || s->killing)
		kill_round(s);
	else
		life_begin(s);
}

int64_t life_deadline_ms(const struct shim *s)
{
	const int64_t at[] = {
		s->next_try_ms, s->later_at_ms, s->ended ? 0 : s->stop_at_ms, s->ended ? 0 : s->settle_at_ms};
	int64_t first = 0;

	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		if (at[i] && (first == 0 || at[i] < first))
			first = at[i];
	return first;
}
