/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reload`: agents_dir is read again, as on SIGHUP, and here its faults are the command's to tell: it is what
 * `systemctl reload coveyd` runs.
 */
#include <stdio.h>
#include <string.h>

#include "cli/call.h"
#include "cli/field.h"

static uint32_t tell_faults(const msgpack_object *result)
{
	uint32_t n = field_n(result, "faults");
	char file[STRING_MAX], key[256], text[1024];

	for (uint32_t i = 0; i < n; i++) {
		const msgpack_object *f = field_at(result, "faults", i);

		cli_fault(field_text(f, "file", file, sizeof(file)), field_int(f, "line", 0),
			field_text(f, "key", key, sizeof(key)), field_text(f, "text", text, sizeof(text)));
	}
	return n;
}

enum cli_status cmd_reload(struct cli *c)
{
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	enum cli_status status;
	uint32_t faults;

	args_init(&a, 0);
	status = call_read(c, "reload", &a, &r);
	if (status != CLI_DONE)
		return status;
	faults = tell_faults(r.result);
	if (cli_has(c, OPT_JSON))
		(void)call_print_json(c, &r, &status);
	if (faults)
		return cli_fail(CLI_REFUSED, "nothing of agents_dir was taken; what runs goes on as it was");
	if (cli_has(c, OPT_JSON))
		return status;
	(void)bytes_fmt(&c->out, "%lld agents added, %lld changed, %lld removed\n", /* cli_flush tells */
		(long long)field_int(r.result, "added", 0), (long long)field_int(r.result, "changed", 0),
		(long long)field_int(r.result, "removed", 0));
	return cli_flush(c);
}
