/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a replica's shim says, made into inputs of its core. Messages of an older or newer build are shorter or
 * longer than ours: what is not there is zero, what is more is left.
 */
#include <stdio.h>
#include <string.h>

#include "node/adopt.h"
#include "node/node.h"
#include "node/runner_parts.h"

void runner_launched(struct runner *r)
{
	if (!r->launching)
		return;
	r->launching = false;
	r->node->roster.n_starting--;
	roster_start_next(r->node);
}

void runner_refused(struct runner *r, const void *v, uint32_t size)
{
	struct shim_refused now = {0};
	char name[64], text[EVENT_TEXT_MAX];
	bool first = r->refused.total == 0;

	memcpy(&now, v, MIN((size_t)size, sizeof(now)));
	r->refused = now;
	for (size_t i = 0; i < sizeof(r->learned); i++)
		r->learned[i] |= now.learned[i];
	if (!first || now.total == 0 || r->spec->sandbox.seccomp == SPEC_SECCOMP_LEARN || now.kinds == 0)
		return;
	(void)snprintf(
		text, sizeof(text), "refused the system call %s", seccomp_call_name(now.v[0].nr, name, sizeof(name)));
	node_event(r->node, SEVERITY_WARNING, "refused", r->agent->name, r->id,
		"%s; more of this run are counted, not told", text);
}

void runner_message(void *arg, uint32_t type, const void *payload, uint32_t size)
{
	struct runner *r = arg;
	struct shim_hello hello = {0};
	struct shim_notify notify = {0};
	struct shim_exec_done done = {0};
	struct shim_armed armed = {0};

	switch (type) {
	case SHIM_HELLO:
	case SHIM_STARTED:
		memcpy(&hello, payload, MIN(size, sizeof(hello)));
		if (hello.size <= size && hello.label_size <= size - hello.size)
			runner_hello(
				r, &hello, type == SHIM_STARTED, (const char *)payload + hello.size, hello.label_size);
		break;
	case SHIM_NOTIFY:
		memcpy(&notify, payload, MIN(size, sizeof(notify)));
		notify.status[sizeof(notify.status) - 1] = '\0';
		runner_feed(r, &(struct replica_in){.type = REPLICA_IN_NOTIFY, .notify = &notify});
		break;
	case SHIM_REFUSED:
		runner_refused(r, payload, size);
		break;
	case SHIM_EXEC_DONE:
		memcpy(&done, payload, MIN(size, sizeof(done)));
		done.output[sizeof(done.output) - 1] = '\0';
		runner_exec_done(r, &done);
		break;
	case SHIM_ARMED:
		memcpy(&armed, payload, MIN(size, sizeof(armed)));
		if (size >= sizeof(armed))
			runner_armed(r, &armed);
		break;
	case SHIM_EXIT:
		(void)runner_exited(r, payload, size); /* a bad one is told there, and the record is read at the end */
		break;
	default: /* of a newer shim */
		break;
	}
}

void runner_closed(void *arg)
{
	runner_lost(arg);
}

/* What the run holds: nobody else may be given it. */
static void take_label(struct runner *r, const void *label, size_t label_size)
{
	struct runner_label l = {0};

	memcpy(&l, label, MIN(label_size, sizeof(l)));
	r->run_hash = l.run_hash;
	r->run_version = l.version;
	r->epoch = l.epoch;
	r->core.restarts = MAX(r->core.restarts, l.restarts);
	r->n_ports = MIN(l.n_ports, (uint32_t)PORTS_MAX);
	memcpy(r->ports, l.ports, sizeof(r->ports));
	launch_take_uid(r->node, r, l.uid);
}

struct agent_spec *runner_spec_of(const struct agent *a, uint64_t run_hash)
{
	if (a->spec->run_hash == run_hash)
		return a->spec;
	return a->before && a->before->run_hash == run_hash ? a->before : NULL;
}

/*
 * What runs goes on as it was begun, in the middle of a change of its definition too: its probes have its own command,
 * user and ports, and its end is told in its own limits. The newest definition is for the run that replaces it.
 */
static void take_over(struct runner *r, const struct shim_hello *h)
{
	struct agent_spec *spec = runner_spec_of(r->agent, r->run_hash);

	if (spec)
		runner_take_spec(r, spec);
	runner_feed(r,
		&(struct replica_in){.type = REPLICA_IN_ADOPTED, .pid = h->pid, .hello = h, .unprobed = spec == NULL});
}

void runner_hello(struct runner *r, const struct shim_hello *h, bool started, const void *label, size_t label_size)
{
	r->log_bytes = h->log_bytes;
	r->log_dropped_lines = h->log_dropped_lines;
	if (started) {
		r->sample = (struct runner_sample){.cpu_cores = -1};
		runner_launched(r);
		r->groups_for = r->run_hash;
		if (h->run == r->run)
			runner_feed(r, &(struct replica_in){.type = REPLICA_IN_STARTED, .pid = h->pid});
		runner_lease_started(r);
		return;
	}
	if (!r->awaiting)
		return;
	r->awaiting = false;
	r->node->awaiting--;
	r->run = h->run;
	runner_saw(r, h->run);
	if (h->run_before > r->last_run)
		r->records_left = true; /* it may not have been there when they were looked for */
	take_label(r, label, label_size);
	take_over(r, h);
	runner_lease_found(r);
	adopt_answered(r);
	if (r->node->serving)
		runner_go_on(r); /* it has answered late */
}
