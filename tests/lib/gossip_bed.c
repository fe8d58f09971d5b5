/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See gossip_bed.h.
 */
#include "tests/lib/gossip_bed.h"

#include <stdlib.h>

static void *bed_alloc(void *ctx, size_t n)
{
	struct bed *b = ctx;
	void *p;

	if (b->fail_in > 0 && --b->fail_in == 0) {
		b->failed = true;
		return NULL;
	}
	p = malloc(n);
	assert_non_null(p);
	memset(p, 0xa5, n);
	b->bytes += n;
	return p;
}

static void bed_release(void *ctx, void *p, size_t n)
{
	struct bed *b = ctx;

	assert_true(b->bytes >= n);
	b->bytes -= n;
	memset(p, 0x5a, n);
	free(p);
}

struct gossip_mem bed_mem(struct bed *b)
{
	return (struct gossip_mem){.alloc = bed_alloc, .release = bed_release, .ctx = b};
}

struct bed *bed_new(int n)
{
	struct bed *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	assert_true(n <= BED_NODES_MAX);
	b->n = n;
	b->now_ms = 1000;
	b->profile = GOSSIP_PROFILE_LAN;
	for (int i = 0; i < n; i++) {
		(void)snprintf(b->v[i].name, sizeof(b->v[i].name), "n%d", i);
		(void)snprintf(b->v[i].address, sizeof(b->v[i].address), "n%d:1", i);
	}
	return b;
}

void bed_free(struct bed *b)
{
	for (int i = 0; i < b->n; i++)
		gossip_free(b->v[i].g);
	assert_int_equal(b->bytes, 0);
	free(b);
}

static struct now now_of(const struct bed *b)
{
	return (struct now){.mono_ms = b->now_ms, .boot_ms = b->now_ms, .wall_ms = b->now_ms};
}

static void push(struct bed *b, int node, const struct gossip_in *in, bool pull)
{
	assert_true(b->todo_n < BED_PENDING_MAX);
	b->todo[(b->todo_at + b->todo_n++) % BED_PENDING_MAX] =
		(struct bed_todo){.node = node, .in = *in, .pull = pull};
}

static struct gossip_str str(const char *s)
{
	return (struct gossip_str){s, (uint16_t)strlen(s)};
}

static struct gossip_record record_of(const struct bed *b, int node)
{
	const struct bed_node *n = &b->v[node];
	struct gossip_record r = {.name = str(n->name),
		.address = str(n->address),
		.build = str("0.1.0"),
		.version = 1,
		.wire_min = 1,
		.wire_max = 1,
		.features = 1,
		.watch_rings = 5,
		.beat_ms = 1000};

	for (int i = 0; i < GOSSIP_UUID_LEN; i++)
		r.uuid[i] = (uint8_t)((node + 1) * 0x9e3779b1u >> (i % 4 * 8));
	for (int i = 0; i < 4 && node == b->n - 1; i++)
		r.uuid[i + 2] ^= (uint8_t)(b->salt * 0x9e3779b1u >> (i * 8));
	return r;
}

static void trace_out(struct bed *b, int node, const struct gossip_out *o)
{
	struct gossip_member m;
	char by[80] = "", subject[GOSSIP_NAME_MAX + 1] = "?";

	if (gossip_member_get(b->v[node].g, o->id, &m) && m.has_record)
		(void)snprintf(subject, sizeof(subject), "%.*s", m.record.name.n, m.record.name.v);
	for (int i = 0; i < MIN(o->n_by, GOSSIP_BY_MAX); i++)
		if (gossip_member_get(b->v[node].g, o->by[i], &m) && m.has_record)
			(void)snprintf(by + strlen(by), sizeof(by) - strlen(by), "%s%.*s", i ? ", " : " by ",
				m.record.name.n, m.record.name.v);
	trace_add(&b->t, "[%6" PRId64 "] %s: %s %s%s%s%s\n", b->now_ms, b->v[node].name, subject,
		gossip_event_name(o->event), by, o->host_up ? " (host up)" : "", o->restarted ? " (restarted)" : "");
}

static int node_at(const struct bed *b, const char *address)
{
	for (int i = 0; i < b->n; i++)
		if (strcmp(b->v[i].address, address) == 0)
			return i;
	return -1;
}

