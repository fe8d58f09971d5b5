/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads /proc: a handful of small files, no heap, no stdio. Decides nothing.
 */
#include "node/sysstat.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/util.h"

#define TEXT_MAX 8192

/* PROC/FILE into out, NUL-terminated; a longer file is cut. False, and "": it cannot be read. */
static bool read_text(const char *proc, const char *file, char out[TEXT_MAX])
{
	char path[4096];
	AUTO_CLOSE int fd = -1;
	size_t got = 0;
	ssize_t n = 1;

	out[0] = '\0';
	if (snprintf(path, sizeof(path), "%s/%s", proc, file) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && got < TEXT_MAX - 1 && n > 0) {
		n = read(fd, out + got, TEXT_MAX - 1 - got);
		got += (size_t)MAX(n, (ssize_t)0);
	}
	out[n < 0 ? 0 : got] = '\0';
	return fd >= 0 && n >= 0;
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
static void parse_cpu(const char *text, struct sysstat_host *h)
{
	enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, COLUMNS };
	int64_t tick_us = 1000000 / sysconf(_SC_CLK_TCK), total = 0, idle = 0;
	const char *at = text;

	if (strncmp(text, "cpu ", 4) != 0)
		return;
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
	if (!read_text(proc, file, text) || strncmp(text, mark, sizeof(mark) - 1) != 0)
		return -1;
	return strtod(text + sizeof(mark) - 1, NULL);
}

static void parse_load(const char *text, struct sysstat_host *h)
{
	double *const v[] = {&h->load1, &h->load5, &h->load15};
	char *end;

	for (size_t i = 0; i < ARRAY_LEN(v); i++, text = end) {
		double load = strtod(text, &end);

		if (end == text)
			return;
		*v[i] = load;
	}
}

void sysstat_host_from(const char *proc, const char *data_dir, struct sysstat_host *ret)
{
	struct sysstat_host h = {.cpus = sysconf(_SC_NPROCESSORS_ONLN),
		.cpu_busy_us = -1,
		.cpu_total_us = -1,
		.disk_total_bytes = -1,
		.disk_free_bytes = -1,
		.load1 = -1,
		.load5 = -1,
		.load15 = -1,
		.uptime_ms = -1};
	char text[TEXT_MAX];
	struct statvfs fs;

	(void)read_text(proc, "stat", text); /* "" has none of it; so below */
	parse_cpu(text, &h);
	(void)read_text(proc, "meminfo", text);
	h.memory_total_bytes = kibibytes(text, "MemTotal:");
	h.memory_available_bytes = kibibytes(text, "MemAvailable:");
	h.swap_total_bytes = kibibytes(text, "SwapTotal:");
	h.swap_free_bytes = kibibytes(text, "SwapFree:");
	(void)read_text(proc, "loadavg", text);
	parse_load(text, &h);
	if (read_text(proc, "uptime", text))
		h.uptime_ms = (int64_t)(strtod(text, NULL) * 1000);
	h.pressure_cpu = pressure(proc, "cpu");
	h.pressure_memory = pressure(proc, "memory");
	h.pressure_io = pressure(proc, "io");
	if (statvfs(data_dir, &fs) == 0) {
		h.disk_total_bytes = (int64_t)(fs.f_blocks * fs.f_frsize);
		h.disk_free_bytes = (int64_t)(fs.f_bavail * fs.f_frsize);
	}
	*ret = h;
}

void sysstat_host(const char *data_dir, struct sysstat_host *ret)
{
	sysstat_host_from("/proc", data_dir, ret);
}

/* Linux 6.2 tells the number as the directory's size; before, they are counted. */
static int64_t count_fds(const char *proc_self)
{
	char path[4096];
	struct stat st;
	int64_t n = 0;
	DIR *dir;

	if (snprintf(path, sizeof(path), "%s/fd", proc_self) >= (int)sizeof(path))
		return -1;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_size > 0)
		return st.st_size;
	dir = opendir(path);
	if (!dir)
		return -1;
	for (const struct dirent *d = readdir(dir); d; d = readdir(dir))
		n += d->d_name[0] != '.';
	(void)closedir(dir); /* was only read */
	return n - 1;	     /* the one it was read through */
}

void sysstat_self_from(const char *proc_self, struct sysstat_self *ret)
{
	char text[TEXT_MAX];
	struct timespec cpu;
	bool timed = clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0;

	(void)read_text(proc_self, "status", text); /* "" has none of it */
	*ret = (struct sysstat_self){.cpu_us = timed ? cpu.tv_sec * INT64_C(1000000) + cpu.tv_nsec / 1000 : -1,
		.rss_bytes = kibibytes(text, "VmRSS:"),
		.threads = number_after(text, "Threads:"),
		.fds = count_fds(proc_self)};
}

void sysstat_self(struct sysstat_self *ret)
{
	sysstat_self_from("/proc/self", ret);
}
