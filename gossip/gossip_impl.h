/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GOSSIP_GOSSIP_IMPL_H
#define GOSSIP_GOSSIP_IMPL_H
/*
 * What the files of the core share. Members lie in chunks and are named by index; a change of one gives it the next
 * change number and moves it to the end of a list, so that each link needs no more than the number up to which its
 * other end was told.
 */
#include <string.h>

#include "base/rng.h"
#include "gossip/gossip.h"

#define MEMBER_NONE   UINT32_MAX
#define FROM_NONE     0xff
#define CHUNK_MEMBERS 32
#define URGENT_MAX    8	  /* probes and answers that wait on a link; the oldest is dropped */
#define DEPUTIES_MAX  16  /* members that we look at in place of their observers */
#define RELAYS_MAX    32  /* probes that we carry for others at a time */
#define DIALS_MAX     48  /* 2 * GOSSIP_RINGS neighbours, voters, visits, a few that are no longer wanted */
#define LINKS_SOFT    100 /* beyond, a newcomer is told all and closed */
#define PACED_MAX     3	  /* dials of members under way; a TLS handshake takes 10 ms of either's processor */
#define ASK_MAX	      256 /* ids that we want from one link */
#define SERVE_MAX     256 /* what one link asked us for */
#define EVENTS_MAX    256 /* that wait for a place among the outputs */
#define ACCUSERS_ALL  GOSSIP_ACCUSERS_MAX

/* The figures that a profile sets; each with its reason in profile.c. */
struct profile {
	const char *name;
	uint16_t beat_ms;
	uint8_t watch_rings;
	int64_t silence_ms;		      /* from the last word of a watched member until it is probed */
	int64_t probe_ms;		      /* for the answers of relays */
	uint8_t relays;			      /* asked at a time */
	int64_t refused_early_ms;	      /* from a refused dial until the first observers accuse */
	int64_t refused_late_ms;	      /* and until the others do */
	int64_t flush_ms;		      /* least pause between two rounds of news */
	int64_t lazy_ms;		      /* from a change until digests of it go to lazy links */
	int64_t repair_ms;		      /* a look at a random link's view */
	int64_t dial_other_ms;		      /* the larger id of a pair waits that long for the other to dial */
	int64_t dial_min_ms, dial_max_ms;     /* pauses after failed dials */
	int64_t redial_min_ms, redial_max_ms; /* of the dead, one at a time */
	int64_t waiting_max_ms;		      /* pauses while we belong to no cluster */
	uint8_t dials;			      /* of members under way; up to PACED_MAX where they take unusually long */
	int64_t settle_ms, hold_ms; /* first link: until nobody new was heard of for so long, at most so long */
	int64_t linger_ms;	    /* a link without use */
	int64_t silent_ms;	    /* a link on which nothing came, to a member that is not alive */
};

const struct profile *profile_of(enum gossip_profile_id id);

/* The owned form of struct gossip_record: name, address and build follow each other, each with a NUL. */
struct record {
	uint64_t seq;
	uint8_t uuid_rest[8];
	uint32_t version; /* 0: of a boot that is over, a new one is awaited */
	uint32_t features;
	uint16_t wire_min, wire_max, beat_ms, address_n;
	uint8_t watch_rings, name_n, build_n;
	char text[];
};

struct entry {
	uint64_t seq;
	uint16_t value_n, spare_n; /* spare: behind the value, of what was there before */
	uint8_t key_n;
	bool removed;
	char text[]; /* key, value */
};

struct slot {
	struct entry *e; /* owned */
	uint32_t hash, version;
};

struct values {
	struct slot *v; /* by rising version, and so by rising seq */
	uint32_t n, cap, n_removed, bytes;
	uint32_t floor, floor_to;
};

/* S of a member that is neither dead nor left; while it is there the member's observers are kept up to date. */
struct accused {
	struct accused *prev, *next;
	uint32_t member;
	uint8_t n, n_obs;
	bool suspect;
	uint16_t up; /* bit i: accuser i says that the host answered */
	uint64_t ids[ACCUSERS_ALL];
	uint32_t pred[GOSSIP_RINGS];
};

