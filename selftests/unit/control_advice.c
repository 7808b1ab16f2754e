/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_advice.c - what a map will do to this host that its author may not expect, and the
 * failsafes as text. Tests agent/control/advice.c, listeners.c and agent/failsafe.c with a
 * kernel side that denies what the test says.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/control/advice.h"
#include "../../agent/control/listeners.h"
#include "../../agent/failsafe.h"
#include "fakeagent.h"

#define HEAD                                                                                       \
	"version: 1\nname: shop\nmode: enforce\ndefault: { ingress: deny, egress: deny }\n"        \
	"segments:\n"                                                                              \
	"  web: { match: { unit: nginx.service } }\n"                                              \
	"  api: { match: { unit: api.service } }\n"                                                \
	"  resolver: { match: { unit: systemd-resolved.service } }\n"

/* A tree like the kernel's, for names: the id of a directory is its inode. */
static char cgroups[80];

static __u64 cgroup_make(const char *name)
{
	char path[256];
	__u64 id;

	snprintf(path, sizeof(path), "%s%s", cgroups, name);
	assert_int_equal(bh_mkdir_p(path, 0755), 0);
	assert_int_equal(bh_cgroup_id(path, &id), 0);
	return id;
}

static int setup(void **state)
{
	struct bh_agent *a = test_agent_new();

	snprintf(cgroups, sizeof(cgroups), "%s/cg", test_dir);
	assert_int_equal(bh_mkdir_p(cgroups, 0755), 0);
	free(a->opts.cgroup_root);
	a->opts.cgroup_root = strdup(cgroups);
	bh_cgroups_free(a->cgroups);
	a->cgroups = bh_cgroups_new(cgroups);
	*state = a;
	return 0;
}

static int teardown(void **state)
{
	test_agent_free(*state);
	return 0;
}

