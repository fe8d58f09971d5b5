/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bed's network, disks, clocks and lives of hosts. One heap of events stands for time, which counts in ms.
 */
#include <inttypes.h>
#include <string.h>

#include "tests/lib/consensus_bed.h"
#include "tests/lib/test.h"

enum { EV_MSG, EV_OP, EV_DISK, EV_LIFE, EV_LOAD, EV_VOTERS, EV_VOTE, EV_LEASE, EV_PROC, EV_NEWS, EV_CUT };

#define LIFE_DOWN_MS 3000 /* how long a crashed host is away, at most */

static void *bed_alloc(void *ctx, size_t n)
{
	struct cbed *b = ctx;
	void *p;

	if (!b->calm && b->config.nomem_pm > 0 && rng_below(&b->rng, 1000) < (uint64_t)b->config.nomem_pm)
		return NULL;
	p = malloc(n);
	if (p)
		b->bytes += n;
	return p;
}

static void bed_release(void *ctx, void *p, size_t n)
{
	struct cbed *b = ctx;

	assert_true(b->bytes >= n);
	b->bytes -= n;
	free(p);
}

struct value_mem cbed_mem(struct cbed *b)
{
	return (struct value_mem){.alloc = bed_alloc, .release = bed_release, .ctx = b};
}

static bool chance(struct cbed *b, int pct)
{
	return !b->calm && pct > 0 && rng_below(&b->rng, 100) < (uint64_t)pct;
}

int64_t cbed_between(struct cbed *b, int64_t low, int64_t high)
{
	return low + (int64_t)rng_below(&b->rng, (uint64_t)(high - low + 1));
}

struct now cbed_now(const struct cbed *b, int host)
{
	const struct chost *h = &b->hosts[host];
	int64_t ms = h->offset_ms + b->now_ms * h->rate_pm / 1000;

	return (struct now){.mono_ms = ms, .boot_ms = ms};
}

/* The first real time at which the host's clock has reached it. */
int64_t cbed_real_ms(const struct cbed *b, int host, int64_t mono_ms)
{
	const struct chost *h = &b->hosts[host];

	if (mono_ms == DEADLINE_NEVER)
		return INT64_MAX / 2;
	return ((mono_ms - h->offset_ms) * 1000 + h->rate_pm - 1) / h->rate_pm;
}

int cbed_host_of(const struct cbed *b, const struct uuid *node)
{
	for (int i = 0; i < b->config.hosts; i++)
		if (ballot_same_node(&b->hosts[i].uuid, node))
			return i;
	return -1;
}

void cbed_learn(struct cbed *b, int host, const struct quorum_cfg *cfg)
{
	if (cfg->epoch <= b->hosts[host].cfg.epoch)
		return;
	b->hosts[host].cfg = *cfg;
	cbed_lease_cfg(b, host);
}

void cbed_publish(struct cbed *b, int key, const struct cval *v)
{
	for (int i = 0; b->config.leases && i < b->config.hosts; i++) {
		struct cnews *n;

		if (chance(b, b->config.lose_pct))
			continue;
		n = calloc(1, sizeof(*n));
		assert_non_null(n);
		*n = (struct cnews){.timer.kind = EV_NEWS, .host = i, .key = key, .value = *v};
		heap_set(&b->heap, &n->timer, b->now_ms + cbed_between(b, 1, chance(b, 10) ? 2000 : 60));
	}
}

static struct cmsg *msg_copy(int from, int to, const struct msg *m)
{
	size_t keys = m->n_keys * sizeof(*m->keys), guards = m->n_guards * sizeof(*m->guards),
	       leases = m->n_leases * sizeof(*m->leases);
	struct cmsg *c = calloc(1, sizeof(*c) + keys + guards + leases + m->value.n);
	uint8_t *at = (uint8_t *)(c + 1);

	assert_non_null(c);
	c->from = from;
	c->to = to;
	c->timer.kind = EV_MSG;
	c->m = *m;
	c->m.guards = guards ? memcpy(at, m->guards, guards) : NULL;
	c->m.leases = leases ? memcpy(at + guards, m->leases, leases) : NULL;
	c->m.keys = keys ? memcpy(at + guards + leases, m->keys, keys) : NULL;
	c->m.value.v = m->value.n ? memcpy(at + guards + leases + keys, m->value.v, m->value.n) : NULL;
	return c;
}

