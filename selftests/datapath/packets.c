// SPDX-License-Identifier: Apache-2.0
/*
 * packets.c - packet in, verdict and reason out: the table of what bh_xdp_in does with frames,
 * IPv4 and IPv6, well-formed and not, run by BPF_PROG_TEST_RUN on the loaded program. Then two
 * laws: a frame that was cut short never passes as something else, and no frame is too strange
 * for an answer.
 */
#include "policyrig.h"

#include <netinet/in.h>
#include <string.h>
#include "cg.h"
#include "kernrig.h"
#include "packets.h"
#include "../../agent/kern/kern_internal.h"

/* XDP's answers */
enum { ABORTED = 0, DROP = 1, PASS = 2 };

static struct bh_kern *kern;
static struct bh_count before[BH_REASON_MAX];

static const char map[] =
	"segments:\n"
	"  db: { match: { unit: db.service } }\n"
	"  watch: { match: { unit: watch.service }, mode: observe }\n"
	"  owner: { match: { unit: owner.service }, listen: [tcp/9000] }\n"
	"  office: { match: { cidr: [192.0.2.0/24, \"2001:db8::/32\"], except: [192.0.2.66/32] } }\n"
	"  bad: { match: { cidr: [192.0.2.128/25, \"2001:db8:bad::/48\"] } }\n"
	"  one: { match: { cidr: [203.0.113.7/32, \"2001:db8:1::7/128\"] } }\n"
	"  lan: { match: { cidr: [10.77.0.2/32, \"fd77::2/128\"] } }\n"
	"allow:\n"
	"  - { id: office-db, from: [office, one], to: db, port: [tcp/5432-5439, udp/53] }\n"
	"  - { id: bad-db, from: bad, to: db, port: tcp/5432-5439 }\n"
	"  - { id: later, from: office, to: db, port: tcp/5440, jit: { max: 1h } }\n"
	"  - { id: ended, from: office, to: db, port: tcp/5441, until: \"2020-01-01T00:00:00Z\" }\n"
	"  - { id: healthy, from: office, to: db, port: tcp/5442, require: { posture: healthy } }\n"
	"  - { id: ping, from: office, to: host, port: icmp/echo-request }\n"
	"  - { id: gre, from: office, to: host, port: proto/47 }\n"
	"  - { id: vxlan, from: office, to: host, port: udp/4789 }\n"
	"deny:\n"
	"  - { id: no-bad, from: bad, to: db, port: tcp/5433 }\n"
	"failsafe:\n"
	"  - { id: bastion, from: { cidr: [198.51.100.0/28] }, port: [tcp/22, icmp/echo-request] }\n";

/* --- what stands there ---------------------------------------------------------------------------------- */

static void listens(const char *unit, __u8 proto, __u16 port, __u32 flags)
{
	struct bh_listen_key key = {.netns = kern->netns, .port = port, .proto = proto};
	struct bh_listener l = {.users = 1, .flags = flags};
	char path[64];
	uint64_t id;

	(void)snprintf(path, sizeof(path), "system.slice/%s.service", unit);
	assert_int_equal(cg_make(path, &id), 0);
	l.cgid = id;
	assert_int_equal(
		bpf_map_update_elem(bh_kern_map_fd(kern, BH_MAP_LISTENERS), &key, &l, BPF_ANY), 0);
}

static void publish(const char *text)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct pol pol = pol_made(text);
	__u64 gen;
	int r = bh_kern_stage(kern, pol.out, &d, &gen);

	if (!r)
		r = bh_kern_publish(kern);
	pol_clear(&pol);
	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
}