struct member {
	uint64_t id;
	uint64_t inc;
	uint64_t seq;		 /* the list is sorted by it */
	struct record *record;	 /* owned; NULL only when left or forgotten, or known by its state alone */
	struct values *values;	 /* owned; NULL: none */
	struct accused *accused; /* owned; NULL: nobody */
	uint32_t prev, next;	 /* in the list of changes; next alone in the list of free ones */
	uint32_t version;
	uint32_t name_hash;
	uint32_t state_seq; /* low half of the seq of the newest change of incarnation, flags or accusers */
	uint8_t flags : 4;  /* enum gossip_flags */
	uint8_t state : 3;  /* enum gossip_state, as told */
	uint8_t used : 1;
	uint8_t state_from, map_from; /* the link that these came from: FROM_NONE, or its number */
	uint8_t link;		      /* FROM_NONE, or the number of the link to it */
	bool alone;		      /* dead by our word, given while we heard nobody */
};

struct urgent {
	enum gossip_msg_type type;
	struct gossip_msg_probe probe;
};

struct serve {
	uint64_t id;
	uint32_t boot, version;
	bool state; /* the map is told; the state is left to tell */
	bool told;  /* with the map, so that a state that says no more need not go */
};

struct link {
	uint8_t number;
	bool dialled, eager, wanted, want_told, peer_wants, greeted;
	bool greet_due, beat_due, prune_due, sync_due, graft, ready, ready_told;
	bool closing, close_told;
	bool passing; /* told what it must know, then closed for `why` */
	bool sync_wanted, syncing, sync_news;
	bool met;  /* once its view was as ours, or was gone through: now it knows nobody whom we do not */
	bool news; /* the message at hand brought something */
	uint8_t differ_beats;
	enum gossip_close why;
	uint32_t member;
	uint64_t unknown; /* of whom it told a value and no record: asked for, since unknown_ms */
	int64_t unknown_ms;
	uint64_t contested; /* at this incarnation others call it dead, and it shall answer; 0: none, or it was asked */
	uint64_t verdict;   /* the same until it has answered, or has not for too long */
	int64_t verdict_ms; /* when it came; 0: there is none */
	uint8_t verdict_flags;
	int64_t up_ms, heard_ms, unused_ms, passing_until_ms, served_ms;
	uint64_t peer_hash;
	uint64_t state_cursor, map_cursor, lazy_to;
	uint32_t part_member, part_version; /* a map that did not fit one message: told up to here */
	struct urgent urgent[URGENT_MAX];
	uint8_t urgent_at, urgent_n;
	uint64_t *ask; /* owned, ASK_MAX, NULL while empty */
	uint32_t n_ask, ask_serial;
	bool answer_due;     /* a part of a sync's answer wants WANTS, even when none */
	struct serve *serve; /* owned, SERVE_MAX, NULL while empty */
	uint32_t n_serve;
	bool walking, walk_waits;
	uint32_t walk_at, walk_mask, walk_serial;
};

enum watch_state { WATCH_GOOD, WATCH_PROBING, WATCH_ACCUSED, WATCH_STATE_MAX };

struct watch {
	uint64_t id;
	uint32_t member;
	int state; /* enum watch_state */
	int64_t heard_ms, until_ms;
	int64_t refused_ms; /* 0: not */
	int64_t accused_ms;
	uint64_t inc; /* at the first probe, at the accusation */
	int64_t probed_ms;
	uint32_t nonce, first_nonce;
	uint8_t asked, answered, rounds;
	bool deputy;
	bool short_link; /* the last one that was lost */
	bool reached;	 /* its host answers, while it says nothing */
};

struct relay {
	uint8_t link; /* who asked */
	uint32_t ask_nonce, nonce;
	uint64_t subject;
	int64_t until_ms; /* 0: free */
};

struct dial {
	uint64_t id;	/* 0: free */
	uint32_t token; /* 0: not under way */
	uint8_t tries;
	bool wanted;
	bool at_once; /* its link was lost: what the dial says is news of the member */
	bool lost;    /* so, and it is missed though it is not dialled again yet */
	int64_t next_ms;
};

