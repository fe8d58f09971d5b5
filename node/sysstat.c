/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads /proc: a handful of small files, no heap, no stdio. Decides nothing.
 */
#include "node/sysstat.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#define TEXT_MAX 8192

/* PROC/FILE into out, NUL-terminated; a longer file is cut. */
static int read_text(const char *proc, const char *file, char out[TEXT_MAX], struct err *e)
{
	char path[4096];
	AUTO_CLOSE int fd = -1;
	size_t got = 0;
	ssize_t n = 1;

	if (snprintf(path, sizeof(path), "%s/%s", proc, file) >= (int)sizeof(path))
		return err_set(e, -ENAMETOOLONG, "'%s/%s': name too long", proc, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "open '%s'", path);
	while (got < TEXT_MAX - 1 && n > 0) {
		n = read(fd, out + got, TEXT_MAX - 1 - got);
		if (n < 0)
			return err_errno(e, "read '%s'", path);
		got += (size_t)n;
	}
	out[got] = '\0';
	return 0;
}

/* The number behind "KEY" at the start of a line; -1 when there is none. */
static int64_t number_after(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, key, n) == 0)
			return strtoll(at + n, NULL, 10);
	}
	return -1;
}

/* "cpu  user nice system idle iowait irq softirq steal …" in ticks; guests' time is in user already. */
static int parse_cpu(const char *text, struct sysstat_host *h, struct err *e)
{
	enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, COLUMNS };
	int64_t tick_us = 1000000 / sysconf(_SC_CLK_TCK), total = 0, idle = 0;
	const char *at = text;

	if (strncmp(text, "cpu ", 4) != 0)
		return err_set(e, -EBADMSG, "stat: does not begin with cpu");
	at += 4;
	for (int i = USER; i < COLUMNS; i++) {
		char *end;
		int64_t v = strtoll(at, &end, 10);

		if (end == at)
			break;
		at = end;
		total += v;
		idle += i == IDLE || i == IOWAIT ? v : 0;
	}
	h->cpu_total_us = total * tick_us;
	h->cpu_busy_us = (total - idle) * tick_us;
	return 0;
}

static int64_t kibibytes(const char *text, const char *key)
{
	int64_t v = number_after(text, key);

	return v < 0 ? -1 : v * 1024;
}

/* "some avg10=1.23 …" of PROC/pressure/WHAT, -1 where the kernel has none. */
static double pressure(const char *proc, const char *what)
{
	static const char mark[] = "some avg10=";
	char text[TEXT_MAX], file[32];

	(void)snprintf(file, sizeof(file), "pressure/%s", what); /* fits */
	if (read_text(proc, file, text, NULL) < 0 || strncmp(text, mark, sizeof(mark) - 1) != 0)
		return -1;
	return strtod(text + sizeof(mark) - 1, NULL);
}

static void parse_load(const char *text, struct sysstat_host *h)
{
	char *at;

	h->load1 = strtod(text, &at);
	h->load5 = strtod(at, &at);
	h->load15 = strtod(at, NULL);
}

int sysstat_host_from(const char *proc, const char *data_dir, struct sysstat_host *ret, struct err *e)
{
	struct sysstat_host h = {.cpus = sysconf(_SC_NPROCESSORS_ONLN),
		.disk_total_bytes = -1,
		.disk_free_bytes = -1,
		.load1 = -1,
		.load5 = -1,
		.load15 = -1,
		.uptime_ms = -1};
	char text[TEXT_MAX];
	struct statvfs fs;
	int rc = read_text(proc, "stat", text, e);

	if (rc == 0)
		rc = parse_cpu(text, &h, e);
	if (rc == 0)
		rc = read_text(proc, "meminfo", text, e);
	if (rc < 0)
		return rc;
	h.memory_total_bytes = kibibytes(text, "MemTotal:");
	h.memory_available_bytes = kibibytes(text, "MemAvailable:");
	h.swap_total_bytes = kibibytes(text, "SwapTotal:");
	h.swap_free_bytes = kibibytes(text, "SwapFree:");
	if (read_text(proc, "loadavg", text, NULL) == 0)
		parse_load(text, &h);
	if (read_text(proc, "uptime", text, NULL) == 0)
		h.uptime_ms = (int64_t)(strtod(text, NULL) * 1000);
	h.pressure_cpu = pressure(proc, "cpu");
	h.pressure_memory = pressure(proc, "memory");
	h.pressure_io = pressure(proc, "io");
	if (statvfs(data_dir, &fs) == 0) {
		h.disk_total_bytes = (int64_t)(fs.f_blocks * fs.f_frsize);
		h.disk_free_bytes = (int64_t)(fs.f_bavail * fs.f_frsize);
	}
	*ret = h;
	return 0;
}

int sysstat_host(const char *data_dir, struct sysstat_host *ret, struct err *e)
{
	return sysstat_host_from("/proc", data_dir, ret, e);
}

/* Linux 6.2 tells the number as the directory's size; before, they are counted. */
static int64_t count_fds(void)
{
	struct stat st;
	int64_t n = 0;
	DIR *dir;

	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return st.st_size;
	dir = opendir("/proc/self/fd");
	if (!dir)
		return -1;
	for (const struct dirent *d = readdir(dir); d; d = readdir(dir))
		n += d->d_name[0] != '.';
	(void)closedir(dir); /* was only read */
	return n - 1;	     /* the one it was read through */
}

int sysstat_self(struct sysstat_self *ret, struct err *e)
{
	char text[TEXT_MAX];
	struct timespec cpu;
	int rc = read_text("/proc/self", "status", text, e);

	if (rc < 0)
		return rc;
	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) < 0)
		return err_errno(e, "clock of the process");
	*ret = (struct sysstat_self){.cpu_us = cpu.tv_sec * INT64_C(1000000) + cpu.tv_nsec / 1000,
		.rss_bytes = kibibytes(text, "VmRSS:"),
		.threads = number_after(text, "Threads:"),
		.fds = count_fds()};
	return 0;
}
