/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SPEC_TABLE_H
#define SUPERVISOR_SPEC_TABLE_H
/*
 * The keys of an agent's file: one table for the parser, for the faults it tells and for the man page's test.
 */
#include "supervisor/yaml.h"

extern const struct yaml_keys spec_keys; /* fills struct agent_spec */

/* What no single key can know (spec_check.c); also what follows from other keys when not said. */
void spec_settle(struct yaml_doc *d, enum spec_scope scope, struct agent_spec *s);

#endif
