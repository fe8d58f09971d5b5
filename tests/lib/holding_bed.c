/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In place of consensus_bed_lease.c: the same hosts, whose leased slots are run as node/holding.h says. The daemon's
 * disk keeps numbers and releases and takes a while; a process goes on when its daemon dies, and is killed by its fuse;
 * a daemon that starts again hears of what runs one by one, later than of what is chosen. At no instant of real time
 * does a slot run twice, nor at an epoch that was released.
 */
#include <errno.h>
#include <string.h>

#include "tests/lib/holding_bed.h"
#include "tests/lib/test.h"

#define ANSWER_MS 700 /* how long a shim takes to answer a new daemon, at most */
#define SAID_MAX  (8 * CBED_LEASES_MAX)

enum { LATER_NUMBER, LATER_RELEASED, LATER_FOUND, LATER_EMPTY, LATER_ARMED, LATER_CHOSEN, LATER_ENDED };

/* Something that the daemon hears in a while, by real time. */
struct later {
	int what, key;
	uint32_t slot;
	uint64_t epoch;
	int64_t at_ms; /* 0: nothing */
};

struct hhost {
	struct holding h;
	uint64_t number, released[CBED_KEYS_MAX][CBED_SLOTS_MAX]; /* on its disk */
	uint64_t ever[CBED_KEYS_MAX][CBED_SLOTS_MAX];		  /* released */
	struct later later[SAID_MAX];
	struct holding_own given_up; /* … of given_up_key; epoch 0: nothing was */
	int given_up_key;
	int64_t may_until_ms[CBED_KEYS_MAX][CBED_SLOTS_MAX]; /* as RUN said */
	uint64_t may_epoch[CBED_KEYS_MAX][CBED_SLOTS_MAX];
	bool awaited[CBED_KEYS_MAX][CBED_SLOTS_MAX]; /* a shim is there that has not answered */
	uint64_t to_stop[CBED_KEYS_MAX][CBED_SLOTS_MAX];
};

struct holding_bed_figures holding_bed_figures;
static struct hhost hosts[CBED_HOSTS_MAX];

static void step(struct cbed *b, int host, const struct holding_in *in);
static void wake(struct cbed *b, int host);

static struct holding_in of(enum holding_in_type type, int key, uint32_t slot, uint64_t epoch)
{
	return (struct holding_in){.type = type, .key = cbed_key(key), .slot = slot, .epoch = epoch};
}

/* ---- processes ---- */

static void start(struct cbed *b, struct cproc *p, uint64_t epoch, int64_t until_ms)
{
	for (int i = 0; i < b->config.hosts; i++)
		if (hosts[i].ever[p->key][p->slot] >= epoch)
			cbed_wrong(b, "slot %d of key %d runs at an epoch that was released", (int)p->slot, p->key);
	cbed_proc_start(b, p, epoch, until_ms);
}

static void may_start(struct cbed *b, int host, int key, uint32_t slot)
{
	struct hhost *o = &hosts[host];
	struct cproc *p = &b->hosts[host].procs[key][slot];

	if (!p->running && !o->awaited[key][slot] && o->may_until_ms[key][slot] > cbed_now(b, host).boot_ms)
		start(b, p, o->may_epoch[key][slot], o->may_until_ms[key][slot]);
}

static void later(struct cbed *b, int host, int what, int key, uint32_t slot, uint64_t epoch, int64_t most_ms)
{
	struct hhost *o = &hosts[host];

	for (size_t i = 0; i < SAID_MAX; i++)
		if (o->later[i].at_ms == 0) {
			o->later[i] =
				(struct later){what, key, slot, epoch, b->now_ms + 1 + cbed_between(b, 0, most_ms)};
			return;
		}
	cbed_wrong(b, "too much is under way at host %d", host);
}

static void answer_stop(struct cbed *b, int host, int key, uint32_t slot)
{
	struct hhost *o = &hosts[host];
	uint64_t epoch = o->to_stop[key][slot];

	if (epoch == 0 || b->hosts[host].procs[key][slot].running || o->awaited[key][slot])
		return;
	o->to_stop[key][slot] = 0;
	later(b, host, LATER_EMPTY, key, slot, epoch, 0);
}

