/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profiles: how soon a silence means something, and what that costs. Beats are the budget: one costs 152 bytes of
 * IP (288 with TLS), so watch_rings of them a beat_ms are nearly all that an idle node sends.
 */
#include "gossip/gossip_impl.h"

/* A table is read by its columns. */
/* clang-format off */
static const struct profile profiles[] = {
	/* One machine or one rack: round trips below a millisecond, bytes are free. */
	[GOSSIP_PROFILE_LOCAL] = {
		.name = "local",
		.beat_ms = 500, /* 1.5 KB/s */
		.watch_rings = 5,
		.silence_ms = 1000, /* one beat may be lost, and half of one late */
		.probe_ms = 300,    /* a loaded host's scheduler, twice */
		.relays = 3,
		.refused_early_ms = 100,
		.refused_late_ms = 1000,
		.flush_ms = 2,
		.lazy_ms = 50,
		.repair_ms = 5000,
		.dial_other_ms = 200,
		.dial_min_ms = 50,
		.dial_max_ms = 10000,
		.redial_min_ms = 500,
		.redial_max_ms = 30000,
		.waiting_max_ms = 500,
		.dials = 1,
		.settle_ms = 100,
		.hold_ms = 1000,
		.linger_ms = 15000,
		.silent_ms = 30000,
	},
	/* A site: round trips of a millisecond or two. Dead within 3 s of a host's loss: 1.9 + 0.5 and spreading. */
	[GOSSIP_PROFILE_LAN] = {
		.name = "lan",
		.beat_ms = 1000,  /* 5 rings x 152 B = 760 B/s of the 1,200 that an idle node may send */
		.watch_rings = 5, /* 2 of 5 make suspect, 3 of 5 dead: two that are slow at once kill nobody */
		.silence_ms = 1900, /* a beat may be lost, the next one 0.9 s late: TCP repeats after 0.2, 0.6 s */
		.probe_ms = 500, /* a retransmission by the relay, one by us */
		.relays = 3,	 /* as in SWIM */
		.refused_early_ms = 150, /* with the dial: suspect within 0.3 s of the daemon's end */
		.refused_late_ms = 1200, /* a daemon that restarts within a second is never called dead */
		.flush_ms = 5,		 /* seven hops of it are below 50 ms */
		.lazy_ms = 100,		 /* the tree has done its work by then, at a thousand nodes too */
		.repair_ms = 10000,	 /* 29 B/s */
		.dial_other_ms = 300, /* the other's dial, a TLS handshake of 22 ms and a queue of ten of them */
		.dial_min_ms = 50,
		.dial_max_ms = 60000,
		.redial_min_ms = 1000,
		.redial_max_ms = 60000,
		.waiting_max_ms = 1000,
		.dials = 1, /* one after the other: a processor that all want makes each of many late */
		.settle_ms = 200, /* where all hosts start at once one comes each 20 to 50 ms */
		.hold_ms = 3000,  /* who is not dialled is missed after silence_ms and a beat, and a relay finds it */
		.linger_ms = 30000, /* longer than it takes to find out that it was wanted after all */
		.silent_ms = 60000,
	},
	/* Sites: round trips of 0.3 s, loss, paid bytes. 5 x 152 B / 3 s = 253 of the 350 B/s. */
	[GOSSIP_PROFILE_WAN] = {
		.name = "wan",
		.beat_ms = 3000,
		.watch_rings = 5,
		.silence_ms = 9000, /* two beats lost, or a path that takes 3 s to be found anew */
		.probe_ms = 3000,
		.relays = 3,
		.refused_early_ms = 500,
		.refused_late_ms = 3000,
		.flush_ms = 20,
		.lazy_ms = 1000, /* three round trips */
		.repair_ms = 60000,
		.dial_other_ms = 2000,
		.dial_min_ms = 500,
		.dial_max_ms = 300000,
		.redial_min_ms = 5000,
		.redial_max_ms = 300000,
		.waiting_max_ms = 1000,
		.dials = 3, /* it is the path that takes long */
		.settle_ms = 1000,
		.hold_ms = 5000,
		.linger_ms = 120000,
		.silent_ms = 180000,
	},
};
/* clang-format on */
_Static_assert(ARRAY_LEN(profiles) == GOSSIP_PROFILE_MAX, "a row for each profile");

const struct profile *profile_of(enum gossip_profile_id id)
{
	return &profiles[id];
}
