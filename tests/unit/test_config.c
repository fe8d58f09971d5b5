/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's file: what a good one means, every default, every fault of a bad one with its line and key, addresses,
 * and each allocation failing once.
 */
#include "node/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/faults.h"
#include "tests/lib/oom.h"
#include "tests/lib/tmpdir.h"

static struct spec_faults faults; /* large: not on the stack of each test */

static struct config *good(const char *text)
{
	struct config *c = NULL;
	int rc = config_parse(text, strlen(text), "/etc/covey", &c, &faults);

	if (rc < 0)
		fail_msg("refused (%d):\n%s", rc, faults_text(&faults));
	return c;
}

static void bad(const char *text, const char *want)
{
	struct config *untouched = (void *)&faults, *c = untouched; /* any address will do */

	assert_int_equal(config_parse(text, strlen(text), "/etc/covey", &c, &faults), -EINVAL);
	assert_string_equal(faults_text(&faults), want);
	assert_ptr_equal(c, untouched);
}

static void check_defaults(const struct config *c)
{
	assert_true(c->name[0] != '\0');
	assert_int_equal(c->labels.n, 0);
	assert_true(c->cpu_milli == 0 && c->memory_bytes == 0 && c->schedulable);
	assert_string_equal(c->data_dir, "/var/lib/covey");
	assert_string_equal(c->run_dir, "/run/covey");
	assert_string_equal(c->agents_dir, "/etc/covey/agents.d");
	assert_null(c->cgroup_parent); /* as the host is, see node/host.c */
	assert_false(c->gossip.on);
	assert_true(!c->tls_ca && !c->tls_cert && !c->tls_key);
	assert_string_equal(c->http.host, "127.0.0.1");
	assert_true(c->http.port == 7948 && !c->http.ipv6);
}

static void defaults_are_filled_in(void **state)
{
	struct config *c = NULL;

	(void)state;
	assert_int_equal(config_load(NULL, &c, &faults), 0);
	check_defaults(c);
	config_free(c);
	c = good("version: 1\n");
	check_defaults(c);
	config_free(c);
	config_free(NULL);
}

static const char whole[] = "version: 1\n"
			    "node:\n"
			    "  name: n1\n"
			    "  labels: {zone: a, disk: ssd}\n"
			    "  capacity: {cpu: 3.5, memory: 8G}\n"
			    "  schedulable: no\n"
			    "data_dir: data\n"
			    "run_dir: /run/x\n"
			    "agents_dir: ../agents\n"
			    "cgroup: {parent: a.slice/covey}\n"
			    "gossip:\n"
			    "  bind: 10.0.0.1:7950\n"
			    "  advertise: \"[fd00::1]:7951\"\n"
			    "  join: [10.0.0.1:7947, n2.example, \"[fd00::2]\"]\n"
			    "  profile: wan\n"
			    "  insecure: no\n"
			    "tls: {ca: pki/ca.pem, cert: /c.pem, key: /k.pem}\n"
			    "http: {bind: \"[::1]:0\"}\n";

static void every_key_is_read(void **state)
{
	struct config *c = good(whole);
	const struct config_gossip *g = &c->gossip;

	(void)state;
	assert_string_equal(c->name, "n1");
	assert_int_equal(c->labels.n, 2);
	assert_string_equal(c->labels.v[1].value, "ssd");
	assert_true(c->cpu_milli == 3500 && c->memory_bytes == 8LL << 30 && !c->schedulable);
	assert_string_equal(c->data_dir, "/etc/covey/data");
	assert_string_equal(c->run_dir, "/run/x");
	assert_string_equal(c->agents_dir, "/etc/covey/../agents");
	assert_string_equal(c->cgroup_parent, "a.slice/covey");
	assert_true(g->on && !g->insecure && g->profile == CONFIG_WAN);
	assert_string_equal(g->bind.host, "10.0.0.1");
	assert_true(g->bind.port == 7950 && !g->bind.ipv6);
	assert_string_equal(g->advertise.host, "fd00::1");
	assert_true(g->advertise.port == 7951 && g->advertise.ipv6);
	assert_int_equal(g->n_join, 3);
	assert_string_equal(g->join[1].host, "n2.example");
	assert_int_equal(g->join[1].port, CONFIG_GOSSIP_PORT);
	assert_string_equal(g->join[2].host, "fd00::2");
	assert_string_equal(c->tls_ca, "/etc/covey/pki/ca.pem");
	assert_string_equal(c->tls_key, "/k.pem");
	assert_string_equal(c->http.host, "::1");
	assert_true(c->http.port == 0 && c->http.ipv6);
	config_free(c);
}

