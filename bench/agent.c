/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trivial agent of the benchmarks: notes the instant it began on the board (board.h), then does as its
 *mode says. Linked statically, so that what is measured is the supervisor and not a dynamic loader. It tells
 *no figure itself: the harness reads the board.
 *
 *	bench-agent BOARD ID [stay | end MS | spam BYTES | tcp NAME]
 *
 * stay (default) waits for a signal · end exits after at most MS ms with a code that differs from run to run
 *· spam writes BYTES in lines of 120 bytes to standard output as fast as it is taken, then stays · tcp
 *answers connections on the port told as PORT_NAME.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench/board.h"

#define LINE	   120
#define BLOCK	   (LINE * 512) /* below the 64 KiB of a pipe */
#define CODES	   100		/* end exits with 1 … CODES */
#define EXIT_USAGE 120
#define EXIT_BOARD 121
#define EXIT_PORT  122

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct board_head *board_open(const char *path)
{
	struct board_head *b;
	struct stat st;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < BOARD_HEAD)
		return NULL;
	b = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd); /* the mapping holds it */
	if (b == MAP_FAILED || b->magic != BOARD_MAGIC || board_size(b->slots, b->notes) > (size_t)st.st_size)
		return NULL;
	return b;
}

static void board_note(struct board_head *b, uint32_t id, enum board_kind kind, int32_t value, uint64_t ns)
{
	uint32_t i = atomic_fetch_add(&b->noted, 1);
	struct board_note *n;

	if (i >= b->notes)
		return;
	n = &board_notes(b)[i];
	n->ns = ns;
	n->id = id;
	n->pid = (uint32_t)getpid();
	n->kind = kind;
	n->value = value;
	atomic_thread_fence(memory_order_release);
	n->done = 1;
}

/* Whether /proc/PID/stat shows a living process of our name. */
static int is_living_agent(uint32_t pid)
{
	char path[64], text[128];
	const char *end;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%u/stat", pid); /* cannot be cut: ten digits */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof text - 1);
	(void)close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	end = strchr(text, ')');
	return strstr(text, "(bench-agent)") != NULL && end && end[1] == ' ' && end[2] != 'Z' && end[2] != 'X';
}

/* Is the agent that had this slot before us still alive? A pid that is another slot's now is a reused one. */
static int is_doubled(struct board_head *b, uint32_t id, uint32_t before)
{
	if (before == 0 || (kill((pid_t)before, 0) < 0 && errno == ESRCH) || !is_living_agent(before))
		return 0;
	for (uint32_t i = 0; i < b->slots; i++)
		if (i != id && atomic_load(&board_slots(b)[i].pid) == before)
			return 0;
	return 1;
}

static void note_start(struct board_head *b, uint32_t id, uint64_t ns)
{
	struct board_slot *s = &board_slots(b)[id];
	uint32_t before;

	atomic_store(&s->start_ns, ns);
	before = atomic_exchange(&s->pid, (uint32_t)getpid());
	(void)atomic_fetch_add(&s->starts, 1);
	(void)atomic_fetch_add(&b->started, 1);
	board_note(b, id, BOARD_STARTED, (int32_t)before, ns);
	if (!is_doubled(b, id, before))
		return;
	(void)atomic_fetch_add(&s->doubled, 1);
	(void)atomic_fetch_add(&b->doubled, 1);
	board_note(b, id, BOARD_DOUBLED, (int32_t)before, now_ns());
}

static void note_end(struct board_head *b, uint32_t id, int32_t code)
{
	struct board_slot *s = &board_slots(b)[id];
	uint64_t ns = now_ns();

	atomic_store(&s->end_ns, ns);
	atomic_store(&s->code, code);
	(void)atomic_fetch_add(&s->ends, 1);
	(void)atomic_fetch_add(&b->ended, 1);
	board_note(b, id, BOARD_ENDED, code, ns);
}

static int mode_end(struct board_head *b, uint32_t id, long max_ms)
{
	uint64_t r = now_ns() / 1000 * 2654435761u;
	long ms = max_ms > 0 ? (long)((r >> 7) % (uint64_t)max_ms) : 0;
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	sigset_t all;
	int code = 1 + (int)(atomic_load(&board_slots(b)[id].starts) % CODES);

	(void)nanosleep(&t, NULL); /* no handlers: nothing interrupts it but death */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL); /* a TERM between the note and the end would make the note a lie */
	note_end(b, id, code);
	return code;
}

/* Lines "%012lu" and filler; the number is the line's, so that the reader misses none and sees each tear. */
static void fill_block(char *block, unsigned long first)
{
	for (unsigned long i = 0; i < BLOCK / LINE; i++) {
		char *l = block + i * LINE;
		unsigned long v = first + i;

		for (int d = 11; d >= 0; d--, v /= 10)
			l[d] = (char)('0' + v % 10);
	}
}

static void mode_spam(struct board_head *b, uint32_t id, uint64_t bytes)
{
	static char block[BLOCK];
	struct board_slot *s = &board_slots(b)[id];
	uint64_t done = 0;

	bytes -= bytes % LINE;
	memset(block, '.', sizeof block);
	for (size_t i = 0; i < BLOCK / LINE; i++) {
		block[i * LINE + 12] = ' ';
		block[i * LINE + LINE - 1] = '\n';
	}
	while (done < bytes) {
		size_t len = bytes - done < BLOCK ? (size_t)(bytes - done) : BLOCK, at = 0;

		fill_block(block, done / LINE);
		while (at < len) {
			ssize_t n = write(STDOUT_FILENO, block + at, len - at);

			if (n < 0 && errno != EINTR && errno != EAGAIN)
				return;
			at += n > 0 ? (size_t)n : 0;
		}
		done += len;
		atomic_store(&s->bytes, done);
	}
	note_end(b, id, 0);
}

static int mode_tcp(struct board_head *b, uint32_t id, const char *name)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
	const int on = 1;
	const char *port;
	char var[64];
	int fd;

	(void)snprintf(var, sizeof var, "PORT_%s", name); /* a cut name is not found */
	port = getenv(var);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!port || fd < 0)
		return EXIT_PORT;
	at.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* bind says what matters */
	if (bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 16) < 0)
		return EXIT_PORT;
	atomic_store(&board_slots(b)[id].port, ntohs(at.sin_port));
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c >= 0)
			(void)close(c); /* nothing was written */
	}
}

int main(int argc, char **argv)
{
	uint64_t ns = now_ns();
	struct board_head *b;
	const char *mode = argc > 3 ? argv[3] : "stay", *arg = argc > 4 ? argv[4] : "";
	unsigned long id;

	if (argc < 3)
		return EXIT_USAGE;
	b = board_open(argv[1]);
	id = strtoul(argv[2], NULL, 10);
	if (!b || id >= b->slots)
		return EXIT_BOARD;
	note_start(b, (uint32_t)id, ns);
	if (strcmp(mode, "end") == 0)
		return mode_end(b, (uint32_t)id, strtol(arg, NULL, 10));
	if (strcmp(mode, "tcp") == 0)
		return mode_tcp(b, (uint32_t)id, arg);
	if (strcmp(mode, "spam") == 0)
		mode_spam(b, (uint32_t)id, strtoull(arg, NULL, 10));
	for (;;)
		(void)pause(); /* until a signal ends us */
}
