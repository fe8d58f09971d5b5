/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_FETCH_H
#define NODE_FETCH_H
/*
 * Questions to other nodes and their answers, over the links of gossip. A question is one request of the control
 * protocol and fits one frame; its answer is one reply of at most FETCH_ANSWER_MAX, which comes in pieces of a frame
 * each, FETCH_WINDOW of them ahead of what the asker has taken. So memory and what waits on a link are bounded, and
 * who wants more (a log) asks again from where it was.
 *
 * Who has no link to the one that is asked takes another way: it dials, or, where that one cannot be dialled, asks a
 * node that has a link to it, which asks on its behalf and passes the whole answer back. A question whose link is lost
 * is asked again, until it was quiet for FETCH_QUIET_MS: all that may be asked only reads.
 *
 * Decides alone: no clock, no socket. cluster_fetch.c gives it links and members, and has questions of others answered.
 */
#include "base/bytes.h"
#include "base/err.h"
#include "base/list.h"
#include "base/limits.h"
#include "gossip/msg.h"
#include "node/mp.h"

#define FETCH_QUIET_MS	 10000 /* without any progress it is given up */
#define FETCH_WAY_MS	 4000  /* until another way is tried */
#define FETCH_LINGER_MS	 10000 /* a link that was dialled for a question stays for the next one */
#define FETCH_VISITS_MAX 8     /* of such links */

struct fetch;
struct fetch_ask;
struct fetch_serve;

struct fetch_answer {
	bool ok;
	const msgpack_object *result; /* ok */
	const char *code, *error;     /* not ok; code "away": nobody answered */
	const struct bytes *raw;      /* the reply as it came; NULL: none came */
};

/* All of it is borrowed for the call. Once for each question, unless it is dropped; from fetch_look or fetch_take. */
typedef void fetch_done(void *arg, const struct fetch_answer *a);

struct fetch_hooks {
	/* Which link there is to a member now, a number that no other link had; 0: none. */
	uint32_t (*link)(void *arg, uint64_t id);
	/* fetch_pull may have something for the link to it. */
	void (*ready)(void *arg, uint64_t id);
	/* fetch_look is wanted soon. */
	void (*wake)(void *arg);
	/* Links to these, and no others any more, are wanted beside those that there are. */
	void (*visit)(void *arg, const uint64_t *ids, size_t n);
	/* The n-th way to a member: itself, or whoever may have a link to it; 0: there is no more. */
	uint64_t (*way)(void *arg, uint64_t to, unsigned n);
	/* NULL: it is here. Else what it is: "dead", "left", … */
	const char *(*absent)(void *arg, uint64_t id);
	const char *(*name)(void *arg, uint64_t id);
	/* A question of another node: body is borrowed for the call. fetch_answer ends it, now or later. */
	void (*serve)(void *arg, struct fetch_serve *s, const void *body, size_t n);
	/* Nobody waits for that one any more: fetch_answer must not be called for it. */
	void (*unserve)(void *arg, struct fetch_serve *s);
};

struct fetch_figures {
	uint64_t asked, answered, failed;  /* of ours */
	uint64_t served, refused, dropped; /* of others: taken, turned away, no longer waited for */
	uint64_t passed;		   /* on behalf of others */
	uint64_t strays, no_memory;	   /* messages of no question that is known; dropped */
	size_t asks, serves, held;
};

/* self: its id. hooks outlive it. NULL: no memory. */
struct fetch *fetch_new(uint64_t self, const struct fetch_hooks *hooks, void *arg);
void fetch_free(struct fetch *f); /* ends all, as fetch_end does; NULL is fine */
/* Those of ours are answered with code "stopping", those of others are not waited for. */
void fetch_end(struct fetch *f);

/* body: a packed request. gone: asked now and then whether anybody waits for the answer; NULL: somebody does.
 * -ENOSPC, -EMSGSIZE, -ENOMEM with a sentence. */
struct fetch_question {
	uint64_t to;
	const struct bytes *body;
	fetch_done *done;
	bool (*gone)(void *arg);
	void *arg;
};
int fetch_ask(struct fetch *f, const struct fetch_question *q, int64_t now_ms, struct fetch_ask **ret, struct err *e);
void fetch_drop(struct fetch_ask *a); /* `done` is not called */

/* The reply to a question: taken. failed, or too large: a refusal goes instead. */
void fetch_answer(struct fetch_serve *s, struct bytes *reply);
void fetch_refuse(struct fetch_serve *s, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
uint64_t fetch_peer(const struct fetch_serve *s);
void *fetch_work(const struct fetch_serve *s); /* the caller's own, NULL at first */
void fetch_set_work(struct fetch_serve *s, void *work);

/* A message of one of the four kinds, from a member. */
void fetch_take(struct fetch *f, uint64_t from, const struct gossip_msg *m, int64_t now_ms);
/* The next message for it; false: nothing now. Borrowed until the next call of any of these. */
bool fetch_pull(struct fetch *f, uint64_t to, int64_t now_ms, struct gossip_msg *ret) MUST_CHECK;
/* Links that came and went, members that did, what was quiet for too long. */
void fetch_look(struct fetch *f, int64_t now_ms);
bool fetch_is_idle(const struct fetch *f); /* fetch_look has nothing to look at */
bool fetch_is_busy(const struct fetch *f); /* fetch_pull may have something for somebody */
void fetch_figures(const struct fetch *f, struct fetch_figures *ret);

#endif
