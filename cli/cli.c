/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the command line to a command's handler, and what all handlers share: the terminal, the clock, printing.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>

#include "base/io.h"
#include "base/units.h"
#include "cli/complete.h"

static int64_t clock_ms(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t); /* cannot fail with the two clocks used here */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t cli_mono_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t cli_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

enum cli_status cli_fail(enum cli_status status, const char *fmt, ...)
{
	va_list ap;

	/* Nobody is left to tell that standard error failed. */
	(void)fputs("covey: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return status;
}

enum cli_status cli_usage(const struct cli *c, const char *fmt, ...)
{
	struct bytes usage = {.max = 4096};
	va_list ap;

	/* As in cli_fail. */
	(void)fputs("covey: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	if (c->command)
		help_usage(c->command, &usage);
	if (usage.n && !usage.failed)
		(void)fputs(usage.v, stderr);
	bytes_done(&usage);
	return CLI_USAGE;
}

void cli_fault(const char *file, int64_t line, const char *key, const char *text)
{
	/* As in cli_fail. */
	(void)fprintf(stderr, "%s:", file);
	if (line > 0)
		(void)fprintf(stderr, "%lld:", (long long)line);
	(void)fprintf(stderr, " %s%s%s\n", key, *key ? ": " : "", text);
}

enum cli_status cli_flush(struct cli *c)
{
	int rc = c->out.failed ? -ENOMEM : io_write_all(STDOUT_FILENO, c->out.v, c->out.n);

	bytes_clear(&c->out);
	if (rc == -EPIPE)
		return CLI_REFUSED; /* who read it went away: nothing to say */
	return rc < 0 ? cli_fail(CLI_REFUSED, "write to standard output: %s", strerror(-rc)) : CLI_DONE;
}

static unsigned from_environment(const char *name)
{
	const char *s = getenv(name);
	int64_t n;

	return s && units_parse_int(s, &n) == 0 && n > 0 && n <= 10000 ? (unsigned)n : 0;
}

unsigned screen_width(int fd)
{
	struct winsize size = {0};
	unsigned n = from_environment("COLUMNS");

	if (n == 0 && ioctl(fd, TIOCGWINSZ, &size) == 0)
		n = size.ws_col;
	return n ? MAX(n, 20u) : 80;
}

unsigned screen_height(int fd)
{
	struct winsize size = {0};
	unsigned n = from_environment("LINES");

	if (n == 0 && ioctl(fd, TIOCGWINSZ, &size) == 0)
		n = size.ws_row;
	return n ? MAX(n, 5u) : 24;
}

unsigned cli_width(const struct cli *c)
{
	return c->out_tty ? screen_width(STDOUT_FILENO) : 0;
}

const char *cli_op(struct cli *c)
{
	unsigned char random[8];

	if (c->op[0])
		return c->op;
	if (cli_has(c, OPT_OP)) {
		(void)snprintf(c->op, sizeof(c->op), "%s", c->opt.value[OPT_OP]); /* options_parse checked the length */
		return c->op;
	}
	if (getrandom(random, sizeof(random), 0) != sizeof(random)) { /* cannot be, short of a kernel without it */
		int64_t now = cli_wall_ms();

		memcpy(random, &now, sizeof(random));
	}
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(c->op + 2 * i, 3, "%02x", random[i]); /* 16 digits fit */
	return c->op;
}

bool cli_ask(const struct cli *c, const char *question, char *out, size_t n)
{
	if (!c->err_tty || !isatty(STDIN_FILENO))
		return false;
	(void)fprintf(stderr, "%s: ", question); /* the answer tells whether it was seen */
	if (!fgets(out, (int)n, stdin))
		return false;
	out[strcspn(out, "\n")] = '\0';
	return true;
}

bool cli_confirm(const struct cli *c, const char *question)
{
	char answer[16] = "";

	if (!c->err_tty || !isatty(STDIN_FILENO))
		return true;
	(void)fprintf(stderr, "%s Type yes to go on: ", question); /* the answer tells whether it was seen */
	return fgets(answer, sizeof(answer), stdin) && strcmp(answer, "yes\n") == 0;
}

static bool wants_colour(const struct cli *c)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return c->out_tty && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

/* Options that this command does not take are wrong usage: nobody should believe that they had been heeded. */
static enum cli_status check_options(const struct cli *c)
{
	uint32_t foreign = c->opt.given & ~(c->command->options | COMMAND_OPTIONS);

	for (unsigned i = 0; i < OPT_MAX; i++)
		if (foreign & OPT_BIT(i))
			return cli_usage(c, "%s takes no --%s", c->command->name, option_rows[i].name);
	if (c->argc < c->command->min_args)
		return cli_usage(c, "%s needs %s", c->command->name, c->command->args);
	if (c->argc > c->command->max_args)
		return cli_usage(c, "'%s' is one argument too many", c->argv[c->command->max_args]);
	return CLI_DONE;
}

static enum cli_status help(struct cli *c)
{
	if (c->command)
		help_command(c->command, &c->out);
	else
		help_all(&c->out);
	return cli_flush(c);
}

static enum cli_status run(struct cli *c)
{
	const char *name = c->opt.n_words ? c->opt.words[0] : NULL;
	enum cli_status status;

	if (!name && options_has(&c->opt, OPT_VERSION)) {
		c->opt.given &= ~OPT_BIT(OPT_VERSION);
		name = "version";
	}
	c->command = name ? command_find(name) : NULL;
	if (name && !c->command)
		return cli_usage(c, "there is no command '%.40s'; `covey help` lists them", name);
	if (cli_has(c, OPT_HELP))
		return help(c);
	if (!c->command) {
		help_all(&c->out);
		(void)io_write_all(STDERR_FILENO, c->out.v, c->out.n); /* as in cli_fail */
		return CLI_USAGE;
	}
	c->argc = MAX(c->opt.n_words - 1, 0);
	c->argv = c->opt.words + 1;
	status = check_options(c);
	return status == CLI_DONE ? c->command->run(c) : status;
}

enum cli_status cli_main(int argc, char *const *argv)
{
	struct cli c = {.out_tty = isatty(STDOUT_FILENO), .err_tty = isatty(STDERR_FILENO)};
	enum cli_status status;
	struct err e;
	int rc;

	bytes_init(&c.out, CLI_OUT_MAX);
	c.colour = wants_colour(&c);
	if (argc > 1 && strcmp(argv[1], COMPLETE_COMMAND) == 0) { /* half a line: it is not parsed as one */
		status = complete_run(&c, argc - 2, (const char *const *)argv + 2);
		control_client_close(c.client);
		bytes_done(&c.out);
		return status;
	}
	rc = options_parse(argc > 0 ? argc - 1 : 0, argv + 1, &c.opt, &e);
	if (rc < 0)
		return cli_fail(rc == -ENOMEM ? CLI_REFUSED : CLI_USAGE, "%s", e.text);
	status = run(&c);
	control_client_close(c.client);
	bytes_done(&c.out);
	options_done(&c.opt);
	return status;
}
