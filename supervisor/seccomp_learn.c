/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the calls that a learning run made to the shortest profile that allows them, as lines to paste into an agent's
 * file. A call that the base checks by its arguments counts as allowed: its arguments were not recorded. One that the
 * base answers as absent does too: the program will do without.
 */
#include "supervisor/seccomp_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

#define TEXT_MAX     (64 * 1024)
#define GROUP_AT_MIN 3 /* a group's name is written for at least so many calls */

/* What is seen and the profile refuses. Returns how many. */
static size_t missing(const struct seccomp_profile *p, const struct seccomp_set *seen, struct seccomp_set *ret)
{
	size_t n = 0;

	memset(ret, 0, sizeof(*ret));
	for (int nr = 0; nr < SECCOMP_CALLS; nr++)
		if (seccomp_set_has(seen, nr) && p->verdict[nr] == SECCOMP_REFUSE) {
			seccomp_set_add(ret, nr);
			n++;
		}
	return n;
}

/* How many of `need` the group covers; 0 when it would allow anything that was not seen. */
static size_t covers(const struct seccomp_group *g, const struct seccomp_set *seen, const struct seccomp_set *need)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(g->calls.bits); i++) {
		if (g->calls.bits[i] & ~seen->bits[i])
			return 0;
		n += (size_t)__builtin_popcountll(g->calls.bits[i] & need->bits[i]);
	}
	return n;
}

static void add_name(struct bytes *b, const char *name, bool *first)
{
	(void)bytes_fmt(b, "%s%s", *first ? "" : ", ", name); /* `failed` is looked at once, at the end */
	*first = false;
}

/* The names in YAML's flow form; "@x" needs its quotes there. */
static void add_names(
	struct bytes *b, const struct seccomp_groups *groups, const struct seccomp_set *seen, struct seccomp_set need)
{
	char name[64];
	bool first = true;

	for (size_t i = 0; i < groups->n; i++) {
		const struct seccomp_group *g = &groups->v[i];

		if (covers(g, seen, &need) < GROUP_AT_MIN)
			continue;
		(void)snprintf(name, sizeof(name), "\"%s\"", g->name); /* names fit */
		add_name(b, name, &first);
		for (size_t k = 0; k < ARRAY_LEN(need.bits); k++)
			need.bits[k] &= ~g->calls.bits[k];
	}
	for (int nr = 0; nr < SECCOMP_CALLS; nr++)
		if (seccomp_set_has(&need, nr))
			add_name(b, seccomp_call_name(nr, name, sizeof(name)), &first);
}

/* Calls that have no name here cannot be written down: they are told. */
static void split_nameless(struct seccomp_set *need, struct bytes *b)
{
	struct seccomp_set named = {0};
	char name[64];

	for (int nr = 0; nr < SECCOMP_CALLS; nr++) {
		if (!seccomp_set_has(need, nr))
			continue;
		if (seccomp_call_nr(seccomp_call_name(nr, name, sizeof(name))) == nr)
			seccomp_set_add(&named, nr);
		else
			(void)bytes_fmt(b, "# %s was called, for which there is no name here\n", name); /* `failed` */
	}
	*need = named;
}

static void write_text(struct bytes *b, const char *base, const struct seccomp_groups *groups,
	const struct seccomp_set *seen, struct seccomp_set need)
{
	struct seccomp_set none = {0};

	split_nameless(&need, b);
	if (memcmp(&need, &none, sizeof(need)) == 0) {
		(void)bytes_fmt(b, "sandbox:\n  seccomp: %s\n", base); /* `failed` is looked at by the caller */
		return;
	}
	(void)bytes_fmt(b, "sandbox:\n  seccomp: {base: %s, allow: [", base); /* as above */
	add_names(b, groups, seen, need);
	(void)bytes_str(b, "]}\n"); /* as above */
}

char *seccomp_profile_text(struct seccomp_cache *c, const uint8_t learned[64], struct err *e)
{
	const struct seccomp_groups *groups;
	const struct seccomp_profile *p;
	struct bytes b = {.max = TEXT_MAX};
	struct seccomp_set seen = {0}, need_strict, need_default;
	size_t n_strict, n_default;

	for (int nr = 0; nr < SECCOMP_CALLS; nr++)
		if (learned[nr / 8] >> (nr % 8) & 1)
			seccomp_set_add(&seen, nr);
	if (seccomp_cache_load(c, "strict", &groups, &p, e) < 0)
		return NULL;
	n_strict = missing(p, &seen, &need_strict);
	if (seccomp_cache_load(c, "default", &groups, &p, e) < 0)
		return NULL;
	n_default = missing(p, &seen, &need_default);
	if (n_strict <= n_default)
		write_text(&b, "strict", groups, &seen, need_strict);
	else
		write_text(&b, "default", groups, &seen, need_default);
	if (b.failed) {
		bytes_done(&b);
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	return bytes_take(&b);
}
