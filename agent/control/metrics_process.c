/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_process.c - what the agent itself takes, under the names that every exporter has for it.
 * Not so in the file: node_exporter has those names for itself, and would answer nobody any more.
 */
#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include "../base/io.h"
#include "metrics_internal.h"

static __u64 count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	__u64 n = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	/* "." and "..", and the one that counts */
	return n > 3 ? n - 3 : 0;
}

/* Pages: all of it, and what is in memory. */
static void read_memory(__u64 *ret_size, __u64 *ret_resident)
{
	_cleanup_free_ char *text = NULL;
	unsigned long long size = 0, resident = 0;
	long page = sysconf(_SC_PAGESIZE);

	if (bh_file_read("/proc/self/statm", 4096, &text, NULL) == 0)
		(void)sscanf(text, "%llu %llu", &size, &resident);
	*ret_size = size * (__u64)page;
	*ret_resident = resident * (__u64)page;
}

static int64_t cpu_ms(void)
{
	struct rusage u = {0};

	(void)getrusage(RUSAGE_SELF, &u);
	return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

void bh_metrics_put_process(struct bh_metrics *m, bool file, struct bh_prom *p)
{
	const struct bh_clock *clock = m->agent->clock;
	int64_t age_ms = ((int64_t)clock->boot_ns() - (int64_t)m->agent->begun_ns) / 1000000;
	struct rlimit fds = {0};
	__u64 size, resident;

	read_memory(&size, &resident);
	(void)getrlimit(RLIMIT_NOFILE, &fds);
#define NAME(name) file ? "bulkhead_" name : name
	bh_prom_family(p, NAME("process_cpu_seconds_total"), BH_PROM_COUNTER,
		       "Time on a processor, of user and system.");
	bh_prom_ms(p, cpu_ms(), NULL);
	bh_prom_gauge(p, NAME("process_resident_memory_bytes"), "Memory that is in use.", resident);
	bh_prom_gauge(p, NAME("process_virtual_memory_bytes"), "Address space.", size);
	bh_prom_gauge(p, NAME("process_open_fds"), "Open file descriptors.", count_fds());
	bh_prom_gauge(p, NAME("process_max_fds"), "As many may be open.", fds.rlim_cur);
	bh_prom_seconds(p, NAME("process_start_time_seconds"), "When it started.",
			clock->wall_ms() - age_ms);
#undef NAME
}
