/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler/place: which node is best, why a node is none, and the sentence that says so.
 */
#include "tests/lib/sched_bed.h"

static const struct sched_expr in_a[] = {{.label = "zone", .value = "a", .equal = true}};
static const struct sched_expr not_a[] = {{.label = "zone", .value = "a"}};
static const struct sched_expr ssd[] = {{.label = "disk", .value = "ssd", .equal = true}};
static struct bed bed;
static struct place_map map;

static struct bed *of(size_t n, const char *zones)
{
	bed_init(&bed, "web");
	for (size_t i = 0; i < n; i++)
		(void)bed_host(&bed, zones[i] == 'a' ? "a" : zones[i] == 'b' ? "b" : NULL);
	return &bed;
}

static void begin(struct bed *b, const char *spread)
{
	bed_tell(b);
	map = (struct place_map){.rooms = b->rooms, .cap = BED_HOSTS};
	assert_true(place_begin(&map, "web", &b->view, spread));
}

static size_t pick(const struct sched_spec *spec, uint32_t number)
{
	struct place_ask ask = {.spec = spec, .number = number};
	struct place_room *r = place_pick(&map, &ask);

	return r ? (size_t)(r->host - bed.hosts) + 1 : 0;
}

static const char *why(const struct sched_spec *spec)
{
	static char text[SCHED_TEXT_MAX];
	struct place_ask ask = {.spec = spec};

	return place_why(&map, &ask, text, sizeof(text));
}

static void test_each_fault(void **state)
{
	struct bed *b = of(1, "a");
	struct sched_spec spec = {
		.require = in_a, .n_require = 1, .reserve = {.cpu_milli = 1000, .memory_bytes = 1 << 30}};
	struct sched_host *h = &b->hosts[0];
	const struct sched_host was = *h;

	(void)state;
	begin(b, NULL);
	assert_int_equal(place_fault(&b->rooms[0], &spec, NULL, NULL), PLACE_FITS);
	for (enum sched_host_state s = SCHED_SUSPECT; s < SCHED_HOST_STATE_MAX; s++) {
		h->state = s;
		assert_int_equal(place_fault(&b->rooms[0], &spec, NULL, NULL), PLACE_AWAY);
	}
	*h = was;
	h->schedulable = false;
	assert_int_equal(place_fault(&b->rooms[0], &spec, NULL, NULL), PLACE_CLOSED);
	*h = was;
	h->draining = true;
	assert_int_equal(place_fault(&b->rooms[0], &spec, NULL, NULL), PLACE_DRAINING);
	*h = was;
	h->n_labels = 0;
	assert_int_equal(place_fault(&b->rooms[0], &spec, NULL, NULL), PLACE_UNMET);
	spec.require = not_a; /* a label that it does not have is unlike every value */
	assert_int_equal(place_fault(&b->rooms[0], &spec, NULL, NULL), PLACE_FITS);
	*h = was;
	assert_int_equal(place_fault(&b->rooms[0], &spec, NULL, NULL), PLACE_UNMET);
	spec.require = in_a;
	h->reserved_cpu_milli = 3000; /* exactly room for one */
	h->reserved_memory_bytes = INT64_C(7) << 30;
	assert_int_equal(place_fault(&b->rooms[0], &spec, NULL, NULL), PLACE_FITS);
	h->reserved_cpu_milli++;
	assert_int_equal(place_fault(&b->rooms[0], &spec, NULL, NULL), PLACE_NO_CPU);
	assert_int_equal(place_fault(&b->rooms[0], &spec, &spec.reserve, NULL), PLACE_FITS); /* its own place */
	*h = was;
	h->reserved_memory_bytes = (INT64_C(7) << 30) + 1;
	assert_int_equal(place_fault(&b->rooms[0], &spec, NULL, NULL), PLACE_NO_MEMORY);
	*h = was;
	h->used_memory_bytes = (INT64_C(7) << 30) + 1;
	assert_int_equal(place_fault(&b->rooms[0], &spec, NULL, NULL), PLACE_FULL_MEMORY);
	spec.reserve = (struct sched_reserve){0}; /* it asks for nothing: it fits where nothing is left */
	assert_int_equal(place_fault(&b->rooms[0], &spec, NULL, NULL), PLACE_FITS);
}

