/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_COUNCIL_PRIV_H
#define NODE_COUNCIL_PRIV_H
/*
 * What the files of council.h share.
 */
#include <ev.h>

#include "base/list.h"
#include "consensus/keyed.h"
#include "base/mem.h"
#include "node/council.h"
#include "node/decided.h"
#include "node/holding.h"
#include "node/recall.h"
#include "node/register_agent.h"
#include "node/register_def.h"
#include "node/register_view.h"
#include "node/votes.h"

#define COUNCIL_IMPORT_MS 5000 /* until it is tried again */
#define COUNCIL_DEFS_MAX  1024 /* definitions that were read: by a hash of their text */

/* A command, until it is answered. */
struct council_ask {
	struct list link; /* in council.asks, then in council.asked */
	bool is_root;
	struct agree_command command;
	struct agree_root_command root;
	char op[OP_ID_MAX + 1], name[NAME_MAX_LEN + 1], spread[NAME_MAX_LEN + 1]; /* that the commands point to */
	council_answered *fn;
	void *arg;
	uint8_t text[]; /* of the definition */
};

struct council_self {
	struct list link;
	struct msg m;
	struct msg_lease leases[];
};

struct council_def {
	uint64_t hash;
	struct register_def *def; /* owned; NULL: none */
};

/* Of a register: what this node has told others to be chosen. */
struct council_hint {
	struct msg_key key;
	struct ballot told; /* in our own map; zero: nothing */
	struct ballot due;  /* is to be told; zero: nothing is */
	size_t along;	    /* bytes of the value that are told with it */
	bool news;	    /* to others too: else they have it, or read it */
};

/* Of a node that has voted: the highest that it has answered with. */
struct council_saw {
	struct uuid node;
	uint64_t boot, write;
	int64_t put_ms; /* CLOCK_MONOTONIC: when it was stored last; 0: it is as on disk */
	bool due;
};

/* A member that is asked what it knows of what is on this node's disk. */
struct council_asked {
	struct uuid node;
	struct msg_key after, asked; /* it has answered up to that one; is asked up to that one */
	bool due, answered;	     /* it is to be asked on; it has answered all */
};

struct council {
	struct node *n;
	struct votes *votes;
	struct agree *a; /* NULL: before council_load */
	struct agree_outs outs;
	struct uuid self;
	bool stepping, ended;
	char fault[ERR_TEXT_MAX]; /* why this node does not vote; "" */
	ev_timer timer;
	int64_t armed_ms;
	int64_t slept_ms;	 /* CLOCK_BOOTTIME beyond CLOCK_MONOTONIC */
	struct list asks, asked; /* not given to the core yet; given */
	uint64_t token;
	bool cfg_changed;
	bool came;	 /* this node is a member: the first time in this process */
	ev_timer coming; /* council_is_coming, at the most */
	/* council_era.c: as of when it was looked at last */
	uint64_t floor; /* of the epoch */
	bool voters_known, voted;
	int64_t import_at_ms; /* CLOCK_MONOTONIC: what a node alone had is to become the cluster's; DEADLINE_NEVER */
	bool keep_again;      /* decided.c: a value is not on disk */
	ev_timer again;
	struct list self_asks; /* of struct council_self: for our own voter */
	/* council_hold.c */
	struct holding hold;
	bool hold_due;	  /* something changed that its replicas, or it, are to hear of */
	bool hold_chosen; /* agents have new values: struct agent.hold_due */
	/* council_view.c */
	bool has_view;
	uint64_t view_changes;	 /* gossip_changes when it was made: it borrows from there */
	struct ballot view_root; /* who votes, drains and is forgotten was known by */
	struct told told;
	struct register_hosts hosts;
	struct register_view view;
	struct register_seen seen; /* of agents that are not in the roster */
	struct council_def defs[COUNCIL_DEFS_MAX];
	struct register_def *spent[COUNCIL_DEFS_MAX / 16]; /* replaced, while others may still borrow; owned */
	size_t n_spent;
	/* council_hint.c */
	struct keyed hints;
	size_t along; /* of all of them */
	bool hints_due;
	uint32_t mend_waited; /* times that it was due, and others came first */
	bool mend_due;	      /* somebody has gone, or begun anew, since all was told */
	int64_t hints_at_ms;  /* CLOCK_MONOTONIC: when we told last */
	ev_timer pause;	      /* until we tell again */
	ev_timer mend;	      /* what nobody tells any more is told again */
	/* council_seen.c */
	struct council_saw *saw; /* owned */
	size_t n_saw, cap_saw;
	uint64_t *heard; /* owned: members whose SEEN came */
	size_t n_heard, cap_heard;
	bool open;
	/* council_recall.c */
	enum recall_stand recall;
	bool is_recalling;		 /* something would be started by what the disk alone says */
	bool recall_news;		 /* less would */
	struct council_asked *recallers; /* owned */
	size_t n_recallers, cap_recallers;
	ev_timer patience;
};

