/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time, the network and the disks of the bed, and what is held against what. registers_bed_ask.c asks.
 */
#include "tests/lib/registers_bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"

#define GOSSIP_MS 300
#define UNTIL_MS  120000

enum { MAIL, TIMER, DISK, GOSSIP, HEARD };

struct mail {
	struct heap_item item;
	int from, to, key;
	struct msg m;
	struct ballot heard;
};

struct rjob {
	struct rjob *next;
	enum acceptor_out_type type;
	uint64_t write;
	struct acceptor_header header;
	int key;
	struct acceptor_image image;
	bool new_value;
};

/* ---- memory and values ---- */

static void *give(void *ctx, size_t n)
{
	struct rbed *b = ctx;
	void *p;

	if (b->nomem_pm > 0 && rng_below(&b->rng, 1000) < (uint64_t)b->nomem_pm)
		return NULL;
	p = malloc(n);
	assert_non_null(p);
	b->bytes += n;
	return p;
}

static void take_back(void *ctx, void *p, size_t n)
{
	struct rbed *b = ctx;

	assert_true(b->bytes >= n);
	b->bytes -= n;
	free(p);
}

static struct value_mem mem(struct rbed *b)
{
	return (struct value_mem){.alloc = give, .release = take_back, .ctx = b};
}

struct msg_key rbed_key(int key)
{
	struct msg_key k = {0};

	if (key >= 0) {
		k.n = 1;
		k.v[0] = (char)('a' + key);
	}
	return k;
}

static int number_of(const struct msg_key *key)
{
	return key->n ? key->v[0] - 'a' : -1;
}

struct msg_bytes rbed_bytes(const struct rvalue *v)
{
	return (struct msg_bytes){(const uint8_t *)v, offsetof(struct rvalue, v) + v->n * sizeof(v->v[0])};
}

bool rbed_read(struct msg_bytes bytes, struct rvalue *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (bytes.n < offsetof(struct rvalue, v) || bytes.n > sizeof(*ret))
		return false;
	memcpy(ret, bytes.v, bytes.n);
	return true;
}

static bool no_slots(const void *ctx, struct msg_bytes value, size_t *at, struct msg_slot *ret)
{
	(void)ctx;
	(void)value;
	(void)at;
	(void)ret;
	return false;
}

static bool cfg_get(const void *ctx, struct msg_bytes value, struct quorum_cfg *ret)
{
	struct rvalue v;

	(void)ctx;
	if (!rbed_read(value, &v) || v.cfg.epoch == 0)
		return false;
	*ret = v.cfg;
	return true;
}

static bool no_times(const void *ctx, struct msg_bytes value, struct value_times *ret)
{
	(void)ctx;
	(void)value;
	(void)ret;
	return false;
}

static const struct value_reader reader = {.slot_next = no_slots, .cfg_get = cfg_get, .times_get = no_times};

/* ---- time ---- */

static bool chance(struct rbed *b, int pct)
{
	return pct > 0 && rng_below(&b->rng, 100) < (uint64_t)pct;
}

static void post(struct rbed *b, struct mail *m, int kind)
{
	int64_t *last_ms = &b->last_ms[m->from][m->to];
	int64_t ms =
		1 + (int64_t)rng_below(&b->rng, 5) + (chance(b, b->late_pct) ? (int64_t)rng_below(&b->rng, 2000) : 0);

	*last_ms = MAX(b->now_ms + ms, b->in_order ? *last_ms + 1 : 0);
	m->item = (struct heap_item){.kind = kind};
	heap_set(&b->heap, &m->item, *last_ms);
}

static void mail_free(struct mail *m)
{
	free((void *)m->m.value.v);
	free((void *)m->m.guards);
	free((void *)m->m.keys);
	free((void *)m->m.leases);
	free(m);
}

static void *copy(const void *v, size_t n)
{
	void *p = v && n ? malloc(n) : NULL;

	if (p)
		memcpy(p, v, n);
	return p;
}

static void send_one(struct rnode *n, const struct msg *m, const struct uuid *to)
{
	struct rbed *b = n->b;
	int k = 0;

	while (k < b->n && memcmp(b->v[k].uuid.v, to->v, sizeof(to->v)) != 0)
		k++;
	assert_true(k < b->n && k != n->number);
	assert_null(msg_fault(m));
	for (int times = chance(b, b->lose_pct) ? 0 : chance(b, b->double_pct) ? 2 : 1; times > 0; times--) {
		struct mail *mail = calloc(1, sizeof(*mail));

		assert_non_null(mail);
		mail->from = n->number;
		mail->to = k;
		mail->m = *m;
		mail->m.value.v = copy(m->value.v, m->value.n);
		mail->m.guards = copy(m->guards, m->n_guards * sizeof(*m->guards));
		mail->m.keys = copy(m->keys, m->n_keys * sizeof(*m->keys));
		mail->m.leases = copy(m->leases, m->n_leases * sizeof(*m->leases));
		post(b, mail, MAIL);
	}
}

