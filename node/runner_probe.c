/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica's probes: http and tcp are asked from here, exec by its shim. When to ask and what follows is the core's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node/node.h"
#include "node/runner_parts.h"

static void on_probe(struct runner *r, enum health_which w, bool ok, int64_t took_ms, const char *text)
{
	r->probes[w] = NULL;
	node_now(r->node);
	runner_feed(r,
		&(struct replica_in){.type = REPLICA_IN_PROBE, .which = w, .ok = ok, .took_ms = took_ms, .text = text});
}

static void on_liveness(void *arg, bool ok, int64_t took_ms, const char *text)
{
	on_probe(arg, HEALTH_LIVENESS, ok, took_ms, text);
}

static void on_readiness(void *arg, bool ok, int64_t took_ms, const char *text)
{
	on_probe(arg, HEALTH_READINESS, ok, took_ms, text);
}

static uint16_t probe_port(const struct runner *r, const struct spec_probe *p)
{
	for (size_t i = 0; p->port_name && i < r->n_ports && i < r->spec->ports.n; i++)
		if (strcmp(r->spec->ports.v[i].name, p->port_name) == 0)
			return r->ports[i];
	return p->port;
}

/*
 * A shim of an earlier build may tell a new daemon of a probe that the last one asked for: so the number of the
 * daemon's start is in the id, and the count comes round only after more probes than one can be late by. Never 0.
 */
uint32_t runner_new_exec_id(struct runner *r)
{
	uint32_t start = (uint32_t)(r->node->next_run >> 32);

	r->exec_count = (uint16_t)(r->exec_count % UINT16_MAX + 1);
	return start << 16 | r->exec_count;
}

static int exec_probe(struct runner *r, enum health_which w, const struct spec_probe *p)
{
	CLEANUP(bytes_done) struct bytes plan;
	struct err e;
	int rc;

	bytes_init(&plan, SHIM_FRAME_MAX);
	r->exec_ids[w] = runner_new_exec_id(r);
	rc = launch_exec_plan(r, &p->command, r->exec_ids[w], p->timeout_ms, &plan, &e);
	if (rc == 0)
		rc = shimlink_send_framed(&r->link, plan.v, plan.n);
	if (rc < 0)
		r->exec_ids[w] = 0;
	return rc;
}

void runner_start_probe(struct runner *r, enum health_which w)
{
	static probe_done *const done[] = {[HEALTH_LIVENESS] = on_liveness, [HEALTH_READINESS] = on_readiness};
	const struct spec_probe *p = w == HEALTH_LIVENESS ? &r->spec->liveness : &r->spec->readiness;
	bool ok;

	_Static_assert(ARRAY_LEN(done) == HEALTH_WHICH_MAX, "an answer for each probe");
	if (p->kind == SPEC_PROBE_EXEC) {
		ok = exec_probe(r, w, p) == 0;
	} else {
		r->probes[w] = probe_start(r->node->loop, p, probe_port(r, p), done[w], r);
		ok = r->probes[w] != NULL;
	}
	if (!ok)
		runner_feed(
			r, &(struct replica_in){
				   .type = REPLICA_IN_PROBE, .which = w, .text = "covey could not start the probe"});
}

void runner_cancel_probe(struct runner *r, enum health_which w)
{
	const struct shim_call_off off = {.size = sizeof(off), .exec_id = r->exec_ids[w]};

	probe_cancel(r->probes[w]);
	r->probes[w] = NULL;
	r->exec_ids[w] = 0;
	if (off.exec_id) /* not heard: it ends at its timeout, for which the core allows */
		(void)shimlink_send(&r->link, SHIM_CALL_OFF, &off, sizeof(off));
}

void runner_exec_done(struct runner *r, const struct shim_exec_done *d)
{
	for (int w = 0; w < HEALTH_WHICH_MAX; w++) {
		char text[EVENT_TEXT_MAX] = "";
		bool ok = d->status == 0 && !d->timed_out && !d->error;

		if (r->exec_ids[w] != d->exec_id || d->exec_id == 0)
			continue;
		r->exec_ids[w] = 0;
		if (d->timed_out)
			(void)snprintf(text, sizeof(text), "did not end in time");
		else if (d->error)
			(void)snprintf(text, sizeof(text), "could not be started: %s", strerror(d->error));
		else if (!ok)
			(void)snprintf(
				text, sizeof(text), "ended with status %d: %.100s", (d->status >> 8) & 0xff, d->output);
		runner_feed(r, &(struct replica_in){.type = REPLICA_IN_PROBE,
				       .which = (enum health_which)w,
				       .ok = ok,
				       .busy = d->error == EBUSY && d->stage == SHIM_STAGE_FORK,
				       .took_ms = d->took_ms,
				       .text = text});
		return;
	}
}