static void host_file(const char *name, const char *text)
{
	char path[256], *slash;

	snprintf(path, sizeof(path), "%s%s", test_dir, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(bh_mkdir_p(path, 0755), 0);
	*slash = '/';
	assert_int_equal(bh_file_replace(path, text, strlen(text), 0644, NULL), 0);
}

static void listen_at(const char *ip4, __u16 port, __u8 proto, __u64 cgid)
{
	size_t i = fake.n_listener++;

	fake.listen_key[i] = (struct bh_listen_key){.port = port, .proto = proto};
	if (ip4) {
		fake.listen_key[i].addr.b[10] = fake.listen_key[i].addr.b[11] = 0xff;
		assert_int_equal(inet_pton(AF_INET, ip4, fake.listen_key[i].addr.b + 12), 1);
	}
	fake.listener[i] = (struct bh_listener){.cgid = cgid};
}

static void workload(__u64 cgid, __u32 seg)
{
	size_t i = fake.n_cgroup++;

	fake.cgid[i] = cgid;
	fake.cgroup[i].side[0].seg = fake.cgroup[i].side[1].seg = seg;
}

/* --- a kernel side of some lines ---------------------------------------------------------------- */

static __u32 open_to; /* a segment that may do everything, outwards and inwards */

static __u32 segment_at(__u64 cgid)
{
	for (size_t i = 0; i < fake.n_cgroup; i++)
		if (fake.cgid[i] == cgid)
			return fake.cgroup[i].side[0].seg;
	return BH_ID_UNASSIGNED;
}

static int judge(const struct bh_question *q, struct bh_answer *ret)
{
	ret->local = q->flags & BH_Q_LOCAL_CGROUP ? segment_at(q->local_cgid) : q->local;
	ret->remote = q->flags & BH_Q_REMOTE_CGROUP ? segment_at(q->remote_cgid) : q->remote;
	if (open_to && (ret->local == open_to || ret->remote == open_to)) {
		ret->reason = BH_R_ALLOW;
		ret->pass = 1;
	}
	return 0;
}

/* Advice on @text as if it were staged. */
static struct bh_diags advise(struct bh_agent *a, const char *text, const char *open_segment)
{
	struct bh_diags said = {0}, d = {0};
	struct bh_live l = {0};

	assert_int_equal(bh_agent_compile(a, "shop.yaml", text, strlen(text), &said, &l), 0);
	open_to = 0;
	if (open_segment)
		assert_int_equal(bh_numbers_segment(l.numbers, open_segment, &open_to), 0);
	fake.judge = judge;
	assert_int_equal(bh_advice(a, &l, 2, test_dir, &d), 0);
	assert_int_equal(d.n_errors, 0);
	bh_diags_clear(&said);
	bh_live_clear(&l);
	return d;
}

static __u32 number_of(struct bh_agent *a, const char *text, const char *name)
{
	struct bh_diags said = {0};
	struct bh_live l = {0};
	__u32 number;

	assert_int_equal(bh_agent_compile(a, "x", text, strlen(text), &said, &l), 0);
	assert_int_equal(bh_numbers_segment(l.numbers, name, &number), 0);
	bh_diags_clear(&said);
	bh_live_clear(&l);
	return number;
}

static bool says(const struct bh_diags *d, const char *part)
{
	for (size_t i = 0; i < d->n; i++)
		if (strstr(d->list[i].text, part) ||
		    (d->list[i].help && strstr(d->list[i].help, part)))
			return true;
	return false;
}

/* --- failsafes ------------------------------------------------------------------------------------ */

#define FAILSAFE "failsafe:\n  - { id: desk, from: { cidr: [198.51.100.7/32] }, port: tcp/22 }\n"

static void nobody_behind_the_failsafe(void **state)
{
	struct bh_diags d = advise(*state, HEAD FAILSAFE, NULL);

	assert_true(says(&d, "failsafe 'desk' reaches no listener on this host now: tcp/22 from "
			     "198.51.100.7/32"));
	assert_int_equal(d.list[0].line, 10);
	bh_diags_clear(&d);
	/* on a loopback address it is no way in */
	listen_at("127.0.0.1", 22, IPPROTO_TCP, 1);
	listen_at(NULL, 22, IPPROTO_UDP, 1);
	listen_at(NULL, 2222, IPPROTO_TCP, 1);
	d = advise(*state, HEAD FAILSAFE, NULL);
	assert_true(says(&d, "reaches no listener"));
	bh_diags_clear(&d);
	listen_at(NULL, 22, IPPROTO_TCP, 1);
	d = advise(*state, HEAD FAILSAFE, NULL);
	assert_int_equal(d.n, 0);
	bh_diags_clear(&d);
}

static void a_failsafe_with_a_unit(void **state)
{
	static const char text[] =
		HEAD "failsafe:\n  - { from: { cidr: [198.51.100.7/32] }, port: tcp/22, "
		     "unit: ssh.service }\n";
	struct bh_agent *a = *state;
	struct bh_diags d;

	listen_at(NULL, 22, IPPROTO_TCP, cgroup_make("/system.slice/other.service"));
	d = advise(a, text, NULL);
	assert_true(says(&d, "reaches no listener"));
	bh_diags_clear(&d);
	listen_at("10.0.0.1", 22, IPPROTO_TCP, cgroup_make("/system.slice/ssh.service"));
	d = advise(a, text, NULL);
	assert_int_equal(d.n, 0);
	bh_diags_clear(&d);
}

static void who_is_behind(void **state)
{
	static const char text[] = HEAD FAILSAFE;
	_cleanup_(bh_map_freep) struct bh_map *map = NULL;
	_cleanup_(bh_listenings_clear) struct bh_listenings all = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	_cleanup_free_ char *who = NULL;

	listen_at("10.0.0.1", 22, IPPROTO_TCP, cgroup_make("/system.slice/ssh.service"));
	assert_int_equal(bh_agent_cgroups_refresh(*state), 0);
	assert_int_equal(bh_map_parse("x", text, strlen(text), &d, &map), 0);
	assert_int_equal(bh_listenings_read(*state, &all), 0);
	assert_int_equal(bh_failsafe_reaches(*state, &all, &map->rule[0], &who), 0);
	assert_string_equal(who, "ssh.service on 10.0.0.1 port 22");
}

/* --- names ------------------------------------------------------------------------------------------ */

static void the_stub_is_cut_off(void **state)
{
	static const char text[] = HEAD;
	__u64 resolved = cgroup_make("/system.slice/systemd-resolved.service");
	struct bh_agent *a = *state;
	struct bh_diags d;

	host_file("/etc/resolv.conf", "# by systemd-resolved\nnameserver 127.0.0.53\noptions x\n");
	listen_at("127.0.0.53", 53, IPPROTO_UDP, resolved);
	workload(resolved, number_of(a, text, "resolver"));
	workload(cgroup_make("/system.slice/nginx.service"), number_of(a, text, "web"));
	d = advise(a, text, NULL);
	assert_int_equal(d.n, 1);
	assert_string_equal(d.list[0].text, "no names for web: the map denies the name server "
					    "127.0.0.53 (systemd-resolved.service)");
	/* what is not running here is not this host's trouble; and the cure can be copied */
	assert_string_equal(d.list[0].help,
			    "- { id: names, from: [web], to: resolver, port: [udp/53, tcp/53] }");
	bh_diags_clear(&d);
	d = advise(a, text, "resolver");
	assert_int_equal(d.n, 0);
	bh_diags_clear(&d);
}

static void the_stub_has_no_segment(void **state)
{
	static const char text[] = HEAD;
	struct bh_agent *a = *state;
	struct bh_diags d;

	host_file("/etc/resolv.conf", "nameserver 127.0.0.1\n");
	listen_at("127.0.0.1", 53, IPPROTO_UDP, cgroup_make("/system.slice/dnsmasq.service"));
	workload(cgroup_make("/system.slice/api.service"), number_of(a, text, "api"));
	workload(cgroup_make("/system.slice/nginx.service"), number_of(a, text, "web"));
	d = advise(a, text, NULL);
	assert_true(says(&d, "no names for api, web"));
	assert_true(says(&d, "dns: { match: { unit: dnsmasq.service }"));
	bh_diags_clear(&d);
}

static void a_remote_name_server(void **state)
{
	static const char text[] = HEAD;
	struct bh_agent *a = *state;
	struct bh_diags d;

	host_file("/etc/resolv.conf", "nameserver 192.0.2.53\nnameserver junk\n nameserver\n");
	workload(cgroup_make("/system.slice/nginx.service"), number_of(a, text, "web"));
	d = advise(a, text, NULL);
	assert_int_equal(d.n, 1);
	assert_true(says(&d, "no names for web: the map denies the name server 192.0.2.53"));
	assert_true(says(&d, "dns: { match: { cidr: [192.0.2.53/32] } }"));
	bh_diags_clear(&d);
	d = advise(a, HEAD "  ns: { match: { cidr: [192.0.2.0/24] } }\n", NULL);
	assert_true(says(&d, "to: ns"));
	bh_diags_clear(&d);
	d = advise(a, text, "web");
	assert_int_equal(d.n, 0);
	bh_diags_clear(&d);
}

/* --- the clock, the lease ------------------------------------------------------------------------------ */

static void the_clock(void **state)
{
	static const char text[] = HEAD "  ntp: { match: { cidr: [192.0.2.123/32] } }\n";
	struct bh_agent *a = *state;
	struct bh_diags d;

	(void)cgroup_make("/system.slice/chrony.service");
	d = advise(a, text, NULL);
	assert_true(says(&d, "the clock will not be set: the map denies chrony.service (segment "
			     "unassigned)"));
	bh_diags_clear(&d);
	/* one server that it may ask is enough */
	d = advise(a, text, "ntp");
	assert_int_equal(d.n, 0);
	bh_diags_clear(&d);
}

static void the_lease(void **state)
{
	static const char text[] = HEAD "  net: { match: { unit: systemd-networkd.service } }\n";
	static const char dhcp[] =
		HEAD "  net: { match: { unit: systemd-networkd.service }, dhcp: true }\n";
	__u64 networkd = cgroup_make("/system.slice/systemd-networkd.service");
	struct bh_agent *a = *state;
	struct bh_diags d;

	workload(networkd, number_of(a, text, "net"));
	/* no lease: it has a fixed address */
	d = advise(a, text, NULL);
	assert_int_equal(d.n, 0);
	bh_diags_clear(&d);
	host_file("/run/systemd/netif/leases/2", "ADDRESS=10.0.0.1\n");
	d = advise(a, text, NULL);
	assert_true(
		says(&d, "systemd-networkd.service is in segment net, which has no `dhcp: true`"));
	bh_diags_clear(&d);
	d = advise(a, dhcp, NULL);
	assert_int_equal(d.n, 0);
	bh_diags_clear(&d);
}

/* --- failsafes as a map of their own ------------------------------------------------------------------- */

static void for_a_bad_day(_unused_ void **state)
{
	static const char text[] =
		HEAD "allow:\n  - { id: x, from: web, to: api, port: tcp/1 }\n"
		     "failsafe:\n"
		     "  - { id: desk, from: { cidr: [198.51.100.7/32] }, port: tcp/22 }\n"
		     "  - { id: wide, from: { cidr: [10.0.0.0/8, \"2001:db8::/32\"] }, wide: true, "
		     "port: [tcp/8000-8010, icmp/echo-request, icmp] }\n"
		     "  - { id: out, to: { cidr: [192.0.2.1/32] }, port: tcp, "
		     "unit: [ssh.service, \"x@1.service\"], description: \"a \\\"quote\\\"\" }\n";
	_cleanup_(bh_map_freep) struct bh_map *map = NULL, *again = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	_cleanup_free_ char *yaml = NULL, *words = NULL;

	if (bh_map_parse("x", text, strlen(text), &d, &map) < 0)
		fail_msg("%s", d.list[0].text);
	assert_int_equal(bh_failsafes_yaml(map, &yaml), 0);
	assert_int_equal(bh_map_parse("y", yaml, strlen(yaml), &d, &again), 0);
	assert_int_equal(again->n_rule, 3);
	assert_int_equal(again->n_segment, BH_SEG_N_RESERVED);
	assert_int_equal(again->mode, BH_MODE_ENFORCE);
	for (size_t i = 0; i < 3; i++) {
		const struct bh_rule_src *x = &map->rule[i + 1], *y = &again->rule[i];

		assert_string_equal(x->id, y->id);
		assert_int_equal(x->wide, y->wide);
		assert_int_equal(x->from.n_cidr, y->from.n_cidr);
		assert_int_equal(x->to.n_cidr, y->to.n_cidr);
		assert_int_equal(x->unit.n, y->unit.n);
		assert_int_equal(x->port.n, y->port.n);
		for (size_t j = 0; j < x->port.n; j++) {
			assert_int_equal(x->port.v[j].proto, y->port.v[j].proto);
			assert_int_equal(x->port.v[j].lo, y->port.v[j].lo);
			assert_int_equal(x->port.v[j].hi, y->port.v[j].hi);
			assert_int_equal(x->port.v[j].lo6, y->port.v[j].lo6);
			assert_int_equal(x->port.v[j].any_port, y->port.v[j].any_port);
		}
		for (size_t j = 0; j < x->from.n_cidr; j++)
			assert_memory_equal(&x->from.cidr[j].addr, &y->from.cidr[j].addr, 16);
	}
	words = bh_failsafe_text(&map->rule[2]);
	assert_string_equal(words, "tcp/8000-8010, icmp/echo-request, icmp from 10.0.0.0/8, "
				   "2001:db8::/32");
}

static void none_at_all(_unused_ void **state)
{
	_cleanup_(bh_map_freep) struct bh_map *map = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	_cleanup_free_ char *yaml = NULL;

	assert_int_equal(bh_failsafes_yaml(NULL, &yaml), 0);
	assert_int_equal(bh_map_parse("y", yaml, strlen(yaml), &d, &map), 0);
	assert_int_equal(map->n_rule, 0);
	assert_true(bh_map_enforces(map));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(nobody_behind_the_failsafe),
		TEST(a_failsafe_with_a_unit),
		TEST(who_is_behind),
		TEST(the_stub_is_cut_off),
		TEST(the_stub_has_no_segment),
		TEST(a_remote_name_server),
		TEST(the_clock),
		TEST(the_lease),
		TEST(for_a_bad_day),
		TEST(none_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