static void post(struct cbed *b, int from, int to, const struct msg *m)
{
	struct cmsg *c = msg_copy(from, to, m), **last = &b->held;
	int64_t late = chance(b, b->config.late_pct) ? cbed_between(b, 50, 3000) : 0;

	if (!b->by_hand) {
		heap_set(&b->heap, &c->timer, b->now_ms + (from == to ? 0 : cbed_between(b, 1, 12) + late));
		return;
	}
	while (*last)
		last = &(*last)->next;
	*last = c;
}

void cbed_send(struct cbed *b, int from, int to, const struct msg *m)
{
	b->msgs++;
	if (!b->config.outcomes_only && msg_fault(m))
		cbed_wrong(b, "host %d sends a %s that is faulty: %s", from, msg_name(m->type), msg_fault(m));
	if (to < 0 || (from != to && (b->cut[from][to] || chance(b, b->config.lose_pct))))
		return;
	post(b, from, to, m);
	if (chance(b, b->config.double_pct))
		post(b, from, to, m);
}

/* What of the queue reached the disk before now, or by luck before a crash. */
static void disk_apply(struct chost *h, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct cwrite *w = &h->queue[i];

		h->disk.write = w->number;
		if (w->what == ACCEPTOR_OUT_HEADER)
			h->disk.header = w->header;
		for (uint32_t k = 0; k < w->n_leases; k++)
			if (w->leases[k].why == MSG_WHY_NONE)
				h->disk.longs[cbed_key_of(&w->leases[k].key)][w->leases[k].slot] = (struct clong){
					.slot = {.slot = w->leases[k].slot,
						.owner = w->holder,
						.epoch = w->leases[k].epoch},
					.long_ms = w->long_ms};
		if (w->what != ACCEPTOR_OUT_REGISTER)
			continue;
		h->disk.regs[w->key].there = true;
		h->disk.regs[w->key].promised = w->promised;
		h->disk.regs[w->key].accepted = w->accepted;
		if (!w->new_value)
			continue;
		h->disk.regs[w->key].has_value = w->has_value;
		h->disk.regs[w->key].value = w->value;
	}
	memmove(h->queue, h->queue + n, (h->n_queue - n) * sizeof(h->queue[0]));
	h->n_queue -= n;
}

static void persist(struct cbed *b, int host, const struct acceptor_out *out)
{
	struct chost *h = &b->hosts[host];
	struct cwrite *w;

	assert_true(h->n_queue < CBED_QUEUE_MAX);
	w = &h->queue[h->n_queue++];
	*w = (struct cwrite){.number = out->write, .what = out->type, .header = out->header};
	if (out->type == ACCEPTOR_OUT_LONG) {
		w->holder = out->holder;
		w->long_ms = out->long_ms;
		w->n_leases = out->n_leases;
		memcpy(w->leases, out->leases, out->n_leases * sizeof(w->leases[0]));
	}
	if (out->type == ACCEPTOR_OUT_REGISTER) {
		w->key = cbed_key_of(out->key);
		w->promised = out->image.promised;
		w->accepted = out->image.accepted;
		w->new_value = out->new_value;
		w->has_value = out->new_value;
		if (out->new_value)
			(void)cbed_read(value_bytes(out->image.value), &w->value); /* zeroes: an empty value */
	}
	if (!heap_has(&h->disk_timer))
		heap_set(
			&b->heap, &h->disk_timer, b->now_ms + (b->by_hand ? 0 : cbed_between(b, 0, chance(b, 2) ? 400 : 6)));
}

static void step(struct cbed *b, int host, const struct acceptor_in *in)
{
	static struct acceptor_outs outs;
	static const struct acceptor_in tick = {.type = ACCEPTOR_IN_TICK};
	struct chost *h = &b->hosts[host];

	do {
		acceptor_step(h->a, in, cbed_now(b, host), &outs);
		for (size_t i = 0; i < outs.n; i++) {
			const struct acceptor_out *out = &outs.v[i];

			if (out->type == ACCEPTOR_OUT_SEND) {
				cbed_answered(b, host, &out->msg);
				cbed_send(b, host, cbed_host_of(b, &out->to), &out->msg);
			} else if (out->type != ACCEPTOR_OUT_ROLLED_BACK)
				persist(b, host, out);
		}
		cbed_after_step(b, host);
		cbed_learn(b, host, acceptor_cfg(h->a));
		in = &tick;
	} while (acceptor_deadline_ms(h->a) != DEADLINE_NEVER);
}

