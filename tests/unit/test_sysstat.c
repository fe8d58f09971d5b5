/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/sysstat: what a /proc of files says, what a kernel without some of them leaves unknown, and that the real one
 * can be read.
 */
#include "node/sysstat.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

static void put(struct tmpdir *d, const char *name, const char *text)
{
	FILE *f = fopen(tmpdir_path(d, name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void test_a_host(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	int64_t tick_us = 1000000 / sysconf(_SC_CLK_TCK);
	struct sysstat_host h = {0};

	(void)state;
	put(&d, "stat", "cpu  100 10 50 1000 200 1 2 3 40 0\ncpu0 1 2 3\n");
	put(&d, "meminfo",
		"MemTotal:  1000 kB\nMemFree: 5 kB\nMemAvailable:  600 kB\nSwapTotal: 30 kB\nSwapFree: 20 kB\n");
	put(&d, "loadavg", "0.50 1.25 2.00 1/100 4711\n");
	put(&d, "uptime", "12.34 20.00\n");
	assert_int_equal(mkdir(tmpdir_path(&d, "pressure"), 0700), 0);
	put(&d, "pressure/cpu", "some avg10=1.50 avg60=0.00 avg300=0.00 total=5\n");
	put(&d, "pressure/io", "full avg10=1.50 avg60=0.00 avg300=0.00 total=5\n");
	sysstat_host_from(d.path, d.path, &h);
	assert_int_equal(h.cpu_total_us, 1366 * tick_us);
	assert_int_equal(h.cpu_busy_us, 166 * tick_us);
	assert_int_equal(h.memory_total_bytes, 1000 * 1024);
	assert_int_equal(h.memory_available_bytes, 600 * 1024);
	assert_int_equal(h.swap_total_bytes, 30 * 1024);
	assert_int_equal(h.swap_free_bytes, 20 * 1024);
	assert_true(h.load1 == 0.5 && h.load5 == 1.25 && h.load15 == 2);
	assert_true(h.pressure_cpu == 1.5);
	assert_true(h.pressure_memory == -1);
	assert_true(h.pressure_io == -1);
	assert_int_equal(h.uptime_ms, 12340);
	assert_true(h.disk_total_bytes > 0);
	assert_true(h.disk_free_bytes >= 0 && h.disk_free_bytes <= h.disk_total_bytes);
	assert_true(h.cpus >= 1);
}

/* Whatever cannot be read is not known, and never 0; the rest is told. */
static void test_what_is_not_there_is_unknown(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct sysstat_host h = {0};

	(void)state;
	sysstat_host_from(d.path, "/nonexistent", &h);
	assert_int_equal(h.cpu_busy_us, -1);
	assert_int_equal(h.cpu_total_us, -1);
	assert_int_equal(h.memory_total_bytes, -1);
	assert_int_equal(h.memory_available_bytes, -1);
	assert_int_equal(h.swap_total_bytes, -1);
	assert_int_equal(h.swap_free_bytes, -1);
	assert_int_equal(h.uptime_ms, -1);
	assert_int_equal(h.disk_total_bytes, -1);
	assert_int_equal(h.disk_free_bytes, -1);
	assert_true(h.load1 == -1 && h.load5 == -1 && h.load15 == -1);
	assert_true(h.pressure_cpu == -1 && h.pressure_memory == -1 && h.pressure_io == -1);
	assert_true(h.cpus >= 1); /* it is not read from there */
	put(&d, "stat", "intr 5\n");
	put(&d, "meminfo", "MemTotal:  1000 kB\n");
	put(&d, "loadavg", "0.50 1.25");
	sysstat_host_from(d.path, "/nonexistent", &h);
	assert_int_equal(h.cpu_busy_us, -1);
	assert_int_equal(h.memory_total_bytes, 1000 * 1024);
	assert_int_equal(h.memory_available_bytes, -1);
	assert_true(h.load1 == 0.5 && h.load5 == 1.25 && h.load15 == -1);
	put(&d, "stat", "cpu 1 2");
	sysstat_host_from(d.path, d.path, &h);
	assert_int_equal(h.cpu_total_us, 3 * (1000000 / sysconf(_SC_CLK_TCK)));
	assert_true(h.disk_total_bytes > 0);
}

static void test_a_file_that_cannot_be_read(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct sysstat_host h = {0};
	struct sysstat_self self = {0};

	(void)state;
	assert_int_equal(mkdir(tmpdir_path(&d, "stat"), 0700), 0); /* opens, and fails to be read */
	assert_int_equal(mkdir(tmpdir_path(&d, "status"), 0700), 0);
	sysstat_host_from(d.path, d.path, &h);
	assert_int_equal(h.cpu_total_us, -1);
	sysstat_self_from(d.path, &self);
	assert_int_equal(self.rss_bytes, -1);
	assert_int_equal(self.threads, -1);
	assert_int_equal(self.fds, -1);
	assert_true(self.cpu_us > 0); /* from its clock */
}

static void test_this_host(void **state)
{
	struct sysstat_host h;

	(void)state;
	sysstat_host("/", &h);
	assert_true(h.cpu_busy_us > 0 && h.cpu_busy_us <= h.cpu_total_us);
	assert_true(h.memory_available_bytes > 0 && h.memory_available_bytes <= h.memory_total_bytes);
	assert_true(h.uptime_ms > 0);
}

static void test_this_process(void **state)
{
	struct sysstat_self before, after;
	int fd;

	(void)state;
	sysstat_self(&before);
	assert_true(before.cpu_us > 0);
	assert_true(before.rss_bytes > 100000);
	assert_true(before.threads >= 1);
	fd = open("/", O_RDONLY | O_CLOEXEC);
	sysstat_self(&after);
	assert_int_equal(after.fds, before.fds + 1);
	assert_true(after.cpu_us >= before.cpu_us);
	assert_int_equal(close(fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_host),
		cmocka_unit_test(test_what_is_not_there_is_unknown),
		cmocka_unit_test(test_a_file_that_cannot_be_read),
		cmocka_unit_test(test_this_host),
		cmocka_unit_test(test_this_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
