/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks a map by its table: known keys, once each, required ones there, defaults for the rest. What a value of a
 * type may look like is yaml_type.c's.
 */
#include "supervisor/yaml.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 32 /* longer words are near to nothing */

static int same_letter(char a, char b)
{
	a = a == '-' ? '_' : (char)tolower((unsigned char)a);
	b = b == '-' ? '_' : (char)tolower((unsigned char)b);
	return a == b;
}

/* How many letters must be put in, taken out, replaced or swapped with their neighbour (Damerau, restricted). */
static int distance(const char *a, const char *b)
{
	int d[WORD_MAX + 1][WORD_MAX + 1];
	int n = (int)strlen(a), m = (int)strlen(b);

	for (int i = 0; i <= n; i++)
		d[i][0] = i;
	for (int j = 0; j <= m; j++)
		d[0][j] = j;
	for (int i = 1; i <= n; i++)
		for (int j = 1; j <= m; j++) {
			int best = d[i - 1][j - 1] + !same_letter(a[i - 1], b[j - 1]);

			best = MIN(best, MIN(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]))
				best = MIN(best, d[i - 2][j - 2] + 1);
			d[i][j] = best;
		}
	return d[n][m];
}

const char *yaml_nearest(const char *word, const char *const *names)
{
	const char *nearest = NULL;
	int least = 1 + (int)strlen(word) / 3;

	if (strlen(word) > WORD_MAX)
		return NULL;
	for (; *names; names++) {
		int far = strlen(*names) > WORD_MAX ? WORD_MAX : distance(word, *names);

		if (far < least || (far == least && !nearest && strlen(word) > 2)) {
			least = far;
			nearest = *names;
		}
	}
	return nearest;
}

/* Looks for a key of that name anywhere in the table; writes its dotted path. */
static bool find_elsewhere(const struct yaml_keys *t, const char *name, char *out, size_t n)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct yaml_key *k = &t->v[i];
		size_t len;

		if (strcmp(k->name, name) == 0) {
			(void)snprintf(out, n, "%s", k->name); /* names of tables are short */
			return true;
		}
		len = (size_t)snprintf(out, n, "%s.", k->name);
		if (k->of && find_elsewhere(k->of, name, out + len, n - len))
			return true;
	}
	return false;
}

static void tell_unknown(struct yaml_doc *d, const struct yaml_node *n, const struct yaml_keys *t)
{
	const char *names[YAML_KEYS_MAX + 1], *near;
	char text[256] = "none";
	size_t at = 0;

	for (size_t i = 0; i < t->n; i++)
		names[i] = t->v[i].name;
	names[t->n] = NULL;
	near = yaml_nearest(n->key, names);
	if (!near && find_elsewhere(t, n->key, text, sizeof(text)))
		near = text;
	if (near) {
		yaml_fault(d, n, "unknown key; did you mean %s?", near);
		return;
	}
	for (size_t i = 0; i < t->n && at < sizeof(text); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i ? ", " : "", names[i]);
	yaml_fault(d, n, "unknown key; allowed here: %s", text);
}

static size_t find_row(const struct yaml_keys *t, const char *name)
{
	size_t i = 0;

	while (i < t->n && strcmp(t->v[i].name, name) != 0)
		i++;
	return i;
}

static const char **new_list(struct yaml_doc *d, size_t n)
{
	const char **v = arena_alloc(d->keep, (n + 1) * sizeof(*v));

	if (!v)
		d->no_memory = true;
	return v;
}

/* Defaults of lists are "[]" or one entry, "[/]". */
static void default_list(struct yaml_doc *d, const char *text, struct spec_strv *to)
{
	size_t len = strlen(text);
	const char **v = new_list(d, 1);

	assert(len >= 2 && text[0] == '[' && text[len - 1] == ']');
	if (!v)
		return;
	*to = (struct spec_strv){.v = v};
	if (len == 2)
		return;
	to->n = 1;
	v[0] = yaml_keep(d, text + 1, len - 2);
}

static void fill_default(struct yaml_doc *d, const struct yaml_key *k, void *to)
{
	struct yaml_node n = {.kind = YAML_TEXT, .plain = true, .text = k->fallback};

	if (k->type == YAML_T_MAP) {
		yaml_fill(d, NULL, k->of, to);
		return;
	}
	if (!k->fallback)
		return;
	if (k->type == YAML_T_STRING) {
		*(const char **)to = k->fallback;
	} else if (k->type == YAML_T_STRV) {
		default_list(d, k->fallback, to);
	} else if (k->type != YAML_T_PAIRS) { /* those are empty when zeroed */
		n.n = strlen(k->fallback);
		yaml_fill_one(d, &n, k, to);
	}
}

void yaml_fill(struct yaml_doc *d, const struct yaml_node *map, const struct yaml_keys *t, void *to)
{
	const struct yaml_node *seen[YAML_KEYS_MAX] = {0};

	assert(t->n <= YAML_KEYS_MAX);
	for (const struct yaml_node *n = map ? map->first : NULL; n; n = n->next) {
		size_t i = find_row(t, n->key);

		if (i == t->n) {
			tell_unknown(d, n, t);
		} else if (seen[i]) {
			yaml_fault(d, n, "given twice, first in line %d", seen[i]->line);
		} else {
			seen[i] = n;
			yaml_fill_one(d, n, &t->v[i], (char *)to + t->v[i].at);
		}
	}
	for (size_t i = 0; i < t->n; i++) {
		char must_be[200];

		if (seen[i])
			continue;
		if (map && t->v[i].required && !d->partial)
			yaml_fault_at(d, map, t->v[i].name, "missing; it must be %s",
				yaml_must_be(&t->v[i], must_be, sizeof(must_be)));
		fill_default(d, &t->v[i], (char *)to + t->v[i].at);
	}
}
