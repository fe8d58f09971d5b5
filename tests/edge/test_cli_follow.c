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
	static const struct step steps[] = {{log_part, "1\n"}, {stopping, "the daemon is stopping"}, {NULL, NULL},
		{log_part, "!22\n"}, {refuse, "there is no replica 'web.0' any more"}};

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

static void replicas_are(struct mp_writer *w, const char *text)
{
	result(w);
	mp_map(w, 1);
	mp_str(w, "replicas");
	mp_array(w, strlen(text));
	for (; *text; text++) {
		const char id[] = {'w', 'e', 'b', '.', *text, 0};

		mp_str(w, id);
	}
}

/* "0 text\n|1 text\n": a part each; "!": some are missing, "+": there is more, "-": it is gone. */
static void parts_are(struct mp_writer *w, const char *text)
{
	char copy[256], *save = NULL;
	size_t n = 1;

	(void)snprintf(copy, sizeof(copy), "%s", text);
	for (const char *p = text; *p; p++)
		n += *p == '|';
	result(w);
	mp_map(w, 1);
	mp_str(w, "parts");
	mp_array(w, n);
	for (char *part = strtok_r(copy, "|", &save); part; part = strtok_r(NULL, "|", &save)) {
		const char id[] = {'w', 'e', 'b', '.', *part, 0};
		const char *data = strchr(part, ' ') + 1;

		mp_map(w, 7);
		mp_key_str(w, "replica", id);
		mp_key_int(w, "inode", 7);
		mp_key_int(w, "offset", (int64_t)strlen(data));
		mp_key_bool(w, "gap", part[1] == '!');
		mp_key_bool(w, "more", part[1] == '+');
		mp_key_bool(w, "gone", part[1] == '-');
		mp_str(w, "data");
		mp_bin(w, data, strlen(data));
	}
}

#define AT(s) "2026-01-02T03:04:0" s ".000000Z "

/* Each behind its name, by their times; who has more is asked on, alone. */
static void logs_of_an_agent_are_merged(void **state)
{
	static const struct step steps[] = {{replicas_are, "01"},
		{parts_are, "0+ " AT("1") "a\n|1 " AT("2") "b\n" AT("4") "d\n"}, {parts_are, "0 " AT("3") "c\n"}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "logs", "web", "-n", "5");
	came(&h, CLI_DONE, "web.0 | " AT("1") "a\nweb.1 | " AT("2") "b\nweb.0 | " AT("3") "c\nweb.1 | " AT("4") "d\n",
		"");
	assert_string_equal(h.asked.v,
		"logs {\"replica\":\"web\",\"list\":true}\n"
		"logs {\"page\":262144,\"places\":[{\"replica\":\"web.0\",\"lines\":5},"
		"{\"replica\":\"web.1\",\"lines\":5}]}\n"
		"logs {\"page\":262144,\"places\":[{\"replica\":\"web.0\",\"inode\":7,\"offset\":30}]}\n");
}

/* An agent with one replica reads like that replica, one without any like nothing. */
static void logs_of_an_agent_with_few(void **state)
{
	static const struct step one[] = {{replicas_are, "0"}, {parts_are, "0 x\ny"}}, none[] = {{replicas_are, ""}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(one, "logs", "n1/web"), nothing = TALK(none, "logs", "web");
	came(&h, CLI_DONE, "x\ny\n", "");
	came(&nothing, CLI_DONE, "", "");
}

/* Over a restart of the daemon, a replica that goes and one that comes. */
static void logs_of_an_agent_are_followed(void **state)
{
	static const struct step steps[] = {{replicas_are, "01"}, {parts_are, "0 " AT("1") "a\n|1 " AT("2") "b\n"},
		{NULL, NULL}, {NULL, NULL}, {parts_are, "0! " AT("3") "c\n|1- last"}, {refuse, "there is no agent"}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "logs", "web", "-f");
	assert_int_equal(h.ran.status, CLI_REFUSED);
	assert_string_equal(
		h.ran.out.v, "web.0 | " AT("1") "a\nweb.1 | " AT("2") "b\nweb.0 | " AT("3") "c\nweb.1 | last\n");
	assert_non_null(strstr(h.ran.err.v, "going on when it is back\n"));
	assert_non_null(strstr(h.ran.err.v, "covey: web.0: some lines are missing: they were rotated away\n"));
	assert_non_null(strstr(h.ran.err.v, "covey: there is no agent\n"));
	assert_non_null(strstr(h.asked.v, "{\"replica\":\"web.1\",\"lines\":10}]}\n"));
	assert_non_null(strstr(h.asked.v, "\"offset\":30}],\"wait_ms\":2000}\n"));
	assert_non_null(
		strstr(h.asked.v, "\"places\":[{\"replica\":\"web.0\",\"inode\":7,\"offset\":30}],\"wait_ms\""));
}

static void logs_of_an_agent_as_a_document(void **state)
{
	static const struct step steps[] = {
		{replicas_are, "01"}, {log_part, "a\n"}, {log_part, "b\n"}, {log_part, "c\n"}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "logs", "web", "--json");
	came(&h, CLI_DONE,
		"{\"format\":1,\"agent\":\"web\",\"replicas\":[{\"replica\":\"web.0\",\"lines\":[\"a\",\"b\"]},"
		"{\"replica\":\"web.1\",\"lines\":[\"c\"]}]}\n",
		"");
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
		cmocka_unit_test(logs_of_an_agent_are_merged),
		cmocka_unit_test(logs_of_an_agent_with_few),
		cmocka_unit_test(logs_of_an_agent_are_followed),
		cmocka_unit_test(logs_of_an_agent_as_a_document),
		cmocka_unit_test(events_are_followed),
		cmocka_unit_test(events_from_a_moment_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
