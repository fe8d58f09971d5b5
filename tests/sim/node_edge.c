/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon does between the core and the network: outputs carried out, calls of the network turned into inputs,
 * the hello, links' numbers, messages to bytes and back.
 */
#include "tests/sim/node_priv.h"

#include <inttypes.h>
#include <string.h>

#include "gossip/wire.h"
#include "tests/sim/mixed.h"
#include "tests/sim/oracle.h"
#include "tests/sim/whole.h"

#define AGAIN_US  1000000 /* from its end to the next start of a daemon */
#define LEAVE_US  5000000 /* a daemon that leaves waits no longer for all to be told */
#define TICKS_MAX 10000	  /* steps in one instant: more is a core that never comes to rest */

/* What each end told the other in the hello. */
struct greeting {
	struct {
		struct gossip_record record;
		uint32_t boot;
		char name[SIM_NAME_MAX], address[SIM_NAME_MAX];
	} of[2];
};

static void outs_done(struct sim_node *n);

static void step_once(struct sim_node *n, const struct gossip_in *in)
{
	struct sim *s = n->sim;

	gossip_step(n->g, in, node_clocks(n), &s->outs);
	s->steps++;
	if (s->o.check_every && s->steps % s->o.check_every == 0)
		gossip_check(n->g);
	outs_done(n);
	oracle_stepped(n);
}

static void answer_closed(struct sim_node *n)
{
	while (n->n_closed && n->g) {
		struct gossip_in in = {.type = GOSSIP_IN_LINK_DOWN, .link = n->closed[--n->n_closed]};

		step_once(n, &in);
	}
}

void node_step(struct sim_node *n, const struct gossip_in *in)
{
	unsigned ticks = 0;

	step_once(n, in);
	answer_closed(n);
	while (n->g && gossip_deadline_ms(n->g) <= node_clocks(n).mono_ms) {
		struct gossip_in tick = {.type = GOSSIP_IN_TICK};

		if (++ticks > TICKS_MAX) {
			sim_fail(n->sim, n->number, "it never comes to rest");
			break;
		}
		step_once(n, &tick);
		answer_closed(n);
	}
	if (n->g)
		node_set_timer(n);
}

/* The rest of the daemon, if there is one. */
static void turn(struct sim_node *n)
{
	if (n->w)
		whole_turn(n);
}

void node_due(struct sim_node *n)
{
	struct gossip_in in = {.type = GOSSIP_IN_TICK};

	node_step(n, &in);
	turn(n);
}

/* What only a newer version knows, perhaps. */
static void say_odd(struct sim_node *n, struct sim_link *l, const uint8_t *frame, size_t len)
{
	uint8_t odd[GOSSIP_FRAME_MAX];

	len = mixed_odd_frame(n, frame, len, odd, sizeof(odd));
	if (len > 0)
		net_send(l->conn, l->side, odd, len);
}

void node_pull(struct sim_node *n, uint32_t link)
{
	struct sim *s = n->sim;
	struct sim_link *l = &n->links[link];
	uint8_t bytes[GOSSIP_FRAME_MAX];
	struct sim_node *was;
	const char *fault;
	size_t len;
	int rc;

	if (!l->conn)
		return;
	while (net_has_room(l->conn, l->side)) {
		if (!gossip_pull(n->g, link, node_clocks(n), &s->msg)) {
			if (n->w)
				whole_say(n, link);
			return;
		}
		fault = gossip_msg_fault(&s->msg);
		if (fault) {
			sim_fail(s, n->number, "it says a %s: %s", gossip_msg_name(s->msg.type), fault);
			return;
		}
		was = mixed_enter(n);
		rc = wire_encode(&s->msg, bytes, sizeof(bytes), &len);
		(void)mixed_enter(was);
		if (rc < 0) {
			sim_fail(s, n->number, "a %s is larger than a frame", gossip_msg_name(s->msg.type));
			return;
		}
		net_send(l->conn, l->side, bytes, len);
		s->msgs++;
		say_odd(n, l, bytes, len);
	}
	l->conn->end[l->side].wants_room = true;
}

static void close_link(struct sim_node *n, uint32_t link, enum gossip_close why)
{
	struct sim_link *l = &n->links[link];

	if (!l->conn)
		return; /* went down meanwhile, and was told */
	story_tell(&n->sim->story, n->sim->now_us, n->number, l->conn->end[1 - l->side].host,
		"closes link %" PRIu32 " to n%" PRIu32 ": %s", link, l->conn->end[1 - l->side].host,
		gossip_close_text(why));
	net_close(l->conn, l->side);
	l->conn = NULL;
	if (n->w)
		whole_down(n, link);
	n->closed[n->n_closed++] = link;
}

