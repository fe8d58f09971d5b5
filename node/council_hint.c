/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How nodes hear that something was chosen. Whose proposal it was tells the register and the ballot in its own map,
 * and gossip carries it to everyone, newcomers too. The value goes along where there are nodes that do not vote, and
 * it is small; else who did not know it reads the register. With the root's the voters go along: without them nothing
 * can be read. So each register's newest ballot is told by one node; who told an older one takes it back.
 *
 * What a node told is gone with it when it leaves or begins anew. The first of the living looks now and then for what
 * nobody tells any more, and tells it.
 */
#include <stdio.h>
#include <string.h>

#include "node/cluster.h"
#include "node/cluster_set.h"
#include "node/council_priv.h"
#include "node/mp.h"
#include "node/node.h"

#define MEND_S	     5.0
#define PAUSE_MS     10 /* what is chosen so soon after what was told is told with what comes after it */
#define BALLOT_BYTES 32
#define BIN_HEADER   5
#define ALONG_MAX    (1024 * 1024) /* of all values that go along: all members keep them in memory */

static const struct msg_key root;

static struct council_hint *find_or_add(struct council *c, const struct msg_key *key)
{
	struct council_hint *h = keyed_find(&c->hints, key);

	return h ? h : keyed_add(&c->hints, &council_mem, key, sizeof(*h));
}

/* ---- our own map ---- */

static void key_text(const struct msg_key *key, char out[sizeof(TOLD_CHOSEN) + NAME_MAX_LEN])
{
	(void)snprintf(out, sizeof(TOLD_CHOSEN) + NAME_MAX_LEN, TOLD_CHOSEN "%.*s", (int)key->n, key->v); /* fits */
}

static void put_set(struct mp_writer *w, const struct quorum_set *s)
{
	mp_array(w, s->n);
	for (uint8_t i = 0; i < s->n; i++)
		mp_bin(w, s->v[i].v, sizeof(s->v[i].v));
}

static void put_ballot(struct mp_writer *w, const struct ballot *b)
{
	uint8_t v[BALLOT_BYTES];

	register_store(v, b->counter);
	memcpy(v + 8, b->node.v, sizeof(b->node.v));
	register_store(v + 24, b->nonce);
	mp_bin(w, v, sizeof(v));
}

/* Of what is not the root register nothing. */
static void put_voters(const struct council *c, struct mp_writer *w, const struct council_hint *h)
{
	struct quorum_cfg cfg = {0};
	struct msg_bytes value;
	struct ballot at;

	if (h->key.n == 0 && registers_get(agree_registers(c->a), &root, &at, &value))
		(void)register_root_cfg(value, &cfg); /* of epoch 0: nobody reads it */
	if (h->key.n > 0)
		mp_nil(w);
	else
		mp_uint(w, cfg.epoch);
	put_set(w, &cfg.old);
	put_set(w, &cfg.next);
}

/* Whoever votes has accepted it, or will. */
static bool somebody_reads(const struct council *c)
{
	return gossip_alive(cluster_core(c->n->cluster)) > (size_t)quorum_voters(council_voters(c));
}

/* Nothing where it does not fit beside what is there. */
static void put_value(struct council *c, struct mp_writer *w, struct council_hint *h, size_t room)
{
	struct msg_bytes value;
	struct ballot at;

	c->along -= h->along;
	h->along = 0;
	if (!h->news || !somebody_reads(c) || !registers_get(agree_registers(c->a), &h->key, &at, &value) ||
		ballot_cmp(&at, &h->due) != 0 || value.n > room || c->along + value.n > ALONG_MAX) {
		mp_nil(w);
		return;
	}
	h->along = value.n;
	c->along += value.n;
	mp_bin(w, value.v, value.n);
}

/* false: it was not told, and the core asks for it again. */
static bool put(struct council *c, struct council_hint *h)
{
	CLEANUP(bytes_done) struct bytes v = {.max = GOSSIP_VALUE_MAX};
	char key[sizeof(TOLD_CHOSEN) + NAME_MAX_LEN];
	struct mp_writer w;

	mp_writer_init(&w, &v);
	mp_array(&w, TOLD_CHOSEN_MAX);
	put_ballot(&w, &h->due);
	put_voters(c, &w, h);
	put_value(c, &w, h, GOSSIP_VALUE_MAX - v.n - BIN_HEADER);
	key_text(&h->key, key);
	if (v.failed)
		cluster_set_lost(c->n->cluster, true);
	else if (cluster_set(c->n->cluster, key, v.v, v.n))
		return true;
	return false;
}

void council_hint_chosen(struct council *c, const struct registers_out *out)
{
	struct council_hint *h = out->ours ? find_or_add(c, &out->key) : keyed_find(&c->hints, &out->key);

	if (!h)
		return; /* no memory: the mend tells it */
	if (out->ours)
		h->due = out->ballot;
	else
		h->due = (struct ballot){0};
	h->news = out->ours;
	c->hints_due = true;
}

