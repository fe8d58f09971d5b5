/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies what a message uses of its structure, then its strings in the order of their fields.
 */
#include "tests/sim/pack.h"

#include <string.h>

static size_t used(const struct gossip_msg *m)
{
	size_t head = offsetof(struct gossip_msg, beat);

	switch (m->type) {
	case GOSSIP_MSG_BEAT:
		return head + sizeof(m->beat);
	case GOSSIP_MSG_GREET:
		return head + sizeof(m->greet);
	case GOSSIP_MSG_PROBE_ASK:
	case GOSSIP_MSG_PROBE_ANSWER:
	case GOSSIP_MSG_PROBE:
	case GOSSIP_MSG_PROBE_ACK:
		return head + sizeof(m->probe);
	case GOSSIP_MSG_STATES:
		return head + offsetof(struct gossip_msg_states, v) + m->states.n * sizeof(m->states.v[0]);
	case GOSSIP_MSG_DELTAS:
		return head + offsetof(struct gossip_msg_deltas, entries) +
		       m->deltas.n_entries * sizeof(m->deltas.entries[0]);
	case GOSSIP_MSG_DIGESTS:
		return head + offsetof(struct gossip_msg_digests, v) + m->digests.n * sizeof(m->digests.v[0]);
	case GOSSIP_MSG_WANTS:
		return head + offsetof(struct gossip_msg_wants, v) + m->wants.n * sizeof(m->wants.v[0]);
	case GOSSIP_MSG_SYNC:
	case GOSSIP_MSG_PRUNE:
	case GOSSIP_MSG_TYPE_MAX:
		break;
	}
	return head;
}

static void str_put(const struct gossip_str *s, uint8_t *out, size_t *at)
{
	assert(*at + s->n <= PACK_MAX);
	if (s->n)
		memcpy(out + *at, s->v, s->n);
	*at += s->n;
}

static void str_get(struct gossip_str *s, const uint8_t *v, size_t *at)
{
	s->v = (const char *)v + *at;
	*at += s->n;
}

size_t pack_put(const struct gossip_msg *m, uint8_t *out)
{
	size_t at = used(m);

	assert(at <= PACK_MAX);
	memcpy(out, m, at);
	if (m->type != GOSSIP_MSG_DELTAS)
		return at;
	for (size_t i = 0; i < m->deltas.n_parts; i++)
		if (m->deltas.parts[i].has_record) {
			str_put(&m->deltas.parts[i].record.name, out, &at);
			str_put(&m->deltas.parts[i].record.address, out, &at);
			str_put(&m->deltas.parts[i].record.build, out, &at);
		}
	for (size_t i = 0; i < m->deltas.n_entries; i++) {
		str_put(&m->deltas.entries[i].key, out, &at);
		str_put(&m->deltas.entries[i].value, out, &at);
	}
	return at;
}

bool pack_get(const uint8_t *v, size_t n, struct gossip_msg *ret)
{
	size_t at;

	memcpy(ret, v, MIN(n, sizeof(*ret)));
	at = used(ret);
	if (ret->type != GOSSIP_MSG_DELTAS)
		return true;
	for (size_t i = 0; i < ret->deltas.n_parts; i++)
		if (ret->deltas.parts[i].has_record) {
			str_get(&ret->deltas.parts[i].record.name, v, &at);
			str_get(&ret->deltas.parts[i].record.address, v, &at);
			str_get(&ret->deltas.parts[i].record.build, v, &at);
		}
	for (size_t i = 0; i < ret->deltas.n_entries; i++) {
		str_get(&ret->deltas.entries[i].key, v, &at);
		str_get(&ret->deltas.entries[i].value, v, &at);
	}
	return true;
}