static uint32_t free_link(const struct bed *b, int node)
{
	uint32_t l = 0;

	while (l < GOSSIP_LINKS_MAX && b->v[node].links[l].up)
		l++;
	return l;
}

static void dial(struct bed *b, int from, const struct gossip_out *o)
{
	int to = node_at(b, o->address);
	struct gossip_in in = {.type = GOSSIP_IN_DIAL_FAILED, .dial = o->dial, .how = GOSSIP_DIAL_UNREACHABLE};
	uint32_t lf = free_link(b, from), lt;

	if (to == from)
		in.how = GOSSIP_DIAL_SELF;
	else if (to >= 0 && b->v[to].how == BED_OFF && !b->cut[from][to] && !b->cut[to][from])
		in.how = GOSSIP_DIAL_REFUSED;
	if (to < 0 || to == from || b->v[to].how != BED_UP || b->cut[from][to] || b->cut[to][from] ||
		(lt = free_link(b, to)) == GOSSIP_LINKS_MAX || lf == GOSSIP_LINKS_MAX) {
		push(b, from, &in, false);
		return;
	}
	b->v[from].links[lf] = (struct bed_link){.up = true, .peer = to, .peer_link = lt};
	b->v[to].links[lt] = (struct bed_link){.up = true, .peer = from, .peer_link = lf};
	in = (struct gossip_in){.type = GOSSIP_IN_LINK_UP, .link = lf, .dial = o->dial};
	push(b, from, &in, false);
	in = (struct gossip_in){.type = GOSSIP_IN_LINK_UP, .link = lt};
	push(b, to, &in, false);
}

static void reach(struct bed *b, int from, const struct gossip_out *o)
{
	int to = node_at(b, o->address);
	struct gossip_in in = {.type = GOSSIP_IN_REACHED, .id = o->id};

	if (to >= 0 && b->v[to].how != BED_LOST && !b->cut[from][to] && !b->cut[to][from])
		push(b, from, &in, false);
}

static void hang_up(struct bed *b, int node, uint32_t link, bool told)
{
	struct bed_link l = b->v[node].links[link];
	struct gossip_in in = {.type = GOSSIP_IN_LINK_DOWN, .link = link};

	if (!l.up)
		return;
	b->v[node].links[link].up = false;
	if (told)
		push(b, node, &in, false);
	in.link = l.peer_link;
	in.reset = true;
	b->v[l.peer].links[l.peer_link].up = false;
	push(b, l.peer, &in, false);
}

static void see(struct bed *b, int node)
{
	struct bed_node *n = &b->v[node];
	struct gossip_member m;

	while (gossip_change_next(n->g, &n->cursor, &m))
		for (int i = 0; i < b->n; i++)
			if (b->v[i].id == m.id && n->said_ms[i][m.state] < 0)
				n->said_ms[i][m.state] = b->now_ms;
}

static void route(struct bed *b, int node, const struct gossip_out *o)
{
	struct gossip_in in = {.link = o->link};

	switch (o->type) {
	case GOSSIP_OUT_READY:
		push(b, node, &in, true);
		break;
	case GOSSIP_OUT_DIAL:
		dial(b, node, o);
		break;
	case GOSSIP_OUT_CLOSE:
		hang_up(b, node, o->link, true);
		break;
	case GOSSIP_OUT_CHANGED:
		see(b, node);
		break;
	case GOSSIP_OUT_REACH:
		reach(b, node, o);
		break;
	default:
		assert_int_equal(o->type, GOSSIP_OUT_EVENT);
		b->v[node].events[o->event]++;
		b->v[node].last[o->event] = *o;
		if (b->traced)
			trace_out(b, node, o);
		break;
	}
}

void bed_step(struct bed *b, int node, const struct gossip_in *in)
{
	static struct gossip_outs outs;

	gossip_step(b->v[node].g, in, now_of(b), &outs);
	gossip_check(b->v[node].g);
	for (size_t i = 0; i < outs.n; i++)
		route(b, node, &outs.v[i]);
}

/* A daemon that does not run, or a path that is cut: TCP keeps what was said. */
static bool stalled(const struct bed *b, int node, uint32_t link)
{
	const struct bed_link *l = &b->v[node].links[link];

	return b->v[node].how != BED_UP || b->v[l->peer].how != BED_UP || b->cut[node][l->peer];
}