static void other_forms_are_read(void **state)
{
	struct config *c = good("gossip: {bind: 10.0.0.1, insecure: yes}\nhttp: {bind: none}\n");

	(void)state;
	assert_int_equal(c->gossip.bind.port, CONFIG_GOSSIP_PORT);
	assert_string_equal(c->gossip.advertise.host, "10.0.0.1"); /* as bind */
	assert_true(c->gossip.insecure && c->gossip.profile == CONFIG_LAN && c->gossip.n_join == 0);
	assert_null(c->http.host);
	config_free(c);
	c = good("gossip: {bind: 0.0.0.0, insecure: yes}\n");
	assert_null(c->gossip.advertise.host);
	assert_true(c->gossip.finds_address);
	config_free(c);
	c = good("gossip: {bind: 0.0.0.0, advertise: none, insecure: yes}\nhttp: {bind: localhost:0}\n");
	assert_null(c->gossip.advertise.host);
	assert_false(c->gossip.finds_address);
	assert_string_equal(c->http.host, "127.0.0.1");
	assert_int_equal(c->http.port, 0);
	config_free(c);
}

static void all_faults_are_told_in_one_go(void **state)
{
	(void)state;
	bad("version: 2\n"
	    "node: {name: N1, labels: {Zone: a, zone: \"\"}, capacity: {cpu: 0, memory: 8}, schedulable: on}\n"
	    "datadir: /x\n"
	    "run_dir: /this/is/a/directory/whose/name/is/so/long/that/no/socket/fits/into/it/at/all/because/of/limits\n"
	    "agents_dir: [a]\n"
	    "cgroup: {parent: ../x}\n"
	    "gossip:\n"
	    "  bind: myhost:7947\n"
	    "  advertise: 0.0.0.0\n"
	    "  join: [\":1\", \"a:b\", \"n1:99999\", \"[::1\", \"10.0.0.300\"]\n"
	    "  profile: fast\n"
	    "tls: {ca: /x}\n"
	    "http: {bind: 0.0.0.0:http}\n",
		"1: version: must be a whole number, from 1 to 1, not '2'\n"
		"2: node.name: must be a name of at most 63 lower-case letters, digits and -, beginning and ending "
		"with a "
		"letter or digit, not 'N1'\n"
		"2: node.labels.Zone: the name must be a label of at most 63 lower-case letters, digits, _, . and -, "
		"beginning with a letter\n"
		"2: node.labels.zone: must be a label's value of at most 63 letters, digits, _, . and -, not ''\n"
		"2: node.capacity.cpu: must be a number such as 0.5, from 0.01 to 1024, not '0'\n"
		"2: node.capacity.memory: must be a size such as 256M, from 1M to 1024T, not '8'\n"
		"2: node.schedulable: must be yes or no, not 'on'\n"
		"3: datadir: unknown key; did you mean data_dir?\n"
		"4: run_dir: must be at most 90 bytes long, with its directory\n"
		"5: agents_dir: must be a path, not a list\n"
		"6: cgroup.parent: must be a group's name or path such as covey, relative, without . and .., not "
		"'../x'\n"
		"8: gossip.bind: must be ADDRESS or ADDRESS:PORT, an IPv6 one in [], not 'myhost:7947'\n"
		"9: gossip.advertise: must be an address that others can dial, or none\n"
		"10: gossip.join[0]: must be HOST or HOST:PORT, not ':1'\n"
		"10: gossip.join[1]: must be HOST or HOST:PORT, not 'a:b'\n"
		"10: gossip.join[2]: must be HOST or HOST:PORT, not 'n1:99999'\n"
		"10: gossip.join[3]: must be HOST or HOST:PORT, not '[::1'\n"
		"10: gossip.join[4]: must be HOST or HOST:PORT, not '10.0.0.300'\n"
		"11: gossip.profile: must be local, lan or wan, not 'fast'\n"
		"12: tls.cert: missing; it must be a path\n"
		"12: tls.key: missing; it must be a path\n"
		"13: http.bind: must be ADDRESS:PORT, an IPv6 one in [], or none, not '0.0.0.0:http'\n");
}

static void keys_must_agree(void **state)
{
	(void)state;
	bad("gossip: {bind: 0.0.0.0}\n",
		"1: tls: missing: gossip needs ca, cert and key (`covey pki`), or insecure: yes\n");
	bad("gossip: {insecure: yes}\n",
		"1: gossip.bind: missing; it must be ADDRESS or ADDRESS:PORT, an IPv6 one in []\n");
	bad("gossip: yes\n", "1: gossip: must be a map of keys, not 'yes'\n");
	bad("", " empty: nothing is said in it\n");
	bad("data_dir: \"\"\n", "1: data_dir: must be a path, not ''\n");
}

static void lengths_are_bounded(void **state)
{
	char text[CONFIG_PATH_MAX + 64], host[80];
	struct arena a;

	(void)state;
	(void)snprintf(text, sizeof(text), "run_dir: /%0*d\n", CONFIG_RUN_DIR_MAX - 1, 0);
	config_free(good(text));
	(void)snprintf(text, sizeof(text), "run_dir: /%0*d\n", CONFIG_RUN_DIR_MAX, 0);
	bad(text, "1: run_dir: must be at most 90 bytes long, with its directory\n");
	(void)snprintf(text, sizeof(text), "data_dir: %0*d\n", CONFIG_PATH_MAX - (int)strlen("/etc/covey/"), 0);
	config_free(good(text));
	(void)snprintf(text, sizeof(text), "data_dir: %0*d\n", CONFIG_PATH_MAX - (int)strlen("/etc/covey/") + 1, 0);
	bad(text, "1: data_dir: must be at most 1024 bytes long, with its directory\n");
	arena_init(&a, 4096);
	for (int n = 62; n < 66; n++) {
		struct config_addr got;

		(void)snprintf(host, sizeof(host), "a%0*d", n - 1, 0);
		assert_int_equal(config_parse_addr(host, 1, true, &a, &got), n <= 63 ? 0 : -EINVAL);
	}
	arena_done(&a);
}

