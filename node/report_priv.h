/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_REPORT_PRIV_H
#define NODE_REPORT_PRIV_H
/*
 * What the reading verbs share. What is not known is nil.
 */
#include "node/node.h"
#include "node/report.h"
#include "node/sysstat.h"

#define REPORT_MAX CONTROL_FRAME_MAX

/* "key": v, or nil when v is negative. */
void report_key_int(struct mp_writer *w, const char *key, int64_t v);
void report_key_real(struct mp_writer *w, const char *key, double v);
/* -1: it has none. */
int64_t report_pid(const struct runner *r);
int64_t report_memory_limit(const struct runner *r);
/* Sends it, or says that it is too large. Takes out. */
void report_send(struct control_request *rq, struct bytes *out);

/* What this node's replicas use, and what it has; also told to others. */
struct report_use {
	double cpu_cores;
	int64_t memory_bytes, replicas;
};
void report_own_use(struct node *n, struct report_use *ret);
void report_own_capacity(const struct node *n, double *ret_cores, int64_t *ret_bytes);
void report_pack_labels(struct mp_writer *w, const struct config *cfg);

/* `explain`: this node's replicas of the agent, as an array in which `more` others follow. */
void report_pack_replicas(struct mp_writer *w, const struct agent *a, size_t more);
/* The words of one: a running one's, and any other's. */
char *report_runs_text(int64_t for_ms, int64_t pid, const char *health, bool older, char *out, size_t n);
char *report_rests_text(const char *state, int64_t for_ms, const char *last_exit, char *out, size_t n);
/* report_decided.c. false: the cluster does not decide of it, or no memory. */
bool report_explain_decided(struct node *n, struct control_request *rq, const struct agent *a);

/* Of the document of `top`: "node" and "daemon", two pairs; the cores that are busy are rates, -1: not known. */
struct report_host {
	struct sysstat_host host;
	struct sysstat_self self;
	double host_cores, self_cores;
};
void report_pack_host(struct mp_writer *w, const struct report_host *h);

#endif