/* It is nothing any more. */
void council_hint_dropped(struct council *c, const struct msg_key *key)
{
	struct council_hint *h = keyed_find(&c->hints, key);

	if (!h)
		return;
	h->due = (struct ballot){0};
	c->hints_due = true;
}

static void on_pause_over(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents; /* the loop turns, which is all */
}

static bool is_early(struct council *c)
{
	int64_t left_ms = c->hints_at_ms + PAUSE_MS - c->n->now.mono_ms;

	if (left_ms <= 0)
		return false;
	if (!ev_is_active(&c->pause)) {
		ev_timer_set(&c->pause, (double)left_ms / 1e3, 0.);
		ev_timer_start(c->n->loop, &c->pause);
	}
	return true;
}

void council_hint_turn(struct council *c)
{
	char key[sizeof(TOLD_CHOSEN) + NAME_MAX_LEN];

	if (!c->hints_due || is_early(c))
		return;
	c->hints_due = false;
	c->hints_at_ms = c->n->now.mono_ms;
	for (size_t i = 0; i < c->hints.n;) {
		struct council_hint *h = c->hints.v[i];
		struct msg_key name = h->key;

		if (ballot_is_zero(&h->due)) {
			key_text(&h->key, key);
			if (!ballot_is_zero(&h->told))
				(void)cluster_set(c->n->cluster, key, NULL, 0); /* always done */
			c->along -= h->along;
			keyed_drop(&c->hints, &council_mem, &name, sizeof(*h));
			continue;
		}
		if (ballot_cmp(&h->due, &h->told) != 0 && put(c, h)) {
			h->told = h->due;
			h->news = false;
		}
		i++;
	}
}

void council_hint_again(struct council *c)
{
	c->hints_due = true;
}

void council_hint_anew(struct council *c)
{
	c->mend_due = true;
	for (size_t i = 0; i < c->hints.n; i++)
		((struct council_hint *)c->hints.v[i])->told = (struct ballot){0};
	c->hints_due = true;
}

/* ---- theirs ---- */

static bool ballot_of(const msgpack_object *v, struct ballot *ret)
{
	const msgpack_object *o = told_at(v, TOLD_CHOSEN_BALLOT, MSGPACK_OBJECT_BIN);
	const uint8_t *b = o ? (const uint8_t *)o->via.bin.ptr : NULL;

	if (!o || o->via.bin.size != BALLOT_BYTES)
		return false;
	ret->counter = register_load(b);
	memcpy(ret->node.v, b + 8, sizeof(ret->node.v));
	ret->nonce = register_load(b + 24);
	return ret->counter > 0 && ret->counter <= BALLOT_COUNTER_MAX;
}

static bool set_of(const msgpack_object *v, unsigned i, struct quorum_set *ret)
{
	const msgpack_object *o = told_at(v, i, MSGPACK_OBJECT_ARRAY);

	*ret = (struct quorum_set){0};
	if (!o || o->via.array.size > QUORUM_VOTERS_MAX)
		return false;
	for (uint32_t k = 0; k < o->via.array.size; k++) {
		const msgpack_object *u = &o->via.array.ptr[k];

		if (u->type != MSGPACK_OBJECT_BIN || u->via.bin.size != sizeof(ret->v[0].v))
			return false;
		memcpy(ret->v[ret->n++].v, u->via.bin.ptr, sizeof(ret->v[0].v));
	}
	return true;
}

static struct msg_bytes value_of(const msgpack_object *v)
{
	const msgpack_object *o = told_at(v, TOLD_CHOSEN_VALUE, MSGPACK_OBJECT_BIN);

	return o ? (struct msg_bytes){(const uint8_t *)o->via.bin.ptr, o->via.bin.size} : (struct msg_bytes){0};
}

static void hear_voters(struct council *c, const msgpack_object *v)
{
	struct quorum_cfg cfg = {.epoch = (uint64_t)told_int(v, TOLD_CHOSEN_EPOCH, 0)};

	if (!set_of(v, TOLD_CHOSEN_OLD, &cfg.old) || !set_of(v, TOLD_CHOSEN_NEXT, &cfg.next) || quorum_fault(&cfg))
		return;
	(void)council_in(c, &(struct agree_in){.type = AGREE_IN_REGISTERS,
				    .registers = &(struct registers_in){
					    .type = REGISTERS_IN_CFG, .cfg = &cfg}}); /* cannot fail; so below */
}

