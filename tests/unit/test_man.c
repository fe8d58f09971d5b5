/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manual pages and examples say what the tables do: each key of a table has its entry, with its type, bounds and
 * default word for word, and no entry is of a key that is none; each example, in a page or in etc/, is a good file.
 * TOP in the environment is the top of the sources.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "node/config.h"
#include "supervisor/spec_table.h"
#include "tests/lib/faults.h"
#include "tests/lib/test.h"

#define PAGE_MAX (1 << 20)

static struct spec_faults faults; /* large: not on the stack of each test */

static const char *top(void)
{
	const char *at = getenv("TOP");

	return at ? at : ".";
}

static char *read_file(const char *name)
{
	struct bytes text = {.max = PAGE_MAX};
	struct err e;
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", top(), name); /* a cut path is not found */
	if (io_read_file(AT_FDCWD, path, &text, &e) < 0)
		fail_msg("%s", e.text);
	return bytes_take(&text);
}

static int missing(const char *page, const char *key, const struct yaml_key *k)
{
	char must_be[300], entry[1024];

	(void)snprintf(entry, sizeof(entry), "\n.It Cm %s\nValue: %s.\n.br\n%s%s.\n.br\n", key,
		yaml_must_be(k, must_be, sizeof(must_be)), k->required ? "" : "Default: ",
		k->required	 ? "Required"
		: k->fallback	 ? k->fallback
		: k->fallback_is ? k->fallback_is
				 : "?");
	if (strstr(page, entry))
		return 0;
	print_error("the page has no such entry:%s", entry);
	return 1;
}

static int walk(const char *page, const struct yaml_keys *t, const char *prefix)
{
	int n = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct yaml_key *k = &t->v[i];
		char key[256];

		(void)snprintf(key, sizeof(key), "%s%s%s", prefix, *prefix ? "." : "", k->name); /* names are short */
		if (k->type != YAML_T_MAP)
			n += missing(page, key, k);
		if (k->of)
			n += walk(page, k->of, key);
	}
	return n;
}

static bool is_key(const struct yaml_keys *t, const char *path)
{
	size_t n = strcspn(path, ".");

	for (size_t i = 0; t && i < t->n; i++)
		if (strlen(t->v[i].name) == n && strncmp(t->v[i].name, path, n) == 0)
			return !path[n] || is_key(t->v[i].of, path + n + 1);
	return false;
}

static int strangers(const char *page, const struct yaml_keys *t)
{
	static const char mark[] = "\n.It Cm ";
	int n = 0;

	for (const char *p = strstr(page, mark); p; p = strstr(p, mark)) {
		char key[256];

		p += strlen(mark);
		(void)snprintf(key, sizeof(key), "%.*s", (int)strcspn(p, "\n"), p); /* a cut key is none */
		if (is_key(t, key))
			continue;
		print_error("the page has a key that is none: %s\n", key);
		n++;
	}
	return n;
}

static void every_key_is_in_its_page(void **state)
{
	AUTO_FREE char *agent = read_file("man/covey-agent.yaml.5");
	AUTO_FREE char *daemon = read_file("man/coveyd.yaml.5");
	int n = 0;

	(void)state;
	n += walk(agent, &spec_keys, "") + strangers(agent, &spec_keys);
	n += walk(daemon, &config_keys, "") + strangers(daemon, &config_keys);
	assert_int_equal(n, 0);
}

static int parse_agent(const char *text, size_t len, enum spec_scope scope)
{
	struct agent_spec *s = NULL;
	int rc = spec_parse(text, len, scope, &s, &faults);

	spec_unref(s);
	return rc;
}

static int parse_config(const char *text, size_t len)
{
	struct config *c = NULL;
	int rc = config_parse(text, len, "/etc/covey", &c, &faults);

	config_free(c);
	return rc;
}

/* Each literal block of a page, with its escapes taken out, is a file. Returns how many there were. */
static int try_blocks(const char *name, bool agent)
{
	static const char begin[] = ".Bd -literal -offset indent\n";
	AUTO_FREE char *page = read_file(name);
	int n = 0;

	for (char *p = strstr(page, begin); p; p = strstr(p, begin)) {
		char *end;
		int rc;

		p += strlen(begin);
		end = strstr(p, ".Ed\n");
		assert_non_null(end);
		rc = agent ? parse_agent(p, (size_t)(end - p), SPEC_SCOPE_CLUSTER) : parse_config(p, (size_t)(end - p));
		if (rc < 0)
			fail_msg("%s: example %d:\n%s", name, n + 1, faults_text(&faults));
		n++;
	}
	return n;
}

static void the_pages_examples_are_good(void **state)
{
	(void)state;
	assert_int_equal(try_blocks("man/covey-agent.yaml.5", true), 3);
	assert_int_equal(try_blocks("man/coveyd.yaml.5", false), 2);
}

static void the_shipped_files_are_good(void **state)
{
	AUTO_FREE char *config = read_file("etc/coveyd.yaml");
	char path[4096];
	int n = 0;
	DIR *d;

	(void)state;
	if (parse_config(config, strlen(config)) < 0)
		fail_msg("etc/coveyd.yaml:\n%s", faults_text(&faults));
	(void)snprintf(path, sizeof(path), "%s/etc/agents.d", top()); /* a cut path is not found */
	d = opendir(path);
	assert_non_null(d);
	for (struct dirent *f; (f = readdir(d));) {
		AUTO_FREE char *text = NULL;

		if (f->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "etc/agents.d/%s", f->d_name);
		text = read_file(path);
		if (parse_agent(text, strlen(text), SPEC_SCOPE_NODE) < 0)
			fail_msg("%s:\n%s", path, faults_text(&faults));
		n++;
	}
	assert_int_equal(closedir(d), 0);
	assert_true(n >= 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_in_its_page),
		cmocka_unit_test(the_pages_examples_are_good),
		cmocka_unit_test(the_shipped_files_are_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
