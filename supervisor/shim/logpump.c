/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pump. What is read is at once made into lines and written in as few writes as possible. Half a line waits in
 * memory for its end, so that it is never torn by a rotation. A turn reads a bounded amount and goes back to the
 * loop, which has other work too.
 */
#include "supervisor/shim/logpump.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/limits.h"
#include "supervisor/shim/os.h"

#define SMALL_IN      1024 /* both on the stack */
#define SMALL_OUT     1536
#define BIG_IN	      (256 * 1024)
#define BIG_OUT	      (384 * 1024)
#define BIG_PIPE      (1024 * 1024) /* what any process may ask for (pipe-max-size) */
#define SMALL_PIPE    (64 * 1024)
#define READS_A_TURN  4
#define IDLE_AFTER_MS 1000
#define MUCH_A_TURN   8192
#define NAP_MS	      1

_Static_assert(BIG_IN > LOG_LINE_MAX + 1, "a line that is cut fits in whole");
_Static_assert(BIG_OUT > LOG_LINE_MAX + LOGLINE_STAMP + 1, "and out");

int logpump_open(struct logpump *l, const char *path, bool stamps, uint64_t max_bytes, uint32_t keep, int *ret_out)
{
	int ends[2], rc;

	memset(l, 0, sizeof(*l));
	l->pipe = -1;
	l->file = (struct logfile){.path = path, .max = max_bytes, .keep = keep, .fd = -1};
	logline_init(&l->line, stamps, max_bytes);
	rc = logfile_open(&l->file);
	if (rc < 0)
		return rc;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK); /* the agent's end blocks, as programs expect */
	l->pipe = ends[0];
	*ret_out = ends[1];
	return 0;
}

/* Whole lines of in[0…n) go to the files; returns how many bytes are done with. `out` has room for the longest line. */
static size_t write_out(struct logpump *l, const char *in, size_t n, bool final, char *out, size_t cap)
{
	struct logline_batch b;
	size_t used = 0;

	logline_set_time(&l->line, os_now_ns(CLOCK_REALTIME));
	do {
		logline_take(&l->line, in + used, n - used, final, out, cap, logfile_room(&l->file), &b);
		logfile_write(&l->file, out, b.made, l->line.stamp, l->line.stamp_n);
		used += b.used;
		if (b.file_full)
			logfile_rotate(&l->file);
	} while (b.file_full || (b.out_full && b.made > 0));
	return used;
}

static bool get_buffers(struct logpump *l)
{
	if (!l->buffers) {
		l->buffers = os_map(BIG_IN + BIG_OUT, false);
		l->have = 0;
	}
	return l->buffers != NULL;
}

static void give_back(struct logpump *l)
{
	os_unmap(l->buffers, BIG_IN + BIG_OUT);
	l->buffers = NULL;
	l->idle_at_ms = 0;
	if (l->pipe >= 0)
		l->big_pipe = fcntl(l->pipe, F_SETPIPE_SZ, SMALL_PIPE) != SMALL_PIPE; /* refused while more is in it */
}

/* One read into the mapped buffers; returns what read(2) did. */
static ssize_t read_big(struct logpump *l)
{
	ssize_t n = read(l->pipe, l->buffers + l->have, BIG_IN - l->have);
	size_t used;

	if (n <= 0)
		return n;
	l->have += (size_t)n;
	used = write_out(l, l->buffers, l->have, false, l->buffers + BIG_IN, BIG_OUT);
	l->have -= used;
	memmove(l->buffers, l->buffers + used, l->have);
	return n;
}

/* The same on the stack; what it leaves over, and a sign of more to come, call for the big ones. */
static ssize_t read_small(struct logpump *l)
{
	char in[SMALL_IN], out[SMALL_OUT];
	ssize_t n = read(l->pipe, in, sizeof(in));
	size_t used;

	if (n <= 0)
		return n;
	used = write_out(l, in, (size_t)n, false, out, sizeof(out));
	if (used == (size_t)n && n < SMALL_IN)
		return n;
	if (!get_buffers(l)) { /* no memory: the half line becomes one of its own */
		(void)write_out(l, in + used, (size_t)n - used, true, out, sizeof(out)); /* takes all */
		return n;
	}
	l->have = (size_t)n - used;
	memcpy(l->buffers, in + used, l->have);
	if (n == SMALL_IN)
		l->big_pipe = fcntl(l->pipe, F_SETPIPE_SZ, BIG_PIPE) == BIG_PIPE;
	return n;
}

static void end_of_output(struct logpump *l)
{
	os_close(&l->pipe);
	if (l->have > 0)
		(void)write_out(l, l->buffers, l->have, true, l->buffers + BIG_IN, BIG_OUT); /* final: takes all */
	l->have = 0;
	if (l->buffers)
		give_back(l);
}

static ssize_t pump_once(struct logpump *l)
{
	ssize_t n = l->buffers ? read_big(l) : read_small(l);

	if (n > 0)
		l->bytes += (uint64_t)n;
	else if (n == 0)
		end_of_output(l);
	return n;
}

/*
 * Whoever writes much, a line a call, is slowed down most by waking us at each of them. So the pipe, which holds a
 * megabyte by then, is left alone for a moment and emptied in one go.
 */
void logpump_turn(struct logpump *l, int64_t now_ms)
{
	uint64_t before = l->bytes;

	for (int i = 0; i < READS_A_TURN && l->pipe >= 0; i++) {
		ssize_t n = pump_once(l);

		if (n < (ssize_t)(l->buffers ? BIG_IN / 2 : SMALL_IN))
			break; /* as good as empty, or at its end */
	}
	if (l->buffers)
		l->idle_at_ms = now_ms + IDLE_AFTER_MS;
	l->read_at_ms = l->big_pipe && l->pipe >= 0 && l->bytes - before >= MUCH_A_TURN ? now_ms + NAP_MS : 0;
}

void logpump_idle(struct logpump *l, int64_t now_ms)
{
	if (l->have == 0)
		give_back(l);
	else
		l->idle_at_ms = now_ms + 60 * IDLE_AFTER_MS; /* half a line keeps its page */
}

void logpump_finish(struct logpump *l)
{
	int left = 0;

	if (l->pipe >= 0)
		(void)ioctl(l->pipe, FIONREAD, &left); /* stays 0 when it fails */
	while (l->pipe >= 0 && left > 0) {
		ssize_t n = pump_once(l);

		if (n <= 0)
			break;
		left -= (int)n;
	}
	if (l->pipe >= 0)
		end_of_output(l);
	logfile_close(&l->file);
}
