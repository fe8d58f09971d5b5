/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H
/*
 * The network of the simulator: hosts, the paths between them, and connections over these as TCP makes them. It knows
 * bytes and times, nothing of gossip; what arrives goes to the functions of `ops`.
 *
 * A path loses packets with a probability (1 of it: a cut), one way or both, for a host or for a pair. A connection
 * is a FIFO each way. A frame that is lost stalls its way: it is tried again after a tail probe (about two round
 * trips), then after 200 ms, 400 ms and so on; what was sent behind it waits. A try succeeds when the packet and its
 * acknowledgement both get through. A way that stalls for break_us breaks for its sender, and for it alone. Where only
 * the acknowledgements are lost a window's worth still arrives, then the way stalls as well.
 *
 * A process that is killed has its connections closed by its kernel; a host that is lost says nothing. A stopped
 * process's kernel goes on taking in and acknowledging, up to a buffer. Who is sent something for a connection it does
 * not know (any more) answers with a reset.
 *
 * Bytes are counted as they leave a host, each packet once: 52 of headers a packet, 52 for an acknowledgement, 4 of
 * length a frame, and the record of TLS where that is on.
 */
#include "base/list.h"
#include "base/rng.h"
#include "tests/sim/heap.h"

#define NET_PPM	       1000000
#define NET_NO_HOST    UINT32_MAX
#define NET_SNDBUF     (64 * 1024) /* bytes that a way holds before its sender must wait */
#define NET_GROUPS_MAX 32
#define NET_PAIRS_MAX  256

enum net_item { NET_ITEM_ARRIVAL, NET_ITEM_RETRY, NET_ITEM_DIAL, NET_ITEM_MAX }; /* kinds of heap items that are ours */
enum net_state { NET_COMING, NET_OPEN, NET_GONE, NET_STATE_MAX };		 /* of an end, as its process sees it */

enum net_outcome {
	NET_REFUSED,	 /* the host is there, nobody listens */
	NET_UNREACHABLE, /* nothing came back within the bound */
	NET_TURNED_AWAY, /* the hello was refused, or none came */
	NET_OUTCOME_MAX
};

struct net_profile {
	int64_t near_us, far_us; /* one way, between the nearest and the farthest pair */
	int64_t jitter_us;	 /* mean of what is added to each packet */
	uint32_t spike_ppm;	 /* packets that take spike_us more */
	int64_t spike_us;
	uint32_t loss_ppm;     /* of every path */
	int64_t break_us;      /* a way that stalls so long breaks (TCP_USER_TIMEOUT) */
	int64_t keep_us;       /* an end that heard nothing for so long finds out (keepalive); 0: never */
	int64_t dial_us;       /* until a dial that nobody answers is given up */
	int64_t hello_us;      /* and one that is answered, with silence */
	uint32_t bytes_a_ms;   /* a host's way out */
	uint32_t hello_bytes;  /* each way */
	uint32_t record_bytes; /* TLS: on top of each frame */
};

struct net_frame {
	struct net_frame *next;
	int64_t at_us; /* arrives; counts once the frame is on its way */
	uint32_t len;
	uint8_t kind;
	uint8_t v[];
};

struct net_way {
	struct heap_item arrival, retry;
	struct net_frame *head, **tail;
	struct net_frame *unsent; /* the first that is not on its way: it stalls */
	size_t bytes;		  /* in the queue */
	int64_t last_us;	  /* arrival of the last frame on its way: FIFO */
	int64_t stalled_us;
	int64_t rto_us;
	int64_t unheard_us; /* since when frames arrive and no acknowledgement returns; counts if unheard > 0 */
	uint32_t unheard;
	bool parked;	 /* the process that should take the head is stopped */
	const char *why; /* the sender's end is down, and is told at the next retry */
	bool told_late;	 /* and would have been, were its process not stopped */
	int side;	 /* its place in the pair */
};

struct net_end {
	struct list of_host;
	struct net_conn *conn;
	enum net_state state;
	uint32_t host;
	bool wants_room;  /* waits for room to send */
	int64_t heard_us; /* when its kernel last knew the other end there */
	void *owner;	  /* the process's */
};