static int up(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern_opts opts;
	struct bh_addr ours;
	int r;

	(void)state;
	if (rig_up())
		return -1;
	opts = rig_opts();
	r = bh_kern_open(&opts, &d, &kern);
	if (!r)
		r = bh_kern_attach(kern, &d);
	if (!r)
		r = bh_kern_seed(kern, &d);
	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	publish(map);
	for (int port = 5431; port <= 5442; port++)
		listens("db", IPPROTO_TCP, (__u16)port, 0);
	listens("db", IPPROTO_TCP, 22, 0);
	listens("db", IPPROTO_TCP, 9000, 0);
	listens("db", IPPROTO_TCP, 80, BH_LISTEN_SHARED);
	listens("watch", IPPROTO_TCP, 81, 0);
	listens("db", IPPROTO_UDP, 53, BH_LISTEN_RECV_ONLY);
	listens("db", IPPROTO_UDP, 54, BH_LISTEN_RECV_ONLY);
	listens("db", IPPROTO_UDP, 5000, 0);
	listens("db", IPPROTO_UDP, 4789, BH_LISTEN_KERNEL);
	ours = pol_addr("10.77.0.1");
	assert_int_equal(bh_kern_local_add(kern, &ours), 0);
	ours = pol_addr("fd77::1");
	assert_int_equal(bh_kern_local_add(kern, &ours), 0);
	return 0;
}

static int down(void **state)
{
	(void)state;
	(void)bh_kern_detach(kern);
	bh_kern_close(kern);
	rig_down();
	return 0;
}

/* --- one frame --------------------------------------------------------------------------------------------- */

static int run(const void *data, size_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = (__u32)len,
		    .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bh_kern_prog_fd(kern, BH_PROG_XDP_IN), &opts), 0);
	return (int)opts.retval;
}

/* The one reason that was counted since the last call; 0 and a message if it was not one. */
static enum bh_reason counted(void)
{
	static struct bh_count now[BH_REASON_MAX];
	enum bh_reason found = BH_CONTINUE;
	__u64 n = 0;

	assert_int_equal(bh_kern_reasons(kern, now), 0);
	for (int i = 0; i < BH_REASON_MAX; i++) {
		if (now[i].packets != before[i].packets)
			found = (enum bh_reason)i;
		n += now[i].packets - before[i].packets;
	}
	memcpy(before, now, sizeof(before));
	if (n != 1)
		printf("# %llu packets were counted\n", (unsigned long long)n);
	return n == 1 ? found : BH_CONTINUE;
}

static bool as_told(const struct packet_row *row, bool v6)
{
	enum bh_reason want = v6 ? row->v6 : row->v4, got;
	int verdict, wanted = bh_reason_class(want) == BH_CLASS_DENY ? DROP : PASS;
	struct pkt p;

	if (want == BH_R_ALLOW || want == BH_R_FAILSAFE)
		wanted = PASS;
	packet_build(row, v6, &p);
	verdict = run(p.data, p.len);
	got = counted();
	if (got == want && verdict == wanted)
		return true;
	printf("# IPv%d: %s: reason %d, verdict %d; expected %d, %d\n", v6 ? 6 : 4, row->says, got,
	       verdict, want, wanted);
	return false;
}

static void test_table(void **state)
{
	size_t n = 0, bad = 0;

	(void)state;
	assert_int_equal(bh_kern_reasons(kern, before), 0);
	for (size_t i = 0; i < n_packet_rows; i++) {
		const struct packet_row *row = &packet_rows[i];

		for (int v6 = 0; v6 < 2; v6++) {
			if (!(v6 ? row->v6 : row->v4))
				continue;
			n++;
			bad += !as_told(row, v6);
		}
	}
	printf("# %zu rows\n", n);
	assert_true(n >= 150);
	assert_int_equal(bad, 0);
}