static void disk_done(struct cbed *b, int host)
{
	struct chost *h = &b->hosts[host];

	if (chance(b, b->config.full_pct)) {
		h->n_queue = 0;
		step(b, host, &(struct acceptor_in){.type = ACCEPTOR_IN_FULL});
		return;
	}
	disk_apply(h, h->n_queue);
	step(b, host, &(struct acceptor_in){.type = ACCEPTOR_IN_STORED, .write = h->disk.write});
}

static void deliver(struct cbed *b, const struct cmsg *c)
{
	struct chost *h = &b->hosts[c->to], *from = &b->hosts[c->from];

	if (!h->up)
		return;
	if (c->m.boot > 0 && c->m.boot >= from->seen_boot) {
		from->seen_boot = c->m.boot;
		from->seen_write = MAX(from->seen_write, c->m.write);
	}
	switch (c->m.type) {
	case MSG_PREPARE:
	case MSG_ACCEPT:
	case MSG_READ:
	case MSG_SEAL:
	case MSG_RENEW:
	case MSG_RELEASE:
		step(b, c->to, &(struct acceptor_in){.type = ACCEPTOR_IN_MSG, .msg = &c->m});
		break;
	default:
		if (c->m.type == MSG_REFUSED && c->m.why == MSG_WHY_EPOCH)
			cbed_learn(b, c->to, &c->m.cfg);
		cbed_op_msg(b, c->to, &c->m);
		cbed_voters_msg(b, c->to, &c->m);
		cbed_lease_msg(b, c->to, &c->m);
	}
}

bool cbed_hand(struct cbed *b, int from, int to, enum msg_type type)
{
	for (struct cmsg **at = &b->held; *at; at = &(*at)->next) {
		struct cmsg *c = *at;

		if ((from >= 0 && c->from != from) || (to >= 0 && c->to != to) || c->m.type != type)
			continue;
		*at = c->next;
		deliver(b, c);
		free(c);
		cbed_run(b, 0);
		return true;
	}
	return false;
}

void cbed_lose(struct cbed *b, int from, int to, enum msg_type type)
{
	for (struct cmsg **at = &b->held; *at;) {
		struct cmsg *c = *at;

		if ((from >= 0 && c->from != from) || (to >= 0 && c->to != to) || c->m.type != type) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		free(c);
	}
}

void cbed_boot(struct cbed *b, int host)
{
	struct chost *h = &b->hosts[host];
	struct acceptor_config config;
	struct value_mem mem = cbed_mem(b);
	bool calm = b->calm;

	b->calm = true; /* a start that finds no memory is no start */
	h->source = (struct ballot_source){.node = h->uuid, .nonce = rng_u64(&b->rng)};
	h->round = h->source.nonce;
	h->disk.boot++;
	config = (struct acceptor_config){.self = h->uuid,
		.header = h->disk.header,
		.boot = h->disk.boot,
		.write = h->disk.write,
		.reader = &cbed_reader};
	assert_int_equal(acceptor_new(&config, &mem, cbed_now(b, host), &h->a), 0);
	for (int key = 0; key < b->config.keys; key++) {
		struct msg_key k = cbed_key(key);

		if (h->disk.regs[key].there)
			assert_int_equal(acceptor_load(h->a, &k, &h->disk.regs[key].promised,
						 &h->disk.regs[key].accepted, cbed_bytes(&h->disk.regs[key].value)),
				0);
	}
	for (int key = 1; key < b->config.keys; key++)
		for (int i = 0; i < CBED_SLOTS_MAX; i++) {
			struct msg_key k = cbed_key(key);
			const struct clong *l = &h->disk.longs[key][i];

			if (l->long_ms > 0)
				assert_int_equal(acceptor_load_long(h->a, &k, &l->slot, l->long_ms), 0);
		}
	h->up = true;
	cbed_lease_boot(b, host);
	cbed_learn(b, host, &h->disk.header.cfg);
	step(b, host, &(struct acceptor_in){.type = ACCEPTOR_IN_SEEN, .boot = h->seen_boot, .write = h->seen_write});
	b->calm = calm;
}

