/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `covey apply`: definitions by the batch. First everything is checked: each file alone, then names and
 * dependencies over
 * all of them and what is there already. Only a batch without a fault changes anything.
 */
#include "node/apply.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/answer.h"
#include "node/change.h"
#include "node/decree.h"
#include "node/node.h"

int apply_batch_init(struct apply_batch *b, size_t n, enum spec_scope scope)
{
	*b = (struct apply_batch){.scope = scope, .v = mem_zalloc(n, sizeof(*b->v))};
	b->faults = mem_zalloc(n, sizeof(*b->faults));
	if (!b->v || !b->faults)
		return -ENOMEM;
	for (; b->n < n; b->n++)
		b->v[b->n].faults = &b->faults[b->n];
	return 0;
}

void apply_batch_done(struct apply_batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		spec_unref(b->v[i].spec);
	free(b->v);
	free(b->faults);
	*b = (struct apply_batch){0};
}

static void add_fault(struct spec_faults *f, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void add_fault(struct spec_faults *f, const char *key, const char *fmt, ...)
{
	struct spec_fault *one = &f->v[f->n];
	va_list ap;

	f->total++;
	if (f->n == FAULTS_MAX)
		return;
	f->n++;
	one->line = 0;
	(void)snprintf(one->key, sizeof(one->key), "%s", key); /* a literal of ours */
	va_start(ap, fmt);
	(void)vsnprintf(one->text, sizeof(one->text), fmt, ap); /* a longer one is cut */
	va_end(ap);
}

static const struct spec_strv *find_deps(void *arg, const char *name)
{
	const struct agent *a = arg ? roster_find(arg, name) : NULL;

	return a && !a->removed ? &a->spec->depends_on : NULL;
}

/* A name is held by one scope at a time. */
static void check_scope(struct node *n, const struct apply_batch *b, struct apply_file *f)
{
	const struct agent *a = n ? roster_find(n, f->spec->name) : NULL;

	if (!a || a->scope == b->scope || a->removed)
		return;
	if (b->scope == SPEC_SCOPE_CLUSTER)
		add_fault(f->faults, "name",
			"is defined on this node by %s: remove that file first, or take another name",
			a->file ? a->file : "a file");
	else
		add_fault(
			f->faults, "name", "is taken by an agent of the cluster ('covey remove %s' frees it)", a->name);
}

/* Those that parsed are checked together, also beside others that did not: all faults in one go. */
static int check_together(struct node *n, struct apply_batch *b)
{
	AUTO_FREE struct agent_spec **specs = mem_zalloc(b->n, sizeof(*specs));
	AUTO_FREE struct spec_faults **faults = mem_zalloc(b->n, sizeof(*faults));
	size_t k = 0;
	int rc;

	if (!specs || !faults)
		return -ENOMEM;
	for (size_t i = 0; i < b->n; i++) {
		if (!b->v[i].spec)
			continue;
		specs[k] = b->v[i].spec;
		faults[k++] = b->v[i].faults;
		check_scope(n, b, &b->v[i]);
	}
	rc = spec_check_all(specs, k, find_deps, n, faults);
	return rc == -EINVAL ? 0 : rc;
}

int apply_batch_check(struct node *n, struct apply_batch *b)
{
	int rc;

	for (size_t i = 0; i < b->n; i++) {
		struct apply_file *f = &b->v[i];

		if (f->faults->total)
			continue;
		rc = spec_parse(f->text, f->len, b->scope, &f->spec, f->faults);
		if (rc == -ENOMEM)
			return rc;
	}
	rc = check_together(n, b);
	if (rc < 0)
		return rc;
	b->total_faults = 0;
	for (size_t i = 0; i < b->n; i++)
		b->total_faults += b->v[i].faults->total;
	return b->total_faults ? -EINVAL : 0;
}

void apply_batch_pack_faults(const struct apply_batch *b, struct mp_writer *w)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += b->v[i].faults->n;
	mp_array(w, n);
	for (size_t i = 0; i < b->n; i++)
		for (size_t k = 0; k < b->v[i].faults->n; k++) {
			const struct spec_fault *f = &b->v[i].faults->v[k];

			mp_map(w, 4);
			mp_key_str(w, "file", b->v[i].name);
			mp_key_int(w, "line", f->line);
			mp_key_str(w, "key", f->key);
			mp_key_str(w, "text", f->text);
		}
}

/* ---- the verb ---- */

static int read_file_arg(const msgpack_object *o, char *names, struct apply_file *ret, struct err *e)
{
	size_t len = 0;
	int rc;

	if (o->type != MSGPACK_OBJECT_MAP)
		return err_set(e, -EINVAL, "files: each is a map of name and text");
	rc = mp_get_strz(o, "name", names, 256, e);
	if (rc == 0)
		rc = mp_get_str(o, "text", &ret->text, &len, e);
	if (rc < 0 || !ret->text)
		return err_set(e, -EINVAL, "files: each is a map of name and text");
	ret->name = names;
	ret->len = len;
	return 0;
}

