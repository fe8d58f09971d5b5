/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent's output on its way to disk: exact rotation, lines of any length and content, a disk that is full, and
 * memory that stays flat.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "supervisor/logs.h"
#include "tests/lib/shimkit.h"

static int open_bed(void **state)
{
	static struct kit k;

	kit_open(&k);
	*state = &k;
	return 0;
}

static int close_bed(void **state)
{
	kit_close(*state);
	return 0;
}

static void the_file_is_made_with_the_first_line(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "exit 0");
	kit_run(k, &p);
	(void)kit_end(k);
	assert_int_not_equal(access(k->log_path, F_OK), 0);
	kit_plan(k, &p, "echo now");
	kit_run(k, &p);
	(void)kit_end(k);
	assert_string_equal(kit_log(k, NULL), "now\n");
}

static void run_to_end(struct kit *k, struct kit_plan *p)
{
	kit_run(k, p);
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_EXITED);
	assert_int_equal(k->exit.code, 0);
}

/* All kept files one after the other, oldest first; each is checked to be whole lines and within the bound. */
static size_t read_all(struct kit *k, uint64_t max, char *out, size_t cap)
{
	size_t n = 0;

	for (int i = 20; i >= 0; i--) {
		char path[160];
		struct stat st;
		FILE *f;

		(void)snprintf(path, sizeof(path), i ? "%s.%d" : "%s", k->log_path, i);
		if (stat(path, &st) < 0)
			continue;
		assert_true((uint64_t)st.st_size <= max);
		f = fopen(path, "re");
		assert_non_null(f);
		n += fread(out + n, 1, cap - n, f);
		(void)fclose(f);
		assert_true(n == 0 || out[n - 1] == '\n');
	}
	return n;
}

static char all[8 << 20];

static void rotation_is_exact(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	int first, last = -1, lines = 0;

	/* 16-byte lines into files of 1000 bytes: 62 in each. */
	kit_plan(k, &p, "seq -f 'line %010.0f' 0 499");
	p.p.log_max_bytes = 1000;
	p.p.log_keep = 3;
	run_to_end(k, &p);
	all[read_all(k, 1000, all, sizeof(all))] = '\0';
	for (int i = 1; i <= 3; i++) {
		char path[160];
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s.%d", k->log_path, i);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, 62 * 16);
	}
	first = atoi(all + 5);
	for (char *at = all; *at; at += 16, lines++) {
		assert_memory_equal(at, "line ", 5);
		assert_int_equal(at[15], '\n');
		last = atoi(at + 5);
		assert_int_equal(last, first + lines);
	}
	assert_int_equal(last, 499);
	assert_int_equal(lines, 3 * 62 + 500 % 62);
}

static void without_files_to_keep_it_starts_again(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "seq -f 'line %010.0f' 0 99");
	p.p.log_max_bytes = 1600 - 16;
	p.p.log_keep = 0;
	run_to_end(k, &p);
	assert_string_equal(kit_log(k, NULL), "line 0000000099\n");
	assert_int_equal(k->exit.log_dropped_lines, 0);
}

static void a_log_goes_on_over_runs(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "printf 'no end'");
	run_to_end(k, &p);
	p.argv[2] = "echo second";
	run_to_end(k, &p);
	assert_string_equal(kit_log(k, NULL), "no end\nsecond\n");
}

/* Not time(): that is the clock of the last tick, and so before a stamp that was made just now. */
static time_t wall_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail on Linux */
	return t.tv_sec;
}

