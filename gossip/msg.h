/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GOSSIP_MSG_H
#define GOSSIP_MSG_H
/*
 * What members say to each other over a link, as the core makes and takes it; gossip/wire.[ch] turns it to bytes and
 * back. Who says it is the link's peer and never stands in the message. A message that the core makes encodes to at
 * most GOSSIP_FRAME_MAX bytes, given that an integer takes at most 1 + its size, a string 3 + its length, an array or
 * an absent record 3 (msgpack).
 *
 * Nothing here owns memory: strings borrow from the frame that was decoded, or from the core until its next step or
 * pull. They are not ended by a NUL.
 */
#include "base/util.h"

#define GOSSIP_FRAME_MAX       4096
#define GOSSIP_UUID_LEN	       16
#define GOSSIP_NAME_MAX	       63   /* as NAME_MAX_LEN */
#define GOSSIP_ADDRESS_MAX     261  /* host name, colon, port */
#define GOSSIP_BUILD_MAX       63   /* the version as `covey version` tells it */
#define GOSSIP_KEY_MAX	       255  /* 1 at least */
#define GOSSIP_VALUE_MAX       3072 /* may be empty */
#define GOSSIP_ACCUSERS_MAX    16   /* of one subject; beyond, those with the smallest ids are kept */
#define GOSSIP_STATES_MAX      100  /* in one message, as the next ones */
#define GOSSIP_PARTS_MAX       32
#define GOSSIP_ENTRIES_MAX     200
#define GOSSIP_DIGESTS_MAX     128
#define GOSSIP_WANTS_MAX       128
#define GOSSIP_BUCKETS	       32
#define GOSSIP_BODY_MAX	       3968 /* of a question, or of a piece of its answer or of a register message */
#define GOSSIP_WATCH_RINGS_MAX 10   /* also the number of rings */
#define GOSSIP_BEAT_MIN_MS     10
#define GOSSIP_BEAT_MAX_MS     60000

struct gossip_str {
	const char *v;
	uint16_t n;
};

/* Who a member is: told once a boot and when it changes. A version of the member's map belongs to it: 1 at first. */
struct gossip_record {
	uint8_t uuid[GOSSIP_UUID_LEN]; /* the id is its first 8 bytes, big endian; never 0 */
	struct gossip_str name;	       /* never empty */
	struct gossip_str address;     /* what others dial; empty: cannot be dialled */
	struct gossip_str build;
	uint32_t version;	     /* ≥ 1 */
	uint16_t wire_min, wire_max; /* min ≤ max */
	uint32_t features;	     /* feature level */
	uint8_t watch_rings;	     /* 1 … GOSSIP_WATCH_RINGS_MAX: on how many rings it is watched */
	uint16_t beat_ms;	     /* GOSSIP_BEAT_MIN_MS … GOSSIP_BEAT_MAX_MS */
};

enum gossip_msg_type {
	GOSSIP_MSG_BEAT = 1,	 /* I live; one way, to the observers */
	GOSSIP_MSG_GREET,	 /* first on a link, again when `wanted` changes, now and then for repair */
	GOSSIP_MSG_PROBE_ASK,	 /* do you reach subject? */
	GOSSIP_MSG_PROBE_ANSWER, /* to PROBE_ASK */
	GOSSIP_MSG_PROBE,	 /* answer me */
	GOSSIP_MSG_PROBE_ACK,	 /* to PROBE */
	GOSSIP_MSG_STATES,	 /* on every link: news of life and death are rare and urgent */
	GOSSIP_MSG_DELTAS,	 /* of members' maps: on eager links, or when asked for */
	GOSSIP_MSG_DIGESTS,	 /* what I have, for you to ask for */
	GOSSIP_MSG_WANTS,	 /* send me these */
	GOSSIP_MSG_SYNC,	 /* tell me digests of what you have; a link has one at a time */
	GOSSIP_MSG_PRUNE,	 /* what you sent, I had: digests only, please */
	/* A question and its answer, between the daemons (node/fetch.h): the core passes over these four. */
	GOSSIP_MSG_ASK,
	GOSSIP_MSG_ANSWER,   /* to ASK, in pieces */
	GOSSIP_MSG_MORE,     /* pieces were taken: others may follow */
	GOSSIP_MSG_DROP,     /* nobody waits for the answer any more */
	GOSSIP_MSG_REGISTER, /* a piece of a message about registers (node/parcel.h): the daemons', too */
	GOSSIP_MSG_TYPE_MAX
};

struct gossip_msg_beat {
	uint64_t incarnation; /* the sender's: boot << 32 | refutations */
	uint64_t view_hash;   /* XOR over members of a hash of their digests */
};

struct gossip_msg_greet {
	uint64_t incarnation;
	uint64_t view_hash;
	bool wanted; /* the sender has a use for this link */
};

enum gossip_verdict { GOSSIP_VERDICT_YES, GOSSIP_VERDICT_NO, GOSSIP_VERDICT_NO_LINK, GOSSIP_VERDICT_MAX };

/* All four of the probe messages; unused fields are 0 and not sent. */
struct gossip_msg_probe {
	uint32_t nonce;
	uint64_t subject;	     /* PROBE_ASK, PROBE_ANSWER */
	enum gossip_verdict verdict; /* PROBE_ANSWER */
};

