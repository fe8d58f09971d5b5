/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `covey` exits with, and says, when there is no daemon, a bad answer, a refusal or wrong usage.
 */
#include "tests/lib/fake_daemon.h"
#include "tests/lib/json.h"

#include "cli/cli.h"

static void ok(struct mp_writer *w)
{
	mp_map(w, 2);
	mp_key_bool(w, "ok", true);
	mp_str(w, "result");
}

static const char *const reading[][4] = {{"status"}, {"nodes"}, {"top"}, {"explain", "web"}, {"profile", "web"},
	{"rollout", "status", "web"}, {"voters"}, {"version"}};

static void without_a_daemon(void **state)
{
	AUTO_TMPDIR struct tmpdir dir = tmpdir_make();
	const char *nowhere = tmpdir_path(&dir, "sock");

	(void)state;
	for (size_t i = 0; i + 1 < ARRAY_LEN(reading); i++) { /* all but version */
		const char *const argv[] = {reading[i][0], reading[i][1], reading[i][2], NULL};
		AUTO_RAN struct ran r = run_covey(&(struct run){.socket = nowhere, .argv = argv});

		assert_int_equal(r.status, CLI_NO_DAEMON);
		assert_string_equal(r.out.v, "");
		assert_memory_equal(r.err.v, "covey: ", 7);
		assert_ptr_equal(strchr(r.err.v, '\n'), r.err.v + r.err.n - 1); /* one sentence */
	}
	AUTO_RAN struct ran follow = RUN(nowhere, "events", "-f");
	assert_int_equal(follow.status, CLI_NO_DAEMON); /* only one that was there is waited for */
	AUTO_RAN struct ran change = RUN(nowhere, "stop", "web"), text = RUN(nowhere, "version"),
			    json = RUN(nowhere, "version", "--json");
	assert_int_equal(change.status, CLI_NO_DAEMON);
	assert_int_equal(text.status, CLI_DONE);
	assert_memory_equal(text.out.v, "covey 0.", 8);
	assert_non_null(strstr(text.out.v, "\nno daemon answered: "));
	assert_int_equal(json.status, CLI_DONE);
	assert_true(json_is_document(json.out.v));
	assert_non_null(strstr(json.out.v, "\"daemon\":null"));
}

/* Answers that are none, in every command: told, and no crash. */
static bool serve_nonsense(void *arg, unsigned n, const char *verb, const msgpack_object *args, struct mp_writer *w)
{
	const unsigned *kind = arg;

	(void)n;
	(void)verb;
	(void)args;
	switch (*kind) {
	case 0: /* of no type that is expected */
		mp_array(w, 1);
		mp_nil(w);
		break;
	case 1: /* a refusal without a reason */
		mp_map(w, 1);
		mp_key_bool(w, "ok", false);
		break;
	case 2: /* no result */
		mp_map(w, 1);
		mp_key_bool(w, "ok", true);
		break;
	case 3: /* fields of wrong types */
		ok(w);
		mp_map(w, 4);
		mp_key_int(w, "agents", 5);
		mp_str(w, "nodes");
		mp_array(w, 1);
		mp_key_str(w, "id", "x");
		mp_str(w, "events");
		mp_array(w, 1);
		mp_nil(w);
		mp_key_int(w, "text", 1);
		break;
	default:
		return false;
	}
	return true;
}

static void nonsense_is_survived(void **state)
{
	static const int want[] = {CLI_REFUSED, CLI_REFUSED, CLI_DONE, CLI_DONE, CLI_NO_DAEMON};
	unsigned kind;
	struct fake f;

	(void)state;
	fake_start(&f, serve_nonsense, &kind);
	for (kind = 0; kind < ARRAY_LEN(want); kind++)
		for (size_t i = 0; i + 1 < ARRAY_LEN(reading); i++) {
			const char *const argv[] = {reading[i][0], reading[i][1], reading[i][2], NULL};
			AUTO_RAN struct ran r = run_covey(&(struct run){.socket = f.path, .argv = argv});

			if (r.status != want[kind] && kind != 3)
				fail_msg("%s, answer %u: %d, %s", argv[0], kind, r.status, r.err.v);
			assert_true(r.status < 128);
		}
	fake_stop(&f);
}

