/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a value of each type may look like, and what it sets. A value is taken as it is written: YAML's own ideas of
 * numbers and booleans (010 is 8, on is true, 1:30 is 90) are not asked. What is not of the type, or out of its
 * bounds, is told in one form: "must be a size such as 256M, from 1M to 1T, not '7Q'".
 */
#include "supervisor/yaml.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

static char *text_int(char *out, int64_t v)
{
	(void)snprintf(out, UNITS_TEXT_MAX, "%" PRId64, v);
	return out;
}

static char *text_milli(char *out, int64_t v)
{
	int n = snprintf(out, UNITS_TEXT_MAX, "%" PRId64 ".%03d", v / 1000, (int)(v % 1000));

	while (out[n - 1] == '0')
		out[--n] = '\0';
	if (out[n - 1] == '.')
		out[n - 1] = '\0';
	return out;
}

static char *text_percent(char *out, int64_t v)
{
	(void)snprintf(out, UNITS_TEXT_MAX, "%" PRId64 "%%", v);
	return out;
}

static char *text_duration(char *out, int64_t v)
{
	return v ? units_duration(out, v) : text_int(out, 0);
}

/* The types that are one number. */
static const struct number {
	const char *what;
	int (*parse)(const char *s, int64_t *ret);
	char *(*text)(char *out, int64_t v);
	bool unquoted; /* in quotes it is a text, not a number */
} numbers[YAML_T_MAX] = {
	[YAML_T_INT] = {"a whole number", units_parse_int, text_int, true},
	[YAML_T_SIZE] = {"a size such as 256M", units_parse_size, units_size, false},
	[YAML_T_DURATION] = {"a duration such as 10s", units_parse_duration, text_duration, false},
	[YAML_T_MILLI] = {"a number such as 0.5", units_parse_milli, text_milli, true},
	[YAML_T_PERCENT] = {"a percentage such as 25%", units_parse_percent, text_percent, false},
};

static const char *const no_yes[] = {"no", "yes", NULL};

/* "a, b or c" */
static void join_names(const char *const *names, char *out, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; names[i] && at < n; i++) {
		const char *before = i == 0 ? "" : names[i + 1] ? ", " : " or ";

		at += (size_t)snprintf(out + at, n - at, "%s%s", before, names[i]);
	}
}

char *yaml_must_be(const struct yaml_key *k, char *out, size_t n)
{
	static const char *const plain[YAML_T_MAX] = {[YAML_T_STRING] = "a text",
		[YAML_T_SHARE] = "a number or a percentage",
		[YAML_T_BOOL] = "yes or no",
		[YAML_T_STRV] = "a list of texts",
		[YAML_T_PAIRS] = "a map of names and texts",
		[YAML_T_MAP] = "a map of keys"};
	const struct number *x = &numbers[k->type];
	char from[UNITS_TEXT_MAX], to[UNITS_TEXT_MAX];

	if (k->names)
		join_names(k->names, out, n);
	else if (x->what)
		(void)snprintf(out, n, "%s, from %s to %s", k->kind ? k->kind : x->what, x->text(from, k->min),
			x->text(to, k->max));
	else
		(void)snprintf(out, n, "%s", k->kind ? k->kind : plain[k->type]);
	return out;
}

char *yaml_quote(const char *s, char *out)
{
	size_t n = 0;

	out[n++] = '\'';
	for (; *s && n < 44; s++)
		out[n++] = *s;
	while (*s && n > 1 && ((unsigned char)*s & 0xc0) == 0x80) { /* no half of a character */
		s--;
		n--;
	}
	(void)snprintf(out + n, YAML_QUOTE_MAX - n, "%s'", *s ? "…" : "");
	return out;
}

static bool is_null(const struct yaml_node *n)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};

	if (n->kind != YAML_TEXT || !n->plain)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(nulls); i++)
		if (strcmp(n->text, nulls[i]) == 0)
			return true;
	return false;
}

