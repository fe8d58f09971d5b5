/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing the command line: see options.h.
 */
#include "cli/options.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/units.h"

const struct option_row option_rows[OPT_MAX] = {
	[OPT_JSON] = {"json", 0, NULL, "print one JSON document (events: one a line) and nothing else"},
	[OPT_NO_WAIT] = {"no-wait", 0, NULL, "return once the change is decided, before it is done"},
	[OPT_OP] = {"op", 0, "ID", "repeat the change of this ID: what is done already is not done twice"},
	[OPT_IF_VERSION] = {"if-version", 0, "N", "refuse unless the agent is at version N (0: not there yet)"},
	[OPT_DRY_RUN] = {"dry-run", 0, NULL, "print the plan and change nothing"},
	[OPT_ALL] = {"all", 0, NULL, "every agent"},
	[OPT_FORCE] = {"force", 0, NULL, "do it without asking"},
	[OPT_CLUSTER] = {"cluster", 0, "NAME", "the cluster's name, or its id: is not asked for then"},
	[OPT_HOSTS_ARE_OFF] = {"hosts-are-off", 0, NULL,
		"those who are given up run nothing any more: their leases need not be waited for"},
	[OPT_NUMBER] = {"number", 0, "N", "so many are to vote: 1, 3, 5 or 7"},
	[OPT_AUTO] = {"auto", 0, NULL, "as many are to vote as suits the members"},
	[OPT_SPREAD] = {"spread", 0, "LABEL", "spread votes over the values of a node label (an empty one: over none)"},
	[OPT_REPLACE_AFTER] = {"replace-after", 0, "T", "a voter that is dead for so long is replaced: 60s, 5m"},
	[OPT_TIMES] = {"times", 0, "SET", "how long leases last: default, or slow for slow links"},
	[OPT_DIR] = {"dir", 0, "PATH", "the directory of keys and certificates (default " COVEY_SYSCONFDIR "/pki)"},
	[OPT_LINES] = {"lines", 'n', "N", "begin with the last N lines"},
	[OPT_FOLLOW] = {"follow", 'f', NULL, "go on with what is new, until interrupted"},
	[OPT_AGENT] = {"agent", 0, "A", "only what concerns this agent"},
	[OPT_SINCE] = {"since", 0, "T", "from this moment on: 10m (ago), or 2026-01-02T03:04:05Z"},
	[OPT_AFTER] = {"after", 0, "ID", "from behind the event of this ID on"},
	[OPT_TIMEOUT] = {"timeout", 0, "T", "how long to wait at most: 90s, 5m (default 60s)"},
	[OPT_SOCKET] = {"socket", 0, "PATH", "the daemon's socket (default COVEY_SOCKET, then /run/covey/covey.sock)"},
	[OPT_HELP] = {"help", 'h', NULL, "say what the command does"},
	[OPT_VERSION] = {"version", 0, NULL, "the same as the command version"},
};
_Static_assert(ARRAY_LEN(option_rows) == OPT_MAX, "one row an option");

static int find_name(const char *name, size_t n)
{
	for (int i = 0; i < OPT_MAX; i++)
		if (strlen(option_rows[i].name) == n && memcmp(option_rows[i].name, name, n) == 0)
			return i;
	return -1;
}

static int find_letter(char letter)
{
	for (int i = 0; i < OPT_MAX; i++)
		if (option_rows[i].letter && option_rows[i].letter == letter)
			return i;
	return -1;
}

struct words {
	int argc, at;
	char *const *argv;
};

static int take_value(struct words *w, int id, const char *behind, struct options *o, struct err *e)
{
	o->given |= OPT_BIT((unsigned)id);
	if (!option_rows[id].value)
		return 0;
	if (!behind && w->at == w->argc)
		return err_set(e, -EINVAL, "--%s needs %s", option_rows[id].name, option_rows[id].value);
	o->value[id] = behind ? behind : w->argv[w->at++];
	return 0;
}

/* --name, --name VALUE, --name=VALUE */
static int parse_long(struct words *w, const char *word, struct options *o, struct err *e)
{
	const char *eq = strchr(word, '=');
	size_t n = eq ? (size_t)(eq - word) : strlen(word);
	int id = find_name(word, n);

	if (id < 0)
		return err_set(e, -EINVAL, "there is no option --%.*s", (int)MIN(n, (size_t)80), word);
	if (eq && !option_rows[id].value)
		return err_set(e, -EINVAL, "--%s takes no value", option_rows[id].name);
	return take_value(w, id, eq ? eq + 1 : NULL, o, e);
}

/* -f, -n 10, -n10, -fn 10 */
static int parse_letters(struct words *w, const char *word, struct options *o, struct err *e)
{
	for (const char *p = word; *p; p++) {
		int id = find_letter(*p);
		int rc;

		if (id < 0)
			return err_set(e, -EINVAL, "there is no option -%c", *p);
		rc = take_value(w, id, option_rows[id].value && p[1] ? p + 1 : NULL, o, e);
		if (rc < 0 || option_rows[id].value)
			return rc;
	}
	return 0;
}

static int check_number(struct options *o, enum option_id id, int64_t *ret, struct err *e)
{
	*ret = -1;
	if (options_has(o, id) && units_parse_int(o->value[id], ret) < 0)
		return err_set(e, -EINVAL, "--%s: '%.40s' is not a whole number", option_rows[id].name, o->value[id]);
	return 0;
}

static int check_timeout(struct options *o, struct err *e)
{
	const char *v = o->value[OPT_TIMEOUT];
	int64_t n;

	o->timeout_ms = TIMEOUT_DEFAULT_MS;
	if (!options_has(o, OPT_TIMEOUT))
		return 0;
	if (units_parse_duration(v, &n) < 0 && (units_parse_int(v, &n) < 0 || __builtin_mul_overflow(n, 1000, &n)))
		return err_set(e, -EINVAL, "--timeout: '%.40s' is not a duration such as 90s or 5m", v);
	o->timeout_ms = MIN(n, (int64_t)1 << 40);
	return 0;
}

static int check_values(struct options *o, struct err *e)
{
	const char *op = o->value[OPT_OP];
	int rc = check_number(o, OPT_LINES, &o->lines, e);

	if (rc == 0)
		rc = check_number(o, OPT_IF_VERSION, &o->if_version, e);
	if (rc == 0)
		rc = check_timeout(o, e);
	if (rc == 0 && op && (!*op || strlen(op) >= OP_ID_MAX))
		rc = err_set(e, -EINVAL, "--op: from 1 to %d characters", OP_ID_MAX - 1);
	return rc;
}

int options_parse(int argc, char *const *argv, struct options *ret, struct err *e)
{
	struct words w = {.argc = argc, .argv = argv};
	struct options o = {.words = mem_zalloc((size_t)argc + 1, sizeof(*o.words))};
	bool over = false;
	int rc = 0;

	if (!o.words)
		return err_set(e, -ENOMEM, "no memory");
	while (rc == 0 && w.at < argc) {
		const char *word = argv[w.at++];

		if (over || word[0] != '-' || word[1] == '\0')
			o.words[o.n_words++] = word;
		else if (strcmp(word, "--") == 0)
			over = true;
		else if (word[1] == '-')
			rc = parse_long(&w, word + 2, &o, e);
		else
			rc = parse_letters(&w, word + 1, &o, e);
	}
	if (rc == 0)
		rc = check_values(&o, e);
	if (rc < 0)
		options_done(&o);
	else
		*ret = o;
	return rc;
}

void options_done(struct options *o)
{
	free(o->words);
	o->words = NULL;
	o->n_words = 0;
}