void cbed_crash(struct cbed *b, int host)
{
	struct chost *h = &b->hosts[host];

	b->crashes++;
	cbed_ops_drop(b, host);
	cbed_voters_drop(b, host);
	cbed_lease_drop(b, host);
	disk_apply(h, rng_below(&b->rng, h->n_queue + 1));
	h->n_queue = 0;
	heap_del(&b->heap, &h->disk_timer);
	acceptor_free(h->a);
	h->a = NULL;
	h->up = false;
	h->paused_until = 0;
}

static struct uuid uuid_new(struct cbed *b, int host)
{
	struct uuid u = {0};
	uint64_t rest = rng_u64(&b->rng);

	u.v[0] = (uint8_t)(0xa0 + host);
	memcpy(u.v + 8, &rest, sizeof(rest));
	return u;
}

void cbed_wipe(struct cbed *b, int host)
{
	struct chost *h = &b->hosts[host];

	cbed_crash(b, host);
	h->disk = (struct cdisk){0};
	h->seen_boot = h->seen_write = 0;
	if (b->config.amnesia)
		return;
	h->uuid = uuid_new(b, host);
	memset(h->told_promised, 0, sizeof(h->told_promised));
	memset(h->told_accepted, 0, sizeof(h->told_accepted));
}

static void life(struct cbed *b, int host)
{
	struct chost *h = &b->hosts[host];
	bool pauses = b->config.pause_s > 0 && (b->config.crash_s == 0 || rng_below(&b->rng, 2));
	int64_t mean = (pauses ? b->config.pause_s : b->config.crash_s) * 1000, next = cbed_between(b, mean / 4, mean * 2);

	if (!h->up) {
		cbed_boot(b, host);
	} else if (b->calm) {
		return;
	} else if (pauses) {
		h->paused_until = b->now_ms + cbed_between(b, 100, 4000);
	} else {
		cbed_crash(b, host);
		next = cbed_between(b, 10, LIFE_DOWN_MS);
	}
	heap_set(&b->heap, &h->life_timer, b->now_ms + next);
}

static void load(struct cbed *b, int host)
{
	struct chost *h = &b->hosts[host];
	int key = (int)rng_below(&b->rng, (uint64_t)b->config.keys), to;
	uint32_t slot = (uint32_t)rng_below(&b->rng, CBED_SLOTS_MAX);

	if (b->calm)
		return;
	if (h->up && h->cfg.epoch > 0)
		(void)cbed_begin(b, host, key, (enum cbed_kind)rng_below(&b->rng, CBED_MOVE),
			cbed_between(b, 200, 6000)); /* when all places are taken, not now */
	to = (int)rng_below(&b->rng, (uint64_t)b->config.hosts);
	if (b->config.leases && h->up && key > 0 && rng_below(&b->rng, 3) == 0)
		(void)cbed_move(b, host, key, slot, to, cbed_between(b, 2000, 12000)); /* as above */
	if (b->config.leases && h->up && key > 0 && rng_below(&b->rng, 40) == 0)
		cbed_give_up(b, host, key, slot);
	heap_set(&b->heap, &h->load_timer, b->now_ms + cbed_between(b, 1, 2 * b->config.load_ms));
}

static void cuts(struct cbed *b)
{
	uint64_t n = (uint64_t)b->config.hosts;

	memset(b->cut, 0, sizeof(b->cut));
	if (b->calm)
		return;
	for (uint64_t i = rng_below(&b->rng, n + 1); i > 0; i--)
		b->cut[rng_below(&b->rng, n)][rng_below(&b->rng, n)] = true;
	if (rng_below(&b->rng, 3) == 0)
		for (uint64_t i = 0, one = rng_below(&b->rng, n); i < n; i++)
			b->cut[i][one] = b->cut[one][i] = true;
	heap_set(&b->heap, &b->cut_timer, b->now_ms + cbed_between(b, 200, 5000));
}