void council_hint_heard(struct council *c, const struct gossip_member *m, const struct gossip_entry *e)
{
	struct registers_in in = {.type = REGISTERS_IN_HEARD};
	CLEANUP(mp_done) struct mp_tree t = {0};
	const msgpack_object *v = told_read(e->value, &t);
	size_t n = e->key.n - strlen(TOLD_CHOSEN);
	const struct council_hint *h;

	(void)m;
	if (n > NAME_MAX_LEN || !ballot_of(v, &in.ballot))
		return;
	in.key.n = (uint8_t)n;
	memcpy(in.key.v, e->key.v + strlen(TOLD_CHOSEN), n);
	in.value = value_of(v);
	if (n == 0)
		hear_voters(c, v);
	else
		council_recall_told(c, &in.key, &in.ballot);
	(void)council_in(c, &(struct agree_in){.type = AGREE_IN_REGISTERS, .registers = &in});
	h = keyed_find(&c->hints, &in.key);
	if (h && ballot_cmp(&in.ballot, &h->due) > 0) {
		((struct council_hint *)h)->due = (struct ballot){0};
		c->hints_due = true;
	}
}

/* ---- what nobody tells ---- */

/* How many of the living come before this node: it waits so many times longer, in case they know. */
static uint32_t rank(const struct gossip *g)
{
	struct gossip_member m;
	uint32_t n = 0;

	for (uint32_t at = 0; gossip_member_next(g, &at, &m);)
		n += m.state <= GOSSIP_SUSPECT && m.id < gossip_id(g);
	return n;
}

struct told_of {
	struct msg_key key;
	struct ballot ballot;
	bool told; /* or a newer one is */
};

/* All registers that are known, by rising key; NULL: no memory. */
static struct told_of *all_known(const struct registers *r, size_t *ret_n)
{
	struct told_of *v;
	struct msg_bytes value;
	struct msg_key key;
	size_t n = 0, at = 0;

	while (registers_next(r, &at, &key))
		n++;
	v = mem_zalloc(n + 1, sizeof(*v));
	*ret_n = 0;
	for (at = 0; v && *ret_n < n && registers_next(r, &at, &v[*ret_n].key);)
		*ret_n += registers_get(r, &v[*ret_n].key, &v[*ret_n].ballot, &value);
	return v;
}

static void mark(struct told_of *v, size_t n, const struct gossip_entry *e)
{
	CLEANUP(mp_done) struct mp_tree t = {0};
	size_t low = 0, high = n, k = strlen(TOLD_CHOSEN);
	struct msg_key key = {.n = (uint8_t)(e->key.n - k)};
	struct ballot told;

	if (e->key.n - k > NAME_MAX_LEN)
		return;
	memcpy(key.v, e->key.v + k, key.n);
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (msg_key_cmp(&v[mid].key, &key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < n && msg_key_cmp(&v[low].key, &key) == 0 && ballot_of(told_read(e->value, &t), &told) &&
		ballot_cmp(&told, &v[low].ballot) >= 0)
		v[low].told = true;
}

/* What members whose maps will stay tell. */
static void mark_all(const struct gossip *g, struct told_of *v, size_t n)
{
	struct gossip_member m;
	struct gossip_entry e;

	for (uint32_t at = 0; gossip_member_next(g, &at, &m);)
		for (uint32_t i = 0; m.state <= GOSSIP_DEAD && gossip_value_next(g, m.id, &i, &e);)
			if (!e.removed && e.key.n >= strlen(TOLD_CHOSEN) &&
				memcmp(e.key.v, TOLD_CHOSEN, strlen(TOLD_CHOSEN)) == 0)
				mark(v, n, &e);
}

static void on_mend(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct council *c = w->data;
	const struct gossip *g = c->n->cluster ? cluster_core(c->n->cluster) : NULL;
	AUTO_FREE struct told_of *v = NULL;
	size_t n = 0;

	(void)loop;
	(void)revents;
	if (!c->mend_due || !g || !c->a || c->ended || c->mend_waited++ < rank(g))
		return;
	v = all_known(agree_registers(c->a), &n);
	if (!v)
		return; /* in a while again */
	mark_all(g, v, n);
	c->mend_due = false;
	c->mend_waited = 0;
	for (size_t i = 0; i < n; i++) {
		struct council_hint *h = v[i].told ? NULL : find_or_add(c, &v[i].key);

		if (h && ballot_cmp(&h->due, &v[i].ballot) < 0) {
			h->due = v[i].ballot;
			c->hints_due = true;
		}
	}
}

void council_hint_init(struct council *c)
{
	ev_timer_init(&c->mend, on_mend, MEND_S, MEND_S);
	ev_timer_init(&c->pause, on_pause_over, 0., 0.);
	c->hints_at_ms = c->n->now.mono_ms - PAUSE_MS;
	c->mend.data = c;
}

void council_hint_begin(struct council *c)
{
	c->mend_due = true;
	ev_timer_start(c->n->loop, &c->mend);
}

void council_hint_done(struct council *c)
{
	ev_timer_stop(c->n->loop, &c->mend);
	ev_timer_stop(c->n->loop, &c->pause);
	keyed_free(&c->hints, &council_mem, sizeof(struct council_hint));
}
