/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What messages are called, and what must be true of one.
 */
#include "consensus/msg.h"

#include <string.h>

#include "base/sum.h"

#define SUM_LEASES 1 /* what is summed */

static const char *const names[] = {
	[MSG_PREPARE] = "prepare",
	[MSG_PROMISE] = "promise",
	[MSG_ACCEPT] = "accept",
	[MSG_ACCEPTED] = "accepted",
	[MSG_READ] = "read",
	[MSG_VALUE] = "value",
	[MSG_SEAL] = "seal",
	[MSG_SEALED] = "sealed",
	[MSG_RENEW] = "renew",
	[MSG_GRANT] = "grant",
	[MSG_RELEASE] = "release",
	[MSG_REFUSED] = "refused",
	[MSG_SEEN] = "seen",
	[MSG_KEPT] = "kept",
	[MSG_KNOWN] = "known",
};
_Static_assert(ARRAY_LEN(names) == MSG_TYPE_MAX, "each type has a name");

static const char *const whys[] = {
	[MSG_WHY_NONE] = "granted",
	[MSG_WHY_BALLOT] = "a higher ballot was promised",
	[MSG_WHY_EPOCH] = "the voters have changed",
	[MSG_WHY_GUARD] = "a lease is live",
	[MSG_WHY_WAIT] = "a voter was just started, and waits for leases that it may have granted",
	[MSG_WHY_NOT_VOTER] = "it is no voter",
	[MSG_WHY_ROLLED_BACK] = "its disk went back in time",
	[MSG_WHY_BUSY] = "its disk is behind",
	[MSG_WHY_FULL] = "its disk or memory is full",
	[MSG_WHY_NUMBER] = "a newer renewal came before",
	[MSG_WHY_VALUE] = "the slot is not the asker's there",
	[MSG_WHY_TF] = "longer than a voter guards",
	[MSG_WHY_MOVING] = "the slot is about to move",
	[MSG_WHY_RELEASED] = "that epoch was released",
	[MSG_WHY_SET] = "it does not remember these leases",
};
_Static_assert(ARRAY_LEN(whys) == MSG_WHY_MAX, "each reason has a text");

const char *msg_name(enum msg_type type)
{
	return (unsigned)type < MSG_TYPE_MAX ? names[type] : NULL;
}

const char *msg_why_text(enum msg_why why)
{
	return (unsigned)why < MSG_WHY_MAX ? whys[why] : NULL;
}

int msg_key_cmp(const struct msg_key *a, const struct msg_key *b)
{
	int rc = memcmp(a->v, b->v, MIN(a->n, b->n));

	return rc != 0 ? rc : (int)a->n - (int)b->n;
}

uint64_t msg_leases_sum(const struct msg_lease *v, uint32_t n)
{
	uint64_t sum = sum_u64(SUM_LEASES, n);

	for (uint32_t i = 0; i < n; i++) {
		sum = sum_bytes(sum, v[i].key.v, v[i].key.n);
		sum = sum_u64(sum, v[i].slot);
		sum = sum_u64(sum, v[i].epoch);
	}
	return sum ? sum : 1;
}

static const char *ballots_fault(const struct msg *m)
{
	bool asks = m->type == MSG_PREPARE || m->type == MSG_ACCEPT;

	if (m->ballot.counter > BALLOT_COUNTER_MAX || m->accepted.counter > BALLOT_COUNTER_MAX)
		return "a ballot that nobody counts to";
	if ((asks || m->type == MSG_PROMISE || m->type == MSG_ACCEPTED) && ballot_is_zero(&m->ballot))
		return "the zero ballot";
	if (asks && !ballot_same_node(&m->ballot.node, &m->from))
		return "a ballot of another node";
	if (m->type == MSG_PROMISE && ballot_cmp(&m->accepted, &m->ballot) >= 0)
		return "a promise at or below what was accepted";
	return NULL;
}

static const char *chosen_fault(const struct msg *m)
{
	if (m->n_chosen > MSG_KEYS_MAX || (m->n_chosen > 0 && !m->chosen))
		return "too many registers";
	for (uint32_t i = 0; i < m->n_chosen; i++) {
		const struct msg_chosen *c = &m->chosen[i];

		if (c->key.n > NAME_MAX_LEN || (i > 0 && msg_key_cmp(&m->chosen[i - 1].key, &c->key) >= 0))
			return "registers out of order";
		if (ballot_is_zero(&c->ballot) || c->ballot.counter > BALLOT_COUNTER_MAX)
			return "a register at no ballot";
	}
	return NULL;
}

static const char *bounds_fault(const struct msg *m)
{
	if (m->key.n > NAME_MAX_LEN)
		return "a name that is too long";
	if (m->value.n > MSG_VALUE_MAX || (m->value.n > 0 && !m->value.v))
		return "a value that is too long";
	if (m->n_guards > MSG_GUARDS_MAX || (m->n_guards > 0 && !m->guards))
		return "too many guards";
	if (m->n_keys > MSG_KEYS_MAX || (m->n_keys > 0 && !m->keys))
		return "too many names";
	if (m->n_leases > MSG_LEASES_MAX || (m->n_leases > 0 && !m->leases))
		return "too many leases";
	if (m->type == MSG_GRANT && m->set && m->n_leases > 0)
		return "a grant of all that names some";
	for (uint32_t i = 0; i < m->n_leases; i++)
		if (m->leases[i].key.n > NAME_MAX_LEN || (unsigned)m->leases[i].why >= MSG_WHY_MAX)
			return "a lease of no slot";
	for (uint32_t i = 0; i < m->n_keys; i++)
		if (m->keys[i].n > NAME_MAX_LEN || (i > 0 && msg_key_cmp(&m->keys[i - 1], &m->keys[i]) >= 0))
			return "names out of order";
	return chosen_fault(m);
}

const char *msg_fault(const struct msg *m)
{
	static const struct uuid none;
	const char *fault;

	if ((unsigned)m->type >= MSG_TYPE_MAX || (unsigned)m->why >= MSG_WHY_MAX)
		return "no message that is known";
	if (ballot_same_node(&m->from, &none))
		return "a sender without a UUID";
	fault = bounds_fault(m);
	if (!fault)
		fault = ballots_fault(m);
	if (!fault && (m->type == MSG_PREPARE || m->type == MSG_ACCEPT || m->type == MSG_READ || m->type == MSG_SEAL ||
			      m->type == MSG_RENEW || m->type == MSG_RELEASE ||
			      (m->type == MSG_REFUSED && m->why == MSG_WHY_EPOCH)))
		fault = m->cfg.epoch == 0 ? "no voters" : quorum_fault(&m->cfg);
	if (!fault && m->cfg.epoch > BALLOT_COUNTER_MAX)
		fault = "an epoch that nobody counts to";
	return fault;
}
