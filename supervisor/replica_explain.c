/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns the record of how a run ended into a reason and a sentence. The record may come from a file, so
 * nothing in it is believed: enums are checked, strings bounded. Does not decide what follows: replica.c
 * does.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/replica.h"

/* What the shim was doing, as "start failed: … 'detail': error". */
static const char *const stages[] = {
	[SHIM_STAGE_NONE] = "unknown step",
	[SHIM_STAGE_PLAN] = "read the plan",
	[SHIM_STAGE_SOCKET] = "make the shim's socket",
	[SHIM_STAGE_CGROUP] = "prepare cgroup",
	[SHIM_STAGE_LOG] = "open log",
	[SHIM_STAGE_FORK] = "fork",
	[SHIM_STAGE_JOIN] = "enter cgroup",
	[SHIM_STAGE_RLIMIT] = "set resource limit",
	[SHIM_STAGE_NAMESPACE] = "make namespace",
	[SHIM_STAGE_MOUNT] = "mount",
	[SHIM_STAGE_DIRECTORY] = "change to directory",
	[SHIM_STAGE_USER] = "become user",
	[SHIM_STAGE_CAPABILITIES] = "drop capabilities",
	[SHIM_STAGE_LANDLOCK] = "restrict writing by Landlock",
	[SHIM_STAGE_SECCOMP] = "load the seccomp filter",
	[SHIM_STAGE_EXEC] = "exec",
};
_Static_assert(ARRAY_LEN(stages) == SHIM_STAGE_MAX, "a text for each stage");

static const char *const reasons[] = {
	[REASON_NONE] = "none",
	[REASON_EXITED] = "exited",
	[REASON_SIGNAL] = "signal",
	[REASON_OOM] = "oom",
	[REASON_SECCOMP] = "seccomp",
	[REASON_HEALTH] = "health",
	[REASON_STOPPED] = "stopped",
	[REASON_FENCED] = "fenced",
	[REASON_START_FAILED] = "start-failed",
};
_Static_assert(ARRAY_LEN(reasons) == REASON_MAX, "a name for each reason");

const char *replica_reason_name(enum replica_reason r)
{
	return (unsigned)r < REASON_MAX ? reasons[r] : NULL;
}

char *replica_signal_name(int signal, char *out, size_t n)
{
	const char *name = signal > 0 ? sigabbrev_np(signal) : NULL;

	if (name)
		(void)snprintf(out, n, "%s", name); /* names are short */
	else if (signal >= SIGRTMIN && signal <= SIGRTMAX)
		(void)snprintf(out, n, "RTMIN+%d", signal - SIGRTMIN);
	else
		(void)snprintf(out, n, "%d", signal);
	return out;
}

char *replica_span(char *out, int64_t ms)
{
	if (ms < 1000)
		return units_duration(out, MAX(ms, (int64_t)0));
	if (ms >= 10000 || ms % 1000 < 100)
		return units_age(out, ms);
	(void)snprintf(out, UNITS_TEXT_MAX, "%d.%ds", (int)(ms / 1000), (int)(ms % 1000 / 100)); /* fits */
	return out;
}

/* Appends to the sentence; what does not fit is cut. */
static void PRINTF_LIKE(2, 3) say(struct replica_exit *ret, const char *fmt, ...)
{
	size_t n = strlen(ret->text);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(ret->text + n, sizeof(ret->text) - n, fmt, ap); /* cut, never past the end */
	va_end(ap);
}

/* A string of the record: bounded, control characters as blanks. */
static void say_theirs(struct replica_exit *ret, const char *s, size_t n)
{
	size_t at = strlen(ret->text), len = strnlen(s, n - 1) + 1;

	health_copy_text(ret->text + at, MIN(len, sizeof(ret->text) - at), s);
}

static void say_start_failed(const struct shim_exit *x, struct replica_exit *ret)
{
	ret->reason = REASON_START_FAILED;
	if (x->stage == SHIM_STAGE_NONE && x->detail[0]) { /* before there was a shim: a whole sentence */
		say(ret, "start failed: ");
		say_theirs(ret, x->detail, sizeof(x->detail));
		return;
	}
	say(ret, "start failed: %s", stages[x->stage < SHIM_STAGE_MAX ? x->stage : SHIM_STAGE_NONE]);
	if (x->detail[0]) {
		say(ret, " '");
		say_theirs(ret, x->detail, sizeof(x->detail) / 2); /* leaves room for what follows */
		say(ret, "'");
	}
	if (x->error)
		say(ret, ": %s", strerror(x->error));
}

