/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `apply` and `check`: which files are read and sent, and where their faults are told.
 */
#include "tests/lib/talk.h"

#include <fcntl.h>

#include "base/io.h"

static const char web[] = "name: web\ncommand: [/bin/sleep, 60]\nreplicas: 3\n";
static const char db[] = "name: db\ncommand: [/bin/sleep, 60]\n";
static const char bad[] = "name: Web\ncommand: [/bin/sleep, 60]\nreplica: 2\n";

static void put(struct tmpdir *d, const char *name, const char *text)
{
	assert_int_equal(io_replace_file(AT_FDCWD, tmpdir_path(d, name), text, strlen(text), 0644, false, NULL), 0);
}

static void applied(struct mp_writer *w, const char *file)
{
	result(w);
	mp_map(w, 2);
	mp_key_str(w, "op", "o1");
	mp_str(w, "changes");
	mp_array(w, 1);
	mp_map(w, 6);
	mp_key_str(w, "file", file);
	mp_key_str(w, "agent", "web");
	mp_key_str(w, "change", "changed");
	mp_key_int(w, "version", 4);
	mp_key_str(w, "text", "1 replica more");
	mp_key_str(w, "replaced", "name: web\ncommand: [/bin/sleep, 60]\nreplicas: 2\n");
}

static void apply_shows_what_it_replaced(void **state)
{
	static const struct step steps[] = {{applied, "-"}, {done, ""}};
	static const char *const argv[] = {"apply", "-", "--op", "o1", NULL};

	(void)state;
	AUTO_HEARD struct heard h = converse(steps, ARRAY_LEN(steps), &(struct run){.in = web, .argv = argv});
	came(&h, CLI_DONE,
		"-: web changed, version 4: 1 replica more\n"
		"@@ -1,3 +1,3 @@\n name: web\n command: [/bin/sleep, 60]\n-replicas: 2\n+replicas: 3\n",
		"");
	assert_string_equal(h.asked.v,
		"apply {\"files\":[{\"name\":\"-\",\"text\":\"name: web\\ncommand: [/bin/sleep, "
		"60]\\nreplicas: 3\\n\"}],\"op\":\"o1\"}\nwait {\"op\":\"o1\",\"wait_ms\":2000}\n");
}

/* A plan is shown, and nothing is waited for. */
static void a_plan_is_not_waited_for(void **state)
{
	static const struct step steps[] = {{applied, "-"}};
	static const char *const argv[] = {"apply", "-", "--dry-run", NULL};

	(void)state;
	AUTO_HEARD struct heard h = converse(steps, ARRAY_LEN(steps), &(struct run){.in = web, .argv = argv});
	assert_int_equal(h.ran.status, CLI_DONE);
	assert_null(strstr(h.asked.v, "wait "));
}

static void directories_are_read_in_order(void **state)
{
	static const struct step steps[] = {{told, "would"}};
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();

	(void)state;
	put(&d, "b.yaml", web);
	put(&d, "a.yml", db);
	put(&d, ".c.yaml", bad);
	put(&d, "d.txt", bad);
	AUTO_HEARD struct heard h = TALK(steps, "apply", d.path, "--dry-run", "--if-version", "3", "--op", "o1");
	came(&h, CLI_DONE, "would\n", "");
	assert_non_null(strstr(h.asked.v, "/a.yml\",\"text\":\"name: db"));
	assert_true(strstr(h.asked.v, "/a.yml") < strstr(h.asked.v, "/b.yaml"));
	assert_non_null(strstr(h.asked.v, "}],\"op\":\"o1\",\"if_version\":3,\"dry_run\":true}\n"));
	assert_null(strstr(h.asked.v, "Web"));
}

