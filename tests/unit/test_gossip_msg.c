/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be true of a message beyond its form: each fault once, beside the same message without it. And that every
 * name has its word.
 */
#include <string.h>

#include "gossip/gossip.h"
#include "tests/lib/test.h"

static struct gossip_msg m;

static void fault_is(const char *fault)
{
	const char *is = gossip_msg_fault(&m);

	if (!is || !fault)
		assert_ptr_equal(is, fault);
	else
		assert_string_equal(is, fault);
}

static void good_states(void)
{
	m.type = GOSSIP_MSG_STATES;
	m.states = (struct gossip_msg_states){.n = 1};
	m.states.v[0] = (struct gossip_msg_state){.id = 1, .incarnation = 1ull << 32, .n_accusers = 2};
	m.states.v[0].accusers[0].id = 2;
	m.states.v[0].accusers[1].id = 3;
	fault_is(NULL);
}

static void test_states(void **state)
{
	(void)state;
	good_states();
	m.states.n = 0;
	fault_is("a number of states that is not allowed");
	m.states.n = GOSSIP_STATES_MAX + 1;
	fault_is("a number of states that is not allowed");
	good_states();
	m.states.v[0].id = 0;
	fault_is("a state of nobody");
	good_states();
	m.states.v[0].incarnation = 5; /* of no boot */
	fault_is("a state of nobody");
	good_states();
	m.states.v[0].flags = 0x10;
	fault_is("a flag that is not known");
	m.states.v[0].flags = GOSSIP_FLAG_HOST_UP;
	fault_is("a flag that is not known");
	m.states.v[0].flags = GOSSIP_FLAG_HOST_UP | GOSSIP_FLAG_DEAD;
	fault_is(NULL);
	good_states();
	m.states.v[0].n_accusers = GOSSIP_ACCUSERS_MAX + 1;
	fault_is("too many accusers");
	good_states();
	m.states.v[0].accusers[1].id = 2;
	fault_is("accusers that are not in order");
}

static void good_deltas(void)
{
	struct gossip_part *p = &m.deltas.parts[0];

	m.type = GOSSIP_MSG_DELTAS;
	m.deltas = (struct gossip_msg_deltas){.n_parts = 1, .n_entries = 2};
	*p = (struct gossip_part){.id = 1, .incarnation = 1ull << 32, .to = 3, .has_record = true, .n = 2};
	p->record = (struct gossip_record){.uuid = {1},
		.name = {"n", 1},
		.version = 1,
		.wire_min = 1,
		.wire_max = 1,
		.watch_rings = 5,
		.beat_ms = 1000};
	m.deltas.entries[0] = (struct gossip_entry){.key = {"a", 1}, .version = 2};
	m.deltas.entries[1] = (struct gossip_entry){.key = {"b", 1}, .version = 3};
	fault_is(NULL);
}

static void test_deltas(void **state)
{
	struct gossip_part *p = &m.deltas.parts[0];

	(void)state;
	good_deltas();
	m.deltas.n_parts = 0;
	fault_is("a number of parts or entries that is not allowed");
	good_deltas();
	p->id = 0;
	fault_is("a map of nobody");
	good_deltas();
	p->first = 1;
	fault_is("parts that do not follow each other");
	good_deltas();
	p->n = 3;
	fault_is("parts that do not follow each other");
	good_deltas();
	p->n = 1;
	fault_is("entries that belong to no part");
	good_deltas();
	p->from = 4;
	fault_is("versions that are not in order");
	good_deltas();
	p->has_record = false;
	fault_is("a map from its beginning without a record");
	good_deltas();
	p->record.watch_rings = 0;
	fault_is("a record that is none");
	good_deltas();
	m.deltas.entries[1].version = 2;
	fault_is("entries that are not in order");
	good_deltas();
	m.deltas.entries[1].version = 4;
	fault_is("entries that are not in order");
	good_deltas();
	m.deltas.entries[0].key.n = 0;
	fault_is("a key whose length is not allowed");
	good_deltas();
	m.deltas.entries[0].value.n = GOSSIP_VALUE_MAX + 1;
	fault_is("a value whose length is not allowed");
	good_deltas();
	m.deltas.entries[0].removed = true;
	fault_is(NULL);
	m.deltas.entries[0].value.n = 1;
	fault_is("a value whose length is not allowed");
}