static void say_signal(const struct agent_spec *spec, const struct shim_exit *x, struct replica_exit *ret)
{
	char limit[UNITS_TEXT_MAX], name[UNITS_TEXT_MAX];

	if (x->signal == SIGKILL && x->oom_kills > 0) {
		ret->reason = REASON_OOM;
		if (spec->resources.memory_max_bytes > 0)
			say(ret, "killed at its memory limit of %s",
				units_size(limit, spec->resources.memory_max_bytes));
		else
			say(ret, "killed by the kernel because the host had no memory left");
		return;
	}
	ret->reason = REASON_SIGNAL;
	say(ret, "killed by signal %s (not sent by covey)", replica_signal_name(x->signal, name, sizeof(name)));
}

static void say_exited(const struct agent_spec *spec, const struct shim_exit *x, struct replica_exit *ret)
{
	char limit[UNITS_TEXT_MAX];

	ret->reason = REASON_EXITED;
	say(ret, "exited with code %d", x->code);
	if (x->oom_kills > 0 && spec->resources.memory_max_bytes > 0)
		say(ret, " after its memory limit of %s had killed %" PRIu64 " of its processes",
			units_size(limit, spec->resources.memory_max_bytes), x->oom_kills);
}

/* The end of a stop that covey had asked for. */
static void say_stopped(const struct agent_spec *spec, const struct shim_exit *x, struct replica_exit *ret)
{
	bool by_health = x->why == SHIM_WHY_HEALTH || x->why == SHIM_WHY_WATCHDOG;
	char timeout[UNITS_TEXT_MAX];

	ret->reason = by_health ? REASON_HEALTH : REASON_STOPPED;
	if (!by_health)
		say(ret, x->why_text[0] ? "stopped: " : "stopped");
	else if (!x->why_text[0])
		say(ret, "unhealthy");
	say_theirs(ret, x->why_text, sizeof(x->why_text));
	if (x->escalated)
		say(ret, "; did not stop within %s, killed", units_duration(timeout, spec->stop_timeout_ms));
	else if (x->kind == SHIM_EXITED && x->code != 0)
		say(ret, "; exited with code %d", x->code);
}

static void say_more(const struct shim_exit *x, const char *refused_name, struct replica_exit *ret)
{
	if (x->refused.total > 0 && ret->reason != REASON_SECCOMP) {
		say(ret, "; %" PRIu64 " system call%s refused", x->refused.total,
			x->refused.total == 1 ? " was" : "s were");
		if (refused_name)
			say(ret, x->refused.total == 1 ? " (%s)" : " (last: %s)", refused_name);
	}
	if (x->leftovers > 0)
		say(ret, "; %" PRIu64 " left-over process%s killed", x->leftovers, x->leftovers == 1 ? "" : "es");
}

void replica_explain_exit(
	const struct agent_spec *spec, const struct shim_exit *x, const char *refused_name, struct replica_exit *ret)
{
	*ret = (struct replica_exit){.code = x->kind == SHIM_EXITED ? x->code : -1,
		.signal = x->kind == SHIM_SIGNALED ? x->signal : 0,
		.at_wall_ms = x->ended_wall_ms};
	if (x->kind == SHIM_START_FAILED) {
		say_start_failed(x, ret);
	} else if (x->kind == SHIM_FENCED) {
		ret->reason = REASON_FENCED;
		say(ret, "killed because its lease had run out");
	} else if (x->killed_by_seccomp) {
		ret->reason = REASON_SECCOMP;
		say(ret, "refused system call: %s; killed", refused_name ? refused_name : "unknown");
	} else if (x->why > SHIM_WHY_NONE && x->why < SHIM_WHY_MAX) {
		say_stopped(spec, x, ret);
	} else if (x->kind == SHIM_SIGNALED) {
		say_signal(spec, x, ret);
	} else if (x->kind == SHIM_EXITED) {
		say_exited(spec, x, ret);
	} else {
		ret->reason = REASON_SIGNAL;
		say(ret, "ended in a way that its record does not tell (kind %" PRIu32 ")", x->kind);
	}
	say_more(x, refused_name, ret);
}
