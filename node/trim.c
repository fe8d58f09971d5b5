/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is given back. Text alone is dropped (mappings r-xp of files): it is never written, so nothing is
 * lost. The
 * read-only data of a library looks the same as its relocated data (r--p), which must stay.
 */
#include "node/trim.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"

void trim_heap(void)
{
	(void)malloc_trim(0); /* tells whether anything was given back */
}

void trim_text(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uintptr_t from, to;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, " r-xp ") && strchr(line, '/') &&
			sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2)
			(void)madvise((void *)from, to - from, MADV_DONTNEED); /* advice */
	if (maps)
		(void)fclose(maps); /* read only */
}
