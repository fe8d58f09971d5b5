/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change of voters: one swapped, C = {0 1 2} to C' = {0 1 3}; with GROW two added, C = {0} to C' = {0 1 2}. Two
 * registers, the root (which says who votes) and the key of an agent, under writes, and under one change of voters
 * that anybody runs, gives up and takes up: JOINT, SEAL, RESCAN, STABLE as in consensus/voters.h. register.pml has the
 * two phases alone, with what a disk may do to them; its head says what messages and ballots are here too.
 *
 * *Checked*
 * - Chain: of any two chosen values of a register one was made from the other, at whatever epochs.
 * - Never lost: the highest ballot that any quorum of the newest chosen configuration has accepted carries all that was
 *   chosen of the key.
 * - Whoever reads the root register at an epoch finds a configuration of that epoch or a later one.
 * With OUTCOMES the chain alone is checked, so that a mutant is judged by what comes of it.
 *
 * *What is left out, and why nothing is lost by it*
 * - A voter's registers become durable as they change (register.pml has the rest); its epoch does so later, as the
 *   rules of SEAL are about that, or with the next register.
 * - Whoever runs a change has no state: what a step rests on is a fact that stays true, and is all that it asks for. A
 *   RESCAN begins when a majority of C and one of C' are sealed. STABLE is sent when they are, and a RESCAN is chosen
 *   or found nothing, or no list of such majorities has the key. So it may rest on the seals, lists and rescans of
 *   others, and any number of nodes run the change at once, crash and take it up. The rule asks for more: that whoever
 *   makes it STABLE finished these himself.
 * - A sealed voter's answer is there at once, with the list of that moment: a later one has more keys.
 * - Once the key is carried over no RESCAN begins: it would be one more change that is none.
 * - A voter takes a newer epoch over with what it handles, or by SEAL; on its own it would only refuse more.
 * - ROOT_BALLOTS=0: the root register is one value that all read, which changes when its rules allow it. It is what the
 *   others show of it: its own ballots touch nothing of the key's but epochs of voters, which SEAL raises at any time.
 *
 * *Not covered*: more ballots or keys, a second change, other sizes, leases and the wait before STABLE (M18), full
 * tables, whether a change ever ends.
 *
 * *Switches* leave one rule out: M7 to M10 as in consensus/rules.h; EARLY says that it is sealed before that is
 * durable; LISTS leaves out keys that were only promised; UNCHOSEN attaches configurations that one voter accepted.
 * REACH calls it wrong when a value of C' is made from one of C, so that one sees that it can be.
 */
#ifndef KEY_BALLOTS
#define KEY_BALLOTS 3
#endif
#ifndef ROOT_BALLOTS
#define ROOT_BALLOTS 0
#endif
#ifndef RESCANS
#define RESCANS 4 /* ballots of the key that are a RESCAN, as a mask: 2; the others write */
#endif
#if KEY_BALLOTS > ROOT_BALLOTS
#define BALLOTS KEY_BALLOTS
#else
#define BALLOTS ROOT_BALLOTS
#endif
#define NONE 0

#ifdef REACH
#define DONE(k, b, v)                                                                                                  \
	(k == KEY && v != 1 && reg[k].net[b].epoch == NEW && reg[k].net[1].epoch == OLD &&                             \
		has(reg[k].made_from[v] & reg[k].chosen, 1))
#else
#define DONE(k, b, v) false
#endif

#define bit(i)	     (1 << (i))
#define has(mask, i) (((mask) >> (i)) & 1)
#define two_of(mask) (((mask) & ((mask) - 1)) != 0)

