/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor/replica_explain: every way a run can end, and the sentence and reason that people read.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/rng.h"
#include "base/units.h"
#include "supervisor/replica.h"
#include "tests/lib/trace.h"

static const struct agent_spec spec = {
	.name = "web", .resources = {.memory_max_bytes = 256 << 20}, .stop_timeout_ms = 10000};

struct end {
	struct shim_exit x;
	const char *refused;
};

/* "reason code signal: text" of each. */
static void told(const struct agent_spec *s, const struct end *v, size_t n, const char *expected, int line)
{
	static struct trace t;
	struct replica_exit ret;

	t.n = 0;
	for (size_t i = 0; i < n; i++) {
		replica_explain_exit(s, &v[i].x, v[i].refused, &ret);
		trace_add(&t, "%s %d %d: %s\n", replica_reason_name(ret.reason), ret.code, ret.signal, ret.text);
		assert_int_equal(ret.at_wall_ms, v[i].x.ended_wall_ms);
	}
	trace_is(&t, expected, __FILE__, line);
}
#define TRACE_IS_TOLD(s, v, expected) told(s, v, ARRAY_LEN(v), expected, __LINE__)

static void test_ends_by_itself(void **state)
{
	static const struct end v[] = {
		{{.kind = SHIM_EXITED, .ended_wall_ms = 5}, NULL},
		{{.kind = SHIM_EXITED, .code = 3}, NULL},
		{{.kind = SHIM_EXITED, .code = 1, .oom_kills = 2}, NULL},
		{{.kind = SHIM_EXITED, .code = 1, .leftovers = 1}, NULL},
		{{.kind = SHIM_SIGNALED, .signal = SIGSEGV}, NULL},
		{{.kind = SHIM_SIGNALED, .signal = SIGKILL, .leftovers = 3}, NULL},
		{{.kind = SHIM_SIGNALED, .signal = SIGKILL, .oom_kills = 1}, NULL},
		{{.kind = SHIM_SIGNALED, .signal = SIGTERM, .oom_kills = 1}, NULL},
		{{.kind = SHIM_SIGNALED, .signal = SIGSYS, .killed_by_seccomp = 1, .refused = {.total = 1}}, "mount"},
		{{.kind = SHIM_SIGNALED, .signal = SIGSYS, .killed_by_seccomp = 1}, NULL},
		{{.kind = SHIM_EXITED, .code = 1, .refused = {.total = 1}}, "mount"},
		{{.kind = SHIM_EXITED, .code = 1, .refused = {.total = 7}}, "keyctl"},
		{{.kind = SHIM_EXITED, .code = 1, .refused = {.total = 7}}, NULL},
		{{.kind = SHIM_FENCED, .signal = SIGKILL}, NULL},
	};

	(void)state;
	TRACE_IS_TOLD(&spec, v,
		"exited 0 0: exited with code 0\n"
		"exited 3 0: exited with code 3\n"
		"exited 1 0: exited with code 1 after its memory limit of 256M had killed 2 of its processes\n"
		"exited 1 0: exited with code 1; 1 left-over process killed\n"
		"signal -1 11: killed by signal SEGV (not sent by covey)\n"
		"signal -1 9: killed by signal KILL (not sent by covey); 3 left-over processes killed\n"
		"oom -1 9: killed at its memory limit of 256M\n"
		"signal -1 15: killed by signal TERM (not sent by covey)\n"
		"seccomp -1 31: refused system call: mount; killed\n"
		"seccomp -1 31: refused system call: unknown; killed\n"
		"exited 1 0: exited with code 1; 1 system call was refused (mount)\n"
		"exited 1 0: exited with code 1; 7 system calls were refused (last: keyctl)\n"
		"exited 1 0: exited with code 1; 7 system calls were refused\n"
		"fenced -1 0: killed because its lease had run out\n");
}

