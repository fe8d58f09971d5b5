/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H
/*
 * The daemon's own log: a line is a fact, its figures, and what follows from it ("…, ignoring"). Edges only;
 * cores hand out trace events. The sink is standard error, or the journal with fields; node/ sets it.
 */
#include "base/util.h"

enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_MAX };

/* agent and replica may be NULL. Called from any thread; must not block for long. */
typedef void log_sink(enum log_level level, const char *agent, const char *replica, const char *text);

void log_to(log_sink *sink, enum log_level up_to); /* NULL: standard error */
void log_line(enum log_level level, const char *agent, const char *replica, const char *fmt, ...) PRINTF_LIKE(4, 5);

#define log_err(...)   log_line(LOG_LEVEL_ERR, NULL, NULL, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, NULL, NULL, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, NULL, NULL, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, NULL, NULL, __VA_ARGS__)

#endif
