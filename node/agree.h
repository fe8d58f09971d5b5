/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_AGREE_H
#define NODE_AGREE_H
/*
 * What the cluster agrees on about its agents, as one node takes part in it: the registers (consensus/registers.h), and
 * what is to be decided about each (scheduler/decide.h). Pure, as these.
 *
 *	agree_step(a, &in, now, &outs);
 *	for (size_t i = 0; i < outs.registers.n; i++)
 *		route(&outs.registers.v[i]);	as of registers; ENDED is not among them
 *	for (size_t i = 0; i < outs.n_answers; i++)
 *		answer(&outs.answers[i]);
 *	wake_at(agree_deadline_ms(a));
 *
 * A command is a proposal on its agent's register, one after the other. And every node looks at each agent that it
 * knows, whether something is to be decided: when its value is new, when something of the cluster changed, and when a
 * time has come. The first of the living in the agent's order (rank.h) proposes at once, the others a little later
 * each: by then they see that it is done.
 *
 * The root register is looked at in the same way: who is to vote (electorate.h). A change of voters that another has
 * begun, and did not end for some seconds, is taken up. What people ask of it are commands of their own. When others
 * drain, or were forgotten, than before, all agents are looked at.
 */
#include "consensus/registers.h"
#include "node/electorate.h"
#include "node/register_agent.h"
#include "scheduler/decide.h"

#define AGREE_COMMANDS_MAX 256			    /* that wait or are under way */
#define AGREE_ANSWERS_MAX  (REGISTERS_OUTS_MAX + 1) /* and that of a recovery */
#define AGREE_COMMAND_MS   10000		    /* then its outcome is unknown */

struct agree;

/* What is known beside the registers. Pure functions; what they give is borrowed until the step ends. */
struct agree_world {
	/* false: no memory. The agent's name ends in a NUL; "": of none, the hosts alone count. */
	bool (*view)(void *ctx, const char *agent, struct sched_view *ret);
	/* What of a definition's text counts; NULL with a sentence: it is none. */
	const struct sched_spec *(*spec)(void *ctx, struct msg_bytes text, struct err *e);
	/* What runs by one definition need not be started anew for the other. NULL: it has to be. */
	bool (*same_run)(void *ctx, struct msg_bytes was, struct msg_bytes text);
	void *ctx;
};

struct agree_config {
	struct registers_config registers;
	struct agree_world world;
};

struct agree_command {
	uint64_t token; /* of the caller's; comes back with the answer */
	struct msg_key key;
	struct decide_event event; /* spec is not read: it is the text's */
	struct msg_bytes text;	   /* apply: the definition */
};

/* What is asked of the root register. */
enum agree_root_type {
	AGREE_ROOT_NONE,
	/* cluster, name: this node is the first voter, where it knows of none. Again with the same id is a repeat. */
	AGREE_ROOT_FOUND,
	AGREE_ROOT_DRAIN,   /* node; so the next three */
	AGREE_ROOT_UNDRAIN, /* nor does it leave then */
	AGREE_ROOT_FORGET,  /* not while it is alive */
	/* It drains, and is to vote no more: it may go once it is none of registers_cfg and has nothing to run. */
	AGREE_ROOT_LEAVE,
	AGREE_ROOT_VOTERS, /* what of the four behind `name` is said */
	/*
	 * cluster, or name: the majority of the voters is lost, and given up. Answered DONE once that is seen to be so;
	 * what comes of it then, and to whom, agree_recovery tells.
	 */
	AGREE_ROOT_RECOVER,
	AGREE_ROOT_TYPE_MAX
};

enum agree_times { AGREE_TIMES_KEEP, AGREE_TIMES_DEFAULT, AGREE_TIMES_SLOW, AGREE_TIMES_MAX };

/* Texts have at most NAME_MAX_LEN bytes, op OP_ID_MAX: the caller has checked it. */
struct agree_root_command {
	uint64_t token; /* of the caller's; comes back with the answer */
	enum agree_root_type type;
	const char *op; /* a retry is recognised by it; NULL: none */
	struct sched_node node;
	struct uuid cluster;
	const char *name;	  /* of the cluster; NULL: none */
	int voters;		  /* 1, 3, 5, 7; 0: by the number of members; -1: as it is */
	const char *spread;	  /* a label; "": over none; NULL: as it is */
	int64_t replace_after_ms; /* -1: as it is */
	enum agree_times times;
	bool off;  /* RECOVER: those that are given up run nothing any more, as the operator says: no wait */
	bool plan; /* RECOVER: nothing is done */
};