struct cbed *cbed_new(const struct cbed_config *config)
{
	struct cbed *b = calloc(1, sizeof(*b));
	struct cval genesis = {.id = 1, .depth = 1, .times = {.tf_ms = 2000, .kill_ms = 500, .lv_ms = 3100}};
	struct ballot first = {.counter = 1};

	assert_non_null(b);
	b->values = calloc(CBED_VALUES_MAX, sizeof(*b->values));
	assert_non_null(b->values);
	b->config = *config;
	rng_seed(&b->rng, config->seed);
	b->cut_timer.kind = EV_CUT;
	genesis.cfg.epoch = 1;
	for (int i = 0; i < config->hosts; i++) {
		struct chost *h = &b->hosts[i];

		h->uuid = uuid_new(b, i);
		h->rate_pm = config->same_clock ? 1000 : (int)cbed_between(b, 900, 1100);
		h->offset_ms = cbed_between(b, 0, 1000000);
		h->disk_timer.kind = EV_DISK;
		h->life_timer.kind = EV_LIFE;
		h->load_timer.kind = EV_LOAD;
		h->voters_timer.kind = EV_VOTERS;
		h->lease_timer.kind = EV_LEASE;
		for (int key = 0; key < CBED_KEYS_MAX; key++)
			for (uint32_t s = 0; s < CBED_SLOTS_MAX; s++)
				h->procs[key][s] =
					(struct cproc){.timer.kind = EV_PROC, .host = i, .key = key, .slot = s};
		h->vote_timer.kind = EV_VOTE;
		for (int k = 0; k < CBED_OPS_MAX; k++)
			h->ops[k].timer.kind = EV_OP;
		if (i < config->voters)
			genesis.cfg.old.v[genesis.cfg.old.n++] = h->uuid;
	}
	first.node = b->hosts[0].uuid;
	cbed_made(b, 0, &genesis);
	cbed_chosen(b, 0, &genesis, 0);
	for (int i = 0; i < config->hosts; i++) {
		struct chost *h = &b->hosts[i];

		if (i < config->voters) {
			h->disk.header.cfg = genesis.cfg;
			h->disk.header.lv_max_ms = 0; /* nothing was ever granted */
			h->disk.regs[0].there = h->disk.regs[0].has_value = true;
			h->disk.regs[0].promised = h->disk.regs[0].accepted = first;
			h->disk.regs[0].value = genesis;
		}
		h->cfg = genesis.cfg;
		cbed_boot(b, i);
		if (config->load_ms > 0)
			heap_set(&b->heap, &h->load_timer, cbed_between(b, 0, config->load_ms));
		if (config->vote_s > 0)
			heap_set(&b->heap, &h->vote_timer, cbed_between(b, 0, config->vote_s * 1000));
		if (config->crash_s > 0 || config->pause_s > 0)
			heap_set(&b->heap, &h->life_timer, cbed_between(b, 500, 8000));
	}
	if (config->cuts)
		heap_set(&b->heap, &b->cut_timer, cbed_between(b, 0, 3000));
	return b;
}

void cbed_free(struct cbed *b)
{
	struct heap_item *item;

	while (b->held) {
		struct cmsg *c = b->held;

		b->held = c->next;
		free(c);
	}
	while ((item = heap_first(&b->heap))) {
		heap_del(&b->heap, item);
		if (item->kind == EV_MSG)
			free(CONTAINER_OF(item, struct cmsg, timer));
		else if (item->kind == EV_NEWS)
			free(CONTAINER_OF(item, struct cnews, timer));
	}
	for (int i = 0; i < b->config.hosts; i++) {
		cbed_ops_drop(b, i);
		cbed_voters_drop(b, i);
		cbed_lease_drop(b, i);
		acceptor_free(b->hosts[i].a);
	}
	assert_int_equal(b->bytes, 0);
	heap_done(&b->heap);
	free(b->values);
	free(b);
}

