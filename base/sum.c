/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A word at a time, each mixed in by a bijection (xor, an odd factor and shifts): of two runs that differ in one word
 * alone the sums differ from there on to the end.
 */
#include "base/sum.h"

#include <endian.h>
#include <string.h>

#define FACTOR UINT64_C(0xd6e8feb86659fd93) /* odd */
#define OFFSET UINT64_C(0x9e3779b97f4a7c15) /* a run of zeros does not leave a zero as it is */

uint64_t sum_u64(uint64_t sum, uint64_t v)
{
	uint64_t x = (sum ^ v) + OFFSET;

	x = (x ^ x >> 32) * FACTOR;
	x = (x ^ x >> 32) * FACTOR;
	return x ^ x >> 32;
}

uint64_t sum_bytes(uint64_t sum, const void *v, size_t n)
{
	const unsigned char *p = v;
	uint64_t word;

	sum = sum_u64(sum, n);
	for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum = sum_u64(sum, le64toh(word));
	}
	if (n == 0)
		return sum;
	word = 0;
	memcpy(&word, p, n);
	return sum_u64(sum, le64toh(word));
}
