/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the daemon's file: refused with faults, or a configuration that keeps its promises.
 */
#include "node/config.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const char *path, size_t max)
{
	if (!path || path[0] != '/' || strlen(path) > max)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct spec_faults faults; /* large: not on the stack */
	struct config *c = NULL;

	if (config_parse((const char *)data, size, "/etc/covey", &c, &faults) < 0) {
		if (c || faults.n == 0)
			abort();
		return 0;
	}
	check_path(c->data_dir, CONFIG_PATH_MAX);
	check_path(c->run_dir, CONFIG_RUN_DIR_MAX);
	check_path(c->agents_dir, CONFIG_PATH_MAX);
	if (!c->name || (c->gossip.on && !c->gossip.bind.host) || !c->tls_ca != !c->tls_key)
		abort();
	if (c->gossip.on && !c->gossip.insecure && !c->tls_ca)
		abort();
	config_free(c);
	return 0;
}
