/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_SYSTEMD_H
#define NODE_SYSTEMD_H
/*
 * libsystemd, loaded only where systemd started the daemon: it brings five more libraries and a megabyte along, which a
 * node without systemd need not carry. Elsewhere these do nothing.
 */
#include "base/log.h"

/* "READY=1\nSTATUS=…"; see sd_notify(3). */
void systemd_notify(const char *state);
bool systemd_listens(void); /* whether anybody is told by it */
/* Whether our standard error is the journal. */
bool systemd_has_journal(void);
/* The name that every entry of the journal carries from here on. */
void systemd_set_node(const char *name);
/* A log_sink: one entry of the journal, with NODE=, and with AGENT= and REPLICA= where it is of one. */
void systemd_to_journal(enum log_level level, const char *agent, const char *replica, const char *text);

#endif