static int read_args(const msgpack_object *files, struct apply_batch *b, char **ret_names, struct err *e)
{
	char *names;

	if (!files || files->type != MSGPACK_OBJECT_ARRAY || files->via.array.size == 0)
		return err_set(e, -EINVAL, "files: at least one is needed");
	if (files->via.array.size > AGENTS_MAX)
		return err_set(
			e, -E2BIG, "files: %u are too many, at most %d at a time", files->via.array.size, AGENTS_MAX);
	names = mem_zalloc(files->via.array.size, 256);
	if (!names || apply_batch_init(b, files->via.array.size, SPEC_SCOPE_CLUSTER) < 0) {
		free(names);
		return err_set(e, -ENOMEM, "out of memory");
	}
	*ret_names = names;
	for (size_t i = 0; i < b->n; i++) {
		int rc = read_file_arg(&files->via.array.ptr[i], names + i * 256, &b->v[i], e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static void refuse_faults(struct control_request *rq, const struct apply_batch *b)
{
	CLEANUP(bytes_done) struct bytes out;
	struct mp_writer w;

	bytes_init(&out, CONTROL_FRAME_MAX);
	mp_writer_init(&w, &out);
	apply_batch_pack_faults(b, &w);
	control_refuse_faults(rq, &out, "%zu fault%s in %zu file%s, nothing was applied", b->total_faults,
		b->total_faults == 1 ? "" : "s", b->n, b->n == 1 ? "" : "s");
}

static bool refuse_version(struct node *n, struct control_request *rq, const struct apply_batch *b, int64_t want)
{
	for (size_t i = 0; want >= 0 && i < b->n; i++) {
		const struct agent *a = roster_find(n, b->v[i].spec->name);
		int64_t is = a && !a->removed ? a->version : 0;

		if (is == want)
			continue;
		control_refuse(rq, "refused",
			"%s is at version %" PRId64 ", not %" PRId64
			": somebody changed it meanwhile; nothing was applied",
			b->v[i].spec->name, is, want);
		return true;
	}
	return false;
}

static bool is_same(const struct agent *a, const struct agent_spec *spec)
{
	return !a->removed && a->spec->text_len == spec->text_len &&
	       memcmp(a->spec->text, spec->text, spec->text_len) == 0;
}

static void plan_file(struct answer *an, const struct apply_file *f, const struct agent *a)
{
	const char *name = f->spec->name;

	if (!a || a->removed)
		(void)answer_plan(an, "%s: new; %" PRId64 " replica%s would start", name, f->spec->replicas_initial,
			f->spec->replicas_initial == 1 ? "" : "s"); /* out of memory is answered by answer_send */
	else if (is_same(a, f->spec))
		(void)answer_plan(an, "%s: unchanged", name);
	else if (a->spec->run_hash != f->spec->run_hash)
		(void)answer_plan(an,
			"%s: changed; %" PRId64 " running replica%s would be restarted, one after the other", name,
			a->desired, a->desired == 1 ? "" : "s");
	else
		(void)answer_plan(an, "%s: changed; nothing that runs would be restarted", name);
	if (a && !a->removed && a->desired != f->spec->replicas_initial && !is_same(a, f->spec))
		(void)answer_plan(an, "%s: %" PRId64 " replicas instead of %" PRId64, name, f->spec->replicas_initial,
			a->desired);
}

static const char *change_of(const struct agent *a, const struct agent_spec *spec)
{
	if (!a || a->removed)
		return "created";
	return is_same(a, spec) ? "unchanged" : "changed";
}

/* A definition that asks for autoscaling keeps the number that was reached. */
static int64_t desired_of(const struct agent *a, const struct agent_spec *spec)
{
	if (a && !a->removed && spec->replicas_min != spec->replicas_max)
		return MIN(MAX(a->desired, spec->replicas_min), spec->replicas_max);
	return spec->replicas_initial;
}

static void stage_file(struct answer *an, const struct apply_file *f)
{
	const struct agent *a = roster_find(an->node, f->spec->name);
	const char *change = change_of(a, f->spec);
	struct stage *s = answer_stage(an, a, f->spec->name, change);

	if (!s)
		return;
	s->file = mem_strdup(f->name); /* without it the answer names the agent alone */
	if (change[0] == 'u')
		return;
	if (a && !a->removed)
		s->replaced = mem_strndup(a->spec->text, a->spec->text_len); /* without it no difference is shown */
	answer_set_spec(s, f->spec);
	s->scope = SPEC_SCOPE_CLUSTER;
	s->desired = desired_of(a, f->spec);
	s->removed = false;
	s->version++;
	s->put = true;
	(void)snprintf(s->text, sizeof(s->text), "%" PRId64 " replica%s", s->desired, s->desired == 1 ? "" : "s");
}

static void apply_checked(
	struct node *n, struct control_request *rq, const msgpack_object *args, struct apply_batch *b, bool dry)
{
	struct answer *an = answer_new(n, rq, args, OP_RUNNING, dry);

	if (!an)
		return;
	for (size_t i = 0; i < b->n; i++) {
		const struct agent *a = roster_find(n, b->v[i].spec->name);

		stage_file(an, &b->v[i]);
		if (dry)
			plan_file(an, &b->v[i], a);
	}
	answer_send(an);
}

void apply_verb(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	CLEANUP(apply_batch_done) struct apply_batch b = {0};
	AUTO_FREE char *names = NULL;
	int64_t if_version = -1;
	bool dry = false;
	struct err e = {0};
	int rc = read_args(mp_get(args, "files"), &b, &names, &e);

	if (rc == 0)
		rc = mp_get_int(args, "if_version", &if_version, 0, INT64_MAX, &e);
	if (rc == 0)
		rc = mp_get_bool(args, "dry_run", &dry, &e);
	if (rc < 0) {
		control_refuse(rq, "usage", "%s", e.text);
		return;
	}
	rc = apply_batch_check(n, &b);
	if (rc == -EINVAL)
		refuse_faults(rq, &b);
	else if (rc < 0)
		control_refuse(rq, "refused", "out of memory");
	else if (!decree_apply(n, rq, args, &b, if_version, dry) && !refuse_version(n, rq, &b, if_version))
		apply_checked(n, rq, args, &b, dry);
}