/* ---- what is said to be chosen ---- */

static bool begins_with(const struct rvalue *v, const struct rvalue *with)
{
	return v->n >= with->n && memcmp(v->v, with->v, with->n * sizeof(v->v[0])) == 0;
}

/* One value a ballot; and of two ballots the higher has all that the lower has. */
static void told(struct rbed *b, int key, const struct ballot *ballot, struct msg_bytes bytes)
{
	size_t i, n = b->n_chosen[key + 1];
	struct rvalue v;

	assert_true(rbed_read(bytes, &v));
	for (i = 0; i < n; i++) {
		int rc = ballot_cmp(&b->chosen[key + 1][i].ballot, ballot);
		const struct rvalue *other = &b->chosen[key + 1][i].value;

		if (rc == 0) {
			assert_true(begins_with(&v, other) && v.n == other->n);
			return;
		}
		assert_true(rc < 0 ? begins_with(&v, other) : begins_with(other, &v));
	}
	b->chosen[key + 1] = realloc(b->chosen[key + 1], (n + 1) * sizeof(*b->chosen[0]));
	assert_non_null(b->chosen[key + 1]);
	b->chosen[key + 1][n].ballot = *ballot;
	b->chosen[key + 1][n].value = v;
	b->n_chosen[key + 1]++;
}

/* ---- a node ---- */

static void write_out(struct rnode *n, const struct acceptor_out *a)
{
	struct rjob *j = calloc(1, sizeof(*j));

	assert_non_null(j);
	assert_int_not_equal(a->type, ACCEPTOR_OUT_LONG);
	j->type = a->type;
	j->write = a->write;
	j->header = a->header;
	if (a->type == ACCEPTOR_OUT_REGISTER) {
		j->key = number_of(a->key);
		j->image = a->image;
		j->image.value = value_ref(a->image.value);
		j->new_value = a->new_value;
	}
	if (n->last_job)
		n->last_job->next = j;
	else
		n->first_job = j;
	n->last_job = j;
	if (!heap_has(&n->disk_timer))
		heap_set(&n->b->heap, &n->disk_timer, n->b->now_ms + 1 + (int64_t)rng_below(&n->b->rng, 4));
}

/* value: of no bytes, it does not go along. */
static void tell(struct rnode *n, int to, int key, const struct ballot *ballot, struct msg_bytes value)
{
	struct mail *m;

	if (n->b->silent || to == n->number || chance(n->b, n->b->lose_pct))
		return;
	m = calloc(1, sizeof(*m));
	assert_non_null(m);
	m->to = to;
	m->key = key;
	m->heard = *ballot;
	m->m.cfg = *registers_cfg(n->r);
	m->m.value = (struct msg_bytes){copy(value.v, value.n), value.n};
	post(n->b, m, HEARD);
}

static void route(struct rnode *n, const struct registers_out *o)
{
	struct rbed *b = n->b;
	struct rvalue v;

	switch (o->type) {
	case REGISTERS_OUT_SEND:
		for (int i = 0; i < o->n_to; i++)
			send_one(n, &o->msg, &o->to[i]);
		break;
	case REGISTERS_OUT_WRITE:
		write_out(n, o->write);
		break;
	case REGISTERS_OUT_CHOSEN:
		b->kind->chosen(n, o);
		for (int i = 0; o->ours && i < b->n; i++)
			tell(n, i, number_of(&o->key), &o->ballot, b->along ? o->value : (struct msg_bytes){0});
		break;
	case REGISTERS_OUT_ENDED:
		assert_true(o->token > 0 && o->token <= b->token && b->ended[o->token] == 0);
		b->ended[o->token] = (uint32_t)o->outcome + 1;
		if (o->outcome == PROPOSER_CHOSEN) {
			assert_true(rbed_read(o->value, &v) && rbed_has(&v, (uint32_t)o->token));
			told(b, number_of(&o->key), &o->ballot, o->value);
		}
		break;
	case REGISTERS_OUT_VOTERS:
		b->voters_ended[o->voters_outcome]++;
		break;
	default:
		break;
	}
}

static void arm(struct rnode *n)
{
	int64_t at = n->b->kind->deadline_ms(n);

	if (at == DEADLINE_NEVER)
		heap_del(&n->b->heap, &n->timer);
	else
		heap_set(&n->b->heap, &n->timer, MAX(at, n->b->now_ms));
}

static int step_alone(struct rnode *n, const struct registers_in *in)
{
	int rc = registers_step(n->r, in, rbed_now(n->b), &n->outs);

	registers_check(n->r);
	return rc;
}

