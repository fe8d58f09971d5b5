/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_GOSSIP_SAME_H
#define TESTS_LIB_GOSSIP_SAME_H
/*
 * Whether two messages of gossip/msg.h say the same: fails the test when they do not.
 */
#include "gossip/msg.h"
#include "tests/lib/test.h"

static inline void gossip_same_str(const struct gossip_str *a, const struct gossip_str *b)
{
	assert_int_equal(a->n, b->n);
	assert_memory_equal(a->v, b->v, a->n);
}

static inline void gossip_same_record(const struct gossip_record *a, const struct gossip_record *b)
{
	assert_memory_equal(a->uuid, b->uuid, sizeof(a->uuid));
	gossip_same_str(&a->name, &b->name);
	gossip_same_str(&a->address, &b->address);
	gossip_same_str(&a->build, &b->build);
	assert_int_equal(a->version, b->version);
	assert_int_equal(a->wire_min, b->wire_min);
	assert_int_equal(a->wire_max, b->wire_max);
	assert_int_equal(a->features, b->features);
	assert_int_equal(a->watch_rings, b->watch_rings);
	assert_int_equal(a->beat_ms, b->beat_ms);
}

static inline void gossip_same_deltas(const struct gossip_msg_deltas *a, const struct gossip_msg_deltas *b)
{
	assert_int_equal(a->asked, b->asked);
	assert_int_equal(a->n_parts, b->n_parts);
	assert_int_equal(a->n_entries, b->n_entries);
	for (size_t i = 0; i < a->n_parts; i++) {
		const struct gossip_part *p = &a->parts[i], *q = &b->parts[i];

		assert_true(p->id == q->id && p->incarnation == q->incarnation);
		assert_true(p->from == q->from && p->to == q->to && p->floor == q->floor && p->floor_to == q->floor_to);
		assert_true(p->has_record == q->has_record && p->first == q->first && p->n == q->n);
		if (p->has_record)
			gossip_same_record(&p->record, &q->record);
	}
	for (size_t i = 0; i < a->n_entries; i++) {
		gossip_same_str(&a->entries[i].key, &b->entries[i].key);
		gossip_same_str(&a->entries[i].value, &b->entries[i].value);
		assert_int_equal(a->entries[i].version, b->entries[i].version);
		assert_int_equal(a->entries[i].removed, b->entries[i].removed);
	}
}

static inline void gossip_same_lists(const struct gossip_msg *a, const struct gossip_msg *b)
{
	if (a->type == GOSSIP_MSG_SYNC) {
		assert_int_equal(a->sync.n, b->sync.n);
		assert_memory_equal(a->sync.v, b->sync.v, a->sync.n * sizeof(a->sync.v[0]));
	} else if (a->type == GOSSIP_MSG_WANTS) {
		assert_true(a->wants.serial == b->wants.serial && a->wants.n == b->wants.n);
		assert_memory_equal(a->wants.v, b->wants.v, a->wants.n * sizeof(a->wants.v[0]));
	} else if (a->type == GOSSIP_MSG_DIGESTS) {
		assert_true(a->digests.serial == b->digests.serial && a->digests.last == b->digests.last);
		assert_int_equal(a->digests.n, b->digests.n);
		assert_memory_equal(a->digests.v, b->digests.v, a->digests.n * sizeof(a->digests.v[0]));
	}
}

static inline void gossip_same_state(const struct gossip_msg_state *a, const struct gossip_msg_state *b)
{
	assert_true(a->id == b->id && a->incarnation == b->incarnation && a->flags == b->flags);
	assert_int_equal(a->n_accusers, b->n_accusers);
	for (size_t i = 0; i < a->n_accusers; i++)
		assert_true(a->accusers[i].id == b->accusers[i].id && a->accusers[i].host_up == b->accusers[i].host_up);
}

static inline void gossip_same(const struct gossip_msg *a, const struct gossip_msg *b)
{
	assert_int_equal(a->type, b->type);
	switch (a->type) {
	case GOSSIP_MSG_BEAT:
		assert_memory_equal(&a->beat, &b->beat, sizeof(a->beat));
		break;
	case GOSSIP_MSG_GREET:
		assert_true(a->greet.incarnation == b->greet.incarnation && a->greet.view_hash == b->greet.view_hash);
		assert_int_equal(a->greet.wanted, b->greet.wanted);
		break;
	case GOSSIP_MSG_STATES:
		assert_int_equal(a->states.n, b->states.n);
		for (size_t i = 0; i < a->states.n; i++)
			gossip_same_state(&a->states.v[i], &b->states.v[i]);
		break;
	case GOSSIP_MSG_DELTAS:
		gossip_same_deltas(&a->deltas, &b->deltas);
		break;
	case GOSSIP_MSG_PROBE_ASK:
	case GOSSIP_MSG_PROBE_ANSWER:
	case GOSSIP_MSG_PROBE:
	case GOSSIP_MSG_PROBE_ACK:
		assert_true(a->probe.nonce == b->probe.nonce && a->probe.subject == b->probe.subject);
		assert_int_equal(a->probe.verdict, b->probe.verdict);
		break;
	case GOSSIP_MSG_ASK:
		assert_true(a->ask.serial == b->ask.serial && a->ask.to == b->ask.to && a->ask.passed == b->ask.passed);
		gossip_same_str(&a->ask.body, &b->ask.body);
		break;
	case GOSSIP_MSG_ANSWER:
		assert_true(a->answer.serial == b->answer.serial && a->answer.last == b->answer.last);
		gossip_same_str(&a->answer.body, &b->answer.body);
		break;
	case GOSSIP_MSG_MORE:
		assert_true(a->more.serial == b->more.serial && a->more.taken == b->more.taken);
		break;
	case GOSSIP_MSG_REGISTER:
		assert_true(a->piece.size == b->piece.size && a->piece.at == b->piece.at);
		gossip_same_str(&a->piece.body, &b->piece.body);
		break;
	case GOSSIP_MSG_DROP:
		assert_int_equal(a->drop.serial, b->drop.serial);
		break;
	default:
		gossip_same_lists(a, b);
	}
}

#endif
