/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profiles of seccomp as text: what each statement does, every fault with its file and line, and what the three
 * built-in files say about all the calls that there are.
 */
#include "supervisor/seccomp_impl.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/syscall.h>

#include "tests/lib/test.h"

/* One parse of its own. */
struct parsed {
	struct seccomp_groups groups;
	struct seccomp_profile profile;
	struct err e;
	int rc;
};

static void parse(struct parsed *p, const char *text)
{
	memset(p, 0, sizeof(*p));
	p->rc = seccomp_parse("x", text, strlen(text), &p->groups, &p->profile, &p->e);
}

static int verdict(const struct parsed *p, const char *call)
{
	return p->profile.verdict[seccomp_call_nr(call)];
}

static void test_statements(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, "# a comment\n"
		  "group @rw read # and\n"
		  "\twrite\n"
		  "\n"
		  "  # still the same statement\n"
		  "\tclose\n"
		  "group @all @rw mount\n"
		  "on-refusal kill\n"
		  "allow @all getpid\n"
		  "refuse close\n"
		  "absent clone3\n"
		  "allow socket if arg0 == 2\n"
		  "allow socket if arg0 == 0xa\n"
		  "allow clone if arg0 & 0x7e020000 == 0");
	assert_string_equal(p.e.text, "");
	assert_int_equal(p.rc, 0);
	assert_true(p.profile.kill);
	assert_int_equal(p.groups.n, 2);
	assert_int_equal(verdict(&p, "read"), SECCOMP_ALLOW);
	assert_int_equal(verdict(&p, "write"), SECCOMP_ALLOW);
	assert_int_equal(verdict(&p, "mount"), SECCOMP_ALLOW);
	assert_int_equal(verdict(&p, "getpid"), SECCOMP_ALLOW);
	assert_int_equal(verdict(&p, "close"), SECCOMP_REFUSE);
	assert_int_equal(verdict(&p, "umount2"), SECCOMP_REFUSE);
	assert_int_equal(verdict(&p, "clone3"), SECCOMP_ABSENT);
	assert_int_equal(verdict(&p, "socket"), SECCOMP_ALLOW_IF);
	assert_int_equal(p.profile.n_conds, 3);
	assert_int_equal(p.profile.conds[1].mask, UINT32_MAX);
	assert_int_equal(p.profile.conds[1].value, 10);
	assert_int_equal(p.profile.conds[2].mask, 0x7e020000);
	assert_int_equal(p.profile.conds[2].arg, 0);
}

static void test_later_counts(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, "allow socket if arg0 == 2\nallow socket\n");
	assert_int_equal(verdict(&p, "socket"), SECCOMP_ALLOW);
	assert_int_equal(p.profile.n_conds, 0);
	parse(&p, "allow socket\nallow socket if arg0 == 2\n");
	assert_int_equal(verdict(&p, "socket"), SECCOMP_ALLOW);
	assert_int_equal(p.profile.n_conds, 0);
	parse(&p, "allow socket if arg0 == 2\nrefuse socket\nallow clone if arg0 == 0\n");
	assert_int_equal(verdict(&p, "socket"), SECCOMP_REFUSE);
	assert_int_equal(p.profile.n_conds, 1);
}

static void test_calls_of_other_machines_are_skipped(void **state)
{
	struct parsed p;

	(void)state;
	assert_int_equal(seccomp_call_nr("s390_pci_mmio_read"), -ENOSYS);
	parse(&p, "allow s390_pci_mmio_read if arg0 == 1\nallow s390_pci_mmio_read\n");
	assert_int_equal(p.rc, 0);
	assert_int_equal(p.profile.n_conds, 0);
}

