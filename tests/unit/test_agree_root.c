/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nodes agree on about their cluster: who founds it, drains, leaves, was forgotten; and voters that follow the
 * members by themselves. Around it a cluster in virtual time (agree_bed.h), in which each node has its own view of who
 * lives, a little late. COVEY_SEEDS="FROM TO" runs others than the usual seeds.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "node/agree_impl.h"
#include "node/register_reader.h"
#include "tests/lib/agree_bed.h"
#include "tests/lib/test.h"

#define SEEDS	   200
#define CHOSEN_MAX 4096

static struct world {
	int present; /* so many nodes are members, … */
	bool left[RBED_NODES_MAX];
	bool hidden[RBED_NODES_MAX][RBED_NODES_MAX]; /* … but for those that one does not know, */
	int64_t since_ms[RBED_NODES_MAX];	     /* are up, or down, since then, … */
	int64_t lag_ms[RBED_NODES_MAX];		     /* … which each sees so much later */
	bool seen[RBED_NODES_MAX][RBED_NODES_MAX];
	struct sched_host hosts[RBED_NODES_MAX];
	struct sched_report report;
	struct {
		struct ballot ballot;
		uint64_t hash, epoch;
	} chosen[CHOSEN_MAX];
	size_t n_chosen;
} w;

static const struct msg_key root_key;
static const struct uuid cluster = {{0xc1}}, another = {{0xc2}};

/* ---- the world ---- */

static struct sched_node id_of(int node)
{
	return register_node_of(&abed.b->v[node].uuid);
}

static bool is_up(int viewer, int node)
{
	bool up = abed.b->v[node].up;

	return abed.b->now_ms - w.since_ms[node] < w.lag_ms[viewer] ? !up : up;
}

/* The one slot of the one agent, as far as that node knows. */
static bool slot_of(int node, struct sched_slot *ret)
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

static bool view(void *ctx, const char *agent, struct sched_view *ret)
{
	static const struct sched_label zones[] = {{"zone", "x"}, {"zone", "y"}, {"zone", "z"}};
	static const char *const names[RBED_NODES_MAX] = {"n0", "n1", "n2", "n3", "n4", "n5", "n6"};
	const struct rnode *viewer = ctx;
	const struct register_root *root = agree_root(abed.own[viewer->number].a);
	struct sched_slot s;
	size_t n = 0;

	for (int i = 0; i < w.present; i++) {
		struct sched_host *h = &w.hosts[n];

		if (w.hidden[viewer->number][i])
			continue;
		n++;
		*h = (struct sched_host){.id = id_of(i),
			.name = names[i],
			.state = is_up(viewer->number, i) ? SCHED_ALIVE : SCHED_DEAD,
			.state_for_ms = abed.b->now_ms - w.since_ms[i] - w.lag_ms[viewer->number],
			.schedulable = true,
			.labels = &zones[i % 3],
			.n_labels = 1,
			.cpu_milli = 8000,
			.memory_bytes = (int64_t)8 << 30,
			.knows = UINT64_MAX};
		h->draining = root && register_nodes_has(&root->draining, h->id);
		if (root && register_nodes_has(&root->forgotten, h->id))
			h->state = SCHED_FORGOTTEN;
		else if (w.left[i])
			h->state = SCHED_LEFT;
	}
	*ret = (struct sched_view){.hosts = w.hosts, .n_hosts = n};
	if (*agent && slot_of(viewer->number, &s)) { /* it is there, and does not serve: it may move */
		w.report = (struct sched_report){
			.node = s.node, .number = s.number, .version = s.version, .epoch = s.epoch, .up = true};
		ret->reports = &w.report;
		ret->n_reports = 1;
	}
	return true;
}

static const struct sched_spec *spec(void *ctx, struct msg_bytes text, struct err *e)
{
	static const struct sched_spec keeps = {.kind = SCHED_REPLICATED, .unavailable = {.n = 1}, .timeout_ms = 60000};

	(void)ctx;
	(void)text;
	(void)e;
	return &keeps;
}

