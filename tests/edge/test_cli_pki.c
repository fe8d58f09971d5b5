/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `covey pki`, for which no daemon is asked: what it makes and tells, and one sentence for each thing that is wrong.
 */
#include "tests/lib/talk.h"

#include <sys/stat.h>

#include "gossip/pki.h"

#define PKI(...) RUN("/nowhere/sock", "pki", __VA_ARGS__)

static void ended(const struct ran *r, int status, const char *out, const char *err)
{
	if (r->status != status || !strstr(r->out.v, out) || !strstr(r->err.v, err))
		fail_msg("status %d, said '%s' and '%s'", r->status, r->out.v, r->err.v);
}

static void from_authority_to_node(void **state)
{
	AUTO_TMPDIR struct tmpdir dir = tmpdir_make();
	char at[128], ca[160], cert[160], key[160];
	struct pki *p = NULL;
	struct err e;

	(void)state;
	(void)snprintf(at, sizeof(at), "%s/pki", dir.path); /* fits, as those below */
	(void)snprintf(ca, sizeof(ca), "%s/ca.pem", at);
	(void)snprintf(cert, sizeof(cert), "%s/n1.pem", at);
	(void)snprintf(key, sizeof(key), "%s/n1.key", at);
	AUTO_RAN struct ran early = PKI("issue", "n1", "--dir", at), init = PKI("init", "--dir", at),
			    issue = PKI("--dir", at, "issue", "n1"), again = PKI("init", "--dir", at),
			    twice = PKI("issue", "n1", "--dir", at),
			    forced = PKI("issue", "n1", "--force", "--dir", at);
	ended(&early, CLI_REFUSED, "", "/pki/ca.key is not there: the CA is made by `covey pki init`\n");
	ended(&init, CLI_DONE, "/pki/ca.key: key of the cluster's CA\n", "");
	ended(&init, CLI_DONE, "/pki/ca.pem: certificate of the cluster's CA, until 20", "");
	ended(&issue, CLI_DONE, "/pki/n1.pem: certificate of node n1, until 20", "");
	ended(&again, CLI_REFUSED, "", "/pki/ca.key is there already: nothing was written (--force overwrites it)\n");
	ended(&twice, CLI_REFUSED, "", "/pki/n1.key is there already: nothing was written (--force overwrites it)\n");
	ended(&forced, CLI_DONE, "/pki/n1.key: key of node n1\n", "");
	if (pki_load(ca, cert, key, "n1", cli_wall_ms(), &p, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(pki_expires_ms(p) > cli_wall_ms() + (PKI_NODE_DAYS - 1) * 86400000LL);
	pki_unref(p);
}

static void what_is_wrong_is_said(void **state)
{
	AUTO_TMPDIR struct tmpdir dir = tmpdir_make();
	char file[128];

	(void)state;
	(void)snprintf(file, sizeof(file), "%s/file", dir.path); /* fits */
	AUTO_RAN struct ran init = PKI("init", "--dir", dir.path), name = PKI("issue", "N_1", "--dir", dir.path),
			    own = PKI("issue", "ca", "--dir", dir.path), csr = PKI("sign", file, "--dir", dir.path),
			    where = PKI("init", "--dir", "/proc/none"), word = PKI("renew", "n1"),
			    op = PKI("init", "--op", "x");
	ended(&init, CLI_DONE, "", "");
	ended(&name, CLI_REFUSED, "", "covey: 'N_1' is no node's name: a name of at most 63 lower-case letters");
	ended(&own, CLI_REFUSED, "", "covey: a node called 'ca' would take the authority's own files");
	ended(&csr, CLI_REFUSED, "", "/file': No such file or directory\n");
	ended(&where, CLI_REFUSED, "", "/proc/none");
	ended(&word, CLI_USAGE, "", "there is no 'pki renew'");
	ended(&op, CLI_USAGE, "", "--op");
	assert_int_equal(access(file, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_authority_to_node),
		cmocka_unit_test(what_is_wrong_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
