/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking the daemon, and turning what went wrong into one sentence and an exit status.
 */
#include "cli/call.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/field.h"

#define SOCKET_DEFAULT "/run/covey/covey.sock"

void reply_done(struct reply *r)
{
	mp_done(&r->tree);
	bytes_done(&r->raw);
	r->result = NULL;
}

void args_init(struct args *a, size_t pairs)
{
	bytes_init(&a->packed, CONTROL_FRAME_MAX);
	mp_writer_init(&a->w, &a->packed);
	mp_map(&a->w, pairs);
}

void args_done(struct args *a)
{
	bytes_done(&a->packed);
}

static const char *socket_path(const struct cli *c)
{
	const char *env = getenv("COVEY_SOCKET");

	if (cli_has(c, OPT_SOCKET))
		return c->opt.value[OPT_SOCKET];
	return env && *env ? env : SOCKET_DEFAULT;
}

static enum call_end read_reply(struct reply *r, struct err *e)
{
	const msgpack_object *root;
	int rc = mp_read(&r->tree, r->raw.v, r->raw.n, e);

	if (rc < 0) {
		(void)err_wrap(e, "the daemon's answer cannot be read"); /* the outcome is CALL_LOST whatever it says */
		return CALL_LOST;
	}
	root = mp_root(&r->tree);
	if (field_bool(root, "ok")) {
		static const msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};

		r->result = mp_get(root, "result");
		if (!r->result)
			r->result = &nil;
		return CALL_OK;
	}
	(void)field_text(root, "code", r->code, sizeof(r->code)); /* an unknown one is a refusal like others */
	if (!*field_text(root, "error", r->error, sizeof(r->error)))
		(void)snprintf(r->error, sizeof(r->error), "the daemon refused and gave no reason"); /* fits */
	if (strcmp(r->code, "stopping") != 0)
		return CALL_REFUSED;
	(void)err_set(e, -ECONNREFUSED, "%s", r->error); /* nothing was done: as if it were gone already */
	return CALL_UNREACHED;
}

enum call_end call_daemon(
	struct cli *c, const char *verb, const struct args *a, int64_t timeout_ms, struct reply *ret, struct err *e)
{
	int rc;

	bytes_init(&ret->raw, CONTROL_FRAME_MAX + 4096);
	if (a->packed.failed) {
		(void)err_set(
			e, -EMSGSIZE, "more than %d MiB in one request", CONTROL_FRAME_MAX >> 20); /* told by the end */
		return CALL_UNREACHED;
	}
	if (!c->client && control_client_open(socket_path(c), &c->client, e) < 0)
		return CALL_UNREACHED;
	rc = control_client_call(
		c->client, verb, &a->packed, (int)MIN(MAX(timeout_ms, (int64_t)1), (int64_t)INT_MAX), &ret->raw, e);
	if (rc == 0)
		return read_reply(ret, e);
	control_client_close(c->client);
	c->client = NULL;
	return rc == -EMSGSIZE || rc == -ENOMEM ? CALL_UNREACHED : CALL_LOST;
}

/* Faults of definitions are told one a line, as `check` tells them. */
static bool tell_faults(const struct reply *r)
{
	const msgpack_object *root = mp_root(&r->tree);
	char file[STRING_MAX], key[256], text[1024];

	for (uint32_t i = 0; i < field_n(root, "faults"); i++) {
		const msgpack_object *f = field_at(root, "faults", i);

		cli_fault(field_text(f, "file", file, sizeof(file)), field_int(f, "line", 0),
			field_text(f, "key", key, sizeof(key)), field_text(f, "text", text, sizeof(text)));
	}
	return field_n(root, "faults") > 0;
}

enum cli_status call_failed(enum call_end end, const struct reply *r, const struct err *e)
{
	switch (end) {
	case CALL_REFUSED:
		if (strcmp(r->code, "faults") == 0 && tell_faults(r))
			return CLI_REFUSED;
		return cli_fail(strcmp(r->code, "usage") == 0 ? CLI_USAGE : CLI_REFUSED, "%s", r->error);
	case CALL_UNREACHED:
		if (e->code == -EACCES || e->code == -EPERM || e->code == -EMSGSIZE || e->code == -ENOMEM)
			return cli_fail(CLI_REFUSED, "%s", e->text);
		return cli_fail(CLI_NO_DAEMON, "%s", e->text);
	case CALL_LOST:
		return cli_fail(CLI_NO_DAEMON, "%s", e->text);
	case CALL_OK:
	case CALL_END_MAX:
	default:
		return CLI_DONE;
	}
}

enum cli_status call_read(struct cli *c, const char *verb, const struct args *a, struct reply *ret)
{
	struct err e = {0};
	enum call_end end = call_daemon(c, verb, a, c->opt.timeout_ms, ret, &e);

	return end == CALL_OK ? CLI_DONE : call_failed(end, ret, &e);
}

bool call_print_json(struct cli *c, const struct reply *r, enum cli_status *ret)
{
	if (!cli_has(c, OPT_JSON))
		return false;
	(void)mp_to_json(r->result, c->out_tty ? 2 : 0, &c->out); /* cli_flush tells */
	(void)bytes_str(&c->out, "\n");				  /* as above */
	*ret = cli_flush(c);
	return true;
}