void rbed_stepped(struct rnode *n)
{
	for (size_t i = 0; i < n->outs.n; i++)
		route(n, &n->outs.v[i]);
	arm(n);
}

void rbed_input(struct rnode *n, const struct registers_in *in)
{
	assert_int_equal(n->b->kind->step(n, in), 0);
	rbed_stepped(n);
}

static void job_done(struct rnode *n, bool durable)
{
	struct rjob *j = n->first_job;
	struct value_mem m = mem(n->b);

	n->first_job = j->next;
	if (!n->first_job)
		n->last_job = NULL;
	if (durable) {
		n->disk.write = j->write;
		if (j->type == ACCEPTOR_OUT_HEADER) {
			n->disk.header = j->header;
		} else {
			n->disk.regs[j->key + 1].used = true;
			n->disk.regs[j->key + 1].promised = j->image.promised;
			n->disk.regs[j->key + 1].accepted = j->image.accepted;
			if (j->new_value) {
				value_unref(&m, n->disk.regs[j->key + 1].value);
				n->disk.regs[j->key + 1].value = value_ref(j->image.value);
			}
		}
	}
	value_unref(&m, j->image.value);
	free(j);
}

void rbed_start(struct rbed *b, int node)
{
	struct rnode *n = &b->v[node];
	struct value_mem m = mem(b);
	int nomem_pm = b->nomem_pm;
	struct registers_config c = {.acceptor = {.self = n->uuid,
					     .header = n->disk.header,
					     .boot = ++n->disk.boot,
					     .write = n->disk.write,
					     .reader = b->kind->reader},
		.nonce = rng_u64(&b->rng) >> 1,
		.seed = rng_u64(&b->rng)};

	assert_false(n->up);
	b->nomem_pm = 0; /* a daemon without memory for this ends, and is started again */
	assert_int_equal(b->kind->make(n, &c, &m), 0);
	for (int k = -1; k < RBED_KEYS; k++) {
		struct msg_key key = rbed_key(k);

		if (n->disk.regs[k + 1].used)
			assert_int_equal(registers_load(n->r, &key, &n->disk.regs[k + 1].promised,
						 &n->disk.regs[k + 1].accepted, value_bytes(n->disk.regs[k + 1].value)),
				0);
	}
	b->nomem_pm = nomem_pm;
	n->up = true;
	heap_set(&b->heap, &n->gossip_timer, b->now_ms + (int64_t)rng_below(&b->rng, GOSSIP_MS));
	rbed_input(n, &(struct registers_in){.type = REGISTERS_IN_OPEN});
}

/* What was not durable is lost, from some write on. */
void rbed_crash(struct rbed *b, int node)
{
	struct rnode *n = &b->v[node];

	n->up = false;
	while (n->first_job)
		job_done(n, false);
	b->kind->drop(n);
	n->r = NULL;
	heap_del(&b->heap, &n->timer);
	heap_del(&b->heap, &n->disk_timer);
	heap_del(&b->heap, &n->gossip_timer);
}

static int make_alone(struct rnode *n, const struct registers_config *c, const struct value_mem *m)
{
	return registers_new(c, m, rbed_now(n->b), &n->r);
}

static void drop_alone(struct rnode *n)
{
	registers_free(n->r);
}

static int64_t deadline_alone(const struct rnode *n)
{
	return registers_deadline_ms(n->r);
}

static void chosen_alone(struct rnode *n, const struct registers_out *o)
{
	told(n->b, number_of(&o->key), &o->ballot, o->value);
}

static const struct rbed_kind alone = {.make = make_alone,
	.drop = drop_alone,
	.step = step_alone,
	.deadline_ms = deadline_alone,
	.chosen = chosen_alone,
	.reader = &reader};

struct rbed *rbed_new(uint64_t seed, int n)
{
	return rbed_new_of(seed, n, &alone);
}

/* As `init` makes it. */
static void found(struct rnode *n)
{
	struct ballot first = {.counter = 1, .node = n->uuid};
	struct value_mem m = mem(n->b);

	n->next.cfg = n->disk.header.cfg = (struct quorum_cfg){.epoch = 1, .old = {.n = 1, .v = {n->uuid}}};
	n->disk.regs[0].used = true;
	n->disk.regs[0].promised = n->disk.regs[0].accepted = first;
	n->disk.regs[0].value = value_new(&m, rbed_bytes(&n->next));
}

struct rbed *rbed_new_of(uint64_t seed, int n, const struct rbed_kind *kind)
{
	struct rbed *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->kind = kind;
	rng_seed(&b->rng, seed);
	b->n = n;
	for (int i = 0; i < n; i++) {
		struct rnode *v = &b->v[i];

		v->b = b;
		v->number = i;
		v->uuid.v[0] = v->uuid.v[15] = (uint8_t)(i + 1);
		v->timer.kind = TIMER;
		v->disk_timer.kind = DISK;
		v->gossip_timer.kind = GOSSIP;
	}
	if (!kind->empty)
		found(&b->v[0]);
	for (int i = 0; i < n; i++)
		rbed_start(b, i);
	if (!kind->empty)
		rbed_run(b, 5000); /* all have heard who votes */
	return b;
}

