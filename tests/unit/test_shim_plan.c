/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan is believed only after every size, offset and string of it was looked at. Each case spoils one thing in a
 * good one; and no bytes whatever may be read outside of the message (this runs under the address sanitizer too).
 */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "supervisor/shim/planread.h"
#include "tests/lib/test.h"

struct message {
	struct shim_plan p;
	char blob[1024];
};

static uint32_t put(struct message *m, const void *v, size_t n)
{
	uint32_t at = (m->p.blob_size + 7) & ~7u;

	memcpy(m->blob + at, v, n);
	m->p.blob_size = at + (uint32_t)n;
	return at;
}

static shim_str put_str(struct message *m, const char *s)
{
	return put(m, s, strlen(s) + 1);
}

static void good(struct message *m)
{
	struct shim_op ops[2];
	struct shim_mount mount;
	struct shim_rlimit rlimit = {7, 0, 64, 64};
	uint32_t groups[] = {4, 5};
	shim_str words[2];

	memset(m, 0, sizeof(*m));
	m->p.size = sizeof(m->p);
	m->p.version = SHIM_PROTO_VERSION;
	m->p.blob_size = 1;
	m->p.replica_id = put_str(m, "n1/web.0");
	m->p.file_stem = put_str(m, "n1+web.0");
	m->p.dir_run = put_str(m, "/run/covey/shims");
	m->p.gen_path = put_str(m, "/run/covey/daemon.gen");
	m->p.log_path = put_str(m, "/var/log/web.0.log");
	m->p.kill_dir = put_str(m, "/sys/fs/cgroup/pids/covey/web.0");
	ops[0] = (struct shim_op){SHIM_OP_MKDIR, put_str(m, "/sys/x"), 0};
	ops[1] = (struct shim_op){SHIM_OP_WRITE, put_str(m, "/sys/x/y"), put_str(m, "1")};
	mount = (struct shim_mount){SHIM_MOUNT_TMPFS, put_str(m, "/tmp"), put_str(m, "size=1m")};
	words[0] = put_str(m, "/bin/true");
	words[1] = put_str(m, "A=1");
	m->p.argv_at = put(m, words, sizeof(words));
	m->p.argv_n = 2;
	m->p.env_at = put(m, &words[1], sizeof(words[1]));
	m->p.env_n = 1;
	m->p.ops_at = put(m, ops, sizeof(ops));
	m->p.ops_n = 2;
	m->p.mounts_at = put(m, &mount, sizeof(mount));
	m->p.mounts_n = 1;
	m->p.rlimits_at = put(m, &rlimit, sizeof(rlimit));
	m->p.rlimits_n = 1;
	m->p.groups_at = put(m, groups, sizeof(groups));
	m->p.groups_n = 2;
	m->p.label = put(m, "label", 5);
	m->p.label_size = 5;
}

/* In memory of exactly its size, so that a sanitizer sees what is read beyond. */
static int read_exactly(const struct message *m, size_t n, const char **ret_what)
{
	struct plan p;
	char *v = malloc(n + !n);
	int rc;

	assert_non_null(v);
	memcpy(v, m, n);
	rc = planread_plan(v, n, &p, ret_what);
	free(v);
	return rc;
}

static size_t size_of(const struct message *m)
{
	return sizeof(m->p) + m->p.blob_size;
}

static void a_good_one_is_read(void **state)
{
	struct message m;
	struct plan p;
	const char *what;

	(void)state;
	good(&m);
	assert_int_equal(planread_plan(&m, size_of(&m), &p, &what), 0);
	assert_string_equal(planread_str(&p, p.p.file_stem), "n1+web.0");
	assert_null(planread_str(&p, p.p.oom_path));
	assert_string_equal(planread_argv(&p, 0), "/bin/true");
	assert_string_equal(planread_env(&p, 0), "A=1");
	assert_string_equal(planread_getenv(&p, "A"), "1");
	assert_null(planread_getenv(&p, "AA"));
	assert_int_equal(planread_op(&p, 1)->type, SHIM_OP_WRITE);
	assert_int_equal(planread_mount(&p, 0)->type, SHIM_MOUNT_TMPFS);
	assert_int_equal(planread_rlimit(&p, 0)->soft, 64);
	assert_int_equal(planread_groups(&p)[1], 5);
}

#define SPOIL(field, value, rc, what)                                                       \
	{                                                                                   \
#field "=" #value, offsetof(struct shim_plan, field), (value), (rc), (what) \
	}