/* One value a ballot; and no configuration comes back. */
static void chosen(struct rnode *n, const struct registers_out *o)
{
	struct quorum_cfg cfg;
	uint64_t hash = register_hash(o->value);

	(void)n;
	if (o->key.n > 0)
		return;
	assert_true(register_root_cfg(o->value, &cfg));
	for (size_t i = 0; i < w.n_chosen; i++) {
		int rc = ballot_cmp(&w.chosen[i].ballot, &o->ballot);

		if (rc == 0) {
			assert_true(w.chosen[i].hash == hash);
			return;
		}
		assert_true(rc < 0 ? w.chosen[i].epoch <= cfg.epoch : w.chosen[i].epoch >= cfg.epoch);
	}
	assert_true(w.n_chosen < CHOSEN_MAX);
	w.chosen[w.n_chosen].ballot = o->ballot;
	w.chosen[w.n_chosen].epoch = cfg.epoch;
	w.chosen[w.n_chosen++].hash = hash;
}

/* What each sees of the others by now, it is told. */
static void look(void)
{
	for (int v = 0; v < abed.b->n; v++)
		for (int i = 0; i < w.present; i++) {
			bool up = is_up(v, i);

			if (up == w.seen[v][i])
				continue;
			w.seen[v][i] = up;
			abed_tell(v, &(struct agree_in){.type = AGREE_IN_HOSTS,
					     .event = up ? SCHED_EVENT_NODE_BACK : SCHED_EVENT_NODE_DEAD,
					     .subject = id_of(i)});
		}
}

static const struct abed_kind kind = {.world = {.view = view, .spec = spec},
	.reader = &register_reader,
	.chosen = chosen,
	.look = look,
	.empty = true};

static void crash(int node)
{
	rbed_crash(abed.b, node);
	w.since_ms[node] = abed.b->now_ms;
}

static void start(int node)
{
	rbed_start(abed.b, node);
	w.since_ms[node] = abed.b->now_ms;
	memset(w.seen[node], 0, sizeof(w.seen[node]));
}

static void come(int present)
{
	for (int i = w.present; i < present; i++)
		w.since_ms[i] = abed.b->now_ms;
	w.present = MAX(w.present, present);
}

static void begin(uint64_t seed, int present)
{
	memset(&w, 0, sizeof(w));
	abed_new(seed, RBED_NODES_MAX, &kind);
	abed_run(ABED_LOOK_MS);
	come(present);
}

/* ---- what is asked, and seen ---- */

static uint64_t ask(int node, struct agree_root_command c)
{
	return abed_ask(node, NULL, &c, NULL);
}

static uint64_t found(int node, struct uuid id, const char *op)
{
	return ask(
		node, (struct agree_root_command){.type = AGREE_ROOT_FOUND, .cluster = id, .name = "east", .op = op});
}

static uint64_t about(int node, enum agree_root_type type, int of, const char *op)
{
	return ask(node, (struct agree_root_command){.type = type, .node = id_of(of), .op = op});
}

static struct agree_root_command voters(int n)
{
	return (struct agree_root_command){.type = AGREE_ROOT_VOTERS, .voters = n, .replace_after_ms = -1};
}

/* A cluster that was founded on node 0, of so many members. */
static void founded(uint64_t seed, int present)
{
	begin(seed, 1);
	abed_answered(found(0, cluster, NULL), AGREE_DONE, "");
	come(present);
}

static const struct register_root *root(int node)
{
	return abed.b->v[node].up ? agree_root(abed.own[node].a) : NULL;
}

