/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_LOGS_H
#define CLI_LOGS_H
/*
 * What the two kinds of `logs` share: a place in a log, which the reader keeps.
 */
#include "cli/follow.h"

struct log_place {
	bool known;
	uint64_t inode;
	int64_t offset;
	int64_t lines; /* until it is known: the last so many; < 0: all */
};

/* The pairs of a place in a map: how many, and what they are. */
size_t log_place_pairs(const struct log_place *p);
void log_place_pack(struct mp_writer *w, const char *replica, const struct log_place *p);
/* Moves it as the daemon says. */
void log_place_take(struct log_place *p, const msgpack_object *part);
/* What a part carries, appended. */
void log_data_take(struct bytes *out, const msgpack_object *part);
/* A whole log as JSON: "replica":"web.0","lines":["…"] */
void log_put_replica(struct bytes *out, const char *replica, const struct bytes *log);
/* Of one replica to its end, into c->out. */
enum cli_status log_read_all(struct cli *c, const char *replica);

/* cmd_logs_agent.c: of all replicas of an agent. */
enum cli_status logs_of_agent(struct cli *c);

#endif
