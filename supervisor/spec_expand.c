/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ${NAME} and $$ in a command or an environment, at the moment of a start, when the names are known.
 */
#include "supervisor/spec.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "supervisor/spec_words.h"

#define EXPANDED_MAX (64 * 1024)

static const char *value_of(const struct spec_pairs *vars, const char *name, size_t n)
{
	for (size_t i = 0; i < vars->n; i++)
		if (strncmp(vars->v[i].key, name, n) == 0 && !vars->v[i].key[n])
			return vars->v[i].value;
	return NULL;
}

/* What the '$' before `s` stands for; *ret_used is how much of s belongs to it. */
static int expand_one(struct bytes *out, const char *s, const struct spec_pairs *vars, size_t *ret_used, struct err *e)
{
	size_t n = spec_dollar(s);
	const char *value = "$";

	if (n == 0)
		return err_set(e, -EINVAL, "a $ that begins neither ${NAME} nor $$");
	if (n > 1)
		value = value_of(vars, s + 1, n - 2);
	if (!value)
		return err_set(e, -ENOENT, "${%.*s}: nobody tells that", (int)(n - 2), s + 1);
	(void)bytes_str(out, value); /* `failed` is looked at once, at the end */
	*ret_used = n;
	return 0;
}

int spec_expand(const char *s, const struct spec_pairs *vars, char **ret, struct err *e)
{
	struct bytes out;
	char *whole;

	bytes_init(&out, EXPANDED_MAX);
	for (;;) {
		size_t plain = strcspn(s, "$"), used = 0;
		int rc;

		(void)bytes_add(&out, s, plain); /* as above */
		s += plain;
		if (!*s)
			break;
		rc = expand_one(&out, ++s, vars, &used, e);
		if (rc < 0) {
			bytes_done(&out);
			return rc;
		}
		s += used;
	}
	whole = bytes_take(&out);
	if (!whole)
		return err_set(e, -ENOMEM, "out of memory, or longer than %d bytes", EXPANDED_MAX);
	*ret = whole;
	return 0;
}

int64_t spec_share_of(struct spec_share s, int64_t n, bool round_up)
{
	if (!s.is_percent)
		return s.n;
	return (n * s.n + (round_up ? 99 : 0)) / 100;
}

const char *spec_scope_name(enum spec_scope s)
{
	static const char *const names[] = {[SPEC_SCOPE_CLUSTER] = "cluster", [SPEC_SCOPE_NODE] = "node"};

	_Static_assert(ARRAY_LEN(names) == SPEC_SCOPE_MAX, "a name for each scope");
	return s < SPEC_SCOPE_MAX ? names[s] : NULL;
}
