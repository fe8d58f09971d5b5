/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node: opened in the order in which things depend on each other, run until it is told to end, closed in reverse.
 * Ending the daemon ends no agent. main.c has the arguments, this file the order.
 */
#include "node/node.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/io.h"
#include "base/mem.h"
#include "gossip/identity.h"
#include "node/adopt.h"
#include "node/cluster.h"
#include "node/cluster_fetch.h"
#include "node/council.h"
#include "node/counted.h"
#include "node/datalock.h"
#include "node/host.h"
#include "node/local.h"
#include "node/node_load.h"
#include "node/node_run.h"
#include "node/ops.h"
#include "node/page.h"
#include "node/poll.h"
#include "node/reboot.h"
#include "node/shimfiles.h"
#include "node/signals.h"
#include "node/store_next.h"
#include "node/systemd.h"
#include "node/trim.h"
#include "node/verbs.h"

#define POLL_EVERY    0.1 /* s: requests that wait are looked at */
#define RUN_DIR_EVERY 2.0 /* s */
#define SERVE_AT_MOST 3.0 /* s: shims that do not answer hold the daemon up no longer */

static int64_t clock_us(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t); /* these clocks are always there */
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t clock_ms(clockid_t id)
{
	return clock_us(id) / 1000;
}

struct now node_now(struct node *n)
{
	n->now = (struct now){clock_ms(CLOCK_MONOTONIC), clock_ms(CLOCK_BOOTTIME), clock_ms(CLOCK_REALTIME)};
	return n->now;
}

void node_stored(void *arg, int rc, const char *error)
{
	struct node *n = arg;

	if (rc < 0 && !n->store_failed)
		node_event(n, SEVERITY_ERROR, "store", NULL, NULL,
			"the store refuses writes: %s; agents go on, changes are refused",
			error ? error : strerror(-rc));
	if (rc == 0 && n->store_failed)
		log_info("the store takes writes again");
	n->store_failed = rc < 0;
}

static void emit(struct node *n, enum replica_severity severity, struct store_event *ev, const char *fmt, va_list ap)
{
	static const struct {
		const char *name;
		enum log_level level;
	} as[] = {
		[SEVERITY_DEBUG] = {"debug", LOG_LEVEL_DEBUG},
		[SEVERITY_INFO] = {"info", LOG_LEVEL_INFO},
		[SEVERITY_WARNING] = {"warning", LOG_LEVEL_WARN},
		[SEVERITY_ERROR] = {"error", LOG_LEVEL_ERR},
	};
	char text[EVENT_TEXT_MAX];

	_Static_assert(ARRAY_LEN(as) == SEVERITY_MAX, "a name for each severity");
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* a longer one is cut */
	ev->wall_ms = n->now.wall_ms;
	ev->severity = as[severity].name;
	ev->text = text;
	events_emit(n->events, ev);
	log_line(as[severity].level, ev->agent, ev->replica, "%s", text);
}

void node_event(struct node *n, enum replica_severity severity, const char *kind, const char *agent,
	const char *replica, const char *fmt, ...)
{
	struct store_event ev = {.kind = kind, .agent = agent, .replica = replica};
	va_list ap;

	va_start(ap, fmt);
	emit(n, severity, &ev, fmt, ap);
	va_end(ap);
}

void node_event_data(struct node *n, enum replica_severity severity, const char *kind, const struct bytes *data,
	const char *fmt, ...)
{
	struct store_event ev = {
		.kind = kind, .data = data->failed ? NULL : data->v, .data_len = data->failed ? 0 : data->n};
	va_list ap;

	va_start(ap, fmt);
	emit(n, severity, &ev, fmt, ap);
	va_end(ap);
}

/* ---- serving ---- */

static int serve_http(struct node *n, struct err *e)
{
	const struct config_addr *at = &n->cfg->http;
	int rc = http_open(n->loop, at->host, at->port, n->cfg->name, page_answer, n, &n->http, e);

	if (rc == 0)
		log_info("metrics: http://%s%s%s:%u/metrics", at->ipv6 ? "[" : "", at->host, at->ipv6 ? "]" : "",
			http_port(n->http));
	return rc;
}

