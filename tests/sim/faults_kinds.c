/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each kind of fault: how it begins and how it ends. The first nodes are everybody's seeds: they come back always.
 */
#include "tests/sim/faults_priv.h"

#include <inttypes.h>
#include <string.h>

#include "tests/sim/node.h"
#include "tests/sim/oracle.h"
#include "tests/sim/whole.h"
#include "tests/sim/whole_run.h"

#define SEEDS 3
#define TRIES 20
#define S_US  1000000

static uint64_t below(struct sim *s, uint64_t bound)
{
	return rng_below(&s->faults->rng, bound);
}

static bool in_fault(const struct sim *s, uint32_t i)
{
	for (size_t k = 0; k < FAULTS_ACTIVE_MAX; k++)
		if (s->faults->active[k].used && (s->faults->active[k].a == i || s->faults->active[k].b == i))
			return true;
	return false;
}

/* A node of this life that no other fault has; the one that was asked for, if any. */
static struct sim_node *pick(struct sim *s, struct fault *f, enum sim_life life, uint32_t not_below)
{
	for (unsigned i = 0; i < TRIES && f->a == UINT32_MAX; i++) {
		uint32_t a = (uint32_t)below(s, s->o.room);

		if (s->nodes[a].life == life && a >= not_below && !s->nodes[a].leaving && !s->nodes[a].forgotten &&
			!in_fault(s, a))
			f->a = a;
	}
	return f->a == UINT32_MAX ? NULL : &s->nodes[f->a];
}

static void tell(struct sim *s, const struct fault *f, const char *text)
{
	story_tell(&s->story, s->now_us, f->a, f->b, "%s", text);
}

static bool crash(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);

	return n && node_kill(n);
}

static void start_again(struct sim *s, struct fault *f)
{
	(void)node_start(&s->nodes[f->a], false); /* runs again already, if it was told to */
}

static bool lose(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);

	return n && node_lose(n);
}

static void bring_back(struct sim *s, struct fault *f)
{
	if (node_back(&s->nodes[f->a]))
		start_again(s, f);
}

static bool lose_for_ever(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, SEEDS);

	if (!n || (s->whole && !whole_run_may_go(s, n)))
		return false;
	n->gone = node_lose(n);
	return n->gone;
}

static void restore(struct sim *s, struct fault *f)
{
	struct sim_node *n = &s->nodes[f->a];
	struct gossip_member m;
	uint32_t least = n->boot;

	if (n->life != SIM_DOWN || n->boot < 2) {
		start_again(s, f);
		return;
	}
	/* Half of them without a clock: but nobody can tell a boot from another one of the same number. */
	for (uint32_t i = 0; i < s->o.room; i++)
		if (s->nodes[i].g && gossip_member_get(s->nodes[i].g, n->id, &m))
			least = MIN(least, (uint32_t)(m.incarnation >> 32));
	n->boot = n->boot_was[1 + below(s, SIM_COPIES_MAX - 1)];
	n->no_clock = n->boot + 1 < least && below(s, 2);
	story_tell(&s->story, s->now_us, f->a, UINT32_MAX, "an old copy of its disk is put back: boot %" PRIu32 "%s",
		n->boot, n->no_clock ? ", and it has no clock" : "");
	start_again(s, f);
}

static bool stop(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);

	return n && node_stop(n);
}

static void go_on(struct sim *s, struct fault *f)
{
	(void)node_go_on(&s->nodes[f->a]); /* may have been killed meanwhile */
}

static bool sleep_now(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);

	return n && node_sleep(n);
}

static void wake_up(struct sim *s, struct fault *f)
{
	(void)node_wake(&s->nodes[f->a]);
}

static bool set_clock(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);

	if (!n)
		return false;
	node_clock(n, (int32_t)below(s, 200001) - 100000);
	return true;
}

static bool lossy(struct sim *s, struct fault *f, uint32_t in_ppm, uint32_t out_ppm, const char *text)
{
	if (!pick(s, f, SIM_RUNS, 0))
		return false;
	s->net.hosts[f->a].loss_in_ppm = in_ppm;
	s->net.hosts[f->a].loss_out_ppm = out_ppm;
	tell(s, f, text);
	return true;
}

static bool mute(struct sim *s, struct fault *f)
{
	return lossy(s, f, 0, NET_PPM, "nothing that it sends arrives");
}

static bool deafen(struct sim *s, struct fault *f)
{
	return lossy(s, f, NET_PPM, 0, "nothing arrives at it");
}

static bool lose_some(struct sim *s, struct fault *f)
{
	uint32_t ppm = (uint32_t)below(s, 800000);

	return lossy(s, f, ppm, ppm, "some of what it sends and gets is lost");
}

static bool lose_most(struct sim *s, struct fault *f)
{
	return lossy(s, f, 800000, 800000, "80 of 100 packets that it sends and gets are lost");
}

static void hears_again(struct sim *s, struct fault *f)
{
	s->net.hosts[f->a].loss_in_ppm = s->net.hosts[f->a].loss_out_ppm = 0;
	tell(s, f, "it is heard and hears again");
}

