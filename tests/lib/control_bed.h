/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_CONTROL_BED_H
#define TESTS_LIB_CONTROL_BED_H
/*
 * A control socket with a loop in a thread of its own, and a small daemon behind it. Its verbs:
 *
 *	echo     the arguments themselves
 *	refuse   "no, because"
 *	faults   a refusal with one fault
 *	hold     kept until `free` or the end; gone ones are ended at the next `stats`
 *	free     answers all that are held, tells how many
 *	big      n: an answer of n bytes
 *	stats    {requests, refused_peers, bad_frames, full, waiting, held, gone}
 *	oom      n: the n-th allocation of the server from then on fails
 *	rebind   after the socket file was removed
 *	via      as echo, through a request that came over HTTP
 *	who      {uid, gid, pid}
 */
#include "base/bytes.h"
#include "node/control_client.h"
#include "tests/lib/tmpdir.h"

struct control_bed; /* of control_bed.c */

struct control_bed *control_bed_start(const char *path, uint32_t allow_uid);
void control_bed_stop(struct control_bed *b);

/* A connection, made; the test fails when it cannot be. */
struct control_client *control_bed_connect(const char *path);
/* One call with {key: value} (key NULL: no arguments); the reply as JSON, to be freed. No reply fails the test. */
char *control_bed_call(struct control_client *c, const char *verb, const char *key, int64_t value);
/* The same on a connection of its own, compared with `json`. */
void control_bed_expect(const char *path, const char *verb, const char *key, int64_t value, const char *json);
/* One figure of `stats`. */
int64_t control_bed_stat(const char *path, const char *name);
void control_bed_pack(struct bytes *out, const char *key, int64_t value);

#endif
