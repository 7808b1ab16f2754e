// SPDX-License-Identifier: Apache-2.0
/*
 * flows.c - what it costs to tell of a flow: a workload's datagrams are refused at its own call, each
 * to another port, so that all are told; and the agent's own path takes them from the ring, names,
 * formats and writes them, all on one core. Then with nobody who takes them: what is lost is counted
 * exactly, and costs no more than what is told. Run by `make bench`; it fails where a number does
 * not fit the others, and says where the goal is missed.
 * BH_BENCH_DIR=dir: where the file is written, /dev/shm if it is not said.
 */
#include "policyrig.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include "benchrig.h"
#include "cg.h"
#include "kernrig.h"
#include "../../agent/agent.h"
#include "../../agent/base/io.h"
#include "../../agent/control/flows.h"
#include "../../agent/kern/kern_internal.h"
#include "../../agent/sinks.h"
#include "../../agent/telemetry/json.h"
#include "../../agent/telemetry/telemetry.h"

#define ROUNDS	   15
#define EACH	   40000 /* of a round: they fit into the ring, and twice as many do not */
#define FEW	   10000 /* that fit into the file's queue, too, where its thread has no core */
#define GOAL	   500000.0
#define RECORDS	   2000000 /* of the formatter alone */
#define FIRST_PORT 1024
#define PORTS	   64000

static struct bh_kern *kern;
static struct bh_agent agent;
static char dir[128];
static int asks, stats;
static unsigned int n_asked;

static const struct bh_limits limits = {
	.policy = 4096,
	.addrs = 1024,
	.prefixes = 1024,
	.rules = 4096,
	.names = 1024,
	.globs = 64,
	.users = 64,
};

/* --- what is enforced ------------------------------------------------------------------------ */

static void enforce(void)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct pol pol =
		pol_made_with("segments:\n"
			      "  db: { match: { unit: db.service } }\n"
			      "  office: { match: { cidr: 192.0.2.0/24 } }\n"
			      "allow:\n"
			      "  - { id: office-db, from: office, to: db, port: tcp/5432 }\n",
			      NULL, &limits);
	__u64 gen;

	assert_int_equal(bh_kern_stage(kern, pol.out, &d, &gen), 0);
	assert_int_equal(bh_kern_publish(kern), 0);
	/* the names that the flows have */
	agent.live.numbers = pol.numbers;
	pol.numbers = NULL;
	pol_clear(&pol);
}

/* Of a segment that may ask nobody. */
static int join(void)
{
	uint64_t id;

	if (cg_make("system.slice/db.service", &id) || cg_move("system.slice/db.service", 0))
		return -1;
	asks = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	return asks < 0 || stats < 0 ? -1 : 0;
}

/* --- one round ------------------------------------------------------------------------------- */

static double cpu_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static __u64 kernel_ns(void)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	assert_int_equal(
		bpf_obj_get_info_by_fd(bh_kern_prog_fd(kern, BH_PROG_SENDMSG4), &info, &len), 0);
	return info.run_time_ns;
}

/* Denies alike are limited: each has a port of its own. Return: how long the program ran, in ns. */
static double fill(int n)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr("192.0.2.1")};
	__u64 before = kernel_ns();

	for (int i = 0; i < n; i++) {
		to.sin_port = htons((uint16_t)(FIRST_PORT + n_asked++ % PORTS));
		assert_int_equal(sendto(asks, "", 0, 0, (void *)&to, sizeof(to)), -1);
		assert_int_equal(errno, EPERM);
	}
	return (double)(kernel_ns() - before);
}

static double drain(void)
{
	double begin = bench_now_ns();
	int r;

	do {
		r = bh_kern_poll(kern);
		assert_true(r >= 0);
	} while (r > 0);
	return bench_now_ns() - begin;
}

/* Until nothing waits any more: the thread has the same core. */
static double finish(const struct bh_sink *s)
{
	double begin = bench_now_ns();

	do {
		bh_sinks_tick(&agent);
		usleep(100);
	} while (s->count.written + s->count.lost < s->count.taken);
	return bench_now_ns() - begin;
}

