/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `top`: what the node and its replicas use, the busiest first; on a terminal drawn anew until q or Ctrl-C.
 * Signals arrive on a descriptor, so that the terminal is always put back as it was.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/call.h"
#include "cli/field.h"
#include "cli/view.h"

#define EVERY_MS 2000

static const struct table_column columns[] = {
	{"REPLICA", false, 12, 0},
	{"STATE", false, 0, 6},
	{"PID", true, 0, 7},
	{"CPU", true, 0, 0},
	{"MEMORY", true, 0, 0},
	{"PIDS", true, 0, 5},
	{"READ/S", true, 0, 8},
	{"WRITE/S", true, 0, 8},
	{"RESTARTS", true, 0, 4},
	{"REFUSED", true, 0, 9},
	{"PROBE", true, 0, 10},
};

static void rate_cell(struct table *t, const msgpack_object *r, const char *key)
{
	int64_t v = field_int(r, key, -1);
	char text[UNITS_TEXT_MAX];

	if (v >= 0)
		table_cell(t, TINT_NONE, "%s", units_size_short(text, v));
	else
		table_cell(t, TINT_DIM, "-");
}

static void count_cell(struct table *t, const msgpack_object *r, const char *key, const char *unit)
{
	int64_t v = field_int(r, key, -1);

	if (v >= 0)
		table_cell(t, TINT_NONE, "%lld%s", (long long)v, unit);
	else
		table_cell(t, TINT_DIM, "-");
}

static void row(struct table *t, const msgpack_object *r)
{
	char id[REPLICA_ID_MAX], state[32];

	(void)field_text(r, "state", state, sizeof(state)); /* it is text */
	table_cell(t, TINT_NONE, "%s", field_text(r, "id", id, sizeof(id)));
	table_cell(t, view_state_tint(state), "%s", state);
	count_cell(t, r, "pid", "");
	view_cores(t, field_double(r, "cpu_cores", -1));
	view_memory(t, field_int(r, "memory_bytes", -1), field_int(r, "memory_limit_bytes", 0));
	count_cell(t, r, "pids", "");
	rate_cell(t, r, "io_read_bps");
	rate_cell(t, r, "io_write_bps");
	count_cell(t, r, "restarts", "");
	count_cell(t, r, "refused", "");
	count_cell(t, r, "probe_ms", "ms");
}

/* Busiest first; equal ones as the daemon told them. */
static int by_use(const void *a, const void *b)
{
	const msgpack_object *const *x = a, *const *y = b;
	double cx = field_double(*x, "cpu_cores", -1), cy = field_double(*y, "cpu_cores", -1);

	if (cx != cy)
		return cx < cy ? 1 : -1;
	return *x < *y ? -1 : *x > *y;
}

/* Figures of the heads; what is not known is "-". */
static const char *real_text(char out[UNITS_TEXT_MAX], const msgpack_object *map, const char *key, int digits)
{
	double v = field_double(map, key, -1);

	if (v < 0)
		return "-";
	(void)snprintf(out, UNITS_TEXT_MAX, "%.*f", digits, v); /* cut when it is absurd */
	return out;
}

static const char *size_text(char out[UNITS_TEXT_MAX], const msgpack_object *map, const char *key)
{
	int64_t v = field_int(map, key, -1);

	return v < 0 ? "-" : units_size_short(out, v);
}

static void put_pressure(struct bytes *out, const msgpack_object *node)
{
	static const char *const what[] = {"cpu", "memory", "io"};
	const char *before = " · pressure ";
	char key[32];

	for (size_t i = 0; i < ARRAY_LEN(what); i++) {
		double v;

		(void)snprintf(key, sizeof(key), "pressure_%s", what[i]); /* fits */
		v = field_double(node, key, -1);
		if (v < 0)
			continue;
		(void)bytes_fmt(out, "%s%s %.0f%%", before, what[i], v); /* out->failed tells */
		before = ", ";
	}
}

static void put_node(struct bytes *out, const msgpack_object *node)
{
	char used[UNITS_TEXT_MAX], cores[UNITS_TEXT_MAX], load[UNITS_TEXT_MAX], memory[UNITS_TEXT_MAX],
		of[UNITS_TEXT_MAX], disk[UNITS_TEXT_MAX];

	/* out->failed tells */
	(void)bytes_fmt(out, "node: cpu %s of %s · memory %s of %s · load %s · disk %s free",
		real_text(used, node, "cpu_used_cores", 2), real_text(cores, node, "cpu_cores", 2),
		size_text(memory, node, "memory_used_bytes"), size_text(of, node, "memory_bytes"),
		real_text(load, node, "load1", 2), size_text(disk, node, "disk_free_bytes"));
	put_pressure(out, node);
}

static void put_daemon(struct bytes *out, const msgpack_object *daemon, unsigned replicas)
{
	char cores[UNITS_TEXT_MAX], memory[UNITS_TEXT_MAX], fds[UNITS_TEXT_MAX];

	(void)bytes_fmt(out, "daemon: cpu %s · memory %s · %s descriptors · %u replicas",
		real_text(cores, daemon, "cpu_cores", 3), size_text(memory, daemon, "memory_bytes"),
		real_text(fds, daemon, "fds", 0), replicas); /* out->failed tells */
}

