/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks over several definitions together: a name given twice, and agents that wait for each other in a circle. Each
 * agent is looked at once, so thousands take milliseconds. Agents that run already take part through `find`.
 */
#include "supervisor/spec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

#define MAP_SEED 0x636f766579ULL /* names come from root alone */

enum colour { WHITE, GREY /* on the way being walked */, BLACK /* leads into no circle untold */, COLOUR_MAX };

struct agent {
	struct map_node node;
	const struct spec_strv *deps;
	size_t at;	    /* the next of deps to walk */
	ssize_t index;	    /* in v; -1: outside */
	struct agent *by;   /* the one that depends on it, on the way being walked */
	struct agent *next; /* of a circle being told */
	enum colour colour;
};

struct all {
	struct agent_spec *const *v;
	struct spec_faults *const *faults;
	spec_find_deps *find;
	void *arg;
	struct map map;
	struct arena arena; /* of struct agent */
	bool faulty;
};

static int agent_add(struct all *a, const char *name, const struct spec_strv *deps, ssize_t index, struct agent **ret)
{
	struct agent *x = arena_alloc(&a->arena, sizeof(*x));
	int rc;

	if (!x)
		return -ENOMEM;
	*x = (struct agent){.deps = deps, .index = index};
	rc = map_add(&a->map, &x->node, name);
	if (rc == 0)
		*ret = x;
	return rc;
}

static void tell(struct all *a, ssize_t index, int line, const char *key, const char *text)
{
	a->faulty = true;
	if (a->faults && a->faults[index])
		spec_fault_add(a->faults[index], line, key, "%s", text);
}

static int add_all(struct all *a, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct agent_spec *s = a->v[i];
		struct agent *x;
		int rc = agent_add(a, s->name, &s->depends_on, (ssize_t)i, &x);

		if (rc == -EEXIST)
			tell(a, (ssize_t)i, s->name_line, "name", "another definition has this name too");
		else if (rc < 0)
			return rc == -ENOSPC ? -E2BIG : rc;
	}
	return 0;
}

/* The agent of a name; *ret is NULL when there is none. Those outside become known on first sight. */
static int lookup(struct all *a, const char *name, struct agent **ret)
{
	struct map_node *node = map_get(&a->map, name);
	const struct spec_strv *deps;

	*ret = NULL;
	if (node) {
		*ret = CONTAINER_OF(node, struct agent, node);
		return 0;
	}
	deps = a->find ? a->find(a->arg, name) : NULL;
	return deps ? agent_add(a, name, deps, -1, ret) : 0;
}

/* Writes "a → b → a", as much of it as fits. */
static void write_circle(const struct agent *first, char *out, size_t n)
{
	const struct agent *x = first;
	size_t at = 0;

	do {
		at += (size_t)snprintf(out + at, n - at, "%s → ", x->node.key);
		x = x->next;
	} while (x != first && at + 2 * (NAME_MAX_LEN + 8) < n);
	(void)snprintf(out + at, n - at, "%s%s", x == first ? "" : "… → ", first->node.key); /* room was kept above */
}

/* The way from `to` to `from` is closed by an edge back. Told by the first of its members that is in v. */
static void tell_circle(struct all *a, struct agent *from, struct agent *to)
{
	struct agent *first = NULL;
	char text[300];

	for (struct agent *x = from, *next = to;; next = x, x = x->by) {
		x->next = next;
		if (x->index >= 0 && (!first || x->index < first->index))
			first = x;
		if (x == to)
			break;
	}
	if (!first)
		return; /* a circle of those outside is not these files' fault */
	write_circle(first, text, sizeof(text));
	tell(a, first->index, a->v[first->index]->depends_on_line, "depends_on", text);
}

/* One step of the walk: down to a dependency, or back up when there is none left. Returns where the walk is then. */
static int step(struct all *a, struct agent **at)
{
	struct agent *x = *at, *dep;
	int rc;

	if (x->at == x->deps->n) {
		x->colour = BLACK;
		*at = x->by;
		return 0;
	}
	rc = lookup(a, x->deps->v[x->at++], &dep);
	if (rc < 0 || !dep || dep->colour == BLACK)
		return rc;
	if (dep->colour == GREY) {
		if (dep != x) /* itself: told with the file */
			tell_circle(a, x, dep);
		return 0;
	}
	dep->colour = GREY;
	dep->by = x;
	*at = dep;
	return 0;
}

static int walk_all(struct all *a, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct map_node *node = map_get(&a->map, a->v[i]->name);
		struct agent *at = CONTAINER_OF(node, struct agent, node);

		if (at->colour != WHITE)
			continue;
		at->colour = GREY;
		while (at) {
			int rc = step(a, &at);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int spec_check_all(
	struct agent_spec *const *v, size_t n, spec_find_deps *find, void *arg, struct spec_faults *const *faults)
{
	struct all a = {.v = v, .faults = faults, .find = find, .arg = arg};
	int rc;

	map_init(&a.map, 2 * AGENTS_MAX, MAP_SEED);
	arena_init(&a.arena, 2 * AGENTS_MAX * (sizeof(struct agent) + 16));
	rc = add_all(&a, n);
	if (rc == 0)
		rc = walk_all(&a, n);
	for (size_t i = 0; i < n && faults; i++)
		if (faults[i])
			spec_fault_sort(faults[i]);
	map_done(&a.map);
	arena_done(&a.arena);
	return rc < 0 ? rc : a.faulty ? -EINVAL : 0;
}
