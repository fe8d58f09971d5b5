/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far the replicas of an agent are with what was decided of it, by what all members tell.
 */
#include "node/decree.h"

#include <string.h>

#include "node/cluster.h"
#include "node/council.h"
#include "node/decided.h"
#include "node/node.h"
#include "node/told.h"

/* "web.3" of "web", in a member's map. */
static bool is_replica_of(const struct gossip_entry *e, const char *agent)
{
	size_t n = strlen(TOLD_REPLICA), k = strlen(agent);

	return !e->removed && e->key.n > n + k + 1 && memcmp(e->key.v, TOLD_REPLICA, n) == 0 &&
	       memcmp(e->key.v + n, agent, k) == 0 && e->key.v[n + k] == '.';
}

static bool is_up(const char *state)
{
	return strcmp(state, "starting") == 0 || strcmp(state, "running") == 0 || strcmp(state, "stopping") == 0;
}

static void count_one(const struct gossip_member *m, const struct gossip_entry *e, const struct decided_sum *s,
	bool running, struct decree_progress *p)
{
	CLEANUP(mp_done) struct mp_tree t = {0};
	const msgpack_object *v = told_read(e->value, &t);
	int id_n = (int)(e->key.n - strlen(TOLD_REPLICA));
	const char *id = e->key.v + strlen(TOLD_REPLICA);
	char state[16];

	(void)told_text(v, TOLD_REPLICA_STATE, state, sizeof(state)); /* it is state */
	if (running && told_int(v, TOLD_REPLICA_READY, -1) >= 0 && told_int(v, TOLD_REPLICA_VERSION, 0) == s->version)
		p->ready++;
	if (!running && is_up(state))
		p->total++;
	if (!*p->text && (running ? told_int(v, TOLD_REPLICA_READY, -1) < 0 : is_up(state)))
		(void)snprintf(p->text, sizeof(p->text), "%.*s on %s (%s)", id_n, id,
			m->has_record ? m->record.name.v : "?", state); /* cut is fine */
}

void decree_progress(struct node *n, const char *agent, bool running, struct decree_progress *ret)
{
	const struct gossip *g = n->cluster ? cluster_core(n->cluster) : NULL;
	struct decided_sum s = {.removed = true};
	struct gossip_member m;
	struct gossip_entry e;

	if (!decided_sum(n, agent, &s) || s.removed || s.stopped)
		running = false;
	*ret = (struct decree_progress){.total = running ? s.desired : 0};
	for (uint32_t at = 0; g && gossip_member_next(g, &at, &m);)
		for (uint32_t k = 0; m.state <= GOSSIP_SUSPECT && gossip_value_next(g, m.id, &k, &e);)
			if (is_replica_of(&e, agent))
				count_one(&m, &e, &s, running, ret);
	ret->ready = MIN(ret->ready, ret->total);
	if (ret->ready == ret->total)
		ret->text[0] = '\0';
	else if (!*ret->text)
		(void)snprintf(ret->text, sizeof(ret->text), "%s: not started yet", agent); /* cut is fine */
}
