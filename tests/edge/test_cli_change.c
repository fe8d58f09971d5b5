/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands that change something: what is asked, what is printed, what the command waits for and exits with. A
 * connection that breaks at each point is part of it.
 */
#include "tests/lib/talk.h"

static void change(struct mp_writer *w, const char *text)
{
	result(w);
	mp_map(w, 2);
	mp_key_str(w, "op", "o1");
	mp_str(w, "changes");
	mp_array(w, 1);
	mp_map(w, 4);
	mp_key_str(w, "agent", "web");
	mp_key_str(w, "change", "scaled");
	mp_key_int(w, "version", 4);
	mp_key_str(w, "text", text);
}

static void a_change_is_waited_for(void **state)
{
	static const struct step steps[] = {{change, "scaled from 2 to 5"}, {waiting, "waiting for web.3"}, {done, ""}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "scale", "web", "5", "--op", "o1");
	came(&h, CLI_DONE, "web: scaled from 2 to 5\n", "");
	assert_string_equal(h.asked.v, "scale {\"agent\":\"web\",\"n\":5,\"op\":\"o1\"}\n"
				       "wait {\"op\":\"o1\",\"wait_ms\":2000}\n"
				       "wait {\"op\":\"o1\",\"wait_ms\":2000}\n");
}

static void no_wait_returns_once_decided(void **state)
{
	static const struct step steps[] = {{change, NULL}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "stop", "web.1", "--no-wait", "--op", "o1");
	came(&h, CLI_DONE, "web: scaled\n", "");
	assert_string_equal(h.asked.v, "stop {\"target\":\"web.1\",\"op\":\"o1\"}\n");
}

static void each_change_has_an_id_of_its_own(void **state)
{
	static const struct step steps[] = {{change, NULL}};

	(void)state;
	AUTO_HEARD struct heard a = TALK(steps, "stop", "--all", "--no-wait"),
				b = TALK(steps, "stop", "--all", "--no-wait");
	starts(a.asked.v, "stop {\"all\":true,\"op\":\"");
	assert_int_equal(a.asked.n, strlen("stop {\"all\":true,\"op\":\"0123456789abcdef\"}\n"));
	assert_string_not_equal(a.asked.v, b.asked.v);
}

static void progress_is_for_terminals(void **state)
{
	static const struct step steps[] = {
		{change, "scaled"}, {waiting, "waiting for web.3 (backoff: exited with code 1)"}, {done, ""}};
	static const char *const argv[] = {"scale", "web", "5", NULL};

	(void)state;
	AUTO_HEARD struct heard wide = converse(steps, ARRAY_LEN(steps), &(struct run){.columns = 100, .argv = argv});
	AUTO_HEARD struct heard narrow = converse(steps, ARRAY_LEN(steps), &(struct run){.columns = 30, .argv = argv});
	assert_non_null(strstr(
		wide.ran.out.v, "\r\033[Kweb: 2 of 5 ready; waiting for web.3 (backoff: exited with code 1)\r\033[K"));
	assert_non_null(strstr(narrow.ran.out.v, "\r\033[Kweb: 2 of 5 ready; waiting f…\r\033[K"));
	assert_int_equal(wide.ran.status, CLI_DONE);
}

static void what_fails_is_told(void **state)
{
	static const struct step steps[] = {{change, "scaled"}, {failed, "web.3 gave up: exited with code 1"}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "scale", "web", "5");
	came(&h, CLI_REFUSED, "web: scaled\n", "covey: web: 2 of 5 ready; web.3 gave up: exited with code 1\n");
}

static void the_timeout_is_kept(void **state)
{
	static const struct step steps[] = {{change, "scaled"}, {waiting, "waiting for web.3"}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "scale", "web", "5", "--timeout", "1ms");
	came(&h, CLI_STILL_GOING, "web: scaled\n",
		"covey: still going on after 1ms: web: 2 of 5 ready; waiting for web.3\n");
}

static void refused_before_anything(void **state)
{
	static const struct step steps[] = {{refuse, "web is of agents_dir: remove /etc/covey/agents.d/web.yaml"}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "remove", "web", "--op", "o1");
	came(&h, CLI_REFUSED, "", "covey: web is of agents_dir: remove /etc/covey/agents.d/web.yaml\n");
	assert_string_equal(h.asked.v, "remove {\"agent\":\"web\",\"op\":\"o1\"}\n");
}

/* Nobody knows whether it was decided. */
static void lost_before_the_answer(void **state)
{
	static const struct step steps[] = {{NULL, NULL}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "scale", "web", "5", "--op", "night-shift");
	assert_int_equal(h.ran.status, CLI_UNKNOWN);
	assert_non_null(strstr(h.ran.err.v, "repeat the command with --op night-shift, which is safe\n"));
	assert_string_equal(h.ran.out.v, "");
}

static void unknown(struct mp_writer *w, const char *text)
{
	refuse_as(w, "unknown", text);
}

/* Nor does the daemon: no majority has answered. */
static void not_known_to_the_daemon(void **state)
{
	static const struct step steps[] = {{unknown, "it is not known: repeat it with --op o1"}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "scale", "web", "5", "--op", "o1");
	came(&h, CLI_UNKNOWN, "", "covey: it is not known: repeat it with --op o1\n");
}

