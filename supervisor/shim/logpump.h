/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_LOGPUMP_H
#define SUPERVISOR_SHIM_LOGPUMP_H
/*
 * From the pipe that is an agent's output to its log files. Whoever writes little costs no memory beyond the stack;
 * buffers are mapped while there is much, or half a line, and given back afterwards.
 */
#include "supervisor/shim/logfile.h"
#include "supervisor/shim/logline.h"

struct logpump {
	int pipe; /* our end; -1: the agent has closed all of its ends */
	struct logline line;
	struct logfile file;
	uint64_t bytes; /* read from the agent */
	char *buffers;	/* NULL while there is little */
	size_t have;	/* bytes of a line that is not whole yet, at the beginning of `buffers` */
	bool big_pipe;
	int64_t read_at_ms; /* CLOCK_MONOTONIC: it is not polled but read then; 0: polled */
	int64_t idle_at_ms; /* CLOCK_MONOTONIC: buffers that were not needed until then go back; 0: none */
};

/* Opens the log; path is borrowed for good. *ret_out is the agent's end of the pipe, which is the caller's. */
int logpump_open(struct logpump *l, const char *path, bool stamps, uint64_t max_bytes, uint32_t keep, int *ret_out);
/* After POLLIN or POLLHUP: a bounded amount of work. */
void logpump_turn(struct logpump *l, int64_t now_ms);
/* At idle_at_ms. */
void logpump_idle(struct logpump *l, int64_t now_ms);
/* Writes what is in the pipe now, and the last line even without its end; waits for nobody who still holds the pipe. */
void logpump_finish(struct logpump *l);

#endif
