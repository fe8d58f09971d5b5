/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CLUSTER_PRIV_H
#define NODE_CLUSTER_PRIV_H
/*
 * What the files of cluster.h share. All of it runs on the loop's thread, but for the transport's `wake`.
 */
#include <ev.h>

#include "gossip/hello.h"
#include "gossip/transport_hello.h"
#include "gossip/wire.h"
#include "node/cluster.h"
#include "node/cluster_register.h"
#include "node/enough.h"
#include "node/node.h"

#define CLUSTER_DIALS_MAX    (TRANSPORT_DIALS_MAX + 1)
#define CLUSTER_REACH_MAX    16		 /* hosts at a time */
#define CLUSTER_HELD_MAX     (32 * 1024) /* bytes that come on a link while the cluster's id is being stored */
#define CLUSTER_SEEN_MAX     GOSSIP_MEMBERS_MAX
#define CLUSTER_KNOWN_MAX    48 /* addresses that are dialled after a restart, beside those of `join` */
#define CLUSTER_TOLD_MAX     64 /* events of members in a row; then TOLD_EACH_MS for each */
#define CLUSTER_TOLD_EACH_MS 100
#define CLUSTER_PACED_MAX    64 /* sentences that are not said twice within PACE_MS */
#define CLUSTER_PACE_MS	     600000
#define CLUSTER_ADDRESS_MAX  (GOSSIP_ADDRESS_MAX + 1)

/* A link as the core knows it: its place in the table is the core's number. */
struct cluster_link {
	uint32_t at;		     /* the transport's number; 0: none */
	uint64_t id;		     /* of the peer */
	struct uuid uuid;	     /* likewise */
	bool ended;		     /* hung up: the core is told when its step is over */
	struct held *held;	     /* we are being let in: the core has not heard of it yet; NULL: it has */
	struct parcel_link *parcels; /* owned; NULL: none */
};

/* A dial of the core's that is under way. */
struct cluster_dial {
	uint32_t token;			  /* 0: none */
	uint64_t id;			  /* whom it is meant for; 0: whoever is there */
	char address[TRANSPORT_ADDR_MAX]; /* for people: a longer one is cut */
};

/* A host that is asked whether it takes a connection. */
struct cluster_reach {
	struct cluster *c;
	uint64_t id; /* of its node; 0: free */
	int fd;
	ev_io io;
	ev_timer bound;
};

/* A member as of its last change. */
struct cluster_seen {
	uint64_t id;
	int64_t since_wall_ms, since_mono_ms;
	uint32_t told; /* the version of its map that was looked at */
	uint64_t boot; /* of that map */
	uint8_t state;
	char name[GOSSIP_NAME_MAX + 1];
};

struct cluster_paced {
	uint64_t hash;
	int64_t at_mono_ms; /* 0: none */
};

/* What cannot be done within a step of the core, or not yet. */
enum cluster_due {
	CLUSTER_NOTHING,
	CLUSTER_TRY,
	CLUSTER_GIVE_UP_TELLING,
	CLUSTER_HALT,
	CLUSTER_RAISE,
	CLUSTER_DUE_MAX
};

struct life;

