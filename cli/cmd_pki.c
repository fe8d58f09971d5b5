/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `pki`: the cluster's authority is files of whoever operates it, so that no daemon has the key that makes members; and
 * none is needed to make them.
 */
#include <string.h>

#include "cli/cli.h"
#include "gossip/pki.h"
#include "supervisor/spec_words.h"

#define PKI_DIR COVEY_SYSCONFDIR "/pki"

enum cli_status cmd_pki(struct cli *c)
{
	const char *action = cli_arg(c, 0), *arg = cli_arg(c, 1);
	bool is_init = strcmp(action, "init") == 0, is_issue = strcmp(action, "issue") == 0;
	struct pki_order o = {.dir = cli_has(c, OPT_DIR) ? c->opt.value[OPT_DIR] : PKI_DIR,
		.force = cli_has(c, OPT_FORCE),
		.wall_ms = cli_wall_ms(),
		.check_name = spec_check_node_name};
	struct err e;
	int rc;

	if (!is_init && !is_issue && strcmp(action, "sign") != 0)
		return cli_usage(c, "there is no 'pki %.40s'", action);
	if (is_init != !arg)
		return cli_usage(c, is_init ? "pki init takes no argument" : "pki %s needs an argument", action);
	if (is_init)
		rc = pki_init(&o, &c->out, &e);
	else if (is_issue)
		rc = pki_issue(&o, arg, &c->out, &e);
	else
		rc = pki_sign(&o, arg, &c->out, &e);
	return rc < 0 ? cli_fail(CLI_REFUSED, "%s", e.text) : cli_flush(c);
}
