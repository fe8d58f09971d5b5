/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GOSSIP_IDENTITY_H
#define GOSSIP_IDENTITY_H
/*
 * UUIDs of nodes and clusters, and what a node makes of another one that says it is the same. Where they are kept is
 * the store's affair (node/store.h: the node's id made with the store, the boot counter and the cluster's id durable
 * before they are used). Purely: random bytes are given.
 */
#include "base/util.h"

#define IDENTITY_UUID_BYTES 16
#define IDENTITY_UUID_TEXT  37 /* 36 characters and the NUL */

/* Version 4 (RFC 4122) of 16 random bytes, which it changes. Never one whose first 8 bytes are 0: that is no id. */
void identity_make(uint8_t uuid[IDENTITY_UUID_BYTES]);
char *identity_text(const uint8_t uuid[IDENTITY_UUID_BYTES], char out[IDENTITY_UUID_TEXT]); /* returns out */
/* 36 characters as identity_text writes them, capitals too. -EINVAL: it is none, or one of all zeros. */
int identity_parse(const char *text, uint8_t uuid[IDENTITY_UUID_BYTES]);

/*
 * The number of the next start: above counter, that of the last one (0: there was none). Of a disk that was taken back
 * in time the counter is too low, and a number used twice is two different nodes' to all others; so it is no lower than
 * the seconds since 2020 by the wall clock. A clock that is wrong costs nothing: the counter alone then says.
 */
uint32_t identity_boot(int64_t counter, int64_t wall_ms);
/*
 * The one for a node that learns that its number is too low: heard is what others know of it. Some may know of a few
 * later ones, so it is far above.
 */
uint32_t identity_boot_above(uint32_t heard);

/* How a peer stands to us, by its UUID and its process's number (random, made at each start). */
enum identity_kin {
	IDENTITY_OTHER,
	IDENTITY_SELF,	/* our own process: we dialled ourselves */
	IDENTITY_CLONE, /* our UUID in another process: a copied data directory */
	IDENTITY_ALIKE, /* another UUID that begins as ours does: one id for two nodes */
	IDENTITY_KIN_MAX
};

enum identity_kin identity_kin(const uint8_t own[IDENTITY_UUID_BYTES], uint64_t own_process,
	const uint8_t peer[IDENTITY_UUID_BYTES], uint64_t peer_process);

#endif