static int serve(struct node *n, struct err *e)
{
	char path[4096];
	int rc;

	(void)snprintf(path, sizeof(path), "%s/covey.sock", n->cfg->run_dir); /* bounded at config */
	MAP_FOREACH (at, &n->roster.runners) {
		struct runner *r = CONTAINER_OF(at, struct runner, by_stem);

		if (!r->awaiting)
			runner_go_on(r);
	}
	rc = control_open(n->loop, path, (uint32_t)-1, verbs_handle, n, &n->control, e);
	if (rc < 0)
		return rc;
	n->serving = true;
	if (n->cluster)
		cluster_hurry(n->cluster);
	host_tell(n);
	log_info("%s answers on %s; %zu agents", n->cfg->name, path, n->roster.agents.n);
	rc = n->cfg->http.host ? serve_http(n, e) : 0;
	if (rc < 0)
		return rc;
	status_ready(n);
	trim_heap();
	trim_text();
	return 0;
}

/* Once all shims that were found have answered, or have had the time to. */
static void serve_if_ready(struct node *n, bool late)
{
	struct err e;

	if (n->serving || (n->awaiting > 0 && !late))
		return;
	if (n->awaiting > 0)
		log_warn("%d shims do not answer; their replicas are left alone until they do", n->awaiting);
	if (serve(n, &e) < 0) {
		log_err("%s", e.text);
		status_failed("%s", e.text);
		n->failed = true;
		ev_break(n->loop, EVBREAK_ALL);
	}
}

/* ---- the loop's callbacks ---- */

static void on_woke(struct ev_loop *loop, ev_check *w, int revents)
{
	struct node *n = w->data;

	(void)loop;
	(void)revents;
	n->turn_at_us = clock_us(CLOCK_MONOTONIC);
}

static void end_turn(struct node *n)
{
	int64_t now_us = clock_us(CLOCK_MONOTONIC);

	if (n->turn_at_us)
		lag_turn(&n->lag, now_us - n->turn_at_us, now_us / 1000);
	n->turn_at_us = 0;
}

static void on_settle(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct node *n = w->data;
	bool changed = !list_is_empty(&n->roster.dirty);

	(void)loop;
	(void)revents;
	if (n->council) {
		node_now(n);
		verbs_turn(n);
		council_turn(n->council);
		if (n->cluster)
			cluster_turn(n->cluster);
		changed = !list_is_empty(&n->roster.dirty);
	}
	if (changed) {
		node_now(n);
		roster_settle(n);
	}
	serve_if_ready(n, false);
	if (!list_is_empty(&n->roster.starting))
		roster_start_next(n); /* those that were held until all shims had answered */
	if (poll_is_waiting(n) && (changed || n->heard)) {
		node_now(n);
		poll_look(n);
	}
	n->heard = false;
	if (!list_is_empty(&n->roster.dirty)) { /* a turn has its bound: the next comes at once */
		ev_timer_set(&n->again_timer, 0., 0.);
		ev_timer_start(n->loop, &n->again_timer);
	}
	end_turn(n);
}

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents; /* the loop has turned, which is all */
}

static void on_poll(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct node *n = w->data;

	(void)loop;
	(void)revents;
	node_now(n);
	poll_look(n);
	if (!poll_is_waiting(n))
		ev_timer_stop(n->loop, w);
}

void node_wake_polls(struct node *n)
{
	if (!ev_is_active(&n->poll_timer)) {
		ev_timer_set(&n->poll_timer, POLL_EVERY, POLL_EVERY);
		ev_timer_start(n->loop, &n->poll_timer);
	}
}

static void on_event(void *arg, const struct store_event *e)
{
	struct node *n = arg;

	(void)e;
	if (poll_is_waiting(n))
		node_wake_polls(n);
}

static void on_serve(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	serve_if_ready(w->data, true);
}

static void on_run_dir(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct node *n = w->data;

	(void)loop;
	(void)revents;
	node_now(n);
	if (n->serving)
		adopt_watch_run_dir(n);
	adopt_sweep_groups(n);
	counted_sweep(n);
	status_tick(n);
}

void node_begin_again(struct node *n)
{
	n->again = n->ending = true; /* a change that is accepted now would be lost with the old store */
	ev_break(n->loop, EVBREAK_ALL);
}

