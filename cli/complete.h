/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H
/*
 * What may come next on a command line, for the completion of bash and zsh (etc/completion/): they call
 * `covey __complete WORD...`, the last word being the one under the cursor, maybe empty.
 */
#include "cli/cli.h"

#define COMPLETE_COMMAND "__complete"

/*
 * Prints a candidate a line, "WORD" or "WORD<tab>what it is", and ":file" where a file's name is wanted. Names of
 * agents, replicas and nodes are asked of the daemon, which has half a second; without it there are none.
 */
enum cli_status complete_run(struct cli *c, int n, const char *const *words);

/* Whether all that a command's `args` says is understood; for a test of the table. */
bool complete_knows(const char *args);

#endif
