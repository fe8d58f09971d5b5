/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_FIELD_H
#define CLI_FIELD_H
/*
 * Fields of the daemon's answers, for showing: what is missing, nil or of another type is the fallback, since the
 * rest is still worth showing.
 */
#include "node/mp.h"

/* Copied into out (cut when longer); "" when missing. Returns out. */
char *field_text(const msgpack_object *map, const char *key, char *out, size_t n);
int64_t field_int(const msgpack_object *map, const char *key, int64_t fallback);
double field_double(const msgpack_object *map, const char *key, double fallback);
bool field_bool(const msgpack_object *map, const char *key);
int64_t field_time(const msgpack_object *map, const char *key); /* since 1970, in ms; 0 when missing */
/* Elements of an array: field_n is 0 when it is missing. */
uint32_t field_n(const msgpack_object *map, const char *key);
const msgpack_object *field_at(const msgpack_object *map, const char *key, uint32_t i);

#endif
