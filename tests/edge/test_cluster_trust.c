/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is let in, and who is not: names that are taken, other clusters, copied data directories, certificates. Each
 * refusal is told on the node that refuses and on the one that is refused; nothing else changes.
 */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/cluster_bed.h"

static struct cluster_bed bed, guest; /* the guest: one more node, that knows the bed's addresses */
static struct pki_bed pki;

static int end(void **state)
{
	(void)state;
	cluster_bed_done(&guest);
	cluster_bed_done(&bed);
	if (*pki.dir.path)
		tmpdir_remove(&pki.dir);
	pki = (struct pki_bed){0};
	return 0;
}

static void begin(const char *guest_name, bool tls)
{
	if (tls) {
		pki.dir = tmpdir_make();
		pki_bed_authority(&pki, "ca", cluster_bed_wall_ms());
		pki_bed_authority(&pki, "other", cluster_bed_wall_ms());
	}
	cluster_bed_init(&bed, 2, tls ? &pki : NULL);
	cluster_bed_init(&guest, 1, NULL);
	guest.pki = tls ? &pki : NULL;
	(void)snprintf(guest.v[0].name, sizeof(guest.v[0].name), "%s", guest_name); /* fits */
	cluster_bed_form(&bed);
}

static void guest_configure(const char *authority)
{
	if (authority)
		pki_bed_issue(&pki, authority, guest.v[0].name, cluster_bed_wall_ms());
	cluster_bed_configure(&guest, 0, bed.join, authority);
}

