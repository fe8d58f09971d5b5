/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_PACK_H
#define TESTS_SIM_PACK_H
/*
 * Messages as bytes, until gossip/wire is there: the structures' own bytes.
 */
#include "gossip/msg.h"

#define PACK_MAX 65536

size_t pack_put(const struct gossip_msg *m, uint8_t *out);
bool pack_get(const uint8_t *v, size_t n, struct gossip_msg *ret);

#endif
