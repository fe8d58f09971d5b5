/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DIFF_H
#define CLI_DIFF_H
/*
 * The difference between two texts, line by line, as `diff -u` writes it (three lines around each change, no heads of
 * files). Purely; memory is bounded: where the changed middle is too large to compare (more than
 * DIFF_CELLS_MAX pairs of lines), it is shown as wholly replaced.
 */
#include "base/bytes.h"

#define DIFF_CELLS_MAX (4 * 1024 * 1024)

/* Appends nothing when they are equal. colour: removed red, added green. 0 or -ENOMEM. */
int diff_unified(const char *was, size_t was_n, const char *is, size_t is_n, bool colour, struct bytes *out);

#endif
