/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `explain`, `profile`, `version`, `help`: what is printed as it is told.
 */
#include <msgpack.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "cli/call.h"
#include "cli/field.h"
#include "cli/table.h"
#include "cli/view.h"
#include "covey/version.h"

/* Appending to c->out throughout: cli_flush tells what failed, hence the (void)s. */

static void put_clean(struct cli *c, const char *before, const char *s, size_t n, const char *after)
{
	(void)bytes_str(&c->out, before);
	text_clean(&c->out, s, n, 0);
	(void)bytes_str(&c->out, after);
}

static void explain_decision(struct cli *c, const msgpack_object *d)
{
	char time[64], what[512], why[1024], by[NAME_MAX_LEN + 1];
	int64_t version = field_int(d, "version", 0);

	(void)field_text(d, "why", why, sizeof(why));
	(void)field_text(d, "what", what, sizeof(what));
	(void)bytes_fmt(&c->out, "  %s  ", field_text(d, "time", time, sizeof(time)));
	put_clean(c, "", what, strlen(what), "");
	if (*why)
		put_clean(c, ": ", why, strlen(why), "");
	if (*field_text(d, "by", by, sizeof(by)))
		(void)bytes_fmt(&c->out, " (by %s", by);
	if (version > 0)
		(void)bytes_fmt(&c->out, "%sversion %lld", *by ? ", " : " (", (long long)version);
	(void)bytes_str(&c->out, *by || version > 0 ? ")\n" : "\n");
}

static void explain_replica(struct cli *c, const msgpack_object *r)
{
	char id[REPLICA_ID_MAX], state[32], why[1024], node[NAME_MAX_LEN + 1];
	enum tint tint;

	(void)field_text(r, "state", state, sizeof(state));
	(void)field_text(r, "why", why, sizeof(why));
	tint = c->colour ? view_state_tint(state) : TINT_NONE;
	(void)bytes_fmt(&c->out, "  %s  %s%s%s", field_text(r, "id", id, sizeof(id)), tint_begin(tint), state,
		tint == TINT_NONE ? "" : TINT_END);
	if (*field_text(r, "node", node, sizeof(node)))
		(void)bytes_fmt(&c->out, " on %s", node);
	put_clean(c, *why ? ": " : "", why, strlen(why), "\n");
}

/* A node without a replica. */
static void explain_none(struct cli *c, const msgpack_object *n)
{
	char node[NAME_MAX_LEN + 1], why[256];

	(void)field_text(n, "why", why, sizeof(why)); /* it is text */
	(void)bytes_fmt(&c->out, "  %s", field_text(n, "node", node, sizeof(node)));
	put_clean(c, "  ", why, strlen(why), "\n");
}

enum cli_status cmd_explain(struct cli *c)
{
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	enum cli_status status;

	args_init(&a, 1);
	mp_key_str(&a.w, "agent", cli_arg(c, 0));
	status = call_read(c, "explain", &a, &r);
	if (status != CLI_DONE || call_print_json(c, &r, &status))
		return status;
	for (uint32_t i = 0; i < field_n(r.result, "text"); i++) {
		const msgpack_object *o = field_at(r.result, "text", i);

		if (o->type == MSGPACK_OBJECT_STR)
			put_clean(c, "", o->via.str.ptr, o->via.str.size, "\n");
	}
	for (uint32_t i = 0; i < field_n(r.result, "replicas"); i++) {
		(void)bytes_str(&c->out, i ? "" : "\nreplicas:\n");
		explain_replica(c, field_at(r.result, "replicas", i));
	}
	for (uint32_t i = 0; i < field_n(r.result, "without"); i++) {
		(void)bytes_str(&c->out, i ? "" : "\nnone on:\n");
		explain_none(c, field_at(r.result, "without", i));
	}
	for (uint32_t i = 0; i < field_n(r.result, "decisions"); i++) {
		(void)bytes_str(&c->out, i ? "" : "\ndecisions:\n");
		explain_decision(c, field_at(r.result, "decisions", i));
	}
	return cli_flush(c);
}

/* The profile alone goes to standard output, so that it can be redirected into a file. */
enum cli_status cmd_profile(struct cli *c)
{
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	enum cli_status status;
	const char *text;
	size_t n;

	args_init(&a, 1);
	mp_key_str(&a.w, "agent", cli_arg(c, 0));
	status = call_read(c, "profile", &a, &r);
	if (status != CLI_DONE || call_print_json(c, &r, &status))
		return status;
	if (mp_get_str(r.result, "text", &text, &n, NULL) == 0 && text) {
		(void)bytes_add(&c->out, text, n);
		if (n && text[n - 1] != '\n')
			(void)bytes_str(&c->out, "\n");
	}
	status = cli_flush(c);
	if (status == CLI_DONE && !field_bool(r.result, "complete"))
		(void)cli_fail(
			CLI_DONE, "the agent is still being watched: more may be added"); /* a remark, no failure */
	return status;
}