struct net_conn {
	struct net *net;
	struct net_end end[2]; /* 0 dialled */
	struct net_way way[2]; /* way[i] carries what end[i] sends */
	uint64_t number;
	unsigned held; /* calls are under way */
	void *data;    /* of both processes; freed with it */
};

struct net_dial {
	struct heap_item item;
	struct list of_host;
	uint32_t from, to;
	uint64_t token;
	int64_t begun_us;
	unsigned tries;
	bool greeting; /* the connection is there, the hello is under way */
	bool parked;   /* the dialling process is stopped */
	bool reach;    /* only whether the host answers is asked */
	const char *refusal;
};

struct net_host {
	bool up;      /* the machine runs, not asleep, with its network */
	bool process; /* a daemon listens */
	bool stopped; /* and is not scheduled */
	uint32_t loss_out_ppm, loss_in_ppm;
	uint8_t group; /* hosts of different groups do not hear each other */
	uint16_t x, y; /* a place, for latencies */
	int64_t out_free_us;
	uint64_t sent_bytes, sent_frames;
	struct list ends, dials;
};

struct net_ops {
	/* A hello between two daemons: NULL, or the sentence with which it is refused. */
	const char *(*hello)(void *ctx, uint32_t from, uint32_t to, uint64_t token);
	void (*up)(void *ctx, struct net_conn *c, int side, uint64_t token);
	void (*frame)(void *ctx, struct net_conn *c, int side, const uint8_t *v, size_t len); /* side: who gets it */
	void (*down)(void *ctx, struct net_conn *c, int side, const char *why);
	void (*room)(void *ctx, struct net_conn *c, int side);
	void (*dial_failed)(void *ctx, uint32_t from, uint64_t token, enum net_outcome outcome, const char *text);
	void (*reached)(void *ctx, uint32_t from, uint64_t token); /* the host answered; else nothing is said */
};

struct net {
	struct heap *heap;
	const int64_t *now_us;
	struct rng rng;
	struct net_profile p;
	struct net_host *hosts; /* owned */
	uint32_t n_hosts;
	struct {
		uint32_t from, to, loss_ppm;
	} pairs[NET_PAIRS_MAX]; /* losses of single paths */
	uint32_t n_pairs;
	const struct net_ops *ops;
	void *ctx;
	uint64_t conns, conns_made, tries_lost;
};

void net_init(struct net *n, struct heap *heap, const int64_t *now_us, uint32_t hosts, uint64_t seed,
	const struct net_profile *p, const struct net_ops *ops, void *ctx);
void net_done(struct net *n);			     /* all connections and dials with it */
void net_due(struct net *n, struct heap_item *item); /* an item of the network's kinds has come up */

/* Paths. */
uint32_t net_loss_ppm(const struct net *n, uint32_t from, uint32_t to);
void net_pair_loss(struct net *n, uint32_t from, uint32_t to, uint32_t loss_ppm); /* 0 takes it away */
void net_heal(struct net *n); /* no pair, host or group loses anything; the profile's loss stays */
int64_t net_latency_us(struct net *n, uint32_t from, uint32_t to);

/* Hosts and their processes. */
void net_process_begins(struct net *n, uint32_t host);
void net_process_killed(struct net *n, uint32_t host); /* its kernel closes what it had */
void net_process_stops(struct net *n, uint32_t host);  /* as by SIGSTOP */
void net_process_goes_on(struct net *n, uint32_t host);
void net_host_lost(struct net *n, uint32_t host); /* says nothing, forgets all */
void net_host_back(struct net *n, uint32_t host); /* without a process */
void net_host_sleeps(struct net *n, uint32_t host);
void net_host_wakes(struct net *n, uint32_t host); /* with all as it was */

/* Connections. */
void net_dial(struct net *n, uint32_t from, uint32_t to, uint64_t token);
/* Does that host's kernel answer? No connection comes of it. */
void net_reach(struct net *n, uint32_t from, uint32_t to, uint64_t token);
bool net_has_room(const struct net_conn *c, int side);
void net_send(struct net_conn *c, int side, const uint8_t *v, size_t len);
void net_close(struct net_conn *c, int side); /* what was sent still goes out; no more calls for this end */
/* Looks after silent connections; called now and then, at least each keep_us / 2. */
void net_keepalive(struct net *n);

#endif
