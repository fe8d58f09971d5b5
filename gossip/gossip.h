/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GOSSIP_GOSSIP_H
#define GOSSIP_GOSSIP_H
/*
 * Who is here, how they are, and what each says of itself: the pure core. It decides from (event, now) whom to dial,
 * what to say on which link, and what is known of every member; it owns no clock, socket or heap.
 *
 *	gossip_step(g, &in, now, &outs);
 *	for (size_t i = 0; i < outs.n; i++)
 *		route(&outs.v[i]);
 *	wake_at(gossip_deadline_ms(g));
 *
 * Outputs are bounded: what finds no place stays due, and the deadline is then now. There are no queues of messages.
 * OUT_READY says that a link has something to say; whenever the link has room (at most two frames waiting in the
 * edge, so that a beat never waits behind more) the edge calls gossip_pull until it answers false. After false the
 * next READY comes by itself.
 *
 * Models: Rapid (K rings of observers), SWIM (incarnations, indirect probes), Lifeguard (local health), Plumtree
 * (eager and lazy links), Scuttlebutt (versions and digests). doc/ARCHITECTURE.md says what we do otherwise.
 */
#include "base/clock.h"
#include "gossip/msg.h"

#define GOSSIP_RINGS	   10
#define GOSSIP_LINKS_MAX   128
#define GOSSIP_VOTERS_MAX  7
#define GOSSIP_VISITS_MAX  8
#define GOSSIP_SEEDS_MAX   64
#define GOSSIP_OUTS_MAX	   64
#define GOSSIP_KEYS_MAX	   20000	     /* of one member */
#define GOSSIP_MAP_MAX	   (4 * 1024 * 1024) /* bytes of one member's keys and values */
#define GOSSIP_MEMBERS_MAX 65536
#define GOSSIP_GONE_MAX	   1024 /* members that left or were forgotten, of whom nothing else is kept */
#define GOSSIP_NO_LINK	   UINT32_MAX

struct gossip;

/* Memory is given: tests fail each allocation, the simulator counts bytes. */
struct gossip_mem {
	void *(*alloc)(void *ctx, size_t n);	       /* not zeroed; NULL when there is none */
	void (*release)(void *ctx, void *p, size_t n); /* n as it was allocated; p is never NULL */
	void *ctx;
};

enum gossip_profile_id { GOSSIP_PROFILE_LOCAL, GOSSIP_PROFILE_LAN, GOSSIP_PROFILE_WAN, GOSSIP_PROFILE_MAX };

struct gossip_config {
	/* Own record; borrowed for the call. version, watch_rings and beat_ms are set by the core. */
	struct gossip_record record;
	uint32_t boot; /* ≥ 1; made durable before this call, higher than ever before */
	enum gossip_profile_id profile;
	const char *const *seeds; /* addresses; borrowed for the call. Those beyond GOSSIP_SEEDS_MAX are not used */
	size_t n_seeds;
	bool waiting;  /* belongs to no cluster yet: seeds are dialled, often; ends with the first LINK_UP or FOUNDED */
	uint64_t seed; /* of all randomness */
	size_t values_max_bytes; /* of all members' maps; 0: 64 MiB */
};

enum gossip_in_type {
	GOSSIP_IN_TICK,	       /* the deadline came */
	GOSSIP_IN_LINK_UP,     /* the hello is done: link, peer (record, boot), dial (0: it dialled us) */
	GOSSIP_IN_LINK_DOWN,   /* link, reset; also the answer to a CLOSE */
	GOSSIP_IN_DIAL_FAILED, /* dial, how */
	GOSSIP_IN_MSG,	       /* link, msg */
	GOSSIP_IN_SET,	       /* own map: key, value, or removed */
	GOSSIP_IN_RECORD,      /* own record changed (address, features, build): record */
	GOSSIP_IN_FOUNDED,     /* `covey init`: waits no more */
	GOSSIP_IN_LEAVE,       /* tell all; answered by the event LEFT_TOLD */
	GOSSIP_IN_FORGET,      /* id, of a member or of nobody: an operator says that it will not come back */
	GOSSIP_IN_VOTERS,      /* ids: direct links to these too; who is the only one needs no witness of a silence */
	GOSSIP_IN_KNOCK,       /* address: one called that waits to be let in, as we do */
	GOSSIP_IN_VISIT,       /* ids: and to these, at once, until the next such input: they are asked something */
	GOSSIP_IN_REACHED,     /* id: its host has answered what OUT_REACH asked for */
	GOSSIP_IN_MAX
};

