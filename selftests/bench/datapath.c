// SPDX-License-Identifier: Apache-2.0
/*
 * datapath.c - what XDP adds to an empty program, by BPF_PROG_TEST_RUN in one process: an empty
 * one first and last (the run refuses itself when the two differ by more than 15 %), each path's
 * verdict checked, policies of some sizes. Run by `make bench`. Differences inside one run count;
 * the times themselves are this machine's.
 */
#include "policyrig.h"

#include <netinet/in.h>
#include <string.h>
#include "cg.h"
#include "kernrig.h"
#include "pkt.h"
#include "../../agent/kern/kern_internal.h"

#define REPEAT 200000
#define TRIES  5

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

static void tcp(struct pkt *p, const char *from, __u16 port, __u8 flags)
{
	pkt_start(p);
	pkt_ip4(p, from, "10.77.0.1");
	pkt_tcp(p, 40000, port, flags);
	pkt_finish(p);
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

/* @n rules: as many addresses in a segment of their own for each hundred. */
static void enforce(size_t n)
{
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
	fprintf(f, "allow:\n  - { id: office-db, from: office, to: db, port: tcp/5432 }\n");
	for (size_t i = 0; i < n; i++)
		fprintf(f, "  - { id: r%zu, from: p%zu, to: db, port: tcp/%zu }\n", i, i / 100,
			10000 + i % 100);
	assert_int_equal(fclose(f), 0);
	pol = pol_made_with(body, NULL, &limits);
	r = bh_kern_stage(kern, pol.out, &d, &gen);
	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	assert_int_equal(bh_kern_publish(kern), 0);
	pol_clear(&pol);
	free(body);
}

static void listens(__u16 port)
{
	struct bh_listen_key key = {.netns = kern->netns, .port = port, .proto = IPPROTO_TCP};
	struct bh_listener l = {.users = 1};
	uint64_t id;

	assert_int_equal(cg_make("system.slice/db.service", &id), 0);
	l.cgid = id;
	assert_int_equal(
		bpf_map_update_elem(bh_kern_map_fd(kern, BH_MAP_LISTENERS), &key, &l, BPF_ANY), 0);
}

/* --- the table --------------------------------------------------------------------------------------------- */

static void bench(void **state)
{
	static const struct {
		const char *says, *from;
		__u16 port;
		__u8 flags;
		int want;
	} path[] = {
		{"established segment", "192.0.2.1", 5432, PKT_ACK, PASS},
		{"allowed SYN", "192.0.2.1", 5432, PKT_SYN, PASS},
		{"denied SYN, known source", "192.0.2.1", 5433, PKT_SYN, DROP},
		{"denied SYN, unknown source", "203.0.113.9", 5432, PKT_SYN, DROP},
		{"malformed (no flags)", "192.0.2.1", 5432, 0, DROP},
	};
	static const size_t sizes[] = {10, 1000, 50000};
	int xdp = bh_kern_prog_fd(kern, BH_PROG_XDP_IN);
	double first, last;
	struct pkt p;

	(void)state;
	listens(5432);
	listens(5433);
	tcp(&p, "192.0.2.1", 5432, PKT_ACK);
	first = ns_of(empty, &p, PASS);
	printf("XDP, ns over an empty program (%.0f ns)\n", first);
	for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
		enforce(sizes[j]);
		printf("%zu entries:\n", 2 * sizes[j] + 2);
		for (size_t i = 0; i < ARRAY_SIZE(path); i++) {
			tcp(&p, path[i].from, path[i].port, path[i].flags);
			printf("  %-28s %+7.0f\n", path[i].says,
			       ns_of(xdp, &p, path[i].want) - first);
		}
	}
	tcp(&p, "192.0.2.1", 5432, PKT_ACK);
	last = ns_of(empty, &p, PASS);
	if (last > first * 1.15 || first > last * 1.15)
		printf("REFUSED: the empty program took %.0f ns first and %.0f last: too noisy\n",
		       first, last);
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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(bench)};

	return cmocka_run_group_tests(tests, up, down);
}
