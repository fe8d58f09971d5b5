/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xoshiro256** with splitmix64 seeding; bounded draws by Lemire's multiplication with rejection.
 */
#include "base/rng.h"

#include "base/util.h"

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

void rng_seed(struct rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = (seed += 0x9e3779b97f4a7c15ULL);

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
		r->s[i] = z ^ (z >> 31);
	}
}

uint64_t rng_u64(struct rng *r)
{
	uint64_t out = rotl(r->s[1] * 5, 7) * 9, t = r->s[1] << 17;

	r->s[2] ^= r->s[0];
	r->s[3] ^= r->s[1];
	r->s[1] ^= r->s[2];
	r->s[0] ^= r->s[3];
	r->s[2] ^= t;
	r->s[3] = rotl(r->s[3], 45);
	return out;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
	uint64_t floor;
	unsigned __int128 m;

	assert(bound > 0);
	floor = -bound % bound;
	do
		m = (unsigned __int128)rng_u64(r) * bound;
	while ((uint64_t)m < floor);
	return (uint64_t)(m >> 64);
}