static void test_the_others(void **state)
{
	(void)state;
	m = (struct gossip_msg){.type = GOSSIP_MSG_DIGESTS, .digests = {.n = 1}};
	fault_is("a digest of nobody");
	m.digests.v[0] = (struct gossip_digest){.id = 1, .incarnation = 1ull << 32};
	fault_is(NULL);
	m.digests.last = true;
	fault_is("a number of digests that is not allowed");
	m = (struct gossip_msg){.type = GOSSIP_MSG_WANTS, .wants = {.n = 1}};
	fault_is("nobody is wanted");
	m.wants.n = GOSSIP_WANTS_MAX + 1;
	fault_is("too many wants");
	m = (struct gossip_msg){.type = GOSSIP_MSG_SYNC, .sync = {.n = 1}};
	fault_is("a number of buckets that is not allowed");
	m.sync.n = GOSSIP_BUCKETS;
	fault_is(NULL);
	m = (struct gossip_msg){.type = GOSSIP_MSG_PROBE_ASK};
	fault_is("a probe of nobody");
	m.probe = (struct gossip_msg_probe){.subject = 1, .verdict = GOSSIP_VERDICT_MAX};
	fault_is("a verdict that is not known");
	m = (struct gossip_msg){.type = GOSSIP_MSG_ASK, .ask = {1, 1, false, {"a", 1}}};
	fault_is(NULL);
	m.ask.body.n = GOSSIP_BODY_MAX + 1;
	fault_is("a body whose length is not allowed");
	m.ask.body.n = 0;
	fault_is("a question to nobody, or of nothing");
	m.ask.body.n = 1;
	m.ask.to = 0;
	fault_is("a question to nobody, or of nothing");
	for (int type = GOSSIP_MSG_ASK; type <= GOSSIP_MSG_DROP; type++) {
		m = (struct gossip_msg){.type = (enum gossip_msg_type)type};
		fault_is("a question without a number");
	}
	m = (struct gossip_msg){.type = GOSSIP_MSG_ANSWER, .answer = {.serial = 1}};
	fault_is("a piece of an answer without anything in it");
	m.answer.last = true;
	fault_is(NULL);
	m = (struct gossip_msg){.type = GOSSIP_MSG_MORE, .more = {.serial = 1}};
	fault_is("nothing was taken");
	m = (struct gossip_msg){.type = GOSSIP_MSG_REGISTER, .piece = {10, 9, {"a", 1}}};
	fault_is(NULL);
	m.piece.at = 10;
	fault_is("a piece that is not within its register message");
	m.piece.at = UINT32_MAX;
	fault_is("a piece that is not within its register message");
	m.piece = (struct gossip_msg_register){.size = 10};
	fault_is("a piece of a register message without anything in it");
	m.piece = (struct gossip_msg_register){UINT32_MAX, 0, {"a", GOSSIP_BODY_MAX + 1}};
	fault_is("a body whose length is not allowed");
	m = (struct gossip_msg){.type = GOSSIP_MSG_TYPE_MAX};
	fault_is("a message that is not known");
	m.type = 0;
	fault_is("a message that is not known");
}

static void test_names(void **state)
{
	enum gossip_profile_id id;

	(void)state;
	for (int i = 0; i < GOSSIP_STATE_MAX; i++)
		assert_non_null(gossip_state_name((enum gossip_state)i));
	for (int i = 0; i < GOSSIP_EVENT_MAX; i++)
		assert_non_null(gossip_event_name((enum gossip_event)i));
	for (int i = 0; i < GOSSIP_CLOSE_MAX; i++)
		assert_non_null(gossip_close_text((enum gossip_close)i));
	for (int i = 0; i < GOSSIP_REFUSE_MAX; i++)
		assert_non_null(gossip_refusal_text((enum gossip_refusal)i));
	for (int i = GOSSIP_MSG_BEAT; i < GOSSIP_MSG_TYPE_MAX; i++)
		assert_non_null(gossip_msg_name((enum gossip_msg_type)i));
	assert_null(gossip_state_name(GOSSIP_STATE_MAX));
	assert_null(gossip_event_name(GOSSIP_EVENT_MAX));
	assert_null(gossip_msg_name(GOSSIP_MSG_TYPE_MAX));
	assert_true(gossip_profile_by_name("wan", &id));
	assert_int_equal(id, GOSSIP_PROFILE_WAN);
	assert_false(gossip_profile_by_name("moon", &id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_deltas),
		cmocka_unit_test(test_the_others),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
