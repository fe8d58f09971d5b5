/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One register: three voters that crash, and proposers that do so too, on a network that loses, repeats and reorders.
 * Rules 1 to 4 of consensus/acceptor.h and consensus/proposer.h, without leases; voters.pml has the change of voters.
 * dev/model searches every state that can be reached; nothing here is drawn by chance.
 *
 * *Checked*
 * - Chain: of any two chosen values one was made from the other. A value is a number with all that it was made from.
 * - Durable: with the answer that makes a value chosen, a quorum of disks has it.
 * - Never lost: the highest ballot that any quorum of disks has accepted carries all that was chosen, so whoever asks a
 *   quorum sees it. With READS also what a read in one round says, whose answers come at different times.
 * A value counts as chosen with the last answer of a quorum that is sent, heard or not. With OUTCOMES the chain alone
 * is checked, so that a mutant is judged by what comes of it.
 *
 * *What is left out, and why nothing is lost by it*
 * - Messages are a set that only grows: what was sent may be handled at any time, twice, in any order, or never. An
 *   answer to a repeated request is the one that is in the set already. What nobody will read any more is taken out.
 * - There is no proposer with a state: each ballot is one try of somebody, all tries run at once, and each is what a
 *   quorum of promises lets it send. Whoever tries twice, or crashes and comes back with another nonce, is two of them;
 *   whoever gives up is one whose messages are not handled. So BALLOTS tries stand for as many proposers, or fewer.
 * - A Prepare needs no sender: it may always have been sent. Once an Accept is sent, no Prepare of that ballot is
 *   handled: such a promise is of no use to anybody and only makes its voter refuse more, as if messages were lost.
 * - A refusal tells its proposer to use a higher ballot, and all ballots are there. So there are none.
 * - A change function gives any new value, or the same one; which of them is free at each try.
 * - All that was handed over becomes durable at once. Where a part does, and then the voter crashes, the rest is as a
 *   message that was never handled, since nothing of it was answered.
 *
 * *Not covered*: more than BALLOTS tries, more voters, leases, a disk that went back in time (M6), whether anything is
 * ever chosen.
 *
 * *Switches* leave one rule out: M1 to M5 as in consensus/rules.h; EARLY answers when a write is handed over. REACH
 * calls it wrong when three values are chosen, so that one sees that they can be.
 */
#ifndef BALLOTS
#define BALLOTS 3
#endif
#define VOTERS 3
#ifdef M3
#define VALUES (2 * BALLOTS)
#else
#define VALUES BALLOTS
#endif
#define NONE   0

#ifdef REACH
#define DONE (chosen == 14)
#else
#define DONE false
#endif

#define bit(i)	     (1 << (i))
#define has(mask, i) (((mask) >> (i)) & 1)
#define two_of(mask) (((mask) & ((mask) - 1)) != 0)
#define ALL	     (bit(VOTERS) - 1)

/* Of a voter; `owed` are the ballots whose answers wait for the disk. */
typedef image {
	byte promised, accepted, value
};
typedef owes {
	byte promise, accepted
};
image mem[VOTERS], disk[VOTERS];
owes owed[VOTERS];

/* What was sent at a ballot. `promised` and `accepted` are voters, as masks. */
typedef messages {
	byte promised;
	byte told[VOTERS], told_value[VOTERS]; /* with the promise: what was accepted */
	byte value;			       /* of the Accept; NONE: not sent */
	byte accepted;			       /* ALL once it is chosen */
#ifdef M3
	byte again /* another value, sent at the same ballot */
#endif
};
messages net[BALLOTS + 1];

short made_from[VALUES + 1]; /* values, the value itself too */
short chosen;		     /* values */

byte i, n, x, base, base_value; /* 0 between steps */

/* ---- what must be true ---- */

#define must(cond, text)                                                                                               \
	if                                                                                                             \
	:: cond                                                                                                        \
	:: else -> printf(text); assert(false)                                                                         \
	fi

inline is_chosen(v)
{
	i = 1;
	do
	:: i <= VALUES ->
		must(!has(chosen, i) || has(made_from[v], i) || has(made_from[i], v),
			"wrong: two values are chosen, neither made from the other\n");
		i++
	:: else -> break
	od;
	i = 0;
	chosen = chosen | bit(v);
	must(!DONE, "three values are chosen\n")
}

#define newer(a, b) (disk[a].accepted > disk[b].accepted -> disk[a].value : disk[b].value)
#define is_seen(a, b) ((chosen & ~made_from[newer(a, b)]) == 0)

inline never_lost()
{
#ifndef OUTCOMES
	must(is_seen(0, 1) && is_seen(0, 2) && is_seen(1, 2), "wrong: a quorum of disks does not show what is chosen\n")
#else
	skip
#endif
}