/* Sets of voters are masks. QUORUMS: each that is one when the last of its answers comes, at any epoch. */
#ifdef GROW
#define VOTERS	       3
#define old_most(mask) has(mask, 0)
#define new_most(mask) two_of(mask)
#define in_old(v)      ((v) == 0)
#define in_new(v)      true
#define QUORUMS(use)   use(1) :: use(3) :: use(5) :: use(6) :: use(7)
#else
#define VOTERS	       4
#define old_most(mask) two_of((mask) & 7)
#define new_most(mask) two_of((mask) & 11)
#define in_old(v)      ((v) != 3)
#define in_new(v)      ((v) != 2)
#define QUORUMS(use)                                                                                                   \
	use(3) :: use(5) :: use(6) :: use(7) :: use(9) :: use(10) :: use(11) :: use(13) :: use(14)
#endif
#define ALL (bit(VOTERS) - 1)

/* Epochs: (1, C), (2, C, C'), (3, C'). */
#define OLD   1
#define JOINT 2
#define NEW   3
#define both(mask) (old_most(mask) && new_most(mask))
#ifdef M8
#define joint_most(mask) new_most(mask)
#else
#define joint_most(mask) both(mask)
#endif
#define quorum(e, mask)                                                                                                \
	(((e) == OLD && old_most(mask)) || ((e) == JOINT && joint_most(mask)) || ((e) == NEW && new_most(mask)))
#define votes_at(e, v) ((e) == JOINT || ((e) == OLD && in_old(v)) || ((e) == NEW && in_new(v)))

/* What was sent at a ballot, all of it at one epoch. `promised` and `accepted` are voters. */
typedef messages {
	byte epoch; /* 0: it has not begun */
	byte promised;
	byte told[VOTERS]; /* with the promise: what was accepted */
	byte value;	   /* of the Accept; NONE: not sent */
	byte accepted	   /* ALL once it is chosen */
};

/* Values are named after the ballot that they were first sent with. */
typedef reg_state {
	byte promised[VOTERS], accepted[VOTERS];
	messages net[BALLOTS + 1];
	byte made_from[BALLOTS + 1]; /* values, the value itself too */
	byte chosen		     /* values */
};

#define ROOT 0
#define KEY  1
reg_state reg[2];
byte says[BALLOTS + 1]; /* the epoch of the configuration in that value of the root register */

byte epoch[VOTERS] = OLD, durable_epoch[VOTERS] = OLD;
byte cfg = OLD;	 /* the epoch of the newest chosen configuration */
byte unlisted;	 /* voters whose list has no key */
bool carried;	 /* one of them is done */

byte i, x, base; /* 0 between steps */

/* ---- what must be true ---- */

#define must(cond, text)                                                                                               \
	if                                                                                                             \
	:: cond                                                                                                        \
	:: else -> printf(text); assert(false)                                                                         \
	fi

inline is_chosen(k, value)
{
	i = 1;
	do
	:: i <= BALLOTS ->
		must(!has(reg[k].chosen, i) || has(reg[k].made_from[value], i) || has(reg[k].made_from[i], value),
			"wrong: two values are chosen, neither made from the other\n");
		i++
	:: else -> break
	od;
	i = 0;
	reg[k].chosen = reg[k].chosen | bit(value)
}

inline seen(q)
{
	base = 0;
	i = 0;
	do
	:: i < VOTERS ->
		if
		:: has(q, i) && reg[KEY].accepted[i] > base -> base = reg[KEY].accepted[i]
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0;
	x = reg[KEY].net[base].value;
	must((reg[KEY].chosen & ~reg[KEY].made_from[x]) == 0, "wrong: a quorum does not show what is chosen\n");
	base = 0;
	x = 0
}

inline never_lost()
{
#if !defined OUTCOMES && defined GROW
	if
	:: cfg == OLD -> seen(1)
	:: cfg == JOINT -> seen(3); seen(5)
	:: cfg == NEW -> seen(3); seen(5); seen(6)
	fi
#elif !defined OUTCOMES
	if
	:: cfg == OLD -> seen(3); seen(5); seen(6)
	:: cfg == JOINT -> seen(3); seen(13); seen(14)
	:: cfg == NEW -> seen(3); seen(9); seen(10)
	fi
#else
	skip
#endif
}

