/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_JSON_H
#define TESTS_LIB_JSON_H
/*
 * Is this text one JSON document (RFC 8259), and nothing else? A checker of the tests' own, so that what writes
 * JSON is not its own judge.
 */
#include <stdbool.h>
#include <string.h>

static inline bool json_value(const char **p, int depth);

static inline void json_blanks(const char **p)
{
	*p += strspn(*p, " \t\r\n");
}

static inline bool json_string(const char **p)
{
	if (**p != '"')
		return false;
	for ((*p)++; **p != '"'; (*p)++) {
		if ((unsigned char)**p < 0x20)
			return false;
		if (**p != '\\')
			continue;
		(*p)++;
		if (**p == 'u' && strspn(*p + 1, "0123456789abcdefABCDEF") >= 4)
			*p += 4;
		else if (**p == '\0' || !strchr("\"\\/bfnrt", **p))
			return false;
	}
	(*p)++;
	return true;
}

static inline bool json_digits(const char **p)
{
	size_t n = strspn(*p, "0123456789");

	*p += n;
	return n > 0;
}

static inline bool json_number(const char **p)
{
	*p += **p == '-';
	if (**p == '0')
		(*p)++;
	else if (!json_digits(p))
		return false;
	if (**p == '.') {
		(*p)++;
		if (!json_digits(p))
			return false;
	}
	if (**p != 'e' && **p != 'E')
		return true;
	(*p)++;
	*p += **p == '+' || **p == '-';
	return json_digits(p);
}

static inline bool json_word(const char **p, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*p, word, n) != 0)
		return false;
	*p += n;
	return true;
}

/* What stands between [ and ], or { and }. */
static inline bool json_members(const char **p, char close, int depth)
{
	(*p)++;
	json_blanks(p);
	if (**p == close) {
		(*p)++;
		return true;
	}
	for (;;) {
		if (close == '}') {
			json_blanks(p);
			if (!json_string(p))
				return false;
			json_blanks(p);
			if (*(*p)++ != ':')
				return false;
		}
		if (!json_value(p, depth + 1))
			return false;
		if (**p == close) {
			(*p)++;
			return true;
		}
		if (*(*p)++ != ',')
			return false;
	}
}

/* With the blanks around it. */
static inline bool json_value(const char **p, int depth)
{
	bool ok;

	json_blanks(p);
	if (depth > 64)
		return false;
	if (**p == '{')
		ok = json_members(p, '}', depth);
	else if (**p == '[')
		ok = json_members(p, ']', depth);
	else if (**p == '"')
		ok = json_string(p);
	else
		ok = json_word(p, "true") || json_word(p, "false") || json_word(p, "null") || json_number(p);
	json_blanks(p);
	return ok;
}

static inline bool json_is_document(const char *text)
{
	const char *p = text;

	return json_value(&p, 0) && *p == '\0';
}

#endif
