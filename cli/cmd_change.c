/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands that change agents.
 */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "cli/call.h"
#include "cli/field.h"

enum cli_status cmd_scale(struct cli *c)
{
	AUTO_ARGS struct args a;
	int64_t n;

	args_init(&a, 3);
	if (units_parse_int(cli_arg(c, 1), &n) < 0 || n > REPLICAS_MAX)
		return cli_usage(c, "'%.40s' is not a number of replicas from 0 to %d", cli_arg(c, 1), REPLICAS_MAX);
	mp_key_str(&a.w, "agent", cli_arg(c, 0));
	mp_key_int(&a.w, "n", n);
	mp_key_str(&a.w, "op", cli_op(c));
	return change_run(c, "scale", &a, cli_arg(c, 0), NULL, NULL);
}

/* start, stop, restart: of an agent, a replica, or all. */
enum cli_status cmd_target(struct cli *c)
{
	bool all = cli_has(c, OPT_ALL);
	const char *target = cli_arg(c, 0);
	AUTO_ARGS struct args a;

	args_init(&a, 2);
	if (all && target)
		return cli_usage(c, "--all and '%.40s' exclude each other", target);
	if (!all && !target)
		return cli_usage(c, "%s needs %s or --all", c->command->name, c->command->args);
	if (all)
		mp_key_bool(&a.w, "all", true);
	else
		mp_key_str(&a.w, "target", target);
	mp_key_str(&a.w, "op", cli_op(c));
	return change_run(c, c->command->name, &a, all ? "all agents" : target, NULL, NULL);
}

enum cli_status cmd_remove(struct cli *c)
{
	AUTO_ARGS struct args a;

	args_init(&a, 2);
	mp_key_str(&a.w, "agent", cli_arg(c, 0));
	mp_key_str(&a.w, "op", cli_op(c));
	return change_run(c, "remove", &a, cli_arg(c, 0), NULL, NULL);
}

static enum cli_status rollout_status(struct cli *c, const struct args *a)
{
	AUTO_REPLY struct reply r = {0};
	enum cli_status status = call_read(c, "rollout", a, &r);
	char text[1024];

	if (status != CLI_DONE || call_print_json(c, &r, &status))
		return status;
	/* cli_flush tells. */
	(void)bytes_fmt(&c->out, "%s: version %lld, %s: %lld of %lld updated, %lld ready\n", cli_arg(c, 1),
		(long long)field_int(r.result, "version", 0),
		field_bool(r.result, "done")	 ? "done"
		: field_bool(r.result, "paused") ? "paused"
						 : "under way",
		(long long)field_int(r.result, "updated", 0), (long long)field_int(r.result, "desired", 0),
		(long long)field_int(r.result, "ready", 0));
	if (*field_text(r.result, "text", text, sizeof(text)))
		(void)bytes_fmt(&c->out, "%s\n", text);
	return cli_flush(c);
}

enum cli_status cmd_rollout(struct cli *c)
{
	static const char *const actions[] = {"status", "pause", "resume", "undo"};
	const char *action = cli_arg(c, 0), *agent = cli_arg(c, 1);
	bool reads = strcmp(action, "status") == 0, known = false;
	AUTO_ARGS struct args a;

	args_init(&a, reads ? 2 : 3);
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		known |= strcmp(action, actions[i]) == 0;
	if (!known)
		return cli_usage(c, "there is no 'rollout %.40s'", action);
	if (!reads && cli_has(c, OPT_JSON))
		return cli_usage(c, "only 'rollout status' takes --json");
	mp_key_str(&a.w, "action", action);
	mp_key_str(&a.w, "agent", agent);
	if (reads)
		return rollout_status(c, &a);
	mp_key_str(&a.w, "op", cli_op(c));
	return change_run(c, "rollout", &a, agent, NULL, NULL);
}
