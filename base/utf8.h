/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H
/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#include "base/util.h"

#define UTF8_REPLACEMENT     "\xef\xbf\xbd" /* U+FFFD, for a byte that begins nothing valid */
#define UTF8_REPLACEMENT_LEN 3

/* Length of the character that s begins with (1 to 4), or 0 when it begins none within n bytes. */
size_t utf8_decode(const char *s, size_t n, uint32_t *ret_char);
/* Length that s has once each bad byte is replaced by UTF8_REPLACEMENT; n itself when all is valid. */
size_t utf8_clean_len(const char *s, size_t n);

#endif
