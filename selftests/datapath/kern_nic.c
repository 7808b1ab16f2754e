/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kern_nic.c - agent/kern on network devices: modes, adoption, somebody else's program, a
 * device that goes. Runs as root, on veth pairs between namespaces of its own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <cmocka.h>
#include "kernrig.h"
#include "ns.h"
#include "../../agent/kern/kern_internal.h"

static int ns_here = -1, ns_there = -1, ns_home = -1;

/* --- helpers ---------------------------------------------------------------------------------- */

/* "eth.7": a VLAN's name has a dot, and bpffs refuses dots. */
#define NIC "eth.7"

static struct bh_kern *attached(void)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern_opts opts = rig_opts();
	struct bh_kern *k = NULL;
	int r = bh_kern_open(&opts, &d, &k);

	if (r == 0)
		r = bh_kern_attach(k, &d);
	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	return k;
}

static void done(struct bh_kern *k)
{
	assert_int_equal(bh_kern_detach(k), 0);
	bh_kern_close(k);
}

static int nic(void)
{
	return (int)if_nametoindex(NIC);
}

static void attach_nic(struct bh_kern *k, enum bh_nic_mode mode)
{
	_cleanup_diags_ struct bh_diags d = {0};
	int r = bh_kern_nic_attach(k, nic(), NIC, mode, false, &d);

	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
}

static __u32 xdp_prog(void)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);

	assert_int_equal(bpf_xdp_query(nic(), 0, &q), 0);
	return q.prog_id;
}

static __u32 xdp_link(const struct bh_kern *k)
{
	struct bpf_link_info info;

	assert_int_equal(k->n_nic, 1);
	assert_int_equal(bh_link_info(k->nic[0].link[BH_NIC_LINK_XDP], &info), 0);
	return info.id;
}

