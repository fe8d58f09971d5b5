/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_HOLDING_IMPL_H
#define NODE_HOLDING_IMPL_H
/*
 * What holding.c, which has the table of slots, and holding_lease.c, which has the lease, share.
 */
#include "node/holding.h"

#define HOLDING_BIT(word) (1u << (word)) /* of a slot's words */
#define HOLDING_MAY_RUN	  (HOLDING_BIT(HOLDING_RUN) | HOLDING_BIT(HOLDING_GOES_ON) | HOLDING_BIT(HOLDING_IDENTITY))

/* holding.c */
struct holding_slot *holding_find(const struct holding *h, const struct msg_key *key, uint32_t slot); /* NULL: none */

/* holding_lease.c */
/* HOLD, EMPTY, GONE or RELEASED of a slot; only HOLD can fail: -ENOMEM, -ENOSPC. */
int holding_tell_lease(
	struct holding *h, enum lease_in_type type, const struct holding_slot *s, int64_t until_ms, struct now now);
void holding_join(struct holding *h, struct holding_slot *s, struct now now); /* if it is to be there and is not */
void holding_leave(struct holding *h, struct holding_slot *s, struct now now);
void holding_take_changes(struct holding *h, struct now now);
/* What the lease hears as it is: MSG, CFG, TIMES. */
void holding_pass_on(struct holding *h, const struct holding_in *in, struct now now);
void holding_renew(struct holding *h, struct now now, struct holding_outs *outs);
void holding_ask_number(struct holding *h, struct now now, struct holding_outs *outs);
void holding_remind(struct holding *h, struct now now); /* what was not done yet is asked for again */

#endif
