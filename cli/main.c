/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `covey` command; all of it is in the library, so that tests link it.
 */
#include <signal.h>

#include "cli/cli.h"

int main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN); /* a write that fails says so; cannot fail with these arguments */
	return (int)cli_main(argc, argv);
}