static void lines_are_there(const char *path, __u64 want)
{
	_cleanup_free_ char *text = NULL;
	__u64 n = 0;

	assert_int_equal(bh_file_read(path, 2u << 30, &text, NULL), 0);
	for (const char *s = text; (s = strstr(s, "\"type\":\"")); s++)
		n += !!strncmp(s, "\"type\":\"loss", 12);
	assert_int_equal(n, want);
}

static void row(const char *what, __u64 n, double ns)
{
	printf("  %-42s %9.0f %12.0f\n", what, ns / (double)n, (double)n / ns * 1e9);
	bench_row("{s:s s:I s:f s:f}", "what", what, "events", (json_int_t)n, "ns", ns / (double)n,
		  "per_s", (double)n / ns * 1e9);
}

static void ring_to_file(void **state)
{
	const struct bh_sink *s = bh_telemetry_at(agent.telemetry, 0);
	double filled = 0, drained = 0, worked = 0;
	__u64 stat[BH_STAT_MAX], n;
	char path[160];

	(void)state;
	for (int i = 0; i < ROUNDS * EACH / FEW; i++) {
		filled += fill(FEW);
		worked -= cpu_ns();
		drained += drain() + finish(s);
		worked += cpu_ns();
	}
	assert_int_equal(bh_kern_stats(kern, stat), 0);
	n = s->count.written;
	assert_int_equal(n, stat[BH_STAT_EVENTS_SENT]);
	assert_int_equal(stat[BH_STAT_EVENTS_SEEN], stat[BH_STAT_EVENTS_SENT] +
							    stat[BH_STAT_EVENTS_LOST] +
							    stat[BH_STAT_EVENTS_SUPPRESSED]);
	printf("flows, on one core, in %s\n  %-42s %9s %12s\n", dir, "", "ns", "per second");
	row("a refused datagram, to the ring", stat[BH_STAT_EVENTS_SEEN], filled);
	row("from the ring to the file", n, drained);
	row("the same, as time on the core alone", n, worked);
	row("from the call to the file", n, filled + drained);
	printf("  %llu seen, %llu sent, %llu suppressed, %llu lost in the ring, %llu at the file\n",
	       (unsigned long long)stat[BH_STAT_EVENTS_SEEN], (unsigned long long)n,
	       (unsigned long long)stat[BH_STAT_EVENTS_SUPPRESSED],
	       (unsigned long long)stat[BH_STAT_EVENTS_LOST], (unsigned long long)s->count.lost);
	bench_row("{s:s s:I s:I s:I}", "what", "lost", "suppressed",
		  (json_int_t)stat[BH_STAT_EVENTS_SUPPRESSED], "ring",
		  (json_int_t)stat[BH_STAT_EVENTS_LOST], "file", (json_int_t)s->count.lost);
	if ((double)n / (drained)*1e9 < GOAL)
		printf("goal missed: %.0f events a second from the ring to the file, wanted "
		       "%.0f\n",
		       (double)n / (drained)*1e9, GOAL);
	snprintf(path, sizeof(path), "%s/flows.jsonl", dir);
	lines_are_there(path, s->count.written);
}

/* As many again as fit, and nobody takes them out. */
static void overrun(void **state)
{
	const struct bh_sink *s = bh_telemetry_at(agent.telemetry, 0);
	double told[ROUNDS], lost[ROUNDS], ratio[ROUNDS], r;
	__u64 was[BH_STAT_MAX], now[BH_STAT_MAX], taken = s->count.taken;

	(void)state;
	assert_int_equal(bh_kern_stats(kern, was), 0);
	for (int i = 0; i < ROUNDS; i++) {
		told[i] = fill(EACH) / EACH;
		(void)fill(EACH); /* some of either */
		lost[i] = fill(EACH) / EACH;
		ratio[i] = lost[i] / told[i];
		(void)drain();
	}
	(void)finish(s);
	assert_int_equal(bh_kern_stats(kern, now), 0);
	for (int i = 0; i < BH_STAT_MAX; i++)
		now[i] -= was[i];
	assert_true(now[BH_STAT_EVENTS_SEEN] >= 3ull * ROUNDS * EACH);
	assert_true(now[BH_STAT_EVENTS_LOST] > (__u64)ROUNDS * EACH);
	assert_int_equal(now[BH_STAT_EVENTS_SEEN], now[BH_STAT_EVENTS_SENT] +
							   now[BH_STAT_EVENTS_SUPPRESSED] +
							   now[BH_STAT_EVENTS_LOST]);
	assert_int_equal(now[BH_STAT_EVENTS_SENT], s->count.taken - taken);
	r = bench_percentile(ratio, ROUNDS, 50);
	row("refused, told of", 1, bench_percentile(told, ROUNDS, 50));
	row("refused, and no room to tell", 1, bench_percentile(lost, ROUNDS, 50));
	printf("  no room of told: ratio %.2f, goal 1.00, %s; %llu seen, %llu sent, %llu lost\n", r,
	       r > 1.0 ? "missed" : "met", (unsigned long long)now[BH_STAT_EVENTS_SEEN],
	       (unsigned long long)now[BH_STAT_EVENTS_SENT],
	       (unsigned long long)now[BH_STAT_EVENTS_LOST]);
	bench_row("{s:s s:f s:f s:b}", "what", "no room of told", "ratio", r, "goal", 1.0, "met",
		  r <= 1.0);
	if (r > 1.0)
		printf("goal missed: an event that is lost costs %.2f of one that is told\n", r);
}