/* What is malformed or denied by name is dropped all the same, and nothing else. */
static void test_an_emergency(void **state)
{
	size_t n = 0;

	(void)state;
	bh_kern_set_open(kern, ~0ull);
	assert_int_equal(bh_kern_reasons(kern, before), 0);
	for (size_t i = 0; i < 2 * n_packet_rows; i++) {
		const struct packet_row *row = &packet_rows[i / 2];
		enum bh_reason want = i & 1 ? row->v6 : row->v4, got;
		bool drops = want == BH_R_RULE_DENY ||
			     (want >= BH_R_MALFORMED_L2 && want < BH_R_DEFAULT_DENY);
		struct pkt p;
		int verdict;

		if (!want)
			continue;
		packet_build(row, i & 1, &p);
		verdict = run(p.data, p.len);
		got = counted();
		if (verdict != (drops ? DROP : PASS) || (drops && got != want))
			fail_msg("IPv%d: %s: reason %d, verdict %d", i & 1 ? 6 : 4, row->says, got,
				 verdict);
		n += drops;
	}
	bh_kern_set_open(kern, 0);
	assert_true(n > 50);
}

/* --- what is not IP ------------------------------------------------------------------------------------------ */

/* Whose it is is not known: the mode of `unassigned` speaks for the map. */
static void test_not_ip(void **state)
{
	static const struct packet_row lldp = {"LLDP", PACKET_FRAME, .a = 0x88cc};
	static const struct {
		const char *map;
		enum bh_reason reason;
		int verdict;
	} row[] = {
		{"l2: deny\nsegments: { db: { match: { unit: db.service }, mode: observe } }\n",
		 BH_R_L2_DENY, DROP},
		{"l2: deny\nsegments: { unassigned: { mode: observe } }\n", BH_R_L2_DENY, PASS},
		{"l2: allow\nsegments: { db: { match: { unit: db.service } } }\n", BH_R_L2, PASS},
		{map, BH_R_L2, PASS},
	};
	struct pkt p;

	(void)state;
	packet_build(&lldp, false, &p);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		publish(row[i].map);
		assert_int_equal(bh_kern_reasons(kern, before), 0);
		assert_int_equal(run(p.data, p.len), row[i].verdict);
		assert_int_equal(counted(), row[i].reason);
	}
}

/* --- laws ---------------------------------------------------------------------------------------------------- */

/* Where the IP packet ends by its own header: what is behind is padding. */
static size_t packet_end(const struct pkt *p, bool v6)
{
	const uint8_t *ip = p->data + p->l3;

	return p->l3 + (v6 ? 40u + (size_t)(ip[4] << 8 | ip[5]) : (size_t)(ip[2] << 8 | ip[3]));
}

static void test_a_frame_cut_short_is_dropped(void **state)
{
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < n_packet_rows; i++) {
		const struct packet_row *row = &packet_rows[i];

		for (int v6 = 0; v6 < 2; v6++) {
			struct pkt p;
			size_t end;

			if (!(v6 ? row->v6 : row->v4) || row->what == PACKET_FRAME)
				continue;
			packet_build(row, v6, &p);
			end = packet_end(&p, v6);
			for (size_t len = 14; len < p.len && len < end; len++, n++)
				if (run(p.data, len) != DROP)
					fail_msg("IPv%d: %s: passes when cut at %zu", v6 ? 6 : 4,
						 row->says, len);
		}
	}
	assert_true(n > 1000);
}

static void test_every_frame_gets_an_answer(void **state)
{
	unsigned int seed = (unsigned int)getpid();

	(void)state;
	printf("# seed %u\n", seed);
	for (int i = 0; i < 20000; i++) {
		const struct packet_row *row = &packet_rows[(size_t)rand_r(&seed) % n_packet_rows];
		bool v6 = row->v6 && (!row->v4 || rand_r(&seed) & 1);
		struct pkt p;
		int verdict;

		packet_build(row, v6, &p);
		for (int bytes = rand_r(&seed) % 4; bytes >= 0; bytes--)
			p.data[(size_t)rand_r(&seed) % p.len] = (uint8_t)rand_r(&seed);
		verdict = run(p.data, p.len);
		if (verdict != DROP && verdict != PASS)
			fail_msg("%s: verdict %d", row->says, verdict);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_an_emergency),
		cmocka_unit_test(test_not_ip),
		cmocka_unit_test(test_a_frame_cut_short_is_dropped),
		cmocka_unit_test(test_every_frame_gets_an_answer),
	};

	return cmocka_run_group_tests(tests, up, down);
}
