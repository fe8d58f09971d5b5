/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and words for what the core tells, and what must be true of a message beyond its form.
 */
#include "gossip/gossip_impl.h"

static const char *const states[] = {
	[GOSSIP_ALIVE] = "alive",
	[GOSSIP_SUSPECT] = "suspect",
	[GOSSIP_DEAD] = "dead",
	[GOSSIP_LEFT] = "left",
	[GOSSIP_FORGOTTEN] = "forgotten",
};
_Static_assert(ARRAY_LEN(states) == GOSSIP_STATE_MAX, "a name for each state");

static const char *const events[] = {
	[GOSSIP_EVENT_JOINED] = "joined",
	[GOSSIP_EVENT_RETURNED] = "returned",
	[GOSSIP_EVENT_ACCUSED] = "accused",
	[GOSSIP_EVENT_SUSPECT] = "suspect",
	[GOSSIP_EVENT_DEAD] = "dead",
	[GOSSIP_EVENT_LEFT] = "left",
	[GOSSIP_EVENT_FORGOTTEN] = "forgotten",
	[GOSSIP_EVENT_REPLACED] = "replaced",
	[GOSSIP_EVENT_REFUTED] = "refuted",
	[GOSSIP_EVENT_ISOLATED] = "isolated",
	[GOSSIP_EVENT_HEARS] = "hears",
	[GOSSIP_EVENT_SLOW] = "slow",
	[GOSSIP_EVENT_NAME_TAKEN] = "name-taken",
	[GOSSIP_EVENT_UUID_CLASH] = "uuid-clash",
	[GOSSIP_EVENT_CLONED] = "cloned",
	[GOSSIP_EVENT_REFUSED] = "refused",
	[GOSSIP_EVENT_NO_MEMORY] = "no-memory",
	[GOSSIP_EVENT_TOO_MANY] = "too-many",
	[GOSSIP_EVENT_LEFT_TOLD] = "left-told",
	[GOSSIP_EVENT_WE_FORGOTTEN] = "we-forgotten",
	[GOSSIP_EVENT_LOST] = "events-lost",
};
_Static_assert(ARRAY_LEN(events) == GOSSIP_EVENT_MAX, "a name for each event");

static const char *const closes[] = {
	[GOSSIP_CLOSE_UNWANTED] = "neither end has a use for it",
	[GOSSIP_CLOSE_DOUBLE] = "another link to the same node stays",
	[GOSSIP_CLOSE_FULL] = "too many links; it was told all that is known",
	[GOSSIP_CLOSE_NAME] = "another node that lives has its name",
	[GOSSIP_CLOSE_FORGOTTEN] = "it was forgotten by an operator",
	[GOSSIP_CLOSE_CLASH] = "its identity is used twice, or its data is older than what is known of it",
	[GOSSIP_CLOSE_SILENT] = "nothing came from it for long",
	[GOSSIP_CLOSE_MEMORY] = "no memory for it",
	[GOSSIP_CLOSE_LEFT] = "this node has left, or was forgotten",
};
_Static_assert(ARRAY_LEN(closes) == GOSSIP_CLOSE_MAX, "words for each reason");

static const char *const refusals[] = {
	[GOSSIP_REFUSE_NONE] = "nothing",
	[GOSSIP_REFUSE_OWN] = "a value of ourselves",
	[GOSSIP_REFUSE_NO_MEMBER] = "a value whose origin is no member",
	[GOSSIP_REFUSE_BOOT] = "a value above its origin's announced boot",
	[GOSSIP_REFUSE_BOUND] = "more values than a member may have",
	[GOSSIP_REFUSE_RECORD] = "a record that is not its node's",
};
_Static_assert(ARRAY_LEN(refusals) == GOSSIP_REFUSE_MAX, "words for each refusal");

