/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an agent's file: refused with faults that a terminal can print, or a definition that is the same when it
 * is read again, and whose texts expand.
 */
#include <string.h>

#include "supervisor/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_faults(const struct spec_faults *f)
{
	if (f->n == 0 || f->n > FAULTS_MAX || f->n > f->total)
		abort();
	for (size_t i = 0; i < f->n; i++) {
		if (!f->v[i].text[0] || f->v[i].line < 0 || (i && f->v[i].line < f->v[i - 1].line))
			abort();
		for (const char *p = f->v[i].text; *p; p++)
			if ((unsigned char)*p < ' ')
				abort();
	}
}

static void check_expands(const struct spec_strv *command)
{
	struct spec_pair told[] = {{"COVEY_AGENT", "a"}, {"COVEY_REPLICA", "a.0"}, {"COVEY_NODE", "n"}};
	struct spec_pairs vars = {ARRAY_LEN(told), told};

	for (size_t i = 0; i < command->n; i++) {
		char *text = NULL;
		int rc = spec_expand(command->v[i], &vars, &text, NULL);

		if ((rc == 0) != (text != NULL))
			abort();
		free(text);
	}
}

static void one(const char *text, size_t size, enum spec_scope scope, struct spec_faults *faults)
{
	struct agent_spec *s = NULL, *again = NULL;
	int rc = spec_parse(text, size, scope, &s, faults);

	if (rc < 0) {
		if (s)
			abort();
		check_faults(faults);
		return;
	}
	if (spec_parse(s->text, s->text_len, scope, &again, faults) < 0 || again->run_hash != s->run_hash)
		abort();
	check_expands(&s->command);
	if (s->replicas_min > s->replicas_max || s->command.n == 0 || !spec_name_is_valid(s->name))
		abort();
	(void)spec_check_all(&s, 1, NULL, NULL, &faults); /* it depends on nobody that is known */
	spec_unref(again);
	spec_unref(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct spec_faults faults; /* large: not on the stack */

	one((const char *)data, size, SPEC_SCOPE_CLUSTER, &faults);
	one((const char *)data, size, SPEC_SCOPE_NODE, &faults);
	return 0;
}
