/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as datagrams of sd_notify from an agent: the input is cut in two, so that the second meets what the first
 * left. What is kept stays a string within its bounds.
 */
#include <string.h>

#include "base/util.h"
#include "supervisor/shim/notifymsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct shim_notify said = {.size = sizeof(said)};
	size_t cut = size ? data[0] % size : 0;
	bool watchdog = false;

	/* Whether something changed does not matter here. */
	(void)notifymsg_take((const char *)data, cut, &said, &watchdog);
	(void)notifymsg_take((const char *)data + cut, size - cut, &said, &watchdog);
	assert(memchr(said.status, '\0', sizeof(said.status)));
	assert(said.size == sizeof(said) && said.ready <= 1 && said.main_pid >= 0);
	return 0;
}