static void watch(struct node *n)
{
	ev_prepare_init(&n->settle, on_settle);
	ev_check_init(&n->woke, on_woke);
	ev_set_priority(&n->woke, EV_MAXPRI);
	ev_timer_init(&n->poll_timer, on_poll, POLL_EVERY, POLL_EVERY);
	ev_timer_init(&n->again_timer, on_again, 0., 0.);
	ev_timer_init(&n->serve_timer, on_serve, SERVE_AT_MOST, 0.);
	ev_timer_init(&n->run_dir_timer, on_run_dir, RUN_DIR_EVERY, RUN_DIR_EVERY);
	n->settle.data = n->woke.data = n->poll_timer.data = n->serve_timer.data = n->run_dir_timer.data = n;
	n->event_watch = (struct events_watch){.fn = on_event, .arg = n};
	events_watch(n->events, &n->event_watch);
	ev_prepare_start(n->loop, &n->settle);
	ev_check_start(n->loop, &n->woke);
	ev_timer_start(n->loop, &n->serve_timer);
	ev_timer_start(n->loop, &n->run_dir_timer);
	signals_watch(n);
}

/* ---- opening ---- */

static int find_shim(struct node *n, struct err *e)
{
	const char *told = getenv("COVEY_SHIM");
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	(void)snprintf(n->shim_path, sizeof(n->shim_path), "%s", told ? told : ""); /* a longer one is not found */
	if (told && access(n->shim_path, X_OK) == 0)
		return 0;
	if (told)
		return err_errno(e, "COVEY_SHIM: '%s'", told);
	exe[MAX(len, (ssize_t)0)] = '\0';
	slash = strrchr(exe, '/');
	if (slash)
		*slash = '\0';
	(void)snprintf(n->shim_path, sizeof(n->shim_path), "%.4000s/covey-shim", exe);
	if (access(n->shim_path, X_OK) == 0)
		return 0;
	(void)snprintf(n->shim_path, sizeof(n->shim_path), "%s/covey-shim", COVEY_LIBEXECDIR);
	if (access(n->shim_path, X_OK) == 0)
		return 0;
	return err_errno(e, "covey-shim is neither beside coveyd nor in %s", COVEY_LIBEXECDIR);
}

static void raise_nofile(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r); /* up to the hard limit: always allowed */
	}
}

static int open_data(struct node *n, struct err *e)
{
	char path[4096];
	int rc = io_mkdirs(n->cfg->data_dir, 0700, e);

	if (rc < 0)
		return err_wrap(e, "data_dir");
	rc = datalock_take(n->cfg->data_dir, &n->lock_fd, e);
	if (rc < 0)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/logs", n->cfg->data_dir); /* bounded at config */
	rc = io_mkdirs(path, 0700, e);
	if (rc < 0)
		return err_wrap(e, "data_dir");
	if (io_mkdirs(shimfiles_ends(n->cfg, path), 0700, e) < 0)
		log_warn("%s; how agents end with their host is not kept", e->text);
	rc = store_next_take(n->cfg->data_dir, e);
	if (rc > 0)
		log_info("the store that was made for this start is in its place");
	if (rc >= 0)
		rc = store_open(n->loop, n->cfg->data_dir, &n->store, e);
	if (rc == 0 && n->cfg->gossip.on)
		rc = council_open(n, &n->council, e);
	return rc;
}

/* Each start takes a number, durable before anything is started with it. */
static void on_boot_counted(void *arg, int rc, const char *error)
{
	int *ret = arg;

	(void)error;
	*ret = rc < 0 ? rc : 1;
}

static int count_boot(struct node *n, struct err *e)
{
	uint32_t boot = identity_boot(store_meta(n->store, "boot", 0), n->now.wall_ms);
	int done = 0;

	/* A count that a full disk did not take is told again: runs numbered with it were seen by runner_saw. */
	n->next_run = MAX(n->next_run, ((uint64_t)boot << 32) + 1);
	if (store_put_meta(n->store, "boot", boot, on_boot_counted, &done) < 0)
		return err_set(e, -ENOSPC, "the store's queue is full");
	while (!done)
		ev_run(n->loop, EVRUN_ONCE);
	n->boot_kept = done > 0;
	if (done < 0)
		log_err("the store refuses writes (%s): agents run, changes are refused", strerror(-done));
	return 0;
}

