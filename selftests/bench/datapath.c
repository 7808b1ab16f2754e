// SPDX-License-Identifier: Apache-2.0
/*
 * datapath.c - what XDP adds to an empty program, by BPF_PROG_TEST_RUN in one process, for
 * policies of some sizes. Around each policy's paths an empty program runs first and last: when
 * the two differ by more than 15 % the block is run again, and in the end refused. Each path's
 * verdict is checked. Run by `make bench`. Differences inside one run count; the times
 * themselves are this machine's.
 */
#include "policyrig.h"

#include <jansson.h>
#include <netinet/in.h>
#include <string.h>
#include "benchrig.h"
#include "cg.h"
#include "kernrig.h"
#include "pkt.h"
#include "../../agent/kern/kern_internal.h"

#define REPEAT 200000
#define TRIES  5
#define BLOCKS 8 /* until one is quiet enough */

enum { DROP = 1, PASS = 2 };

static struct bh_kern *kern;
static int empty = -1;

/* --- one measurement ------------------------------------------------------------------------------------- */

static double ns_of(int prog, const struct pkt *p, int want)
{
	double best = 1e9;

	for (int i = 0; i < TRIES; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->data,
			    .data_size_in = (__u32)p->len, .repeat = REPEAT);

		assert_int_equal(bpf_prog_test_run_opts(prog, &opts), 0);
		/* fast because it answers wrongly is not fast */
		assert_int_equal(opts.retval, want);
		best = MIN(best, (double)opts.duration);
	}
	return best;
}

static int load_empty(void)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = 0, .imm = PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts);

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "bh_empty", "Dual BSD/GPL", code, ARRAY_SIZE(code),
			     &opts);
}

/* --- policies --------------------------------------------------------------------------------------------- */

static const struct bh_limits limits = {
	.policy = 1u << 20,
	.addrs = 1u << 20,
	.prefixes = 4096,
	.rules = 131072,
	.names = 4096,
	.globs = 64,
	.users = 64,
};

/* @entries of the table, two of each rule; a hundred rules have a segment of their own. */
static void enforce(size_t entries)
{
	size_t n = entries / 2 - 2;
	_cleanup_diags_ struct bh_diags d = {0};
	struct pol pol;
	char *body = NULL;
	size_t size, n_segments = n / 100 + 1;
	__u64 gen;
	FILE *f = open_memstream(&body, &size);
	int r;

	assert_non_null(f);
	fprintf(f, "segments:\n  db: { match: { unit: db.service } }\n"
		   "  office: { match: { cidr: 192.0.2.0/24 } }\n");
	for (size_t i = 0; i < n_segments; i++)
		fprintf(f, "  p%zu: { match: { cidr: 10.%zu.%zu.0/24 } }\n", i, 100 + i / 256,
			i % 256);
	fprintf(f, "allow:\n"
		   "  - { id: office-db, from: office, to: db, port: [tcp/5432, udp/5432] }\n");
	for (size_t i = 0; i < n; i++)
		fprintf(f, "  - { id: r%zu, from: p%zu, to: db, port: tcp/%zu }\n", i, i / 100,
			10000 + i % 100);
	assert_int_equal(fclose(f), 0);
	pol = pol_made_with(body, NULL, &limits);
	assert_int_equal(pol.out->policy.n, entries);
	r = bh_kern_stage(kern, pol.out, &d, &gen);
	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	assert_int_equal(bh_kern_publish(kern), 0);
	pol_clear(&pol);
	free(body);
}

static void listens(__u16 port, __u8 proto, __u32 flags)
{
	struct bh_listen_key key = {.netns = kern->netns, .port = port, .proto = proto};
	struct bh_listener l = {.users = 1, .flags = flags};
	uint64_t id;

	assert_int_equal(cg_make("system.slice/db.service", &id), 0);
	l.cgid = id;
	assert_int_equal(
		bpf_map_update_elem(bh_kern_map_fd(kern, BH_MAP_LISTENERS), &key, &l, BPF_ANY), 0);
}

/* --- the table --------------------------------------------------------------------------------------------- */

