/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion comes from the tables of commands and options: what a command takes is read off the very text that its
 * usage shows ("AGENT|REPLICA", "status|pause AGENT", "init | issue NODE"). Words in small letters stand for
 * themselves, those in capitals for a kind of thing.
 */
#include "cli/complete.h"

#include <ctype.h>
#include <string.h>

#include "cli/call.h"
#include "cli/field.h"

#define ASK_MS	  500
#define WORDS_MAX 64
#define TOKEN_MAX 64
#define FILE_WORD ":file\n"

enum kind { KIND_AGENT, KIND_REPLICA, KIND_NODE, KIND_COMMAND, KIND_FILE, KIND_NUMBER, KIND_MAX };

static const struct {
	const char *name;
	enum kind kind;
} kinds[] = {{"AGENT", KIND_AGENT}, {"REPLICA", KIND_REPLICA}, {"NODE", KIND_NODE}, {"COMMAND", KIND_COMMAND},
	{"FILE", KIND_FILE}, {"CSR", KIND_FILE}, {"PATH", KIND_FILE}, {"A", KIND_AGENT}, {"N", KIND_NUMBER}};

/* The command line so far: options with their values taken out. */
struct line {
	const char *cur; /* under the cursor */
	const char *words[WORDS_MAX];
	size_t n;
	int option; /* whose value is wanted, or -1 */
	struct reply status, nodes;
	bool asked_status, asked_nodes;
};

static enum kind kind_of(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strlen(kinds[i].name) == n && strncmp(kinds[i].name, name, n) == 0)
			return kinds[i].kind;
	return KIND_MAX;
}

/* Appending to c->out throughout: cli_flush tells what failed. */
static void offer(struct cli *c, const struct line *l, const char *word, size_t n, const char *what)
{
	if (strlen(l->cur) > n || strncmp(word, l->cur, strlen(l->cur)) != 0)
		return;
	(void)bytes_add(&c->out, word, n);
	(void)bytes_fmt(&c->out, "%s%s\n", what ? "\t" : "", what ? what : "");
}

static void offer_field(struct cli *c, const struct line *l, const msgpack_object *map, const char *key)
{
	char text[REPLICA_ID_MAX];

	if (*field_text(map, key, text, sizeof(text)))
		offer(c, l, text, strlen(text), NULL);
}

static const msgpack_object *ask(struct cli *c, const char *verb, struct reply *r, bool *asked)
{
	AUTO_ARGS struct args a;
	struct err e;

	args_init(&a, 0);
	if (!*asked)
		(void)call_daemon(c, verb, &a, ASK_MS, r, &e); /* no answer: no names */
	*asked = true;
	return r->result;
}

static void offer_names(struct cli *c, struct line *l, enum kind kind)
{
	const msgpack_object *o = kind == KIND_NODE ? ask(c, "nodes", &l->nodes, &l->asked_nodes)
						    : ask(c, "status", &l->status, &l->asked_status);
	const char *list = kind == KIND_NODE ? "nodes" : "agents";

	for (uint32_t i = 0; o && i < field_n(o, list); i++) {
		const msgpack_object *at = field_at(o, list, i);

		if (kind != KIND_REPLICA)
			offer_field(c, l, at, "name");
		for (uint32_t k = 0; kind == KIND_REPLICA && k < field_n(at, "replicas"); k++)
			offer_field(c, l, field_at(at, "replicas", k), "id");
	}
}

static void offer_commands(struct cli *c, const struct line *l)
{
	for (size_t i = 0; i < n_commands; i++)
		offer(c, l, commands[i].name, strlen(commands[i].name), commands[i].help);
}

static void offer_kind(struct cli *c, struct line *l, enum kind kind)
{
	if (kind == KIND_COMMAND)
		offer_commands(c, l);
	else if (kind == KIND_FILE)
		(void)bytes_str(&c->out, FILE_WORD);
	else if (kind < KIND_COMMAND)
		offer_names(c, l, kind);
}

static void offer_options(struct cli *c, const struct line *l, uint32_t which)
{
	for (unsigned i = 0; i < OPT_MAX; i++) {
		char word[TOKEN_MAX] = "--";

		if (!(which & OPT_BIT(i)))
			continue;
		(void)strncat(word, option_rows[i].name, sizeof(word) - 3); /* names are short */
		offer(c, l, word, strlen(word), option_rows[i].help);
	}
}

/* ---- what a command takes ---- */

/* The token at `at` of an alternative, without brackets and dots: its length, 0 behind the last. */
static size_t token(const char **at, bool *ret_repeats)
{
	size_t n;

	*at += strspn(*at, " []");
	n = strcspn(*at, " []");
	*ret_repeats = n > 3 && strncmp(*at + n - 3, "...", 3) == 0;
	return *ret_repeats ? n - 3 : n;
}

