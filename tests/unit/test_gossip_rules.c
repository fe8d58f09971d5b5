/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules against naive models: merging does not depend on order, number or grouping; observers are the predecessors
 * on the rings; suspect and dead are what the definition says.
 */
#include "gossip/gossip_impl.h"
#include "tests/lib/gossip_bed.h"

static struct gossip_msg_state random_state(struct rng *r, uint64_t id)
{
	static const uint8_t flags[] = {0, 0, 0, 0, GOSSIP_FLAG_DEAD, GOSSIP_FLAG_DEAD | GOSSIP_FLAG_HOST_UP,
		GOSSIP_FLAG_LEFT, GOSSIP_FLAG_FORGOTTEN};
	struct gossip_msg_state s = {.id = id,
		.incarnation = (1 + rng_below(r, 2)) << 32 | rng_below(r, 2),
		.flags = flags[rng_below(r, 40) < 39 ? rng_below(r, 7) : 7]};

	if (s.flags == 0)
		for (uint64_t by = 1; by <= 24 && s.n_accusers < GOSSIP_ACCUSERS_MAX; by++)
			if (rng_below(r, 3) == 0)
				s.accusers[s.n_accusers++] =
					(struct gossip_accuser){.id = by, .host_up = rng_below(r, 4) == 0};
	return s;
}

static void merged(
	struct bed *b, int subject, const struct gossip_msg_state *v, const int *order, int n, uint64_t ret[2])
{
	struct gossip *g = b->v[0].g;
	struct member *m = members_find(g, b->v[subject].id);
	uint64_t was = members_hash(m);

	state_clear(g, m);
	m->flags = 0;
	m->inc = 1ull << 32;
	members_changed(g, m, was, CHANGE_STATE, FROM_NONE);
	state_settle(g, m);
	for (int i = 0; i < n; i++)
		(void)state_merge(g, m, &v[order[i]], FROM_NONE);
	ret[0] = members_sum(m);
	ret[1] = m->flags & GOSSIP_FLAG_FORGOTTEN ? 0 : m->inc; /* at every incarnation */
}

static void test_merging_in_any_order(void **state)
{
	struct bed *b = bed_new(3);
	struct gossip_msg_state v[6];
	struct rng r;

	(void)state;
	bed_start_all(b);
	rng_seed(&r, 7);
	for (int round = 0; round < 3000; round++) {
		int n = 1 + (int)rng_below(&r, 6), order[12];
		uint64_t first[2], again[2];

		for (int i = 0; i < n; i++) {
			v[i] = random_state(&r, b->v[1].id);
			order[i] = i;
		}
		merged(b, 1, v, order, n, first);
		for (int i = 0; i < 12; i++) /* each at least once, some twice */
			order[i] = i < n ? i : (int)rng_below(&r, (uint64_t)n);
		for (int i = 11; i > 0; i--) {
			int k = (int)rng_below(&r, (uint64_t)i + 1), t = order[i];

			order[i] = order[k];
			order[k] = t;
		}
		merged(b, 1, v, order, 12, again);
		assert_memory_equal(first, again, sizeof(first));
	}
	bed_free(b);
}

/* What a member says of a subject, merged into another's view, is as if that had heard all itself. */
static void test_merging_what_was_merged(void **state)
{
	struct bed *b = bed_new(3);
	struct gossip_msg_state v[6], half;
	struct rng r;

	(void)state;
	bed_start_all(b);
	rng_seed(&r, 11);
	for (int round = 0; round < 3000; round++) {
		static const int all[] = {0, 1, 2, 3, 4, 5}, late[] = {3, 4, 5};
		uint64_t first[2], again[2], part[2];

		for (int i = 0; i < 6; i++)
			v[i] = random_state(&r, b->v[1].id);
		merged(b, 1, v, all, 6, first);
		merged(b, 1, v, all, 3, part);
		state_tell(members_find(b->v[0].g, b->v[1].id), &half);
		merged(b, 1, v, late, 3, again);
		(void)state_merge(b->v[0].g, members_find(b->v[0].g, b->v[1].id), &half, FROM_NONE);
		again[0] = members_sum(members_find(b->v[0].g, b->v[1].id));
		assert_int_equal(first[0], again[0]);
	}
	bed_free(b);
}

