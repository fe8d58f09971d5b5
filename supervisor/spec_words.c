/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form of single words in our files.
 */
#include "supervisor/spec_words.h"

#include <ctype.h>
#include <signal.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/capability.h"

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

#define CPU_MAX 8191

/* One of `first`, then up to `max` letters in all out of `rest`. */
static bool is_word(const char *s, const char *first, const char *rest, size_t max)
{
	size_t n = strlen(s);

	return n > 0 && n <= max && strchr(first, s[0]) && strspn(s + 1, rest) == n - 1;
}

bool spec_name_is_valid(const char *s)
{
	return is_word(s, LOWER, LOWER DIGITS "-", NAME_MAX_LEN) && s[strlen(s) - 1] != '-';
}

const char *spec_check_agent_name(const char *s)
{
	return spec_name_is_valid(s) ? NULL
				     : "a name of at most 63 lower-case letters, digits and -, beginning with a "
				       "letter and not ending in -";
}

const char *spec_check_node_name(const char *s)
{
	if (is_word(s, LOWER DIGITS, LOWER DIGITS "-", NAME_MAX_LEN) && s[strlen(s) - 1] != '-')
		return NULL;
	return "a name of at most 63 lower-case letters, digits and -, beginning and ending with a letter or digit";
}

const char *spec_check_label_name(const char *s)
{
	return is_word(s, LOWER, LOWER DIGITS "_.-", NAME_MAX_LEN)
		       ? NULL
		       : "a label of at most 63 lower-case letters, digits, _, . and -, beginning with a letter";
}

const char *spec_check_label_value(const char *s)
{
	return is_word(s, LOWER UPPER DIGITS, LOWER UPPER DIGITS "_.-", NAME_MAX_LEN)
		       ? NULL
		       : "a label's value of at most 63 letters, digits, _, . and -";
}

const char *spec_check_user(const char *s)
{
	return is_word(s, LOWER UPPER DIGITS "_", LOWER UPPER DIGITS "_.-$", NAME_MAX_LEN)
		       ? NULL
		       : "dynamic, or the name of a user";
}

const char *spec_check_path(const char *s)
{
	const char *p = s;

	if (*s != '/')
		return "an absolute path";
	while ((p = strstr(p, "/..")) != NULL) {
		p += 3;
		if (*p == '/' || *p == '\0')
			return "an absolute path without ..";
	}
	return NULL;
}

const char *spec_check_http_path(const char *s)
{
	const char *p = s;

	while (*p > ' ' && *p < 0x7f && *p != '#')
		p++;
	return *s == '/' && !*p ? NULL : "a path such as /healthz, without blanks and #";
}

const char *spec_check_env_name(const char *s)
{
	if (!is_word(s, LOWER UPPER "_", LOWER UPPER DIGITS "_", NAME_MAX_LEN))
		return "a variable's name of at most 63 letters, digits and _, not beginning with a digit";
	if (strncmp(s, "COVEY_", 6) == 0 || strcmp(s, "NOTIFY_SOCKET") == 0)
		return "another one: COVEY_… and NOTIFY_SOCKET are told by covey";
	return NULL;
}

const char *spec_check_port_name(const char *s)
{
	return is_word(s, LOWER UPPER "_", LOWER UPPER DIGITS "_", NAME_MAX_LEN)
		       ? NULL
		       : "a port's name of at most 63 letters, digits and _ (it is told as PORT_name)";
}

/* Reads one cpu number; NULL when there is none. */
static const char *cpu_number(const char *s, int *ret)
{
	int n = 0;

	if (!isdigit((unsigned char)*s))
		return NULL;
	for (; isdigit((unsigned char)*s) && n <= CPU_MAX; s++)
		n = n * 10 + (*s - '0');
	*ret = n;
	return n <= CPU_MAX ? s : NULL;
}

