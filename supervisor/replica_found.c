/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a replica is found to be: its agent has started, or a new daemon has met its shim. What the shim says is so,
 * whatever was thought; what follows is that the probes begin, and that a run that nobody wants is stopped.
 */
#include "supervisor/replica_impl.h"

#include <stdio.h>

/* The agent runs, since since_ms: its probes begin. sd_notify is the caller's. */
static void runs(struct step *s, int pid, int64_t since_ms)
{
	struct replica *r = s->r;

	replica_move(s, REPLICA_RUNNING);
	r->wanted = true;
	r->pid = pid;
	r->began = true;
	r->started_mono_ms = since_ms;
	r->free_by_ms = 0;
	for (int w = 0; w < HEALTH_WHICH_MAX; w++)
		health_start(replica_probe_of(r, (enum health_which)w), (enum health_which)w,
			replica_probe_spec(r, (enum health_which)w), s->now.mono_ms);
}

/* A run that was not known of, in a state that has none: that it had given up or was done is no longer so. */
static void found(struct step *s, enum replica_state was)
{
	if (was == REPLICA_FAILED || was == REPLICA_STOPPED)
		replica_emit_save(s);
}

/* It was stopped before it was found: then it is to end, whatever it was to do. */
static void stop_unwanted(struct step *s)
{
	s->r->wanted = false;
	s->r->manual = false;
	if (s->r->state != REPLICA_STOPPING)
		replica_stop_run(s, SHIM_WHY_STOPPED, "found running although it is stopped");
}

static bool is_unwanted(const struct replica *r)
{
	return r->state == REPLICA_STOPPED && !r->wanted;
}

void replica_on_started(struct step *s)
{
	struct replica *r = s->r;
	enum replica_state was = (enum replica_state)r->state;
	bool unwanted = is_unwanted(r);

	switch (was) {
	case REPLICA_STOPPING:
	case REPLICA_RUNNING:
		r->pid = s->in->pid;
		r->began = true;
		return;
	case REPLICA_STARTING:
		runs(s, s->in->pid, s->now.mono_ms);
		replica_event(s, SEVERITY_INFO, "started", "started, pid %d", r->pid);
		break;
	default:
		runs(s, s->in->pid, s->now.mono_ms);
		replica_event(
			s, SEVERITY_WARNING, "started", "found started although it was not asked for, pid %d", r->pid);
		break;
	}
	found(s, was);
	replica_arm_notify(s);
	if (unwanted)
		stop_unwanted(s);
}

/* A shim that does not hold the agent's process any more (it has ended, others of its group have not) tells the pid
 * that it had, which may be anybody's by now; so may one that was read off a group. */
static int found_pid(const struct step *s)
{
	return s->in->hello->pid_start ? s->in->pid : 0;
}

static int64_t found_since_ms(const struct step *s)
{
	return s->now.mono_ms - MAX(s->now.boot_ms - s->in->hello->started_boot_ms, (int64_t)0);
}

/* The old daemon had told it to stop, for hello->why. */
static void adopt_stopping(struct step *s)
{
	uint32_t why = s->in->hello->why;

	s->r->wanted =
		why == SHIM_WHY_RESTART || why == SHIM_WHY_UPDATE || why == SHIM_WHY_HEALTH || why == SHIM_WHY_WATCHDOG;
	replica_move(s, REPLICA_STOPPING);
	s->r->manual = why == SHIM_WHY_RESTART || why == SHIM_WHY_UPDATE;
	s->r->pid = found_pid(s);
	s->r->began = s->in->hello->started_boot_ms != 0;
	s->r->started_mono_ms = s->r->began ? found_since_ms(s) : s->now.mono_ms;
}

/* Its probes begin once it has started. */
static void adopt_starting(struct step *s)
{
	struct replica *r = s->r;

	replica_move(s, REPLICA_STARTING);
	r->wanted = true;
	r->unprobed = s->in->unprobed;
	r->pid = found_pid(s);
	r->started_mono_ms = s->now.mono_ms;
}

static void adopt_running(struct step *s)
{
	const struct shim_hello *hello = s->in->hello;
	struct replica *r = s->r;

	r->notify_ready = hello->ready;
	r->unprobed = s->in->unprobed;
	runs(s, found_pid(s), found_since_ms(s));
	r->free_by_ms = s->now.mono_ms + HEALTH_ANSWER_GRACE_MS; /* the shim is ending what the last daemon asked */
	r->since_mono_ms = r->started_mono_ms;
	r->since_wall_ms = hello->started_wall_ms;
	health_copy_text(r->status, sizeof(r->status), hello->status);
	if (hello->ready)
		(void)health_ready(&r->readiness, true); /* as it was before: no news */
	replica_arm_notify(s);
}

static void adopt(struct step *s)
{
	uint32_t state = s->in->hello->state;
	const struct replica *r = s->r;
	char pid[24] = "";

	if (state == SHIM_STOPPING || state == SHIM_EMPTYING)
		adopt_stopping(s);
	else if (state == SHIM_PREPARING)
		adopt_starting(s);
	else
		adopt_running(s);
	if (r->pid)
		(void)snprintf(pid, sizeof(pid), ", pid %d", r->pid); /* fits */
	replica_event(s, SEVERITY_DEBUG, "adopted", "found %s%s; taken over as it is%s",
		replica_state_name((enum replica_state)r->state), pid,
		r->unprobed ? ", and not probed: the definition that it was started with is not known any more" : "");
}

void replica_on_adopted(struct step *s)
{
	struct replica *r = s->r;
	enum replica_state was = (enum replica_state)r->state;
	bool unwanted = is_unwanted(r);

	if (r->state == REPLICA_RUNNING || r->state == REPLICA_STOPPING ||
		(r->state == REPLICA_STARTING && s->in->hello->state == SHIM_PREPARING)) {
		r->pid = found_pid(s);
		return;
	}
	adopt(s);
	found(s, was);
	if (unwanted)
		stop_unwanted(s);
}