static int open_all(struct node *n, struct err *e)
{
	int rc = find_shim(n, e);

	n->badness_is_default = spawn_badness_is_default();
	if (rc == 0)
		rc = open_data(n, e);
	if (rc == 0)
		rc = adopt_claim(n, e);
	if (rc == 0)
		rc = events_new(n->store, n->cfg->name, &n->events, e);
	if (rc == 0)
		rc = host_open(n, e);
	if (rc == 0)
		rc = seccomp_cache_new(COVEY_SYSCONFDIR "/seccomp", &n->seccomp, e);
	if (rc == 0)
		rc = roster_init(n, e);
	if (rc == 0)
		rc = count_boot(n, e);
	if (rc == 0)
		rc = node_load(n, e);
	if (rc == 0)
		rc = adopt_scan(n, e);
	if (rc == 0)
		reboot_note(n);
	if (rc == 0 && n->cfg->gossip.on)
		rc = cluster_open(n, &n->cluster, e);
	if (rc == 0 && n->council)
		council_begin(n->council);
	return rc;
}

int node_open(struct config *cfg, struct node **ret, struct err *e)
{
	struct node *n = mem_zalloc(1, sizeof(*n));
	int rc;

	if (!n)
		return err_set(e, -ENOMEM, "out of memory");
	n->cfg = cfg;
	n->lock_fd = -1;
	n->place = CGROUP_PLACE_NONE;
	n->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOSIGMASK);
	list_init(&n->ops);
	list_init(&n->late_records);
	list_init(&n->waiters);
	list_init(&n->changes);
	if (!n->loop) {
		free(n);
		return err_set(e, -ENOMEM, "no event loop could be made");
	}
	raise_nofile();
	node_now(n);
	n->started_mono_ms = n->now.mono_ms;
	n->started_wall_ms = n->now.wall_ms;
	rng_seed(&n->rng,
		(uint64_t)clock_ms(CLOCK_REALTIME) * 1000003u ^ (uint64_t)getpid() << 40 ^ (uint64_t)(uintptr_t)n);
	n->gen = rng_u64(&n->rng);
	rc = open_all(n, e);
	*ret = n; /* also when it failed: node_close frees what there is */
	return rc;
}

int node_run(struct node *n)
{
	watch(n);
	if (n->cluster)
		cluster_begin(n->cluster);
	ev_run(n->loop, 0);
	if (n->council && !n->failed)
		council_farewell(n->council);
	if (n->again)
		signals_leave(n); /* which may still say that it is the end */
	if (!n->again)
		systemd_notify(n->failed ? "STOPPING=1" : "STOPPING=1\nSTATUS=agents go on running");
	if (n->failed)
		return -EIO;
	return n->again;
}

static void on_flushed(void *arg, int rc, const char *error)
{
	bool *flushed = arg;

	(void)rc; /* told by node_stored where it mattered */
	(void)error;
	*flushed = true;
}

/* Everything that the store was given is done and told, while those who are told are still there. */
static void flush(struct node *n)
{
	bool flushed = false;

	if (!n->store || !n->events || store_sync(n->store, on_flushed, &flushed) < 0)
		return;
	while (!flushed)
		ev_run(n->loop, EVRUN_ONCE);
}

/* The loop's watchers first, so that nothing is decided any more; then what waits, what was begun, and what is held. */
void node_close(struct node *n)
{
	n->ending = true;
	ev_prepare_stop(n->loop, &n->settle);
	ev_check_stop(n->loop, &n->woke);
	ev_timer_stop(n->loop, &n->serve_timer);
	ev_timer_stop(n->loop, &n->run_dir_timer);
	poll_done(n);
	verbs_done(n);
	if (n->cluster)
		cluster_fetch_end(n->cluster); /* who waits for other nodes, over HTTP too */
	if (n->serving && !n->failed)
		reboot_ending(n);
	council_end(n->council);
	flush(n);
	ev_timer_stop(n->loop, &n->poll_timer);
	http_close(n->http);
	cluster_close(n->cluster);
	n->cluster = NULL; /* nothing is told any more */
	if (n->control)
		control_close(n->control);
	if (n->roster.order.next)
		roster_done(n);
	ops_done(n);
	if (n->event_watch.fn)
		events_unwatch(&n->event_watch);
	events_free(n->events);
	if (n->store)
		store_close(n->store);
	council_close(n->council);
	counted_done(n);
	seccomp_cache_free(n->seccomp);
	host_close(n);
	if (n->lock_fd >= 0)
		(void)close(n->lock_fd); /* unlocks */
	ev_loop_destroy(n->loop);
	free(n);
}
