/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H
/*
 * The options of `covey`: one table, from which the parser, the help and the test of the man page come. Options
 * may stand anywhere; "--" ends them. Purely: nothing is printed, no environment read.
 */
#include "base/err.h"

enum option_id {
	OPT_JSON,
	OPT_NO_WAIT,
	OPT_OP,
	OPT_IF_VERSION,
	OPT_DRY_RUN,
	OPT_ALL,
	OPT_FORCE,
	OPT_CLUSTER,
	OPT_HOSTS_ARE_OFF,
	OPT_NUMBER,
	OPT_AUTO,
	OPT_SPREAD,
	OPT_REPLACE_AFTER,
	OPT_TIMES,
	OPT_DIR,
	OPT_LINES,
	OPT_FOLLOW,
	OPT_AGENT,
	OPT_SINCE,
	OPT_AFTER,
	OPT_TIMEOUT,
	OPT_SOCKET,
	OPT_HELP,
	OPT_VERSION,
	OPT_MAX
};

#define OPT_BIT(id) (1u << (id))

struct option_row {
	const char *name;  /* without the dashes */
	char letter;	   /* 0: none */
	const char *value; /* how help calls it; NULL: takes none */
	const char *help;
};

extern const struct option_row option_rows[OPT_MAX];

struct options {
	uint32_t given;		    /* OPT_BITs */
	const char *value[OPT_MAX]; /* borrowed from argv; the last one given wins */
	int n_words;
	const char **words; /* owned: what is no option, in order; the command's name is the first */
	int64_t timeout_ms;
	int64_t lines, if_version; /* -1: not given */
};

/* argv without the program's name. -EINVAL with a sentence (wrong usage), -ENOMEM. */
int options_parse(int argc, char *const *argv, struct options *ret, struct err *e);
void options_done(struct options *o);
static inline bool options_has(const struct options *o, enum option_id id)
{
	return o->given & OPT_BIT(id);
}

#define TIMEOUT_DEFAULT_MS 60000

#endif