struct cluster {
	struct node *n;
	enum cluster_stand stand;
	uint8_t uuid[IDENTITY_UUID_BYTES];
	char id_text[IDENTITY_UUID_TEXT]; /* "": none */
	uint8_t id[IDENTITY_UUID_BYTES];
	bool storing; /* the id that follows */
	uint8_t next_id[IDENTITY_UUID_BYTES];
	uint32_t boot, next_boot;	   /* next: what is being stored */
	bool raised;			   /* our boot fell back, and was raised, once in this process */
	enum cluster_due due;		   /* when `again` comes */
	struct life *asked;		   /* init or leave, to be answered; NULL: none */
	int64_t undrain_at_ms;		   /* CLOCK_MONOTONIC */
	bool handing_over;		   /* leave: what it has, before it goes */
	char address[CLUSTER_ADDRESS_MAX]; /* that others dial; "": none */
	struct gossip_record record;	   /* borrows from above and from the configuration */
	char *known;			   /* of the last run, one a line; owned */
	char *names;			   /* of other voters, as on disk; owned */
	struct pki *pki;		   /* NULL: insecure */
	struct transport *t;		   /* NULL: not begun */
	struct gossip *g;		   /* likewise */
	struct hello_self self;		   /* what a hello that begins says */
	struct transport_hooks hooks;
	ev_async wake;
	ev_prepare flush;	  /* what the turn has given to links leaves together */
	ev_timer timer;		  /* the core's and the transport's deadlines */
	int64_t armed_ms;	  /* for when; DEADLINE_NEVER: it is not */
	ev_timer again;		  /* what could not be begun is tried again */
	char fault[ERR_TEXT_MAX]; /* why it could not; "" */
	struct cluster_link links[GOSSIP_LINKS_MAX];
	uint8_t link_of[TRANSPORT_LINKS_MAX]; /* by the transport's place: the core's number + 1 */
	size_t n_ended;
	struct cluster_dial dials[CLUSTER_DIALS_MAX];
	uint32_t failed[CLUSTER_DIALS_MAX]; /* at once: the core is told when its step is over */
	size_t n_failed;
	struct cluster_reach reach[CLUSTER_REACH_MAX];
	bool stepping;
	uint64_t bad_frames, frames_lost;
	/* cluster_seen.c */
	struct cluster_seen *seen; /* by rising id; owned */
	size_t n_seen, cap_seen;
	uint64_t cursor; /* of gossip_change_next */
	bool changed;
	ev_timer keep; /* known members are stored a while after a change */
	/* cluster_forget.c */
	uint64_t forgotten[GOSSIP_GONE_MAX];
	size_t n_forgotten;
	/* cluster_set.c */
	bool setting;			 /* the core is at it */
	int64_t untold_ms, untold_at_ms; /* the last pause, and its end; CLOCK_MONOTONIC */
	ev_timer untold_timer;
	/* cluster_share.c */
	uint64_t cores_made;
	struct enough_use use, capacity; /* as others know them */
	int64_t use_told_ms;
	ev_timer use_timer, agents_timer;
	/* cluster_fetch.c */
	struct fetch *fetch; /* owned */
	ev_timer fetch_timer;
	/* cluster_register.c */
	struct parcels parcels;
	cluster_register_heard *on_register; /* NULL: nobody listens */
	void *on_register_arg;
	uint64_t registers_unlinked, registers_unheard, registers_bad;
	/* cluster_event.c */
	struct cluster_paced paced[CLUSTER_PACED_MAX];
	int64_t told_from_ms;
	uint64_t told, untold;
};

/* ---- cluster.c ---- */

/* One input, what follows from it, and the timer. */
void cluster_in(struct cluster *c, const struct gossip_in *in);
/* Says what the link has to say, while it takes it. */
void cluster_pull(struct cluster *c, uint32_t link);
void cluster_arm(struct cluster *c);
/* Core and transport, made and ended. */
int cluster_run(struct cluster *c, struct err *e);
void cluster_halt(struct cluster *c);

/* ---- cluster_link.c ---- */

void cluster_link_hooks(struct cluster *c);
void cluster_link_self(struct cluster *c); /* who we are has changed: hellos that begin say so */
/* Its peers' links that wait for the id are the core's now, or are ended. */
void cluster_link_release(struct cluster *c, bool stored);
void cluster_link_close(struct cluster *c, uint32_t link, bool flush);
struct cluster_dial *cluster_dial_find(struct cluster *c, uint32_t token);

/* ---- cluster_reach.c ---- */

/* The core is told when that host answers, and only then. */
void cluster_reach(struct cluster *c, uint64_t id, const char *address);
void cluster_reach_end(struct cluster *c);

/* ---- cluster_life.c ---- */

void cluster_life_init(struct cluster *c);
void cluster_life_turn(struct cluster *c);
/* A peer lets us in. */
void cluster_life_let_in(struct cluster *c, const uint8_t id[IDENTITY_UUID_BYTES]);
/* Of the core: LEFT_TOLD, WE_FORGOTTEN, CLONED with a boot above ours. */
void cluster_life_event(struct cluster *c, const struct gossip_out *out);
void cluster_life_done(struct cluster *c);

/* ---- cluster_event.c ---- */

void cluster_event(struct cluster *c, const struct gossip_out *out);
/* Not again within CLUSTER_PACE_MS. */
void cluster_event_paced(struct cluster *c, enum replica_severity severity, const char *kind, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* ---- cluster_event_data.c ---- */

void cluster_event_data(const struct cluster *c, const struct gossip_out *out, struct bytes *ret);

/* ---- cluster_forget.c ---- */

void cluster_forget_init(struct cluster *c);
void cluster_forget_tell(struct cluster *c);
void cluster_forget_heard(struct cluster *c, uint64_t id);

/* ---- cluster_seen.c ---- */

void cluster_seen_init(struct cluster *c);
void cluster_seen_change(struct cluster *c);
void cluster_seen_keep(struct cluster *c); /* who they are has changed: soon it is stored */
void cluster_seen_end(struct cluster *c);  /* what is to be stored is stored now */
void cluster_seen_done(struct cluster *c);

/* ---- cluster_tls.c ---- */

/* Reads the three files. *ret_pki is the caller's. The texts: bytes_done. */
struct cluster_pems {
	struct bytes ca, cert, key;
};
int cluster_tls_read(const struct cluster *c, struct cluster_pems *ret, struct pki **ret_pki, struct err *e);
void cluster_pems_done(struct cluster_pems *p);
struct transport_tls cluster_tls(const struct cluster_pems *p);

#endif
