/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in a file something stands: from a dotted path to its node, and from a node to its dotted path and line, which
 * is how every fault is told.
 */
#include "supervisor/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *path)
{
	while (map && *path) {
		size_t n = strcspn(path, ".");
		const struct yaml_node *c = map->kind == YAML_MAP ? map->first : NULL;

		while (c && (strncmp(c->key, path, n) != 0 || c->key[n]))
			c = c->next;
		map = c;
		path += n + (path[n] == '.');
	}
	return map;
}

/* Writes the dotted path of a node so that it ends where `end` is; returns its begin. Cut at its front. */
static char *path_before(const struct yaml_node *n, const char *begin, char *end)
{
	for (; n && n->up; n = n->up) {
		char part[160];
		int index = 0, len;

		for (const struct yaml_node *c = n->up->first; c && c != n; c = c->next)
			index++;
		if (n->key)
			len = snprintf(part, sizeof(part), "%s%.140s", n->up->up ? "." : "", n->key);
		else
			len = snprintf(part, sizeof(part), "[%d]", index);
		if (end - begin < len)
			break;
		end -= len;
		memcpy(end, part, (size_t)len);
	}
	return end;
}

static void fault(struct yaml_doc *d, const struct yaml_node *at, const char *below, const char *fmt, va_list ap)
{
	char key[256], text[sizeof(((struct spec_fault *)0)->text)], *path;
	size_t below_len = strnlen(below, 100);
	char *end = key + sizeof(key) - 1 - below_len - 1;

	memcpy(end + 1, below, below_len);
	end[1 + below_len] = '\0';
	*end = '.';
	path = path_before(at, key, end);
	if (path == end)
		path++;
	if (!below_len)
		*end = '\0';
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* texts are ours; what is quoted in them is short */
	spec_fault_add(d->faults, at ? at->line : 0, path, "%s", text);
}

void yaml_fault(struct yaml_doc *d, const struct yaml_node *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fault(d, at, "", fmt, ap);
	va_end(ap);
}

void yaml_fault_at(struct yaml_doc *d, const struct yaml_node *map, const char *path, const char *fmt, ...)
{
	const struct yaml_node *at = yaml_get(map, path);
	va_list ap;

	va_start(ap, fmt);
	if (at)
		fault(d, at, "", fmt, ap);
	else
		fault(d, map, path, fmt, ap);
	va_end(ap);
}