/* ---- a voter ---- */

#define is_known(k, b, e) ((reg[k].net[b].epoch == 0 && cfg >= (e)) || reg[k].net[b].epoch == (e))

#ifdef M7
#define takes(v, e) votes_at(e, v)
#else
#define takes(v, e) (votes_at(e, v) && epoch[v] <= (e))
#endif
#define may_promise(k, v, b)                                                                                           \
	(reg[k].net[b].value == NONE && (b) > reg[k].promised[v] && (b) > reg[k].accepted[v])
#define may_accept(k, v, b)                                                                                            \
	(reg[k].net[b].value != NONE && (b) >= reg[k].promised[v] && (b) > reg[k].accepted[v] &&                       \
		takes(v, reg[k].net[b].epoch))

/* What is durable of a register rests on an epoch that is. */
inline enter(v, e)
{
	if
	:: e > epoch[v] -> epoch[v] = e
	:: else
	fi;
	durable_epoch[v] = epoch[v]
}

inline known(e)
{
	printf("epoch %d is chosen\n", e);
	cfg = e;
	if
	:: cfg == NEW -> unlisted = 0; carried = false
	:: else
	fi
}

inline key_carried()
{
	printf("the key is carried over\n");
	carried = true;
	unlisted = 0
}

inline prepare(k, v, b, e)
{
	printf("voter %d, register %d: promises %d at epoch %d, has accepted %d\n", v, k, b, e, reg[k].accepted[v]);
	enter(v, e);
	reg[k].net[b].epoch = e;
	reg[k].promised[v] = b;
	reg[k].net[b].promised = reg[k].net[b].promised | bit(v);
	reg[k].net[b].told[v] = reg[k].accepted[v]
}

inline accept(k, v, b)
{
	printf("voter %d, register %d: accepts %d at epoch %d\n", v, k, b, reg[k].net[b].epoch);
	x = reg[k].net[b].epoch;
	enter(v, x);
	reg[k].promised[v] = b;
	reg[k].accepted[v] = b;
	if
	:: reg[k].net[b].accepted != ALL ->
		reg[k].net[b].accepted = reg[k].net[b].accepted | bit(v);
		if
		:: quorum(x, reg[k].net[b].accepted) ->
			reg[k].net[b].accepted = ALL;
			x = reg[k].net[b].value;
			printf("register %d: value %d is chosen\n", k, x);
			is_chosen(k, x);
			must(!DONE(k, b, x), "C' has a value that was made from one of C\n");
			if
			:: k == ROOT && says[x] > cfg -> known(says[x])
			:: k == KEY && has(RESCANS, b) && cfg == JOINT -> key_carried()
			:: else
			fi
		:: else
		fi
	:: else
	fi;
#ifdef UNCHOSEN
	if
	:: k == ROOT && says[reg[ROOT].net[b].value] > cfg -> known(says[reg[ROOT].net[b].value])
	:: else
	fi;
#endif
	x = 0;
	never_lost()
}

#ifdef EARLY
#define is_sealed(v) (epoch[v] >= JOINT)
#else
#define is_sealed(v) (durable_epoch[v] >= JOINT)
#endif
#ifdef GROW
#define sealed (is_sealed(0) | is_sealed(1) << 1 | is_sealed(2) << 2)
#else
#define sealed (is_sealed(0) | is_sealed(1) << 1 | is_sealed(2) << 2 | is_sealed(3) << 3)
#endif

/* Nobody asks any more once the key was carried over. */
#ifdef LISTS
#define lists_nothing(v) (reg[KEY].accepted[v] == 0 && cfg < NEW && !carried && !has(unlisted, v))
#else
#define lists_nothing(v) (reg[KEY].promised[v] == 0 && cfg < NEW && !carried && !has(unlisted, v))
#endif

inline list(v)
{
	if
	:: lists_nothing(v) -> printf("voter %d: lists nothing\n", v); unlisted = unlisted | bit(v)
	:: else
	fi
}

