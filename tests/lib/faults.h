/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_FAULTS_H
#define TESTS_LIB_FAULTS_H
/*
 * The faults of a file as one text to compare with, a line each: "LINE: KEY: what is wrong\n".
 */
#include <stdio.h>
#include <string.h>

#include "supervisor/spec.h"

static inline const char *faults_text(const struct spec_faults *f)
{
	static char text[FAULTS_MAX * sizeof(struct spec_fault)];
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < f->n; i++) {
		char one[SPEC_FAULT_TEXT_MAX];

		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%s\n", spec_fault_text("", &f->v[i], one, sizeof(one)) + 1);
	}
	return text;
}

#endif
