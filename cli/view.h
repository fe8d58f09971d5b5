/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H
/*
 * The daemon's answers as text: trees in, text out; no clock, no terminal.
 */
#include "cli/cli.h"
#include "cli/table.h"
#include "node/mp.h"

struct view {
	unsigned width; /* 0: no cutting */
	bool colour;
	int64_t now_ms; /* wall clock, for ages */
};

struct view view_of(const struct cli *c);

/* 0 or -ENOMEM. */
int view_status(const msgpack_object *root, bool one, const struct view *v, struct bytes *out); /* one: with replicas */
int view_nodes(const msgpack_object *root, const struct view *v, struct bytes *out);
int view_top(const msgpack_object *root, const struct view *v, struct bytes *out);

/* Cells that several tables have. */
enum tint view_state_tint(const char *state);
enum tint view_health_tint(const char *health);
void view_age(struct table *t, int64_t since_ms, int64_t now_ms);
void view_cores(struct table *t, double cores);			    /* < 0: "-" */
void view_cores_of(struct table *t, double cores, double of);	    /* "0.50/4.00" */
void view_memory(struct table *t, int64_t bytes, int64_t of_bytes); /* "9.8M/256M"; bytes < 0: "-"; of 0: no limit */
void view_exit(struct table *t, const msgpack_object *last_exit, int64_t now_ms);

#endif