enum gossip_dial_end {
	GOSSIP_DIAL_REFUSED,	 /* the host answered, nobody listens */
	GOSSIP_DIAL_UNREACHABLE, /* nothing came, in time */
	GOSSIP_DIAL_TURNED_AWAY, /* somebody is there and did not let us in, or is not whom we meant */
	GOSSIP_DIAL_SELF,	 /* it is ourselves */
	GOSSIP_DIAL_END_MAX
};

struct gossip_in {
	enum gossip_in_type type;
	uint32_t link; /* the edge's number, < GOSSIP_LINKS_MAX; free again after LINK_DOWN */
	uint32_t dial; /* LINK_UP, DIAL_FAILED: as in OUT_DIAL */
	uint32_t boot; /* LINK_UP: the peer's, ≥ 1 */
	bool reset;    /* LINK_DOWN: the other end closed or reset it (not: we did, or nothing came for long) */
	enum gossip_dial_end how;
	const struct gossip_record *record; /* LINK_UP, RECORD; borrowed for the call */
	const struct gossip_msg *msg;	    /* MSG; borrowed for the call; gossip_msg_fault was asked by the decoder */
	struct gossip_str key, value;	    /* SET; borrowed for the call */
	bool removed;
	struct gossip_str address; /* KNOCK; borrowed for the call */
	uint64_t id;		   /* FORGET, REACHED */
	const uint64_t *ids;	   /* VOTERS, VISIT; borrowed for the call */
	size_t n_ids;		   /* those beyond GOSSIP_VOTERS_MAX, GOSSIP_VISITS_MAX are not used */
};

enum gossip_out_type {
	GOSSIP_OUT_READY,   /* link: gossip_pull has something for it */
	GOSSIP_OUT_DIAL,    /* dial, id (0: whoever is there), address; answered by LINK_UP or DIAL_FAILED */
	GOSSIP_OUT_CLOSE,   /* link, why: once what is already in the edge is flushed; answered by LINK_DOWN */
	GOSSIP_OUT_EVENT,   /* something people want to read */
	GOSSIP_OUT_CHANGED, /* what is known of members or their maps changed: see gossip_change_next */
	/* id, address: whether its host answers a connection at all, taken or refused; answered by REACHED, or not. */
	GOSSIP_OUT_REACH,
	GOSSIP_OUT_MAX
};

enum gossip_close {
	GOSSIP_CLOSE_UNWANTED,	/* neither end has a use for it */
	GOSSIP_CLOSE_DOUBLE,	/* another link of the same pair stays */
	GOSSIP_CLOSE_FULL,	/* no place; it was told all that is known */
	GOSSIP_CLOSE_NAME,	/* its name belongs to another member */
	GOSSIP_CLOSE_FORGOTTEN, /* an operator forgot it */
	GOSSIP_CLOSE_CLASH,	/* somebody else has its id, or it has ours, or its boot fell back */
	GOSSIP_CLOSE_SILENT,	/* nothing came for so long that the link is of no use */
	GOSSIP_CLOSE_MEMORY,	/* no memory for it */
	GOSSIP_CLOSE_LEFT,	/* we left, or were forgotten */
	GOSSIP_CLOSE_MAX
};