/* Who votes, as all that are up say; "JOINT", or "?": they do not agree. */
static const char *who_votes(void)
{
	static char out[QUORUM_VOTERS_MAX + 1];
	const struct quorum_cfg *cfg = NULL;
	char *p = out;

	for (int i = 0; i < w.present; i++) {
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

static bool votes(const char *text)
{
	return strcmp(who_votes(), text) == 0;
}

static bool is_number(size_t n)
{
	return *who_votes() >= '0' && *who_votes() <= '9' && strlen(who_votes()) == n;
}

/* They come to be so many within that time, and stay. */
static void become(size_t n, int64_t within_ms)
{
	char was[QUORUM_VOTERS_MAX + 1];

	for (int64_t ms = 0; !is_number(n) && ms < within_ms; ms += 100)
		abed_run(100);
	if (!is_number(n))
		fail_msg("'%s' vote", who_votes());
	(void)snprintf(was, sizeof(was), "%s", who_votes());
	abed_run(3000);
	assert_string_equal(who_votes(), was);
}

static bool is_voter(int node)
{
	return strchr(who_votes(), '0' + node) != NULL;
}

/* ---- tests ---- */

static void test_a_cluster_grows(void **state)
{
	static const size_t n[] = {[1] = 1, 1, 3, 3, 5, 5, 5};
	struct electorate_count c;
	char text[ERR_TEXT_MAX];

	(void)state;
	founded(1, 1);
	for (int i = 1; i <= RBED_NODES_MAX; i++) {
		come(i);
		become(n[i], 5000);
		assert_true(agree_electorate(abed.own[i - 1].a, &c, text, sizeof(text)));
		assert_int_equal(c.voters, n[i]);
		assert_int_equal(c.wanted, n[i]);
		if (i == 2)
			assert_non_null(strstr(text, "a witness"));
		else
			assert_string_equal(text, "");
	}
	abed_answered(ask(6, voters(7)), AGREE_DONE, "");
	become(7, 5000);
	abed_answered(ask(6, voters(3)), AGREE_DONE, "");
	become(3, 5000);
	for (int i = 0; i < RBED_NODES_MAX; i++) {
		assert_string_equal(root(i)->name, "east");
		assert_memory_equal(&root(i)->cluster, &cluster, sizeof(cluster));
		assert_int_equal(root(i)->times.lv_ms, 3100);
	}
	abed_free();
}

static int first_voter(void)
{
	return who_votes()[0] - '0';
}

static int spare(void)
{
	for (int i = 0; i < w.present; i++)
		if (abed.b->v[i].up && !is_voter(i))
			return i;
	return -1;
}

static void test_a_dead_voter_is_replaced(void **state)
{
	char was[QUORUM_VOTERS_MAX + 1];
	int dead, new;

	(void)state;
	founded(2, 4);
	become(3, 5000);
	(void)snprintf(was, sizeof(was), "%s", who_votes());
	dead = first_voter();
	new = spare();
	crash(dead);
	abed_run(59000); /* not before */
	assert_string_equal(who_votes(), was);
	abed_run(6000);
	assert_true(is_number(3) && !is_voter(dead) && is_voter(new));
	/* Nobody else is there: nothing is taken away. */
	(void)snprintf(was, sizeof(was), "%s", who_votes());
	crash(new);
	abed_run(200000);
	assert_string_equal(who_votes(), was);
	start(dead); /* and who comes back may vote again */
	abed_run(10000);
	assert_true(is_number(3) && is_voter(dead) && !is_voter(new));
	/* The time is the root's. */
	start(new);
	abed_answered(
		ask(dead,
			(struct agree_root_command){.type = AGREE_ROOT_VOTERS, .voters = -1, .replace_after_ms = 5000}),
		AGREE_DONE, "");
	crash(dead);
	abed_run(4000);
	assert_true(is_voter(dead));
	abed_run(4000);
	assert_false(is_voter(dead));
	abed_free();
}

static void test_leave_and_forget_shrink(void **state)
{
	int i;

	(void)state;
	founded(3, 5);
	become(5, 10000);
	abed_answered(about(1, AGREE_ROOT_LEAVE, 4, NULL), AGREE_DONE, "");
	become(3, 10000);
	assert_false(is_voter(4));
	abed_answered(about(1, AGREE_ROOT_FORGET, 3, NULL), AGREE_REFUSED, "n3 is alive");
	crash(3);
	abed_run(1000);
	abed_answered(about(4, AGREE_ROOT_FORGET, 3, NULL), AGREE_DONE, "");
	become(3, 10000);
	assert_string_equal(who_votes(), "012");
	crash(2);
	abed_run(1000);
	abed_answered(about(1, AGREE_ROOT_FORGET, 2, NULL), AGREE_DONE, "");
	become(1, 10000);
	i = first_voter();
	abed_answered(about(i, AGREE_ROOT_LEAVE, i, NULL), AGREE_DONE, "");
	become(1, 10000);
	assert_int_equal(first_voter(), 1 - i);
	w.left[i] = true;
	w.left[4] = true;
	crash(4);
	crash(i);
	abed_run(1000);
	abed_answered(about(1 - i, AGREE_ROOT_LEAVE, 1 - i, NULL), AGREE_REFUSED,
		"no other node is alive that could vote in its place");
	/* Who comes back is a member again. */
	w.left[i] = false;
	start(i);
	abed_answered(about(1 - i, AGREE_ROOT_UNDRAIN, i, NULL), AGREE_DONE, "");
	abed_answered(about(1 - i, AGREE_ROOT_LEAVE, 1 - i, NULL), AGREE_DONE, "");
	become(1, 10000);
	assert_int_equal(first_voter(), i);
	abed_free();
}

static bool is_joint(int node)
{
	return abed.b->v[node].up && quorum_is_joint(registers_cfg(abed.b->v[node].r));
}

static int runner(void)
{
	for (int i = 0; i < w.present; i++)
		if (abed.b->v[i].up && abed.own[i].a->voting.under_way)
			return i;
	return -1;
}

/* Its runner is gone after JOINT: the others end it, and not at once, since it might have come back. */
static void test_what_a_crash_left_behind_is_taken_up(void **state)
{
	int64_t joint_ms;
	int who = -1;

	(void)state;
	founded(4, 3);
	become(3, 5000);
	come(5);
	for (int ms = 0; who < 0 && ms < 5000; ms++) {
		abed_run(1);
		who = runner();
		if (who >= 0 && !(is_joint(who) && is_joint((who + 1) % 3)))
			who = -1;
	}
	assert_true(who >= 0);
	crash(who);
	joint_ms = abed.b->now_ms;
	while (!is_number(5) && abed.b->now_ms < joint_ms + 60000)
		abed_run(10);
	assert_true(is_number(5));
	assert_true(abed.b->now_ms >= joint_ms + 4900);
	assert_true(abed.b->now_ms <= joint_ms + 12000);
	start(who);
	become(5, 5000);
	abed_free();
}

/* At whatever moment the daemon ends: asked once more, the cluster is there, once. */
static void test_init_may_be_cut_off(void **state)
{
	bool refused = false, done = false, again = false;

	(void)state;
	for (int ms = 0; ms <= 40; ms++)
		for (int other = 0; other < 2; other++) {
			uint64_t token;

			begin(10 + (uint64_t)ms, 1);
			token = found(0, cluster, "first");
			rbed_run(abed.b, ms);
			done |= abed.answers[token].is;
			crash(0);
			start(0);
			rbed_run(abed.b, 1);
			token = found(0, other ? another : cluster, "second");
			for (int i = 0; !abed.answers[token].is && i < 100; i++)
				abed_run(100);
			assert_true(abed.answers[token].is);
			if (abed.answers[token].outcome != AGREE_DONE) {
				assert_true(other);
				abed_answered(token, AGREE_REFUSED, "in the cluster 'east' already");
				refused = true;
			}
			again |= abed.answers[token].repeat;
			come(2);
			abed_run(3000);
			assert_string_equal(who_votes(), "0");
			assert_memory_equal(&root(1)->cluster,
				abed.answers[token].outcome == AGREE_DONE && other ? &another : &cluster,
				sizeof(cluster));
			assert_int_equal(root(1)->cfg.epoch, 1);
			abed_free();
		}
	assert_true(refused && done && again); /* all of it was met with */
}

static void test_what_is_refused(void **state)
{
	struct agree_root_command c;
	int rc = 0;

	(void)state;
	begin(5, 3);
	assert_int_equal(abed_ask(1, NULL, &(struct agree_root_command){.type = AGREE_ROOT_DRAIN}, &rc), 0);
	assert_int_equal(rc, -ENOTCONN);
	assert_int_equal(abed_ask(1, NULL, &(struct agree_root_command){.type = AGREE_ROOT_NONE}, &rc), 0);
	assert_int_equal(rc, -EINVAL);
	abed_answered(found(0, cluster, NULL), AGREE_DONE, "");
	become(3, 5000);
	abed_answered(found(0, another, NULL), AGREE_REFUSED, "in a cluster already, and founds no other");
	abed_answered(found(1, cluster, NULL), AGREE_REFUSED, "in a cluster already, and founds no other");
	abed_answered(ask(1, voters(4)), AGREE_REFUSED, "4 voters: 1, 3, 5 or 7 may be asked for");
	abed_answered(ask(1, voters(9)), AGREE_REFUSED, "9 voters: 1, 3, 5 or 7 may be asked for");
	abed_answered(ask(1, voters(-2)), AGREE_REFUSED, "-2 voters: 1, 3, 5 or 7 may be asked for");
	c = voters(-1);
	c.replace_after_ms = 999;
	abed_answered(ask(2, c), AGREE_REFUSED, "after 1 s at least, and 7 days at most");
	abed_answered(about(2, AGREE_ROOT_FORGET, 1, NULL), AGREE_REFUSED, "n1 is alive");
	crash(1);
	abed_run(1000);
	abed_answered(about(2, AGREE_ROOT_FORGET, 1, NULL), AGREE_DONE, "");
	abed_answered(about(2, AGREE_ROOT_DRAIN, 1, NULL), AGREE_REFUSED, "n1 was forgotten");
	abed_answered(about(2, AGREE_ROOT_LEAVE, 1, NULL), AGREE_REFUSED, "n1 was forgotten");
	c = voters(-1);
	c.spread = "zone";
	c.times = AGREE_TIMES_SLOW;
	abed_answered(ask(2, c), AGREE_DONE, "");
	assert_string_equal(root(2)->spread, "zone");
	assert_int_equal(root(2)->times.lv_ms, 8600);
	assert_int_equal(root(2)->voters, 0);
	abed_free();
}

static void test_an_operation_is_done_once(void **state)
{
	uint64_t token;

	(void)state;
	founded(6, 3);
	become(3, 5000);
	abed_answered(about(0, AGREE_ROOT_DRAIN, 2, "op1"), AGREE_DONE, "");
	assert_true(abed.answers[abed.token].changed);
	abed_answered(about(1, AGREE_ROOT_UNDRAIN, 2, "op2"), AGREE_DONE, "");
	abed_answered(about(2, AGREE_ROOT_DRAIN, 2, "op1"), AGREE_DONE, "");
	assert_true(abed.answers[abed.token].repeat && !abed.answers[abed.token].changed);
	assert_int_equal(root(2)->draining.n, 0);
	abed_answered(about(2, AGREE_ROOT_UNDRAIN, 2, NULL), AGREE_DONE, ""); /* nothing is to be done */
	assert_true(!abed.answers[abed.token].repeat && !abed.answers[abed.token].changed);
	for (int i = 0; i < SCHED_OPS_MAX + 3; i++) {
		char op[16];

		(void)snprintf(op, sizeof(op), "more%d", i);
		abed_answered(about(1, i % 2 ? AGREE_ROOT_UNDRAIN : AGREE_ROOT_DRAIN, 1, op), AGREE_DONE, "");
	}
	token = about(1, AGREE_ROOT_UNDRAIN, 1, "more34");
	abed_answered(token, AGREE_DONE, "");
	assert_true(abed.answers[token].repeat);
	abed_answered(about(1, AGREE_ROOT_UNDRAIN, 2, "op1"), AGREE_DONE, ""); /* that one is forgotten */
	assert_false(abed.answers[abed.token].repeat);
	abed_free();
}

/* All of them are done, whoever was asked. */
static void test_many_at_once(void **state)
{
	uint64_t tokens[8];

	(void)state;
	founded(7, 5);
	become(5, 10000);
	tokens[0] = about(0, AGREE_ROOT_DRAIN, 1, NULL);
	tokens[1] = about(1, AGREE_ROOT_DRAIN, 2, NULL);
	tokens[2] = about(2, AGREE_ROOT_LEAVE, 3, NULL);
	tokens[3] = ask(3, voters(1));
	tokens[4] = about(4, AGREE_ROOT_DRAIN, 0, NULL);
	tokens[5] = about(4, AGREE_ROOT_UNDRAIN, 0, NULL);
	for (int i = 0; i < 6; i++)
		abed_answered(tokens[i], AGREE_DONE, "");
	become(1, 30000);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(root(i)->draining.n, 3);
		assert_int_equal(root(i)->leaving.n, 1);
		assert_int_equal(root(i)->voters, 1);
	}
	abed_free();
}

/* Two that see different members begin different changes: one comes first, and the other sees it. */
static void test_two_runners(void **state)
{
	int both = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		founded(seed, 1);
		for (int v = 0; v < 5; v++) /* 1 sees 0, 1, 2; 3 sees 0, 3, 4; the others nobody */
			for (int i = 0; i < 5; i++)
				w.hidden[v][i] = v == 1 ? i > 2 : v == 3 ? i == 1 || i == 2 : i != v;
		w.hidden[1][0] = w.hidden[3][0] = false;
		come(5);
		for (int i = 0; i < 500 && votes("0"); i++) {
			abed_run(1);
			both += abed.own[1].a->voting.under_way && abed.own[3].a->voting.under_way;
		}
		memset(w.hidden, 0, sizeof(w.hidden));
		for (int i = 0; i < 5; i++)
			abed_tell_hosts(SCHED_EVENT_NODE_BACK, i);
		become(5, 60000);
		abed_free();
	}
	assert_true(both > 0);
}

