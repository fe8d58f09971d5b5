/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_COUNCIL_H
#define NODE_COUNCIL_H
/*
 * What the cluster decides, as this daemon takes part in it: the core (agree.h) between its disk (votes.h), its links
 * (cluster_register.h) and the roster. There is one where there is a cluster.h.
 *
 *	council.c        the loop's callbacks, the core's outputs to edges
 *	council_open.c   beginning and end
 *	council_ask.c    commands, until they are answered
 *	council_told.c   what gossip tells
 *	council_tell.c   what people are told
 *	council_hold.c   leases
 *	council_import.c what a node alone has had becomes the cluster's
 *	council_view.c   what is known of the cluster when something is decided
 *	council_hint.c   how nodes hear that something was chosen
 *	council_era.c    lost voters were given up
 *	council_seen.c   what voters have written, as their peers remember it; when this one may vote
 *	council_recall.c whether what the disk says is to run is believed, before it is started
 *	decided.c        what was chosen becomes what is to run here
 *	decree.c         commands of operators
 */
#include "base/err.h"
#include "node/agree.h"
#include "node/mp.h"

struct agent;
struct agent_spec;
struct council;
struct gossip_member;
struct node;

int council_open(struct node *n, struct council **ret, struct err *e); /* before the store's first job */
/* What was chosen is in the roster then: before anybody looks for what runs. */
int council_load(struct council *c, struct err *e);
void council_begin(struct council *c); /* once cluster.h is open */
/* Nothing is decided any more; what waits is answered. Before the store is closed; NULL is fine. */
void council_end(struct council *c);
void council_close(struct council *c); /* after the store; NULL is fine */

/* What the turn of the loop has brought: before it waits. */
void council_turn(struct council *c);

/*
 * cmd is copied. `fn` is called once, never from within this call; the answer is borrowed for the call. -ENOMEM,
 * -ESHUTDOWN (it has ended): it is not.
 */
typedef void council_answered(void *arg, const struct agree_answer *a);
int council_command(struct council *c, const struct agree_command *cmd, council_answered *fn, void *arg) MUST_CHECK;
int council_root_command(
	struct council *c, const struct agree_root_command *cmd, council_answered *fn, void *arg) MUST_CHECK;

/* A definition that was read, and is about to be decided on: it is not read once more. Takes another reference. */
void council_defined(struct council *c, struct agent_spec *spec);
/* The newest value known to be chosen, borrowed until the loop turns; false: none is. */
bool council_get(
	const struct council *c, const char *agent, struct ballot *ret_ballot, struct msg_bytes *ret_value) MUST_CHECK;
/* NULL, or why nothing can be decided here now, for people. */
const char *council_fault(const struct council *c, char *out, size_t n);
/* This node came a moment ago and has not heard of a majority yet: what is asked of it waits for that (verbs.c). */
bool council_is_coming(const struct council *c);
/* Who votes, as far as is known; epoch 0: nobody. */
const struct quorum_cfg *council_voters(const struct council *c);
bool council_is_voter(const struct council *c, uint64_t member);

const struct register_root *council_root(const struct council *c); /* NULL: it is not known */

/*
 * Before lost voters are given up: this node votes though nobody is there to tell it of its votes, since the operator
 * says so. false: it does not, with the sentence why.
 */
bool council_trust(struct council *c, struct err *e);
const struct agree_recovery *council_recovery(const struct council *c);
/* "n1, n2", of those that are not known their ids. Returns out. */
char *council_names(const struct council *c, const struct uuid *v, size_t n, char *out, size_t size);

/* Nothing of it is started by what the disk says while that is in doubt; why, for people; NULL: it may be. */
bool council_recall_may_start(const struct agent *a);
const char *council_recall_why(const struct agent *a);

/* A planned stop: what runs under leases goes on for a while. Turns the loop, for a second at most. */
void council_farewell(struct council *c);

/* ---- for people ---- */

/* The names of those that vote, as one array. */
void council_pack_voters(const struct council *c, struct mp_writer *w);
/* Enough of them are there, as far as gossip knows. */
bool council_has_quorum(const struct council *c);
/* Who votes, of how many, and what helps where they are few: for people. Returns out. */
char *council_text(struct council *c, char *out, size_t n);
/* Why a slot of the agent has no node; "": each has one. Returns out. */
char *council_pending(struct council *c, const char *agent, char *out, size_t n);
/* What a command would do, sentence by sentence. As agree_plan. */
typedef void council_line(void *ctx, const char *text);
int council_plan(
	struct council *c, const struct agree_command *cmd, council_line *fn, void *ctx, struct err *e) MUST_CHECK;

/* ---- for cluster.h ---- */

/* This node votes no more, and nothing is to run here that the cluster decides of. */
bool council_has_handed_over(const struct council *c);
bool council_is_leaving(const struct council *c, const struct uuid *node);
bool council_is_draining(const struct council *c, const struct uuid *node);
const struct uuid *council_self(const struct council *c);

/* A member has another state (was: enum gossip_state, or GOSSIP_STATE_MAX), or its map changed beyond
 * `version`; a link to it is up; our own map is
 * empty. */
void council_member(struct council *c, const struct gossip_member *m, int was);
void council_told(struct council *c, const struct gossip_member *m, uint32_t version);
void council_linked(struct council *c, const struct uuid *peer);
void council_anew(struct council *c);
void council_again(struct council *c); /* what the core did not take of what it told */

#endif