static void a_fault_anywhere_stops_all(void **state)
{
	static const struct step steps[] = {{told, ""}};
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	char good[128], wrong[128], want[256];

	(void)state;
	put(&d, "good.yaml", web);
	put(&d, "bad.yaml", bad);
	(void)snprintf(good, sizeof(good), "%s/good.yaml", d.path);
	(void)snprintf(wrong, sizeof(wrong), "%s/bad.yaml", d.path);
	AUTO_HEARD struct heard h = TALK(steps, "apply", good, wrong);
	AUTO_RAN struct ran check = RUN("/nowhere/sock", "check", good, wrong);
	AUTO_RAN struct ran fine = RUN("/nowhere/sock", "check", good);
	assert_string_equal(h.asked.v, "");
	assert_int_equal(h.ran.status, CLI_REFUSED);
	assert_string_equal(h.ran.err.v, check.err.v);
	assert_int_equal(check.status, CLI_REFUSED);
	(void)snprintf(want, sizeof(want), "%s:1: name: ", wrong);
	assert_non_null(strstr(check.err.v, want));
	(void)snprintf(want, sizeof(want), "%s:3: replica: ", wrong);
	assert_non_null(strstr(check.err.v, want));
	assert_int_equal(fine.status, CLI_DONE);
	(void)snprintf(want, sizeof(want), "%s: web is fine\n", good);
	assert_string_equal(fine.out.v, want);
}

static void what_is_no_file_is_told(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();

	(void)state;
	AUTO_RAN struct ran none = RUN(NULL, "check", "/nowhere/a.yaml"), empty = RUN(NULL, "check", d.path),
			    twice = run_covey(
				    &(struct run){.in = web, .argv = (const char *const[]){"check", "-", "-", NULL}});
	assert_int_equal(none.status, CLI_REFUSED);
	starts(none.err.v, "/nowhere/a.yaml: ");
	assert_int_equal(empty.status, CLI_REFUSED);
	assert_non_null(strstr(empty.err.v, "no *.yaml or *.yml in it"));
	assert_int_equal(twice.status, CLI_REFUSED); /* the second time it is empty */
	assert_non_null(strstr(twice.err.v, "standard input:"));
}

static void names_twice_are_found_over_files(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();

	(void)state;
	put(&d, "a.yaml", web);
	put(&d, "b.yaml", web);
	AUTO_RAN struct ran r = RUN(NULL, "check", d.path);
	assert_int_equal(r.status, CLI_REFUSED);
	assert_non_null(strstr(r.err.v, "name: "));
}

static void faulty(struct mp_writer *w, const char *file)
{
	mp_map(w, 4);
	mp_key_bool(w, "ok", false);
	mp_key_str(w, "code", "faults");
	mp_key_str(w, "error", "1 fault");
	mp_str(w, "faults");
	mp_array(w, 2);
	mp_map(w, 4);
	mp_key_str(w, "file", file);
	mp_key_int(w, "line", 7);
	mp_key_str(w, "key", "depends_on");
	mp_key_str(w, "text", "a circle: web, db, web");
	mp_map(w, 2);
	mp_key_str(w, "file", file);
	mp_key_str(w, "text", "too large");
}

static void faults_that_the_daemon_finds(void **state)
{
	static const struct step steps[] = {{faulty, "web.yaml"}};
	static const char *const argv[] = {"apply", "-", NULL};

	(void)state;
	AUTO_HEARD struct heard h = converse(steps, ARRAY_LEN(steps), &(struct run){.in = web, .argv = argv});
	came(&h, CLI_REFUSED, "", "web.yaml:7: depends_on: a circle: web, db, web\nweb.yaml: too large\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(apply_shows_what_it_replaced),
		cmocka_unit_test(a_plan_is_not_waited_for),
		cmocka_unit_test(directories_are_read_in_order),
		cmocka_unit_test(a_fault_anywhere_stops_all),
		cmocka_unit_test(what_is_no_file_is_told),
		cmocka_unit_test(names_twice_are_found_over_files),
		cmocka_unit_test(faults_that_the_daemon_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