/* A voter dies, and there are two spares: who is given its vote. deaf: one of them whose disk went back; -1: none. */
static int heir(int deaf)
{
	char was[QUORUM_VOTERS_MAX + 1];
	int ret = -1;

	founded(8, 5);
	abed_answered(ask(0, voters(3)), AGREE_DONE, "");
	become(3, 10000);
	(void)snprintf(was, sizeof(was), "%s", who_votes());
	if (deaf >= 0)
		rbed_input(&abed.b->v[deaf], &(struct registers_in){.type = REGISTERS_IN_SEEN, .boot = 100});
	crash(first_voter());
	abed_run(75000);
	assert_true(is_number(3));
	for (int i = 0; i < w.present; i++)
		if (is_voter(i) && !strchr(was, '0' + i))
			ret = i;
	abed_free();
	return ret;
}

/* Who seems to live and writes nothing is passed over. */
static void test_who_cannot_write_is_passed_over(void **state)
{
	int first = heir(-1), second = heir(first);

	(void)state;
	assert_true(first >= 0 && second >= 0 && first != second);
}

static struct sched_node home(int node)
{
	struct sched_slot s;

	return slot_of(node, &s) ? s.node : (struct sched_node){0};
}

static int number_of(struct sched_node id)
{
	for (int i = 0; i < w.present; i++)
		if (sched_same_node(id_of(i), id))
			return i;
	return -1;
}