/* The host that an event is of; -1: nobody's. */
static int host_of(const struct cbed *b, struct heap_item *item)
{
	for (int i = 0; i < b->config.hosts; i++) {
		const struct chost *h = &b->hosts[i];

		if (item == &h->disk_timer || item == &h->life_timer || item == &h->load_timer ||
			item == &h->voters_timer || item == &h->vote_timer || item == &h->lease_timer)
			return i;
	}
	if (item->kind == EV_NEWS)
		return CONTAINER_OF(item, struct cnews, timer)->host;
	if (item->kind == EV_OP)
		return CONTAINER_OF(item, struct cop, timer)->host;
	return item->kind == EV_MSG ? CONTAINER_OF(item, struct cmsg, timer)->to : -1;
}

static void event(struct cbed *b, struct heap_item *item)
{
	int host = host_of(b, item);
	int kind = item->kind;

	/* Who is paused does nothing until it goes on; what came meanwhile waits. */
	if (host >= 0 && b->hosts[host].up && b->hosts[host].paused_until > b->now_ms && kind != EV_LIFE) {
		heap_set(&b->heap, item, b->hosts[host].paused_until);
		return;
	}
	heap_del(&b->heap, item);
	if (kind == EV_MSG) {
		struct cmsg *c = CONTAINER_OF(item, struct cmsg, timer);

		deliver(b, c);
		free(c);
	} else if (kind == EV_OP)
		cbed_op_tick(b, CONTAINER_OF(item, struct cop, timer));
	else if (kind == EV_DISK)
		disk_done(b, host);
	else if (kind == EV_LIFE)
		life(b, host);
	else if (kind == EV_LOAD)
		load(b, host);
	else if (kind == EV_LEASE)
		cbed_lease_tick(b, host);
	else if (kind == EV_PROC)
		cbed_proc_timer(b, CONTAINER_OF(item, struct cproc, timer));
	else if (kind == EV_NEWS) {
		struct cnews *n = CONTAINER_OF(item, struct cnews, timer);

		if (b->hosts[n->host].up)
			cbed_news(b, n->host, n->key, &n->value);
		free(n);
	} else if (kind == EV_VOTERS)
		cbed_voters_tick(b, host);
	else if (kind == EV_VOTE) {
		cbed_vote(b, host);
		heap_set(&b->heap, item, b->now_ms + cbed_between(b, 500, 2000 * b->config.vote_s));
	} else
		cuts(b);
}

void cbed_run(struct cbed *b, int64_t ms)
{
	int64_t until = b->now_ms + ms;
	struct heap_item *item;

	while (!b->wrong[0] && (item = heap_first(&b->heap)) && item->at_us <= until) {
		b->now_ms = MAX(b->now_ms, item->at_us);
		event(b, item);
	}
	b->now_ms = until;
}

static bool is_busy(const struct cbed *b)
{
	for (int i = 0; i < b->config.hosts; i++) {
		if (b->hosts[i].runs_voters || (b->config.vote_s > 0 && quorum_is_joint(&b->hosts[i].cfg)))
			return true;
		for (int k = 0; k < CBED_OPS_MAX; k++)
			if (b->hosts[i].ops[k].used)
				return true;
	}
	return false;
}

void cbed_heal(struct cbed *b, int64_t ms)
{
	uint64_t unknown;
	int64_t until = b->now_ms + ms;

	b->calm = true;
	memset(b->cut, 0, sizeof(b->cut));
	for (int i = 0; i < b->config.hosts; i++) {
		b->hosts[i].paused_until = 0;
		if (!b->hosts[i].up)
			cbed_boot(b, i);
	}
	while (!b->wrong[0] && is_busy(b) && b->now_ms < until)
		cbed_run(b, 100);
	unknown = b->ops_unknown;
	for (int i = 0; i < b->config.hosts && !b->wrong[0]; i++)
		for (int key = 0; key < b->config.keys; key++)
			(void)cbed_begin(b, i, key, key ? CBED_APPEND : CBED_READ, until - b->now_ms);
	for (int key = 1; b->config.leases && key < b->config.keys && !b->wrong[0]; key++)
		(void)cbed_move(b, 0, key, 0, 1, MIN(20000, until - b->now_ms)); /* or held */
	while (!b->wrong[0] && is_busy(b) && b->now_ms < until)
		cbed_run(b, 100);
	if (is_busy(b) || b->ops_unknown > unknown)
		cbed_wrong(b, "healed, and yet not all is decided");
	cbed_run(b, 5000);
	cbed_all_run(b);
}
