/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent's file becomes a definition, or a list of all that is wrong with it. What a key may be is in spec_table.c,
 * what keys mean to each other in spec_check.c.
 */
#include "supervisor/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "supervisor/spec_hash.h"
#include "supervisor/spec_table.h"

#define SPEC_ARENA_MAX (4 * AGENT_FILE_MAX)

static struct agent_spec *spec_new(const char *text, size_t len)
{
	struct agent_spec *s = mem_zalloc(1, sizeof(*s));

	if (!s)
		return NULL;
	arena_init(&s->arena, SPEC_ARENA_MAX);
	s->refs = 1;
	s->resources.swap_max_bytes = -1;
	s->text = arena_strndup(&s->arena, text, len);
	s->text_len = len;
	if (s->text)
		return s;
	spec_unref(s);
	return NULL;
}

static int fill(struct yaml_doc *d, enum spec_scope scope, struct agent_spec *s)
{
	d->keep = &s->arena;
	if (d->root)
		yaml_fill(d, d->root, &spec_keys, s);
	if (d->no_memory)
		return -ENOMEM;
	if (d->root)
		spec_settle(d, scope, s);
	spec_fault_sort(d->faults);
	return d->no_memory ? -ENOMEM : d->faults->total ? -EINVAL : 0;
}

int spec_parse(const char *text, size_t len, enum spec_scope scope, struct agent_spec **ret, struct spec_faults *faults)
{
	struct agent_spec *s = NULL;
	struct yaml_doc d;
	int rc;

	faults->n = faults->total = 0;
	rc = yaml_load(&d, text, len, AGENT_FILE_MAX, faults);
	if (rc == 0) {
		s = len <= AGENT_FILE_MAX ? spec_new(text, len) : spec_new("", 0);
		rc = s ? fill(&d, scope, s) : -ENOMEM;
	}
	yaml_done(&d);
	if (rc < 0) {
		spec_unref(s);
		return rc;
	}
	s->run_hash = spec_hash(s);
	*ret = s;
	return 0;
}

int spec_load(const char *path, enum spec_scope scope, struct agent_spec **ret, struct spec_faults *faults)
{
	struct bytes text;
	struct err e;
	int rc;

	faults->n = faults->total = 0;
	bytes_init(&text, AGENT_FILE_MAX);
	rc = io_read_file(AT_FDCWD, path, &text, &e);
	if (rc == 0)
		rc = spec_parse(text.v ? text.v : "", text.n, scope, ret, faults);
	else if (rc != -ENOMEM)
		rc = spec_fault_of_read(faults, &e, AGENT_FILE_MAX);
	bytes_done(&text);
	return rc;
}

struct agent_spec *spec_ref(struct agent_spec *s)
{
	assert(s->refs > 0);
	s->refs++;
	return s;
}

void spec_unref(struct agent_spec *s)
{
	if (!s)
		return;
	assert(s->refs > 0);
	if (--s->refs > 0)
		return;
	arena_done(&s->arena);
	free(s);
}
