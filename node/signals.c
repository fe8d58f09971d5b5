/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon does when it is signalled. They come to the loop's thread alone: all others block them.
 */
#include "node/signals.h"

#include <signal.h>
#include <string.h>

#include "node/cluster.h"
#include "node/local.h"
#include "node/node.h"

static void on_end(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct node *n = w->data;

	(void)revents;
	n->again = false; /* what was made for the next start is taken by it, whenever that is */
	log_info("SIG%s: ending; agents go on running", sigabbrev_np(w->signum));
	ev_break(loop, EVBREAK_ALL);
}

static void on_hup(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct node *n = w->data;
	struct err e;

	(void)loop;
	(void)revents;
	if (n->ending)
		return; /* the start that follows reads it */
	node_now(n);
	status_reload_begin(n);
	if (local_load(n, &e) < 0)
		log_err("reload: %s; what runs goes on as it was", e.text);
	if (n->cluster && cluster_reload(n->cluster, &e) < 0)
		log_err("reload: %s; the certificates in use stay", e.text);
	status_reload_end(n);
}

/* SIGHUP, and those that end. */
static void mask_signals(int how, bool ends)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	if (ends) {
		sigaddset(&set, SIGTERM);
		sigaddset(&set, SIGINT);
	}
	(void)pthread_sigmask(how, &set, NULL); /* cannot fail with these arguments; other threads take none */
}

void signals_watch(struct node *n)
{
	ev_signal_init(&n->on_term, on_end, SIGTERM);
	ev_signal_init(&n->on_int, on_end, SIGINT);
	ev_signal_init(&n->on_hup, on_hup, SIGHUP);
	n->on_term.data = n->on_int.data = n->on_hup.data = n;
	ev_signal_start(n->loop, &n->on_term);
	ev_signal_start(n->loop, &n->on_int);
	ev_signal_start(n->loop, &n->on_hup);
	mask_signals(SIG_UNBLOCK, false);
}

void signals_leave(struct node *n)
{
	mask_signals(SIG_BLOCK, true);
	ev_prepare_stop(n->loop, &n->settle); /* nothing is decided any more */
	ev_run(n->loop, EVRUN_NOWAIT);
}