enum gossip_event {
	GOSSIP_EVENT_JOINED,	 /* subject is new */
	GOSSIP_EVENT_RETURNED,	 /* it was suspect, dead or left: state_was; restarted: a new boot */
	GOSSIP_EVENT_ACCUSED,	 /* we ourselves accuse it: host_up */
	GOSSIP_EVENT_SUSPECT,	 /* enough observers accuse it: by, host_up */
	GOSSIP_EVENT_DEAD,	 /* by, host_up */
	GOSSIP_EVENT_LEFT,	 /* it said so */
	GOSSIP_EVENT_FORGOTTEN,	 /* by an operator */
	GOSSIP_EVENT_REPLACED,	 /* subject's name was taken by another member: by[0] */
	GOSSIP_EVENT_REFUTED,	 /* we ourselves were accused and live: by */
	GOSSIP_EVENT_ISOLATED,	 /* we hear nobody */
	GOSSIP_EVENT_HEARS,	 /* we hear somebody again */
	GOSSIP_EVENT_SLOW,	 /* this process was late by `number` ms, and waits longer before it accuses */
	GOSSIP_EVENT_NAME_TAKEN, /* subject's name is that of by[0], who lives: refused */
	GOSSIP_EVENT_UUID_CLASH, /* two UUIDs have subject as id: the second is refused */
	GOSSIP_EVENT_CLONED,	 /* subject, or we ourselves, run twice, or the boot counter fell back: number is the
				      boot heard of */
	GOSSIP_EVENT_REFUSED, /* a value from by[0] that no member may say of subject: number is enum gossip_refusal */
	GOSSIP_EVENT_NO_MEMORY,	   /* something of subject was dropped; it is asked for again later */
	GOSSIP_EVENT_TOO_MANY,	   /* a bound is full (members, links, a map): number is the bound */
	GOSSIP_EVENT_LEFT_TOLD,	   /* all links were told that we leave: the daemon may end */
	GOSSIP_EVENT_WE_FORGOTTEN, /* we were forgotten: this node takes no part any more */
	GOSSIP_EVENT_LOST,	   /* number of events before this one found no place */
	GOSSIP_EVENT_MAX
};

enum gossip_refusal {
	GOSSIP_REFUSE_NONE,
	GOSSIP_REFUSE_OWN,	 /* its origin is the receiver */
	GOSSIP_REFUSE_NO_MEMBER, /* its origin is no member, and no record came with it */
	GOSSIP_REFUSE_BOOT,	 /* above the origin's announced boot, and does not begin at 0 with its record */
	GOSSIP_REFUSE_BOUND,	 /* more than a member may have */
	GOSSIP_REFUSE_RECORD,	 /* a record that is not its id's */
	GOSSIP_REFUSE_MAX
};

enum gossip_state {
	GOSSIP_ALIVE,
	GOSSIP_SUSPECT,
	GOSSIP_DEAD,
	GOSSIP_LEFT,
	GOSSIP_FORGOTTEN, /* never shown as a member */
	GOSSIP_STATE_MAX
};

#define GOSSIP_BY_MAX 3

struct gossip_out {
	enum gossip_out_type type;
	uint32_t link, dial;
	enum gossip_close why;
	const char *address; /* DIAL, REACH: ended by a NUL, borrowed until the next step */
	uint64_t id;	     /* DIAL, REACH; EVENT: the subject (0: none) */
	enum gossip_event event;
	enum gossip_state state_was;
	uint8_t n_by; /* of all; the first ones are in by */
	bool host_up, restarted;
	uint64_t by[GOSSIP_BY_MAX];
	uint64_t number;
};

struct gossip_outs {
	size_t n;
	struct gossip_out v[GOSSIP_OUTS_MAX];
};

/* 0 and *ret, or -ENOMEM, or -EINVAL (a record or boot that is none). */
int gossip_new(const struct gossip_config *config, const struct gossip_mem *mem, struct now now,
	struct gossip **ret) MUST_CHECK;