static void test_what_is_better(void **state)
{
	struct bed *b = of(4, "aabb");
	struct sched_spec spec = {.reserve = {.cpu_milli = 100}, .prefer = ssd, .n_prefer = 1};
	struct place_ask ask = {.spec = &spec};
	size_t first;

	(void)state;
	begin(b, "zone");
	place_count(&map, &spec.reserve, bed_id(0), 1); /* zone a has one, so it is b, whatever else speaks for n2 */
	b->labels[1][1] = (struct sched_label){.key = "disk", .value = "ssd"};
	b->hosts[1].n_labels = 2;
	assert_true(pick(&spec, 0) >= 3);
	begin(b, NULL);
	place_count(&map, &spec.reserve, bed_id(1), 1); /* the node has one, so it is another, though less preferred */
	assert_int_not_equal(pick(&spec, 0), 2);
	begin(b, NULL);
	b->hosts[1].used_cpu_milli = 4000; /* preferred, though loaded */
	assert_int_equal(pick(&spec, 0), 2);
	spec.n_prefer = 0;
	b->hosts[1].used_cpu_milli = 0;
	for (size_t i = 0; i < 4; i++)
		b->hosts[i].reserved_memory_bytes = i == 2 ? 0 : INT64_C(4) << 30;
	assert_int_equal(pick(&spec, 0), 3);
	for (size_t i = 0; i < 4; i++)
		b->hosts[i].reserved_memory_bytes = 0;
	first = pick(&spec, 0);
	ask.last = bed_id(first % 4); /* where it was, before all others */
	assert_ptr_equal(place_pick(&map, &ask)->host, &b->hosts[first % 4]);
	ask.avoid[1] = ask.last;
	assert_ptr_not_equal(place_pick(&map, &ask)->host, &b->hosts[first % 4]);
}

/* Nodes that are alike are taken by the hash: many agents that are placed at one time do not all go to one. */
static void test_alike_nodes_share(void **state)
{
	struct bed *b = of(4, "aaaa");
	struct sched_spec spec = {0};
	size_t n[5] = {0};

	(void)state;
	begin(b, NULL);
	for (uint32_t i = 0; i < 400; i++)
		n[pick(&spec, i)]++;
	for (size_t i = 1; i <= 4; i++)
		assert_true(n[i] > 60 && n[i] < 140);
}

static void test_why_not(void **state)
{
	struct bed *b = of(6, "aabbbb");
	struct sched_spec spec = {
		.require = in_a, .n_require = 1, .reserve = {.cpu_milli = 1500, .memory_bytes = 512 << 20}};

	(void)state;
	b->hosts[0].reserved_cpu_milli = 3000;
	b->hosts[1].reserved_memory_bytes = (INT64_C(8) << 30) - (100 << 20);
	b->hosts[2].draining = true;
	b->hosts[3].schedulable = false;
	b->hosts[5].state = SCHED_DEAD;
	begin(b, NULL);
	assert_int_equal(pick(&spec, 0), 0);
	assert_string_equal(why(&spec),
		"no node for it: 5 alive, 1 takes no agents, 1 is draining, 1 is not zone == a, 1 has too little cpu "
		"free (1.5 is asked for, n1 has 1), 1 has too little memory free (512M is asked for, n2 has 100M)");
	spec.require = not_a;
	b->hosts[4].used_memory_bytes = INT64_C(8) << 30;
	assert_string_equal(why(&spec), "no node for it: 5 alive, 1 takes no agents, 1 is draining, 2 are not zone != "
					"a, 1 has its memory in use (512M is asked for, n5 has 0B)");
}

/* Whatever it has in use, and while it drains. */
static void test_every_node_but_some(void **state)
{
	struct bed *b = of(3, "aab");
	struct sched_spec spec = {.kind = SCHED_EVERY_NODE, .require = in_a, .n_require = 1};
	char why[64];

	(void)state;
	bed_tell(b);
	spec.reserve.memory_bytes = INT64_MAX / 2;
	b->hosts[0].draining = true;
	assert_string_equal(place_why_not(&spec, &b->hosts[0], why, sizeof(why)), "");
	assert_string_equal(place_why_not(&spec, &b->hosts[2], why, sizeof(why)), "is not zone == a");
	spec.require = not_a;
	assert_string_equal(place_why_not(&spec, &b->hosts[2], why, sizeof(why)), "");
	assert_string_equal(place_why_not(&spec, &b->hosts[1], why, sizeof(why)), "is not zone != a");
	b->hosts[1].schedulable = false;
	assert_string_equal(place_why_not(&spec, &b->hosts[1], why, sizeof(why)), "takes no agents");
	assert_string_equal(place_why_not(&spec, &b->hosts[1], why, 6), "takes");
}

static void test_bounds(void **state)
{
	struct bed *b = of(3, "aab");
	struct place_map small = {.rooms = b->rooms, .cap = 2};
	struct sched_spec spec = {.kind = SCHED_EVERY_NODE, .require = in_a, .n_require = 1};
	char cut[20];
	struct place_ask ask = {.spec = &spec};

	(void)state;
	bed_tell(b);
	assert_false(place_begin(&small, "web", &b->view, NULL));
	begin(b, NULL);
	assert_null(place_room_of(&map, bed_id(7)));
	place_count(&map, &spec.reserve, bed_id(7), 1); /* nobody's */
	assert_string_equal(place_why(&map, &ask, cut, sizeof(cut)), "no node for it: 3 a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_fault),
		cmocka_unit_test(test_what_is_better),
		cmocka_unit_test(test_alike_nodes_share),
		cmocka_unit_test(test_why_not),
		cmocka_unit_test(test_every_node_but_some),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