static void format_alone(void **state)
{
	_cleanup_(bh_json_freep) struct bh_json *j = bh_json_new("/etc/passwd");
	const struct bh_flow flow = *bh_flows_at(agent.flows, 0);
	static char line[BH_JSON_FLOW_MAX];
	size_t bytes = 0;
	double begin, ns;

	(void)state;
	assert_non_null(j);
	begin = bench_now_ns();
	for (int i = 0; i < RECORDS; i++)
		bytes += bh_json_flow(j, &flow, line);
	ns = bench_now_ns() - begin;
	assert_true(bytes > RECORDS * 400ull);
	row("a flow as a line of JSON", RECORDS, ns);
	if (ns / RECORDS > 1000)
		printf("goal missed: a line takes %.0f ns, wanted 1000\n", ns / RECORDS);
}

/* --- the agent, as far as events go ---------------------------------------------------------- */

static int make_agent(void)
{
	const char *in = getenv("BH_BENCH_DIR");

	snprintf(dir, sizeof(dir), "%s/bh-bench-%d", in ? in : "/dev/shm", (int)getpid());
	agent.clock = &bh_clock_real;
	agent.opts.log_dir = dir;
	agent.opts.telemetry.file.max_bytes = BH_SETTINGS_FLOWS_MAX_BYTES;
	agent.kern = kern;
	agent.flows = bh_flows_new();
	agent.telemetry = bh_telemetry_new();
	agent.cgroups = bh_cgroups_new(rig_opts().cgroup_root);
	if (mkdir(dir, 0700) < 0 || !agent.flows || !agent.telemetry || !agent.cgroups)
		return -1;
	bh_sinks_open(&agent, NULL);
	return bh_telemetry_count(agent.telemetry) == 1 ? 0 : -1;
}

static int up(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern_opts opts;
	cpu_set_t one;

	(void)state;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0 || rig_up())
		return -1;
	opts = rig_opts();
	opts.limits = limits;
	opts.ring_bytes = 0;
	opts.ctx = &agent;
	opts.on_event = bh_agent_event;
	if (bh_kern_open(&opts, &d, &kern) || bh_kern_seed(kern, &d)) {
		bh_diags_print(&d, stdout, false);
		return -1;
	}
	if (make_agent() < 0 || bh_kern_attach(kern, &d) < 0)
		return -1;
	enforce();
	if (join() < 0)
		return -1;
	return 0;
}

static int down(void **state)
{
	char path[160];

	(void)state;
	close(asks);
	close(stats);
	(void)cg_leave();
	bh_sinks_close(&agent);
	snprintf(path, sizeof(path), "%s/flows.jsonl", dir);
	(void)unlink(path);
	(void)rmdir(dir);
	bh_flows_free(agent.flows);
	bh_cgroups_free(agent.cgroups);
	bh_numbers_free(agent.live.numbers);
	(void)bh_kern_detach(kern);
	bh_kern_close(kern);
	rig_down();
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_to_file),
		cmocka_unit_test(overrun),
		cmocka_unit_test(format_alone),
	};

	bench_begin("flows", argc, argv);
	return bench_end(cmocka_run_group_tests_name("flows", tests, up, down));
}