static void test_out_of_memory_without_a_limit(void **state)
{
	static const struct agent_spec unlimited = {.name = "web"};
	static const struct end v[] = {
		{{.kind = SHIM_SIGNALED, .signal = SIGKILL, .oom_kills = 1}, NULL},
		{{.kind = SHIM_EXITED, .code = 1, .oom_kills = 1}, NULL},
	};

	(void)state;
	TRACE_IS_TOLD(&unlimited, v,
		"oom -1 9: killed by the kernel because the host had no memory left\n"
		"exited 1 0: exited with code 1\n");
}

static void test_ends_by_covey(void **state)
{
	static const struct end v[] = {
		{{.kind = SHIM_SIGNALED, .signal = SIGTERM, .why = SHIM_WHY_STOPPED}, NULL},
		{{.kind = SHIM_EXITED, .why = SHIM_WHY_STOPPED, .why_text = "asked by an operator"}, NULL},
		{{.kind = SHIM_EXITED, .code = 4, .why = SHIM_WHY_STOPPED, .why_text = "scaled down"}, NULL},
		{{.kind = SHIM_SIGNALED,
			 .signal = SIGKILL,
			 .why = SHIM_WHY_UPDATE,
			 .escalated = 1,
			 .why_text = "its definition has changed"},
			NULL},
		{{.kind = SHIM_SIGNALED, .signal = SIGKILL, .why = SHIM_WHY_STOPPED, .escalated = 1, .oom_kills = 1},
			NULL},
		{{.kind = SHIM_SIGNALED, .signal = SIGTERM, .why = SHIM_WHY_RESTART}, NULL},
		{{.kind = SHIM_SIGNALED,
			 .signal = SIGTERM,
			 .why = SHIM_WHY_HEALTH,
			 .why_text = "liveness probe failed 3 times: refused"},
			NULL},
		{{.kind = SHIM_EXITED, .why = SHIM_WHY_WATCHDOG, .escalated = 1, .why_text = "no WATCHDOG=1 for 30s"},
			NULL},
		{{.kind = SHIM_EXITED, .why = SHIM_WHY_HEALTH}, NULL},
	};

	(void)state;
	TRACE_IS_TOLD(&spec, v,
		"stopped -1 15: stopped\n"
		"stopped 0 0: stopped: asked by an operator\n"
		"stopped 4 0: stopped: scaled down; exited with code 4\n"
		"stopped -1 9: stopped: its definition has changed; did not stop within 10s, killed\n"
		"stopped -1 9: stopped; did not stop within 10s, killed\n"
		"stopped -1 15: stopped\n"
		"health -1 15: liveness probe failed 3 times: refused\n"
		"health 0 0: no WATCHDOG=1 for 30s; did not stop within 10s, killed\n"
		"health 0 0: unhealthy\n");
}

static void test_starts_that_failed(void **state)
{
	static struct end v[SHIM_STAGE_MAX + 3];

	(void)state;
	for (uint32_t i = 0; i < ARRAY_LEN(v); i++)
		v[i].x = (struct shim_exit){.kind = SHIM_START_FAILED, .stage = i, .error = ENOENT, .detail = "/x"};
	v[SHIM_STAGE_FORK].x.detail[0] = '\0';
	v[SHIM_STAGE_SECCOMP].x.error = 0;
	v[SHIM_STAGE_MAX].x = (struct shim_exit){
		.kind = SHIM_START_FAILED, .stage = SHIM_STAGE_EXEC, .error = ENOEXEC, .detail = "a\nb"};
	TRACE_IS_TOLD(&spec, v,
		"start-failed -1 0: start failed: /x\n"
		"start-failed -1 0: start failed: read the plan '/x': No such file or directory\n"
		"start-failed -1 0: start failed: make the shim's socket '/x': No such file or directory\n"
		"start-failed -1 0: start failed: prepare cgroup '/x': No such file or directory\n"
		"start-failed -1 0: start failed: open log '/x': No such file or directory\n"
		"start-failed -1 0: start failed: fork: No such file or directory\n"
		"start-failed -1 0: start failed: enter cgroup '/x': No such file or directory\n"
		"start-failed -1 0: start failed: set resource limit '/x': No such file or directory\n"
		"start-failed -1 0: start failed: make namespace '/x': No such file or directory\n"
		"start-failed -1 0: start failed: mount '/x': No such file or directory\n"
		"start-failed -1 0: start failed: change to directory '/x': No such file or directory\n"
		"start-failed -1 0: start failed: become user '/x': No such file or directory\n"
		"start-failed -1 0: start failed: drop capabilities '/x': No such file or directory\n"
		"start-failed -1 0: start failed: restrict writing by Landlock '/x': No such file or directory\n"
		"start-failed -1 0: start failed: load the seccomp filter '/x'\n"
		"start-failed -1 0: start failed: exec '/x': No such file or directory\n"
		"start-failed -1 0: start failed: exec 'a b': Exec format error\n"
		"start-failed -1 0: start failed: unknown step '/x': No such file or directory\n"
		"start-failed -1 0: start failed: unknown step '/x': No such file or directory\n");
}