void cbed_proc_timer(struct cbed *b, struct cproc *p)
{
	if (!cbed_proc_ends(b, p) || !b->hosts[p->host].up)
		return;
	later(b, p->host, LATER_ENDED, p->key, p->slot, p->epoch, 5);
	wake(b, p->host);
}

/* ---- what the core says ---- */

static void extend(struct cbed *b, struct cproc *p, const struct holding_said *s)
{
	if (!p->running || p->epoch != s->epoch || s->until_ms == HOLDING_UNARMED)
		return;
	if (p->until_ms == HOLDING_UNARMED)
		later(b, p->host, LATER_ARMED, p->key, p->slot, p->epoch, 20);
	else if (p->until_ms >= s->until_ms || p->until_ms <= cbed_now(b, p->host).boot_ms)
		return; /* past it, the shim has killed already */
	cbed_proc_extend(b, p, s->until_ms);
}

static void act(struct cbed *b, int host, const struct holding_said *s)
{
	struct hhost *o = &hosts[host];
	int key = cbed_key_of(&s->key);
	struct cproc *p = &b->hosts[host].procs[key][s->slot];

	switch (s->word) {
	case HOLDING_RUN:
		o->may_until_ms[key][s->slot] = s->until_ms;
		o->may_epoch[key][s->slot] = s->epoch;
		extend(b, p, s);
		if (!p->running && s->until_ms != HOLDING_UNARMED)
			later(b, host, LATER_ARMED, key, s->slot, s->epoch, 20); /* what starts has its deadline */
		may_start(b, host, key, s->slot);
		break;
	case HOLDING_GOES_ON:
		extend(b, p, s);
		break;
	case HOLDING_STOP:
		o->may_until_ms[key][s->slot] = 0;
		o->to_stop[key][s->slot] = s->epoch;
		if (p->running)
			cbed_proc_stop(b, p);
		answer_stop(b, host, key, s->slot);
		break;
	case HOLDING_RELEASE:
		holding_bed_figures.releases++;
		later(b, host, LATER_RELEASED, key, s->slot, s->epoch, cbed_chance(b, b->config.late_pct) ? 2500 : 10);
		break;
	case HOLDING_DROP:
		holding_bed_figures.drops++;
		if (o->released[key][s->slot] <= s->epoch)
			o->released[key][s->slot] = 0;
		break;
	case HOLDING_IDENTITY:
		holding_bed_figures.identities++;
		(void)cbed_begin(b, host, key, CBED_NOTHING, 3000); /* no place: it is asked for again */
		break;
	case HOLDING_WORD_MAX:
		break;
	}
}

static void wake(struct cbed *b, int host)
{
	struct chost *h = &b->hosts[host];
	int64_t at = cbed_real_ms(b, host, MAX(holding_deadline_ms(&hosts[host].h), (int64_t)0));

	for (size_t i = 0; i < SAID_MAX; i++)
		if (hosts[host].later[i].at_ms > 0)
			at = MIN(at, hosts[host].later[i].at_ms);
	heap_set(&b->heap, &h->lease_timer, MAX(at, b->now_ms + 1));
}

static void is_released(struct hhost *o, const struct later *l)
{
	o->released[l->key][l->slot] = MAX(o->released[l->key][l->slot], l->epoch);
	o->ever[l->key][l->slot] = MAX(o->ever[l->key][l->slot], l->epoch);
}

static void step(struct cbed *b, int host, const struct holding_in *in)
{
	struct hhost *o = &hosts[host];
	struct holding_said said[SAID_MAX];
	struct holding_outs outs;
	size_t n = 0;
	int rc = holding_step(&o->h, in, cbed_now(b, host), &outs);

	holding_check(&o->h);
	if (rc == -ESTALE)
		cbed_wrong(b, "host %d runs what was released", host);
	else if (rc < 0) /* no memory: it is said again in a while */
		later(b, host, in->type == HOLDING_IN_FOUND ? LATER_FOUND : LATER_CHOSEN, cbed_key_of(&in->key),
			in->slot, in->epoch, 300);
	if (outs.number > 0)
		later(b, host, LATER_NUMBER, 0, 0, outs.number, cbed_chance(b, b->config.late_pct) ? 2500 : 10);
	if (outs.n_to > 0 && outs.msg.number > o->number)
		cbed_wrong(b, "host %d renews under a number that is not on its disk", host);
	cbed_ask_voters(b, host, &outs.msg, outs.brief, outs.to, outs.n_to);
	while (holding_next(&o->h, &said[n])) {
		n++;
		assert_true(n < SAID_MAX);
	}
	for (size_t i = 0; i < n; i++)
		act(b, host, &said[i]);
	wake(b, host);
}

