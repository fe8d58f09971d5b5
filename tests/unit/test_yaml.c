/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML that we read: what is no text, no YAML, or YAML that we refuse, each with its line; every bound from both
 * sides; every type by a table of the test's own; and the traps of YAML 1.1, none of which is stepped into.
 */
#include "supervisor/yaml.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tests/lib/faults.h"
#include "tests/lib/oom.h"

#define FILE_MAX (1 << 20)

static struct spec_faults faults; /* large: not on the stack of each test */

static const char *const colours[] = {"red", "green", "blue", NULL};
static const char *const sides[] = {"left", "right", NULL};

struct inner {
	int64_t n;
};

struct all {
	const char *text;
	int64_t number, size, duration, milli, percent;
	struct spec_share share;
	bool yes, right;
	int colour;
	struct spec_strv list;
	struct spec_pairs pairs;
	struct inner inner;
};

static const char *not_x(const char *s)
{
	return strcmp(s, "x") == 0 ? "anything but x" : NULL;
}

#define ALL(member) offsetof(struct all, member)
static const struct yaml_key inner_rows[] = {
	{YAML_NUM("n", INT, offsetof(struct inner, n), 1, 9), .required = true},
};
static const struct yaml_keys inner_keys = {.n = 1, .v = inner_rows};
static const struct yaml_key all_rows[] = {
	{YAML_ROW("text", STRING, ALL(text)), .check = not_x, .fallback = "none"},
	{YAML_NUM("number", INT, ALL(number), 1, 100), .fallback = "7"},
	{YAML_NUM("size", SIZE, ALL(size), 1, 1 << 20), .fallback = "1K"},
	{YAML_NUM("duration", DURATION, ALL(duration), 0, 60000), .fallback = "1s"},
	{YAML_NUM("milli", MILLI, ALL(milli), 0, 2500), .fallback = "0.25"},
	{YAML_NUM("percent", PERCENT, ALL(percent), 0, 50), .fallback = "5%"},
	{YAML_NUM("share", SHARE, ALL(share), 0, 10), .fallback = "10%"},
	{YAML_ROW("yes", BOOL, ALL(yes)), .fallback = "yes"},
	{YAML_ROW("side", BOOL, ALL(right)), .names = sides, .fallback = "left"},
	{YAML_ROW("colour", ENUM, ALL(colour)), .names = colours, .fallback = "green"},
	{YAML_NUM("list", STRV, ALL(list), 1, 3), .check = not_x, .fallback = "[one]"},
	{YAML_NUM("pairs", PAIRS, ALL(pairs), 0, 3), .check = not_x, .check_value = not_x},
	{YAML_ROW("inner", MAP, ALL(inner)), .of = &inner_keys},
};
static const struct yaml_keys all_keys = {.n = ARRAY_LEN(all_rows), .v = all_rows};

/* Reads a text by the table above; the arena of what is kept is the caller's. */
static int read_all(const char *text, size_t len, struct all *ret, struct arena *keep)
{
	struct yaml_doc d;
	int rc;

	memset(&faults, 0, offsetof(struct spec_faults, v));
	*ret = (struct all){0};
	arena_init(keep, FILE_MAX);
	rc = yaml_load(&d, text, len, FILE_MAX, &faults);
	d.keep = keep;
	if (rc == 0 && d.root)
		yaml_fill(&d, d.root, &all_keys, ret);
	if (d.no_memory)
		rc = -ENOMEM;
	spec_fault_sort(&faults);
	yaml_done(&d);
	return rc;
}

static void bad_bytes(const char *text, size_t len, const char *want)
{
	struct arena keep;
	struct all a;

	assert_int_equal(read_all(text, len, &a, &keep), 0);
	assert_string_equal(faults_text(&faults), want);
	arena_done(&keep);
}

static void bad(const char *text, const char *want)
{
	bad_bytes(text, strlen(text), want);
}

static void good(const char *text)
{
	bad(text, "");
}