static bool serve_refusal(void *arg, unsigned n, const char *verb, const msgpack_object *args, struct mp_writer *w)
{
	(void)n;
	(void)verb;
	(void)args;
	mp_map(w, 3);
	mp_key_bool(w, "ok", false);
	mp_key_str(w, "code", arg);
	mp_key_str(w, "error", "there is no agent 'wbe'");
	return true;
}

static void refusals_are_told(void **state)
{
	static const struct {
		const char *code;
		int status;
	} v[] = {{"refused", CLI_REFUSED}, {"unknown", CLI_REFUSED}, {"full", CLI_REFUSED}, {"usage", CLI_USAGE}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct fake f;

		fake_start(&f, serve_refusal, (void *)(uintptr_t)v[i].code);
		AUTO_RAN struct ran r = RUN(f.path, "status", "wbe");
		fake_stop(&f);
		assert_int_equal(r.status, v[i].status);
		assert_string_equal(r.err.v, "covey: there is no agent 'wbe'\n");
		assert_string_equal(r.out.v, "");
	}
}

static void wrong_usage(void **state)
{
	static const char *const lines[][5] = {{"stats"}, {"status", "a", "b"}, {"status", "--nojson"},
		{"scale", "web"}, {"scale", "web", "many"}, {"scale", "web", "99999"}, {"apply"}, {"check"}, {"logs"},
		{"logs", "web.0", "-n", "x"}, {"logs", "web.0", "-f", "--json"}, {"stop"}, {"stop", "web", "--all"},
		{"start", "--all"}, {"status", "--no-wait"}, {"events", "--since", "soon"}, {"rollout", "stop", "web"},
		{"rollout", "pause"}, {"recover"}, {"pki", "make"}, {"pki", "issue"}, {"pki", "init", "n1"},
		{"help", "me"}, {"restart", "web", "--json"}, {"drain"}, {"voters", "--number", "4"},
		{"voters", "--number", "9"}, {"voters", "--number=3", "--auto"}, {"voters", "--times", "fast"},
		{"voters", "--replace-after", "soon"}, {"voters", "--auto", "--json"}, {"voters", "n1"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		const char *const argv[] = {lines[i][0], lines[i][1], lines[i][2], lines[i][3], NULL};
		AUTO_RAN struct ran r = run_covey(&(struct run){.socket = "/nowhere/sock", .argv = argv});

		if (r.status != CLI_USAGE)
			fail_msg("line %zu: %d, %s", i, r.status, r.err.v);
		assert_memory_equal(r.err.v, "covey: ", 7);
		assert_string_equal(r.out.v, "");
	}
	AUTO_RAN struct ran nothing = RUN(NULL, NULL);
	assert_int_equal(nothing.status, CLI_USAGE);
	assert_memory_equal(nothing.err.v, "usage: covey", 12);
}

static void help_is_no_failure(void **state)
{
	(void)state;
	AUTO_RAN struct ran all = RUN(NULL, "--help"), also = RUN(NULL, "help"), one = RUN(NULL, "help", "logs"),
			    same = RUN(NULL, "logs", "-h"), version = RUN("/nowhere/sock", "--version");
	assert_int_equal(all.status | also.status | one.status | same.status | version.status, CLI_DONE);
	assert_string_equal(all.out.v, also.out.v);
	assert_string_equal(one.out.v, same.out.v);
	assert_memory_equal(one.out.v, "usage: covey logs AGENT|REPLICA", 31);
	assert_string_equal(one.err.v, "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_daemon),
		cmocka_unit_test(nonsense_is_survived),
		cmocka_unit_test(refusals_are_told),
		cmocka_unit_test(wrong_usage),
		cmocka_unit_test(help_is_no_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
