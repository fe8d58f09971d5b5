/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_WHEN_H
#define CLI_WHEN_H
/*
 * Moments as people type them and as the daemon writes them. Purely: the caller says what time it is.
 */
#include "base/util.h"

/* "2026-01-02T03:04:05.678Z", or with an offset (+01:00), without a fraction, or a date alone (midnight UTC). 0 or
 * -EINVAL. */
int when_parse_time(const char *s, int64_t *ret_wall_ms);
/* The same, or a duration before now: "10m". */
int when_parse_since(const char *s, int64_t now_wall_ms, int64_t *ret_wall_ms);

#endif