static uint32_t host_of(const struct sim *s, const char *address)
{
	unsigned a, b, c;
	bool ours = sscanf(address, "10.%u.%u.%u:7947", &a, &b, &c) == 3 && (a << 16 | b << 8 | c) < s->o.room;

	return ours ? a << 16 | b << 8 | c : NET_NO_HOST;
}

static void dial(struct sim_node *n, const struct gossip_out *o)
{
	uint32_t to = host_of(n->sim, o->address);

	/* Dials of a process that ended are forgotten by the network; the expected id lies in the token. */
	story_tell(&n->sim->story, n->sim->now_us, n->number, to, "dials n%" PRIu32, to);
	net_dial(&n->sim->net, n->number, to, (uint64_t)o->dial << 32 | (o->id ? sim_number_of(o->id) + 1 : 0));
}

/* Whom an event is about, and who else. */
static void tell_event(struct sim_node *n, const struct gossip_out *e)
{
	struct sim *s = n->sim;
	uint32_t subject = e->id ? sim_number_of(e->id) : UINT32_MAX;
	char about[16] = "", by[24] = "";

	if (e->id)
		(void)snprintf(about, sizeof(about), " n%" PRIu32, subject);
	if (e->n_by)
		(void)snprintf(by, sizeof(by), ", by %u, n%" PRIu32, e->n_by, sim_number_of(e->by[0]));
	story_tell(&s->story, s->now_us, n->number, subject, "says %s%s%s%s (%" PRIu64 ")", gossip_event_name(e->event),
		about, by, e->host_up ? ", host up" : "", e->number);
}

/* What a daemon would do about what its core says of itself. */
static void event(struct sim_node *n, const struct gossip_out *e)
{
	struct sim *s = n->sim;

	s->events++;
	s->event_count[e->event]++;
	tell_event(n, e);
	if (e->event == GOSSIP_EVENT_LEFT_TOLD) {
		n->told_left = true;
		heap_set(&s->heap, &n->chore, s->now_us + 1);
	}
	if (e->event == GOSSIP_EVENT_FORGOTTEN)
		node_keep_forgotten(n, e->id);
	/* Its disk is an older copy: it goes above what was heard, and begins again. */
	if (e->event == GOSSIP_EVENT_CLONED && e->id == n->id && e->number >= n->boot) {
		n->boot_heard = (uint32_t)e->number;
		if (!heap_has(&n->chore))
			heap_set(&s->heap, &n->chore, s->now_us + AGAIN_US);
	}
}

static void outs_done(struct sim_node *n)
{
	struct sim *s = n->sim;

	/* Nothing here steps this core: outs stay as they are. */
	for (size_t i = 0; i < s->outs.n; i++) {
		const struct gossip_out *o = &s->outs.v[i];

		switch (o->type) {
		case GOSSIP_OUT_READY:
			node_pull(n, o->link);
			break;
		case GOSSIP_OUT_DIAL:
			dial(n, o);
			break;
		case GOSSIP_OUT_CLOSE:
			close_link(n, o->link, o->why);
			break;
		case GOSSIP_OUT_EVENT:
			event(n, o);
			break;
		case GOSSIP_OUT_CHANGED: /* oracle_stepped looks */
			if (n->w)
				whole_changed(n);
			break;
		case GOSSIP_OUT_REACH:
			net_reach(&s->net, n->number, host_of(s, o->address), sim_number_of(o->id));
			break;
		case GOSSIP_OUT_MAX:
			assert(false);
		}
	}
}

static struct sim_node *node_of(struct net_conn *c, int side)
{
	struct sim *s = c->net->ctx;

	return &s->nodes[c->end[side].host];
}

static uint32_t free_link(const struct sim_node *n)
{
	for (uint32_t i = 0; i < GOSSIP_LINKS_MAX; i++)
		if (!n->links[i].conn)
			return i;
	return GOSSIP_NO_LINK;
}

static const char neither[] = "neither belongs to a cluster yet";

static const char *hello(void *ctx, uint32_t from, uint32_t to, uint64_t token)
{
	struct sim *s = ctx;
	struct sim_node *a = &s->nodes[from], *b = &s->nodes[to];
	uint32_t expected = (uint32_t)token;

	if (from == to)
		return "it is ourselves";
	if (expected && expected - 1 != sim_number_of(b->id))
		return "it is another node";
	if (!a->member && !b->member) {
		s->knocked_at = to;
		return neither;
	}
	if (free_link(b) == GOSSIP_NO_LINK || free_link(a) == GOSSIP_NO_LINK)
		return "no link is free";
	return NULL;
}