/* Somebody else's program: lets everything pass. */
static int stranger(void)
{
	struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "stranger", "GPL", insns, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

static bool ping_works(void)
{
	return ns_cmd(ns_there, "ping", "-c", "1", "-W", "1", "-q", "10.77.0.1") == 0;
}

/* --- modes ------------------------------------------------------------------------------------ */

/* Linux 6.6 has tcx. */
static const char *tc_mode(const struct bh_kern *k)
{
	return bh_has(k, BH_FEAT_TCX) ? "tcx" : "clsact";
}

static void test_each_mode(void **state)
{
	struct bh_kern *k = attached();

	(void)state;
	attach_nic(k, BH_NIC_AUTO);
	assert_string_equal(rig_hook(k, "xdp " NIC), "native");
	assert_string_equal(rig_hook(k, "egress " NIC), tc_mode(k));
	attach_nic(k, BH_NIC_GENERIC);
	assert_string_equal(rig_hook(k, "xdp " NIC), "generic");
	attach_nic(k, BH_NIC_TC);
	assert_string_equal(rig_hook(k, "ingress " NIC), tc_mode(k));
	assert_int_equal(xdp_prog(), 0);
	attach_nic(k, BH_NIC_NATIVE);
	assert_string_equal(rig_hook(k, "xdp " NIC), "native");
	assert_int_equal(k->nic[0].link[BH_NIC_LINK_IN], -1);
	attach_nic(k, BH_NIC_OFF);
	assert_string_equal(rig_hook(k, "xdp " NIC), "");
	assert_int_equal(xdp_prog(), 0);
	done(k);
}

/* A loopback device has no native XDP: it must not be claimed. */
static void test_native_is_not_promised(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern *k = attached();
	int lo = (int)if_nametoindex("lo");

	(void)state;
	assert_true(bh_kern_nic_attach(k, lo, "lo", BH_NIC_NATIVE, false, &d) < 0);
	assert_true(rig_said(&d, "lo"));
	assert_string_equal(rig_hook(k, "ingress lo"), "missing");
	assert_int_equal(bh_kern_nic_attach(k, lo, "lo", BH_NIC_AUTO, false, &d), 0);
	assert_string_equal(rig_hook(k, "xdp lo"), "generic");
	done(k);
}

/* What the kernel of Debian 12 has instead of tcx. */
static void test_clsact(void **state)
{
	struct bh_kern *k = attached(), *k2;
	char name[64];

	(void)state;
	k->feature[BH_FEAT_TCX].works = false;
	attach_nic(k, BH_NIC_TC);
	assert_string_equal(rig_hook(k, "ingress " NIC), "clsact");
	assert_string_equal(rig_hook(k, "egress " NIC), "clsact");
	bh_clsact_pin_name(&k->nic[0], BH_OUT, name, sizeof(name));
	assert_true(rig_pinned("progs", name));
	bh_kern_close(k);

	/* an adopter that knows tcx moves over, and leaves no filter behind */
	k2 = attached();
	assert_string_equal(rig_hook(k2, "egress " NIC), tc_mode(k2));
	if (bh_has(k2, BH_FEAT_TCX)) {
		assert_false(rig_pinned("progs", name));
		k2->nic[0].clsact[BH_OUT] = true;
		assert_false(bh_clsact_present(k2, &k2->nic[0], BH_OUT));
		k2->nic[0].clsact[BH_OUT] = false;
	}
	done(k2);
}

/* --- adoption and others ------------------------------------------------------------------------ */

static void test_adoption_updates_the_link(void **state)
{
	struct bh_kern *k = attached(), *k2;
	__u32 link, prog;

	(void)state;
	attach_nic(k, BH_NIC_GENERIC);
	link = xdp_link(k);
	prog = xdp_prog();
	bh_kern_close(k);
	assert_int_equal(xdp_prog(), prog);

	k2 = attached();
	assert_int_equal(xdp_link(k2), link);
	assert_int_not_equal(xdp_prog(), prog);
	assert_string_equal(rig_hook(k2, "xdp " NIC), "generic");
	/* auto keeps what works: native would need a moment without any */
	attach_nic(k2, BH_NIC_AUTO);
	assert_int_equal(xdp_link(k2), link);
	done(k2);
	assert_int_equal(xdp_prog(), 0);
}

static void test_stranger_is_named_and_left_alone(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	_cleanup_close_ int fd = stranger();
	struct bh_kern *k = attached();
	__u32 theirs = bh_prog_id(fd);

	(void)state;
	assert_int_equal(bpf_xdp_attach(nic(), fd, XDP_FLAGS_SKB_MODE, NULL), 0);
	assert_int_equal(bh_kern_nic_attach(k, nic(), NIC, BH_NIC_AUTO, false, &d), -EBUSY);
	assert_true(rig_said(&d, "stranger"));
	assert_true(rig_said(&d, "--take-over"));
	assert_int_equal(xdp_prog(), theirs);
	assert_int_equal(bh_kern_nic_attach(k, nic(), NIC, BH_NIC_AUTO, true, &d), 0);
	assert_int_not_equal(xdp_prog(), theirs);
	assert_string_equal(rig_hook(k, "xdp " NIC), "native");
	done(k);
}

static void test_strangers_link_is_taken_over(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	_cleanup_close_ int fd = stranger(), link = -1;
	struct bh_kern *k = attached();

	(void)state;
	link = bpf_link_create(fd, nic(), BPF_XDP, NULL);
	assert_true(link >= 0);
	assert_int_equal(bh_kern_nic_attach(k, nic(), NIC, BH_NIC_NATIVE, false, &d), -EBUSY);
	assert_int_equal(bh_kern_nic_attach(k, nic(), NIC, BH_NIC_NATIVE, true, &d), 0);
	assert_string_equal(rig_hook(k, "xdp " NIC), "native");
	done(k);
}

/* --- devices come and go ------------------------------------------------------------------------- */

static void make_nic(void)
{
	assert_int_equal(ns_veth(ns_here, NIC, "10.77.0.1/24", ns_there, "peer", "10.77.0.2/24"),
			 0);
}

static void test_device_that_went(void **state)
{
	struct bh_kern *k = attached(), *k2;
	char name[64];

	(void)state;
	attach_nic(k, BH_NIC_AUTO);
	snprintf(name, sizeof(name), "xdp_%d_eth:7", nic());
	assert_true(rig_pinned("links", name));
	assert_int_equal(ns_cmd(ns_here, "ip", "link", "del", NIC), 0);
	assert_string_equal(rig_hook(k, "xdp " NIC), "missing");
	bh_kern_close(k);

	make_nic();
	k2 = attached();
	assert_false(rig_pinned("links", name));
	assert_int_equal(k2->n_nic, 0);
	attach_nic(k2, BH_NIC_AUTO);
	assert_string_equal(rig_hook(k2, "xdp " NIC), "native");
	done(k2);
}

static void test_renamed_device(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern *k = attached();
	int index = nic();
	__u32 link;
	char name[64];

	(void)state;
	attach_nic(k, BH_NIC_AUTO);
	link = xdp_link(k);
	/* Linux 6.1 renames none that is up */
	assert_int_equal(ns_cmd(ns_here, "ip", "link", "set", NIC, "down"), 0);
	assert_int_equal(ns_cmd(ns_here, "ip", "link", "set", NIC, "name", "new"), 0);
	assert_int_equal(ns_cmd(ns_here, "ip", "link", "set", "new", "up"), 0);
	assert_int_equal(bh_kern_nic_attach(k, index, "new", BH_NIC_AUTO, false, &d), 0);
	assert_int_equal(xdp_link(k), link);
	snprintf(name, sizeof(name), "xdp_%d_new", index);
	assert_true(rig_pinned("links", name));
	snprintf(name, sizeof(name), "xdp_%d_eth:7", index);
	assert_false(rig_pinned("links", name));
	assert_int_equal(ns_cmd(ns_here, "ip", "link", "set", "new", "down"), 0);
	assert_int_equal(ns_cmd(ns_here, "ip", "link", "set", "new", "name", NIC), 0);
	assert_int_equal(ns_cmd(ns_here, "ip", "link", "set", NIC, "up"), 0);
	done(k);
}

/* Before the first generation nothing is dropped, and the hook is really in the way. */
static void test_traffic_passes_before_the_first_policy(void **state)
{
	struct bh_kern *k = attached();

	(void)state;
	attach_nic(k, BH_NIC_AUTO);
	assert_int_equal(bh_kern_generation(k), 0);
	assert_true(ping_works());
	done(k);
	assert_true(ping_works());
}

/* --- run ----------------------------------------------------------------------------------------- */

static int up(void **state)
{
	(void)state;
	if (rig_up() || ns_make(&ns_here) || ns_make(&ns_there) || ns_enter(ns_here, &ns_home))
		return -1;
	return ns_veth(ns_here, NIC, "10.77.0.1/24", ns_there, "peer", "10.77.0.2/24");
}

static int down(void **state)
{
	(void)state;
	(void)ns_enter(ns_home, NULL);
	rig_down();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_mode),
		cmocka_unit_test(test_native_is_not_promised),
		cmocka_unit_test(test_clsact),
		cmocka_unit_test(test_adoption_updates_the_link),
		cmocka_unit_test(test_stranger_is_named_and_left_alone),
		cmocka_unit_test(test_strangers_link_is_taken_over),
		cmocka_unit_test(test_device_that_went),
		cmocka_unit_test(test_renamed_device),
		cmocka_unit_test(test_traffic_passes_before_the_first_policy),
	};

	return cmocka_run_group_tests(tests, up, down);
}