static const char *cluster_text(struct daemon_bed *d, const char *key)
{
	return daemon_text(mp_get(mp_get(daemon_call(d, "status", NULL), "result"), "cluster"), key);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

/* ---- names and identities ---- */

static void test_a_name_that_is_taken(void **state)
{
	char id[64];

	(void)state;
	begin("n2", false);
	(void)snprintf(id, sizeof(id), "%s", cluster_bed_field(&bed, 0, "n2", "id"));
	guest_configure(NULL);
	daemon_start(&guest.v[0]);
	WAIT_UNTIL(cluster_bed_told(&bed, 0, "name-taken", "another node calls itself n2", "refused"), WAIT_BOUND_S);
	WAIT_UNTIL(cluster_bed_told(&guest, 0, "name-taken", "another node calls itself n2", ""), WAIT_BOUND_S);
	assert_int_equal(cluster_bed_members(&bed, 0), 2);
	assert_string_equal(cluster_bed_field(&bed, 0, "n2", "id"), id);
	/* Once the old one is dead it has the name. */
	daemon_kill(&bed.v[1], SIGKILL);
	WAIT_UNTIL(cluster_bed_told(&bed, 0, "replaced", "the name n2 belongs to a new node now", ""), WAIT_BOUND_S);
	WAIT_UNTIL(strcmp(cluster_bed_state(&bed, 0, "n2"), "alive") == 0, WAIT_BOUND_S);
	assert_string_not_equal(cluster_bed_field(&bed, 0, "n2", "id"), id);
	assert_int_equal(cluster_bed_members(&bed, 0), 2);
}

static void test_another_cluster(void **state)
{
	char ours[64], theirs[64];

	(void)state;
	begin("n3", false);
	cluster_bed_configure(&guest, 0, "", NULL);
	daemon_start(&guest.v[0]);
	(void)cluster_bed_does(&guest, 0, "init", NULL); /* or the test has failed */
	(void)snprintf(ours, sizeof(ours), "%s", cluster_text(&bed.v[0], "id"));
	(void)snprintf(theirs, sizeof(theirs), "%s", cluster_text(&guest.v[0], "id"));
	assert_string_not_equal(ours, theirs);
	daemon_kill(&guest.v[0], SIGTERM);
	guest_configure(NULL);
	daemon_start(&guest.v[0]);
	WAIT_UNTIL(cluster_bed_told(&bed, 0, "link-refused", ours, theirs), WAIT_BOUND_S);
	WAIT_UNTIL(cluster_bed_told(&guest, 0, "link-refused", ours, theirs), WAIT_BOUND_S);
	assert_int_equal(cluster_bed_members(&bed, 0), 2);
	assert_int_equal(cluster_bed_members(&guest, 0), 1);
	assert_string_equal(cluster_text(&guest.v[0], "id"), theirs);
}

static void test_a_copied_data_directory(void **state)
{
	char command[512];

	(void)state;
	begin("n2", false);
	daemon_kill(&bed.v[1], SIGTERM);
	(void)snprintf(command, sizeof(command), "mkdir -p %s/data && cp %s/data/covey.db* %s/data",
		guest.v[0].dir.path, bed.v[1].dir.path, guest.v[0].dir.path);
	assert_int_equal(system(command), 0);
	daemon_start(&bed.v[1]);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive"), WAIT_BOUND_S);
	guest_configure(NULL);
	daemon_start(&guest.v[0]);
	WAIT_UNTIL(cluster_bed_told(&guest, 0, "cloned", "n2", "twice"), WAIT_BOUND_S);
	WAIT_UNTIL(cluster_bed_told(&bed, 1, "cloned", "n2", "twice"), WAIT_BOUND_S);
	assert_int_equal(cluster_bed_members(&bed, 0), 2);
}

static void begin_again(void)
{
	daemon_start(&bed.v[1]);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive"), WAIT_BOUND_S);
}

static void end_it(void)
{
	daemon_kill(&bed.v[1], SIGTERM);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive dead"), WAIT_BOUND_S);
}

/* n2 with its data directory as it is now, after this: as it was then. */
static void put_back_in_time(void (*meanwhile)(void))
{
	char command[512];

	(void)snprintf(command, sizeof(command), "cp -r %s/data %s/older", bed.v[1].dir.path, bed.v[1].dir.path);
	assert_int_equal(system(command), 0);
	meanwhile();
	(void)snprintf(command, sizeof(command), "rm -r %s/data && mv %s/older %s/data", bed.v[1].dir.path,
		bed.v[1].dir.path, bed.v[1].dir.path);
	assert_int_equal(system(command), 0);
	begin_again();
}

static void two_starts(void)
{
	for (int i = 0; i < 2; i++) {
		begin_again();
		end_it();
	}
}

/* As after a start under a clock that was decades ahead: no clock gives a number above this one. */
static void a_start_far_ahead(void)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(tmpdir_path(&bed.v[1].dir, "data/covey.db"), &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "UPDATE meta SET value = 2000000000 WHERE key = 'boot'", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	begin_again();
	end_it();
}

/* A disk that was taken back in time: its next start has a number that no start before had. */
static void test_an_older_data_directory(void **state)
{
	(void)state;
	begin("n3", false);
	end_it();
	put_back_in_time(two_starts);
	assert_false(cluster_bed_told(&bed, 1, "cloned", "n2", ""));
	end_it();
	put_back_in_time(a_start_far_ahead);
	WAIT_UNTIL(cluster_bed_told(&bed, 1, "cloned", "n2", "taken back in time"), WAIT_BOUND_S);
}

/* ---- certificates ---- */

static void wrong_authority(void)
{
	guest_configure("other");
	daemon_start(&guest.v[0]);
	WAIT_UNTIL(cluster_bed_told(&bed, 0, "link-refused", "no link from 127.0.0.1", ""), WAIT_BOUND_S);
	WAIT_UNTIL(cluster_bed_told(&guest, 0, "link-refused", "no link to 127.0.0.1", ""), WAIT_BOUND_S);
	has(cluster_text(&guest.v[0], "text"), "waiting for");
	daemon_kill(&guest.v[0], SIGTERM);
}

static void without_tls(void)
{
	guest.pki = NULL;
	guest_configure(NULL);
	daemon_start(&guest.v[0]);
	WAIT_UNTIL(daemon_logged(&guest.v[0], 0, "no link to 127.0.0.1", ""), WAIT_BOUND_S);
	has(cluster_text(&guest.v[0], "text"), "waiting for");
	daemon_kill(&guest.v[0], SIGTERM);
	guest.pki = &pki;
}

/* Said where people look; it joins once the file is right. */
static void for_another_name(void)
{
	char command[1024];

	pki_bed_issue(&pki, "ca", "n9", cluster_bed_wall_ms());
	guest_configure("ca");
	(void)snprintf(command, sizeof(command), "cd %s/ca && cp n9.pem n3.pem && cp n9.key n3.key", pki.dir.path);
	assert_int_equal(system(command), 0);
	daemon_start(&guest.v[0]);
	(void)snprintf(command, sizeof(command), "./coveyd --check -c %s/coveyd.yaml 2>&1 | grep -q n3.pem",
		guest.v[0].dir.path);
	assert_int_equal(system(command), 0);
	has(cluster_text(&guest.v[0], "text"), "n3.pem");
	has(cluster_bed_refused(&guest, 0, "init", NULL), "n3.pem");
	assert_true(daemon_logged(&guest.v[0], 0, "n3.pem", "tried again"));
	guest_configure("ca");
	WAIT_UNTIL(strcmp(cluster_bed_state(&bed, 0, "n3"), "alive") == 0, WAIT_BOUND_S);
	WAIT_UNTIL(cluster_bed_members(&guest, 0) == 3, WAIT_BOUND_S);
	assert_string_equal(cluster_text(&guest.v[0], "text"), "");
}

/* New ones for new links, old links go on; bad ones are not taken. */
static void read_again(void)
{
	struct pki_bed_paths p = pki_bed_paths(&pki, "ca", "n1");
	int64_t from = daemon_size(&bed.v[0], "coveyd.log");

	pki_bed_issue(&pki, "ca", "n1", cluster_bed_wall_ms());
	assert_true(daemon_ok(daemon_call(&bed.v[0], "reload", NULL)));
	daemon_kill(&guest.v[0], SIGKILL);
	daemon_start(&guest.v[0]);
	WAIT_UNTIL(cluster_bed_members(&guest, 0) == 3, WAIT_BOUND_S);
	pki_bed_write(p.cert, "no certificate\n");
	has(cluster_bed_refused(&bed, 0, "reload", NULL), "n1.pem");
	has(cluster_bed_refused(&bed, 0, "reload", NULL), "the certificates in use stay");
	assert_int_equal(kill(bed.v[0].pid, SIGHUP), 0);
	WAIT_UNTIL(daemon_logged(&bed.v[0], from, "reload: ", "the certificates in use stay"), WAIT_BOUND_S);
	daemon_kill(&guest.v[0], SIGKILL);
	daemon_start(&guest.v[0]);
	WAIT_UNTIL(cluster_bed_members(&guest, 0) == 3 && cluster_bed_all_see(&bed, "alive alive"), WAIT_BOUND_S);
	if (cluster_bed_was_late(&bed, 0) || cluster_bed_was_late(&bed, 1))
		return;
	assert_false(cluster_bed_told(&bed, 0, "dead", "n2 is dead", ""));
	assert_false(cluster_bed_told(&bed, 0, "suspect", "n2 is suspect", ""));
}

static void test_certificates(void **state)
{
	(void)state;
	begin("n3", true);
	wrong_authority();
	without_tls();
	for_another_name();
	read_again();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_a_name_that_is_taken, end),
		cmocka_unit_test_teardown(test_another_cluster, end),
		cmocka_unit_test_teardown(test_a_copied_data_directory, end),
		cmocka_unit_test_teardown(test_an_older_data_directory, end),
		cmocka_unit_test_teardown(test_certificates, end),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
