/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands about nodes, the cluster and the store. They are sent as they are: what a node alone cannot do, its
 * daemon says.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/call.h"
#include "cli/field.h"

enum cli_status cmd_node(struct cli *c)
{
	AUTO_ARGS struct args a;

	args_init(&a, 2);
	mp_key_str(&a.w, "node", cli_arg(c, 0));
	mp_key_str(&a.w, "op", cli_op(c));
	return change_run(c, c->command->name, &a, cli_arg(c, 0), NULL, NULL);
}

enum cli_status cmd_cluster(struct cli *c)
{
	AUTO_ARGS struct args a;

	args_init(&a, 1);
	mp_key_str(&a.w, "op", cli_op(c));
	return change_run(c, c->command->name, &a, c->command->name, NULL, NULL);
}

static enum cli_status forced(struct cli *c)
{
	AUTO_ARGS struct args a;

	args_init(&a, 2);
	mp_key_bool(&a.w, "force", cli_has(c, OPT_FORCE));
	mp_key_str(&a.w, "op", cli_op(c));
	return change_run(c, c->command->name, &a, c->command->name, NULL, NULL);
}

enum cli_status cmd_reset(struct cli *c)
{
	if (!cli_has(c, OPT_FORCE) &&
		!cli_confirm(c, "This empties the node's data_dir: definitions, events and logs are gone."))
		return cli_fail(CLI_REFUSED, "not confirmed, nothing was done");
	return forced(c);
}

/* The daemon's working directory is not ours: paths are sent whole. */
static bool absolute(const char *path, char *out, size_t n)
{
	char cwd[PATH_MAX];

	if (path[0] == '/')
		return (size_t)snprintf(out, n, "%s", path) < n;
	return getcwd(cwd, sizeof(cwd)) && (size_t)snprintf(out, n, "%s/%s", cwd, path) < n;
}

enum cli_status cmd_backup(struct cli *c)
{
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	char path[PATH_MAX];
	enum cli_status status;

	args_init(&a, 1);
	if (!absolute(cli_arg(c, 0), path, sizeof(path)))
		return cli_fail(CLI_REFUSED, "'%.200s' is no path that can be made whole", cli_arg(c, 0));
	mp_key_str(&a.w, "path", path);
	status = call_read(c, "backup", &a, &r);
	if (status != CLI_DONE)
		return status;
	(void)bytes_fmt(
		&c->out, "%s: %lld bytes\n", path, (long long)field_int(r.result, "bytes", 0)); /* cli_flush tells */
	return cli_flush(c);
}

enum cli_status cmd_restore(struct cli *c)
{
	AUTO_ARGS struct args a;
	char path[PATH_MAX];

	args_init(&a, 2);
	if (!absolute(cli_arg(c, 0), path, sizeof(path)))
		return cli_fail(CLI_REFUSED, "'%.200s' is no path that can be made whole", cli_arg(c, 0));
	mp_key_str(&a.w, "path", path);
	mp_key_str(&a.w, "op", cli_op(c));
	return change_run(c, "restore", &a, "restore", NULL, NULL);
}
