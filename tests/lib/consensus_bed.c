/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bed's clocks and lives of hosts. One heap of events stands for time, which counts in ms.
 */
#include <inttypes.h>
#include <string.h>

#include "tests/lib/consensus_bed.h"
#include "tests/lib/test.h"

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

bool cbed_chance(struct cbed *b, int pct)
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

void cbed_publish(struct cbed *b, int from, int key, const struct cval *v)
{
	for (int i = 0; b->config.leases && i < b->config.hosts; i++) {
		struct cnews *n;

		if (b->cut[from][i] || cbed_chance(b, b->config.lose_pct))
			continue;
		n = calloc(1, sizeof(*n));
		assert_non_null(n);
		*n = (struct cnews){.timer.kind = EV_NEWS, .host = i, .key = key, .value = *v};
		heap_set(&b->heap, &n->timer,
			b->now_ms + cbed_between(b, 1, cbed_chance(b, b->config.late_pct) ? 2000 : 60));
	}
}

void cbed_boot(struct cbed *b, int host)
{
	struct chost *h = &b->hosts[host];
	struct acceptor_config config;
	struct value_mem mem = cbed_mem(b);
	bool calm = b->calm;

	h->older = cbed_chance(b, b->config.older_pct);
	b->older += h->older;
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
	cbed_acceptor_step(
		b, host, &(struct acceptor_in){.type = ACCEPTOR_IN_SEEN, .boot = h->seen_boot, .write = h->seen_write});
	b->calm = calm;
}

void cbed_crash(struct cbed *b, int host)
{
	struct chost *h = &b->hosts[host];

	b->crashes++;
	cbed_ops_drop(b, host);
	cbed_voters_drop(b, host);
	cbed_lease_drop(b, host);
	cbed_disk_apply(h, rng_below(&b->rng, h->n_queue + 1));
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
	int64_t mean = (pauses ? b->config.pause_s : b->config.crash_s) * 1000,
		next = cbed_between(b, mean / 4, mean * 2);

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

		cbed_deliver(b, c);
		free(c);
	} else if (kind == EV_OP)
		cbed_op_tick(b, CONTAINER_OF(item, struct cop, timer));
	else if (kind == EV_DISK)
		cbed_disk_done(b, host);
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
	for (int i = 0; i < b->config.hosts && !b->wrong[0]; i++)
		for (int key = 0; key < b->config.keys; key++) {
			struct cop *op = cbed_begin(b, i, key, key ? CBED_APPEND : CBED_READ, until - b->now_ms);

			if (op)
				op->must = true;
		}
	for (int key = 1; b->config.leases && key < b->config.keys && !b->wrong[0]; key++)
		(void)cbed_move(b, 0, key, 0, 1, MIN(20000, until - b->now_ms)); /* or held */
	while (!b->wrong[0] && is_busy(b) && b->now_ms < until)
		cbed_run(b, 100);
	if (is_busy(b))
		cbed_wrong(b, "healed, and yet not all is decided");
	cbed_run(b, 5000);
	cbed_all_run(b);
}