static const char *const msgs[] = {
	[GOSSIP_MSG_BEAT] = "beat",
	[GOSSIP_MSG_GREET] = "greet",
	[GOSSIP_MSG_PROBE_ASK] = "probe-ask",
	[GOSSIP_MSG_PROBE_ANSWER] = "probe-answer",
	[GOSSIP_MSG_PROBE] = "probe",
	[GOSSIP_MSG_PROBE_ACK] = "probe-ack",
	[GOSSIP_MSG_STATES] = "states",
	[GOSSIP_MSG_DELTAS] = "deltas",
	[GOSSIP_MSG_DIGESTS] = "digests",
	[GOSSIP_MSG_WANTS] = "wants",
	[GOSSIP_MSG_SYNC] = "sync",
	[GOSSIP_MSG_PRUNE] = "prune",
	[GOSSIP_MSG_ASK] = "ask",
	[GOSSIP_MSG_ANSWER] = "answer",
	[GOSSIP_MSG_MORE] = "more",
	[GOSSIP_MSG_DROP] = "drop",
	[GOSSIP_MSG_REGISTER] = "register",
};
_Static_assert(ARRAY_LEN(msgs) == GOSSIP_MSG_TYPE_MAX, "a name for each message");

const char *gossip_state_name(enum gossip_state s)
{
	return (unsigned)s < GOSSIP_STATE_MAX ? states[s] : NULL;
}

const char *gossip_event_name(enum gossip_event e)
{
	return (unsigned)e < GOSSIP_EVENT_MAX ? events[e] : NULL;
}

const char *gossip_close_text(enum gossip_close c)
{
	return (unsigned)c < GOSSIP_CLOSE_MAX ? closes[c] : NULL;
}

const char *gossip_refusal_text(enum gossip_refusal r)
{
	return (unsigned)r < GOSSIP_REFUSE_MAX ? refusals[r] : NULL;
}

const char *gossip_msg_name(enum gossip_msg_type type)
{
	return (unsigned)type < GOSSIP_MSG_TYPE_MAX ? msgs[type] : NULL;
}

bool gossip_profile_by_name(const char *name, enum gossip_profile_id *ret)
{
	for (int i = 0; i < GOSSIP_PROFILE_MAX; i++)
		if (strcmp(profile_of((enum gossip_profile_id)i)->name, name) == 0) {
			*ret = (enum gossip_profile_id)i;
			return true;
		}
	return false;
}

static const char *states_fault(const struct gossip_msg_states *m)
{
	if (m->n == 0 || m->n > GOSSIP_STATES_MAX)
		return "a number of states that is not allowed";
	for (uint16_t i = 0; i < m->n; i++) {
		const struct gossip_msg_state *s = &m->v[i];

		if (s->id == 0 || state_boot(s->incarnation) == 0)
			return "a state of nobody";
		if (s->flags & ~GOSSIP_FLAGS_ALL || s->flags == GOSSIP_FLAG_HOST_UP)
			return "a flag that is not known";
		if (s->n_accusers > GOSSIP_ACCUSERS_MAX)
			return "too many accusers";
		for (int k = 0; k < s->n_accusers; k++)
			if (s->accusers[k].id == 0 || (k > 0 && s->accusers[k].id <= s->accusers[k - 1].id))
				return "accusers that are not in order";
	}
	return NULL;
}

static const char *entries_fault(const struct gossip_part *p, const struct gossip_entry *e)
{
	uint32_t version = p->from;

	for (uint16_t i = 0; i < p->n; i++) {
		if (e[i].key.n == 0 || e[i].key.n > GOSSIP_KEY_MAX)
			return "a key whose length is not allowed";
		if (e[i].value.n > GOSSIP_VALUE_MAX || (e[i].removed && e[i].value.n > 0))
			return "a value whose length is not allowed";
		if (e[i].version <= version || e[i].version > p->to)
			return "entries that are not in order";
		version = e[i].version;
	}
	return NULL;
}

