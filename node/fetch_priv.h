/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_FETCH_PRIV_H
#define NODE_FETCH_PRIV_H
/*
 * What the two halves of fetch.h share: fetch.c asks, fetch_serve.c answers.
 */
#include "node/fetch.h"

enum fetch_state {
	FETCH_WAITS, /* for a link, or for its turn */
	FETCH_DUE,   /* the question is to be said */
	FETCH_ASKED,
	FETCH_DROPPED, /* that nobody waits is to be said */
	FETCH_STATE_MAX
};

struct fetch_ask {
	struct list link;
	struct fetch *f;
	enum fetch_state state;
	uint64_t to, via;		  /* via: whom it is said to; 0: not known yet */
	uint32_t serial, at;		  /* at: the link that it is said on */
	uint32_t round;			  /* of the last look */
	unsigned way;			  /* the next one */
	bool passed;			  /* on behalf of another node */
	uint32_t taken, told;		  /* pieces */
	int64_t until_ms, way_until_ms;	  /* way_until: DEADLINE_NEVER until it was begun */
	int64_t later_ms, later_until_ms; /* a daemon that begins or ends is asked again: when, and until when; or 0 */
	struct bytes body, answer;
	fetch_done *done;
	bool (*gone)(void *arg);
	void *arg;
};

struct fetch_serve {
	struct list link;
	struct fetch *f;
	uint64_t peer;
	uint32_t serial, at;
	bool working, answered; /* working: the hooks have it, or the question that it is passed on with */
	uint32_t sent, taken;	/* pieces */
	size_t sent_bytes;
	int64_t until_ms; /* once answered */
	struct bytes answer;
	struct fetch_ask *passed; /* NULL: it is for us */
	void *work;
};

struct fetch_visit {
	uint64_t id; /* 0: none */
	int64_t until_ms;
};

struct fetch {
	uint64_t self;
	const struct fetch_hooks *hooks;
	void *arg;
	uint32_t serial, round;
	bool ended;
	struct list asks, serves;
	struct fetch_visit visits[FETCH_VISITS_MAX];
	bool visits_changed;
	int64_t now_ms;
	struct fetch_figures figures;
};

/* fetch.c */
int fetch_ask_passed(struct fetch *f, const struct fetch_question *q, struct fetch_ask **ret, struct err *e);
/* A refusal as a reply. */
void fetch_pack_refusal(struct bytes *out, const char *code, const char *error);

/* fetch_serve.c */
void fetch_serve_ask(struct fetch *f, uint64_t from, uint32_t at, const struct gossip_msg_ask *m);
void fetch_serve_more(struct fetch *f, uint64_t from, const struct gossip_msg_more *m);
void fetch_serve_drop(struct fetch *f, uint64_t from, const struct gossip_msg_drop *m);
bool fetch_serve_pull(struct fetch *f, uint64_t to, uint32_t at, struct gossip_msg *ret);
void fetch_serve_look(struct fetch *f);
void fetch_serve_end(struct fetch *f);

#endif
