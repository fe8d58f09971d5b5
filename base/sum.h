/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SUM_H
#define BASE_SUM_H
/*
 * A checksum of 64 bits against damage, not against an adversary. A change within one word of 8 bytes is found for
 * certain, any other but for one in 2^64. The same on every machine. Begin with a number that says what is summed, so
 * that one thing is not taken for another.
 */
#include <stddef.h>
#include <stdint.h>

uint64_t sum_u64(uint64_t sum, uint64_t v);
uint64_t sum_bytes(uint64_t sum, const void *v, size_t n); /* the length is part of it */

#endif
