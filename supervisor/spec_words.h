/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SPEC_WORDS_H
#define SUPERVISOR_SPEC_WORDS_H
/*
 * The form of single words in our files: each function says what a text must be, or NULL when it is fine (yaml_check).
 */
#include "supervisor/spec.h"

const char *spec_check_agent_name(const char *s);
const char *spec_check_node_name(const char *s);
const char *spec_check_label_name(const char *s);
const char *spec_check_label_value(const char *s);
const char *spec_check_user(const char *s);
const char *spec_check_path(const char *s);	 /* absolute, without .. */
const char *spec_check_http_path(const char *s); /* of a request */
const char *spec_check_env_name(const char *s);
const char *spec_check_port_name(const char *s);
const char *spec_check_cpuset(const char *s);
const char *spec_check_capability(const char *s);
const char *spec_check_call(const char *s);	  /* a syscall or an @group, by form */
const char *spec_check_expression(const char *s); /* zone == a */
/* "zone == a" in its parts, the value as it stands in s; false: it is none. */
bool spec_read_expression(const char *s, char label[NAME_MAX_LEN + 1], bool *ret_equal, const char **ret_value);
const char *spec_check_expandable(const char *s); /* ${NAME} and $$ well formed, and a name that covey tells */
/* SIGTERM or TERM → 15; -1: there is none. */
int spec_signal(const char *name);
/* At a '$': the length of what follows it that belongs to it ("$" or "{NAME}"), or 0 when that is malformed. */
size_t spec_dollar(const char *after);

#endif
