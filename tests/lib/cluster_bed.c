/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several real daemons of one test.
 */
#include "tests/lib/cluster_bed.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_FIRST 10000
#define PORTS	   22000

int64_t cluster_bed_wall_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail on Linux */
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Below those that the kernel gives to whoever dials, which would be another's by the time that ours is listened at. */
int cluster_bed_free_port(void)
{
	static unsigned tried;

	for (;;) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

		assert_true(fd >= 0 && tried < PORTS);
		a.sin_port = htons((uint16_t)(PORT_FIRST + ((unsigned)getpid() * 16 + tried++) % PORTS));
		rc = bind(fd, (struct sockaddr *)&a, sizeof(a));
		(void)close(fd); /* nothing was written */
		if (rc == 0)
			return ntohs(a.sin_port);
	}
}

void cluster_bed_configure(struct cluster_bed *b, size_t i, const char *join, const char *authority)
{
	struct daemon_bed *d = &b->v[i];
	struct pki_bed_paths p;
	int n;

	n = snprintf(d->extra, sizeof(d->extra), "gossip: {bind: \"127.0.0.1:%d\", join: [%s]%s}\n", b->port[i],
		join ? join : b->join, b->pki ? "" : ", insecure: yes");
	assert_in_range(n, 1, sizeof(d->extra) - 1);
	if (!b->pki)
		return;
	p = pki_bed_paths(b->pki, authority, d->name);
	n += snprintf(
		d->extra + n, sizeof(d->extra) - (size_t)n, "tls: {ca: %s, cert: %s, key: %s}\n", p.ca, p.cert, p.key);
	assert_in_range(n, 1, sizeof(d->extra) - 1);
}

void cluster_bed_init(struct cluster_bed *b, size_t n, struct pki_bed *pki)
{
	*b = (struct cluster_bed){.n = n, .pki = pki};
	for (size_t i = 0; i < n; i++) {
		size_t at = strlen(b->join);

		daemon_init(&b->v[i]);
		b->v[i].labelled = true;
		(void)snprintf(b->v[i].name, sizeof(b->v[i].name), "n%zu", i + 1);
		b->port[i] = cluster_bed_free_port();
		(void)snprintf(b->join + at, sizeof(b->join) - at, "%s\"127.0.0.1:%d\"", i ? ", " : "", b->port[i]);
	}
	for (size_t i = 0; i < n; i++) {
		if (pki)
			pki_bed_issue(pki, "ca", b->v[i].name, cluster_bed_wall_ms());
		cluster_bed_configure(b, i, NULL, "ca");
	}
}

void cluster_bed_done(struct cluster_bed *b)
{
	for (size_t i = 0; i < b->n; i++)
		daemon_done(&b->v[i]);
}

static const msgpack_object *nodes(struct cluster_bed *b, size_t i)
{
	const msgpack_object *reply = daemon_call(&b->v[i], "nodes", NULL);

	return daemon_ok(reply) ? mp_get(mp_get(reply, "result"), "nodes") : NULL;
}

size_t cluster_bed_members(struct cluster_bed *b, size_t i)
{
	const msgpack_object *v = nodes(b, i);

	return v ? v->via.array.size : 0;
}

const char *cluster_bed_field(struct cluster_bed *b, size_t i, const char *name, const char *key)
{
	const msgpack_object *v = nodes(b, i);

	for (uint32_t k = 0; v && k < v->via.array.size; k++)
		if (strcmp(daemon_text(&v->via.array.ptr[k], "name"), name) == 0)
			return daemon_text(&v->via.array.ptr[k], key);
	return "";
}

const char *cluster_bed_state(struct cluster_bed *b, size_t i, const char *name)
{
	return cluster_bed_field(b, i, name, "state");
}

