/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GOSSIP_HELLO_H
#define GOSSIP_HELLO_H
/*
 * How a link begins: who is there, of which cluster, and the proof of it. A state machine fed with frames; the
 * transport sends what it answers. doc/PROTOCOL.md, "The link", says it for people:
 *
 *	dialler                         listener
 *	HELLO        →
 *	             ←                  HELLO
 *	PROOF        →                  checks it; its link is up
 *	its link is  ←                  PROOF
 *	up
 *
 * HELLO says all that there is to say, with 32 random bytes. PROOF is the certificate chain and a signature over the
 * signer's role and both HELLOs whole: cluster, both UUIDs, names, versions and random bytes are in it, so that it can
 * neither be used again, nor towards another node, nor for a weaker version. Whoever refuses says why in one frame,
 * REFUSE, and closes. Without keys (gossip.insecure) PROOF is empty; signed and unsigned nodes refuse each other.
 *
 * What it does not do: bind the link to its TLS session, which nng 1.5.2 tells nothing of. A member with a certificate
 * of its own that sits in the middle can pass on a link's frames as they are; it can be nobody but itself in a link of
 * its own.
 *
 * The HELLO is the same in all versions of the protocol, so that those that have none in common can say so.
 */
#include "gossip/identity.h"
#include "gossip/msg.h"
#include "gossip/pki.h"

#define HELLO_FORMAT	   1
#define HELLO_NONCE_BYTES  32
#define HELLO_FRAME_MAX	   GOSSIP_FRAME_MAX
#define HELLO_GREETING_MAX 1024 /* a HELLO; a PROOF may fill a frame */
#define HELLO_WHY_TEXT_MAX 256	/* of a REFUSE */

enum hello_why {
	HELLO_WHY_NONE,
	HELLO_WHY_MALFORMED, /* no HELLO of covey's, or a frame that is not its turn's */
	HELLO_WHY_VERSION,   /* no version in common */
	HELLO_WHY_MODE,	     /* one signs, the other does not */
	HELLO_WHY_CLUSTER,   /* of another cluster */
	HELLO_WHY_WAITING,   /* both wait to be let in */
	HELLO_WHY_SELF,	     /* it is this very process: no fault, where one list of seeds is on all hosts */
	HELLO_WHY_CLONE,     /* the same UUID in another process */
	HELLO_WHY_ALIKE,     /* another UUID with the same id */
	HELLO_WHY_PROOF,     /* its certificate or signature */
	HELLO_WHY_OURS,	     /* this node's own key cannot sign, or there is no memory */
	HELLO_WHY_MAX
};

enum hello_state {
	HELLO_AWAITS_HELLO,
	HELLO_AWAITS_PROOF,
	HELLO_DONE,	   /* the link is up, once what was answered is sent */
	HELLO_REFUSED,	   /* by us: close it, once what was answered is sent */
	HELLO_TURNED_AWAY, /* by the peer, which told why: close it */
	HELLO_STATE_MAX
};

/* What we say; borrowed for hello_init. */
struct hello_self {
	const struct gossip_record *record;
	uint32_t boot;		/* ≥ 1 */
	uint64_t process;	/* random, made at each start: tells our own process from a copy of our data */
	const uint8_t *cluster; /* 16 bytes; NULL: this node waits to be let in */
	struct pki *pki;	/* NULL: insecure; a reference is kept */
};

struct hello_peer {
	struct gossip_record record; /* borrows from the hello */
	uint64_t id;		     /* of its UUID */
	uint32_t boot;
	uint8_t cluster[IDENTITY_UUID_BYTES];
	bool has_cluster; /* else it waits, and takes our cluster's id */
	bool lets_in;	  /* we wait: `cluster` is to be stored, durably, before the link is used */
	uint16_t version; /* that the link speaks: the highest that both know */
};

/* For its owner to read: state, why, peer (from HELLO_AWAITS_PROOF on, and when WAITING is the reason). It may move in
 * memory only before its first step. */
struct hello {
	enum hello_state state;
	enum hello_why why; /* REFUSED, TURNED_AWAY */
	bool dialled;
	struct hello_peer peer;
	/* own affairs */
	struct pki *pki;
	uint64_t process;
	uint8_t uuid[IDENTITY_UUID_BYTES], cluster[IDENTITY_UUID_BYTES];
	bool has_cluster;
	uint16_t wire_min, wire_max;
	uint16_t own_n, peer_n;
	uint8_t own[HELLO_GREETING_MAX], theirs[HELLO_GREETING_MAX];
};

/* The nonce: random, used once. */
void hello_init(struct hello *h, const struct hello_self *self, bool dialled, const uint8_t nonce[HELLO_NONCE_BYTES]);
void hello_done(struct hello *h); /* a zeroed one is fine */
/* The dialler's first frame: its length. out has HELLO_FRAME_MAX bytes. */
size_t hello_begin(struct hello *h, uint8_t *out);
/*
 * A frame that came; not after the end. out has HELLO_FRAME_MAX bytes and gets the answer, *ret_n its length (0: none).
 * REFUSED and TURNED_AWAY come with a sentence in e. Takes the time of a signature and its check when a PROOF is due.
 */
enum hello_state hello_step(
	struct hello *h, const void *frame, size_t n, int64_t wall_ms, uint8_t *out, size_t *ret_n, struct err *e);

#endif
