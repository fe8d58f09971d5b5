/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_DAEMON_H
#define TESTS_LIB_DAEMON_H
/*
 * A real coveyd of this build for a test: folders, cgroup parent and ports of its own, so that any number run
 * side by side.
 * Talks to it as the command does. Everything is ended and removed by daemon_done, also what a test left running.
 */
#include "base/bytes.h"
#include "node/mp.h"
#include "tests/lib/tmpdir.h"

struct daemon_bed {
	struct tmpdir dir;
	char name[64];	  /* of the node: n1, unless set before daemon_start */
	bool labelled;	  /* the node has the label host, with its name */
	char run_dir[96]; /* run, unless set before daemon_start with `socket` */
	char cgroup[160];
	char socket[128];
	int pid;	     /* of coveyd; 0: not running */
	const char *program; /* in the place of coveyd, unless NULL */
	int http_port;
	char extra[512];    /* more lines of the configuration, set before daemon_start */
	char joins[2][192]; /* files of groups that the daemon enters before its exec; "": none */
	bool finds_home;    /* the configuration names no cgroup: it is to be found */
	struct bytes reply; /* of the last call */
	struct mp_tree tree;
	bool has_tree;
};

/* Skips the test program (exit 77) unless it may make cgroups. */
void daemon_need_root(void);
void daemon_init(struct daemon_bed *d);
void daemon_start(struct daemon_bed *d);	    /* returns once it answers */
void daemon_launch(struct daemon_bed *d);	    /* does not wait */
void daemon_kill(struct daemon_bed *d, int signal); /* and waits for its end */
void daemon_done(struct daemon_bed *d);

/* A file of the bed's folder; returns its path, valid until the next call. */
const char *daemon_file(struct daemon_bed *d, const char *name, const char *content, unsigned mode);

/* Bytes of a file of the bed's folder; 0 when it is not there. */
int64_t daemon_size(struct daemon_bed *d, const char *name);
/* Whether the daemon has logged both parts in one line, from this offset of coveyd.log on. */
bool daemon_logged(struct daemon_bed *d, int64_t from, const char *part, const char *other);

/* Calls a verb; args is JSON-like text of the form "key=value,key=value" with numbers told as numbers, or NULL.
 * The root
 * of the reply, valid until the next call; NULL when no daemon answers. */
const msgpack_object *daemon_call(struct daemon_bed *d, const char *verb, const char *args);
/* Applies one definition: the reply's root. */
const msgpack_object *daemon_apply(struct daemon_bed *d, const char *text);
/* … which must be accepted, and waits until its agent runs as meant. */
void daemon_run(struct daemon_bed *d, const char *text);
/* Waits for an operation: true when done, false when it failed (its text in `text`, of 256 bytes). */
bool daemon_wait(struct daemon_bed *d, const char *op, char text[256]);

/* Of `status`: a replica's state, pid, restarts; "" and 0 when it is not there. */
struct daemon_replica {
	char state[16], health[16], reason[16], text[256];
	int pid, restarts, code, port;
	int64_t refused;
};
bool daemon_replica(struct daemon_bed *d, const char *id, struct daemon_replica *ret);
bool daemon_state_is(struct daemon_bed *d, const char *id, const char *state);
int daemon_pid_of(struct daemon_bed *d, const char *id); /* 0 unless running */
/* "key" of a map as a NUL-terminated copy, valid until the next call of it. */
const char *daemon_text(const msgpack_object *map, const char *key);
bool daemon_ok(const msgpack_object *reply);
/* Whether an event of that kind with that text (a part) was told for the agent. */
bool daemon_has_event(struct daemon_bed *d, const char *agent, const char *kind, const char *part);
/* Processes in the bed's cgroups (v1: the pids hierarchy). */
int daemon_processes(struct daemon_bed *d);

#endif