static void what_is_no_text_is_refused(void **state)
{
	(void)state;
	bad("", " empty: nothing is said in it\n");
	bad("# only a remark\n\n", " empty: nothing is said in it\n");
	bad("---\n", " empty: nothing is said in it\n");
	bad_bytes("text: a\nnumber: \0", 17, "2: a NUL byte: this is not a text file\n");
	bad("text: a\n\x7f"
	    "ELF\n",
		"2: a control character: this is not a text file\n");
	bad("text: a\n\nsize: \xff\n", "3: not valid UTF-8: this is not a text file\n");
	bad("text: \xc0\xaf\n", "1: not valid UTF-8: this is not a text file\n");
	bad("text: \xed\xa0\x80\n", "1: not valid UTF-8: this is not a text file\n");
	bad("\xff\xfet\0e\0", "1: not valid UTF-8: this is not a text file\n");
	bad("text: a\x1b[31m\n", "1: a control character: this is not a text file\n");
	good("\xef\xbb\xbftext: \xc3\xa4\xe2\x82\xac\n"); /* a byte order mark of UTF-8 does no harm */
	good("text: a\r\nnumber: 1\r\n");
}

static void what_is_no_yaml_is_refused_with_its_line(void **state)
{
	(void)state;
	bad("text: a\n\tnumber: 1\n", "2: a tab: YAML is indented with spaces\n");
	bad("inner:\n\tn: 1\n", "2: a tab: YAML is indented with spaces\n");
	bad("list:\n- a\n-\t- b\n", "3: a tab: YAML is indented with spaces\n");
	bad("text: \"a\nnumber: 1\nsize: 2\n", "1: a text that is quoted here does not end\n");
	bad("text: 'a\n", "1: a text that is quoted here does not end\n");
	bad("text: a: b\n", "1: a second ':' in a line: quote the text, or check the indentation of the line above\n");
	bad("list: [a, b\nnumber: 1\n", "2: a list that began with '[' has no ',' or ']' here\n");
	bad("pairs: {a: b\n", "2: a map that began with '{' has no ',' or '}' here\n");
	bad("number: 1\n  size: 2\n",
		"1: number: must be a whole number, from 1 to 100, not '1 size'\n"
		"2: a second ':' in a line: quote the text, or check the indentation of the line above\n");
	bad("inner:\n    n: 1\n  number: 1\n", "3: neither a key nor the end of the block: check the indentation\n");
	bad("number: 1\nsize\nmilli: 1\n", "3: a key without ':', or a text that goes on over lines without quotes\n");
	bad("text: @x\n", "1: a text cannot begin with this character: quote it\n");
	bad("text: %x\n", "1: a text cannot begin with this character: quote it\n");
	bad("- a\n", "1: must be a map of keys, such as `name: web`\n");
	bad("just words\n", "1: must be a map of keys, such as `name: web`\n");
	bad("%TAG ! x\n", "2: not YAML: did not find expected <document start>\n");
}

static void faults_before_a_break_are_told_too(void **state)
{
	(void)state;
	bad("number: 0\ninner:\n  m: 1\nlist: [a\nsize: 1\n",
		"1: number: must be a whole number, from 1 to 100, not '0'\n"
		"3: inner.m: unknown key; allowed here: n\n"
		"5: a list that began with '[' has no ',' or ']' here\n");
}

static void yaml_that_we_refuse(void **state)
{
	(void)state;
	bad("text: &a b\nlist: [*a]\npairs: *a\n",
		"1: text: anchors (&) and aliases (*) are not allowed: write the value out\n"
		"2: list[0]: anchors (&) and aliases (*) are not allowed: write the value out\n"
		"3: pairs: anchors (&) and aliases (*) are not allowed: write the value out\n");
	bad("pairs: {<<: {a: b}}\n", "1: pairs.<<: must be a text, not a map\n");
	bad("text: !!str 5\nnumber: !x 5\nlist: !!seq [a]\n",
		"1: text: tags (!) are not allowed: the key alone decides what a value is\n"
		"2: number: tags (!) are not allowed: the key alone decides what a value is\n"
		"3: list: tags (!) are not allowed: the key alone decides what a value is\n");
	bad("text: a\n---\ntext: b\n", "2: a second document: one file says one thing\n");
	bad("text: a\n...\n---\n", "3: a second document: one file says one thing\n");
	bad("? [a]\n: b\n", "1: a list or a map where a key must be\n");
	bad("*a : b\n", "1: an alias (*) where a key must be\n");
	bad("text: \"a\\0b\"\n", "1: text: a NUL character (\\0) in a text\n");
	bad("text: a\nnumber: 1\ntext: b\ninner: {n: 1, n: 2}\npairs: {a: b, c: d, a: e}\n",
		"3: text: given twice, first in line 1\n"
		"4: inner.n: given twice, first in line 4\n"
		"5: pairs.a: given twice, first in line 5\n");
}

