/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who votes: shown, and changed; and the command for when most of them are lost for ever.
 */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "cli/call.h"
#include "cli/field.h"

#define RECOVER_MORE_MS 60000 /* beside the wait for leases */

/* ---- voters ---- */

static enum cli_status show(struct cli *c)
{
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	enum cli_status status;
	char text[1024];

	args_init(&a, 0);
	status = call_read(c, "voters", &a, &r);
	if (status != CLI_DONE || call_print_json(c, &r, &status))
		return status;
	for (uint32_t i = 0; i < field_n(r.result, "voters"); i++) {
		const msgpack_object *o = field_at(r.result, "voters", i);

		if (o->type == MSGPACK_OBJECT_STR)
			(void)bytes_fmt(&c->out, "%.*s\n", (int)o->via.str.size, o->via.str.ptr); /* cli_flush tells */
	}
	if (*field_text(r.result, "text", text, sizeof(text)))
		(void)bytes_fmt(&c->out, "%s\n", text); /* as above */
	return cli_flush(c);
}

static bool read_number(const struct cli *c, int64_t *ret)
{
	const char *v = c->opt.value[OPT_NUMBER];

	*ret = 0;
	return !cli_has(c, OPT_NUMBER) || (units_parse_int(v, ret) == 0 && *ret > 0 && *ret <= 7 && *ret % 2 == 1);
}

static bool is_times(const char *s)
{
	return strcmp(s, "default") == 0 || strcmp(s, "slow") == 0;
}

static size_t how_many(const struct cli *c)
{
	return (size_t)(cli_has(c, OPT_NUMBER) || cli_has(c, OPT_AUTO)) + cli_has(c, OPT_SPREAD) +
	       cli_has(c, OPT_REPLACE_AFTER) + cli_has(c, OPT_TIMES);
}

static enum cli_status set(struct cli *c)
{
	AUTO_ARGS struct args a = {0};
	int64_t number, after_ms = 0;

	if (cli_has(c, OPT_NUMBER) && cli_has(c, OPT_AUTO))
		return cli_usage(c, "--number and --auto: one of them");
	if (!read_number(c, &number))
		return cli_usage(c,
			"--number: '%.40s' is not 1, 3, 5 or 7: an even number of voters bears no more losses than one "
			"less",
			c->opt.value[OPT_NUMBER]);
	if (cli_has(c, OPT_REPLACE_AFTER) && units_parse_duration(c->opt.value[OPT_REPLACE_AFTER], &after_ms) < 0)
		return cli_usage(c, "--replace-after: '%.40s' is not a duration such as 60s or 5m",
			c->opt.value[OPT_REPLACE_AFTER]);
	if (cli_has(c, OPT_TIMES) && !is_times(c->opt.value[OPT_TIMES]))
		return cli_usage(c, "--times: '%.40s' is neither default nor slow", c->opt.value[OPT_TIMES]);
	args_init(&a, how_many(c) + 1);
	if (cli_has(c, OPT_NUMBER) || cli_has(c, OPT_AUTO))
		mp_key_int(&a.w, "number", number);
	if (cli_has(c, OPT_SPREAD))
		mp_key_str(&a.w, "spread", c->opt.value[OPT_SPREAD]);
	if (cli_has(c, OPT_REPLACE_AFTER))
		mp_key_int(&a.w, "replace_after_ms", after_ms);
	if (cli_has(c, OPT_TIMES))
		mp_key_str(&a.w, "times", c->opt.value[OPT_TIMES]);
	mp_key_str(&a.w, "op", cli_op(c));
	return change_run(c, "voters", &a, "voters", NULL, NULL);
}

enum cli_status cmd_voters(struct cli *c)
{
	if (how_many(c) == 0)
		return show(c);
	if (cli_has(c, OPT_JSON))
		return cli_usage(c, "--json only shows: it changes nothing");
	return set(c);
}

/* ---- recover ---- */

/* What would be given up. CLI_DONE and the reply, or told. */
static enum cli_status plan(struct cli *c, struct reply *r)
{
	AUTO_ARGS struct args a;

	args_init(&a, 3);
	mp_key_bool(&a.w, "plan", true);
	mp_key_bool(&a.w, "hosts_are_off", cli_has(c, OPT_HOSTS_ARE_OFF));
	mp_key_str(&a.w, "cluster", cli_has(c, OPT_CLUSTER) ? c->opt.value[OPT_CLUSTER] : "");
	return call_read(c, "recover", &a, r);
}

/* Names end where they are told. What the operator types goes to the daemon, which compares. */
static enum cli_status ask_name(struct cli *c, const struct reply *r, char *out, size_t n)
{
	char text[512], cluster[128];

	(void)fprintf(stderr,
		"%s.\nDecisions that only these have acknowledged are lost. Whoever of them comes back stops what runs "
		"there\nunder leases, and drops what the others do not know.\n",
		field_text(r->result, "text", text, sizeof(text))); /* only looks depend on it */
	if (cli_has(c, OPT_CLUSTER)) {
		(void)snprintf(out, n, "%s", c->opt.value[OPT_CLUSTER]); /* a longer one is none that there is */
		return CLI_DONE;
	}
	(void)field_text(r->result, "cluster", cluster, sizeof(cluster)); /* it is cluster */
	return cli_ask(c, "Type the cluster's name to go on", out, n) && *out
		       ? CLI_DONE
		       : cli_fail(CLI_REFUSED, "nothing was done: the cluster's name is needed, --cluster %s", cluster);
}

enum cli_status cmd_recover(struct cli *c)
{
	AUTO_ARGS struct args a = {0};
	AUTO_REPLY struct reply r = {0};
	char name[128] = "";
	enum cli_status status;

	if (!cli_has(c, OPT_FORCE) && !cli_has(c, OPT_DRY_RUN))
		return cli_usage(c, "recover needs --force: decisions that only the lost voters know will be lost");
	if (cli_has(c, OPT_OP) && cli_has(c, OPT_CLUSTER)) { /* a repeat: what was asked for may be done by now */
		(void)snprintf(name, sizeof(name), "%s", c->opt.value[OPT_CLUSTER]); /* as above */
	} else {
		status = plan(c, &r);
		if (status != CLI_DONE)
			return status;
		if (cli_has(c, OPT_DRY_RUN)) {
			char text[512];

			(void)bytes_fmt(&c->out, "%s\n", field_text(r.result, "text", text, sizeof(text)));
			return cli_flush(c); /* it tells what failed */
		}
		status = ask_name(c, &r, name, sizeof(name));
		if (status != CLI_DONE)
			return status;
	}
	if (!cli_has(c, OPT_TIMEOUT))
		c->opt.timeout_ms = RECOVER_MORE_MS + field_int(r.result, "wait_ms", RECOVER_MORE_MS);
	args_init(&a, 4);
	mp_key_bool(&a.w, "force", true);
	mp_key_bool(&a.w, "hosts_are_off", cli_has(c, OPT_HOSTS_ARE_OFF));
	mp_key_str(&a.w, "cluster", name);
	mp_key_str(&a.w, "op", cli_op(c));
	return change_run(c, "recover", &a, "recover", NULL, NULL);
}