struct seed {
	char *address; /* owned */
	uint64_t id;   /* who was found there last; 0: nobody yet */
	uint32_t token;
	uint8_t tries;
	int64_t next_ms;
};

struct guest {
	char *address;	/* owned */
	uint32_t token; /* 0: not under way */
	int64_t next_ms;
};

struct event {
	uint64_t id, number;
	uint64_t by[GOSSIP_BY_MAX];
	uint8_t kind, n_by, state_was;
	bool host_up, restarted;
};

struct gossip {
	struct gossip_mem mem;
	const struct profile *profile;
	struct rng rng;
	struct now now;
	uint32_t self; /* index */
	uint64_t id;

	/* members.c */
	struct member **chunks; /* owned, each of CHUNK_MEMBERS */
	uint32_t n_chunks, chunks_cap, free_member, n_members, n_alive, n_gone, n_state[GOSSIP_STATE_MAX];
	uint32_t *table; /* owned: table_n indexes by hash of id, then as many by hash of name */
	uint32_t table_n;
	uint32_t oldest, newest; /* the list of changes */
	uint64_t seq, state_seq, view_hash, buckets[GOSSIP_BUCKETS];
	uint32_t hint; /* what gossip_change_next told last */
	bool app_changed;

	/* rings.c */
	uint32_t pred[GOSSIP_RINGS], succ[GOSSIP_RINGS];
	struct accused *accused;
	bool judge, rewire;
	bool rebooted;	/* the change at hand is another boot's */
	bool has_alone; /* some member is `alone` */

	/* values.c */
	size_t values_bytes, values_max;

	/* links.c, dial.c */
	struct link *links[GOSSIP_LINKS_MAX];
	uint32_t n_links;
	uint64_t voters[GOSSIP_VOTERS_MAX];
	uint32_t n_voters;
	uint64_t visits[GOSSIP_VISITS_MAX];
	uint32_t n_visits;
	struct dial dials[DIALS_MAX];
	struct seed *seeds;
	uint32_t n_seeds;
	struct guest *guests; /* NULL while there are none */
	uint32_t n_guests;
	int64_t seed_ms;  /* when one was dialled last */
	int64_t first_ms; /* when the first link came up, while others wait for what it tells; 0: none does */
	int64_t new_ms;	  /* when somebody new was heard of */
	int64_t late_ms;  /* when a step came late: what is to be heard may have been, too */
	int64_t took_ms;  /* a dial until its link was up: of late */
	int64_t dial_ms;  /* when a member was dialled last */
	int64_t build_ms; /* until then neighbours are dialled for the first time; 0: they have been */
	uint32_t token;
	struct seed redial; /* address: borrowed of a seed, or NULL; id: whom */
	uint32_t redial_seed;
	uint32_t redial_dead; /* counts on */
	bool waiting, leaving, left_told, forgotten;

	/* watch.c */
	struct watch watches[GOSSIP_RINGS + DEPUTIES_MAX];
	uint32_t n_watches;
	struct relay relays[RELAYS_MAX];
	uint32_t nonce, health, good_beats;
	int64_t heard_ms;    /* anybody */
	int64_t asked_ms;    /* all of them, since nobody was heard */
	int64_t back_ms;     /* when somebody was heard again; 0: links that are silent since were seen to */
	bool isolated, died; /* died: somebody did, since the rings were looked at */

	/* gossip.c */
	int64_t sync_moved_ms; /* the last word of the sync under way */
	int64_t beat_at, flush_at, flushed_ms, lazy_at, repair_at, sync_at, sync_pause_ms, changed_ms, deadline_ms;
	uint64_t lazy_mark, lazy_told; /* what the next lazy flush tells, what the last one told */
	uint32_t syncing;	       /* number of the link, or GOSSIP_NO_LINK */
	int64_t refused_told_ms, memory_told_ms, many_told_ms, clash_told_ms;
	struct event *events; /* owned, EVENTS_MAX; NULL until the first */
	uint32_t event_at, n_events;
	uint64_t events_lost;
	struct event spare;	  /* written to when there is no memory for events */
	struct gossip_outs *outs; /* of the step at hand */
	struct gossip_figures figures;
};