static bool flap(struct sim *s, struct fault *f)
{
	return lossy(s, f, 0, 0, "its cable begins to flap, one way at a time");
}

static bool turn(struct sim *s, struct fault *f)
{
	f->turned = !f->turned;
	s->net.hosts[f->a].loss_out_ppm = f->turned ? NET_PPM : 0;
	s->net.hosts[f->a].loss_in_ppm = 0;
	return true;
}

static bool turn_in(struct sim *s, struct fault *f)
{
	f->turned = !f->turned;
	s->net.hosts[f->a].loss_in_ppm = f->turned ? NET_PPM : 0;
	s->net.hosts[f->a].loss_out_ppm = 0;
	return true;
}

static bool cut_pair(struct sim *s, struct fault *f)
{
	if (!pick(s, f, SIM_RUNS, 0))
		return false;
	f->b = (uint32_t)below(s, s->o.room);
	if (f->b == f->a)
		return false;
	net_pair_loss(&s->net, f->a, f->b, NET_PPM);
	if (below(s, 2))
		net_pair_loss(&s->net, f->b, f->a, NET_PPM);
	story_tell(&s->story, s->now_us, f->a, f->b, "nothing arrives from it at n%" PRIu32, f->b);
	return true;
}

static void mend_pair(struct sim *s, struct fault *f)
{
	net_pair_loss(&s->net, f->a, f->b, 0);
	net_pair_loss(&s->net, f->b, f->a, 0);
	story_tell(&s->story, s->now_us, f->a, f->b, "is heard by n%" PRIu32 " again", f->b);
}

static bool part(struct sim *s, struct fault *f)
{
	uint8_t sides = (uint8_t)(2 + below(s, 2));
	uint32_t share = (uint32_t)(1 + below(s, 50));

	(void)f;
	for (size_t k = 0; k < FAULTS_ACTIVE_MAX; k++)
		if (s->faults->active[k].used && s->faults->active[k].kind->begin == part)
			return false; /* one at a time */
	for (uint32_t i = 0; i < s->o.room; i++) {
		s->net.hosts[i].group = below(s, 100) < share ? (uint8_t)(1 + below(s, sides - 1u)) : 0;
		if (s->net.hosts[i].group)
			story_tell(&s->story, s->now_us, i, UINT32_MAX, "is in part %u", s->net.hosts[i].group);
	}
	return true;
}

static void join_parts(struct sim *s, struct fault *f)
{
	(void)f;
	for (uint32_t i = 0; i < s->o.room; i++)
		s->net.hosts[i].group = 0;
	story_tell(&s->story, s->now_us, UINT32_MAX, UINT32_MAX, "the parts hear each other again");
}

static bool leave(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);

	return n && node_leave(n);
}

static bool join(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_ABSENT, 0);

	return n && node_start(n, false);
}

static bool forget(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, below(s, 2) ? SIM_LOST : SIM_DOWN, SEEDS);
	struct sim_node *at = &s->nodes[below(s, MIN(SEEDS, s->o.room))]; /* whose disk is not lost */

	if (!n || at->life != SIM_RUNS || at->leaving || !n->boot)
		return false;
	n->forgotten = true;
	oracle_parts(n);
	return node_forget(at, n->id);
}

static bool starve(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);

	if (!n)
		return false;
	n->memory_fails_ppm = (uint32_t)below(s, 300000);
	tell(s, f, "it has hardly any memory");
	return true;
}

static void feed(struct sim *s, struct fault *f)
{
	s->nodes[f->a].memory_fails_ppm = 0;
	node_tell_unsure(&s->nodes[f->a]);
}

static bool set_value(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);
	char value[sizeof(n->keys[0].value)];

	if (!n)
		return false;
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (char)('a' + below(s, 26));
	return node_set(n, (unsigned)below(s, SIM_KEYS_MAX), below(s, 6) ? value : NULL, below(s, sizeof(value)));
}

static bool set_voters(struct sim *s, struct fault *f)
{
	uint64_t ids[3];

	(void)f;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		ids[i] = s->nodes[below(s, s->o.room)].id;
	for (uint32_t i = 0; i < s->o.room; i++)
		(void)node_voters(&s->nodes[i], ids, ARRAY_LEN(ids)); /* those that live */
	return true;
}

/* ---- of whole nodes ---- */

/* As by systemctl restart, or an upgrade. */
static bool restart(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);

	if (!n)
		return false;
	tell(s, f, "is told to end, to begin again");
	whole_farewell(n);
	return node_kill(n);
}

static bool copy_disk(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);

	if (n)
		whole_copy(n);
	return n != NULL;
}

/* Those that stay can still decide. */
static bool crash_with_copy(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);

	if (!n || n->forgets || !whole_run_may_go(s, n) || !node_kill(n))
		return false;
	n->forgets = whole_restore(n);
	return true;
}

/* The rule is that it is another node then: gone, and one joins. */
static bool wipe(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);

	if (!n || !whole_run_may_go(s, n) || !node_lose(n))
		return false;
	if (s->whole->mutant == WHOLE_AMNESIA)
		whole_wipe(n);
	else
		n->gone = true;
	return true;
}

