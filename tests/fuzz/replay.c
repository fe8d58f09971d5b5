/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays a fuzz target's corpus where there is no libFuzzer: each file of tests/fuzz/corpus/NAME whole, and cut after
 * each of its first bytes, since a parser's faults sit at the ends. NAME is the program's own after "fuzz_"; TOP in the
 * environment is the top of the sources. A corpus that is missing or empty is a failure.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"

#define FILE_BYTES_MAX (4 << 20)
#define CUTS_MAX       600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of exactly its size, so that a sanitizer sees one byte too many. */
static int run(const char *v, size_t n)
{
	AUTO_FREE uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		return -1;
	memcpy(copy, v, n);
	return LLVMFuzzerTestOneInput(copy, n);
}

static int run_file(int dir, const char *name)
{
	struct bytes text = {.max = FILE_BYTES_MAX};
	struct err e;
	int rc = io_read_file(dir, name, &text, &e);

	if (rc < 0)
		(void)fprintf(stderr, "%s\n", e.text);
	for (size_t n = 0; rc == 0 && n < text.n && n < CUTS_MAX; n++)
		rc = run(text.v, n);
	if (rc == 0)
		rc = run(text.v, text.n);
	bytes_done(&text);
	return rc;
}

int main(int argc, char **argv)
{
	const char *top = getenv("TOP"), *name = strrchr(argv[0], '/');
	int dir, n = 0, red = 0;
	char path[4096];
	DIR *d;

	(void)argc;
	name = name ? name + 1 : argv[0];
	name += strncmp(name, "fuzz_", 5) == 0 ? 5 : 0;
	(void)snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", top ? top : ".", name); /* cut: not found */
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = dir < 0 ? NULL : fdopendir(dir);
	if (!d) {
		perror(path);
		return 1;
	}
	for (struct dirent *f; (f = readdir(d));)
		if (f->d_name[0] != '.') {
			n++;
			red += run_file(dir, f->d_name) != 0;
		}
	(void)printf("%s: %d files, %d refused to run\n", path, n, red); /* for the log alone */
	(void)closedir(d);						 /* it was only read */
	return n == 0 || red > 0;
}
