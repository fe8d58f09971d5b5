/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any two lines as a request's target and Host: what is let through is a clean path under the root, and a host that is
 * ours. The first byte that is a newline parts them.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "node/http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(const char *path)
{
	size_t n = strlen(path);

	if (path[0] != '/' || n >= HTTP_PATH_MAX || strstr(path, "//") || strstr(path, "/../") || strstr(path, "/./"))
		abort();
	if ((n >= 3 && strcmp(path + n - 3, "/..") == 0) || (n >= 2 && strcmp(path + n - 2, "/.") == 0))
		abort();
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)path[i] < ' ')
			abort();
}

static void check_host(const char *host)
{
	size_t n = strcspn(host, ":");

	if (!http_parse_host_ok(host, "n1", "bound.example"))
		return;
	if (host[0] != '[' && strspn(host, "0123456789.") < n && strncasecmp(host, "localhost", 9) != 0 &&
		strncasecmp(host, "n1", 2) != 0 && strncasecmp(host, "bound.example", 13) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[HTTP_PATH_MAX], query[HTTP_QUERY_MAX];
	char *text = malloc(size + 1), *host;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	host = strchr(text, '\n');
	if (host)
		*host++ = '\0';
	if (http_parse_target(text, path, query) == 0) {
		check_path(path);
		if (strlen(query) >= HTTP_QUERY_MAX)
			abort();
	}
	check_host(host ? host : text);
	free(text);
	return 0;
}
