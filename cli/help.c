/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Help and usage, from the tables of commands and options alone. Appending to bytes: their `failed` tells, at the
 * end, hence the (void)s.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#define MARGIN 26 /* where the explanations begin */

/* "-n, --lines N" */
static void put_option(const struct option_row *row, struct bytes *out)
{
	char left[64];
	char letter[8] = "    ";

	if (row->letter)
		(void)snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	(void)snprintf(left, sizeof(left), "%s--%s%s%s", letter, row->name, row->value ? " " : "",
		row->value ? row->value : "");
	(void)bytes_fmt(out, "  %-*s%s\n", MARGIN - 2, left, row->help);
}

static void put_options(uint32_t which, struct bytes *out)
{
	for (unsigned i = 0; i < OPT_MAX; i++)
		if (which & OPT_BIT(i))
			put_option(&option_rows[i], out);
}

void help_usage(const struct command *command, struct bytes *out)
{
	(void)bytes_fmt(
		out, "usage: covey %s%s%s [option...]\n", command->name, *command->args ? " " : "", command->args);
}

void help_command(const struct command *command, struct bytes *out)
{
	help_usage(command, out);
	(void)bytes_fmt(out, "\n%s: %s.\n", command->name, command->help);
	if (command->more)
		(void)bytes_fmt(out, "%s\n", command->more);
	(void)bytes_str(out, "\n");
	put_options(command->options | COMMAND_OPTIONS, out);
}

void help_all(struct bytes *out)
{
	(void)bytes_str(out, "usage: covey COMMAND [argument...] [option...]\n\n");
	for (size_t i = 0; i < n_commands; i++) {
		const struct command *k = &commands[i];
		char left[64];

		(void)snprintf(left, sizeof(left), "%s %s", k->name, k->args);
		if (strlen(left) > MARGIN - 4)
			(void)bytes_fmt(out, "  %s\n  %*s%s\n", left, MARGIN - 2, "", k->help);
		else
			(void)bytes_fmt(out, "  %-*s%s\n", MARGIN - 2, left, k->help);
	}
	(void)bytes_str(out, "\nOptions of every command:\n");
	put_options(COMMAND_OPTIONS, out);
	(void)bytes_str(out, "\n`covey help COMMAND` tells a command's own options. Exit status: 0 done, 1 refused or "
			     "failed, 2 wrong\n"
			     "usage, 3 no daemon answered, 4 outcome unknown (repeat with the printed --op ID), 5 "
			     "still going on.\n");
}