inline is_asked_to_seal(v)
{
	printf("voter %d: is asked to seal\n", v);
	epoch[v] = JOINT;
#ifdef EARLY
	list(v)
#endif
}

inline store_epoch(v)
{
	printf("voter %d: is sealed\n", v);
	durable_epoch[v] = epoch[v];
#if !defined M9 && !defined EARLY
	list(v)
#endif
}

inline crash(v)
{
	printf("voter %d: crashes\n", v);
	epoch[v] = durable_epoch[v]
}

#define may_rescan(b)                                                                                                  \
	(has(RESCANS, b) && (reg[KEY].net[b].epoch != 0 || (cfg == JOINT && both(sealed) && !carried)))

#define KEY_PREPARE(b, e)                                                                                              \
	d_step {                                                                                                       \
		is_known(KEY, b, e) && !has(RESCANS, b) && takes(_pid, e) && may_promise(KEY, _pid, b) ->              \
			prepare(KEY, _pid, b, e)                                                                       \
	}
#define KEY_RESCAN(b)                                                                                                  \
	d_step {                                                                                                       \
		may_rescan(b) && takes(_pid, JOINT) && may_promise(KEY, _pid, b) ->                                    \
			prepare(KEY, _pid, b, JOINT)                                                                   \
	}
#define ROOT_PREPARE(b, e)                                                                                             \
	d_step { is_known(ROOT, b, e) && takes(_pid, e) && may_promise(ROOT, _pid, b) -> prepare(ROOT, _pid, b, e) }
#define ACCEPT(k, b) d_step { may_accept(k, _pid, b) -> accept(k, _pid, b) }

#define KEY_REQUESTS(b)                                                                                                \
	KEY_PREPARE(b, OLD) :: KEY_PREPARE(b, JOINT) :: KEY_PREPARE(b, NEW) :: KEY_RESCAN(b) :: ACCEPT(KEY, b)
#define ROOT_REQUESTS(b) ROOT_PREPARE(b, OLD) :: ROOT_PREPARE(b, JOINT) :: ROOT_PREPARE(b, NEW) :: ACCEPT(ROOT, b)

active [VOTERS] proctype voter()
{
end:	do
#if KEY_BALLOTS >= 3
	:: KEY_REQUESTS(1)
	:: KEY_REQUESTS(2)
	:: KEY_REQUESTS(3)
#endif
#if KEY_BALLOTS >= 4
	:: KEY_REQUESTS(4)
#endif
#if ROOT_BALLOTS >= 2
	:: ROOT_REQUESTS(1)
	:: ROOT_REQUESTS(2)
#endif
#if ROOT_BALLOTS >= 3
	:: ROOT_REQUESTS(3)
#endif
#if ROOT_BALLOTS >= 4
	:: ROOT_REQUESTS(4)
#endif
#ifdef M9
	:: d_step { lists_nothing(_pid) -> list(_pid) }
#endif
	:: d_step { cfg == JOINT && epoch[_pid] < JOINT -> is_asked_to_seal(_pid) }
	:: d_step { epoch[_pid] != durable_epoch[_pid] -> store_epoch(_pid) }
	:: d_step { epoch[_pid] != durable_epoch[_pid] -> crash(_pid) }
	od
}

/* ---- a proposal ---- */

