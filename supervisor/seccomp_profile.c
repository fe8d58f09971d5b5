/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads covey.profile(5): statements that begin in the first column and go on in indented lines.
 *
 *	group @NAME NAME…	these calls are called @NAME from here on
 *	allow NAME…		let through
 *	allow CALL if argN [& MASK] == VALUE
 *	refuse NAME…		taken back
 *	absent NAME…		answered by ENOSYS, neither told nor counted
 *	on-refusal eperm|kill
 *
 * A NAME is a call's or a group's. A group must stand above its use, so that groups cannot go in a circle. What is
 * said later counts. Reads text only; which file it came from is the caller's.
 */
#include "supervisor/seccomp_impl.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 64

/* Where the parser is: one word at a time, and what the statement at hand is about. */
struct parser {
	const char *file;
	const char *at, *end;
	int line, word_line;
	bool starts; /* the word at hand begins a line in its first column */
	char word[WORD_MAX];
	struct seccomp_groups *groups;
	struct seccomp_profile *profile; /* or NULL */
	struct err *e;
};

static int fault(const struct parser *p, const char *what, const char *which)
{
	return err_set(
		p->e, -EINVAL, "%s:%d: %s%s%s", p->file, p->word_line, what, which ? " " : "", which ? which : "");
}

static void skip_blank(struct parser *p)
{
	while (p->at < p->end) {
		if (*p->at == '#') {
			while (p->at < p->end && *p->at != '\n')
				p->at++;
		} else if (*p->at == '\n') {
			p->line++;
			p->at++;
			p->starts = true;
		} else if (*p->at == ' ' || *p->at == '\t') {
			p->starts = false;
			p->at++;
		} else {
			return;
		}
	}
}

/* The next word into p->word: 1, 0 at the end, or the fault. */
static int next_word(struct parser *p)
{
	size_t n = 0;

	skip_blank(p);
	if (p->at == p->end)
		return 0;
	p->word_line = p->line;
	while (p->at < p->end && !strchr(" \t\n#", *p->at)) {
		unsigned char c = (unsigned char)*p->at;

		if (!isgraph(c))
			return fault(p, "a byte that is no text", NULL);
		if (n == WORD_MAX - 1)
			return fault(p, "a word of more than 63 characters", NULL);
		p->word[n++] = *p->at++;
	}
	p->word[n] = '\0';
	return 1;
}

/* The next word of the statement at hand: 1; 0 (and nothing taken) when another begins, or the fault. */
static int next_in_statement(struct parser *p)
{
	skip_blank(p);
	if (p->starts || p->at == p->end)
		return 0;
	return next_word(p);
}

const struct seccomp_group *seccomp_group_find(const struct seccomp_groups *g, const char *name)
{
	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->v[i].name, name) == 0)
			return &g->v[i];
	return NULL;
}

/* Adds what `name` means to the set; false: there is no such name. */
static bool add_named(const struct seccomp_groups *g, const char *name, struct seccomp_set *set)
{
	const struct seccomp_group *group;
	int nr;

	if (name[0] == '@') {
		group = seccomp_group_find(g, name);
		for (size_t i = 0; group && i < ARRAY_LEN(set->bits); i++)
			set->bits[i] |= group->calls.bits[i];
		return group;
	}
	nr = seccomp_call_nr(name);
	if (nr >= 0)
		seccomp_set_add(set, nr);
	return nr != -EINVAL;
}

int seccomp_name_calls(const struct seccomp_groups *g, const char *name, struct seccomp_set *ret, struct err *e)
{
	struct seccomp_set set = {0};

	if (!add_named(g, name, &set))
		return err_set(
			e, -EINVAL, "%s '%s'", name[0] == '@' ? "there is no group" : "there is no system call", name);
	*ret = set;
	return 0;
}

static void drop_conds(struct seccomp_profile *p, int nr)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n_conds; i++)
		if (p->conds[i].nr != nr)
			p->conds[kept++] = p->conds[i];
	p->n_conds = kept;
}

void seccomp_profile_put(struct seccomp_profile *p, const struct seccomp_set *calls, enum seccomp_verdict verdict)
{
	for (int nr = 0; nr < SECCOMP_CALLS; nr++) {
		if (!seccomp_set_has(calls, nr))
			continue;
		drop_conds(p, nr);
		p->verdict[nr] = (uint8_t)verdict;
	}
}

/* Names up to the end of the statement. */
static int parse_names(struct parser *p, struct seccomp_set *ret)
{
	int rc;

	while ((rc = next_in_statement(p)) > 0) {
		if (add_named(p->groups, p->word, ret))
			continue;
		return fault(p, p->word[0] == '@' ? "no group above is called" : "there is no system call", p->word);
	}
	return rc;
}

static int parse_group(struct parser *p)
{
	struct seccomp_group *g;
	struct seccomp_set calls = {0};
	int rc = next_in_statement(p);

	if (rc < 0)
		return rc;
	if (rc == 0 || p->word[0] != '@' || !p->word[1])
		return fault(p, "group: a name like @files is missing", NULL);
	if (strlen(p->word) >= SECCOMP_GROUP_NAME)
		return fault(p, "group: name of more than 31 characters", NULL);
	if (seccomp_group_find(p->groups, p->word))
		return fault(p, "group: there is one already called", p->word);
	if (p->groups->n == SECCOMP_GROUPS_MAX)
		return fault(p, "group: more than 64 of them", NULL);
	g = &p->groups->v[p->groups->n];
	memcpy(g->name, p->word, SECCOMP_GROUP_NAME);
	rc = parse_names(p, &calls);
	if (rc < 0)
		return rc;
	g->calls = calls;
	p->groups->n++;
	return 0;
}