#define on_disk(v, b) (disk[v].accepted >= b)

inline durable(b)
{
#ifndef OUTCOMES
	must(on_disk(0, b) + on_disk(1, b) + on_disk(2, b) >= 2, "wrong: it is not durable\n")
#else
	skip
#endif
}

/* ---- a voter ---- */

#ifdef M2
#define enough(mask) ((mask) != 0)
#else
#define enough(mask) two_of(mask)
#endif

#ifdef M3
#define is_open(b)   (net[b].again == NONE)
#define is_sent(b, v) ((v) != NONE && (net[b].value == (v) || net[b].again == (v)))
#else
#define is_open(b)    (net[b].value == NONE)
#define is_sent(b, v) (net[b].value == (v) && (v) != NONE)
#endif

#ifdef M1
#define may_promise(v, b) (is_open(b) && (b) > mem[v].promised)
#define may_accept(v, b)  ((b) >= mem[v].promised && (b) != mem[v].accepted)
#else
#define may_promise(v, b) (is_open(b) && (b) > mem[v].promised && (b) > mem[v].accepted)
#define may_accept(v, b)  ((b) >= mem[v].promised && (b) > mem[v].accepted)
#endif
#define is_settled(v)                                                                                                  \
	(mem[v].promised == disk[v].promised && mem[v].accepted == disk[v].accepted && mem[v].value == disk[v].value)

inline say_promised(v, b)
{
	if
	:: is_open(b) -> net[b].promised = net[b].promised | bit(v)
	:: else
	fi
}

inline say_accepted(v, b)
{
	if
	:: net[b].accepted != ALL ->
		net[b].accepted = net[b].accepted | bit(v);
		if
		:: enough(net[b].accepted) ->
			net[b].accepted = ALL;
#ifdef M3
			x = (net[b].again != NONE -> net[b].again : net[b].value);
#else
			x = net[b].value;
#endif
			printf("value %d is chosen at %d\n", x, b);
			durable(b);
			is_chosen(x);
			x = 0
		:: else
		fi
	:: else
	fi
}

/* Rule 1. */
inline prepare(v, b)
{
	printf("voter %d promises %d, has accepted %d\n", v, b, mem[v].accepted);
	mem[v].promised = b;
	net[b].told[v] = mem[v].accepted;
	net[b].told_value[v] = mem[v].value;
#ifdef EARLY
	say_promised(v, b)
#else
	owed[v].promise = owed[v].promise | bit(b)
#endif
}

/* Rule 3. */
inline accept(v, b, id)
{
	printf("voter %d accepts %d, value %d\n", v, b, id);
#ifndef M1
	mem[v].promised = b;
#endif
	mem[v].accepted = b;
	mem[v].value = id;
#ifdef EARLY
	say_accepted(v, b)
#else
	owed[v].accepted = owed[v].accepted | bit(b)
#endif
}

inline store(v)
{
	printf("voter %d: all is durable\n", v);
	disk[v].promised = mem[v].promised;
	disk[v].accepted = mem[v].accepted;
	disk[v].value = mem[v].value;
	n = 1;
	do
	:: n <= BALLOTS ->
		if
		:: has(owed[v].promise, n) -> say_promised(v, n)
		:: else
		fi;
		if
		:: has(owed[v].accepted, n) -> say_accepted(v, n)
		:: else
		fi;
		n++
	:: else -> break
	od;
	n = 0;
	owed[v].promise = 0;
	owed[v].accepted = 0;
	never_lost()
}

inline crash(v)
{
	printf("voter %d crashes\n", v);
#ifdef M5
	disk[v].promised = 0;
	disk[v].accepted = 0;
	disk[v].value = NONE;
#endif
	mem[v].promised = disk[v].promised;
	mem[v].accepted = disk[v].accepted;
	mem[v].value = disk[v].value;
	n = 1;
	do
	:: n <= BALLOTS ->
		if
		:: has(owed[v].promise, n) -> net[n].told[v] = 0; net[n].told_value[v] = NONE
		:: else
		fi;
		n++
	:: else -> break
	od;
	n = 0;
	owed[v].promise = 0;
	owed[v].accepted = 0;
	never_lost()
}

#define PREPARE(b)   d_step { may_promise(_pid, b) -> prepare(_pid, b) }
#define ACCEPT(b, v) d_step { is_sent(b, v) && may_accept(_pid, b) -> accept(_pid, b, v) }
#ifdef M3
#define REQUESTS(b) PREPARE(b) :: ACCEPT(b, net[b].value) :: ACCEPT(b, net[b].again)
#else
#define REQUESTS(b) PREPARE(b) :: ACCEPT(b, net[b].value)
#endif

