/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See root_bed.h.
 */
#include "tests/lib/root_bed.h"

#include <string.h>

#include "node/register_reader.h"
#include "tests/lib/test.h"

struct rootbed rootbed;

const struct uuid rootbed_cluster = {{0xc1}};

/* ---- the world ---- */

struct sched_node rootbed_id(int node)
{
	return register_node_of(&abed.b->v[node].uuid);
}

static bool is_up(int viewer, int node)
{
	bool up = abed.b->v[node].up;

	return abed.b->now_ms - rootbed.since_ms[node] < rootbed.lag_ms[viewer] ? !up : up;
}

bool rootbed_slot(int node, struct sched_slot *ret)
{
	const struct msg_key key = rbed_key(0);
	struct register_agent v = {0};
	struct ballot ballot;
	struct msg_bytes value;
	struct err e;
	bool is;

	if (!registers_get(abed.b->v[node].r, &key, &ballot, &value))
		return false;
	assert_int_equal(register_agent_read(&v, &abed_heap, value, &e), 0);
	is = v.v.n_slots > 0;
	if (is)
		*ret = v.v.slots[0];
	register_agent_done(&v);
	return is;
}

bool rootbed_view(void *ctx, const char *agent, struct sched_view *ret)
{
	static const struct sched_label zones[] = {{"zone", "x"}, {"zone", "y"}, {"zone", "z"}};
	static const char *const names[RBED_NODES_MAX] = {"n0", "n1", "n2", "n3", "n4", "n5", "n6"};
	const struct rnode *viewer = ctx;
	const struct register_root *root = agree_root(abed.own[viewer->number].a);
	struct sched_slot s;
	size_t n = 0;

	for (int i = 0; i < rootbed.present; i++) {
		struct sched_host *h = &rootbed.hosts[n];

		if (rootbed.hidden[viewer->number][i])
			continue;
		n++;
		*h = (struct sched_host){.id = rootbed_id(i),
			.name = names[i],
			.state = is_up(viewer->number, i) ? SCHED_ALIVE : SCHED_DEAD,
			.state_for_ms = abed.b->now_ms - rootbed.since_ms[i] - rootbed.lag_ms[viewer->number],
			.schedulable = true,
			.labels = &zones[i % 3],
			.n_labels = 1,
			.cpu_milli = 8000,
			.memory_bytes = (int64_t)8 << 30,
			.knows = UINT64_MAX};
		h->draining = root && register_nodes_has(&root->draining, h->id);
		if (root && register_nodes_has(&root->forgotten, h->id))
			h->state = SCHED_FORGOTTEN;
		else if (rootbed.left[i])
			h->state = SCHED_LEFT;
	}
	*ret = (struct sched_view){.hosts = rootbed.hosts, .n_hosts = n};
	if (*agent && rootbed_slot(viewer->number, &s)) { /* it is there, and does not serve: it may move */
		rootbed.report = (struct sched_report){
			.node = s.node, .number = s.number, .version = s.version, .epoch = s.epoch, .up = true};
		ret->reports = &rootbed.report;
		ret->n_reports = 1;
	}
	return true;
}

const struct sched_spec *rootbed_spec(void *ctx, struct msg_bytes text, struct err *e)
{
	static const struct sched_spec keeps = {.kind = SCHED_REPLICATED, .unavailable = {.n = 1}, .timeout_ms = 60000};

	(void)ctx;
	(void)text;
	(void)e;
	return &keeps;
}

/* One value a ballot; and no configuration comes back, within an era. */
static void chosen(struct rnode *n, const struct registers_out *o)
{
	struct quorum_cfg cfg;
	uint64_t hash = register_hash(o->value);

	(void)n;
	if (o->key.n > 0)
		return;
	assert_true(register_root_cfg(o->value, &cfg));
	for (size_t i = 0; i < rootbed.n_chosen; i++) {
		int rc = ballot_cmp(&rootbed.chosen[i].ballot, &o->ballot);

		if (rc == 0) {
			assert_true(rootbed.chosen[i].hash == hash);
			return;
		}
		if (quorum_floor(rootbed.chosen[i].ballot.counter) != quorum_floor(o->ballot.counter))
			continue;
		assert_true(rc < 0 ? rootbed.chosen[i].epoch <= cfg.epoch : rootbed.chosen[i].epoch >= cfg.epoch);
	}
	assert_true(rootbed.n_chosen < ROOTBED_CHOSEN_MAX);
	rootbed.chosen[rootbed.n_chosen].ballot = o->ballot;
	rootbed.chosen[rootbed.n_chosen].epoch = cfg.epoch;
	rootbed.chosen[rootbed.n_chosen++].hash = hash;
}