static void stamps_are_the_time(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char date[32];
	time_t now = wall_s(), later;
	const char *log;

	kit_plan(k, &p, "echo one; echo; printf three");
	p.p.flags |= SHIM_FLAG_LOG_TIMESTAMPS;
	run_to_end(k, &p);
	log = kit_log(k, NULL);
	later = wall_s();
	assert_int_equal(strlen(log), 3 * 28 + 4 + 1 + 6);
	(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", gmtime(&now));
	assert_true(strncmp(log, date, 19) >= 0);
	(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", gmtime(&later));
	assert_true(strncmp(log, date, 19) <= 0);
	assert_memory_equal(log + 26, "Z one\n", 6);
	assert_memory_equal(log + 32 + 26, "Z \n", 3);
	assert_string_equal(log + 32 + 29 + 26, "Z three\n");
}

static void many_short_lines_are_all_written_at_once(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	size_t n;

	kit_plan(k, &p, "printf '%1000s' | tr ' ' '\\n'; exec sleep 1000");
	p.p.flags |= SHIM_FLAG_LOG_TIMESTAMPS;
	kit_run(k, &p);
	WAIT_UNTIL((kit_log(k, &n), n == 1000 * 29), WAIT_BOUND_S);
	kit_stop(k, SIGKILL, 0, SHIM_WHY_STOPPED, "");
	(void)kit_end(k);
}

static void half_a_line_waits_for_its_end(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char path[200];

	(void)snprintf(path, sizeof(path), "printf 'one\\nhal'; while [ ! -e %s/go ]; do sleep 0.01; done; echo f",
		k->dir.path);
	kit_plan(k, &p, path);
	kit_run(k, &p);
	kit_wait_log(k, "one\n");
	assert_string_equal(kit_log(k, NULL), "one\n");
	kit_write(tmpdir_path(&k->dir, "go"), "");
	(void)kit_end(k);
	assert_string_equal(kit_log(k, NULL), "one\nhalf\n");
}

static void binary_passes(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	size_t n;
	const char *log;

	kit_plan(k, &p, "printf 'a\\000b\\377\\n\\000\\n\\r\\n'");
	run_to_end(k, &p);
	log = kit_log(k, &n);
	assert_int_equal(n, 9);
	assert_memory_equal(log, "a\0b\377\n\0\n\r\n", 9);
}

static void an_endless_line_is_cut(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	size_t n;
	const char *log;

	kit_plan(k, &p, "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end");
	p.p.log_max_bytes = 4 << 20;
	run_to_end(k, &p);
	log = kit_log(k, &n);
	assert_int_equal(n, 1000000 + 16 + 4);
	for (size_t at = 0; at + LOG_LINE_MAX < 1000000; at += LOG_LINE_MAX + 1) {
		assert_null(memchr(log + at, '\n', LOG_LINE_MAX));
		assert_int_equal(log[at + LOG_LINE_MAX], '\n');
	}
	assert_string_equal(log + n - 5, "\nend\n");
}

static long anonymous_kb(int pid)
{
	char path[64], line[256];
	long kb = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "Anonymous:", 10) == 0)
			kb = atol(line + 10);
	if (f)
		(void)fclose(f);
	return kb;
}

static void much_output_loses_nothing_and_gives_its_memory_back(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char script[256];
	size_t n;

	(void)snprintf(script, sizeof(script),
		"seq -f '%%07.0f %0100d' 0 49999; while [ ! -e %s/go ]; do sleep 0.01; done", 0, k->dir.path);
	kit_plan(k, &p, script);
	p.p.log_max_bytes = 2 << 20;
	p.p.log_keep = 20;
	kit_run(k, &p);
	WAIT_UNTIL(k->hello.log_bytes == 50000 * 109 || (kit_send(k, SHIM_QUERY, NULL, 0), kit_poll(k, 1000), false),
		WAIT_BOUND_S);
	WAIT_UNTIL(anonymous_kb(k->pid) < 60, WAIT_BOUND_S); /* as much as it had before: data and stack */
	kit_write(tmpdir_path(&k->dir, "go"), "");
	(void)kit_end(k);
	n = read_all(k, 2 << 20, all, sizeof(all));
	assert_int_equal(k->exit.log_dropped_lines, 0);
	assert_int_equal(n, 50000 * 109);
	for (size_t i = 0; i < 50000; i++)
		assert_int_equal(atoi(all + i * 109), i);
}