static const struct bad {
	const char *text, *says;
} bad[] = {
	{"permit read\n", "x:1: group, allow, refuse, absent or on-refusal expected, not permit"},
	{"\n\tread\n", "x:2: an indented line without a statement above"},
	{"allow read\n\treed\n", "x:2: there is no system call reed"},
	{"allow\n\n@files\n", "x:3: group, allow, refuse, absent or on-refusal expected, not @files"},
	{"allow @files\n", "x:1: no group above is called @files"},
	{"refuse @files\n", "x:1: no group above is called @files"},
	{"group @a @b\ngroup @b @a\n", "x:1: no group above is called @b"},
	{"group @a @a\n", "x:1: no group above is called @a"},
	{"group\nallow read\n", "x:1: group: a name like @files is missing"},
	{"group read\n", "x:1: group: a name like @files is missing"},
	{"group @\n", "x:1: group: a name like @files is missing"},
	{"group @a read\ngroup @a write\n", "x:2: group: there is one already called @a"},
	{"group @a234567890123456789012345678901\n", "x:1: group: name of more than 31 characters"},
	{"allow if arg0 == 1\n", "x:1: if: stands after one call"},
	{"allow read write if arg0 == 1\n", "x:1: if: stands after one call"},
	{"group @a read\nallow @a if arg0 == 1\n", "x:2: if: stands after one call"},
	{"allow clone if\nallow read\n", "x:1: if: arg0 to arg5 is missing"},
	{"allow clone if arg6 == 1\n", "x:1: if: arg0 to arg5 is missing"},
	{"allow clone if arg0 = 1\n", "x:1: if: == is missing"},
	{"allow clone if arg0\n", "x:1: if: == is missing"},
	{"allow clone if arg0 & x == 1\n", "x:1: if: a number is missing after &"},
	{"allow clone if arg0 == -1\n", "x:1: if: a number is missing after =="},
	{"allow clone if arg0 == 99999999999999999999\n", "x:1: if: a number is missing after =="},
	{"allow clone if arg0 == 1 2\n", "x:1: if: one condition a line; unexpected 2"},
	{"allow clone if arg0 & 1 == 2\n", "x:1: if: can never hold, the value has bits outside of the mask: 2"},
	{"allow clone if arg0 == 0x100000000\n",
		"x:1: if: can never hold, the value has bits outside of the mask: 0x100000000"},
	{"on-refusal\n", "x:1: on-refusal: eperm or kill"},
	{"on-refusal log\n", "x:1: on-refusal: eperm or kill"},
	{"on-refusal kill all\n", "x:1: on-refusal: unexpected all"},
	{"allow re\001ad\n", "x:1: a byte that is no text"},
	{"allow 1234567890123456789012345678901234567890123456789012345678901234\n",
		"x:1: a word of more than 63 characters"},
};

static void test_faults_say_file_and_line(void **state)
{
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		parse(&p, bad[i].text);
		assert_int_equal(p.rc, -EINVAL);
		assert_string_equal(p.e.text, bad[i].says);
	}
}

static void test_every_cut_of_a_good_file_is_read_or_refused(void **state)
{
	const char *text = seccomp_builtin("groups");
	struct parsed p = {0};

	(void)state;
	for (size_t n = 0; n < strlen(text); n += 7) {
		memset(&p, 0, sizeof(p));
		p.rc = seccomp_parse("x", text, n, &p.groups, &p.profile, &p.e);
		assert_true(p.rc == 0 || p.rc == -EINVAL);
	}
}

static void test_bounds(void **state)
{
	struct parsed p;
	char text[8192];
	size_t n = 0;

	(void)state;
	for (int i = 0; i <= SECCOMP_GROUPS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "group @g%d read\n", i);
	parse(&p, text);
	assert_string_equal(p.e.text, "x:65: group: more than 64 of them");
	n = 0;
	for (int i = 0; i <= SECCOMP_CONDS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "allow clone if arg1 == %d\n", i);
	parse(&p, text);
	assert_string_equal(p.e.text, "x:65: more than 64 lines with `if`");
}

static void load_builtin(struct parsed *p, const char *name)
{
	const char *groups = seccomp_builtin("groups"), *profile = seccomp_builtin(name);

	memset(p, 0, sizeof(*p));
	assert_int_equal(seccomp_parse("groups", groups, strlen(groups), &p->groups, NULL, &p->e), 0);
	assert_int_equal(seccomp_parse(name, profile, strlen(profile), &p->groups, &p->profile, &p->e), 0);
}

static void test_groups_file_defines_groups_alone(void **state)
{
	struct seccomp_groups g = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(seccomp_parse("groups", "allow read\n", 11, &g, NULL, &e), -EINVAL);
	assert_string_equal(e.text, "groups:1: this file may define groups alone, not allow");
}

/* Somebody has thought about each call: it is in a group. And in one alone, but for groups made of groups. */
static void test_every_call_is_in_a_group(void **state)
{
	struct parsed p;
	char name[64];

	(void)state;
	load_builtin(&p, "default");
	for (int nr = 0; nr < SECCOMP_CALLS; nr++) {
		bool found = false;

		seccomp_call_name(nr, name, sizeof(name));
		for (size_t i = 0; i < p.groups.n; i++)
			found = found || seccomp_set_has(&p.groups.v[i].calls, nr);
		if (!found && strncmp(name, "syscall ", 8) != 0)
			fail_msg("%s is in no group of etc/seccomp/groups.profile", name);
	}
}

static const char *const refused_by_default[] = {"mount", "umount2", "pivot_root", "chroot", "ptrace", "kexec_load",
	"init_module", "finit_module", "delete_module", "bpf", "reboot", "swapon", "swapoff", "clock_settime",
	"settimeofday", "adjtimex", "add_key", "keyctl", "request_key", "userfaultfd", "perf_event_open", "unshare",
	"setns", "process_vm_readv", "process_vm_writev", "acct", "quotactl", "syslog", "sethostname", "iopl",
	"open_by_handle_at", "pidfd_getfd", "fsopen", "move_mount", "mount_setattr", "kcmp"};