/* Agents are looked at when somebody drains, or is forgotten. */
static void test_agents_follow(void **state)
{
	int first, second;

	(void)state;
	founded(9, 4);
	become(3, 5000);
	abed_answered(abed_ask(1,
			      &(struct agree_command){.key = rbed_key(0),
				      .event = {.type = SCHED_EVENT_APPLY, .desired = 1},
				      .text = {(const uint8_t *)"x", 1}},
			      NULL, NULL),
		AGREE_DONE, "");
	abed_run(5000);
	first = number_of(home(3));
	assert_true(first >= 0);
	abed_answered(about((first + 1) % 4, AGREE_ROOT_DRAIN, first, NULL), AGREE_DONE, "");
	abed_run(1000);
	second = number_of(home(3));
	assert_true(second >= 0 && second != first);
	abed_free();
}

static struct msg_bytes first_root(uint8_t *out, size_t cap)
{
	struct register_root r;
	struct err e;
	size_t n = 0;

	register_root_init(&r, &abed_heap);
	r.cluster = cluster;
	r.cfg = (struct quorum_cfg){.epoch = 1, .old = {.n = 1, .v = {abed.b->v[0].uuid}}};
	r.times = REGISTER_DEFAULT_TIMES;
	assert_int_equal(register_root_write(&r, out, cap, &n, &e), 0);
	register_root_done(&r);
	return (struct msg_bytes){out, n};
}