/* Predecessors by sorting, ring after ring. */
static size_t naive_observers(const uint64_t *ids, int n, uint64_t x, int rings, uint64_t *ret)
{
	static const uint64_t constants[] = {
		0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89, 0x452821e638d01377};
	size_t n_ret = 0;

	for (int r = 0; r < rings; r++) {
		uint64_t at = gossip_mix(x ^ constants[r]), below = 0, top = 0, pred = 0, last = 0;
		bool known = false;
		size_t k = 0;

		for (int i = 0; i < n; i++) {
			uint64_t rank = gossip_mix(ids[i] ^ constants[r]);

			if (ids[i] == x)
				continue;
			if (rank > top || last == 0) {
				top = rank;
				last = ids[i];
			}
			if (rank < at && rank >= below) {
				below = rank;
				pred = ids[i];
			}
		}
		pred = pred ? pred : last;
		for (; k < n_ret; k++)
			known |= ret[k] == pred;
		if (pred && !known)
			ret[n_ret++] = pred;
	}
	return n_ret;
}

static bool among(const uint64_t *v, size_t n, uint64_t x)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == x)
			return true;
	return false;
}

static const int sizes[] = {2, 3, 5, 11, 32};

static void test_observers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct bed *b = bed_new(sizes[i]);
		uint64_t ids[BED_NODES_MAX], naive[GOSSIP_RINGS], ret[GOSSIP_RINGS];

		bed_start_all(b);
		for (int k = 0; k < b->n; k++)
			ids[k] = b->v[k].id;
		for (int x = 0; x < b->n; x++) {
			size_t n = naive_observers(ids, b->n, ids[x], 5, naive);

			for (int by = 0; by < b->n; by++) {
				assert_int_equal(gossip_observers(b->v[by].g, ids[x], ret), n);
				for (size_t o = 0; o < n; o++)
					assert_true(among(naive, n, ret[o]));
			}
		}
		bed_free(b);
	}
}

struct model {
	int n;
	uint64_t ids[BED_NODES_MAX];
	uint64_t s[BED_NODES_MAX]; /* bit i: ids[i] accuses */
	bool dead[BED_NODES_MAX];
};

static int index_of(const struct model *m, uint64_t id)
{
	for (int i = 0; i < m->n; i++)
		if (m->ids[i] == id)
			return i;
	return -1;
}

static size_t model_observers(const struct model *m, int x, int *ret)
{
	uint64_t living[BED_NODES_MAX], obs[GOSSIP_RINGS];
	size_t n;
	int k = 0;

	for (int i = 0; i < m->n; i++)
		if (!m->dead[i])
			living[k++] = m->ids[i];
	n = naive_observers(living, k, m->ids[x], 5, obs);
	for (size_t i = 0; i < n; i++)
		ret[i] = index_of(m, obs[i]);
	return n;
}

static bool model_suspect(const struct model *m, int x)
{
	int obs[GOSSIP_RINGS];
	int n = (int)model_observers(m, x, obs);

	return __builtin_popcountll(m->s[x]) >= MAX(1, (n + 3) / 4);
}

static bool model_dies(const struct model *m, int x)
{
	int obs[GOSSIP_RINGS], against = 0, count = 0;
	size_t n = model_observers(m, x, obs);

	for (size_t i = 0; i < n; i++) {
		bool accuses = m->s[x] >> obs[i] & 1;

		against += accuses;
		count += accuses || !model_suspect(m, obs[i]);
	}
	return m->s[x] != 0 && against * 2 > count;
}

