/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_GOSSIP_MSGS_H
#define TESTS_LIB_GOSSIP_MSGS_H
/*
 * Random messages of gossip/msg.h that are right, from a seed: small ones mostly, and at times a bound that is full.
 */
#include <string.h>

#include "base/rng.h"
#include "gossip/msg.h"

static const char gossip_msgs_text[GOSSIP_VALUE_MAX + 1] =
	"a text of many words that a value may have, which goes on for a "
	"while and is then nothing but zeros";

static inline uint64_t gossip_msgs_wide(struct rng *r)
{
	return rng_u64(r) >> rng_below(r, 64);
}

static inline uint64_t gossip_msgs_between(struct rng *r, uint64_t lo, uint64_t hi)
{
	uint64_t span = hi - lo + 1;

	switch (rng_below(r, 8)) {
	case 0:
		return lo;
	case 1:
		return hi;
	default:
		return lo + (span ? gossip_msgs_wide(r) % span : gossip_msgs_wide(r));
	}
}

/* Mostly few, rarely all that there may be. */
static inline size_t gossip_msgs_count(struct rng *r, size_t min, size_t max)
{
	size_t n = rng_below(r, 10) == 0 ? max : rng_below(r, MIN(max, (size_t)5) + 1);

	return MAX(n, min);
}

static inline struct gossip_str gossip_msgs_str(struct rng *r, size_t min, size_t max)
{
	size_t n = gossip_msgs_count(r, min, rng_below(r, 50) == 0 ? MIN(max, (size_t)90) : MIN(max, (size_t)60));

	return (struct gossip_str){.v = gossip_msgs_text, .n = (uint16_t)n};
}

static inline void gossip_msgs_record(struct rng *r, struct gossip_record *ret)
{
	*ret = (struct gossip_record){.name = gossip_msgs_str(r, 1, GOSSIP_NAME_MAX),
		.address = gossip_msgs_str(r, 0, GOSSIP_ADDRESS_MAX),
		.build = gossip_msgs_str(r, 0, GOSSIP_BUILD_MAX),
		.version = (uint32_t)gossip_msgs_between(r, 1, UINT32_MAX),
		.wire_min = (uint16_t)rng_below(r, 100),
		.features = (uint32_t)gossip_msgs_wide(r),
		.watch_rings = (uint8_t)gossip_msgs_between(r, 1, GOSSIP_WATCH_RINGS_MAX),
		.beat_ms = (uint16_t)gossip_msgs_between(r, GOSSIP_BEAT_MIN_MS, GOSSIP_BEAT_MAX_MS)};
	ret->wire_max = (uint16_t)(ret->wire_min + rng_below(r, 1000));
	for (size_t i = 0; i < GOSSIP_UUID_LEN; i++)
		ret->uuid[i] = (uint8_t)(1 + rng_below(r, 255));
}

static inline uint64_t gossip_msgs_incarnation(struct rng *r)
{
	return gossip_msgs_between(r, 1, UINT32_MAX) << 32 | (uint32_t)gossip_msgs_wide(r);
}

static inline void gossip_msgs_state(struct rng *r, struct gossip_msg_state *ret)
{
	uint64_t id = 0;

	*ret = (struct gossip_msg_state){.id = gossip_msgs_between(r, 1, UINT64_MAX),
		.incarnation = gossip_msgs_incarnation(r),
		.flags = (uint8_t)rng_below(r, GOSSIP_FLAGS_ALL + 1),
		.n_accusers = (uint8_t)gossip_msgs_count(r, 0, GOSSIP_ACCUSERS_MAX)};
	if (ret->flags == GOSSIP_FLAG_HOST_UP)
		ret->flags |= GOSSIP_FLAG_DEAD; /* of which it tells */
	for (size_t i = 0; i < ret->n_accusers; i++) {
		id += 1 + (rng_u64(r) >> 8);
		ret->accusers[i] = (struct gossip_accuser){.id = id, .host_up = rng_below(r, 2)};
	}
}

static inline void gossip_msgs_part(struct rng *r, struct gossip_msg_deltas *d, struct gossip_part *p, size_t entries)
{
	uint32_t version;

	*p = (struct gossip_part){.id = gossip_msgs_between(r, 1, UINT64_MAX),
		.incarnation = gossip_msgs_incarnation(r),
		.from = (uint32_t)(rng_below(r, 3) ? rng_below(r, 100000) : 0),
		.first = d->n_entries,
		.n = (uint16_t)entries};
	version = p->from;
	for (size_t i = 0; i < entries; i++) {
		struct gossip_entry *e = &d->entries[d->n_entries++];

		version += 1 + (uint32_t)rng_below(r, 1000);
		*e = (struct gossip_entry){.key = gossip_msgs_str(r, 1, GOSSIP_KEY_MAX),
			.version = version,
			.removed = rng_below(r, 4) == 0};
		if (!e->removed)
			e->value = gossip_msgs_str(r, 0, GOSSIP_VALUE_MAX);
		else
			e->value.v = "";
	}
	p->to = version + 1 + (uint32_t)rng_below(r, 1000);
	p->has_record = p->from == 0 || rng_below(r, 4) == 0;
	if (p->has_record) {
		gossip_msgs_record(r, &p->record);
		p->id = 0; /* of the record */
		for (size_t i = 0; i < 8; i++)
			p->id = p->id << 8 | p->record.uuid[i];
		p->record.version = version + 1; /* which belongs to what is told */
	}
}