/* A decimal or 0x… number and nothing else. */
static bool parse_number(const char *s, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)s[0]))
		return false;
	errno = 0;
	*ret = strtoull(s, &end, 0);
	return errno == 0 && *end == '\0';
}

/* "argN [& MASK] == VALUE" after `if`. Without a mask the low 32 bits count, as they do for the kernel's int. */
static int parse_cond(struct parser *p, struct seccomp_cond *c)
{
	int rc = next_in_statement(p);

	if (rc <= 0 || strncmp(p->word, "arg", 3) != 0 || p->word[3] < '0' || p->word[3] > '5' || p->word[4])
		return rc < 0 ? rc : fault(p, "if: arg0 to arg5 is missing", NULL);
	c->arg = (unsigned)(p->word[3] - '0');
	c->mask = UINT32_MAX;
	rc = next_in_statement(p);
	if (rc > 0 && strcmp(p->word, "&") == 0) {
		rc = next_in_statement(p);
		if (rc <= 0 || !parse_number(p->word, &c->mask))
			return rc < 0 ? rc : fault(p, "if: a number is missing after &", NULL);
		rc = next_in_statement(p);
	}
	if (rc <= 0 || strcmp(p->word, "==") != 0)
		return rc < 0 ? rc : fault(p, "if: == is missing", NULL);
	rc = next_in_statement(p);
	if (rc <= 0 || !parse_number(p->word, &c->value))
		return rc < 0 ? rc : fault(p, "if: a number is missing after ==", NULL);
	if (c->value & ~c->mask)
		return fault(p, "if: can never hold, the value has bits outside of the mask:", p->word);
	rc = next_in_statement(p);
	return rc > 0 ? fault(p, "if: one condition a line; unexpected", p->word) : rc;
}

static int add_cond(struct parser *p, struct seccomp_cond *c)
{
	struct seccomp_profile *pr = p->profile;
	int rc = parse_cond(p, c);

	if (rc < 0 || c->nr < 0 || pr->verdict[c->nr] == SECCOMP_ALLOW)
		return rc;
	if (pr->n_conds == SECCOMP_CONDS_MAX)
		return fault(p, "more than 64 lines with `if`", NULL);
	pr->verdict[c->nr] = SECCOMP_ALLOW_IF;
	pr->conds[pr->n_conds++] = *c;
	return 0;
}

/* allow: either names, or one call and its condition. */
static int parse_allow(struct parser *p)
{
	struct seccomp_set calls = {0};
	struct seccomp_cond cond = {.nr = -1};
	size_t words = 0;
	int rc;

	while ((rc = next_in_statement(p)) > 0) {
		if (strcmp(p->word, "if") == 0) {
			if (words != 1 || cond.nr == -EINVAL)
				return fault(p, "if: stands after one call", NULL);
			return add_cond(p, &cond);
		}
		if (!add_named(p->groups, p->word, &calls))
			return fault(
				p, p->word[0] == '@' ? "no group above is called" : "there is no system call", p->word);
		words++;
		cond.nr = p->word[0] == '@' ? -EINVAL : seccomp_call_nr(p->word);
	}
	if (rc == 0)
		seccomp_profile_put(p->profile, &calls, SECCOMP_ALLOW);
	return rc;
}

static int parse_put(struct parser *p, enum seccomp_verdict verdict)
{
	struct seccomp_set calls = {0};
	int rc = parse_names(p, &calls);

	if (rc == 0)
		seccomp_profile_put(p->profile, &calls, verdict);
	return rc;
}

static int parse_on_refusal(struct parser *p)
{
	int rc = next_in_statement(p);

	if (rc < 0)
		return rc;
	if (rc == 0 || (strcmp(p->word, "kill") != 0 && strcmp(p->word, "eperm") != 0))
		return fault(p, "on-refusal: eperm or kill", NULL);
	p->profile->kill = p->word[0] == 'k';
	rc = next_in_statement(p);
	return rc > 0 ? fault(p, "on-refusal: unexpected", p->word) : rc;
}

static int parse_statement(struct parser *p)
{
	if (strcmp(p->word, "group") == 0)
		return parse_group(p);
	if (!p->profile)
		return fault(p, "this file may define groups alone, not", p->word);
	if (strcmp(p->word, "allow") == 0)
		return parse_allow(p);
	if (strcmp(p->word, "refuse") == 0)
		return parse_put(p, SECCOMP_REFUSE);
	if (strcmp(p->word, "absent") == 0)
		return parse_put(p, SECCOMP_ABSENT);
	if (strcmp(p->word, "on-refusal") == 0)
		return parse_on_refusal(p);
	return fault(p, "group, allow, refuse, absent or on-refusal expected, not", p->word);
}

int seccomp_parse(const char *file, const char *text, size_t len, struct seccomp_groups *groups,
	struct seccomp_profile *profile, struct err *e)
{
	struct parser p = {.file = file,
		.at = text,
		.end = text + len,
		.line = 1,
		.starts = true,
		.groups = groups,
		.profile = profile,
		.e = e};
	int rc;

	for (;;) {
		skip_blank(&p);
		p.word_line = p.line;
		if (p.at < p.end && !p.starts)
			return fault(&p, "an indented line without a statement above", NULL);
		rc = next_word(&p);
		if (rc <= 0)
			return rc;
		p.starts = false;
		rc = parse_statement(&p);
		if (rc < 0)
			return rc;
	}
}
