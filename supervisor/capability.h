/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_CAPABILITY_H
#define SUPERVISOR_CAPABILITY_H
/*
 * The names of Linux capabilities, as capabilities(7) spells them.
 */

/* CAP_NET_BIND_SERVICE → 10; -1 when there is none of that name. */
int capability_number(const char *name);

#endif