/* "cluster: 3 nodes alive, 1 dead · 2 links · 12M in, 9M out"; nothing where there is none. */
static void put_gossip(struct bytes *out, const msgpack_object *gossip)
{
	static const char *const states[] = {"suspect", "dead", "left"};
	char in[UNITS_TEXT_MAX], sent[UNITS_TEXT_MAX];

	if (!gossip || gossip->type != MSGPACK_OBJECT_MAP)
		return;
	/* out->failed tells; as below */
	(void)bytes_fmt(out, "cluster: %lld nodes alive", (long long)field_int(gossip, "alive", 0));
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (field_int(gossip, states[i], 0) > 0)
			(void)bytes_fmt(out, ", %lld %s", (long long)field_int(gossip, states[i], 0), states[i]);
	(void)bytes_fmt(out, " · %lld links · %s in, %s out", (long long)field_int(gossip, "links", 0),
		size_text(in, gossip, "bytes_in"), size_text(sent, gossip, "bytes_out"));
}

/* Two lines about the host and the daemon, one about the cluster. */
static void heads(const msgpack_object *root, const struct view *v, struct bytes *out)
{
	struct bytes line = {.max = 4096};

	/* line.failed tells, of both. */
	put_node(&line, mp_get(root, "node"));
	if (!line.failed)
		text_clean(out, line.v, line.n, v->width);
	bytes_clear(&line);
	put_daemon(&line, mp_get(root, "daemon"), field_n(root, "replicas"));
	(void)bytes_str(out, "\n");
	if (!line.failed)
		text_clean(out, line.v, line.n, v->width);
	bytes_clear(&line);
	put_gossip(&line, mp_get(root, "gossip"));
	if (!line.failed && line.n)
		(void)bytes_str(out, "\n");
	if (!line.failed && line.n)
		text_clean(out, line.v, line.n, v->width);
	(void)bytes_str(out, "\n\n");
	out->failed |= line.failed;
	bytes_done(&line);
}

int view_top(const msgpack_object *root, const struct view *v, struct bytes *out)
{
	uint32_t n = field_n(root, "replicas");
	AUTO_FREE const msgpack_object **sorted = mem_zalloc(n, sizeof(*sorted));
	struct table t;
	int rc;

	if (!sorted)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		sorted[i] = field_at(root, "replicas", i);
	qsort(sorted, n, sizeof(*sorted), by_use);
	heads(root, v, out);
	table_init(&t, columns, ARRAY_LEN(columns));
	for (uint32_t i = 0; i < n; i++)
		row(&t, sorted[i]);
	rc = table_render(&t, v->width, v->colour, out);
	table_done(&t);
	return rc;
}

static enum cli_status once(struct cli *c)
{
	struct view v = view_of(c);
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	enum cli_status status;

	args_init(&a, 0);
	status = call_read(c, "top", &a, &r);
	if (status != CLI_DONE || call_print_json(c, &r, &status))
		return status;
	c->out.failed |= view_top(r.result, &v, &c->out) < 0;
	return cli_flush(c);
}

/* What does not fit below the terminal's last line would scroll the heads away. */
static void keep_lines(struct bytes *b, unsigned lines)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->v[i] == '\n' && --lines == 0) {
			b->n = i;
			b->v[i] = '\0';
		}
}

static void draw(struct cli *c)
{
	struct view v = view_of(c);
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	struct bytes screen = {.max = CLI_OUT_MAX};
	struct err e = {0};
	enum call_end end;

	args_init(&a, 0);
	end = call_daemon(c, "top", &a, EVERY_MS, &r, &e);
	/* What fails is seen, and drawn anew soon: hence the (void)s. */
	if (end == CALL_OK)
		screen.failed |= view_top(r.result, &v, &screen) < 0;
	else
		(void)bytes_fmt(&screen, "%s\ntrying again", end == CALL_REFUSED ? r.error : e.text);
	if (!screen.failed && screen.v)
		keep_lines(&screen, screen_height(STDOUT_FILENO));
	(void)bytes_str(&c->out, "\033[H\033[2J");
	if (!screen.failed && screen.v)
		(void)bytes_add(&c->out, screen.v, screen.n);
	(void)cli_flush(c);
	bytes_done(&screen);
}

/* Until the next drawing: false when the user has seen enough. */
static bool linger(int signals)
{
	struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
	struct signalfd_siginfo info;
	char key;

	if (poll(fds, 2, EVERY_MS) <= 0)
		return true;
	if (fds[0].revents && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || key == 3))
		return false;
	if (fds[1].revents && read(signals, &info, sizeof(info)) == sizeof(info))
		return info.ssi_signo == SIGWINCH;
	return true;
}

static enum cli_status live(struct cli *c)
{
	static const char enter[] = "\033[?1049h\033[?25l", leave[] = "\033[?25h\033[?1049l";
	struct termios was, raw;
	AUTO_CLOSE int signals = -1;
	sigset_t set;

	/* Cannot fail with these arguments. */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGWINCH);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0 || tcgetattr(STDIN_FILENO, &was) < 0)
		return cli_fail(CLI_REFUSED, "the terminal cannot be watched: %s", strerror(errno));
	raw = was;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	/* A terminal that went away is noticed by linger. */
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	(void)io_write_all(STDOUT_FILENO, enter, sizeof(enter) - 1);
	do
		draw(c);
	while (linger(signals));
	(void)io_write_all(STDOUT_FILENO, leave, sizeof(leave) - 1);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &was);
	return CLI_DONE;
}

enum cli_status cmd_top(struct cli *c)
{
	return c->out_tty && isatty(STDIN_FILENO) && !cli_has(c, OPT_JSON) ? live(c) : once(c);
}
