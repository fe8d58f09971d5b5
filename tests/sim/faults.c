/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When which fault begins and ends. What each does is in faults_kinds.c.
 */
#include "tests/sim/faults_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/node.h"
#include "tests/sim/oracle.h"

#define MINUTE_US 60000000

struct faults *faults_new(struct sim *s, uint64_t seed)
{
	struct faults *f = calloc(1, sizeof(*f));

	assert(f);
	f->sim = s;
	rng_seed(&f->rng, seed);
	f->next.kind = SIM_ITEM_FAULT;
	for (size_t i = 0; i < FAULTS_ACTIVE_MAX; i++)
		f->active[i].end.kind = SIM_ITEM_FAULT_ENDS;
	return f;
}

void faults_free(struct faults *f)
{
	if (!f)
		return;
	heap_del(&f->sim->heap, &f->next);
	for (size_t i = 0; i < FAULTS_ACTIVE_MAX; i++)
		heap_del(&f->sim->heap, &f->active[i].end);
	free(f);
}

static void draw_swarm(struct faults *f)
{
	for (size_t i = 0; faults_kinds[i].name; i++) {
		uint32_t middle = faults_kinds[i].a_minute_milli;
		enum fault_for none = f->sim->o.whole ? FAULT_FOR_GOSSIP : FAULT_FOR_WHOLE;

		f->rate[i] = 0;
		if (faults_kinds[i].only == none)
			continue;
		if (rng_below(&f->rng, 2))
			f->rate[i] = (uint32_t)(((uint64_t)middle << rng_below(&f->rng, 7)) / 8);
	}
}

static bool choose_one(struct faults *f, const char *word, size_t n)
{
	const char *rate = memchr(word, '=', n);
	size_t len = rate ? (size_t)(rate - word) : n;

	for (size_t i = 0; faults_kinds[i].name; i++)
		if (strlen(faults_kinds[i].name) == len && memcmp(faults_kinds[i].name, word, len) == 0) {
			f->rate[i] = rate ? (uint32_t)(strtod(rate + 1, NULL) * 1000) : faults_kinds[i].a_minute_milli;
			return true;
		}
	return false;
}

bool faults_choose(struct faults *f, const char *list, const char **ret_bad)
{
	memset(f->rate, 0, sizeof(f->rate));
	if (strcmp(list, "none") == 0)
		return true;
	while (*list) {
		size_t n = strcspn(list, ",");

		if (n == 5 && memcmp(list, "swarm", 5) == 0) {
			draw_swarm(f);
		} else if (!choose_one(f, list, n)) {
			*ret_bad = list;
			return false;
		}
		list += n + (list[n] == ',');
	}
	return true;
}

/* Nearly exponential, not under a tenth, not above five times the mean. */
int64_t faults_some_us(struct faults *f, int64_t mean_us)
{
	uint64_t u = rng_u64(&f->rng);
	int64_t doublings = u ? __builtin_clzll(u) : 5;

	return MIN(MAX(mean_us * (doublings * 1024 + (int64_t)(u & 1023)) / 1536, mean_us / 10), mean_us * 5);
}

static uint64_t total(const struct faults *f)
{
	uint64_t sum = 0;

	for (size_t i = 0; faults_kinds[i].name; i++)
		sum += f->rate[i];
	return sum;
}

static void arm(struct faults *f)
{
	uint64_t sum = total(f);

	if (sum)
		heap_set(&f->sim->heap, &f->next,
			f->sim->now_us + faults_some_us(f, (int64_t)(1000ull * MINUTE_US / sum)));
}

static void touch(struct sim *s, const struct fault *f, bool begins)
{
	if (f->a != UINT32_MAX)
		oracle_touch(&s->nodes[f->a], begins);
	if (f->b != UINT32_MAX)
		oracle_touch(&s->nodes[f->b], begins);
	for (uint32_t i = 0; f->kind->touches_all && i < s->o.room; i++)
		oracle_touch(&s->nodes[i], begins);
}

static void finish(struct sim *s, struct fault *f)
{
	heap_del(&s->heap, &f->end);
	f->used = false;
	touch(s, f, false);
	if (f->kind->end)
		f->kind->end(s, f);
}

static bool begin(struct sim *s, const struct fault_kind *kind, uint32_t a, int64_t for_us)
{
	struct faults *fs = s->faults;
	struct fault *f = fs->active;

	while (f < fs->active + FAULTS_ACTIVE_MAX && f->used)
		f++;
	if (f == fs->active + FAULTS_ACTIVE_MAX)
		return false;
	f->kind = kind;
	f->a = a;
	f->b = UINT32_MAX;
	f->turned = false;
	f->until_us = s->now_us + (for_us ? for_us : faults_some_us(fs, kind->mean_us));
	if (!kind->begin(s, f))
		return false;
	fs->done++;
	if (!kind->mean_us)
		return true;
	f->used = true;
	touch(s, f, true);
	heap_set(&s->heap, &f->end, kind->turn ? s->now_us : f->until_us);
	return true;
}

bool faults_one(struct sim *s, const char *kind, uint32_t a, int64_t for_us)
{
	for (size_t i = 0; faults_kinds[i].name; i++)
		if (strcmp(faults_kinds[i].name, kind) == 0)
			return begin(s, &faults_kinds[i], a, for_us);
	assert(!"a kind of fault");
	return false;
}

void faults_begin(struct sim *s)
{
	arm(s->faults);
}

void faults_heal(struct sim *s)
{
	struct faults *f = s->faults;

	heap_del(&s->heap, &f->next);
	net_heal(&s->net);
	for (size_t i = 0; i < FAULTS_ACTIVE_MAX; i++)
		if (f->active[i].used)
			finish(s, &f->active[i]);
	story_tell(&s->story, s->now_us, UINT32_MAX, UINT32_MAX, "all is healed");
}

static void next(struct sim *s)
{
	struct faults *f = s->faults;
	uint64_t at = rng_below(&f->rng, total(f));
	size_t i = 0;

	while (at >= f->rate[i])
		at -= f->rate[i++];
	(void)begin(s, &faults_kinds[i], UINT32_MAX, 0); /* nobody may be there for it: then nothing happens */
	arm(f);
}

void faults_due(struct sim *s, struct heap_item *item)
{
	struct fault *f = CONTAINER_OF(item, struct fault, end);

	heap_del(&s->heap, item);
	if (item->kind == SIM_ITEM_FAULT) {
		next(s);
		return;
	}
	if (!f->kind->turn || s->now_us >= f->until_us || !f->kind->turn(s, f)) {
		finish(s, f);
		return;
	}
	heap_set(&s->heap, item, MIN(s->now_us + faults_some_us(s->faults, TURN_US), f->until_us));
}

char *faults_text(const struct faults *f, char *out, size_t n)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; faults_kinds[i].name; i++)
		if (f->rate[i] && at < n)
			at += (size_t)snprintf(out + at, n - at, "%s%s=%g", at ? "," : "", faults_kinds[i].name,
				(double)f->rate[i] / 1000);
	return out;
}

const char *faults_kind_name(size_t i)
{
	return faults_kinds[i].name;
}

uint64_t faults_done(const struct faults *f)
{
	return f->done;
}
