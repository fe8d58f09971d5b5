/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Use of cpu, memory, … . A rate is taken between two readings at least RATE_MIN_MS apart, so that two people
 * who ask at
 * the same time see the same; the first reading of a run counts from its start.
 */
#include "node/sample.h"

#include "node/node.h"

#define FRESH_MS    500
#define RATE_MIN_MS 900

static int64_t rate(int64_t is, int64_t was, int64_t passed_ms)
{
	return is < 0 || was < 0 ? -1 : MAX(is - was, (int64_t)0) * 1000 / passed_ms;
}

static void take_rates(struct runner_sample *s, int64_t passed_ms, int64_t now_ms)
{
	if (s->usage.cpu_us >= 0)
		s->cpu_cores = (double)MAX(s->usage.cpu_us - s->base.cpu_us, (int64_t)0) / 1e3 / (double)passed_ms;
	s->io_read_bps = rate(s->usage.io_read_bytes, s->base.io_read_bytes, passed_ms);
	s->io_write_bps = rate(s->usage.io_write_bytes, s->base.io_write_bytes, passed_ms);
	s->base = s->usage;
	s->base_mono_ms = now_ms;
}

void sample_one(struct runner *r)
{
	struct runner_sample *s = &r->sample;
	int64_t now_ms = r->node->now.mono_ms;

	if (r->core.state != REPLICA_RUNNING || (s->at_mono_ms && now_ms - s->at_mono_ms < FRESH_MS))
		return;
	if (cgroup_usage(r->node->cgroup, r->stem, &s->usage, NULL) < 0)
		return; /* it may just have ended: the last reading stays */
	s->at_mono_ms = now_ms;
	if (!s->base_mono_ms)
		s->base_mono_ms = r->core.started_mono_ms;
	if (now_ms - s->base_mono_ms >= RATE_MIN_MS)
		take_rates(s, now_ms - s->base_mono_ms, now_ms);
}

double sample_usage(const struct runner *r, struct cgroup_usage *ret)
{
	bool known = r->core.state == REPLICA_RUNNING && r->sample.at_mono_ms > 0;

	*ret = known ? r->sample.usage : CGROUP_USAGE_UNKNOWN;
	return known ? r->sample.cpu_cores : -1;
}

void sample_pressure(const struct runner *r, struct cgroup_pressure *ret)
{
	*ret = CGROUP_PRESSURE_UNKNOWN;
	if (r->core.state == REPLICA_RUNNING)
		cgroup_pressure(r->node->cgroup, r->stem, ret);
}

void sample_all(struct node *n)
{
	MAP_FOREACH (at, &n->roster.runners)
		sample_one(CONTAINER_OF(at, struct runner, by_stem));
}

double sample_node_cores(struct node *n, const struct sysstat_host *h)
{
	struct sample_rate *s = &n->host_rate;
	int64_t total = h->cpu_total_us - s->total_us;

	if (h->cpu_total_us < 0 || h->cpus <= 0)
		return -1;
	if (total < RATE_MIN_MS * 1000 * h->cpus && s->at_mono_ms)
		return s->cores;
	s->cores = total > 0 ? (double)(h->cpu_busy_us - s->busy_us) * (double)h->cpus / (double)total : 0;
	s->busy_us = h->cpu_busy_us;
	s->total_us = h->cpu_total_us;
	s->at_mono_ms = n->now.mono_ms;
	return s->cores;
}

double sample_self_cores(struct node *n, const struct sysstat_self *self)
{
	struct sample_rate *s = &n->self_rate;
	int64_t since = s->at_mono_ms ? s->at_mono_ms : n->started_mono_ms, passed = n->now.mono_ms - since;

	if (self->cpu_us < 0)
		return -1;
	if (passed < RATE_MIN_MS)
		return s->cores;
	s->cores = (double)(self->cpu_us - s->busy_us) / 1e3 / (double)passed;
	s->busy_us = self->cpu_us;
	s->at_mono_ms = n->now.mono_ms;
	return s->cores;
}
