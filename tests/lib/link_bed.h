/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_LINK_BED_H
#define TESTS_LIB_LINK_BED_H
/*
 * Transports of a test, each with a small caller behind it, all turned by one thread: the test's own, in link_until.
 *
 * Their hello: the one that dialled says "hello"; the other answers "welcome", and both have a link; or it answers
 * "go away", when it was told to refuse. With `greets` set it is the signed one.
 */
#include <poll.h>
#include <string.h>

#include "gossip/transport_hello.h"
#include "tests/lib/wait.h"

struct link_end {
	struct transport *t;
	int wake_fd;
	bool refuses;	    /* whoever dials */
	bool swallows;	    /* frames: counted alone */
	bool parts;	    /* as soon as a frame comes, before it is looked at */
	bool parts_at_once; /* as soon as a link is up */
	bool echoes;	    /* frames go back */
	bool leaves_hello;  /* says none, and takes none */
	bool gathers;	    /* frames wait for the end of a turn */
	const struct hello_self *greets;
	enum hello_why hello_why; /* of the last failed or turned_away */
	char peer[64];		  /* of the last up */
	uint32_t last;		  /* link that came up */
	size_t up, down, failed, turned_away, frames, writable, hellos, ended;
	size_t dropped; /* echoes, for want of memory */
	size_t outcomes[TRANSPORT_OUTCOME_MAX];
	bool by_peer;
	char why[ERR_TEXT_MAX]; /* of the last down, failed or turned_away */
	char got[64];		/* the beginning of the last frame */
	size_t got_n;
};

/* A transport with the bed's hello and hooks; fails the test. bind: "127.0.0.1:0", or NULL. */
void link_open(struct link_end *x, const char *bind, const struct transport_tls *tls, struct transport_limits limits);
/* The same; returns what transport_open does. */
int link_try_open(struct link_end *x, const char *bind, const struct transport_tls *tls, struct transport_limits limits,
	struct err *e);
void link_close(struct link_end *x);
void link_dial(struct link_end *x, const char *address, uint64_t token);
void link_dial_end(struct link_end *x, const struct link_end *to, uint64_t token);
/* So often a link from a to b that is closed once it is up; returns when both ends have none. */
void link_dial_and_close(struct link_end *a, struct link_end *b, size_t rounds);
/*
 * They leave no descriptor behind, and no more than so much memory: what leaks does so each time, what lies scattered
 * (threads were late to free) once. Returns how often it was `rounds` until that was seen.
 */
size_t link_dials_leave_nothing(struct link_end *a, struct link_end *b, size_t rounds, size_t slack_kb);
void link_address(const struct link_end *x, char ret[TRANSPORT_ADDR_MAX]);
struct transport_stats link_stats(const struct link_end *x);

/* Turns those that are wanted, once; waits a few milliseconds when none is. */
void link_turn(struct link_end *const *v, size_t n);

#define LINK_UNTIL(cond, ...)                                                              \
	do {                                                                               \
		struct link_end *const link_ends[] = {__VA_ARGS__};                        \
		int64_t link_end_ms = wait_mono_ms() + (int64_t)WAIT_BOUND_S * 1000;       \
		while (!(cond)) {                                                          \
			if (wait_mono_ms() > link_end_ms)                                  \
				fail_msg("waited %d s for: %s", (int)WAIT_BOUND_S, #cond); \
			link_turn(link_ends, ARRAY_LEN(link_ends));                        \
		}                                                                          \
	} while (0)

/* A plain socket of the test's: connected, or listening at a port of its own with this backlog and small buffers. */
int link_raw(const struct link_end *to);
int link_raw_listen(int backlog, char ret_address[TRANSPORT_ADDR_MAX]);
/* Whether the other end has closed it; what it said before is thrown away. */
bool link_raw_closed(int fd);
void link_raw_frame(int fd, const void *v, size_t n);

/* Of a group of tests: nng begins and ends with it. */
int link_setup(void **state);
int link_teardown(void **state);

/* Of this process. */
size_t link_fds(void);
size_t link_rss_kb(void);

#endif