enum agree_recovery_state {
	AGREE_RECOVERY_NONE,
	AGREE_RECOVERY_CALL, /* which of the voters answer? */
	AGREE_RECOVERY_WAIT, /* for the end of leases that those who are given up may have granted */
	AGREE_RECOVERY_CALL_AGAIN,
	AGREE_RECOVERY_BEGUN, /* the era; the root register is still of the one before */
	AGREE_RECOVERY_MAX
};

/* Of the newest recovery that was asked of this node. */
struct agree_recovery {
	enum agree_recovery_state state;
	struct err failed;					/* why it came to nothing; code 0: it did not */
	struct uuid stay[QUORUM_ALL_MAX], gone[QUORUM_ALL_MAX]; /* voters, from its first answer on */
	uint8_t n_stay, n_gone;
	uint32_t wait_ms; /* how long it waits */
	int64_t until_ms; /* CLOCK_BOOTTIME; of WAIT */
};

enum agree_in_type {
	AGREE_IN_REGISTERS, /* registers: what goes to them; not PROPOSE */
	AGREE_IN_COMMAND,   /* command */
	AGREE_IN_ROOT,	    /* root */
	AGREE_IN_HOSTS,	    /* event, subject: something changed that counts for all agents */
	AGREE_IN_AGENT,	    /* key: something changed of what is told of its replicas */
	AGREE_IN_MAX
};

/* All borrowed for the call. */
struct agree_in {
	enum agree_in_type type;
	const struct registers_in *registers;
	const struct agree_command *command;
	const struct agree_root_command *root;
	enum sched_event_type event;
	struct sched_node subject;
	struct msg_key key;
};

enum agree_outcome {
	AGREE_DONE,    /* and is chosen */
	AGREE_REFUSED, /* nothing was changed: the sentence says why */
	AGREE_HELD,    /* a live lease stood in the way all the time; nothing was changed */
	AGREE_UNKNOWN, /* it may have been done, or may be yet */
	AGREE_OUTCOME_MAX
};

/* Pointers are borrowed until the next step. */
struct agree_answer {
	uint64_t token;
	enum agree_outcome outcome;
	struct err refused;
	bool repeat;		/* DONE: that operation was done already */
	bool changed;		/* DONE: the value is another one than before */
	struct ballot ballot;	/* of DONE and REFUSED: at which the value is chosen */
	struct msg_bytes value; /* … and the value */
};

struct agree_outs {
	struct registers_outs registers;
	size_t n_answers;
	struct agree_answer answers[AGREE_ANSWERS_MAX];
};

/* 0 and *ret, -ENOMEM, or -EINVAL. What was on disk is loaded into agree_registers before the first step. */
int agree_new(
	const struct agree_config *config, const struct value_mem *mem, struct now now, struct agree **ret) MUST_CHECK;
void agree_free(struct agree *a); /* NULL is fine */
struct registers *agree_registers(struct agree *a);
/*
 * 0; of COMMAND and ROOT -ENOTCONN (nobody votes, as far as is known; not of FOUND), -EAGAIN (too many wait), -ENOSPC
 * (too many names), -ENOMEM: it is not answered then; and what registers_step says. Every input is allowed at every
 * time.
 */
int agree_step(struct agree *a, const struct agree_in *in, struct now now, struct agree_outs *outs) MUST_CHECK;
/* The newest root that is known to be chosen; borrowed until the next step. NULL: none is, or there is no memory. */
const struct register_root *agree_root(struct agree *a);
/* Of what agree_root returned last; the zero ballot: it returned NULL. */
struct ballot agree_root_ballot(const struct agree *a);
const struct agree_recovery *agree_recovery(const struct agree *a);
/* How many vote, of how many; and electorate_text. false: it is not known. */
bool agree_electorate(struct agree *a, struct electorate_count *ret, char *text, size_t n);
/*
 * What a command would come to, as things are known here: fn is called once, with what it would make of `was`. 0,
 * -ENOMEM, or the refusal that it would get, in e.
 */
typedef void agree_planned(
	void *ctx, const struct sched_value *was, const struct sched_value *next, const struct sched_view *view);
int agree_plan(struct agree *a, const struct agree_command *c, agree_planned *fn, void *ctx, struct err *e) MUST_CHECK;
/* Why the first slot of an agent that has no node has none; "": each has one. Returns out. */
char *agree_pending(struct agree *a, const struct msg_key *key, char *out, size_t n);
int64_t agree_deadline_ms(const struct agree *a); /* CLOCK_MONOTONIC */
void agree_check(const struct agree *a);
char *agree_dump(const struct agree *a, char *out, size_t n);

#endif