static const char *deltas_fault(const struct gossip_msg_deltas *m)
{
	uint32_t first = 0;

	if (m->n_parts == 0 || m->n_parts > GOSSIP_PARTS_MAX || m->n_entries > GOSSIP_ENTRIES_MAX)
		return "a number of parts or entries that is not allowed";
	for (uint16_t i = 0; i < m->n_parts; i++) {
		const struct gossip_part *p = &m->parts[i];
		const char *fault;

		if (p->id == 0 || state_boot(p->incarnation) == 0)
			return "a map of nobody";
		if (p->first != first || p->n > m->n_entries - first)
			return "parts that do not follow each other";
		first += p->n;
		if (p->from > p->to || p->floor > p->floor_to)
			return "versions that are not in order";
		if (p->from == 0 && !p->has_record)
			return "a map from its beginning without a record";
		if (p->has_record && !admit_record_good(&p->record))
			return "a record that is none";
		fault = entries_fault(p, m->entries + p->first);
		if (fault)
			return fault;
	}
	return first == m->n_entries ? NULL : "entries that belong to no part";
}

static const char *digests_fault(const struct gossip_msg_digests *m)
{
	if (m->n > GOSSIP_DIGESTS_MAX || (m->last && m->n > 0))
		return "a number of digests that is not allowed";
	for (uint16_t i = 0; i < m->n; i++)
		if (m->v[i].id == 0 || state_boot(m->v[i].incarnation) == 0)
			return "a digest of nobody";
	return NULL;
}

static const char *wants_fault(const struct gossip_msg_wants *m)
{
	if (m->n > GOSSIP_WANTS_MAX)
		return "too many wants";
	for (uint16_t i = 0; i < m->n; i++)
		if (m->v[i].id == 0)
			return "nobody is wanted";
	return NULL;
}

static const char *exchange_fault(const struct gossip_msg *m)
{
	const struct gossip_str *body = m->type == GOSSIP_MSG_ASK ? &m->ask.body : &m->answer.body;

	if (m->ask.serial == 0) /* the first field of all four */
		return "a question without a number";
	if (m->type == GOSSIP_MSG_MORE)
		return m->more.taken == 0 ? "nothing was taken" : NULL;
	if (m->type == GOSSIP_MSG_DROP)
		return NULL;
	if (m->type == GOSSIP_MSG_ASK && (m->ask.to == 0 || body->n == 0))
		return "a question to nobody, or of nothing";
	if (m->type == GOSSIP_MSG_ANSWER && !m->answer.last && body->n == 0)
		return "a piece of an answer without anything in it";
	return body->n > GOSSIP_BODY_MAX ? "a body whose length is not allowed" : NULL;
}

static const char *register_fault(const struct gossip_msg_register *m)
{
	if (m->body.n == 0)
		return "a piece of a register message without anything in it";
	if (m->at > m->size || m->body.n > m->size - m->at)
		return "a piece that is not within its register message";
	return m->body.n > GOSSIP_BODY_MAX ? "a body whose length is not allowed" : NULL;
}

const char *gossip_msg_fault(const struct gossip_msg *m)
{
	switch (m->type) {
	case GOSSIP_MSG_BEAT:
	case GOSSIP_MSG_GREET:
	case GOSSIP_MSG_PROBE:
	case GOSSIP_MSG_PROBE_ACK:
	case GOSSIP_MSG_PRUNE:
		return NULL;
	case GOSSIP_MSG_PROBE_ASK:
	case GOSSIP_MSG_PROBE_ANSWER:
		if ((unsigned)m->probe.verdict >= GOSSIP_VERDICT_MAX)
			return "a verdict that is not known";
		return m->probe.subject == 0 ? "a probe of nobody" : NULL;
	case GOSSIP_MSG_STATES:
		return states_fault(&m->states);
	case GOSSIP_MSG_DELTAS:
		return deltas_fault(&m->deltas);
	case GOSSIP_MSG_DIGESTS:
		return digests_fault(&m->digests);
	case GOSSIP_MSG_WANTS:
		return wants_fault(&m->wants);
	case GOSSIP_MSG_SYNC:
		return m->sync.n == 0 || m->sync.n == GOSSIP_BUCKETS ? NULL : "a number of buckets that is not allowed";
	case GOSSIP_MSG_ASK:
	case GOSSIP_MSG_ANSWER:
	case GOSSIP_MSG_MORE:
	case GOSSIP_MSG_DROP:
		return exchange_fault(m);
	case GOSSIP_MSG_REGISTER:
		return register_fault(&m->piece);
	default:
		return "a message that is not known";
	}
}
