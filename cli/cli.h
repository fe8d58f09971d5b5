/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CLI_H
#define CLI_CLI_H
/*
 * What one run of `covey` carries, and the table of its commands.
 */
#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "cli/options.h"
#include "node/control_client.h"

/* What `covey` exits with; scripts hold on to these numbers. */
enum cli_status {
	CLI_DONE = 0,
	CLI_REFUSED = 1,     /* or failed: the reason on standard error in one sentence */
	CLI_USAGE = 2,	     /* wrong usage */
	CLI_NO_DAEMON = 3,   /* no daemon answered */
	CLI_UNKNOWN = 4,     /* the outcome is: repeat it with the printed --op ID, which is safe */
	CLI_STILL_GOING = 5, /* waited longer than --timeout */
	CLI_STATUS_MAX
};

struct cli;

struct command {
	const char *name;
	const char *args; /* as usage shows them: "AGENT [N]"; "" for none */
	int min_args, max_args;
	uint32_t options; /* OPT_BITs beside those that every command takes */
	const char *help; /* one line, small first letter, no full stop */
	const char *more; /* further lines of its help; NULL for none */
	enum cli_status (*run)(struct cli *c);
};

extern const struct command commands[];
extern const size_t n_commands;
#define COMMAND_OPTIONS (OPT_BIT(OPT_TIMEOUT) | OPT_BIT(OPT_SOCKET) | OPT_BIT(OPT_HELP)) /* what every command takes */

const struct command *command_find(const char *name); /* NULL when there is none */

struct cli {
	const struct command *command;
	struct options opt;
	int argc;
	const char **argv; /* the command's own arguments; borrowed from opt */
	bool out_tty, err_tty, colour;
	struct control_client *client; /* NULL: not connected */
	char op[OP_ID_MAX];	       /* "" until cli_op */
	struct bytes out;	       /* what goes to standard output at the next cli_flush */
};

#define CLI_OUT_MAX (256 * 1024 * 1024)

/* Runs one command line (argv with the program's name). The exit status of the process. */
enum cli_status cli_main(int argc, char *const *argv);

/* One sentence to standard error, as "covey: …". Returns `status`. */
enum cli_status cli_fail(enum cli_status status, const char *fmt, ...) PRINTF_LIKE(2, 3);
enum cli_status cli_usage(const struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "FILE:LINE: KEY: text" to standard error; line 0: the file as a whole. */
void cli_fault(const char *file, int64_t line, const char *key, const char *text);
/* Writes c->out to standard output and empties it. CLI_DONE, or CLI_REFUSED with the reason told. */
enum cli_status cli_flush(struct cli *c);
/* Columns to keep within: 0 (no cutting) when standard output is no terminal. */
unsigned cli_width(const struct cli *c);
/* COLUMNS, or what the terminal behind fd says, or 80; at least 20. */
unsigned screen_width(int fd);
unsigned screen_height(int fd);
/* The id that makes a repeat of this change safe: --op's, or a new one. */
const char *cli_op(struct cli *c);
/* Of this command line: the word at i, or NULL. */
static inline const char *cli_arg(const struct cli *c, int i)
{
	return i < c->argc ? c->argv[i] : NULL;
}
static inline bool cli_has(const struct cli *c, enum option_id id)
{
	return options_has(&c->opt, id);
}
int64_t cli_mono_ms(void);
int64_t cli_wall_ms(void);
/* Asks on a terminal; true when the answer is "yes", or when nobody can be asked. */
bool cli_confirm(const struct cli *c, const char *question);
/* A line that is typed; false: nobody can be asked, or nothing came. */
bool cli_ask(const struct cli *c, const char *question, char *out, size_t n);

/* help.c: from the tables alone. */
void help_all(struct bytes *out);
void help_command(const struct command *command, struct bytes *out);
void help_usage(const struct command *command, struct bytes *out); /* one line */

/* The commands' handlers, by file. */
/* cmd_status.c */
enum cli_status cmd_status(struct cli *c);
enum cli_status cmd_nodes(struct cli *c);
/* cmd_top.c */
enum cli_status cmd_top(struct cli *c);
/* cmd_apply.c */
enum cli_status cmd_apply(struct cli *c);
enum cli_status cmd_check(struct cli *c);
/* cmd_change.c */
enum cli_status cmd_scale(struct cli *c);
enum cli_status cmd_target(struct cli *c);
enum cli_status cmd_remove(struct cli *c);
enum cli_status cmd_rollout(struct cli *c);
/* cmd_logs.c */
enum cli_status cmd_logs(struct cli *c);
/* cmd_events.c */
enum cli_status cmd_events(struct cli *c);
/* cmd_tell.c */
enum cli_status cmd_explain(struct cli *c);
enum cli_status cmd_profile(struct cli *c);
enum cli_status cmd_version(struct cli *c);
enum cli_status cmd_help(struct cli *c);
/* cmd_cluster.c */
enum cli_status cmd_node(struct cli *c);
enum cli_status cmd_cluster(struct cli *c);
enum cli_status cmd_reset(struct cli *c);
enum cli_status cmd_backup(struct cli *c);
enum cli_status cmd_restore(struct cli *c);
/* cmd_voters.c */
enum cli_status cmd_voters(struct cli *c);
enum cli_status cmd_recover(struct cli *c);
/* cmd_pki.c */
enum cli_status cmd_pki(struct cli *c);
/* cmd_reload.c */
enum cli_status cmd_reload(struct cli *c);

#endif