/* ---- what it hears ---- */

/* The newest value that is known; which of its slots stop, the bed says. */
static void tell_chosen(struct cbed *b, int host, int key)
{
	const struct chost *h = &b->hosts[host];
	const struct hhost *o = &hosts[host];
	const struct cval *v = &h->newest[key];
	struct holding_own own[CBED_SLOTS_MAX];
	struct holding_in in = {.type = HOLDING_IN_CHOSEN, .key = cbed_key(key), .own = own};

	if (v->id == 0)
		return;
	in.next_epoch = v->next_epoch + 1; /* here it is the last that was given */
	for (uint32_t s = 0; s < v->n_slots; s++)
		if (ballot_same_node(&v->slots[s].owner, &h->uuid))
			own[in.n_own++] = (struct holding_own){.slot = s,
				.epoch = v->slots[s].epoch,
				.stop = o->given_up_key == key && o->given_up.slot == s &&
					o->given_up.epoch == v->slots[s].epoch};
	step(b, host, &in);
}

void cbed_news(struct cbed *b, int host, int key, const struct cval *v)
{
	struct chost *h = &b->hosts[host];

	if (!b->config.leases)
		return;
	if (v->depth > h->newest[key].depth)
		h->newest[key] = *v;
	if (key == 0)
		step(b, host, &(struct holding_in){.type = HOLDING_IN_TIMES, .times = h->newest[0].times});
	else
		tell_chosen(b, host, key); /* an older one too: the newest is said again */
}

static void hear_found(struct cbed *b, int host, const struct later *l)
{
	struct hhost *o = &hosts[host];
	const struct cproc *p = &b->hosts[host].procs[l->key][l->slot];
	struct holding_in in = of(HOLDING_IN_FOUND, l->key, l->slot, p->epoch);

	if (!p->running)
		return; /* its end was told */
	o->awaited[l->key][l->slot] = false;
	in.until_ms = p->until_ms;
	step(b, host, &in);
	tell_chosen(b, host, l->key);
}

/* Its end is told, also of one that had not answered; a restart by its holder keeps the epoch. */
static void hear_ended(struct cbed *b, int host, const struct later *l)
{
	hosts[host].awaited[l->key][l->slot] = false;
	answer_stop(b, host, l->key, l->slot);
	may_start(b, host, l->key, l->slot);
	wake(b, host);
}

static void hear(struct cbed *b, int host, const struct later *l)
{
	struct hhost *o = &hosts[host];
	struct holding_in in = of(HOLDING_IN_EMPTY, l->key, l->slot, l->epoch);

	switch (l->what) {
	case LATER_NUMBER:
		o->number = MAX(o->number, l->epoch);
		step(b, host, &(struct holding_in){.type = HOLDING_IN_NUMBER, .number = o->number});
		return;
	case LATER_FOUND:
		hear_found(b, host, l);
		return;
	case LATER_CHOSEN:
		tell_chosen(b, host, l->key);
		return;
	case LATER_ENDED:
		hear_ended(b, host, l);
		return;
	case LATER_RELEASED:
		is_released(o, l);
		in.type = HOLDING_IN_RELEASED;
		break;
	case LATER_ARMED:
		in.type = HOLDING_IN_ARMED;
		break;
	default:
		break;
	}
	step(b, host, &in);
}

void cbed_lease_tick(struct cbed *b, int host)
{
	struct hhost *o = &hosts[host];

	if (!b->config.leases)
		return;
	for (size_t i = 0; i < SAID_MAX; i++) {
		const struct later l = o->later[i];

		if (l.at_ms == 0 || l.at_ms > b->now_ms)
			continue;
		o->later[i].at_ms = 0;
		hear(b, host, &l);
	}
	step(b, host, &(struct holding_in){.type = HOLDING_IN_TICK});
}

