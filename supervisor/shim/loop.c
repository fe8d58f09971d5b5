/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop: one ppoll over all that can happen. What was readable when it returned is handled in a fixed order,
 * deaths before output, so that an exit is told as soon as it is known. Each handler does a bounded amount of work.
 */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "supervisor/shim/os.h"
#include "supervisor/shim/shim.h"

enum {
	AT_SIGNAL,
	AT_DEADLINE,
	AT_CLOCK,
	AT_CONTROL,
	AT_LISTENER,
	AT_NOTIFY,
	AT_LOG,
	AT_TASKS, /* three each: listener, starting, filter_sock; the agent's, then the probes' */
	AT_OUTPUTS = AT_TASKS + 3 * (1 + GROUP_PROBES),
	AT_MAX = AT_OUTPUTS + GROUP_PROBES,
};

static void watch(struct pollfd *p, int fd)
{
	*p = (struct pollfd){.fd = fd, .events = POLLIN}; /* a negative one is passed over */
}

static void watch_task(struct pollfd *p, const struct task *t)
{
	watch(&p[0], t->listener);
	watch(&p[1], t->starting);
	watch(&p[2], t->filter_sock);
}

static void watch_all(const struct shim *s, struct pollfd p[AT_MAX])
{
	watch(&p[AT_SIGNAL], s->signal_fd);
	watch(&p[AT_DEADLINE], s->fuse.deadline_fd);
	watch(&p[AT_CLOCK], s->fuse.clock_fd);
	watch(&p[AT_CONTROL], s->control);
	watch(&p[AT_LISTENER], s->listener);
	watch(&p[AT_NOTIFY], s->waiting ? -1 : s->notify_fd);
	watch(&p[AT_LOG], s->log.read_at_ms ? -1 : s->log.pipe);
	watch_task(&p[AT_TASKS], &s->agent);
	for (int i = 0; i < GROUP_PROBES; i++) {
		watch_task(&p[AT_TASKS + 3 * (i + 1)], &s->probes[i].task);
		watch(&p[AT_OUTPUTS + i], s->probes[i].out);
	}
	if (s->control_full)
		p[AT_CONTROL].events |= POLLOUT;
}

/* The earliest of all times that something waits for; -1: none. */
static int64_t wait_ms(const struct shim *s, int64_t now_ms)
{
	const int64_t at[] = {life_deadline_ms(s), control_deadline_ms(s), probe_deadline_ms(s), s->log.idle_at_ms,
		s->log.read_at_ms};
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		if (at[i] && at[i] < first)
			first = at[i];
	if (first == INT64_MAX)
		return -1;
	return first > now_ms ? MIN(first - now_ms, 60000) : 0;
}

static void reap_all(struct shim *s)
{
	struct rusage ru;
	int pid, status;

	while (!s->finished && (pid = wait4(-1, &status, WNOHANG, &ru)) > 0)
		if (!probe_child(s, pid, status))
			life_child(s, pid, status, &ru);
}

static void take_signals(struct shim *s)
{
	struct signalfd_siginfo info;

	while (!s->finished && read(s->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap_all(s);
		else if (info.ssi_signo == SIGTERM)
			life_go_down(s);
		else
			sockets_check(s); /* SIGUSR1 */
	}
}

static void serve_tasks(struct shim *s, const struct pollfd p[AT_MAX])
{
	for (int i = 0; i <= GROUP_PROBES; i++) {
		struct task *t = i == 0 ? &s->agent : &s->probes[i - 1].task;
		const struct pollfd *at = &p[AT_TASKS + 3 * i];

		if ((at[1].revents || at[2].revents) && t->starting >= 0) {
			if (i == 0)
				life_go_on(s);
			else
				probe_go_on(s, &s->probes[i - 1]);
		}
		if (at[0].revents & POLLIN && t->listener == at[0].fd)
			refuse_read(s, t);
		else if (at[0].revents && t->listener == at[0].fd)
			i == 0 ? life_spend_listener(s) : os_close(&t->listener); /* it binds nobody any more */
	}
}

static void serve(struct shim *s, const struct pollfd p[AT_MAX], int64_t now_ms)
{
	if (p[AT_DEADLINE].revents || p[AT_CLOCK].revents)
		life_fuse(s);
	if (p[AT_SIGNAL].revents)
		take_signals(s);
	if (s->finished)
		return;
	serve_tasks(s, p);
	if (p[AT_NOTIFY].revents && s->notify_fd >= 0)
		notify_read(s);
	if (p[AT_CONTROL].revents & POLLOUT)
		s->control_full = false;
	if (p[AT_CONTROL].revents & ~POLLOUT && s->control == p[AT_CONTROL].fd)
		control_read(s);
	if (p[AT_LISTENER].revents && s->listener >= 0)
		control_accept(s);
	if (p[AT_LOG].revents && s->log.pipe >= 0)
		logpump_turn(&s->log, now_ms);
	for (int i = 0; i < GROUP_PROBES; i++)
		if (p[AT_OUTPUTS + i].revents)
			probe_output(&s->probes[i]);
}

static void keep_time(struct shim *s, int64_t now_ms)
{
	life_time(s, now_ms);
	if (s->finished)
		return;
	probe_time(s, now_ms);
	if (s->log.read_at_ms && now_ms >= s->log.read_at_ms)
		logpump_turn(&s->log, now_ms);
	if (s->log.idle_at_ms && now_ms >= s->log.idle_at_ms)
		logpump_idle(&s->log, now_ms);
	if (s->control_full)
		return;
	if (s->owed)
		control_send_owed(s);
	probe_tell(s);
}

void loop_turn(struct shim *s)
{
	int64_t now_ms = os_now_ms(CLOCK_MONOTONIC), wait = wait_ms(s, now_ms);
	const struct timespec t = {wait / 1000, wait % 1000 * 1000000};
	struct pollfd p[AT_MAX];

	watch_all(s, p);
	if (ppoll(p, AT_MAX, wait < 0 ? NULL : &t, NULL) < 0)
		memset(p, 0, sizeof(p)); /* a signal: none is let through, so this is for form's sake */
	now_ms = os_now_ms(CLOCK_MONOTONIC);
	serve(s, p, now_ms);
	if (!s->finished)
		keep_time(s, now_ms);
}