/* Facts about a subject at its incarnation, merged by union; the owner alone raises the incarnation. */
enum gossip_flags {
	GOSSIP_FLAG_DEAD = 0x1,
	GOSSIP_FLAG_LEFT = 0x2,
	GOSSIP_FLAG_FORGOTTEN = 0x4, /* at every incarnation */
	GOSSIP_FLAG_HOST_UP = 0x8,   /* with DEAD: its host answered at the time, only the daemon was gone */
	GOSSIP_FLAGS_ALL = 0xf
};

struct gossip_accuser {
	uint64_t id;
	bool host_up; /* its host answered: only the daemon is gone */
};

struct gossip_msg_state {
	uint64_t id;
	uint64_t incarnation;
	uint8_t flags; /* enum gossip_flags */
	uint8_t n_accusers;
	struct gossip_accuser accusers[GOSSIP_ACCUSERS_MAX]; /* by rising id */
};

struct gossip_msg_states {
	uint16_t n;
	struct gossip_msg_state v[GOSSIP_STATES_MAX];
};

struct gossip_entry {
	struct gossip_str key;
	struct gossip_str value; /* empty when removed */
	uint32_t version;	 /* from < version ≤ to, rising within a part */
	bool removed;
};

/* "These are all entries that I have of that origin's boot with from < version ≤ to." */
struct gossip_part {
	uint64_t id; /* the origin */
	uint64_t incarnation;
	uint32_t from, to;	  /* from ≤ to */
	uint32_t floor, floor_to; /* entries of version ≤ floor are gone, once floor_to was reached; 0, 0: none */
	bool has_record;	  /* always when from is 0 */
	struct gossip_record record;
	uint16_t first, n; /* its entries in the message's; parts follow each other without gap */
};

struct gossip_msg_deltas {
	bool asked; /* answers WANTS: having it already is no reason to prune */
	uint16_t n_parts, n_entries;
	struct gossip_part parts[GOSSIP_PARTS_MAX];
	struct gossip_entry entries[GOSSIP_ENTRIES_MAX];
};

struct gossip_digest {
	uint64_t id;
	uint64_t incarnation;
	uint32_t version;
	uint32_t sum; /* of flags and accusers; 0: neither */
};

struct gossip_msg_digests {
	uint32_t serial; /* not 0: part of a SYNC's answer, to be answered by WANTS of this serial even when none */
	bool last;	 /* the SYNC's answer ends here, all that was wanted was sent; n is 0, no WANTS follow */
	uint16_t n;
	struct gossip_digest v[GOSSIP_DIGESTS_MAX];
};

/* "Of id I have this"; the sender answers with the state, and with what is newer of its map. */
struct gossip_want {
	uint64_t id;
	uint32_t boot;	  /* 0: nothing is known */
	uint32_t version; /* of that boot */
};

struct gossip_msg_wants {
	uint32_t serial; /* 0: not part of a SYNC's answer; the link is eager again */
	uint16_t n;
	struct gossip_want v[GOSSIP_WANTS_MAX];
};

/* "Tell me digests of what you have in those buckets that are not the same." */
struct gossip_msg_sync {
	uint8_t n;		    /* GOSSIP_BUCKETS; 0: of all */
	uint64_t v[GOSSIP_BUCKETS]; /* as view_hash, of the members whose id begins with these five bits */
};

struct gossip_msg_ask {
	uint32_t serial;	/* the asker's, of this link; never 0 */
	uint64_t to;		/* whom it is for: the receiver, or a member that it has a link to */
	bool passed;		/* it was passed on already: it is for the receiver */
	struct gossip_str body; /* 1 … GOSSIP_BODY_MAX bytes */
};

struct gossip_msg_answer {
	uint32_t serial; /* of the ASK */
	bool last;
	struct gossip_str body; /* may be empty at the end */
};

struct gossip_msg_more {
	uint32_t serial;
	uint32_t taken; /* pieces so far */
};

struct gossip_msg_drop {
	uint32_t serial;
};

/*
 * Pieces follow each other from `at` 0 on. A message of one piece may come between those of another one; one that
 * begins ends what was not complete.
 */
struct gossip_msg_register {
	uint32_t size; /* of the whole message */
	uint32_t at;   /* where in it the piece begins */
	struct gossip_str body;
};

struct gossip_msg {
	enum gossip_msg_type type;
	union {
		struct gossip_msg_beat beat;
		struct gossip_msg_greet greet;
		struct gossip_msg_probe probe;
		struct gossip_msg_states states;
		struct gossip_msg_deltas deltas;
		struct gossip_msg_digests digests;
		struct gossip_msg_wants wants;
		struct gossip_msg_sync sync;
		struct gossip_msg_ask ask;
		struct gossip_msg_answer answer;
		struct gossip_msg_more more;
		struct gossip_msg_drop drop;
		/* PRUNE has no fields; "register" is a word of C's. */
		struct gossip_msg_register piece;
	};
};

const char *gossip_msg_name(enum gossip_msg_type type); /* "beat", …; NULL when there is none */
/* What must be true of a message beyond its form: NULL, or what is wrong, in words. Bytes are not looked at. */
const char *gossip_msg_fault(const struct gossip_msg *m);

#endif