void rbed_free(struct rbed *b)
{
	struct value_mem m = mem(b);
	struct heap_item *item;

	for (int i = 0; i < b->n; i++) {
		if (b->v[i].up)
			rbed_crash(b, i);
		for (int k = 0; k <= RBED_KEYS; k++)
			value_unref(&m, b->v[i].disk.regs[k].value);
	}
	while ((item = heap_first(&b->heap))) {
		heap_del(&b->heap, item);
		mail_free(CONTAINER_OF(item, struct mail, item));
	}
	for (int k = 0; k <= RBED_KEYS; k++)
		free(b->chosen[k]);
	for (size_t i = 0; i < RBED_NUMBERS_MAX; i++)
		free(b->puts[i]);
	heap_done(&b->heap);
	assert_int_equal(b->bytes, 0);
	free(b);
}

/* ---- events ---- */

/* All that it knows, to one of them. */
static void gossip(struct rnode *n)
{
	struct rbed *b = n->b;
	int to = (int)rng_below(&b->rng, (uint64_t)b->n);
	struct ballot ballot;
	struct msg_bytes value;
	struct msg_key key;

	for (size_t at = 0; registers_next(n->r, &at, &key);)
		if (registers_get(n->r, &key, &ballot, &value))
			tell(n, to, number_of(&key), &ballot, (struct msg_bytes){0});
	heap_set(&b->heap, &n->gossip_timer, b->now_ms + GOSSIP_MS / 4 + (int64_t)rng_below(&b->rng, GOSSIP_MS));
}

static void deliver(struct rbed *b, struct mail *m)
{
	struct rnode *n = &b->v[m->to];

	if (n->up && m->item.kind == MAIL) {
		m->m.from = b->v[m->from].uuid;
		rbed_input(n, &(struct registers_in){.type = REGISTERS_IN_MSG, .msg = &m->m});
	} else if (n->up) {
		rbed_input(n, &(struct registers_in){.type = REGISTERS_IN_CFG, .cfg = &m->m.cfg});
		rbed_input(n, &(struct registers_in){.type = REGISTERS_IN_HEARD,
				      .key = rbed_key(m->key),
				      .ballot = m->heard,
				      .value = m->m.value});
	}
	mail_free(m);
}

static void commit(struct rnode *n)
{
	uint64_t write = 0;

	while (n->first_job) {
		write = n->first_job->write;
		job_done(n, true);
	}
	rbed_input(n, &(struct registers_in){.type = REGISTERS_IN_STORED, .write = write});
}

static void event(struct rbed *b, struct heap_item *item)
{
	heap_del(&b->heap, item);
	switch (item->kind) {
	case TIMER:
		rbed_input(CONTAINER_OF(item, struct rnode, timer), &(struct registers_in){.type = REGISTERS_IN_TICK});
		break;
	case DISK:
		commit(CONTAINER_OF(item, struct rnode, disk_timer));
		break;
	case GOSSIP:
		gossip(CONTAINER_OF(item, struct rnode, gossip_timer));
		break;
	default:
		deliver(b, CONTAINER_OF(item, struct mail, item));
		break;
	}
}

void rbed_run(struct rbed *b, int64_t ms)
{
	int64_t until = b->now_ms + ms;
	struct heap_item *item;

	while ((item = heap_first(&b->heap)) && item->at_us <= until) {
		b->now_ms = MAX(b->now_ms, item->at_us);
		event(b, item);
	}
	b->now_ms = until;
}

static void say_all(struct rbed *b)
{
	for (int i = 0; i < b->n; i++) {
		struct ballot ballot;
		struct msg_bytes value;
		struct msg_key key;
		char text[512];

		if (!b->v[i].up)
			continue;
		print_message("n%d: %s\n", i, registers_dump(b->v[i].r, text, sizeof(text)));
		for (size_t at = 0; registers_next(b->v[i].r, &at, &key);)
			if (registers_get(b->v[i].r, &key, &ballot, &value))
				print_message("  %.*s %s\n", key.n, key.v, ballot_text(&ballot, text, sizeof(text)));
	}
}

void rbed_until(struct rbed *b, bool (*done)(struct rbed *b))
{
	int64_t until = b->now_ms + UNTIL_MS;

	while (!done(b)) {
		if (b->now_ms >= until)
			say_all(b);
		if (b->now_ms >= until)
			fail_msg("not done after %d s of its time", UNTIL_MS / 1000);
		rbed_run(b, 10);
	}
}