/* A record from a damaged file is told as well as it can be, and nothing is read past its strings. */
static void test_garbage(void **state)
{
	static struct end v[3];
	struct replica_exit ret;
	struct rng rng;

	(void)state;
	v[0].x.kind = 77;
	v[1].x = (struct shim_exit){.kind = SHIM_SIGNALED, .signal = 9999, .why = SHIM_WHY_MAX};
	v[2].x = (struct shim_exit){.kind = SHIM_START_FAILED, .stage = SHIM_STAGE_MAX, .error = 12345};
	TRACE_IS_TOLD(&spec, v,
		"signal -1 0: ended in a way that its record does not tell (kind 77)\n"
		"signal -1 9999: killed by signal 9999 (not sent by covey)\n"
		"start-failed -1 0: start failed: unknown step: Unknown error 12345\n");
	rng_seed(&rng, 3);
	for (int i = 0; i < 20000; i++) {
		struct shim_exit *x = &v[0].x;

		for (size_t n = 0; n < sizeof(*x) / 8; n++)
			((uint64_t *)(void *)x)[n] = rng_u64(&rng) | 0x0101010101010101;
		x->kind = (uint32_t)rng_below(&rng, 6);
		x->why = (uint32_t)rng_below(&rng, 8);
		x->killed_by_seccomp = rng_below(&rng, 4) == 0;
		replica_explain_exit(&spec, x, rng_below(&rng, 2) ? "mount" : NULL, &ret);
		assert_true(strnlen(ret.text, sizeof(ret.text)) < sizeof(ret.text));
		assert_true(ret.text[0] && ret.reason != REASON_NONE && ret.reason < REASON_MAX);
	}
}

static void test_names_and_spans(void **state)
{
	static const int64_t spans[] = {-1, 0, 1, 999, 1000, 1050, 1100, 1500, 4250, 9999, 10000, 61000};
	char out[UNITS_TEXT_MAX];
	static struct trace t;

	(void)state;
	assert_string_equal(replica_signal_name(SIGKILL, out, sizeof(out)), "KILL");
	assert_string_equal(replica_signal_name(SIGRTMIN + 3, out, sizeof(out)), "RTMIN+3");
	assert_string_equal(replica_signal_name(0, out, sizeof(out)), "0");
	assert_string_equal(replica_signal_name(-5, out, sizeof(out)), "-5");
	assert_null(replica_reason_name(REASON_MAX));
	assert_null(replica_state_name(REPLICA_STATE_MAX));
	assert_string_equal(replica_state_name(REPLICA_LOST), "lost");
	for (size_t i = 0; i < ARRAY_LEN(spans); i++)
		trace_add(&t, "%s ", replica_span(out, spans[i]));
	TRACE_IS(&t, "0ms 0ms 1ms 999ms 1s 1s 1.1s 1.5s 4.2s 9.9s 10s 1m01s ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends_by_itself),
		cmocka_unit_test(test_out_of_memory_without_a_limit),
		cmocka_unit_test(test_ends_by_covey),
		cmocka_unit_test(test_starts_that_failed),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_names_and_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
