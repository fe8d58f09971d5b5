/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_SYSSTAT_H
#define NODE_SYSSTAT_H
/*
 * Figures of the host and of the daemon itself, read from /proc. What cannot be read is not known, -1, and costs the
 * others nothing.
 */
#include <stdint.h>

struct sysstat_host {
	int64_t cpus;
	int64_t cpu_busy_us, cpu_total_us; /* since boot, over all processors */
	int64_t memory_total_bytes, memory_available_bytes, swap_total_bytes, swap_free_bytes;
	double load1, load5, load15;
	double pressure_cpu, pressure_memory, pressure_io; /* PSI some avg10, percent; -1 */
	int64_t disk_total_bytes, disk_free_bytes;	   /* of data_dir */
	int64_t uptime_ms;
};

struct sysstat_self {
	int64_t cpu_us, rss_bytes, fds, threads;
};

void sysstat_host(const char *data_dir, struct sysstat_host *ret);
void sysstat_self(struct sysstat_self *ret);
/* The same from another directory than /proc, for tests. */
void sysstat_host_from(const char *proc, const char *data_dir, struct sysstat_host *ret);
void sysstat_self_from(const char *proc_self, struct sysstat_self *ret);

#endif
