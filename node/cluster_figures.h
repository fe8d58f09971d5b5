/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CLUSTER_FIGURES_H
#define NODE_CLUSTER_FIGURES_H
/*
 * What gossip does, in numbers; -1 throughout where there is none.
 */
#include <stdint.h>

struct cluster_figures {
	int64_t alive, suspect, dead, left;
	int64_t links, links_eager;
	int64_t frames_in, frames_out, bytes_in, bytes_out;
	int64_t dialled, accepted, turned_away;
	int64_t bad_frames, refused; /* no messages; messages with what they may not say */
	int64_t syncs;
	int64_t late;	/* times that this process was too late to accuse anybody */
	int64_t health; /* 1, good, … 4 */
	int64_t values_bytes;
	int64_t isolated;
	/* questions to other nodes and theirs (fetch.h) */
	int64_t asked, asked_failed, served, served_refused, passed, strays, answers_bytes;
	/* register messages (cluster_register.h) */
	int64_t registers_in, registers_out, registers_dropped, registers_bad, registers_bytes;
};

#define CLUSTER_FIGURES_NONE                                                                                          \
	((struct cluster_figures){-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, \
		-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1})

struct cluster;

void cluster_figures(const struct cluster *c, struct cluster_figures *ret); /* c NULL: none */

#endif
