/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_BOARD_H
#define BENCH_BOARD_H
/*
 * The board: a file that the harness makes and that every benchmark agent maps, whoever started it. An agent
 * notes on it when it began, when it ended by itself, and whether the one before it was still there. The
 * harness reads it as bench/board.py says, which must be changed along with this. A head page, then the
 * slots, then the notes.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define BOARD_MAGIC 0x636f76657962656eULL /* "coveyben" */
#define BOARD_HEAD  4096

struct board_head {
	uint64_t magic;
	uint32_t slots, notes;	  /* how many of each the file has room for */
	_Atomic uint32_t started; /* starts of all slots together: what the harness polls */
	_Atomic uint32_t ended;
	_Atomic uint32_t noted; /* notes ever taken; past `notes` they are counted alone */
	_Atomic uint32_t doubled;
};

/* One agent's place; id is its index. */
struct board_slot {
	_Atomic uint32_t pid, starts, ends, doubled;
	_Atomic uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
	_Atomic uint64_t bytes;		   /* written so far (spam) */
	_Atomic int32_t code;		   /* that it ended with last */
	_Atomic uint32_t port;		   /* that it listens on (tcp) */
	uint64_t unused[2];
};
_Static_assert(sizeof(struct board_slot) == 64, "board.py reads these by offset");

enum board_kind { BOARD_STARTED = 1, BOARD_ENDED, BOARD_DOUBLED, BOARD_KIND_MAX };

struct board_note {
	uint64_t ns;
	uint32_t id, pid, kind; /* enum board_kind */
	int32_t value;		/* STARTED: the pid before; ENDED: the code; DOUBLED: the pid that was still there */
	uint64_t done;		/* 1 once the rest is written */
};
_Static_assert(sizeof(struct board_note) == 32, "board.py reads these by offset");

static inline size_t board_size(uint32_t slots, uint32_t notes)
{
	return BOARD_HEAD + slots * sizeof(struct board_slot) + notes * sizeof(struct board_note);
}

static inline struct board_slot *board_slots(struct board_head *b)
{
	return (struct board_slot *)(void *)((char *)b + BOARD_HEAD);
}

static inline struct board_note *board_notes(struct board_head *b)
{
	return (struct board_note *)(void *)(board_slots(b) + b->slots);
}

#endif