/* gossip.c */
void *gossip_alloc(struct gossip *g, size_t n) MUST_CHECK; /* zeroed */
void gossip_release(struct gossip *g, void *p, size_t n);
int64_t gossip_jitter(struct gossip *g, int64_t ms); /* ±25 % */
uint64_t gossip_mix(uint64_t x);
struct gossip_out *gossip_emit(struct gossip *g, enum gossip_out_type type); /* NULL: no place */
bool gossip_active(const struct gossip *g);				     /* neither left nor forgotten */

/* gossip_event.c */
struct event *gossip_event(struct gossip *g, enum gossip_event kind, uint64_t id); /* never NULL; until the next one */
void gossip_event_by(struct gossip *g, struct event *e, const struct accused *a);
/* At most one a second of its kind. */
void gossip_event_paced(
	struct gossip *g, int64_t *told_ms, enum gossip_event kind, uint64_t id, uint64_t by, uint64_t number);
void gossip_no_memory(struct gossip *g, uint64_t id);
void gossip_refuse(struct gossip *g, uint64_t id, uint64_t by, enum gossip_refusal why);
void gossip_events_out(struct gossip *g);

/* members.c */
struct member *members_at(const struct gossip *g, uint32_t index);
uint32_t members_index(const struct gossip *g, uint64_t id);	       /* MEMBER_NONE */
struct member *members_find(const struct gossip *g, uint64_t id);      /* NULL */
uint32_t members_self(const struct gossip *g, const struct member *m); /* its index */
/* A slot with an id, alive, of no record: NULL when full or out of memory (told). */
struct member *members_add(struct gossip *g, uint64_t id, uint64_t inc);
void members_drop(struct gossip *g, struct member *m); /* left or forgotten, or just added */
uint32_t members_sum(const struct member *m);
uint64_t members_hash(const struct member *m); /* its part of the view hash */
enum { CHANGE_STATE = 0x1, CHANGE_MAP = 0x2 };
/* After each change: was is members_hash before it. */
void members_changed(struct gossip *g, struct member *m, uint64_t was, int what, uint8_t from);
bool members_in_ring(const struct member *m);
#define MEMBERS_FOREACH(g, m)                                                    \
	for (uint32_t m##_i = 0; m##_i < (g)->n_chunks * CHUNK_MEMBERS; m##_i++) \
		for (struct member *m = members_at(g, m##_i); m && m->used; m = NULL)
/* Puts a member that has a record into the table by name, or takes it out. */
void members_named(struct gossip *g, const struct member *m, bool named);
/* Those whose name has that hash, one after the other; *at is 0 at first. NULL: no more. */
struct member *members_by_name(const struct gossip *g, uint32_t hash, uint32_t *at);
void members_done(struct gossip *g);

/* admit.c */
bool admit_record_good(const struct gossip_record *r);
struct record *admit_record_new(struct gossip *g, const struct gossip_record *r);
void admit_record_free(struct gossip *g, struct member *m);
void admit_record_view(const struct member *m, struct gossip_record *ret);
struct admit {
	bool by_link;	       /* in: it stands at the door itself; who has its name and lives keeps it */
	bool news;	       /* out */
	enum gossip_close why; /* out: when it is refused */
};
/* A record of a member, known or not, at that boot: the member, or NULL when it is refused (told). */
struct member *admit_member(
	struct gossip *g, uint64_t inc, const struct gossip_record *r, uint8_t from, struct admit *a);
void admit_reboot(struct gossip *g, struct member *m, uint64_t inc);
bool admit_record(struct gossip *g, struct member *m, const struct gossip_record *r, uint8_t from);

/* state.c */
uint64_t state_boot(uint64_t inc);
uint8_t state_join(unsigned flags); /* the highest of them alone, with what belongs to it */
/* Merges what is said of a subject; false: it brought nothing. */
bool state_merge(struct gossip *g, struct member *m, const struct gossip_msg_state *s, uint8_t from);
void state_settle(struct gossip *g, struct member *m); /* after flags, incarnation or `suspect` changed */
void state_take_back(struct gossip *g);
void state_judge(struct gossip *g);
void state_clear(struct gossip *g, struct member *m);	 /* nobody accuses it */
int state_accuser(const struct accused *a, uint64_t id); /* its place, or -1 */
bool state_is_accused(const struct member *m);
uint32_t state_need(uint32_t n_obs); /* accusers that make one suspect */
void state_tell(const struct member *m, struct gossip_msg_state *ret);
void state_forget(struct gossip *g, struct member *m, uint8_t from);

/* rings.c */
uint32_t rings_scan(const struct gossip *g, const struct member *x, int ring, bool before); /* neighbour of x */
void rings_joined(struct gossip *g, uint32_t index);
void rings_gone(struct gossip *g, uint32_t index);
void rings_observe(struct gossip *g, struct accused *a);	   /* fills pred */
size_t rings_distinct(const uint32_t *v, size_t n, uint32_t *ret); /* without MEMBER_NONE, in order of first place */
size_t rings_observers(const struct gossip *g, const struct member *x, uint32_t ret[GOSSIP_RINGS]);
uint8_t rings_watch(const struct member *x); /* on how many rings it is watched */

/* values.c */
/* 0, -ENOMEM, or -E2BIG when a bound is full. */
int values_put(struct gossip *g, struct member *m, const struct gossip_entry *e);
const struct slot *values_find(const struct member *m, struct gossip_str key);
void values_purge(struct gossip *g, struct member *m); /* what is below the floor, once it is reached */
void values_drop(struct gossip *g, struct member *m);
void values_set(struct gossip *g, const struct gossip_in *in);	     /* own map */
void values_record(struct gossip *g, const struct gossip_record *r); /* own record */
void values_view(const struct slot *s, struct gossip_entry *ret);

/* links.c */
struct link *links_of(const struct gossip *g, const struct member *m); /* NULL: none */
void links_up(struct gossip *g, const struct gossip_in *in);
void links_down(struct gossip *g, const struct gossip_in *in);
void links_close(struct gossip *g, struct link *l, enum gossip_close why);
void links_rewire(struct gossip *g); /* after neighbours or voters changed */
void links_tend(struct gossip *g);   /* once a beat */
void links_out(struct gossip *g);
void links_ready(struct link *l);
void links_urgent(struct link *l, enum gossip_msg_type type, const struct gossip_msg_probe *p);
void links_free(struct gossip *g, struct link *l);
bool links_usable(const struct link *l); /* up, and not about to be closed */
#define LINKS_FOREACH(g, l)                                         \
	for (uint32_t l##_i = 0; l##_i < GOSSIP_LINKS_MAX; l##_i++) \
		for (struct link *l = (g)->links[l##_i]; l; l = NULL)

/* dial.c */
/* After pause_ms; -1: as it is done between the two ends of a pair. */
void dial_want(struct gossip *g, const struct member *m, int64_t pause_ms);
const char *dial_address(const struct member *m); /* NULL: it cannot be dialled */
void dial_wanted_begin(struct gossip *g);
void dial_wanted_end(struct gossip *g);
void dial_answered(struct gossip *g, uint32_t token, uint64_t id); /* a link came of it */
void dial_failed(struct gossip *g, const struct gossip_in *in);
void dial_seeds_first(struct gossip *g); /* a core begins */
/* False: no place among the outputs. *next_ms: when it is given up. */
bool dial_emit(struct gossip *g, uint32_t *token, int64_t *next_ms, uint64_t id, const char *address);
/* Somebody whom we know is there, under that very address. */
bool dial_knows(const struct gossip *g, const char *address);

/* guests.c */
void guests_knocked(struct gossip *g, struct gossip_str address);
void guests_answered(struct gossip *g, uint32_t token); /* or not: it was dialled */
bool guests_run(struct gossip *g);			/* false: no place among the outputs */
int64_t guests_deadline(const struct gossip *g);
void guests_free(struct gossip *g);
void dial_soon(struct gossip *g); /* after a pause of ours, or alone: all at once */
void dial_run(struct gossip *g);
int64_t dial_deadline(const struct gossip *g);
void dial_first(struct gossip *g);			   /* there is one link now, where none was */
bool dial_is_to_come(const struct gossip *g, uint64_t id); /* a neighbour, and it was not its turn yet */
void dial_died(struct gossip *g);

/* watch.c */
void watch_rewire(struct gossip *g);
void watch_heard(struct gossip *g, uint32_t member);
void watch_hears(struct gossip *g); /* somebody, after nobody */
void watch_refused(struct gossip *g, uint32_t member);
void watch_reached(struct gossip *g, uint64_t id);
void watch_answer(struct gossip *g, const struct gossip_msg_probe *p);
void watch_late(struct gossip *g, int64_t late_ms);
void watch_beat(struct gossip *g);
void watch_run(struct gossip *g);
int64_t watch_deadline(const struct gossip *g);
bool watch_has(const struct gossip *g, uint32_t member);
bool watch_decides_alone(const struct gossip *g); /* it hears nobody, and is the only one that votes */
/* The link to it is gone: is what a dial says now news of it? Not of one that we do not watch. */
bool watch_lost(struct gossip *g, uint32_t member, bool short_link);

/* probe.c */
uint8_t probe_ask(struct gossip *g, const struct watch *w); /* how many were asked */
void probe_take(struct gossip *g, struct link *l, const struct gossip_msg *m);
void probe_run(struct gossip *g);
int64_t probe_deadline(const struct gossip *g);

/* spread.c */
void spread_changed(struct gossip *g);
void spread_run(struct gossip *g);
uint32_t spread_after(const struct gossip *g, uint64_t seq); /* oldest change after it */
bool spread_states(struct gossip *g, struct link *l, struct gossip_msg *ret);
bool spread_deltas(struct gossip *g, struct link *l, struct gossip_msg *ret);
bool spread_lazy(struct gossip *g, struct link *l, struct gossip_msg *ret);
/* The other end has as much of that member's map as we have. */
void spread_known(const struct gossip *g, struct link *l, const struct member *known);
bool spread_stays(const struct gossip *g, const struct link *l); /* eager, come what may */
void spread_prune(struct gossip *g, struct link *l);		 /* the other end had it */
void spread_graft(struct gossip *g, struct link *l);

/* pack.c */
struct pack {
	struct gossip_msg *m;
	size_t used;
};
void pack_begin(struct pack *p, struct gossip_msg *m, enum gossip_msg_type type);
bool pack_state(struct pack *p, const struct member *m); /* false: no place */
bool pack_digest(struct pack *p, const struct member *m);
bool pack_want(struct pack *p, uint64_t id, const struct member *m);
enum { PACK_NONE, PACK_PART, PACK_ALL };
/* What m's map has beyond from. PACK_PART: up to *ret_to, the rest found no place. */
int pack_map(struct pack *p, const struct member *m, uint32_t from, bool record, uint32_t *ret_to);

/* take.c */
void take_states(struct gossip *g, struct link *l, const struct gossip_msg_states *m);
void take_deltas(struct gossip *g, struct link *l, const struct gossip_msg_deltas *m);
void take_digests(struct gossip *g, struct link *l, const struct gossip_msg_digests *m);
void take_verdicts(struct gossip *g); /* of those who did not answer */
int64_t take_deadline(const struct gossip *g);
void take_self(struct gossip *g, uint64_t inc, uint8_t flags, const struct gossip_msg_state *s, uint32_t version);

/* sync.c */
void sync_ask(struct gossip *g, struct link *l, uint64_t id);
void sync_serve(struct gossip *g, struct link *l, const struct gossip_want *w, bool state_only);
void sync_wants(struct gossip *g, struct link *l, const struct gossip_msg_wants *m);
void sync_asked(struct gossip *g, struct link *l, const struct gossip_msg_sync *m);
void sync_view(struct gossip *g, struct link *l, uint64_t hash, bool beat);
void sync_run(struct gossip *g);
int64_t sync_deadline(const struct gossip *g);
void sync_end(struct gossip *g, struct link *l);
bool sync_pull_wants(struct gossip *g, struct link *l, struct gossip_msg *ret);
bool sync_pull_serve(struct gossip *g, struct link *l, struct gossip_msg *ret);
bool sync_pull_walk(struct gossip *g, struct link *l, struct gossip_msg *ret);
bool sync_pull_sync(struct gossip *g, struct link *l, struct gossip_msg *ret);

#endif
