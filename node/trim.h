/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_TRIM_H
#define NODE_TRIM_H
/*
 * Gives memory back that only the start, or a large request, has needed: freed heap, and pages of program text,
 * which the
 * kernel brings back from its cache when they are run again.
 */
void trim_heap(void);
void trim_text(void);

#endif