static void aliases_do_not_multiply(void **state)
{
	char text[4096];
	struct yaml_doc d;
	size_t at;

	(void)state;
	at = (size_t)snprintf(text, sizeof(text), "a0: &a0 [x]\n");
	for (int i = 1; i < 10; i++) {
		at += (size_t)snprintf(text + at, sizeof(text) - at, "a%d: &a%d [", i, i);
		for (int j = 0; j < 9; j++)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s*a%d", j ? ", " : "", i - 1);
		at += (size_t)snprintf(text + at, sizeof(text) - at, "]\n");
	}
	faults.n = faults.total = 0;
	assert_int_equal(yaml_load(&d, text, at, FILE_MAX, &faults), 0);
	assert_int_equal(faults.total, 10); /* one a line */
	assert_true(d.arena.used_bytes < 32768);
	yaml_done(&d);
}

static void the_traps_of_yaml_are_not_stepped_into(void **state)
{
	(void)state;
	bad("number: 010\n", "1: number: must be a whole number, from 1 to 100, not '010'\n");
	bad("number: 0x10\n", "1: number: must be a whole number, from 1 to 100, not '0x10'\n");
	bad("number: 1_0\n", "1: number: must be a whole number, from 1 to 100, not '1_0'\n");
	bad("number: 1e1\n", "1: number: must be a whole number, from 1 to 100, not '1e1'\n");
	bad("number: +5\n", "1: number: must be a whole number, from 1 to 100, not '+5'\n");
	bad("number: 5.0\n", "1: number: must be a whole number, from 1 to 100, not '5.0'\n");
	bad("number: \"5\"\n", "1: number: must be a number, not a text: write 5 without quotes\n");
	bad("number: 256M\n", "1: number: must be a whole number, from 1 to 100, not '256M'\n");
	bad("number: 99999999999999999999\n",
		"1: number: must be a whole number, from 1 to 100, not '99999999999999999999'\n");
	bad("duration: 1:30\n", "1: duration: must be a duration such as 10s, from 0 to 1m, not '1:30'\n");
	bad("duration: 10\n", "1: duration: must be a duration such as 10s, from 0 to 1m, not '10'\n");
	bad("milli: .5\n", "1: milli: must be a number such as 0.5, from 0 to 2.5, not '.5'\n");
	bad("milli: .inf\n", "1: milli: must be a number such as 0.5, from 0 to 2.5, not '.inf'\n");
	bad("yes: on\n", "1: yes: must be yes or no, not 'on'\n");
	bad("yes: Yes\n", "1: yes: must be yes or no, not 'Yes'\n");
	bad("yes: y\n", "1: yes: must be yes or no, not 'y'\n");
	bad("yes: 1\n", "1: yes: must be yes or no, not '1'\n");
	bad("yes: \"yes\"\n", "1: yes: must be yes or no, without quotes\n");
	bad("text:\n", "1: text: has no value; it must be a text\n");
	bad("text: ~\n", "1: text: has no value; it must be a text\n");
	bad("text: null\n", "1: text: has no value; it must be a text\n");
	bad("list: [a, ~]\n", "1: list[1]: has no value; it must be a text\n");
}

static void types_and_bounds(void **state)
{
	(void)state;
	bad("text: x\nnumber: 101\nsize: 2M\nduration: 61s\nmilli: 2.501\npercent: 51%\n",
		"1: text: must be anything but x, not 'x'\n"
		"2: number: must be a whole number, from 1 to 100, not '101'\n"
		"3: size: must be a size such as 256M, from 1 to 1M, not '2M'\n"
		"4: duration: must be a duration such as 10s, from 0 to 1m, not '61s'\n"
		"5: milli: must be a number such as 0.5, from 0 to 2.5, not '2.501'\n"
		"6: percent: must be a percentage such as 25%, from 0% to 50%, not '51%'\n");
	bad("share: 11\n", "1: share: must be a number or a percentage, not '11'\n");
	bad("share: 101%\n", "1: share: must be a number or a percentage, not '101%'\n");
	bad("share: [1]\n", "1: share: must be a number or a percentage, not a list\n");
	bad("side: yes\ncolour: gren\n", "1: side: must be left or right, not 'yes'\n"
					 "2: colour: must be red, green or blue, not 'gren'; did you mean green?\n");
	bad("colour: purple\nlist: a\npairs: [a]\ninner: 1\n",
		"1: colour: must be red, green or blue, not 'purple'\n"
		"2: list: must be a list of texts, not 'a'\n"
		"3: pairs: must be a map of names and texts, not a list\n"
		"4: inner: must be a map of keys, not '1'\n");
	bad("list: []\n", "1: list: must have at least 1 entry\n");
	bad("list: [a, b, c, d]\n", "1: list: must have at most 3 entries, not 4\n");
	bad("list:\n- a\n- x\n- [b]\n",
		"3: list[1]: must be anything but x, not 'x'\n4: list[2]: must be a text, not a list\n");
	bad("pairs: {a: b, x: c, d: x}\n",
		"1: pairs.x: the name must be anything but x\n1: pairs.d: must be anything but x, not 'x'\n");
	bad("inner: {}\n", "1: inner.n: missing; it must be a whole number, from 1 to 9\n");
	bad("number: {a: 1}\n", "1: number: must be a whole number, from 1 to 100, not a map\n");
}