static void put_plain(struct cli *c, const msgpack_object *o)
{
	if (o->type == MSGPACK_OBJECT_STR)
		put_clean(c, "", o->via.str.ptr, o->via.str.size, "");
	else
		(void)mp_to_json(o, 0, &c->out);
}

/* "  libraries: msgpack 4.0.0, yaml 0.2.5" */
static void put_map(struct cli *c, const char *key, const msgpack_object *map)
{
	if (!map || map->type != MSGPACK_OBJECT_MAP || map->via.map.size == 0)
		return;
	(void)bytes_fmt(&c->out, "  %s:", key);
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		(void)bytes_str(&c->out, i ? ", " : " ");
		put_plain(c, &map->via.map.ptr[i].key);
		(void)bytes_str(&c->out, " ");
		put_plain(c, &map->via.map.ptr[i].val);
	}
	(void)bytes_str(&c->out, "\n");
}

static void own_version(struct mp_writer *w)
{
	mp_map(w, 4);
	mp_key_str(w, "version", COVEY_VERSION);
	mp_key_int(w, "protocol", COVEY_CONTROL_PROTOCOL);
	mp_str(w, "libraries");
	mp_map(w, 2);
	mp_key_str(w, "msgpack", msgpack_version());
	mp_key_str(w, "yaml", yaml_get_version_string());
	mp_str(w, "build");
	mp_map(w, 2);
	mp_key_str(w, "compiler", __VERSION__);
#ifdef COVEY_SANITIZED
	mp_key_bool(w, "sanitized", true);
#else
	mp_key_bool(w, "sanitized", false);
#endif
}

static void show_version(struct cli *c, const char *who, const msgpack_object *o)
{
	char version[64], node[NAME_MAX_LEN + 1];

	(void)bytes_fmt(&c->out, "%s %s, protocol %lld", who, field_text(o, "version", version, sizeof(version)),
		(long long)field_int(o, "protocol", 0));
	if (*field_text(o, "node", node, sizeof(node)))
		(void)bytes_fmt(&c->out, ", node %s", node);
	(void)bytes_str(&c->out, "\n");
	put_map(c, "libraries", mp_get(o, "libraries"));
	put_map(c, "build", mp_get(o, "build"));
}

static enum cli_status version_json(struct cli *c, const struct bytes *own, const msgpack_object *daemon)
{
	struct bytes packed = {.max = CONTROL_FRAME_MAX};
	struct mp_tree t = {0};
	struct mp_writer w;
	struct err e;
	enum cli_status status = CLI_DONE;

	mp_writer_init(&w, &packed);
	mp_map(&w, 3);
	mp_key_int(&w, "format", 1);
	mp_str(&w, "covey");
	mp_raw(&w, own);
	mp_str(&w, "daemon");
	if (daemon)
		(void)msgpack_pack_object(&w.packer, *daemon); /* packed.failed tells */
	else
		mp_nil(&w);
	if (packed.failed || mp_read(&t, packed.v, packed.n, &e) < 0)
		status = cli_fail(CLI_REFUSED, "no memory");
	else
		(void)mp_to_json(mp_root(&t), c->out_tty ? 2 : 0, &c->out);
	(void)bytes_str(&c->out, "\n");
	mp_done(&t);
	bytes_done(&packed);
	return status == CLI_DONE ? cli_flush(c) : status;
}

static enum cli_status version_text(
	struct cli *c, const struct bytes *own, const msgpack_object *daemon, const char *why)
{
	struct mp_tree t;
	struct err e;

	if (own->failed || mp_read(&t, own->v, own->n, &e) < 0)
		return cli_fail(CLI_REFUSED, "no memory");
	show_version(c, "covey", mp_root(&t));
	mp_done(&t);
	if (daemon)
		show_version(c, "coveyd", daemon);
	else
		put_clean(c, "no daemon answered: ", why, strlen(why), "\n");
	return cli_flush(c);
}

/* Its own version needs no daemon, so that none answering is no failure. */
enum cli_status cmd_version(struct cli *c)
{
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	struct bytes own = {.max = 4096};
	struct mp_writer w;
	struct err e = {0};
	enum call_end end;
	enum cli_status status;

	args_init(&a, 0);
	mp_writer_init(&w, &own);
	own_version(&w);
	end = call_daemon(c, "version", &a, c->opt.timeout_ms, &r, &e);
	if (cli_has(c, OPT_JSON))
		status = version_json(c, &own, r.result);
	else
		status = version_text(c, &own, r.result, end == CALL_REFUSED ? r.error : e.text);
	bytes_done(&own);
	return status;
}

enum cli_status cmd_help(struct cli *c)
{
	const char *name = cli_arg(c, 0);
	const struct command *command = name ? command_find(name) : NULL;

	if (name && !command)
		return cli_usage(c, "there is no command '%.40s'; `covey help` lists them", name);
	if (command)
		help_command(command, &c->out);
	else
		help_all(&c->out);
	return cli_flush(c);
}
