/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See register_reader.h. Which kind of value it is, its first bytes say.
 */
#include "node/register_reader.h"

#include "node/register_agent.h"
#include "node/register_root.h"

/* The readers have no state: their ctx is NULL. */

static bool slot_next(const void *ctx, struct msg_bytes value, size_t *at, struct msg_slot *ret)
{
	(void)ctx; /* a pure function of the bytes; so below */
	return register_agent_slot(value, at, ret);
}

static bool cfg_get(const void *ctx, struct msg_bytes value, struct quorum_cfg *ret)
{
	(void)ctx;
	return register_root_cfg(value, ret);
}

static bool times_get(const void *ctx, struct msg_bytes value, struct value_times *ret)
{
	(void)ctx;
	return register_root_times(value, ret);
}

const struct value_reader register_reader = {.slot_next = slot_next, .cfg_get = cfg_get, .times_get = times_get};
