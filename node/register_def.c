/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From struct agent_spec to struct sched_spec. See register_def.h.
 */
#include "node/register_def.h"

#include <errno.h>
#include <string.h>

#include "supervisor/spec_words.h"

_Static_assert(SCHED_EXPRS_MAX >= LABELS_MAX, "as many as a definition may have");

static const enum sched_kind kinds[] = {
	[SPEC_REPLICATED] = SCHED_REPLICATED,
	[SPEC_SINGLETON] = SCHED_SINGLETON,
	[SPEC_EVERY_NODE] = SCHED_EVERY_NODE,
};
_Static_assert(ARRAY_LEN(kinds) == SPEC_KIND_MAX, "the scheduler's name for each");

static struct sched_share share_of(const struct spec_share *s)
{
	return (struct sched_share){.is_percent = s->is_percent, .n = s->n};
}

static void fill(struct sched_spec *s, const struct agent_spec *a)
{
	*s = (struct sched_spec){.kind = kinds[a->kind],
		.leased = a->isolation == SPEC_STOP,
		.spread = a->place_spread,
		.reserve = {a->resources.reserve_cpu_milli, a->resources.reserve_memory_bytes},
		.failover_grace_ms = a->failover_grace_ms,
		.surge = share_of(&a->update.surge),
		.unavailable = share_of(&a->update.unavailable),
		.min_healthy_ms = a->update.min_healthy_ms,
		.timeout_ms = a->update.timeout_ms,
		.rollback = a->update.rollback};
}

/* Checked when the definition was read; one that is none after all is left out. */
static size_t fill_exprs(const struct spec_strv *from, struct sched_expr *v, char (*labels)[NAME_MAX_LEN + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < from->n; i++) {
		if (!spec_read_expression(from->v[i], labels[n], &v[n].equal, &v[n].value))
			continue;
		v[n].label = labels[n];
		n++;
	}
	return n;
}

int register_def_new(const struct value_mem *mem, struct agent_spec *agent, struct register_def **ret, struct err *e)
{
	size_t n = agent->place_require.n + agent->place_prefer.n, size;
	struct register_def *d;
	char(*labels)[NAME_MAX_LEN + 1];

	size = sizeof(*d) + n * (sizeof(d->exprs[0]) + sizeof(*labels));
	d = mem->alloc(mem->ctx, size);
	if (!d)
		return err_set(e, -ENOMEM, "no memory for the definition of %s", agent->name);
	d->size = size;
	d->agent = spec_ref(agent);
	labels = (void *)(d->exprs + n);
	fill(&d->spec, agent);
	d->spec.require = d->exprs;
	d->spec.n_require = fill_exprs(&agent->place_require, d->exprs, labels);
	d->spec.prefer = d->exprs + agent->place_require.n;
	d->spec.n_prefer =
		fill_exprs(&agent->place_prefer, d->exprs + agent->place_require.n, labels + agent->place_require.n);
	*ret = d;
	return 0;
}

static int say_fault(const struct spec_faults *f, struct err *e)
{
	const struct spec_fault *one = &f->v[0];

	if (f->n == 0)
		return err_set(e, -EINVAL, "the definition cannot be read here");
	return err_set(e, -EINVAL, "the definition cannot be read here: line %d: %s%s%s", one->line, one->key,
		one->key[0] ? ": " : "", one->text);
}

int register_def_parse(const struct value_mem *mem, struct msg_bytes text, struct register_def **ret, struct err *e)
{
	struct spec_faults *faults = mem->alloc(mem->ctx, sizeof(*faults));
	struct agent_spec *agent;
	int rc;

	if (!faults)
		return err_set(e, -ENOMEM, "no memory to read a definition");
	faults->n = faults->total = 0;
	rc = spec_parse(text.n ? (const char *)text.v : "", text.n, SPEC_SCOPE_CLUSTER, &agent, faults);
	if (rc == -EINVAL)
		(void)say_fault(faults, e); /* rc goes on */
	else if (rc < 0)
		(void)err_set(e, rc, "no memory to read a definition"); /* as above */
	mem->release(mem->ctx, faults, sizeof(*faults));
	if (rc < 0)
		return rc;
	rc = register_def_new(mem, agent, ret, e);
	spec_unref(agent);
	return rc;
}

void register_def_free(const struct value_mem *mem, struct register_def *d)
{
	if (!d)
		return;
	spec_unref(d->agent);
	mem->release(mem->ctx, d, d->size);
}

bool register_def_same_run(const struct register_def *a, const struct register_def *b)
{
	return a->agent->run_hash == b->agent->run_hash;
}