static void each_fault_is_named(void **state)
{
	static const struct {
		const char *name;
		size_t at;
		uint32_t value;
		int rc;
		const char *what;
	} faults[] = {
		SPOIL(size, 8, -EINVAL, "size"),
		SPOIL(size, UINT32_MAX, -EINVAL, "size"),
		SPOIL(version, 2, -EPROTO, "version"),
		SPOIL(blob_size, 0, -EINVAL, "blob_size"),
		SPOIL(blob_size, 5000, -EINVAL, "blob_size"),
		SPOIL(argv_n, 0, -EINVAL, "argv"),
		SPOIL(argv_n, 257, -E2BIG, "argv"),
		SPOIL(argv_n, 200, -EINVAL, "argv"),
		SPOIL(argv_at, 4, -EINVAL, "argv"),
		SPOIL(argv_at, UINT32_MAX - 7, -EINVAL, "argv"),
		SPOIL(env_at, 100000, -EINVAL, "env"),
		SPOIL(env_n, UINT32_MAX, -E2BIG, "env"),
		SPOIL(ops_n, 129, -E2BIG, "ops"),
		SPOIL(mounts_n, 10000, -E2BIG, "mounts"),
		SPOIL(rlimits_n, 17, -E2BIG, "rlimits"),
		SPOIL(groups_n, 100000, -E2BIG, "groups"),
		SPOIL(label_size, 513, -E2BIG, "label"),
		SPOIL(label, 100000, -EINVAL, "label"),
		SPOIL(replica_id, 0, -EINVAL, "replica_id"),
		SPOIL(file_stem, 0, -EINVAL, "file_stem"),
		SPOIL(dir_run, 100000, -EINVAL, "dir_run"),
		SPOIL(dir_ends, 100000, -EINVAL, "dir_ends"),
		SPOIL(log_path, 0, -EINVAL, "log_path"),
		SPOIL(gen_path, 1 << 31, -EINVAL, "gen_path"),
		SPOIL(log_max_bytes, 5, -EINVAL, "log_max_bytes"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		const char *what = "";
		struct message m;
		size_t n;

		good(&m);
		n = size_of(&m);
		memcpy((char *)&m.p + faults[i].at, &faults[i].value, sizeof(uint32_t));
		if (read_exactly(&m, n, &what) != faults[i].rc || strcmp(what, faults[i].what) != 0)
			fail_msg("%s: told '%s'", faults[i].name, what);
	}
}

static void strings_that_are_not_what_they_must(void **state)
{
	const char *what;
	struct message m;

	(void)state;
	good(&m);
	m.blob[m.p.dir_run] = 'r';
	assert_int_equal(read_exactly(&m, size_of(&m), &what), -EINVAL);
	assert_string_equal(what, "dir_run");
	good(&m);
	m.blob[m.p.file_stem + 2] = '/';
	assert_int_equal(read_exactly(&m, size_of(&m), &what), -EINVAL);
	assert_string_equal(what, "file_stem");
	good(&m);
	((struct shim_op *)(void *)(m.blob + m.p.ops_at))[1].value = 0;
	assert_int_equal(read_exactly(&m, size_of(&m), &what), -EINVAL);
	assert_string_equal(what, "ops");
	good(&m);
	((struct shim_op *)(void *)(m.blob + m.p.ops_at))[0].type = 99;
	assert_int_equal(read_exactly(&m, size_of(&m), &what), -EINVAL);
	((struct shim_op *)(void *)(m.blob + m.p.ops_at))[0].type = 99 | SHIM_OP_OPTIONAL;
	assert_int_equal(read_exactly(&m, size_of(&m), &what), 0);
	((struct shim_mount *)(void *)(m.blob + m.p.mounts_at))->type = 9;
	assert_int_equal(read_exactly(&m, size_of(&m), &what), -EINVAL);
	assert_string_equal(what, "mounts");
}

/* A newer daemon's struct is longer, and its end is not ours to know. */
static void a_longer_struct_is_passed_over(void **state)
{
	struct {
		struct shim_plan p;
		uint64_t newer;
		char blob[1024];
	} longer;
	const char *what;
	struct message m;
	struct plan p;

	(void)state;
	good(&m);
	longer.p = m.p;
	longer.p.size = sizeof(m.p) + sizeof(longer.newer);
	memcpy(longer.blob, m.blob, sizeof(m.blob));
	assert_int_equal(planread_plan(&longer, size_of(&m) + sizeof(longer.newer), &p, &what), 0);
	assert_string_equal(planread_argv(&p, 0), "/bin/true");
}

static void cut_anywhere_it_is_refused(void **state)
{
	const char *what;
	struct message m;

	(void)state;
	good(&m);
	for (size_t n = 0; n < size_of(&m); n++)
		assert_true(read_exactly(&m, n, &what) < 0);
}

static void any_byte_changed_reads_nothing_beyond(void **state)
{
	const char *what;
	struct message m;

	(void)state;
	good(&m);
	for (size_t i = 0; i < size_of(&m); i++)
		for (int bit = 0; bit < 8; bit++) {
			((char *)&m)[i] ^= (char)(1 << bit);
			(void)read_exactly(&m, sizeof(m.p) + 700, &what); /* either answer is right, a crash is not */
			((char *)&m)[i] ^= (char)(1 << bit);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_one_is_read),
		cmocka_unit_test(each_fault_is_named),
		cmocka_unit_test(strings_that_are_not_what_they_must),
		cmocka_unit_test(a_longer_struct_is_passed_over),
		cmocka_unit_test(cut_anywhere_it_is_refused),
		cmocka_unit_test(any_byte_changed_reads_nothing_beyond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