static struct msg_bytes first_agent(uint8_t *out, size_t cap)
{
	struct register_agent none = {0};
	struct sched_value v;
	struct err e;
	size_t n = 0;

	assert_int_equal(register_agent_read(&none, &abed_heap, (struct msg_bytes){0}, &e), 0);
	sched_init(&v, NULL, 0, NULL, 0);
	assert_int_equal(register_agent_write(&none, &v, (struct msg_bytes){0}, out, cap, &n, &e), 0);
	register_agent_done(&none);
	return (struct msg_bytes){out, n};
}

/* A second life of node 0, alone, which had this on its disk; and one step of it. */
static struct agree *awoken(struct msg_bytes with, struct msg_bytes agent)
{
	static struct agree_outs outs;
	struct agree_config config = {.world = {.view = view, .spec = spec, .ctx = &abed.b->v[0]}};
	const struct ballot ballot = {.counter = 1, .node = abed.b->v[0].uuid};
	const struct msg_key key = rbed_key(0);
	struct registers_in tick = {.type = REGISTERS_IN_TICK};
	struct agree *a;

	config.registers.acceptor = (struct acceptor_config){.self = abed.b->v[0].uuid,
		.header.cfg = {.epoch = 1, .old = {.n = 1, .v = {abed.b->v[0].uuid}}},
		.boot = 1,
		.reader = &register_reader};
	assert_int_equal(agree_new(&config, &abed_heap, rbed_now(abed.b), &a), 0);
	assert_int_equal(registers_load_chosen(agree_registers(a), &root_key, &ballot, with), 0);
	assert_int_equal(registers_load_chosen(agree_registers(a), &key, &ballot, agent), 0);
	assert_int_equal(agree_step(a, &(struct agree_in){.type = AGREE_IN_REGISTERS, .registers = &tick},
				 rbed_now(abed.b), &outs),
		0);
	return a;
}