static void test_what_default_says(void **state)
{
	struct parsed p;

	(void)state;
	load_builtin(&p, "default");
	assert_false(p.profile.kill);
	for (size_t i = 0; i < ARRAY_LEN(refused_by_default); i++)
		if (seccomp_call_nr(refused_by_default[i]) >= 0 && verdict(&p, refused_by_default[i]) != SECCOMP_REFUSE)
			fail_msg("%s is not refused", refused_by_default[i]);
	assert_int_equal(verdict(&p, "clone"), SECCOMP_ALLOW_IF);
	assert_int_equal(verdict(&p, "socket"), SECCOMP_ALLOW_IF);
	assert_int_equal(verdict(&p, "clone3"), SECCOMP_ABSENT);
	assert_int_equal(verdict(&p, "io_uring_setup"), SECCOMP_ABSENT);
	assert_int_equal(verdict(&p, "setuid"), SECCOMP_ALLOW);
	assert_int_equal(verdict(&p, "execve"), SECCOMP_ALLOW);
}

/* strict only ever takes away. */
static void test_strict_is_within_default(void **state)
{
	static const int rank[SECCOMP_VERDICT_MAX] = {
		[SECCOMP_ABSENT] = 0, [SECCOMP_REFUSE] = 0, [SECCOMP_ALLOW_IF] = 1, [SECCOMP_ALLOW] = 2};
	struct parsed d, s;
	char name[64];

	(void)state;
	load_builtin(&d, "default");
	load_builtin(&s, "strict");
	assert_true(s.profile.kill);
	for (int nr = 0; nr < SECCOMP_CALLS; nr++)
		if (rank[s.profile.verdict[nr]] > rank[d.profile.verdict[nr]])
			fail_msg("strict allows more of %s than default", seccomp_call_name(nr, name, sizeof(name)));
	assert_int_equal(verdict(&s, "setuid"), SECCOMP_REFUSE);
	assert_int_equal(verdict(&s, "chown"), SECCOMP_REFUSE);
	assert_int_equal(verdict(&s, "execve"), SECCOMP_ALLOW);
}

static void test_names_and_numbers(void **state)
{
	char name[64];

	(void)state;
	assert_string_equal(seccomp_call_name(SYS_mount, name, sizeof(name)), "mount");
	assert_string_equal(seccomp_call_name(462, name, sizeof(name)), "mseal");
	assert_string_equal(seccomp_call_name(511, name, sizeof(name)), "syscall 511");
	assert_string_equal(seccomp_call_name(-3, name, sizeof(name)), "syscall -3");
	assert_string_equal(seccomp_call_name(SYS_mount, name, 4), "mou");
	assert_int_equal(seccomp_call_nr("mount"), SYS_mount);
	assert_int_equal(seccomp_call_nr("mseal"), 462);
	assert_int_equal(seccomp_call_nr("mounty"), -EINVAL);
	for (int nr = 0; nr < SECCOMP_CALLS; nr++) {
		seccomp_call_name(nr, name, sizeof(name));
		if (strncmp(name, "syscall ", 8) != 0)
			assert_int_equal(seccomp_call_nr(name), nr);
	}
}

static void test_unknown_names_are_found(void **state)
{
	const char *good[] = {"mount", "@mount", "s390_pci_mmio_read", "@keyring", NULL};
	const char *bad_call[] = {"mount", "mounty", "@nope", NULL};
	const char *bad_group[] = {"@mount", "@mounts", NULL};

	(void)state;
	assert_null(seccomp_unknown_name(&(struct spec_strv){4, good}));
	assert_null(seccomp_unknown_name(&(struct spec_strv){0, NULL}));
	assert_string_equal(seccomp_unknown_name(&(struct spec_strv){3, bad_call}), "mounty");
	assert_string_equal(seccomp_unknown_name(&(struct spec_strv){2, bad_group}), "@mounts");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statements),
		cmocka_unit_test(test_later_counts),
		cmocka_unit_test(test_calls_of_other_machines_are_skipped),
		cmocka_unit_test(test_faults_say_file_and_line),
		cmocka_unit_test(test_every_cut_of_a_good_file_is_read_or_refused),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_groups_file_defines_groups_alone),
		cmocka_unit_test(test_every_call_is_in_a_group),
		cmocka_unit_test(test_what_default_says),
		cmocka_unit_test(test_strict_is_within_default),
		cmocka_unit_test(test_names_and_numbers),
		cmocka_unit_test(test_unknown_names_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
