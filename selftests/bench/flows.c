// SPDX-License-Identifier: Apache-2.0
/*
 * flows.c - what it costs to tell of a flow: denied SYNs by BPF_PROG_TEST_RUN fill the ring, and the
 * agent's own path takes them out, names, formats and writes them, all on one core. Run by `make
 * bench`; it fails where a number does not fit the others, and says where the goal is missed.
 * BH_BENCH_DIR=dir: where the file is written, /dev/shm if it is not said.
 */
#include "policyrig.h"

#include <jansson.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include "benchrig.h"
#include "cg.h"
#include "kernrig.h"
#include "pkt.h"
#include "../../agent/agent.h"
#include "../../agent/base/io.h"
#include "../../agent/control/flows.h"
#include "../../agent/kern/kern_internal.h"
#include "../../agent/sinks.h"
#include "../../agent/telemetry/json.h"
#include "../../agent/telemetry/telemetry.h"

#define DROP	   1
#define ROUNDS	   300
#define EACH	   2000 /* of a round: they have to fit into the ring */
#define GOAL	   500000.0
#define RECORDS	   2000000 /* of the formatter alone */
#define FIRST_PORT 20000

static struct bh_kern *kern;
static struct bh_agent agent;
static char dir[128];

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

static void listen_at_all(void)
{
	struct bh_listener l = {.users = 1};
	uint64_t id;

	assert_int_equal(cg_make("system.slice/db.service", &id), 0);
	l.cgid = id;
	for (__u16 i = 0; i < ROUNDS; i++) {
		struct bh_listen_key key = {.netns = kern->netns,
					    .port = (__u16)(FIRST_PORT + i),
					    .proto = IPPROTO_TCP};

		assert_int_equal(bpf_map_update_elem(bh_kern_map_fd(kern, BH_MAP_LISTENERS), &key,
						     &l, BPF_ANY),
				 0);
	}
}

/* --- one round ------------------------------------------------------------------------------- */

/*
 * Each round has a port of its own: denies alike may be limited. Return: how long the program ran, in
 * ns; the call itself waits for the kernel, which takes longer than all of them.
 */
static double fill(int round)
{
	struct pkt p;

	pkt_start(&p);
	pkt_ip4(&p, "192.0.2.1", "10.77.0.1");
	pkt_tcp(&p, 40000, (uint16_t)(FIRST_PORT + round), PKT_SYN);
	pkt_finish(&p);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p.data, .data_size_in = (__u32)p.len,
		    .repeat = EACH);
	assert_int_equal(bpf_prog_test_run_opts(bh_kern_prog_fd(kern, BH_PROG_XDP_IN), &opts), 0);
	assert_int_equal(opts.retval, DROP);
	return (double)opts.duration * EACH;
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
	for (const char *s = text; (s = strstr(s, "\"type\":\"deny\"")); s++)
		n++;
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
	double filled = 0, drained = 0, rest;
	__u64 stat[BH_STAT_MAX], n;
	char path[160];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		filled += fill(i);
		drained += drain();
	}
	rest = finish(s);
	assert_int_equal(bh_kern_stats(kern, stat), 0);
	n = s->count.taken;
	assert_int_equal(n, stat[BH_STAT_EVENTS_SENT]);
	assert_int_equal(stat[BH_STAT_EVENTS_SEEN], stat[BH_STAT_EVENTS_SENT] +
							    stat[BH_STAT_EVENTS_LOST] +
							    stat[BH_STAT_EVENTS_SUPPRESSED]);
	printf("flows, on one core, in %s\n  %-42s %9s %12s\n", dir, "", "ns", "per second");
	row("a denied SYN, to the ring", stat[BH_STAT_EVENTS_SEEN], filled);
	row("from the ring to the file", n, drained + rest);
	row("from the packet to the file", n, filled + drained + rest);
	printf("  %llu seen, %llu sent, %llu suppressed, %llu lost in the ring, %llu at the file\n",
	       (unsigned long long)stat[BH_STAT_EVENTS_SEEN], (unsigned long long)n,
	       (unsigned long long)stat[BH_STAT_EVENTS_SUPPRESSED],
	       (unsigned long long)stat[BH_STAT_EVENTS_LOST], (unsigned long long)s->count.lost);
	bench_row("{s:s s:I s:I s:I}", "what", "lost", "suppressed",
		  (json_int_t)stat[BH_STAT_EVENTS_SUPPRESSED], "ring",
		  (json_int_t)stat[BH_STAT_EVENTS_LOST], "file", (json_int_t)s->count.lost);
	if ((double)n / (filled + drained + rest) * 1e9 < GOAL)
		printf("goal missed: %.0f events a second from the packet to the file, wanted "
		       "%.0f\n",
		       (double)n / (filled + drained + rest) * 1e9, GOAL);
	snprintf(path, sizeof(path), "%s/flows.jsonl", dir);
	lines_are_there(path, s->count.written);
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
	opts.max_listeners = 4096;
	opts.ring_bytes = 0;
	opts.ctx = &agent;
	opts.on_event = bh_agent_event;
	if (bh_kern_open(&opts, &d, &kern) || bh_kern_seed(kern, &d)) {
		bh_diags_print(&d, stdout, false);
		return -1;
	}
	if (make_agent() < 0)
		return -1;
	/* a policy is staged for the cgroups that there are */
	listen_at_all();
	enforce();
	return 0;
}

static int down(void **state)
{
	char path[160];

	(void)state;
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
		cmocka_unit_test(format_alone),
	};

	bench_begin("flows", argc, argv);
	return bench_end(cmocka_run_group_tests_name("flows", tests, up, down));
}