/* What was known to be chosen before a start is known after it, agents too. */
static void test_what_was_known_is_known(void **state)
{
	uint8_t bytes[1024], agent[1024];
	char text[512];
	struct agree *a;

	(void)state;
	begin(10, 1);
	a = awoken(first_root(bytes, sizeof(bytes)), first_agent(agent, sizeof(agent)));
	assert_non_null(agree_root(a));
	assert_memory_equal(&agree_root(a)->cluster, &cluster, sizeof(cluster));
	assert_int_equal(strncmp(agree_dump(a, text, sizeof(text)), "1 agents,", 9), 0);
	agree_free(a);
	abed_free();
}

/* A root that a newer version wrote is read, and left alone. */
static void test_a_newer_root_is_left_alone(void **state)
{
	uint8_t bytes[1024], agent[1024];
	struct msg_bytes with;
	struct agree *a;

	(void)state;
	for (uint8_t version = REGISTER_VERSION; version <= REGISTER_VERSION + 1; version++) {
		begin(11, 3);
		with = first_root(bytes, sizeof(bytes));
		assert_int_equal(bytes[2], REGISTER_VERSION);
		bytes[2] = version;
		a = awoken(with, first_agent(agent, sizeof(agent)));
		assert_non_null(agree_root(a));
		assert_int_equal(a->voting.due || a->root_ward->turn_at_ms > 0, version == REGISTER_VERSION);
		agree_free(a);
		abed_free();
	}
}

/* ---- seeds ---- */

static int living(void)
{
	int n = 0;

	for (int i = 0; i < w.present; i++)
		n += abed.b->v[i].up;
	return n;
}

static void order(int node)
{
	static const enum agree_root_type types[] = {AGREE_ROOT_DRAIN, AGREE_ROOT_UNDRAIN, AGREE_ROOT_UNDRAIN,
		AGREE_ROOT_FORGET, AGREE_ROOT_LEAVE, AGREE_ROOT_VOTERS};
	struct rng *r = &abed.b->rng;
	struct agree_root_command c = voters((int)(2 * rng_below(r, 4)) + 1);

	c.type = types[rng_below(r, ARRAY_LEN(types))];
	c.node = id_of((int)rng_below(r, (uint64_t)w.present));
	if (c.type == AGREE_ROOT_VOTERS) {
		c.voters = rng_below(r, 2) ? c.voters : 0;
		c.replace_after_ms = rng_below(r, 2) ? 2000 : 10000;
		c.spread = rng_below(r, 2) ? "zone" : "";
	}
	if (abed.token < ABED_TOKENS - 20)
		(void)ask(node, c);
}

