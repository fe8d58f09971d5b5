/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CALL_H
#define CLI_CALL_H
/*
 * One request to the daemon and what came of it; and changes, which are asked for once and then waited for.
 */
#include "cli/cli.h"
#include "node/mp.h"

enum call_end {
	CALL_OK,
	CALL_REFUSED,	/* the daemon said no: reply.error, reply.code */
	CALL_UNREACHED, /* it was never asked */
	CALL_LOST,	/* asked, and no answer came: e says why */
	CALL_END_MAX
};

struct reply {
	struct bytes raw;
	struct mp_tree tree;	      /* borrows raw */
	const msgpack_object *result; /* NULL unless CALL_OK */
	char code[32], error[1024];   /* of a refusal */
};

/* A zeroed one is accepted. */
void reply_done(struct reply *r);
#define AUTO_REPLY CLEANUP(reply_done)

/* Arguments of a request: a map of `pairs`, to be written with w. */
struct args {
	struct bytes packed;
	struct mp_writer w;
};
void args_init(struct args *a, size_t pairs);
void args_done(struct args *a);
#define AUTO_ARGS CLEANUP(args_done)

/* Connects when that was not done, and asks. `ret` must be zeroed; it is to be done with in any case. */
enum call_end call_daemon(
	struct cli *c, const char *verb, const struct args *a, int64_t timeout_ms, struct reply *ret, struct err *e);
/* Tells why it failed on standard error and says what to exit with. */
enum cli_status call_failed(enum call_end end, const struct reply *r, const struct err *e);
/* A reading verb from beginning to end: CLI_DONE and ret->result, or told and the status. */
enum cli_status call_read(struct cli *c, const char *verb, const struct args *a, struct reply *ret);
/* With --json: prints the result as a document, and true. */
bool call_print_json(struct cli *c, const struct reply *r, enum cli_status *ret);

/* Shows the answer to a change, appending to c->out. */
typedef void change_show(struct cli *c, const msgpack_object *result, void *arg);
/*
 * Asks for a change (`a` must carry cli_op as "op"), shows the answer, and waits until it is done as the options
 * say. what: what progress is told of ("web"). show NULL: change_show_lines.
 */
enum cli_status change_run(
	struct cli *c, const char *verb, const struct args *a, const char *what, change_show *show, void *arg);
/* A line a change: "web: scaled to 3 replicas". */
void change_show_lines(struct cli *c, const msgpack_object *result, void *arg);

#endif