static void values_and_defaults(void **state)
{
	static const char flow[] = "{text: 'it''s', size: \"7\", share: 3, yes: false, side: right, colour: blue,\n"
				   " list: [\"\", 010, yes], pairs: {a: 'null', \"b c\": ''}}";
	struct arena keep;
	struct all a;

	(void)state;
	assert_int_equal(read_all("inner: {n: 3}\n", 14, &a, &keep), 0);
	assert_string_equal(faults_text(&faults), "");
	assert_string_equal(a.text, "none");
	assert_true(a.number == 7 && a.size == 1024 && a.duration == 1000 && a.milli == 250 && a.percent == 5);
	assert_true(a.share.is_percent && a.share.n == 10 && a.yes && !a.right && a.colour == 1);
	assert_true(a.list.n == 1 && !a.list.v[1] && a.pairs.n == 0 && a.inner.n == 3);
	assert_string_equal(a.list.v[0], "one");
	arena_done(&keep);
	assert_int_equal(read_all(flow, strlen(flow), &a, &keep), 0);
	assert_string_equal(faults_text(&faults), "");
	assert_string_equal(a.text, "it's");
	assert_true(a.size == 7 && !a.share.is_percent && a.share.n == 3 && !a.yes && a.right && a.colour == 2);
	assert_true(a.list.n == 3 && a.pairs.n == 2);
	assert_string_equal(a.list.v[1], "010"); /* as written */
	assert_string_equal(a.list.v[2], "yes");
	assert_string_equal(a.pairs.v[0].value, "null");
	assert_string_equal(a.pairs.v[1].key, "b c");
	arena_done(&keep);
}

static void every_bound_has_two_sides(void **state)
{
	AUTO_FREE char *text = calloc(1, FILE_MAX + 2);
	size_t at;

	(void)state;
	assert_non_null(text);
	(void)snprintf(text, FILE_MAX, "text: %0*d\n", STRING_MAX, 1);
	good(text);
	(void)snprintf(text, FILE_MAX, "text: %0*d\n", STRING_MAX + 1, 1);
	bad(text, "1: text: a text longer than 4096 bytes\n");
	for (int depth = YAML_DEPTH_MAX; depth <= YAML_DEPTH_MAX + 1; depth++) {
		at = (size_t)snprintf(text, FILE_MAX, "list: ");
		memset(text + at, '[', (size_t)depth - 1); /* and the map around it */
		memset(text + at + depth - 1, ']', (size_t)depth - 1);
		text[at + 2 * (size_t)depth - 2] = '\0';
		bad(text, depth > YAML_DEPTH_MAX
				  ? "1: nested deeper than 16 levels\n1: list[0]: must be a text, not a list\n"
				  : "1: list[0]: must be a text, not a list\n");
	}
	/* stream, document and map begin, key and list begin, entries, four ends */
	for (int entries = YAML_EVENTS_MAX - 9; entries <= YAML_EVENTS_MAX - 8; entries++) {
		char want[200];

		at = (size_t)snprintf(text, FILE_MAX, "list:\n");
		for (int i = 0; i < entries; i++)
			at += (size_t)snprintf(text + at, FILE_MAX - at, "- a\n");
		(void)snprintf(want, sizeof(want), "1: list: must have at most 3 entries, not %d\n%s", entries,
			entries > YAML_EVENTS_MAX - 9 ? "19994: too many keys and values in one file\n" : "");
		bad(text, want);
	}
	memset(text, '#', FILE_MAX);
	bad_bytes(text, FILE_MAX, " empty: nothing is said in it\n");
	bad_bytes(text, FILE_MAX + 1, " larger than 1048576 bytes\n");
}

