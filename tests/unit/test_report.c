/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reading verbs say of figures that could not be read: that they are not known, never 0.
 */
#include "node/report_priv.h"

#include "node/metrics.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

/* A host whose /proc and data_dir cannot be read. */
static struct report_host nothing_known(void)
{
	AUTO_TMPDIR struct tmpdir empty = tmpdir_make();
	struct report_host h = {.host_cores = -1, .self_cores = -1};

	sysstat_host_from(empty.path, "/nonexistent", &h.host);
	sysstat_self_from(empty.path, &h.self);
	h.host.cpus = 2; /* from the C library, and of this host */
	h.self.cpu_us = -1;
	return h;
}

static void says(const struct report_host *h, const char *json)
{
	struct bytes packed = {.max = 4096}, text = {.max = 4096};
	struct mp_writer w;
	struct mp_tree t;

	mp_writer_init(&w, &packed);
	mp_map(&w, 2);
	report_pack_host(&w, h);
	assert_int_equal(mp_read(&t, packed.v, packed.n, NULL), 0);
	assert_int_equal(mp_to_json(mp_root(&t), 0, &text), 0);
	assert_string_equal(text.v, json);
	mp_done(&t);
	bytes_done(&packed);
	bytes_done(&text);
}

static void test_what_cannot_be_read_is_null(void **state)
{
	struct report_host h = nothing_known();

	(void)state;
	says(&h, "{\"node\":{\"cpu_cores\":2,\"cpu_used_cores\":null,\"memory_bytes\":null,\"memory_used_bytes\":null,"
		 "\"load1\":null,\"disk_free_bytes\":null,\"disk_bytes\":null,\"pressure_cpu\":null,"
		 "\"pressure_memory\":null,\"pressure_io\":null},"
		 "\"daemon\":{\"cpu_cores\":null,\"memory_bytes\":null,\"fds\":null}}");
}

/* What is used follows from two figures: it needs both. */
static void test_what_can_be_read_is_told(void **state)
{
	struct report_host h = nothing_known();

	(void)state;
	h.host.memory_total_bytes = 1000;
	h.host.load1 = 0;
	h.self.fds = 12;
	h.self_cores = 0.5;
	says(&h, "{\"node\":{\"cpu_cores\":2,\"cpu_used_cores\":null,\"memory_bytes\":1000,\"memory_used_bytes\":null,"
		 "\"load1\":0,\"disk_free_bytes\":null,\"disk_bytes\":null,\"pressure_cpu\":null,"
		 "\"pressure_memory\":null,\"pressure_io\":null},"
		 "\"daemon\":{\"cpu_cores\":0.5,\"memory_bytes\":null,\"fds\":12}}");
	h.host.memory_available_bytes = 400;
	says(&h, "{\"node\":{\"cpu_cores\":2,\"cpu_used_cores\":null,\"memory_bytes\":1000,\"memory_used_bytes\":600,"
		 "\"load1\":0,\"disk_free_bytes\":null,\"disk_bytes\":null,\"pressure_cpu\":null,"
		 "\"pressure_memory\":null,\"pressure_io\":null},"
		 "\"daemon\":{\"cpu_cores\":0.5,\"memory_bytes\":null,\"fds\":12}}");
}

static void test_metrics_have_no_line_for_it(void **state)
{
	static const char *const none[] = {"cpu_seconds_total", "memory_bytes", "memory_available_bytes", "swap_bytes",
		"swap_free_bytes", "load1", "load5", "load15", "pressure_ratio", "disk_bytes", "disk_free_bytes",
		"uptime_seconds"};
	struct report_host h = nothing_known();
	const struct metrics_node node = {.node = "n1", .version = "1", .host = h.host, .self = h.self};
	struct bytes out = {.max = 65536};
	char line[96];

	(void)state;
	metrics_render(&node, NULL, 0, NULL, 0, &out);
	assert_false(out.failed);
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		(void)snprintf(line, sizeof(line), "\ncovey_node_%s ", none[i]);
		assert_null(strstr(out.v, line));
		(void)snprintf(line, sizeof(line), "\ncovey_node_%s{", none[i]);
		assert_null(strstr(out.v, line));
	}
	assert_null(strstr(out.v, "\ncovey_daemon_cpu_seconds_total "));
	assert_null(strstr(out.v, "\ncovey_daemon_memory_bytes "));
	assert_null(strstr(out.v, "\ncovey_daemon_fds "));
	assert_non_null(strstr(out.v, "\ncovey_node_cpus 2\n"));
	bytes_done(&out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_cannot_be_read_is_null),
		cmocka_unit_test(test_what_can_be_read_is_told),
		cmocka_unit_test(test_metrics_have_no_line_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