void cbed_lease_boot(struct cbed *b, int host)
{
	struct chost *h = &b->hosts[host];
	struct hhost *o = &hosts[host];
	struct now now = cbed_now(b, host);
	struct holding_config config = {.self = h->uuid,
		.cfg = h->cfg,
		.times = {.tf_ms = 2000, .kill_ms = 500, .lv_ms = 3100},
		.alone = holding_bed_figures.alone && host == 0,
		.mem = cbed_mem(b)};

	if (h->disk.boot == 1)
		memset(o, 0, sizeof(*o));
	memset(h->newest, 0, sizeof(h->newest));
	if (!b->config.leases)
		return;
	config.number = o->number;
	holding_init(&o->h, &config, now);
	for (int key = 1; key < b->config.keys; key++)
		for (uint32_t s = 0; s < CBED_SLOTS_MAX; s++) {
			struct msg_key k = cbed_key(key);

			o->may_until_ms[key][s] = 0;
			o->to_stop[key][s] = 0;
			o->awaited[key][s] = h->procs[key][s].running;
			if (o->released[key][s] > 0)
				assert_int_equal(holding_load(&o->h, &k, s, o->released[key][s], now), 0);
			if (h->procs[key][s].running)
				later(b, host, LATER_FOUND, key, s, 0, ANSWER_MS);
		}
	wake(b, host);
}

void cbed_lease_drop(struct cbed *b, int host)
{
	struct hhost *o = &hosts[host];

	for (size_t i = 0; i < SAID_MAX; i++) { /* a write that was under way may have come to the disk */
		const struct later *l = &o->later[i];

		if (l->at_ms > 0 && l->what == LATER_RELEASED && rng_below(&b->rng, 2))
			is_released(o, l);
		if (l->at_ms > 0 && l->what == LATER_NUMBER && rng_below(&b->rng, 2))
			o->number = MAX(o->number, l->epoch);
		o->later[i].at_ms = 0;
	}
	holding_done(&o->h);
	heap_del(&b->heap, &b->hosts[host].lease_timer);
}

void cbed_lease_msg(struct cbed *b, int host, const struct msg *m)
{
	if (b->config.leases)
		step(b, host, &(struct holding_in){.type = HOLDING_IN_MSG, .msg = m});
}

void cbed_lease_cfg(struct cbed *b, int host)
{
	if (b->config.leases && b->hosts[host].up)
		step(b, host, &(struct holding_in){.type = HOLDING_IN_CFG, .cfg = &b->hosts[host].cfg});
}

void cbed_give_up(struct cbed *b, int host, int key, uint32_t slot)
{
	struct hhost *o = &hosts[host];
	const struct cproc *p = &b->hosts[host].procs[key][slot];

	if (!p->running || !b->hosts[host].up)
		return;
	o->given_up_key = key;
	o->given_up = (struct holding_own){.slot = slot, .epoch = p->epoch};
	tell_chosen(b, host, key);
}

void cbed_long(struct cbed *b, int host, uint32_t tf_ms)
{
	step(b, host, &(struct holding_in){.type = HOLDING_IN_LONG, .tf_ms = tf_ms});
}

void holding_bed_arm(struct cbed *b, int host)
{
	holding_bed_figures.alone = false;
	step(b, host, &(struct holding_in){.type = HOLDING_IN_ARM});
}

const struct holding *holding_bed_of(int host)
{
	return &hosts[host].h;
}

void cbed_all_run(struct cbed *b)
{
	for (int key = 1; key < b->config.keys && b->config.leases; key++)
		for (int i = 0; i < b->config.hosts; i++) {
			const struct cval *v = &b->hosts[i].newest[key];

			for (uint32_t s = 0; s < v->n_slots; s++)
				if (ballot_same_node(&v->slots[s].owner, &b->hosts[i].uuid) &&
					hosts[i].ever[key][s] < v->slots[s].epoch && !b->hosts[i].procs[key][s].running)
					cbed_wrong(b, "healed, and yet slot %d of key %d does not run on host %d",
						(int)s, key, i);
		}
}