static void faults_are_bounded_and_printable(void **state)
{
	char text[8192];
	size_t at = 0;

	(void)state;
	for (int i = 0; i < FAULTS_MAX + 5; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "unknown-thing-%d: 1\n", i);
	memset(&faults, 0, sizeof(faults));
	bad_bytes(text, 0, " empty: nothing is said in it\n");
	{
		struct arena keep;
		struct all a;

		assert_int_equal(read_all(text, at, &a, &keep), 0);
		assert_int_equal(faults.n, FAULTS_MAX);
		assert_int_equal(faults.total, FAULTS_MAX + 5);
		arena_done(&keep);
	}
	bad("number: \"\\e[31m\\x9bred\"\n", "1: number: must be a whole number, from 1 to 100, not '?[31m??red'\n");
	bad("\"\\e]0;x\\a\": 1\n",
		"1: ?]0;x?: unknown key; allowed here: text, number, size, duration, milli, percent, share, yes, side, "
		"colour, list, pairs, inner\n");
	bad("number: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa4\xc3\xa4\n",
		"1: number: must be a whole number, from 1 to 100, not "
		"'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…'\n");
}

static void near_names_are_found(void **state)
{
	static const char *const names[] = {"command", "replicas", "env", "depends_on", "restart", NULL};

	(void)state;
	assert_string_equal(yaml_nearest("comand", names), "command");
	assert_string_equal(yaml_nearest("Command", names), "command");
	assert_string_equal(yaml_nearest("commnad", names), "command");
	assert_string_equal(yaml_nearest("replica", names), "replicas");
	assert_string_equal(yaml_nearest("depends-on", names), "depends_on");
	assert_string_equal(yaml_nearest("envs", names), "env");
	assert_null(yaml_nearest("image", names));
	assert_null(yaml_nearest("x", names));
	assert_null(yaml_nearest("", names));
	assert_null(yaml_nearest("a-very-long-word-that-is-near-to-nothing-at-all", names));
}

static void nodes_are_found_by_path(void **state)
{
	static const char text[] = "inner: {n: 1}\nlist: [a]\n";
	struct yaml_doc d;

	(void)state;
	faults.n = faults.total = 0;
	assert_int_equal(yaml_load(&d, text, strlen(text), FILE_MAX, &faults), 0);
	assert_string_equal(yaml_get(d.root, "inner.n")->text, "1");
	assert_int_equal(yaml_get(d.root, "list")->line, 2);
	assert_ptr_equal(yaml_get(d.root, ""), d.root);
	assert_null(yaml_get(d.root, "inner.n.x"));
	assert_null(yaml_get(d.root, "inne"));
	assert_null(yaml_get(d.root, "list.a"));
	assert_null(yaml_get(NULL, "a"));
	yaml_fault_at(&d, d.root, "inner.m", "missing");
	yaml_fault_at(&d, yaml_get(d.root, "inner"), "m", "missing");
	yaml_fault(&d, yaml_get(d.root, "list")->first, "first");
	assert_string_equal(faults_text(&faults), "1: inner.m: missing\n1: inner.m: missing\n2: list[0]: first\n");
	yaml_done(&d);
}

static void every_allocation_fails_once(void **state)
{
	static const char text[] = "text: a\nlist: [a, b]\npairs: {a: b, c: d}\ninner: {n: 3}\n";

	(void)state;
	OOM_LOOP (o) {
		struct arena keep;
		struct all a;
		int rc = read_all(text, strlen(text), &a, &keep);

		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		assert_int_equal(faults.n, 0);
		arena_done(&keep);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_text_is_refused),
		cmocka_unit_test(what_is_no_yaml_is_refused_with_its_line),
		cmocka_unit_test(faults_before_a_break_are_told_too),
		cmocka_unit_test(yaml_that_we_refuse),
		cmocka_unit_test(aliases_do_not_multiply),
		cmocka_unit_test(the_traps_of_yaml_are_not_stepped_into),
		cmocka_unit_test(types_and_bounds),
		cmocka_unit_test(values_and_defaults),
		cmocka_unit_test(every_bound_has_two_sides),
		cmocka_unit_test(faults_are_bounded_and_printable),
		cmocka_unit_test(near_names_are_found),
		cmocka_unit_test(nodes_are_found_by_path),
		cmocka_unit_test(every_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