/* Calls fn for each word of "a|b|C"; true when one call said so. */
static bool each_word(const char *s, size_t n, bool (*fn)(void *arg, const char *word, size_t n), void *arg)
{
	bool any = false;

	for (size_t at = 0; at < n;) {
		const char *bar = memchr(s + at, '|', n - at);
		size_t len = bar ? (size_t)(bar - s) - at : n - at;

		any |= fn(arg, s + at, len);
		at += len + 1;
	}
	return any;
}

static bool word_fits(void *arg, const char *word, size_t n)
{
	return !islower((unsigned char)*word) || (strlen(arg) == n && strncmp(arg, word, n) == 0);
}

struct offering {
	struct cli *c;
	struct line *l;
};

static bool word_offer(void *arg, const char *word, size_t n)
{
	struct offering *o = arg;

	if (islower((unsigned char)*word))
		offer(o->c, o->l, word, n, NULL);
	else
		offer_kind(o->c, o->l, kind_of(word, n));
	return true;
}

static bool word_is_unknown(void *arg, const char *word, size_t n)
{
	(void)arg;
	return !islower((unsigned char)*word) && kind_of(word, n) == KIND_MAX;
}

/* One of "init | issue NODE | sign CSR", when the words so far are of it. */
static void offer_alternative(struct cli *c, struct line *l, const char *text)
{
	struct offering o = {c, l};
	bool repeats;
	size_t n;

	for (size_t i = 1; (n = token(&text, &repeats)) > 0; i += !repeats) {
		if (i == l->n || repeats) {
			(void)each_word(text, n, word_offer, &o); /* what it says is for others */
			return;
		}
		if (!each_word(text, n, word_fits, (void *)(uintptr_t)l->words[i]))
			return;
		text += n;
	}
}

/* The alternatives of `args`, one after the other, each copied into `one`; false behind the last. */
static bool next_alternative(const char **at, char one[256])
{
	const char *bar = strstr(*at, " | ");
	size_t n = bar ? (size_t)(bar - *at) : strlen(*at);

	if (n == 0 || n >= 256)
		return false;
	memcpy(one, *at, n);
	one[n] = '\0';
	*at += n + (bar ? 3 : 0);
	return true;
}

bool complete_knows(const char *args)
{
	char one[256];

	while (next_alternative(&args, one)) {
		const char *at = one;
		bool repeats;
		size_t n;

		while ((n = token(&at, &repeats)) > 0) {
			if (each_word(at, n, word_is_unknown, NULL))
				return false;
			at += n + (repeats ? 3 : 0);
		}
	}
	return *args == '\0';
}

static void offer_arguments(struct cli *c, struct line *l, const char *args)
{
	char one[256];

	while (next_alternative(&args, one))
		offer_alternative(c, l, one);
}

/* ---- the line ---- */

static int option_of(const char *word)
{
	for (int i = 0; i < OPT_MAX; i++)
		if ((strncmp(word, "--", 2) == 0 && strcmp(word + 2, option_rows[i].name) == 0) ||
			(word[0] == '-' && word[1] && word[1] == option_rows[i].letter && !word[2]))
			return i;
	return -1;
}

/* Bash makes three words of --socket=PATH. */
static void read_line(struct cli *c, struct line *l, int n, const char *const *words)
{
	l->option = -1;
	for (int i = 0; i < n - 1; i++) {
		if (strcmp(words[i], "=") == 0)
			continue;
		if (l->option == OPT_SOCKET) {
			c->opt.given |= OPT_BIT(OPT_SOCKET);
			c->opt.value[OPT_SOCKET] = words[i];
		}
		if (l->option >= 0) {
			l->option = -1;
			continue;
		}
		if (words[i][0] == '-' && words[i][1]) {
			l->option = option_of(words[i]);
			if (l->option >= 0 && !option_rows[l->option].value)
				l->option = -1;
		} else if (l->n < WORDS_MAX) {
			l->words[l->n++] = words[i];
		}
	}
	l->cur = n > 0 && strcmp(words[n - 1], "=") != 0 ? words[n - 1] : "";
}

enum cli_status complete_run(struct cli *c, int n, const char *const *words)
{
	struct line l = {0};
	const struct command *command;
	enum cli_status status;

	read_line(c, &l, n, words);
	command = l.n ? command_find(l.words[0]) : NULL;
	if (l.option >= 0)
		offer_kind(c, &l, kind_of(option_rows[l.option].value, strlen(option_rows[l.option].value)));
	else if (l.cur[0] == '-')
		offer_options(c, &l, COMMAND_OPTIONS | (command ? command->options : OPT_BIT(OPT_VERSION)));
	else if (l.n == 0)
		offer_commands(c, &l);
	else if (command)
		offer_arguments(c, &l, command->args);
	status = cli_flush(c);
	reply_done(&l.status);
	reply_done(&l.nodes);
	return status;
}