static void pull(struct bed *b, int node, uint32_t link)
{
	static struct gossip_msg msg;
	struct bed_link l = b->v[node].links[link];
	struct gossip_in in = {.type = GOSSIP_IN_MSG, .link = l.peer_link, .msg = &msg};

	if (!l.up || stalled(b, node, link) || !gossip_pull(b->v[node].g, link, now_of(b), &msg))
		return;
	if (gossip_msg_fault(&msg))
		fail_msg("%s: %s", gossip_msg_name(msg.type), gossip_msg_fault(&msg));
	b->msgs++;
	b->of[msg.type]++;
	push(b, node, &(struct gossip_in){.link = link}, true);
	bed_step(b, l.peer, &in);
}

static void run_todo(struct bed *b)
{
	while (b->todo_n > 0) {
		struct bed_todo t = b->todo[b->todo_at];
		struct gossip_record r;

		b->todo_at = (b->todo_at + 1) % BED_PENDING_MAX;
		b->todo_n--;
		if (!b->v[t.node].g || b->v[t.node].how == BED_LOST)
			continue;
		if (b->v[t.node].how == BED_PAUSED && !t.pull) {
			assert_true(b->n_held < BED_HELD_MAX);
			b->held[b->n_held++] = t;
			continue;
		}
		if (t.pull) {
			pull(b, t.node, t.in.link);
			continue;
		}
		if (t.in.type == GOSSIP_IN_LINK_UP) {
			const struct bed_link *l = &b->v[t.node].links[t.in.link];

			if (!l->up || b->v[l->peer].how != BED_UP)
				continue;
			r = record_of(b, l->peer);
			t.in.record = &r;
			t.in.boot = b->v[l->peer].boot;
		}
		if (b->v[t.node].how == BED_UP)
			bed_step(b, t.node, &t.in);
	}
}

static void cut_off(struct bed *b, int node)
{
	for (uint32_t l = 0; l < GOSSIP_LINKS_MAX; l++)
		hang_up(b, node, l, false);
}

void bed_start(struct bed *b, int node, int seed)
{
	struct bed_node *n = &b->v[node];
	const char *seeds[1] = {seed >= 0 ? b->v[seed].address : NULL};
	struct gossip_mem mem = bed_mem(b);
	struct gossip_config c = {.record = record_of(b, node),
		.boot = ++n->boot,
		.profile = b->profile,
		.seeds = seeds,
		.n_seeds = seed >= 0,
		.values_max_bytes = b->values_max,
		.seed = (uint64_t)node * 1000 + n->boot};

	assert_true(n->how == BED_OFF || n->how == BED_LOST);
	cut_off(b, node); /* a host that comes back resets what was there before */
	gossip_free(n->g);
	n->g = NULL;
	n->how = BED_UP;
	n->id = gossip_id_of(c.record.uuid);
	n->cursor = 0;
	if (gossip_new(&c, &mem, now_of(b), &n->g) != 0) {
		assert_true(b->failed); /* a daemon that could not start is started again */
		assert_int_equal(gossip_new(&c, &mem, now_of(b), &n->g), 0);
	}
	bed_step(b, node, &(struct gossip_in){.type = GOSSIP_IN_TICK});
	run_todo(b);
}

void bed_start_all(struct bed *b)
{
	for (int i = 0; i < b->n; i++)
		bed_start(b, i, i == 0 ? -1 : 0);
	(void)bed_until(b, 10000, bed_agreed);
	bed_mark(b);
}

void bed_kill(struct bed *b, int node)
{
	cut_off(b, node);
	b->v[node].how = BED_OFF;
	gossip_free(b->v[node].g);
	b->v[node].g = NULL;
	run_todo(b);
}

/* Nobody is told: the others' links stay, and stall. */
void bed_lose(struct bed *b, int node)
{
	b->v[node].how = BED_LOST;
}

static void pull_all(struct bed *b, int node)
{
	for (uint32_t l = 0; l < GOSSIP_LINKS_MAX; l++)
		if (b->v[node].links[l].up)
			push(b, node, &(struct gossip_in){.link = l}, true);
}

