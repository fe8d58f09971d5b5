/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_CLUSTER_BED_H
#define TESTS_LIB_CLUSTER_BED_H
/*
 * Several real daemons of one test, n1, n2, …, on ports of the loopback interface that were free, every one with the
 * same list of addresses to join.
 */
#include "tests/lib/daemon.h"
#include "tests/lib/pki_bed.h"
#include "tests/lib/wait.h"

#define CLUSTER_BED_MAX 5

struct cluster_bed {
	size_t n;
	struct daemon_bed v[CLUSTER_BED_MAX];
	int port[CLUSTER_BED_MAX];
	char join[160];
	struct pki_bed *pki; /* NULL: insecure */
};

/* Configured, none started. pki: made already, authority "ca"; NULL: insecure. */
void cluster_bed_init(struct cluster_bed *b, size_t n, struct pki_bed *pki);
void cluster_bed_done(struct cluster_bed *b);
/* Writes node i's part of the configuration anew. join NULL: the list of all. authority: of its certificate. */
void cluster_bed_configure(struct cluster_bed *b, size_t i, const char *join, const char *authority);
/* Starts all, founds the cluster on n1, and waits until everyone sees everyone, and what they told of themselves. */
void cluster_bed_form(struct cluster_bed *b);
/* Whether those that run see n1, n2, … as these words say, one each: "alive dead -"; -: not listed. */
bool cluster_bed_all_see(struct cluster_bed *b, const char *states);

/* The state of a member as node i sees it; "" when it is none. */
const char *cluster_bed_state(struct cluster_bed *b, size_t i, const char *name);
/* A member's pair in `nodes`, as text. */
const char *cluster_bed_field(struct cluster_bed *b, size_t i, const char *name, const char *key);
size_t cluster_bed_members(struct cluster_bed *b, size_t i);
/* Whether its daemon once stood still for long, as it says itself: who called it dead meanwhile was right. */
bool cluster_bed_was_late(struct cluster_bed *b, size_t i);
/* Whether node i has told an event of that kind with both parts in its text. */
bool cluster_bed_told(struct cluster_bed *b, size_t i, const char *kind, const char *part, const char *other);
/* An agent in the status of node i, borrowed until the next call of that node; NULL: it shows none. */
const msgpack_object *cluster_bed_agent(struct cluster_bed *b, size_t i, const char *name);
/* A verb whose refusal is wanted: its sentence; fails the test when it is done. */
const char *cluster_bed_refused(struct cluster_bed *b, size_t i, const char *verb, const char *args);
/* A verb that must be done: its "text". */
const char *cluster_bed_does(struct cluster_bed *b, size_t i, const char *verb, const char *args);

int64_t cluster_bed_wall_ms(void);
int cluster_bed_free_port(void);

#endif