const char *spec_check_cpuset(const char *s)
{
	static const char must_be[] = "processors such as 0-3,6, each at most 8191";

	for (;;) {
		int from, to;

		s = cpu_number(s, &from);
		if (!s)
			return must_be;
		if (*s == '-') {
			s = cpu_number(s + 1, &to);
			if (!s || to < from)
				return must_be;
		}
		if (!*s)
			return NULL;
		if (*s++ != ',')
			return must_be;
	}
}

const char *spec_check_capability(const char *s)
{
	return capability_number(s) >= 0 ? NULL
					 : "a capability such as CAP_NET_BIND_SERVICE, as capabilities(7) has them";
}

const char *spec_check_call(const char *s)
{
	if (is_word(s, LOWER "_", LOWER DIGITS "_", NAME_MAX_LEN))
		return NULL;
	if (*s == '@' && is_word(s + 1, LOWER, LOWER DIGITS "-_", NAME_MAX_LEN))
		return NULL;
	return "the name of a system call such as mount, or of a group such as @network";
}

bool spec_read_expression(const char *s, char label[NAME_MAX_LEN + 1], bool *ret_equal, const char **ret_value)
{
	size_t n = strcspn(s, " =!");

	if (n > NAME_MAX_LEN)
		return false;
	memcpy(label, s, n);
	label[n] = '\0';
	s += n;
	s += strspn(s, " ");
	*ret_equal = strncmp(s, "==", 2) == 0;
	if (!*ret_equal && strncmp(s, "!=", 2) != 0)
		return false;
	*ret_value = s + 2 + strspn(s + 2, " ");
	return !spec_check_label_name(label) && !spec_check_label_value(*ret_value);
}

const char *spec_check_expression(const char *s)
{
	char label[NAME_MAX_LEN + 1];
	const char *value;
	bool equal;

	if (spec_read_expression(s, label, &equal, &value))
		return NULL;
	return "an expression such as \"zone == a\" or \"disk != hdd\"";
}

bool spec_expression_holds(const char *s, const struct spec_pairs *labels)
{
	char label[NAME_MAX_LEN + 1];
	const char *value;
	bool equal;

	if (!spec_read_expression(s, label, &equal, &value))
		return false;
	for (size_t i = 0; i < labels->n; i++)
		if (strcmp(labels->v[i].key, label) == 0)
			return equal == (strcmp(labels->v[i].value, value) == 0);
	return !equal;
}

size_t spec_dollar(const char *after)
{
	size_t n;

	if (*after == '$')
		return 1;
	if (*after != '{')
		return 0;
	n = strspn(after + 1, LOWER UPPER DIGITS "_");
	return n > 0 && n <= NAME_MAX_LEN && after[n + 1] == '}' ? n + 2 : 0;
}

static bool is_told(const char *name, size_t n)
{
	static const char *const told[] = {"COVEY_AGENT", "COVEY_REPLICA", "COVEY_NODE", "COVEY_EPOCH", "COVEY_STATSD"};

	if (n > 5 && strncmp(name, "PORT_", 5) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		if (strlen(told[i]) == n && strncmp(told[i], name, n) == 0)
			return true;
	return false;
}

const char *spec_check_expandable(const char *s)
{
	while ((s = strchr(s, '$')) != NULL) {
		size_t n = spec_dollar(++s);

		if (n == 0)
			return "a text in which $ begins ${NAME}, or $$ for a dollar";
		if (n > 1 && !is_told(s + 1, n - 2))
			return "a text with ${…} of what covey tells: COVEY_AGENT, COVEY_REPLICA, COVEY_NODE, "
			       "COVEY_EPOCH, COVEY_STATSD, PORT_name ($$ is a dollar)";
		s += n;
	}
	return NULL;
}

int spec_signal(const char *name)
{
	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (int i = 1; i < 32; i++) {
		const char *abbrev = sigabbrev_np(i);

		if (abbrev && strcmp(abbrev, name) == 0)
			return i;
	}
	return -1;
}
