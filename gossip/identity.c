/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See identity.h.
 */
#include "gossip/identity.h"

#include <errno.h>
#include <string.h>

#define ID_BYTES     8 /* of a UUID, that are a node's id on the wire */
#define YEAR_2020S   1577836800
#define LATER_STARTS 1000
#define SANE_S	     (1 << 30) /* to 2054: two in a row must not come near the highest number */

static bool dash_before(size_t i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

void identity_make(uint8_t uuid[IDENTITY_UUID_BYTES])
{
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40); /* which is never 0 */
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

char *identity_text(const uint8_t uuid[IDENTITY_UUID_BYTES], char out[IDENTITY_UUID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	char *p = out;

	for (size_t i = 0; i < IDENTITY_UUID_BYTES; i++) {
		if (dash_before(i))
			*p++ = '-';
		*p++ = digits[uuid[i] >> 4];
		*p++ = digits[uuid[i] & 15];
	}
	*p = '\0';
	return out;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int identity_parse(const char *text, uint8_t uuid[IDENTITY_UUID_BYTES])
{
	static const uint8_t none[ID_BYTES];
	uint8_t v[IDENTITY_UUID_BYTES];

	for (size_t i = 0; i < IDENTITY_UUID_BYTES; i++) {
		int high, low;

		if (dash_before(i) && *text++ != '-')
			return -EINVAL;
		high = digit(text[0]);
		low = high < 0 ? -1 : digit(text[1]);
		if (low < 0)
			return -EINVAL;
		v[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	if (*text || memcmp(v, none, ID_BYTES) == 0)
		return -EINVAL;
	memcpy(uuid, v, sizeof(v));
	return 0;
}

uint32_t identity_boot(int64_t counter, int64_t wall_ms)
{
	int64_t age_s = wall_ms / 1000 - YEAR_2020S, next = MAX(counter, 0) + 1;

	return (uint32_t)MIN(age_s < SANE_S ? MAX(next, age_s) : next, UINT32_MAX - 1);
}

uint32_t identity_boot_above(uint32_t heard)
{
	return (uint32_t)MIN((uint64_t)heard + LATER_STARTS, UINT32_MAX - 1u);
}

enum identity_kin identity_kin(const uint8_t own[IDENTITY_UUID_BYTES], uint64_t own_process,
	const uint8_t peer[IDENTITY_UUID_BYTES], uint64_t peer_process)
{
	if (memcmp(own, peer, IDENTITY_UUID_BYTES) == 0)
		return own_process == peer_process ? IDENTITY_SELF : IDENTITY_CLONE;
	return memcmp(own, peer, ID_BYTES) == 0 ? IDENTITY_ALIKE : IDENTITY_OTHER;
}
