/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H
/*
 * What is done to the nodes of a run: kinds of faults, each with its rate, drawn from the seed; most end after a while
 * by themselves. What people and agents do stands in the same table: values set, nodes that join and leave.
 */
#include "tests/sim/sim.h"

#define FAULTS_KINDS_MAX  32
#define FAULTS_ACTIVE_MAX 512

struct fault {
	struct heap_item end; /* or the next turn of what flips */
	const struct fault_kind *kind;
	uint32_t a, b; /* nodes that it touches; UINT32_MAX: none */
	int64_t until_us;
	bool used, turned;
};

enum fault_for { FAULT_FOR_ALL, FAULT_FOR_GOSSIP, FAULT_FOR_WHOLE, FAULT_FOR_MAX };

struct fault_kind {
	const char *name;
	uint32_t a_minute_milli; /* of the whole cluster, as a swarm's middle */
	int64_t mean_us;	 /* how long; 0: it has no end */
	bool (*begin)(struct sim *s, struct fault *f);
	void (*end)(struct sim *s, struct fault *f);
	bool (*turn)(struct sim *s, struct fault *f); /* flips, again and again until its end */
	bool touches_all;
	enum fault_for only; /* kinds of runs that have it */
};

struct faults *faults_new(struct sim *s, uint64_t seed);
void faults_free(struct faults *f);
/* "swarm", "none", or kinds by name with commas: "crash,pause=12" (a minute). False: *ret_bad is what is not known. */
bool faults_choose(struct faults *f, const char *list, const char **ret_bad);
void faults_begin(struct sim *s);
void faults_heal(struct sim *s); /* no more; all that are under way end */
void faults_due(struct sim *s, struct heap_item *item);
/* "crash 1.5, pause 12 a minute" */
char *faults_text(const struct faults *f, char *out, size_t n);
const char *faults_kind_name(size_t i); /* NULL behind the last */
uint64_t faults_done(const struct faults *f);

/* One of a kind, now, for scenarios. a: UINT32_MAX draws. */
bool faults_one(struct sim *s, const char *kind, uint32_t a, int64_t for_us);

#endif