static void closed_outputs_are_no_end(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "echo first; exec >&- 2>&-; exec sleep 1000");
	kit_run(k, &p);
	kit_wait_log(k, "first\n");
	kit_send(k, SHIM_QUERY, NULL, 0);
	kit_until(k, SHIM_HELLO);
	assert_int_equal(k->hello.state, SHIM_RUNNING);
	kit_stop(k, SIGTERM, 20000, SHIM_WHY_STOPPED, "");
	assert_int_equal(kit_end(k)->signal, SIGTERM);
}

static void outputs_can_be_opened_by_name(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "echo out >/dev/stdout; echo err >/dev/stderr");
	run_to_end(k, &p);
	assert_string_equal(kit_log(k, NULL), "out\nerr\n");
}

/* A tiny disk of the bed's own, which the log is on. */
static void mount_disk(struct kit *k, const char *options)
{
	assert_int_equal(mkdir(tmpdir_path(&k->dir, "disk"), 0755), 0);
	if (mount("tmpfs", k->dir.joined, "tmpfs", 0, options) < 0)
		TEST_SKIP_ALL("mount of a tmpfs");
	(void)snprintf(k->log_path, sizeof(k->log_path), "%s/disk/web.log", k->dir.path);
}

static void a_full_disk_drops_whole_lines_and_says_so(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char script[400], *note;
	int written = 0, dropped;

	mount_disk(k, "size=64k");
	kit_write(tmpdir_path(&k->dir, "disk/ballast"), "");
	(void)snprintf(script, sizeof(script),
		"seq -f 'line %%09.0f' 0 9999; while [ ! -e %s/go ]; do sleep 0.01; done; echo after", k->dir.path);
	kit_plan(k, &p, script);
	kit_run(k, &p);
	WAIT_UNTIL(k->hello.log_dropped_lines > 0 && k->hello.log_bytes == 150000
			   ? true
			   : (kit_send(k, SHIM_QUERY, NULL, 0), kit_poll(k, 1000), false),
		WAIT_BOUND_S);
	assert_int_equal(mount("tmpfs", tmpdir_path(&k->dir, "disk"), "tmpfs", MS_REMOUNT, "size=4m"), 0);
	kit_write(tmpdir_path(&k->dir, "go"), "");
	(void)kit_end(k);
	all[read_all(k, 1 << 20, all, sizeof(all))] = '\0';
	for (char *at = all; strncmp(at, "line ", 5) == 0; at += 15, written++)
		assert_int_equal(atoi(at + 5), written);
	note = all + (size_t)written * 15; /* behind the last whole line */
	dropped = atoi(note + 7);
	assert_int_equal(written + dropped, 10000);
	assert_int_equal(dropped, k->exit.log_dropped_lines);
	(void)snprintf(script, sizeof(script), "covey: %d lines dropped: No space left on device\nafter\n", dropped);
	assert_string_equal(note, script);
	assert_int_equal(umount(tmpdir_path(&k->dir, "disk")), 0);
}

static void a_disk_full_from_the_start_stops_nobody(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	mount_disk(k, "size=4k,nr_inodes=1");
	kit_plan(k, &p, "echo lost; exit 4");
	kit_run(k, &p);
	assert_int_equal(kit_end(k)->code, 4);
	assert_int_equal(k->exit.log_dropped_lines, 1);
	assert_int_equal(umount(tmpdir_path(&k->dir, "disk")), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_bed, close_bed)
	const struct CMUnitTest tests[] = {
		CASE(the_file_is_made_with_the_first_line),
		CASE(rotation_is_exact),
		CASE(without_files_to_keep_it_starts_again),
		CASE(a_log_goes_on_over_runs),
		CASE(stamps_are_the_time),
		CASE(many_short_lines_are_all_written_at_once),
		CASE(half_a_line_waits_for_its_end),
		CASE(binary_passes),
		CASE(an_endless_line_is_cut),
		CASE(much_output_loses_nothing_and_gives_its_memory_back),
		CASE(closed_outputs_are_no_end),
		CASE(outputs_can_be_opened_by_name),
		CASE(a_full_disk_drops_whole_lines_and_says_so),
		CASE(a_disk_full_from_the_start_stops_nobody),
	};

	if (getenv("CASE"))
		cmocka_set_test_filter(getenv("CASE"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
