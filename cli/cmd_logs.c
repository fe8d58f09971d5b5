/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `logs` of one replica: what was written, and with -f what comes. The bytes are printed as they are.
 */
#include "cli/logs.h"

#include <string.h>

#include "cli/field.h"
#include "cli/merge.h"

size_t log_place_pairs(const struct log_place *p)
{
	return 1 + (p->known ? 2 : p->lines >= 0);
}

void log_place_pack(struct mp_writer *w, const char *replica, const struct log_place *p)
{
	mp_key_str(w, "replica", replica);
	if (p->known) {
		mp_str(w, "inode");
		mp_uint(w, p->inode);
		mp_key_int(w, "offset", p->offset);
	} else if (p->lines >= 0) {
		mp_key_int(w, "lines", p->lines);
	}
}

void log_place_take(struct log_place *p, const msgpack_object *part)
{
	const msgpack_object *inode = mp_get(part, "inode");

	p->known = true;
	p->inode = inode && inode->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? inode->via.u64 : 0;
	p->offset = field_int(part, "offset", 0);
}

void log_data_take(struct bytes *out, const msgpack_object *part)
{
	const msgpack_object *data = mp_get(part, "data");

	/* out->failed tells */
	if (data && data->type == MSGPACK_OBJECT_BIN)
		(void)bytes_add(out, data->via.bin.ptr, data->via.bin.size);
	else if (data && data->type == MSGPACK_OBJECT_STR)
		(void)bytes_add(out, data->via.str.ptr, data->via.str.size);
}

/* The time that the last whole line begins with, or its first bytes. */
static void keep_last(struct follow *f, const struct bytes *out)
{
	const char *end = out->n ? memrchr(out->v, '\n', out->n) : NULL;
	const char *nl = end && end > out->v ? memrchr(out->v, '\n', (size_t)(end - out->v)) : NULL;
	const char *line = nl ? nl + 1 : out->v;
	const char *blank;
	size_t n = 0;

	if (!end)
		return;
	blank = memchr(line, ' ', (size_t)(end - line));
	if (blank && blank - line == MERGE_STAMP && line[MERGE_STAMP - 1] == 'Z')
		end = blank;
	for (; line < end && n < FOLLOW_LAST_MAX && *line >= ' ' && *line <= '~'; line++)
		f->last[n++] = *line;
	f->last[n] = '\0';
}

static enum cli_status step(struct cli *c, struct follow *f, const char *replica, struct log_place *p, bool *ret_more)
{
	bool waits = f->on && p->known, again;
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	enum cli_status status;

	args_init(&a, log_place_pairs(p) + waits);
	log_place_pack(&a.w, replica, p);
	if (waits)
		mp_key_int(&a.w, "wait_ms", FOLLOW_POLL_MS);
	status = follow_ask(c, f, "logs", &a, &r, &again);
	*ret_more = f->on;
	if (status != CLI_DONE || again)
		return status;
	if (field_bool(r.result, "gap"))
		(void)cli_fail(CLI_DONE, "some lines are missing: they were rotated away"); /* told; it goes on */
	log_data_take(&c->out, r.result);						    /* cli_flush tells */
	keep_last(f, &c->out);
	log_place_take(p, r.result);
	*ret_more |= field_bool(r.result, "more");
	return CLI_DONE;
}

static enum cli_status print(struct cli *c, const char *replica)
{
	struct follow f = {.on = cli_has(c, OPT_FOLLOW)};
	struct log_place p = {.lines = c->opt.lines < 0 && f.on ? FOLLOW_LINES : c->opt.lines};
	enum cli_status status;
	bool more;

	do {
		status = step(c, &f, replica, &p, &more);
		if (status == CLI_DONE)
			status = cli_flush(c);
	} while (status == CLI_DONE && more);
	return status;
}

enum cli_status log_read_all(struct cli *c, const char *replica)
{
	struct log_place p = {.lines = c->opt.lines};
	struct follow f = {0};
	enum cli_status status;
	bool more;

	do
		status = step(c, &f, replica, &p, &more);
	while (status == CLI_DONE && more && !c->out.failed);
	return status;
}

static void put_lines(struct bytes *out, const struct bytes *log)
{
	/* out->failed tells */
	(void)bytes_str(out, "[");
	for (size_t at = 0; at < log->n;) {
		const char *end = memchr(log->v + at, '\n', log->n - at);
		size_t n = end ? (size_t)(end - log->v) - at : log->n - at;
		msgpack_object line = {.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)n, log->v + at}};

		(void)bytes_str(out, at ? "," : "");
		(void)mp_to_json(&line, 0, out);
		at += n + 1;
	}
	(void)bytes_str(out, "]");
	out->failed |= log->failed;
}

void log_put_replica(struct bytes *out, const char *replica, const struct bytes *log)
{
	msgpack_object name = {.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)strlen(replica), replica}};

	/* out->failed tells */
	(void)bytes_str(out, "\"replica\":");
	(void)mp_to_json(&name, 0, out);
	(void)bytes_str(out, ",\"lines\":");
	put_lines(out, log);
}

/* One document: {"format": 1, "replica": "web.0", "lines": ["…"]} */
static enum cli_status print_json(struct cli *c, const char *replica)
{
	enum cli_status status = log_read_all(c, replica);
	struct bytes log = c->out;

	bytes_init(&c->out, CLI_OUT_MAX);
	if (status == CLI_DONE) {
		(void)bytes_str(&c->out, "{\"format\":1,"); /* cli_flush tells */
		log_put_replica(&c->out, replica, &log);
		(void)bytes_str(&c->out, "}\n"); /* as above */
		status = cli_flush(c);
	}
	bytes_done(&log);
	return status;
}

/* "web.0", "n1/web.0", "web.n1" (its node), and not "web" or "n1/web": names of agents have no dot. */
static bool is_replica(const char *name)
{
	const char *slash = strrchr(name, '/');

	return strchr(slash ? slash : name, '.') != NULL;
}

enum cli_status cmd_logs(struct cli *c)
{
	const char *name = cli_arg(c, 0);
	bool json = cli_has(c, OPT_JSON);

	if (json && cli_has(c, OPT_FOLLOW))
		return cli_usage(c, "--json and --follow exclude each other: a document has an end");
	if (!is_replica(name))
		return logs_of_agent(c);
	return json ? print_json(c, name) : print(c, name);
}