void gossip_free(struct gossip *g); /* NULL is fine */
/* Empties outs first. Every input is allowed at every time; what does not fit is counted and ignored. */
void gossip_step(struct gossip *g, const struct gossip_in *in, struct now now, struct gossip_outs *outs);
/* The next message of a link; false: nothing now. Borrowed until the next step or pull. */
bool gossip_pull(struct gossip *g, uint32_t link, struct now now, struct gossip_msg *ret) MUST_CHECK;
/* CLOCK_MONOTONIC. */
int64_t gossip_deadline_ms(const struct gossip *g);
void gossip_check(const struct gossip *g); /* aborts when an invariant is broken; O(members) */
/* One line for a golden trace: members by state, links, incarnation. Returns out. */
char *gossip_dump(const struct gossip *g, char *out, size_t n);

/* What is known. Strings in records are borrowed until the next step, and there ended by a NUL as well. */
struct gossip_member {
	uint64_t id;
	enum gossip_state state;
	uint64_t incarnation;
	uint32_t version; /* of its map */
	uint32_t link;	  /* GOSSIP_NO_LINK: none */
	bool self, host_up;
	uint8_t n_accusers;
	uint64_t changed; /* the change number here; rises with each change of this member, values included */
	bool has_record;  /* those that left long ago have none */
	struct gossip_record record;
};

uint64_t gossip_id(const struct gossip *g);
uint64_t gossip_id_of(const uint8_t uuid[GOSSIP_UUID_LEN]);
size_t gossip_alive(const struct gossip *g);   /* alive and suspect, oneself included */
size_t gossip_members(const struct gossip *g); /* all but the forgotten */
bool gossip_is_isolated(const struct gossip *g);
bool gossip_member_get(const struct gossip *g, uint64_t id, struct gossip_member *ret);
/* All members, in no order; *at is 0 at first. No step in between. */
bool gossip_member_next(const struct gossip *g, uint32_t *at, struct gossip_member *ret);
/* The same of the forgotten whose record is still there; at most gossip_forgotten. */
bool gossip_forgotten_next(const struct gossip *g, uint32_t *at, struct gossip_member *ret);
size_t gossip_forgotten(const struct gossip *g);
/* Members changed since *cursor (0 at first: all), oldest change first; sets *cursor. Forgotten ones are told too. */
bool gossip_change_next(struct gossip *g, uint64_t *cursor, struct gossip_member *ret);
bool gossip_value_get(const struct gossip *g, uint64_t id, struct gossip_str key, struct gossip_str *ret);
/* Entries of a member by rising version, removed ones too while remembered; *at is 0 at first, no step in between. */
bool gossip_value_next(const struct gossip *g, uint64_t id, uint32_t *at, struct gossip_entry *ret);
/* The observers of a member, by rising id; how many (at most GOSSIP_RINGS). O(members). */
size_t gossip_observers(const struct gossip *g, uint64_t id, uint64_t ret[GOSSIP_RINGS]);
uint64_t gossip_view_hash(const struct gossip *g);
/* Grows with each change of a member or its map: while it stands, records and values that were borrowed do too. */
uint64_t gossip_changes(const struct gossip *g);

struct gossip_figures {
	uint64_t msgs_in[GOSSIP_MSG_TYPE_MAX], msgs_out[GOSSIP_MSG_TYPE_MAX];
	uint64_t refused, no_memory, events_lost, late_ticks, dials, syncs, grafts, prunes, nothing_new;
	uint32_t links, links_eager, health; /* health: 1 (good) … 4 */
	size_t values_bytes;
};

void gossip_figures(const struct gossip *g, struct gossip_figures *ret);

/* Names for events, logs and JSON; NULL when there is none. */
const char *gossip_state_name(enum gossip_state s);
const char *gossip_event_name(enum gossip_event e); /* "joined", "suspect", "name-taken", … */
const char *gossip_close_text(enum gossip_close c);
const char *gossip_refusal_text(enum gossip_refusal r);
bool gossip_profile_by_name(const char *name, enum gossip_profile_id *ret);

#endif