static void accuse(struct bed *b, struct model *m, int x, int by)
{
	static struct gossip_msg msg = {.type = GOSSIP_MSG_STATES};
	bool dies = false;

	m->s[x] |= 1ull << by;
	for (int i = 1; i < m->n; i++)
		dies |= !m->dead[i] && model_dies(m, i);
	msg.states.n = 1;
	msg.states.v[0] = (struct gossip_msg_state){.id = m->ids[x], .incarnation = 1ull << 32, .n_accusers = 1};
	msg.states.v[0].accusers[0].id = m->ids[by];
	bed_step(b, 0, &(struct gossip_in){.type = GOSSIP_IN_MSG, .link = 0, .msg = &msg});
	for (int i = 1; i < m->n; i++) {
		bool was = m->dead[i];

		m->dead[i] = bed_state(b, i, 0) == GOSSIP_DEAD;
		assert_true(m->dead[i] >= was);
		assert_true(m->dead[i] == was || dies); /* nobody dies without the rule */
		if (m->dead[i])
			m->s[i] = 0;
	}
	for (int i = 1; i < m->n; i++) /* and whom the rule strikes is dead */
		assert_true(m->dead[i] || !model_dies(m, i));
	for (int i = 1; i < m->n; i++)
		assert_int_equal(bed_state(b, i, 0), m->dead[i]			      ? GOSSIP_DEAD
						     : model_suspect(m, i) && m->s[i] ? GOSSIP_SUSPECT
										      : GOSSIP_ALIVE);
}

static void test_suspect_and_dead_as_defined(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, 3);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (int round = 0; round < (sizes[i] > 11 ? 3 : 20); round++) {
			struct bed *b = bed_new(sizes[i]);
			struct model m = {.n = b->n};

			bed_start_all(b);
			for (int k = 0; k < b->n; k++)
				m.ids[k] = b->v[k].id;
			for (int k = 0; k < b->n * 8; k++) {
				int x = 1 + (int)rng_below(&r, (uint64_t)b->n - 1),
				    by = (int)rng_below(&r, (uint64_t)b->n);

				if (x != by && !m.dead[x] && __builtin_popcountll(m.s[x]) < GOSSIP_ACCUSERS_MAX)
					accuse(b, &m, x, by);
			}
			bed_free(b);
		}
}

/* What everybody sees is the same to the last bit, whatever happened. */
static void test_views_are_equal_in_the_end(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, 5);
	for (int round = 0; round < 6; round++) {
		struct bed *b = bed_new(9);

		bed_start_all(b);
		for (int k = 0; k < 60; k++) {
			int node = (int)rng_below(&r, 9), other = (int)rng_below(&r, 9);
			char key[2] = {(char)('a' + rng_below(&r, 5)), '\0'};

			switch (rng_below(&r, 6)) {
			case 0:
				if (b->v[node].how == BED_UP && node != 0)
					bed_kill(b, node);
				else if (b->v[node].how == BED_OFF)
					bed_start(b, node, 0);
				break;
			case 1:
				bed_cut(b, node, other, rng_below(&r, 2));
				break;
			case 2:
				if (b->v[node].how == BED_UP || b->v[node].how == BED_PAUSED)
					bed_pause(b, node, b->v[node].how == BED_UP);
				break;
			default:
				if (b->v[node].how == BED_UP)
					bed_set(b, node, key, rng_below(&r, 3) ? "x" : NULL);
				break;
			}
			bed_run(b, (int64_t)rng_below(&r, 2000));
		}
		memset(b->cut, 0, sizeof(b->cut));
		for (int i = 0; i < 9; i++) {
			if (b->v[i].how == BED_PAUSED)
				bed_pause(b, i, false);
			if (b->v[i].how == BED_OFF)
				bed_start(b, i, 0);
			bed_cut(b, i, i, false); /* goes on where it stalled */
		}
		(void)bed_until(b, 120000, bed_agreed);
		bed_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merging_in_any_order),
		cmocka_unit_test(test_merging_what_was_merged),
		cmocka_unit_test(test_observers),
		cmocka_unit_test(test_suspect_and_dead_as_defined),
		cmocka_unit_test(test_views_are_equal_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