static void disturb(void)
{
	struct rng *r = &abed.b->rng;
	int node = (int)rng_below(r, (uint64_t)w.present);

	switch (rng_below(r, 12)) {
	case 0:
		if (abed.b->v[node].up)
			crash(node);
		break;
	case 1:
	case 2:
	case 3:
		if (!abed.b->v[node].up)
			start(node);
		break;
	case 4:
		come(MIN(w.present + 1, RBED_NODES_MAX));
		break;
	case 5:
	case 6:
		if (abed.b->v[node].up)
			order(node);
		break;
	default:
		break;
	}
}

/* As many as there are to be, and all of them may vote, and live. */
static bool is_well(void)
{
	struct electorate_count c;
	char text[ERR_TEXT_MAX];
	const struct register_root *r = root(0);

	if (!r || !agree_electorate(abed.own[0].a, &c, text, sizeof(text)) || !is_number(c.voters))
		return false;
	for (int i = 0; i < w.present; i++)
		if (is_voter(i) && (register_nodes_has(&r->forgotten, id_of(i)) ||
					   (register_nodes_has(&r->leaving, id_of(i)) && c.spares > 0)))
			return false;
	return c.voters == c.wanted || (c.voters < c.wanted && c.spares < 2);
}

static void one_seed(uint64_t seed)
{
	founded(seed, 1 + (int)(seed % 5));
	abed.b->lose_pct = (int)rng_below(&abed.b->rng, 20);
	abed.b->double_pct = (int)rng_below(&abed.b->rng, 10);
	abed.b->late_pct = (int)rng_below(&abed.b->rng, 8);
	abed.b->nomem_pm = rng_below(&abed.b->rng, 2) ? (int)rng_below(&abed.b->rng, 10) : 0;
	for (int i = 0; i < RBED_NODES_MAX; i++)
		w.lag_ms[i] = (int64_t)rng_below(&abed.b->rng, 3000);
	for (int i = 0; i < 150; i++) {
		disturb();
		abed_run(1 + (int64_t)rng_below(&abed.b->rng, 800));
	}
	abed.b->lose_pct = abed.b->double_pct = abed.b->late_pct = abed.b->nomem_pm = 0;
	for (int i = 0; i < w.present; i++)
		if (!abed.b->v[i].up)
			start(i);
	for (int i = 0; !(is_well() && rbed_all_know_the_same(abed.b)) && i < 300; i++)
		abed_run(1000);
	if (!is_well())
		fail_msg("seed %" PRIu64 ": '%s' vote, of %d that live", seed, who_votes(), living());
	assert_true(rbed_all_know_the_same(abed.b));
	assert_memory_equal(&root(0)->cluster, &cluster, sizeof(cluster));
	abed_answered(about(w.present - 1, AGREE_ROOT_UNDRAIN, 0, NULL), AGREE_DONE, "");
	abed_free();
}

static void test_seeds(void **state)
{
	const char *told = getenv("COVEY_SEEDS");
	uint64_t from = 1, to = SEEDS;

	(void)state;
	if (told && sscanf(told, "%" SCNu64 " %" SCNu64, &from, &to) != 2)
		fail_msg("COVEY_SEEDS is two numbers: FROM TO");
	for (uint64_t seed = from; seed <= to; seed++) {
		if (told)
			print_message("seed %" PRIu64 "\n", seed);
		one_seed(seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_cluster_grows),
		cmocka_unit_test(test_a_dead_voter_is_replaced),
		cmocka_unit_test(test_leave_and_forget_shrink),
		cmocka_unit_test(test_what_a_crash_left_behind_is_taken_up),
		cmocka_unit_test(test_init_may_be_cut_off),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_an_operation_is_done_once),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_two_runners),
		cmocka_unit_test(test_who_cannot_write_is_passed_over),
		cmocka_unit_test(test_agents_follow),
		cmocka_unit_test(test_what_was_known_is_known),
		cmocka_unit_test(test_a_newer_root_is_left_alone),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