#define KNOWN	"192.0.2.1"
#define UNKNOWN "203.0.113.9"

static const struct path {
	const char *says, *from;
	__u16 port;
	__u8 proto, flags;
	int want;
} path[] = {
	{"established segment", KNOWN, 5432, IPPROTO_TCP, PKT_ACK, PASS},
	{"allowed SYN", KNOWN, 5432, IPPROTO_TCP, PKT_SYN, PASS},
	{"denied SYN, known source", KNOWN, 5433, IPPROTO_TCP, PKT_SYN, DROP},
	{"denied SYN, unknown source", UNKNOWN, 5432, IPPROTO_TCP, PKT_SYN, DROP},
	{"allowed datagram", KNOWN, 5432, IPPROTO_UDP, 0, PASS},
	{"denied datagram", UNKNOWN, 5432, IPPROTO_UDP, 0, DROP},
	{"malformed (no flags)", KNOWN, 5432, IPPROTO_TCP, 0, DROP},
};

#define N_PATHS ARRAY_SIZE(path)

static struct pkt packet_of(const struct path *w)
{
	struct pkt p;

	pkt_start(&p);
	pkt_ip4(&p, w->from, "10.77.0.1");
	if (w->proto == IPPROTO_TCP)
		pkt_tcp(&p, 40000, w->port, w->flags);
	else
		pkt_udp(&p, 40000, w->port);
	pkt_finish(&p);
	return p;
}

/* Return: the empty program's time, 0 if it was too noisy. */
static double block(double ret[N_PATHS])
{
	int xdp = bh_kern_prog_fd(kern, BH_PROG_XDP_IN);
	struct pkt p = packet_of(&path[0]);
	double first = ns_of(empty, &p, PASS), last;

	for (size_t i = 0; i < N_PATHS; i++) {
		p = packet_of(&path[i]);
		ret[i] = ns_of(xdp, &p, path[i].want);
	}
	p = packet_of(&path[0]);
	last = ns_of(empty, &p, PASS);
	if (last > first * 1.15 || first > last * 1.15)
		return 0;
	return (first + last) / 2;
}

static void bench(void **state)
{
	static const size_t sizes[] = {10, 1000, 100000};

	(void)state;
	listens(5432, IPPROTO_TCP, 0);
	listens(5433, IPPROTO_TCP, 0);
	listens(5432, IPPROTO_UDP, BH_LISTEN_RECV_ONLY);
	for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
		double ns[N_PATHS], none = 0;

		enforce(sizes[j]);
		for (int i = 0; i < BLOCKS && none == 0; i++)
			none = block(ns);
		if (none == 0)
			fail_msg("refused: the empty program's times differ by more than 15 %%; "
				 "bench on a machine that does nothing else");
		printf("%-34s %7s %7s\n", j ? "" : "XDP", "+ns", "ratio");
		printf("empty program: %.0f ns; %zu entries:\n", none, sizes[j]);
		for (size_t i = 0; i < N_PATHS; i++) {
			printf("  %-32s %+7.0f %7.1f\n", path[i].says, ns[i] - none, ns[i] / none);
			bench_row("{s:I s:s s:f s:f s:f}", "entries", (json_int_t)sizes[j], "path",
				  path[i].says, "empty_ns", none, "more_ns", ns[i] - none, "ratio",
				  ns[i] / none);
		}
	}
}

static int up(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern_opts opts;

	(void)state;
	if (rig_up())
		return -1;
	opts = rig_opts();
	opts.limits = limits;
	empty = load_empty();
	if (empty < 0 || bh_kern_open(&opts, &d, &kern) || bh_kern_seed(kern, &d)) {
		bh_diags_print(&d, stdout, false);
		return -1;
	}
	return 0;
}

static int down(void **state)
{
	(void)state;
	(void)close(empty);
	(void)bh_kern_detach(kern);
	bh_kern_close(kern);
	rig_down();
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(bench)};

	bench_begin("datapath", argc, argv);
	return bench_end(cmocka_run_group_tests_name("XDP", tests, up, down));
}