static bool sees(struct cluster_bed *b, size_t i, const char *states)
{
	for (size_t k = 0; k < b->n; k++) {
		const char *is = cluster_bed_state(b, i, b->v[k].name);
		size_t n = strcspn(states, " ");

		if (strncmp(states, *is ? is : "-", n) != 0 || (*is && strlen(is) != n))
			return false;
		states += n + (states[n] == ' ');
	}
	return true;
}

bool cluster_bed_all_see(struct cluster_bed *b, const char *states)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->v[i].pid && !sees(b, i, states))
			return false;
	return true;
}

/* What every node has told of itself has come to every node: each counts as a place for work from then on. */
static bool all_know_all(struct cluster_bed *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const msgpack_object *v = nodes(b, i);

		for (uint32_t k = 0; v && k < v->via.array.size; k++) {
			const msgpack_object *capacity = mp_get(&v->via.array.ptr[k], "capacity");
			const msgpack_object *memory = capacity ? mp_get(capacity, "memory_bytes") : NULL;

			if (!memory || memory->type == MSGPACK_OBJECT_NIL)
				return false;
		}
	}
	return true;
}

void cluster_bed_form(struct cluster_bed *b)
{
	char states[CLUSTER_BED_MAX * 6 + 1] = "";

	for (size_t i = 0; i < b->n; i++) {
		(void)strcat(states, i ? " alive" : "alive"); /* fits */
		daemon_launch(&b->v[i]);
	}
	for (size_t i = 0; i < b->n; i++)
		WAIT_UNTIL(daemon_call(&b->v[i], "version", NULL), WAIT_BOUND_S);
	(void)cluster_bed_does(b, 0, "init", NULL); /* it is done, or the test has failed */
	WAIT_UNTIL(cluster_bed_all_see(b, states), WAIT_BOUND_S);
	WAIT_UNTIL(all_know_all(b), WAIT_BOUND_S);
}

bool cluster_bed_was_late(struct cluster_bed *b, size_t i)
{
	return daemon_logged(&b->v[i], 0, "this daemon was ", " ms late");
}

bool cluster_bed_told(struct cluster_bed *b, size_t i, const char *kind, const char *part, const char *other)
{
	const msgpack_object *reply = daemon_call(&b->v[i], "events", "max=1000"), *v;

	v = daemon_ok(reply) ? mp_get(mp_get(reply, "result"), "events") : NULL;
	for (uint32_t k = 0; v && k < v->via.array.size; k++) {
		const msgpack_object *e = &v->via.array.ptr[k];

		if (strcmp(daemon_text(e, "kind"), kind) == 0 && strstr(daemon_text(e, "text"), part) &&
			strstr(daemon_text(e, "text"), other))
			return true;
	}
	return false;
}

const msgpack_object *cluster_bed_agent(struct cluster_bed *b, size_t i, const char *name)
{
	char args[96];
	const msgpack_object *reply, *agents;

	(void)snprintf(args, sizeof(args), "agent=%s,brief=true", name); /* fits */
	reply = daemon_call(&b->v[i], "status", args);
	agents = reply && daemon_ok(reply) ? mp_get(mp_get(reply, "result"), "agents") : NULL;
	return agents && agents->type == MSGPACK_OBJECT_ARRAY && agents->via.array.size == 1 ? agents->via.array.ptr
											     : NULL;
}

const char *cluster_bed_refused(struct cluster_bed *b, size_t i, const char *verb, const char *args)
{
	const msgpack_object *reply = daemon_call(&b->v[i], verb, args);

	assert_non_null(reply);
	if (daemon_ok(reply))
		fail_msg("%s on %s was not refused", verb, b->v[i].name);
	return daemon_text(reply, "error");
}

const char *cluster_bed_does(struct cluster_bed *b, size_t i, const char *verb, const char *args)
{
	const msgpack_object *reply = daemon_call(&b->v[i], verb, args);

	if (!daemon_ok(reply))
		fail_msg("%s on %s: %s", verb, b->v[i].name, daemon_text(reply, "error"));
	return daemon_text(mp_get(reply, "result"), "text");
}
