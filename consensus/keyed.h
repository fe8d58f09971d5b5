/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_KEYED_H
#define CONSENSUS_KEYED_H
/*
 * Things by key: an array of pointers to structs whose first member is their struct msg_key, by rising key. The things
 * are allocated here, and stay where they are; what they own is their owner's.
 */
#include "consensus/value.h"

struct keyed {
	void **v;      /* owned */
	size_t n, cap; /* a zeroed one is empty */
};

/* Where the first stands that is not below key; *ret_there: it is that key's. */
size_t keyed_place(const struct keyed *t, const struct msg_key *key, bool *ret_there);
void *keyed_find(const struct keyed *t, const struct msg_key *key); /* NULL: none */
/* A new one, of `size` bytes, zeroed but for its key, which is not there yet. NULL: no memory. */
void *keyed_add(struct keyed *t, const struct value_mem *mem, const struct msg_key *key, size_t size);
void keyed_drop(struct keyed *t, const struct value_mem *mem, const struct msg_key *key, size_t size); /* it is there */
void keyed_free(struct keyed *t, const struct value_mem *mem, size_t size);			       /* all of them */
void keyed_check(const struct keyed *t);

#endif
