/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `logs` and `events`: read to their end, or followed over rotations and restarts of the daemon.
 */
#include "tests/lib/talk.h"

static void log_part(struct mp_writer *w, const char *text)
{
	result(w);
	mp_map(w, 5);
	mp_str(w, "inode");
	mp_uint(w, UINT64_MAX - 1);
	mp_key_int(w, "offset", (int64_t)strlen(text));
	mp_key_bool(w, "gap", *text == '!');
	mp_str(w, "data");
	mp_bin(w, text, strlen(text));
	mp_key_bool(w, "more", *text == 'a');
}

static void logs_are_read_to_their_end(void **state)
{
	static const struct step steps[] = {{log_part, "a\xff\n"}, {log_part, "b\n"}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "logs", "web.0");
	came(&h, CLI_DONE, "a\xff\nb\n", "");
	assert_string_equal(h.asked.v, "logs {\"replica\":\"web.0\"}\n"
				       "logs {\"replica\":\"web.0\",\"inode\":18446744073709551614,\"offset\":3}\n");
}

static void logs_as_a_document(void **state)
{
	static const struct step steps[] = {{log_part, "a\xff\n"}, {log_part, "\033b\nno end"}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "logs", "web.0", "--json");
	came(&h, CLI_DONE,
		"{\"format\":1,\"replica\":\"web.0\",\"lines\":[\"a\xef\xbf\xbd\",\"\\u001bb\",\"no end\"]}\n", "");
}

/* -f begins with the last lines, waits, and outlives a restart of the daemon. */
static void logs_are_followed(void **state)
{
	static const struct step steps[] = {{log_part, "1\n"}, {NULL, NULL}, {NULL, NULL}, {log_part, "!22\n"},
		{refuse, "there is no replica 'web.0' any more"}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "logs", "web.0", "-f");
	assert_int_equal(h.ran.status, CLI_REFUSED);
	assert_string_equal(h.ran.out.v, "1\n!22\n");
	assert_non_null(strstr(h.ran.err.v, "going on when it is back\n"));
	assert_non_null(strstr(h.ran.err.v, "covey: some lines are missing: they were rotated away\n"));
	assert_non_null(strstr(h.ran.err.v, "covey: there is no replica 'web.0' any more\n"));
	starts(h.asked.v, "logs {\"replica\":\"web.0\",\"lines\":10}\n");
	assert_non_null(strstr(h.asked.v, "\"offset\":4,\"wait_ms\":2000}\n"));
}

static void events_part(struct mp_writer *w, const char *text)
{
	result(w);
	mp_map(w, 2);
	mp_key_str(w, "last", text);
	mp_str(w, "events");
	mp_array(w, 1);
	mp_map(w, 3);
	mp_key_str(w, "id", text);
	mp_key_str(w, "time", "2026-01-02T03:04:05Z");
	mp_key_str(w, "text", text);
}

static void events_are_followed(void **state)
{
	static const struct step steps[] = {
		{events_part, "n1-7"}, {NULL, NULL}, {events_part, "n1-8"}, {refuse, "enough"}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "events", "-f", "--agent", "web", "--json");
	assert_string_equal(h.ran.out.v, "{\"id\":\"n1-7\",\"time\":\"2026-01-02T03:04:05Z\",\"text\":\"n1-7\"}\n"
					 "{\"id\":\"n1-8\",\"time\":\"2026-01-02T03:04:05Z\",\"text\":\"n1-8\"}\n");
	assert_int_equal(h.ran.status, CLI_REFUSED);
	starts(h.asked.v, "events {\"max\":1000,\"agent\":\"web\",\"tail\":10}\n"
			  "events {\"max\":1000,\"after\":\"n1-7\",\"agent\":\"web\",\"wait_ms\":2000}\n");
	assert_non_null(strstr(h.asked.v, "\"after\":\"n1-8\""));
}

static void events_from_a_moment_on(void **state)
{
	static const struct step steps[] = {{events_part, "n1-7"}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "events", "--since", "2026-01-02T03:04:05Z", "--after", "n1-6");
	came(&h, CLI_DONE, "2026-01-02 03:04:05           n1-7\n", "");
	assert_string_equal(h.asked.v, "events {\"max\":1000,\"after\":\"n1-6\",\"since_ms\":1767323045000}\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(logs_are_read_to_their_end),
		cmocka_unit_test(logs_as_a_document),
		cmocka_unit_test(logs_are_followed),
		cmocka_unit_test(events_are_followed),
		cmocka_unit_test(events_from_a_moment_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
