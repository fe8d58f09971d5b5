/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line that `systemctl status coveyd` shows is counted anew on the timer that also says WATCHDOG=1, so that it is
 * never older than that and costs nothing in between: a thousand replicas that start send no thousand messages.
 */
#include "node/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "node/cluster.h"
#include "node/node.h"
#include "node/systemd.h"

/* "; 3 of 3 nodes alive", or what is missing */
static void count_members(const struct node *n, char *out, size_t max)
{
	const struct gossip *g = n->cluster ? cluster_core(n->cluster) : NULL;
	char fault[STATUS_TEXT_MAX / 2];

	/* A longer one is cut; so below. */
	if (n->cluster && cluster_fault(n->cluster, fault, sizeof(fault)))
		(void)snprintf(out, max, "; %s", fault);
	else if (g && gossip_is_isolated(g))
		(void)snprintf(out, max, "; hears none of %zu other nodes", gossip_members(g) - 1);
	else if (g)
		(void)snprintf(out, max, "; %zu of %zu nodes alive", gossip_alive(g), gossip_members(g));
}

/* "3 agents, 5 of 6 replicas ready, 1 failed" */
static void count(const struct node *n, char out[STATUS_TEXT_MAX])
{
	int64_t agents = 0, desired = 0, ready = 0, failed = 0;
	size_t len;

	LIST_FOREACH (at, &n->roster.order) {
		const struct agent *a = LIST_ENTRY(at, struct agent, order);
		struct roster_count c;

		if (a->removed)
			continue;
		roster_count(a, &c);
		agents++;
		desired += c.desired;
		ready += c.ready;
		failed += c.failed;
	}
	len = (size_t)snprintf(out, STATUS_TEXT_MAX, "%" PRId64 " agent%s, %" PRId64 " of %" PRId64 " replica%s ready",
		agents, agents == 1 ? "" : "s", ready, desired, desired == 1 ? "" : "s");
	if (failed)
		len += (size_t)snprintf(out + len, STATUS_TEXT_MAX - len, ", %" PRId64 " failed", failed);
	if (n->store_failed)
		len += (size_t)snprintf(
			out + len, STATUS_TEXT_MAX - len, "; the store refuses writes: changes are refused");
	if (n->lacks[0])
		len += (size_t)snprintf(out + len, STATUS_TEXT_MAX - len, "; this host lacks %s", n->lacks);
	if (n->dir_fault[0]) /* 255 bytes at most: all of it fits */
		len += (size_t)snprintf(out + len, STATUS_TEXT_MAX - len, "; %s", n->dir_fault);
	if (len < STATUS_TEXT_MAX)
		count_members(n, out + len, STATUS_TEXT_MAX - len);
}

void status_ready(struct node *n)
{
	char text[STATUS_TEXT_MAX + 32];

	count(n, n->status);
	(void)snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", n->status); /* fits; so below */
	systemd_notify(text);
}

void status_tick(struct node *n)
{
	char now[STATUS_TEXT_MAX], text[STATUS_TEXT_MAX + 32];

	systemd_notify("WATCHDOG=1");
	if (!n->serving || !systemd_listens())
		return; /* counting a thousand replicas for nobody is work */
	count(n, now);
	if (strcmp(now, n->status) == 0)
		return;
	memcpy(n->status, now, sizeof(n->status));
	(void)snprintf(text, sizeof(text), "STATUS=%s", now);
	systemd_notify(text);
}

void status_reload_begin(struct node *n)
{
	char text[96];
	struct timespec t;

	if (!n->serving)
		return;				  /* READY=1 at its end would be said too early */
	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* always there */
	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reading agents_dir",
		(long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
	systemd_notify(text);
}

void status_reload_end(struct node *n)
{
	if (n->serving)
		status_ready(n);
}

void status_set_fault(struct node *n, const char *fault)
{
	(void)snprintf(n->dir_fault, sizeof(n->dir_fault), "%s", fault ? fault : ""); /* a longer one is cut */
}

void status_failed(const char *fmt, ...)
{
	char text[STATUS_TEXT_MAX] = "STATUS=";
	size_t n = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text + n, sizeof(text) - n, fmt, ap); /* a longer one is cut */
	va_end(ap);
	for (char *at = text; *at; at++)
		if (*at == '\n')
			*at = ' '; /* a second line would be another message */
	systemd_notify(text);
}