static void greeted(struct sim_node *n, struct greeting *g, int i)
{
	struct gossip_member self;

	node_record(n, &g->of[i].record);
	if (gossip_member_get(n->g, n->id, &self) && self.has_record)
		g->of[i].record = self.record; /* with what the core sets */
	(void)strcpy(g->of[i].name, n->name);  /* arrays of one size */
	(void)strcpy(g->of[i].address, n->address);
	g->of[i].record.name.v = g->of[i].name;
	g->of[i].record.address.v = g->of[i].address;
	g->of[i].record.build.v = n->newer ? "0.2.0" : "0.1.0";
	g->of[i].boot = n->boot;
}

static void up(void *ctx, struct net_conn *c, int side, uint64_t token)
{
	struct sim *s = ctx;
	struct sim_node *n = node_of(c, side), *peer = node_of(c, 1 - side);
	uint32_t link = free_link(n);
	struct gossip_in in = {.type = GOSSIP_IN_LINK_UP, .link = link, .dial = (uint32_t)(token >> 32)};
	struct greeting *g;

	if (side == 0) { /* both have said hello by now */
		g = calloc(1, sizeof(*g));
		assert(g);
		c->data = g;
		greeted(n, g, 0);
		greeted(peer, g, 1);
		if (n->member || peer->member)
			n->member = peer->member = true;
	}
	if (link == GOSSIP_NO_LINK) {
		net_close(c, side);
		return;
	}
	g = c->data;
	n->links[link] = (struct sim_link){.conn = c, .side = side};
	c->end[side].owner = &n->links[link];
	in.record = &g->of[1 - side].record;
	in.boot = g->of[1 - side].boot;
	story_tell(&s->story, s->now_us, n->number, peer->number, "link %" PRIu32 " to n%" PRIu32 " is up%s", link,
		peer->number, side == 0 ? ", dialled" : "");
	if (n->w)
		whole_up(n, link, peer->number);
	node_step(n, &in);
	if (n->w)
		whole_linked(n, link);
	turn(n);
}

static void frame(void *ctx, struct net_conn *c, int side, const uint8_t *v, size_t len)
{
	struct sim *s = ctx;
	struct sim_node *n = node_of(c, side);
	struct sim_link *l = c->end[side].owner;
	struct gossip_in in = {.type = GOSSIP_IN_MSG, .link = (uint32_t)(l - n->links), .msg = &s->msg};
	struct gossip_msg_register piece;
	struct err e = {0};
	bool is_piece;
	int rc = wire_decode(v, len, &s->msg, &e);

	if (mixed_is_odd(s, rc))
		return; /* as node/cluster_link.c */
	if (rc < 0) {
		sim_fail(s, n->number, "a frame of n%" PRIu32 ": %s", c->end[1 - side].host, e.text);
		return;
	}
	if (!s->o.quiet && s->msg.type != GOSSIP_MSG_BEAT)
		story_tell(&s->story, s->now_us, n->number, c->end[1 - side].host, "gets %s from n%" PRIu32,
			gossip_msg_name(s->msg.type), c->end[1 - side].host);
	is_piece = n->w && s->msg.type == GOSSIP_MSG_REGISTER;
	piece = s->msg.piece; /* of the frame; the message is anybody's after the step */
	node_step(n, &in);
	if (is_piece)
		whole_piece(n, in.link, &piece);
	turn(n);
}

static void down(void *ctx, struct net_conn *c, int side, const char *why)
{
	struct sim *s = ctx;
	struct sim_node *n = node_of(c, side);
	struct sim_link *l = c->end[side].owner;
	struct gossip_in in = {.type = GOSSIP_IN_LINK_DOWN, .link = (uint32_t)(l - n->links)};

	in.reset = strstr(why, "peer") != NULL;
	story_tell(&s->story, s->now_us, n->number, c->end[1 - side].host,
		"link %" PRIu32 " to n%" PRIu32 " is down: %s", in.link, c->end[1 - side].host, why);
	l->conn = NULL;
	c->end[side].owner = NULL;
	if (n->w)
		whole_down(n, in.link);
	node_step(n, &in);
	turn(n);
}

static void room(void *ctx, struct net_conn *c, int side)
{
	struct sim_node *n = node_of(c, side);
	struct sim_link *l = c->end[side].owner;

	(void)ctx;
	node_pull(n, (uint32_t)(l - n->links));
	node_set_timer(n);
	turn(n);
}

