/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_ADOPT_H
#define NODE_ADOPT_H
/*
 * After a start of the daemon: finds what runs already. Order matters, and is the whole proof that nothing runs
 * twice:
 * the new generation is written first (adopt_claim), then sockets are looked for, then records, then groups. A shim
 * binds its socket first and reads the generation then; so either we see its socket, or it sees that we came and
 * starts nothing (supervisor/shim_proto.h).
 */
#include "base/err.h"

struct node;
struct runner;

/* Makes run_dir and its folders and writes daemon.gen. */
int adopt_claim(struct node *n, struct err *e);
/* Connects every shim, reads every record, ends groups that nobody looks after. Agents must be loaded. Replicas that
 * were found are `awaiting` until their shim answered. */
int adopt_scan(struct node *n, struct err *e);
/* The replica of an id ("web.3") that the store has a record of; NULL (and the record dropped) when its agent
 * is gone. */
struct runner *adopt_runner(struct node *n, const char *id);
/* Groups of replicas that are gone are removed; one is busy for a moment after its last process has ended.
 * Called once a
 * while. */
void adopt_sweep_groups(struct node *n);
/* The shim that was found has told its run: reads the records that were left until then. */
void adopt_answered(struct runner *r);
/* It was gone before it told: reads its record; without one, ends what is left in its group. */
void adopt_unanswered(struct runner *r);
/* run_dir was wiped under us: makes it again, and tells the shims to. Called once a while. */
void adopt_watch_run_dir(struct node *n);

#endif