static void bring_back_wiped(struct sim *s, struct fault *f)
{
	if (!s->nodes[f->a].gone)
		bring_back(s, f);
}

static bool fill_disk(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);

	if (!n)
		return false;
	whole_disk_faults(n, 50000 + (uint32_t)below(s, NET_PPM), 0);
	tell(s, f, "its disk is full, or nearly");
	return true;
}

static bool slow_disk(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);

	if (!n)
		return false;
	whole_disk_faults(n, 0, (int64_t)below(s, 3 * S_US));
	tell(s, f, "its disk is slow");
	return true;
}

static void empty_disk(struct sim *s, struct fault *f)
{
	whole_disk_faults(&s->nodes[f->a], 0, 0);
}

/* It ends, and votes no more until its host was started anew. */
static bool fail_fsync(struct sim *s, struct fault *f)
{
	struct sim_node *n = pick(s, f, SIM_RUNS, 0);

	if (!n)
		return false;
	tell(s, f, "an fsync of it will fail");
	whole_disk_breaks(n);
	return true;
}

static bool fail_starts(struct sim *s, struct fault *f)
{
	(void)f;
	s->whole->fail_ppm = (uint32_t)below(s, 400000);
	s->whole->slow_start_ppm = (uint32_t)below(s, 500000);
	return true;
}

static void start_well(struct sim *s, struct fault *f)
{
	(void)f;
	s->whole->fail_ppm = s->whole->slow_start_ppm = 0;
}

#define S S_US

const struct fault_kind faults_kinds[] = {
	{"set", 60000, 0, set_value, NULL, NULL, false, FAULT_FOR_GOSSIP},
	{"crash", 2000, 4 * S, crash, start_again, NULL, false, FAULT_FOR_ALL},
	{"lost", 1000, 20 * S, lose, bring_back, NULL, false, FAULT_FOR_ALL},
	{"gone", 250, 0, lose_for_ever, NULL, NULL, false, FAULT_FOR_ALL},
	{"amnesia", 500, 4 * S, crash, restore, NULL, false, FAULT_FOR_GOSSIP},
	{"pause", 4000, 2 * S, stop, go_on, NULL, false, FAULT_FOR_ALL},
	{"sleep", 500, 20 * S, sleep_now, wake_up, NULL, false, FAULT_FOR_ALL},
	{"clock", 1000, 0, set_clock, NULL, NULL, false, FAULT_FOR_ALL},
	{"mute", 1000, 8 * S, mute, hears_again, NULL, false, FAULT_FOR_ALL},
	{"deaf", 1000, 8 * S, deafen, hears_again, NULL, false, FAULT_FOR_ALL},
	{"loss", 1000, 15 * S, lose_some, hears_again, NULL, false, FAULT_FOR_ALL},
	{"loss80", 0, 30 * S, lose_most, hears_again, NULL, false, FAULT_FOR_ALL},
	{"flap", 500, 20 * S, flap, hears_again, turn, false, FAULT_FOR_ALL},
	{"flap-in", 500, 20 * S, flap, hears_again, turn_in, false, FAULT_FOR_ALL},
	{"pair", 2000, 10 * S, cut_pair, mend_pair, NULL, false, FAULT_FOR_ALL},
	{"partition", 500, 20 * S, part, join_parts, NULL, true, FAULT_FOR_ALL},
	{"leave", 500, 8 * S, leave, start_again, NULL, false, FAULT_FOR_GOSSIP},
	{"join", 1000, 0, join, NULL, NULL, false, FAULT_FOR_ALL},
	{"forget", 250, 0, forget, NULL, NULL, false, FAULT_FOR_GOSSIP},
	{"memory", 500, 10 * S, starve, feed, NULL, false, FAULT_FOR_ALL},
	{"voters", 500, 0, set_voters, NULL, NULL, false, FAULT_FOR_GOSSIP},
	{"restart", 1000, 4 * S, restart, start_again, NULL, false, FAULT_FOR_WHOLE},
	{"copy", 3000, 0, copy_disk, NULL, NULL, false, FAULT_FOR_WHOLE},
	{"rollback", 250, 3 * S, crash_with_copy, start_again, NULL, false, FAULT_FOR_WHOLE},
	{"wipe", 125, 4 * S, wipe, bring_back_wiped, NULL, false, FAULT_FOR_WHOLE},
	{"full", 1000, 5 * S, fill_disk, empty_disk, NULL, false, FAULT_FOR_WHOLE},
	{"slow-disk", 1000, 5 * S, slow_disk, empty_disk, NULL, false, FAULT_FOR_WHOLE},
	{"fsync", 250, 0, fail_fsync, NULL, NULL, false, FAULT_FOR_WHOLE},
	{"fails", 1000, 10 * S, fail_starts, start_well, NULL, false, FAULT_FOR_WHOLE},
	{NULL, 0, 0, NULL, NULL, NULL, false, FAULT_FOR_ALL},
};

_Static_assert(ARRAY_LEN(faults_kinds) <= FAULTS_KINDS_MAX, "each has its rate");