static void dial_failed(void *ctx, uint32_t from, uint64_t token, enum net_outcome outcome, const char *text)
{
	static const enum gossip_dial_end ends[NET_OUTCOME_MAX] = {
		[NET_REFUSED] = GOSSIP_DIAL_REFUSED,
		[NET_UNREACHABLE] = GOSSIP_DIAL_UNREACHABLE,
		[NET_TURNED_AWAY] = GOSSIP_DIAL_TURNED_AWAY,
	};
	struct sim *s = ctx;
	struct sim_node *n = &s->nodes[from];
	struct gossip_in in = {.type = GOSSIP_IN_DIAL_FAILED, .dial = (uint32_t)(token >> 32), .how = ends[outcome]};

	if (strcmp(text, "it is ourselves") == 0)
		in.how = GOSSIP_DIAL_SELF;
	story_tell(&s->story, s->now_us, from, UINT32_MAX, "a dial failed: %s", text);
	node_step(n, &in);
	turn(n);
	if (text == neither && s->nodes[s->knocked_at].g)
		node_step(&s->nodes[s->knocked_at], &(struct gossip_in){.type = GOSSIP_IN_KNOCK,
							    .address = {n->address, (uint16_t)strlen(n->address)}});
}

static void reached(void *ctx, uint32_t from, uint64_t token)
{
	struct sim *s = ctx;
	struct gossip_in in = {.type = GOSSIP_IN_REACHED, .id = s->nodes[token].id};

	node_step(&s->nodes[from], &in);
	turn(&s->nodes[from]);
}

const struct net_ops node_net_ops = {.hello = hello,
	.up = up,
	.frame = frame,
	.down = down,
	.room = room,
	.dial_failed = dial_failed,
	.reached = reached};

bool node_leave(struct sim_node *n)
{
	struct gossip_in in = {.type = GOSSIP_IN_LEAVE};

	if (n->life != SIM_RUNS || n->leaving)
		return false;
	n->leaving = true;
	heap_set(&n->sim->heap, &n->chore, n->sim->now_us + LEAVE_US);
	story_tell(&n->sim->story, n->sim->now_us, n->number, UINT32_MAX, "leaves");
	node_step(n, &in);
	return true;
}

void node_tell_key(struct sim_node *n, unsigned key)
{
	const struct sim_key *k = &n->keys[key];
	char name[16];
	struct gossip_in in = {.type = GOSSIP_IN_SET, .key.v = name, .value = {k->value, (uint16_t)k->len}};

	in.key.n = (uint16_t)snprintf(name, sizeof(name), "key/%u", key);
	in.removed = k->removed;
	if (k->removed)
		in.value = (struct gossip_str){0};
	node_step(n, &in);
}

bool node_set(struct sim_node *n, unsigned key, const char *value, size_t len)
{
	struct sim_key *k = &n->keys[key];

	if (n->life != SIM_RUNS || n->leaving)
		return false;
	k->set = true;
	k->unsure = n->memory_fails_ppm > 0;
	k->removed = value == NULL;
	k->len = MIN(len, sizeof(k->value));
	if (value)
		memcpy(k->value, value, k->len);
	node_tell_key(n, key);
	return true;
}

void node_keep_forgotten(struct sim_node *n, uint64_t id)
{
	for (uint32_t i = 0; i < MIN(n->n_forgot, SIM_FORGOT_MAX); i++)
		if (n->forgot[i] == id)
			return;
	n->forgot[n->n_forgot++ % SIM_FORGOT_MAX] = id;
}

void node_forget_again(struct sim_node *n, uint64_t id)
{
	node_step(n, &(struct gossip_in){.type = GOSSIP_IN_FORGET, .id = id});
}

bool node_forget(struct sim_node *n, uint64_t id)
{
	struct gossip_in in = {.type = GOSSIP_IN_FORGET, .id = id};

	if (n->life != SIM_RUNS)
		return false;
	story_tell(&n->sim->story, n->sim->now_us, n->number, sim_number_of(id), "is told to forget n%" PRIu32,
		sim_number_of(id));
	node_keep_forgotten(n, id);
	node_step(n, &in);
	return true;
}

bool node_voters(struct sim_node *n, const uint64_t *ids, size_t n_ids)
{
	struct gossip_in in = {.type = GOSSIP_IN_VOTERS, .ids = ids, .n_ids = n_ids};

	if (n->life != SIM_RUNS)
		return false;
	node_step(n, &in);
	return true;
}

void node_tell_unsure(struct sim_node *n)
{
	for (unsigned i = 0; i < SIM_KEYS_MAX && n->life == SIM_RUNS; i++)
		if (n->keys[i].set && n->keys[i].unsure) {
			n->keys[i].unsure = n->memory_fails_ppm > 0;
			node_tell_key(n, i);
		}
}