inline highest(k, b, q)
{
	i = 0;
	do
	:: i < VOTERS ->
		if
		:: has(q, i) && reg[k].net[b].told[i] > base -> base = reg[k].net[b].told[i]
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

/* The promises have done their work. */
inline send(k, b, id)
{
	reg[k].net[b].value = id;
	reg[k].net[b].promised = 0;
	i = 0;
	do
	:: i < VOTERS -> reg[k].net[b].told[i] = 0; i++
	:: else -> break
	od;
	i = 0
}

inline change(k, b)
{
	printf("proposal %d, register %d: a value made from that of %d\n", b, k, base);
	reg[k].made_from[b] = bit(b);
	if
	:: base != 0 -> reg[k].made_from[b] = reg[k].made_from[b] | reg[k].made_from[reg[k].net[base].value]
	:: else
	fi;
	send(k, b, b)
}

inline same(k, b)
{
	printf("proposal %d, register %d: carries the value of %d\n", b, k, base);
	x = reg[k].net[base].value;
	send(k, b, x)
}

inline key_propose(b, q)
{
	highest(KEY, b, q);
	if
	:: !has(RESCANS, b) -> change(KEY, b)
	:: has(RESCANS, b) && base != 0 -> same(KEY, b)
	:: has(RESCANS, b) && base == 0 && cfg == JOINT -> key_carried() /* it finds nothing */
	:: else
	fi;
	base = 0;
	x = 0
}

#ifdef M10
#define may_be_stable both(sealed)
#else
#define may_be_stable (both(sealed) && (carried || both(unlisted & sealed)))
#endif

/* At OLD: JOINT. At JOINT: STABLE, or what is there is carried. What was done already is recognised. */
inline root_propose(b, q)
{
	highest(ROOT, b, q);
	x = (base != 0 -> says[reg[ROOT].net[base].value] : OLD);
#ifndef OUTCOMES
	must(x >= reg[ROOT].net[b].epoch, "wrong: the root register is behind the epoch at which it is read\n");
#endif
	if
	:: x == reg[ROOT].net[b].epoch && (x == OLD || (x == JOINT && may_be_stable)) ->
		says[b] = x + 1;
		change(ROOT, b)
	:: x > reg[ROOT].net[b].epoch || x == NEW -> same(ROOT, b)
	:: else
	fi;
	base = 0;
	x = 0
}

inline root_carry(b, q)
{
	highest(ROOT, b, q);
	if
	:: base != 0 -> same(ROOT, b)
	:: else
	fi;
	base = 0;
	x = 0
}

#define is_promised(k, b, q)                                                                                           \
	(reg[k].net[b].value == NONE && (reg[k].net[b].promised & (q)) == (q) && quorum(reg[k].net[b].epoch, q))
#define KEY_1(q)  d_step { is_promised(KEY, 1, q) -> key_propose(1, q) }
#define KEY_2(q)  d_step { is_promised(KEY, 2, q) -> key_propose(2, q) }
#define KEY_3(q)  d_step { is_promised(KEY, 3, q) -> key_propose(3, q) }
#define KEY_4(q)  d_step { is_promised(KEY, 4, q) -> key_propose(4, q) }
#define ROOT_ANY(b, q)                                                                                                 \
	d_step { is_promised(ROOT, b, q) -> root_propose(b, q) }                                                       \
	:: d_step { is_promised(ROOT, b, q) && reg[ROOT].net[b].epoch == JOINT -> root_carry(b, q) }
#define ROOT_1(q) ROOT_ANY(1, q)
#define ROOT_2(q) ROOT_ANY(2, q)
#define ROOT_3(q) ROOT_ANY(3, q)
#define ROOT_4(q) ROOT_ANY(4, q)

active proctype proposals()
{
end:	do
#if KEY_BALLOTS >= 3
	:: QUORUMS(KEY_1)
	:: QUORUMS(KEY_2)
	:: QUORUMS(KEY_3)
#endif
#if KEY_BALLOTS >= 4
	:: QUORUMS(KEY_4)
#endif
#if ROOT_BALLOTS >= 2
	:: QUORUMS(ROOT_1)
	:: QUORUMS(ROOT_2)
#else
	:: d_step { cfg == OLD -> known(JOINT); never_lost() }
	:: d_step { cfg == JOINT && may_be_stable -> known(NEW); never_lost() }
#endif
#if ROOT_BALLOTS >= 3
	:: QUORUMS(ROOT_3)
#endif
#if ROOT_BALLOTS >= 4
	:: QUORUMS(ROOT_4)
#endif
	od
}
