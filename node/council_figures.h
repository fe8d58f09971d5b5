/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_COUNCIL_FIGURES_H
#define NODE_COUNCIL_FIGURES_H
/*
 * What the cluster decides, in numbers, as this node knows them; -1 throughout where it takes no part.
 */
#include <stdint.h>

struct council_figures {
	int64_t epoch, voters;				   /* 0: nobody votes yet */
	int64_t votes, quorum;				   /* 1: this node does; a majority is there */
	int64_t agents;					   /* registers of agents, of removed ones too */
	int64_t chosen, refused, held, unknown, under_way; /* this node's proposals */
	int64_t round_ms;				   /* how long one of their two rounds takes */
	int64_t leases;
};

struct council;

void council_figures(const struct council *c, struct council_figures *ret); /* c NULL: none */

#endif