/* Another daemon does not know the operation: it is asked for the change again, once. */
static void not_known_to_the_next_daemon(void **state)
{
	static const struct step steps[] = {{change, "scaled"}, {unknown, "no operation o1 is known here"},
		{change, "it was done before"}, {done, ""}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "scale", "web", "5", "--op", "o1");
	came(&h, CLI_DONE, "web: scaled\n", "");
	assert_string_equal(h.asked.v, "scale {\"agent\":\"web\",\"n\":5,\"op\":\"o1\"}\n"
				       "wait {\"op\":\"o1\",\"wait_ms\":2000}\n"
				       "scale {\"agent\":\"web\",\"n\":5,\"op\":\"o1\"}\n"
				       "wait {\"op\":\"o1\",\"wait_ms\":2000}\n");
}

/* It is decided, and the daemon is back soon. */
static void lost_while_waiting(void **state)
{
	static const struct step steps[] = {{change, "scaled"}, {NULL, NULL}, {waiting, ""}, {NULL, NULL}, {done, ""}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "scale", "web", "5");
	came(&h, CLI_DONE, "web: scaled\n", "");
}

/* One that ends in good order, or begins again (restore), says so. */
static void told_that_it_stops_while_waiting(void **state)
{
	static const struct step steps[] = {{change, "scaled"}, {stopping, "the daemon is stopping"}, {done, ""}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "scale", "web", "5");
	came(&h, CLI_DONE, "web: scaled\n", "");
}

static void told_that_it_stops(void **state)
{
	static const struct step steps[] = {{stopping, "the daemon is stopping"}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "scale", "web", "5");
	came(&h, CLI_NO_DAEMON, "", "covey: the daemon is stopping\n");
}

static void lost_for_good_while_waiting(void **state)
{
	static const struct step steps[] = {{change, "scaled"}, {NULL, NULL}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "scale", "web", "5", "--timeout", "300ms", "--op", "o1");
	assert_int_equal(h.ran.status, CLI_UNKNOWN);
	assert_non_null(strstr(h.ran.err.v, "--op o1"));
}