static void resume(struct bed *b)
{
	for (int i = 0; i < b->n; i++)
		if (b->v[i].how == BED_UP)
			pull_all(b, i);
	run_todo(b);
}

void bed_pause(struct bed *b, int node, bool paused)
{
	size_t n = 0;

	b->v[node].how = paused ? BED_PAUSED : BED_UP;
	if (paused)
		return;
	for (size_t i = 0; i < b->n_held; i++) {
		if (b->held[i].node == node)
			push(b, node, &b->held[i].in, false);
		else
			b->held[n++] = b->held[i];
	}
	b->n_held = n;
	resume(b);
}

void bed_cut(struct bed *b, int from, int to, bool cut)
{
	b->cut[from][to] = cut;
	if (!cut)
		resume(b);
}

void bed_set(struct bed *b, int node, const char *key, const char *value)
{
	bed_step(b, node,
		&(struct gossip_in){
			.type = GOSSIP_IN_SET, .key = str(key), .value = str(value ? value : ""), .removed = !value});
	run_todo(b);
}

static int64_t next_ms(const struct bed *b)
{
	int64_t at = DEADLINE_NEVER;

	for (int i = 0; i < b->n; i++)
		if (b->v[i].how == BED_UP)
			at = MIN(at, gossip_deadline_ms(b->v[i].g));
	return at;
}

/* One instant: everyone who is due. A core that stays due for ever would hang here: it is caught. */
static void run_instant(struct bed *b)
{
	for (int turn = 0; next_ms(b) <= b->now_ms; turn++) {
		assert_true(turn < 1000);
		for (int i = 0; i < b->n; i++)
			if (b->v[i].how == BED_UP && gossip_deadline_ms(b->v[i].g) <= b->now_ms)
				bed_step(b, i, &(struct gossip_in){.type = GOSSIP_IN_TICK});
		run_todo(b);
	}
}

void bed_run(struct bed *b, int64_t ms)
{
	int64_t end = b->now_ms + ms;

	run_todo(b);
	run_instant(b);
	while (next_ms(b) <= end) {
		b->now_ms = next_ms(b);
		run_instant(b);
	}
	b->now_ms = end;
}

int64_t bed_until(struct bed *b, int64_t ms, bool (*done)(struct bed *b))
{
	int64_t began = b->now_ms;

	run_todo(b);
	run_instant(b);
	while (!done(b)) {
		assert_true(next_ms(b) != DEADLINE_NEVER);
		if (next_ms(b) > began + ms)
			fail_msg("not done after %" PRId64 " ms", ms);
		b->now_ms = next_ms(b);
		run_instant(b);
	}
	return b->now_ms - began;
}

void bed_mark(struct bed *b)
{
	for (int i = 0; i < b->n; i++) {
		if (b->v[i].how == BED_UP)
			see(b, i);
		memset(b->v[i].said_ms, 0xff, sizeof(b->v[i].said_ms));
		memset(b->v[i].events, 0, sizeof(b->v[i].events));
	}
}

enum gossip_state bed_state(struct bed *b, int of, int as_seen_by)
{
	struct gossip_member m;

	return gossip_member_get(b->v[as_seen_by].g, b->v[of].id, &m) ? m.state : GOSSIP_STATE_MAX;
}

const char *bed_value(struct bed *b, int at, int of, const char *key)
{
	static char text[256];
	struct gossip_str v;

	if (!gossip_value_get(b->v[at].g, b->v[of].id, str(key), &v))
		return NULL;
	(void)snprintf(text, sizeof(text), "%.*s", v.n, v.v);
	return text;
}

bool bed_agreed(struct bed *b)
{
	int first = -1;

	for (int i = 0; i < b->n; i++) {
		if (b->v[i].how != BED_UP)
			continue;
		if (first < 0)
			first = i;
		if (gossip_view_hash(b->v[i].g) != gossip_view_hash(b->v[first].g) ||
			gossip_alive(b->v[i].g) != gossip_alive(b->v[first].g))
			return false;
		for (int k = 0; k < b->n; k++)
			if (b->v[k].how == BED_UP && bed_state(b, k, i) != GOSSIP_ALIVE)
				return false;
	}
	return true;
}