extern const struct value_mem council_mem;

/* ---- council.c ---- */

/* One input, and what follows from it. */
int council_in(struct council *c, const struct agree_in *in);

void council_go_on(struct council *c);
extern const struct votes_hooks council_hooks;
void council_on_timer(struct ev_loop *loop, ev_timer *w, int revents);
void council_on_again(struct ev_loop *loop, ev_timer *w, int revents);
void council_on_coming(struct ev_loop *loop, ev_timer *w, int revents);
void council_on_message(void *arg, const struct msg *m);
/* A request to our own voter; copied. */
void council_ask_self(struct council *c, const struct msg *m);

/* ---- council_import.c ---- */

void council_import_turn(struct council *c);

/* ---- council_ask.c ---- */

void council_give_commands(struct council *c);
void council_answer(struct council *c, const struct agree_answer *a);
void council_end_commands(struct council *c);

/* ---- council_hold.c ---- */

int council_hold_load(struct council *c, struct err *e);
void council_hold_done(struct council *c);
void council_hold_msg(struct council *c, const struct msg *m); /* GRANT or REFUSED; others are passed over */
void council_hold_cfg(struct council *c);
void council_hold_resumed(struct council *c);
void council_hold_chosen(struct council *c, const struct msg_key *key, const struct register_agent *r);
void council_hold_dropped(struct council *c, const struct msg_key *key); /* nothing of it is to run */
void council_hold_tick(struct council *c);
void council_hold_turn(struct council *c);

/* ---- council_view.c ---- */

/* The view is borrowed until the next one is made: by this, by council_pending, or by a step. */
bool council_view(void *ctx, const char *agent, struct sched_view *ret);
const struct sched_spec *council_spec(void *ctx, struct msg_bytes text, struct err *e);
bool council_same_run(void *ctx, struct msg_bytes was, struct msg_bytes text);
/* The definition of a text; borrowed until the next step. NULL with a sentence. */
const struct register_def *council_def(struct council *c, struct msg_bytes text, struct err *e);
void council_view_drop(struct council *c);  /* the next one is made anew */
void council_defs_sweep(struct council *c); /* no step is under way */
void council_view_done(struct council *c);

/* ---- council_hint.c ---- */

void council_hint_init(struct council *c);
void council_hint_begin(struct council *c);
void council_hint_chosen(struct council *c, const struct registers_out *out);
void council_hint_heard(struct council *c, const struct gossip_member *m, const struct gossip_entry *e);
void council_hint_dropped(struct council *c, const struct msg_key *key);
void council_hint_turn(struct council *c);
void council_hint_anew(struct council *c); /* our map is empty */
void council_hint_again(struct council *c);
void council_hint_done(struct council *c);

/* ---- council_era.c ---- */

void council_era_turn(struct council *c); /* the voters, or their epoch, have changed */

/* ---- council_seen.c ---- */

int council_seen_load(struct council *c, struct err *e);
void council_seen_answer(struct council *c, const struct msg *m); /* of a voter */
void council_seen_heard(struct council *c, const struct msg *m);  /* SEEN */
void council_seen_tell(struct council *c, const struct uuid *peer);
void council_seen_turn(struct council *c); /* may it vote by now? */
void council_seen_done(struct council *c);
bool council_is_alone_voter(const struct council *c);

/* ---- council_recall.c ---- */

void council_recall_init(struct council *c);
void council_recall_begin(struct council *c);		/* what was on disk is in the roster */
void council_recall_taken(struct agent *a, bool first); /* its newest decision is here; the first of this start */
void council_recall_linked(struct council *c, const struct uuid *peer);
void council_recall_msg(struct council *c, const struct msg *m); /* KEPT or KNOWN */
/* A value is chosen at that ballot, says another. */
void council_recall_told(struct council *c, const struct msg_key *key, const struct ballot *ballot);
void council_recall_old(struct council *c); /* the disk went back in time */
void council_recall_turn(struct council *c);
void council_recall_done(struct council *c);

#endif