/* What each sees of the others by now, it is told. */
static void look(void)
{
	for (int v = 0; v < abed.b->n; v++)
		for (int i = 0; i < rootbed.present; i++) {
			bool up = is_up(v, i);

			if (up == rootbed.seen[v][i])
				continue;
			rootbed.seen[v][i] = up;
			abed_tell(v, &(struct agree_in){.type = AGREE_IN_HOSTS,
					     .event = up ? SCHED_EVENT_NODE_BACK : SCHED_EVENT_NODE_DEAD,
					     .subject = rootbed_id(i)});
		}
}

static const struct abed_kind kind = {.world = {.view = rootbed_view, .spec = rootbed_spec},
	.reader = &register_reader,
	.chosen = chosen,
	.look = look,
	.empty = true};

void rootbed_crash(int node)
{
	rbed_crash(abed.b, node);
	rootbed.since_ms[node] = abed.b->now_ms;
}

void rootbed_start(int node)
{
	rbed_start(abed.b, node);
	rootbed.since_ms[node] = abed.b->now_ms;
	memset(rootbed.seen[node], 0, sizeof(rootbed.seen[node]));
}

void rootbed_come(int present)
{
	for (int i = rootbed.present; i < present; i++)
		rootbed.since_ms[i] = abed.b->now_ms;
	rootbed.present = MAX(rootbed.present, present);
}

void rootbed_begin(uint64_t seed, int present)
{
	memset(&rootbed, 0, sizeof(rootbed));
	abed_new(seed, RBED_NODES_MAX, &kind);
	abed_run(ABED_LOOK_MS);
	rootbed_come(present);
}

/* ---- what is asked, and seen ---- */

uint64_t rootbed_ask(int node, struct agree_root_command c)
{
	return abed_ask(node, NULL, &c, NULL);
}

uint64_t rootbed_found(int node, struct uuid id, const char *op)
{
	return rootbed_ask(
		node, (struct agree_root_command){.type = AGREE_ROOT_FOUND, .cluster = id, .name = "east", .op = op});
}

uint64_t rootbed_about(int node, enum agree_root_type type, int of, const char *op)
{
	return rootbed_ask(node, (struct agree_root_command){.type = type, .node = rootbed_id(of), .op = op});
}

struct agree_root_command rootbed_voters(int n)
{
	return (struct agree_root_command){.type = AGREE_ROOT_VOTERS, .voters = n, .replace_after_ms = -1};
}

void rootbed_founded(uint64_t seed, int present)
{
	rootbed_begin(seed, 1);
	abed_answered(rootbed_found(0, rootbed_cluster, NULL), AGREE_DONE, "");
	rootbed_come(present);
}

const struct register_root *rootbed_root(int node)
{
	return abed.b->v[node].up ? agree_root(abed.own[node].a) : NULL;
}

const char *rootbed_who_votes(void)
{
	static char out[QUORUM_VOTERS_MAX + 1];
	const struct quorum_cfg *cfg = NULL;
	char *p = out;

	for (int i = 0; i < rootbed.present; i++) {
		if (!abed.b->v[i].up)
			continue;
		if (cfg && !quorum_same(cfg, registers_cfg(abed.b->v[i].r)))
			return "?";
		cfg = registers_cfg(abed.b->v[i].r);
	}
	if (!cfg || quorum_is_joint(cfg))
		return cfg ? "JOINT" : "?";
	for (int i = 0; i < abed.b->n; i++)
		if (quorum_set_has(&cfg->old, &abed.b->v[i].uuid))
			*p++ = (char)('0' + i);
	*p = '\0';
	return out;
}

bool rootbed_is_number(size_t n)
{
	return *rootbed_who_votes() >= '0' && *rootbed_who_votes() <= '9' && strlen(rootbed_who_votes()) == n;
}

void rootbed_become(size_t n, int64_t within_ms)
{
	char was[QUORUM_VOTERS_MAX + 1];

	for (int64_t ms = 0; !rootbed_is_number(n) && ms < within_ms; ms += 100)
		abed_run(100);
	if (!rootbed_is_number(n))
		fail_msg("'%s' vote", rootbed_who_votes());
	(void)snprintf(was, sizeof(was), "%s", rootbed_who_votes());
	abed_run(3000);
	assert_string_equal(rootbed_who_votes(), was);
}

bool rootbed_is_voter(int node)
{
	return strchr(rootbed_who_votes(), '0' + node) != NULL;
}