/* The one form in which a value is refused. */
static void refuse(struct yaml_doc *d, const struct yaml_node *n, const char *must_be)
{
	char quoted[YAML_QUOTE_MAX];
	const char *is = n->kind == YAML_LIST ? "a list" : "a map";

	if (n->kind == YAML_BROKEN)
		return;
	if (is_null(n))
		yaml_fault(d, n, "has no value; it must be %s", must_be);
	else
		yaml_fault(
			d, n, "must be %s, not %s", must_be, n->kind == YAML_TEXT ? yaml_quote(n->text, quoted) : is);
}

static void refuse_as(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k)
{
	char must_be[200];

	refuse(d, n, yaml_must_be(k, must_be, sizeof(must_be)));
}

bool yaml_expect(struct yaml_doc *d, const struct yaml_node *n, enum yaml_kind kind, const char *must_be)
{
	if (n->kind == kind && !is_null(n))
		return true;
	refuse(d, n, must_be);
	return false;
}

const char *yaml_keep(struct yaml_doc *d, const char *s, size_t n)
{
	const char *kept = arena_strndup(d->keep, s, n);

	if (!kept)
		d->no_memory = true;
	return kept;
}

/* A text that the row's check lets pass. */
static bool text_passes(struct yaml_doc *d, const struct yaml_node *n, yaml_check *check, const char *must_be)
{
	const char *complaint;

	if (!yaml_expect(d, n, YAML_TEXT, must_be))
		return false;
	complaint = check ? check(n->text) : NULL;
	if (complaint)
		refuse(d, n, complaint);
	return !complaint;
}

static void fill_string(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	if (text_passes(d, n, k->check, k->kind ? k->kind : "a text"))
		*(const char **)to = yaml_keep(d, n->text, n->n);
}

static void fill_number(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	const struct number *x = &numbers[k->type];
	int64_t v;

	if (n->kind == YAML_TEXT && !n->plain && x->unquoted && x->parse(n->text, &v) == 0)
		yaml_fault(d, n, "must be a number, not a text: write %s without quotes", n->text);
	else if (n->kind != YAML_TEXT || x->parse(n->text, &v) < 0 || v < k->min || v > k->max)
		refuse_as(d, n, k);
	else
		*(int64_t *)to = v;
}

static void fill_share(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	struct spec_share s = {0};

	if (n->kind != YAML_TEXT) {
		refuse_as(d, n, k);
		return;
	}
	s.is_percent = units_parse_percent(n->text, &s.n) == 0;
	if ((s.is_percent || units_parse_int(n->text, &s.n) == 0) && s.n <= (s.is_percent ? 100 : k->max))
		*(struct spec_share *)to = s;
	else
		refuse_as(d, n, k);
}

static void fill_bool(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	const char *const *names = k->names ? k->names : no_yes;
	bool plain = n->kind == YAML_TEXT && (n->plain || k->names);

	if (plain && (strcmp(n->text, names[1]) == 0 || (!k->names && strcmp(n->text, "true") == 0)))
		*(bool *)to = true;
	else if (plain && (strcmp(n->text, names[0]) == 0 || (!k->names && strcmp(n->text, "false") == 0)))
		*(bool *)to = false;
	else if (n->kind == YAML_TEXT && !n->plain && !k->names)
		yaml_fault(d, n, "must be yes or no, without quotes");
	else
		refuse_as(d, n, k);
}

static void fill_enum(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	char must_be[200], quoted[YAML_QUOTE_MAX];
	const char *near;

	for (int i = 0; n->kind == YAML_TEXT && k->names[i]; i++)
		if (strcmp(n->text, k->names[i]) == 0) {
			*(int *)to = i;
			return;
		}
	near = n->kind == YAML_TEXT && n->n ? yaml_nearest(n->text, k->names) : NULL;
	if (near)
		yaml_fault(d, n, "must be %s, not %s; did you mean %s?", yaml_must_be(k, must_be, sizeof(must_be)),
			yaml_quote(n->text, quoted), near);
	else
		refuse_as(d, n, k);
}