static void each_change_asks_for_what_it_is(void **state)
{
	static const struct step steps[] = {{told, "this node is a cluster of one"}};
	static const struct {
		const char *argv[9], *asked;
	} v[] = {
		{{"start", "web"}, "start {\"target\":\"web\",\"op\":\"o1\"}\n"},
		{{"restart", "web.0"}, "restart {\"target\":\"web.0\",\"op\":\"o1\"}\n"},
		{{"rollout", "undo", "web"}, "rollout {\"action\":\"undo\",\"agent\":\"web\",\"op\":\"o1\"}\n"},
		{{"drain", "n2"}, "drain {\"node\":\"n2\",\"op\":\"o1\"}\n"},
		{{"undrain", "n2"}, "undrain {\"node\":\"n2\",\"op\":\"o1\"}\n"},
		{{"forget", "n2"}, "forget {\"node\":\"n2\",\"op\":\"o1\"}\n"},
		{{"init"}, "init {\"op\":\"o1\"}\n"},
		{{"leave"}, "leave {\"op\":\"o1\"}\n"},
		{{"reset"}, "reset {\"force\":false,\"op\":\"o1\"}\n"},
		/* A repeat says which cluster it was. */
		{{"recover", "--force", "--cluster", "east"},
			"recover {\"force\":true,\"hosts_are_off\":false,\"cluster\":\"east\",\"op\":\"o1\"}\n"},
		{{"voters", "--number", "5"}, "voters {\"number\":5,\"op\":\"o1\"}\n"},
		{{"voters", "--auto", "--spread", "zone"}, "voters {\"number\":0,\"spread\":\"zone\",\"op\":\"o1\"}\n"},
		{{"voters", "--spread=", "--replace-after", "2m", "--times", "slow"},
			"voters {\"spread\":\"\",\"replace_after_ms\":120000,\"times\":\"slow\",\"op\":\"o1\"}\n"},
		{{"restore", "/x"}, "restore {\"path\":\"/x\",\"op\":\"o1\"}\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		const char *argv[12] = {"--op", "o1"};

		memcpy(argv + 2, v[i].argv, sizeof(v[i].argv));
		AUTO_HEARD struct heard h = converse(steps, ARRAY_LEN(steps), &(struct run){.argv = argv});

		came(&h, CLI_DONE, "this node is a cluster of one\n", "");
		assert_string_equal(h.asked.v, v[i].asked);
	}
}

static void dangerous_ones_ask_on_a_terminal(void **state)
{
	static const struct step steps[] = {{told, "done"}};
	static const char *const reset[] = {"reset", NULL}, *const forced[] = {"reset", "--force", NULL};

	(void)state;
	AUTO_HEARD struct heard no = converse(steps, 1, &(struct run){.columns = 80, .in = "no\n", .argv = reset});
	AUTO_HEARD struct heard yes = converse(steps, 1, &(struct run){.columns = 80, .in = "yes\n", .argv = reset});
	AUTO_HEARD struct heard unasked = converse(steps, 1, &(struct run){.columns = 80, .argv = forced});
	assert_int_equal(no.ran.status, CLI_REFUSED);
	assert_string_equal(no.asked.v, "");
	assert_int_equal(yes.ran.status, CLI_DONE);
	starts(yes.asked.v, "reset ");
	assert_int_equal(unasked.ran.status, CLI_DONE);
	assert_null(strstr(unasked.ran.out.v, "Type yes"));
}

static void planned(struct mp_writer *w, const char *text)
{
	result(w);
	mp_map(w, 3);
	mp_key_str(w, "text", text);
	mp_key_str(w, "cluster", "east");
	mp_key_int(w, "wait_ms", 73945);
}

#define PLAN(off) "recover {\"plan\":true,\"hosts_are_off\":" off ",\"cluster\":\"\"}\n"

/* Who is given up is said first, and the cluster's name is asked for; the daemon compares it. */
static void a_recovery_asks_for_the_clusters_name(void **state)
{
	static const struct step steps[] = {{planned, "the cluster would go on with n1; given up: n2, n3"},
		{told, "the cluster goes on with n1"}},
				 refused[] = {{refuse, "a majority of the voters answers"}};
	static const char *const argv[] = {"recover", "--force", "--hosts-are-off", "--op", "o1", NULL};

	(void)state;
	AUTO_HEARD struct heard h = converse(steps, 2, &(struct run){.columns = 80, .in = "west\n", .argv = argv});
	AUTO_HEARD struct heard nothing = converse(steps, 2, &(struct run){.columns = 80, .in = "\n", .argv = argv});
	AUTO_HEARD struct heard script = TALK(steps, "recover", "--force");
	AUTO_HEARD struct heard named = TALK(steps, "recover", "--force", "--cluster", "east");
	AUTO_HEARD struct heard dry = TALK(steps, "recover", "--dry-run");
	AUTO_HEARD struct heard no = TALK(refused, "recover", "--force");
	assert_string_equal(h.asked.v,
		PLAN("true") "recover {\"force\":true,\"hosts_are_off\":true,\"cluster\":\"west\",\"op\":\"o1\"}\n");
	assert_non_null(strstr(h.ran.out.v, "given up: n2, n3"));
	assert_non_null(strstr(h.ran.out.v, "Type the cluster's name to go on: "));
	assert_int_equal(nothing.ran.status, CLI_REFUSED);
	assert_string_equal(nothing.asked.v, PLAN("true"));
	assert_int_equal(script.ran.status, CLI_REFUSED); /* nobody can be asked */
	assert_string_equal(script.asked.v, PLAN("false"));
	assert_non_null(strstr(script.ran.err.v, "the cluster's name is needed, --cluster east"));
	assert_int_equal(named.ran.status, CLI_DONE);
	assert_non_null(strstr(named.asked.v, "\"force\":true,\"hosts_are_off\":false,\"cluster\":\"east\""));
	assert_non_null(strstr(named.ran.err.v, "acknowledged are lost"));
	came(&dry, CLI_DONE, "the cluster would go on with n1; given up: n2, n3\n", "");
	came(&no, CLI_REFUSED, "", "covey: a majority of the voters answers\n");
}

static void backed_up(struct mp_writer *w, const char *text)
{
	result(w);
	mp_map(w, 2);
	mp_key_str(w, "path", text);
	mp_key_int(w, "bytes", 4096);
}

static void backup_says_where_and_how_much(void **state)
{
	static const struct step steps[] = {{backed_up, "/var/backups/covey.db"}};

	(void)state;
	AUTO_HEARD struct heard h = TALK(steps, "backup", "/var/backups/covey.db");
	AUTO_HEARD struct heard relative = TALK(steps, "backup", "covey.db");
	came(&h, CLI_DONE, "/var/backups/covey.db: 4096 bytes\n", "");
	assert_string_equal(h.asked.v, "backup {\"path\":\"/var/backups/covey.db\"}\n");
	starts(relative.asked.v, "backup {\"path\":\"/");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_is_waited_for),
		cmocka_unit_test(no_wait_returns_once_decided),
		cmocka_unit_test(each_change_has_an_id_of_its_own),
		cmocka_unit_test(progress_is_for_terminals),
		cmocka_unit_test(what_fails_is_told),
		cmocka_unit_test(the_timeout_is_kept),
		cmocka_unit_test(refused_before_anything),
		cmocka_unit_test(lost_before_the_answer),
		cmocka_unit_test(not_known_to_the_daemon),
		cmocka_unit_test(not_known_to_the_next_daemon),
		cmocka_unit_test(lost_while_waiting),
		cmocka_unit_test(told_that_it_stops_while_waiting),
		cmocka_unit_test(told_that_it_stops),
		cmocka_unit_test(lost_for_good_while_waiting),
		cmocka_unit_test(each_change_asks_for_what_it_is),
		cmocka_unit_test(dangerous_ones_ask_on_a_terminal),
		cmocka_unit_test(a_recovery_asks_for_the_clusters_name),
		cmocka_unit_test(backup_says_where_and_how_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
