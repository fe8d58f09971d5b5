/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SPEC_HASH_H
#define SUPERVISOR_SPEC_HASH_H
/*
 * A number over all that a running replica would have to be restarted for.
 */
#include "supervisor/spec.h"

uint64_t spec_hash(const struct agent_spec *s);

#endif
