/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H
/*
 * Sizes, durations, cpu shares and times as people write and read them. Parsers take the whole string, set
 * *ret only on success and return -EINVAL (not that form) or -ERANGE (does not fit).
 */
#include "base/util.h"

#define UNITS_TEXT_MAX 40

int units_parse_size(const char *s, int64_t *ret_bytes);  /* 10M; K, M, G, T are powers of 1024; bytes without one */
int units_parse_duration(const char *s, int64_t *ret_ms); /* 100ms, 3s, 5m, 2h, 7d; a unit is required, but for 0 */
int units_parse_milli(const char *s, int64_t *ret_milli); /* 0.5 is 500, at most three decimals */
int units_parse_percent(const char *s, int64_t *ret_percent); /* 25% */
int units_parse_int(const char *s, int64_t *ret);	      /* decimal; no leading zero, plus or blank */

/* Shortest exact form that the parsers read back: 10M, 1500ms. Return `out`, of UNITS_TEXT_MAX bytes. */
char *units_size(char *out, int64_t bytes);
char *units_duration(char *out, int64_t ms);
/* For tables: 9.8M, 1.2G; 2m05s, 3h12m, 4d07h. */
char *units_size_short(char *out, int64_t bytes);
char *units_age(char *out, int64_t ms);
/* RFC 3339 in UTC with milliseconds: 2026-01-02T03:04:05.678Z */
char *units_time(char *out, int64_t wall_ms);

#endif
