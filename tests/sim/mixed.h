/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_MIXED_H
#define TESTS_SIM_MIXED_H
/*
 * Two versions in one cluster of whole nodes: some are of the version N that is built here, some of a next one, N+1,
 * from the start or since a restart; a rolling upgrade goes through them, and some go back. N+1 is the same code with
 * what PROTOCOL.md allows a next version:
 *	- the frames that it sends have fields behind the known ones, in each struct of them, and now and then there is
 *	  one of a type that N does not know (mixed_wire.c); so has what it tells in its map, and its record says so
 *	- the values that it writes have fields behind the known ones, under what they belong to: a number that rises
 *	  with each value that such a node makes; in some runs it raises min_version of one register (mixed_value.c)
 * It is put around the encoders, readers and writers by the linker (local.mk). What must be true (mixed_truth.c):
 *	- a frame with such fields is read as without them
 *	- a value has all such fields of the value that it was made from, as long as what they belong to is there: byte
 *	  for byte where N made it, else with a higher number
 *	- N makes nothing of a value whose min_version it lacks, and refuses a command on it with the sentence for that
 *
 * All draws are of a generator of its own: a run without is as it was.
 */
#include "tests/sim/figures.h"
#include "tests/sim/sim.h"

struct mixed;

struct mixed *mixed_new(struct sim *s, uint64_t seed);
void mixed_free(struct sim *s);
void mixed_begin(struct sim *s); /* the rolling upgrade, from now on */
void mixed_due(struct sim *s);
void mixed_end(struct sim *s);	/* of the upgrade: whom it took down is there again */
void mixed_calm(struct sim *s); /* all others are there too: if a value asks for it, one is of N+1 */
/* Of the root register: w, or one of N+1 if that is needed. */
struct whole *mixed_to_ask(struct sim *s, struct whole *w);
void mixed_figures(const struct mixed *m, struct figures *f);

/* Whose code runs from now on; returns whose did, to be given back. NULL: nobody's. */
struct sim_node *mixed_enter(struct sim_node *n);
void mixed_starts(struct sim_node *n); /* its daemon: of which version */
/* Behind the frame that it has just sent: now and then another one. Its length; 0: none. */
size_t mixed_odd_frame(struct sim_node *n, const uint8_t *frame, size_t len, uint8_t *out, size_t cap);
bool mixed_is_odd(const struct sim *s, int rc); /* wire_decode's word of a frame is that of one of these */

#endif
