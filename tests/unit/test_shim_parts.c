/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small pure parts of the shim: text without stdio, sd_notify's datagrams, what a seccomp filter will say, and
 * when a fuse burns.
 */
#include <string.h>
#include <sys/syscall.h>

#include "base/util.h"
#include "supervisor/shim/bpf.h"
#include "supervisor/shim/fusejudge.h"
#include "supervisor/shim/notifymsg.h"
#include "supervisor/shim/text.h"
#include "supervisor/shim_proto.h"
#include "tests/lib/test.h"

static void text_is_bounded(void **state)
{
	char v[8];
	struct text t = TEXT_OVER(v);

	(void)state;
	text_str(&t, "ab");
	text_u64(&t, 0);
	text_u64(&t, 1234);
	assert_string_equal(v, "ab01234");
	assert_false(t.cut);
	text_str(&t, "x");
	assert_string_equal(v, "ab01234");
	assert_true(t.cut);
}

static void numbers_are_read(void **state)
{
	size_t used;
	uint64_t v;

	(void)state;
	assert_int_equal(text_to_u64("42x", 3, &used), 42);
	assert_int_equal(used, 2);
	(void)text_to_u64("x", 1, &used);
	assert_int_equal(used, 0);
	assert_true(text_to_u64("18446744073709551615", 20, &used) == UINT64_MAX);
	assert_int_equal(used, 20);
	(void)text_to_u64("18446744073709551616", 20, &used);
	assert_int_equal(used, 19);
	assert_true(text_to_hex64("00c0FFee00000001", 16, &v));
	assert_int_equal(v, 0xc0ffee00000001);
	assert_false(text_to_hex64("00c0FFee0000000g", 16, &v));
	assert_false(text_to_hex64("0", 1, &v));
	assert_true(text_find_u64("oom_kill_disable 7\nunder_oom 0\noom_kill 3\n", "oom_kill", &v));
	assert_int_equal(v, 3);
	assert_false(text_find_u64("oom_kill_disable 7\n", "oom_kill", &v));
	assert_false(text_find_u64("oom_kill x\n", "oom_kill", &v));
}

static bool say(const char *text, struct shim_notify *said, bool *ret_watchdog)
{
	return notifymsg_take(text, strlen(text), said, ret_watchdog);
}

static void notify_messages(void **state)
{
	struct shim_notify said = {0};
	bool watchdog;

	(void)state;
	assert_true(say("READY=1\nSTATUS=3 of 4 up\nMAINPID=77", &said, &watchdog));
	assert_int_equal(said.ready, 1);
	assert_int_equal(said.main_pid, 77);
	assert_string_equal(said.status, "3 of 4 up");
	assert_false(watchdog);
	assert_true(say("WATCHDOG=1\n", &said, &watchdog));
	assert_true(watchdog);
	assert_true(say("STOPPING=1", &said, &watchdog));
	assert_int_equal(said.stopping, 1);
	assert_true(say("STATUS=", &said, &watchdog));
	assert_string_equal(said.status, "");
}

static void notify_garbage(void **state)
{
	static const char *const none[] = {"", "\n\n\n", "READY", "READY=", "READY=0", "READY=11", "XREADY=1",
		"MAINPID=0", "MAINPID=-1", "MAINPID=99999999999999999999", "MAINPID=1x", "=", "WATCHDOG=trigger",
		"RELOADING=1"};
	struct shim_notify said = {0}, zero = {0};
	bool watchdog;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		assert_false(say(none[i], &said, &watchdog));
		assert_memory_equal(&said, &zero, sizeof(said));
		assert_false(watchdog);
	}
	assert_true(say("garbage\n\x01\xff\nREADY=1\nSTATUS=a\tb\x1b[31m", &said, &watchdog));
	assert_int_equal(said.ready, 1);
	assert_string_equal(said.status, "a b [31m");
}

static void a_long_status_is_cut_between_characters(void **state)
{
	struct shim_notify said = {0};
	char text[400] = "STATUS=";
	bool watchdog;

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(text, "\u00e9"); /* two bytes each */
	assert_true(say(text, &said, &watchdog));
	assert_int_equal(strlen(said.status), 126);
}

static void verdicts_of_a_filter(void **state)
{
	const struct k_sock_filter v[] = {
		{0x20, 0, 0, 4}, /* arch */
		{0x15, 1, 0, K_AUDIT_ARCH},
		{0x06, 0, 0, 0}, /* kill */
		{0x20, 0, 0, 0}, /* nr */
		{0x35, 0, 1, 100000},
		{0x06, 0, 0, 0x00050001},
		{0x15, 2, 0, SYS_execve},
		{0x15, 2, 0, SYS_mount},
		{0x05, 0, 0, 2},
		{0x06, 0, 0, K_SECCOMP_RET_ALLOW},
		{0x06, 0, 0, K_SECCOMP_RET_USER_NOTIF},
		{0x06, 0, 0, K_SECCOMP_RET_LOG},
	};

	(void)state;
	assert_true(bpf_allows(v, ARRAY_LEN(v), SYS_execve));
	assert_false(bpf_allows(v, ARRAY_LEN(v), SYS_mount));
	assert_true(bpf_allows(v, ARRAY_LEN(v), SYS_read)); /* logged, and goes through */
	assert_int_equal(bpf_verdict(v, ARRAY_LEN(v), 100000), 0x00050000);
	assert_false(bpf_allows(v, 3, SYS_execve));				 /* runs off its end */
	assert_false(bpf_allows(&(struct k_sock_filter){0x28, 0, 0, 0}, 1, 0));	 /* not followed */
	assert_false(bpf_allows(&(struct k_sock_filter){0x20, 0, 0, 62}, 1, 0)); /* past its data */
}

static struct fuse_view lease(void)
{
	return (struct fuse_view){
		.deadline_ns = 2000, .boot_ns = 1999, .mono_ns = 999, .slept_ns = 1000, .has_rtc = true};
}

static void a_fuse_burns_when_it_must(void **state)
{
	struct fuse_view v = lease();

	(void)state;
	assert_int_equal(fusejudge(&v), FUSE_HOLDS);
	v.boot_ns = 2000;
	v.mono_ns = 1000;
	assert_int_equal(fusejudge(&v), FUSE_EXPIRED);
	v = lease();
	v.deadline_ns = INT64_MAX - 1; /* a sleep ends it whatever the deadline */
	v.boot_ns += FUSE_SLEEP_MIN_NS + 1;
	assert_int_equal(fusejudge(&v), FUSE_RESUMED);
	v.boot_ns--;
	assert_int_equal(fusejudge(&v), FUSE_HOLDS);
	v = lease();
	v.clock_was_set = true; /* a step is no sleep, if that can be told */
	assert_int_equal(fusejudge(&v), FUSE_HOLDS);
	v.has_rtc = false;
	assert_int_equal(fusejudge(&v), FUSE_UNSURE);
	v.deadline_ns = SHIM_LEASE_UNARMED;
	v.boot_ns += 3600000000000;
	assert_int_equal(fusejudge(&v), FUSE_HOLDS);
	for (int i = 0; i < FUSE_VERDICT_MAX; i++)
		assert_non_null(fusejudge_text((enum fuse_verdict)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_bounded),
		cmocka_unit_test(numbers_are_read),
		cmocka_unit_test(notify_messages),
		cmocka_unit_test(notify_garbage),
		cmocka_unit_test(a_long_status_is_cut_between_characters),
		cmocka_unit_test(verdicts_of_a_filter),
		cmocka_unit_test(a_fuse_burns_when_it_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