active [VOTERS] proctype voter()
{
end:	do
	:: REQUESTS(1)
	:: REQUESTS(2)
#if BALLOTS >= 3
	:: REQUESTS(3)
#endif
#if BALLOTS >= 4
	:: REQUESTS(4)
#endif
	:: d_step { !is_settled(_pid) -> store(_pid) }
#ifdef M5
	:: d_step { crash(_pid) }
#else
	:: d_step { !is_settled(_pid) -> crash(_pid) } /* else it changes nothing */
#endif
	od
}

/* ---- a proposal ---- */

/* Rule 2, of the promises of a quorum. */
inline highest(b, q)
{
	i = 0;
	do
	:: i < VOTERS ->
		if
		:: has(q, i) && net[b].told[i] > base -> base = net[b].told[i]; base_value = net[b].told_value[i]
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

/* The promises have done their work. */
inline sent(b)
{
#ifndef M3
	net[b].promised = 0;
	i = 0;
	do
	:: i < VOTERS ->
		net[b].told[i] = 0;
		net[b].told_value[i] = NONE;
		owed[i].promise = owed[i].promise & ~bit(b);
		i++
	:: else -> break
	od;
	i = 0
#else
	skip
#endif
}

inline change(b, q)
{
	highest(b, q);
	x = (net[b].value == NONE -> b : b + BALLOTS); /* the second with M3 */
	printf("proposal %d: value %d, made from %d\n", b, x, base_value);
	made_from[x] = bit(x);
	if
	:: base_value != NONE -> made_from[x] = made_from[x] | made_from[base_value]
	:: else
	fi;
	if
	:: net[b].value == NONE -> net[b].value = x; sent(b)
#ifdef M3
	:: else ->
		net[b].again = x;
		if
		:: net[b].accepted == ALL -> is_chosen(x)
		:: else
		fi
#endif
	fi;
	base = 0;
	base_value = NONE;
	x = 0
}

/* A change that is none, or a read. A quorum that has accepted nothing is its answer. */
inline same(b, q)
{
	highest(b, q);
	if
#ifdef M4
	:: base_value != NONE -> printf("proposal %d says %d\n", b, base_value); is_chosen(base_value)
#else
	:: base_value != NONE ->
		printf("proposal %d carries value %d\n", b, base_value);
		net[b].value = base_value;
		sent(b)
#endif
	:: else
	fi;
	base = 0;
	base_value = NONE
}

#define promised_by(b, q) (is_open(b) && (net[b].promised & (q)) == (q))
#define CHANGE(b, q)	  d_step { promised_by(b, q) -> change(b, q) }
#define SAME(b, q)	  d_step { promised_by(b, q) && net[b].value == NONE -> same(b, q) }
#define PROPOSAL(b)                                                                                                    \
	CHANGE(b, 3) :: CHANGE(b, 5) :: CHANGE(b, 6) :: SAME(b, 3) :: SAME(b, 5) :: SAME(b, 6)

active proctype proposals()
{
end:	do
	:: PROPOSAL(1)
	:: PROPOSAL(2)
#if BALLOTS >= 3
	:: PROPOSAL(3)
#endif
#if BALLOTS >= 4
	:: PROPOSAL(4)
#endif
	od
}

/* ---- a read in one round ---- */

#ifdef READS
/* A voter answers when its newest write is durable; two that say the same ballot are enough. */
byte first, first_says; /* who answered, from 1 on; with what ballot */
short before;		/* what was chosen by then */

#define VALUE(v)                                                                                                       \
	d_step { first == 0 && is_settled(v) -> first = v + 1; first_says = disk[v].accepted; before = chosen }        \
	:: d_step {                                                                                                    \
		first != 0 && first != v + 1 && is_settled(v) && agrees(v) ->                                          \
			x = (disk[v].accepted >= first_says -> disk[v].value : disk[first - 1].value);                 \
			said()                                                                                         \
	}
#ifdef M4
#define agrees(v) true
#else
#define agrees(v) (disk[v].accepted == first_says)
#endif

inline said()
{
	printf("a read says %d\n", x);
	must((before & ~made_from[x]) == 0, "wrong: more was chosen before\n");
	if
	:: x != NONE -> is_chosen(x)
	:: else
	fi;
	x = 0;
	first = 0;
	first_says = 0;
	before = 0
}

active proctype reader()
{
end:	do
	:: VALUE(0)
	:: VALUE(1)
	:: VALUE(2)
	:: d_step { first != 0 -> first = 0; first_says = 0; before = 0 }
	od
}
#endif