static inline void gossip_msgs_deltas(struct rng *r, struct gossip_msg_deltas *d)
{
	d->asked = rng_below(r, 2);
	d->n_parts = (uint16_t)gossip_msgs_count(r, 1, GOSSIP_PARTS_MAX);
	for (size_t i = 0; i < d->n_parts; i++) {
		size_t entries = gossip_msgs_count(r, 0, 40), left = GOSSIP_ENTRIES_MAX - d->n_entries;

		gossip_msgs_part(r, d, &d->parts[i], MIN(entries, left));
	}
}

static inline void gossip_msgs_lists(struct rng *r, struct gossip_msg *m)
{
	switch (m->type) {
	case GOSSIP_MSG_STATES:
		m->states.n = (uint16_t)gossip_msgs_count(r, 1, GOSSIP_STATES_MAX);
		for (size_t i = 0; i < m->states.n; i++)
			gossip_msgs_state(r, &m->states.v[i]);
		break;
	case GOSSIP_MSG_DIGESTS:
		m->digests.serial = rng_below(r, 2) ? (uint32_t)gossip_msgs_wide(r) : 0;
		m->digests.last = m->digests.serial && rng_below(r, 2);
		m->digests.n = (uint16_t)(m->digests.last ? 0 : gossip_msgs_count(r, 1, GOSSIP_DIGESTS_MAX));
		for (size_t i = 0; i < m->digests.n; i++)
			m->digests.v[i] = (struct gossip_digest){.id = gossip_msgs_between(r, 1, UINT64_MAX),
				.incarnation = gossip_msgs_incarnation(r),
				.version = (uint32_t)gossip_msgs_between(r, 1, UINT32_MAX),
				.sum = (uint32_t)gossip_msgs_wide(r)};
		break;
	case GOSSIP_MSG_WANTS:
		m->wants.serial = rng_below(r, 2) ? (uint32_t)gossip_msgs_between(r, 1, UINT32_MAX) : 0;
		m->wants.n = (uint16_t)gossip_msgs_count(r, 1, GOSSIP_WANTS_MAX);
		for (size_t i = 0; i < m->wants.n; i++)
			m->wants.v[i] = (struct gossip_want){.id = gossip_msgs_between(r, 1, UINT64_MAX),
				.boot = (uint32_t)gossip_msgs_between(r, 1, UINT32_MAX),
				.version = (uint32_t)gossip_msgs_wide(r)};
		break;
	default:
		m->sync.n = rng_below(r, 2) ? GOSSIP_BUCKETS : 0;
		for (size_t i = 0; i < m->sync.n; i++)
			m->sync.v[i] = gossip_msgs_wide(r);
	}
}

/* A message of this type; zeroed but for what it has. */
static inline void gossip_msgs_random(struct rng *r, enum gossip_msg_type type, struct gossip_msg *m)
{
	memset(m, 0, sizeof(*m));
	m->type = type;
	switch (type) {
	case GOSSIP_MSG_BEAT:
		m->beat = (struct gossip_msg_beat){gossip_msgs_incarnation(r), rng_u64(r)};
		break;
	case GOSSIP_MSG_GREET:
		m->greet = (struct gossip_msg_greet){gossip_msgs_incarnation(r), rng_u64(r), rng_below(r, 2)};
		break;
	case GOSSIP_MSG_PROBE_ANSWER:
		m->probe.verdict = (enum gossip_verdict)rng_below(r, GOSSIP_VERDICT_MAX);
		FALLTHROUGH;
	case GOSSIP_MSG_PROBE_ASK:
		m->probe.subject = gossip_msgs_between(r, 1, UINT64_MAX);
		FALLTHROUGH;
	case GOSSIP_MSG_PROBE:
	case GOSSIP_MSG_PROBE_ACK:
		m->probe.nonce = (uint32_t)gossip_msgs_wide(r);
		break;
	case GOSSIP_MSG_DELTAS:
		gossip_msgs_deltas(r, &m->deltas);
		break;
	case GOSSIP_MSG_PRUNE:
		break;
	case GOSSIP_MSG_ASK:
		m->ask = (struct gossip_msg_ask){(uint32_t)gossip_msgs_between(r, 1, UINT32_MAX),
			gossip_msgs_between(r, 1, UINT64_MAX), rng_below(r, 2),
			gossip_msgs_str(r, 1, GOSSIP_VALUE_MAX)};
		break;
	case GOSSIP_MSG_ANSWER:
		m->answer.last = rng_below(r, 2);
		m->answer.body = gossip_msgs_str(r, !m->answer.last, GOSSIP_VALUE_MAX);
		FALLTHROUGH;
	case GOSSIP_MSG_DROP:
		m->drop.serial = (uint32_t)gossip_msgs_between(r, 1, UINT32_MAX); /* ANSWER's first field too */
		break;
	case GOSSIP_MSG_REGISTER:
		m->piece.body = gossip_msgs_str(r, 1, GOSSIP_VALUE_MAX);
		m->piece.at = (uint32_t)gossip_msgs_wide(r) / 2;
		m->piece.size = (uint32_t)gossip_msgs_between(r, m->piece.at + m->piece.body.n, UINT32_MAX);
		break;
	case GOSSIP_MSG_MORE:
		m->more = (struct gossip_msg_more){(uint32_t)gossip_msgs_between(r, 1, UINT32_MAX),
			(uint32_t)gossip_msgs_between(r, 1, UINT32_MAX)};
		break;
	default:
		gossip_msgs_lists(r, m);
	}
}

#endif