static void addresses(void **state)
{
	static const struct {
		const char *text;
		bool names;
		const char *host; /* NULL: refused */
		int port;
	} cases[] = {
		{"1.2.3.4", false, "1.2.3.4", 9},
		{"1.2.3.4:0", false, "1.2.3.4", 0},
		{"1.2.3.4:65535", false, "1.2.3.4", 65535},
		{"::", false, "::", 9},
		{"fe80::1:2", false, "fe80::1:2", 9},
		{"[::]:5", false, "::", 5},
		{"[::]", false, "::", 9},
		{"a-b.example", true, "a-b.example", 9},
		{"n1:5", true, "n1", 5},
		{"n1:5", false, NULL, 0},
		{"1.2.3.4:65536", true, NULL, 0},
		{"1.2.3.4:", true, NULL, 0},
		{"1.2.3.4:+5", true, NULL, 0},
		{"1.2.3.4:05", true, NULL, 0},
		{"1.2.3", true, NULL, 0},
		{"[1.2.3.4]:5", true, NULL, 0},
		{"[::1]5", true, NULL, 0},
		{"[::1]:", true, NULL, 0},
		{"[", true, NULL, 0},
		{"", true, NULL, 0},
		{"a..b", true, NULL, 0},
		{"a.", true, NULL, 0},
		{"-a", true, NULL, 0},
		{"a b", true, NULL, 0},
		{"a/b", true, NULL, 0},
	};
	struct arena a;

	(void)state;
	arena_init(&a, 4096);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct config_addr got = {0};
		int rc = config_parse_addr(cases[i].text, 9, cases[i].names, &a, &got);

		if (rc != (cases[i].host ? 0 : -EINVAL))
			fail_msg("'%s': %d", cases[i].text, rc);
		if (rc < 0)
			continue;
		assert_string_equal(got.host, cases[i].host);
		assert_int_equal(got.port, cases[i].port);
		assert_int_equal(got.ipv6, strchr(cases[i].host, ':') != NULL);
	}
	arena_done(&a);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void relative_paths_are_the_file_s(void **state)
{
	AUTO_TMPDIR struct tmpdir dir = tmpdir_make();
	struct config *c = NULL;
	char want[128], was[1024];

	(void)state;
	write_file(tmpdir_path(&dir, "c.yaml"), "data_dir: d\n");
	(void)snprintf(want, sizeof(want), "%s/d", dir.path);
	assert_int_equal(config_load(tmpdir_path(&dir, "c.yaml"), &c, &faults), 0);
	assert_string_equal(c->data_dir, want);
	config_free(c);
	assert_non_null(getcwd(was, sizeof(was)));
	assert_int_equal(chdir(dir.path), 0);
	assert_int_equal(config_load("c.yaml", &c, &faults), 0);
	assert_string_equal(c->data_dir, want);
	config_free(c);
	assert_int_equal(config_load("none.yaml", &c, &faults), -EINVAL);
	assert_string_equal(faults_text(&faults), " cannot be read: No such file or directory\n");
	assert_int_equal(config_load(".", &c, &faults), -EINVAL);
	assert_string_equal(faults_text(&faults), " is a directory\n");
	assert_int_equal(chdir(was), 0);
	c = NULL;
	assert_int_equal(config_parse("data_dir: d\n", 12, "/", &c, &faults), 0);
	assert_string_equal(c->data_dir, "/d");
	config_free(c);
}

static void every_allocation_fails_once(void **state)
{
	unsigned long runs = 0;

	(void)state;
	OOM_LOOP (o) {
		struct config *c = NULL;
		int rc = config_parse(whole, strlen(whole), "/etc/covey", &c, &faults);

		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		assert_int_equal(c != NULL, rc == 0);
		config_free(c);
		runs = o.n;
	}
	assert_true(runs > 4);
}

/* Comments and nothing else mean every default; a file without a word is more likely a lost one. */
static void comments_alone_are_the_defaults(void **state)
{
	static const char *const comments[] = {"# nothing", "#\n", "\n  # a: 1\n\t\n#b\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(comments); i++) {
		struct config *c = good(comments[i]);

		check_defaults(c);
		config_free(c);
	}
	bad("", " empty: nothing is said in it\n");
	bad("\n \n", " empty: nothing is said in it\n");
	bad("#\nx", "2: must be a map of keys, such as `name: web`\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(comments_alone_are_the_defaults),
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(other_forms_are_read),
		cmocka_unit_test(all_faults_are_told_in_one_go),
		cmocka_unit_test(keys_must_agree),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(addresses),
		cmocka_unit_test(relative_paths_are_the_file_s),
		cmocka_unit_test(every_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