/* How many entries there may be; told as one fault, of which nothing else is read. */
static bool count_fits(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k)
{
	if ((int64_t)n->n < k->min)
		yaml_fault(d, n, "must have at least %" PRId64 " entr%s", k->min, k->min == 1 ? "y" : "ies");
	else if ((int64_t)n->n > k->max)
		yaml_fault(d, n, "must have at most %" PRId64 " entries, not %zu", k->max, n->n);
	else
		return true;
	return false;
}

static void fill_strv(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	char must_be[200];
	const char **v;
	size_t i = 0;

	if (!yaml_expect(d, n, YAML_LIST, yaml_must_be(k, must_be, sizeof(must_be))) || !count_fits(d, n, k))
		return;
	v = arena_alloc(d->keep, (n->n + 1) * sizeof(*v));
	if (!v) {
		d->no_memory = true;
		return;
	}
	for (const struct yaml_node *c = n->first; c; c = c->next)
		if (text_passes(d, c, k->check, "a text"))
			v[i++] = yaml_keep(d, c->text, c->n);
	*(struct spec_strv *)to = (struct spec_strv){.n = i, .v = v};
}

bool yaml_is_first(struct yaml_doc *d, const struct yaml_node *n)
{
	for (const struct yaml_node *c = n->up->first; c != n; c = c->next)
		if (strcmp(c->key, n->key) == 0) {
			yaml_fault(d, n, "given twice, first in line %d", c->line);
			return false;
		}
	return true;
}

static bool pair_passes(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k)
{
	const char *complaint = k->check ? k->check(n->key) : NULL;

	if (!yaml_is_first(d, n))
		return false;
	if (complaint)
		yaml_fault(d, n, "the name must be %s", complaint);
	return text_passes(d, n, k->check_value, "a text") && !complaint;
}

static void fill_pairs(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	char must_be[200];
	struct spec_pair *v;
	size_t i = 0;

	if (!yaml_expect(d, n, YAML_MAP, yaml_must_be(k, must_be, sizeof(must_be))) || !count_fits(d, n, k))
		return;
	v = arena_alloc(d->keep, (n->n + 1) * sizeof(*v));
	if (!v) {
		d->no_memory = true;
		return;
	}
	for (const struct yaml_node *c = n->first; c; c = c->next)
		if (pair_passes(d, c, k)) {
			v[i].key = yaml_keep(d, c->key, strlen(c->key));
			v[i++].value = yaml_keep(d, c->text, c->n);
		}
	*(struct spec_pairs *)to = (struct spec_pairs){.n = i, .v = v};
}

static void fill_map(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	if (yaml_expect(d, n, YAML_MAP, "a map of keys"))
		yaml_fill(d, n, k->of, to);
}

static void fill_other(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	if (n->kind != YAML_BROKEN && k->set)
		k->set(d, n, k, to);
}

void yaml_fill_one(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_key *k, void *to)
{
	static yaml_set *const fill[] = {
		[YAML_T_STRING] = fill_string,
		[YAML_T_INT] = fill_number,
		[YAML_T_SIZE] = fill_number,
		[YAML_T_DURATION] = fill_number,
		[YAML_T_MILLI] = fill_number,
		[YAML_T_PERCENT] = fill_number,
		[YAML_T_SHARE] = fill_share,
		[YAML_T_BOOL] = fill_bool,
		[YAML_T_ENUM] = fill_enum,
		[YAML_T_STRV] = fill_strv,
		[YAML_T_PAIRS] = fill_pairs,
		[YAML_T_MAP] = fill_map,
		[YAML_T_OTHER] = fill_other,
	};

	_Static_assert(ARRAY_LEN(fill) == YAML_T_MAX, "a filler for each type");
	fill[k->type](d, n, k, to);
}
