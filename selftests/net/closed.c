/* SPDX-License-Identifier: Apache-2.0 */
/*
 * closed.c - what the programs can't know they deny, each by a name of its own: a table that is
 * not there, a segment of no generation, a cgroup that nobody noted, a connection of which
 * nobody can tell who began. And before the first map nothing is denied.
 */
#include "netrig.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "pkt.h"
#include "talk.h"
#include "../../agent/kern/kern_internal.h"

#define PORT 7000

static struct net_host a, b;
static struct puppet *web, *db;
static int fresh; /* where nobody but the last test knocks */

static const char map[] =
	"segments:\n"
	"  web: { match: [ { unit: web.service }, { cidr: [10.77.0.1/32, fd77::1/128] } ] }\n"
	"  db: { match: [ { unit: db.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ] }\n"
	"allow:\n"
	"  - { id: web-db, from: web, to: db, port: tcp/7000-7001 }\n";

static const char *const server[] = {"10.77.0.11", "fd77::11"}, *const client[] = {"10.77.0.1",
										   "fd77::1"};

static void apply(void)
{
	net_apply(&a, map);
	net_apply(&b, map);
}

static int connects(int family)
{
	return talk_try(web, client[family], server[family], PORT);
}

static void closed_by(enum bh_reason reason)
{
	for (int family = 0; family < 2; family++) {
		net_mark(&a);
		assert_int_equal(connects(family), -EPERM);
		if (!net_count(&a, reason)) {
			net_print(&a);
			fail_msg("not %s", net_reason(reason));
		}
	}
}

static void open_again(void)
{
	apply();
	for (int family = 0; family < 2; family++)
		assert_int_equal(connects(family), 0);
}

/* --- before the first map --------------------------------------------------------------------------- */

static void test_before_the_first_map_nothing_is_denied(void **state)
{
	(void)state;
	net_mark(&a);
	net_mark(&b);
	for (int family = 0; family < 2; family++)
		assert_int_equal(connects(family), 0);
	net_quiet(&a);
	net_quiet(&b);
	assert_true(net_count(&a, BH_R_NEVER_APPLIED) > 0);
	assert_true(net_count(&b, BH_R_NEVER_APPLIED) > 0);
}

/* What its socket's hook judged is counted once more where it leaves. */
static void test_what_leaves_is_seen(void **state)
{
	(void)state;
	apply();
	net_mark(&a);
	assert_int_equal(connects(0), 0);
	assert_true(net_count(&a, BH_R_EGRESS_SEEN) >= 2);
}

/* --- tables ------------------------------------------------------------------------------------------- */

static void test_a_table_that_is_not_there(void **state)
{
	static const enum bh_map_id tables[] = {BH_MAP_POLICY, BH_MAP_ADDRS, BH_MAP_PREFIXES};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		__u32 side;

		apply();
		side = BH_SIDE(bh_kern_generation(a.k));
		assert_int_equal(bpf_map_delete_elem(bh_kern_map_fd(a.k, tables[i]), &side), 0);
		closed_by(BH_R_NO_TABLE);
		open_again();
	}
}

static void test_a_segment_of_no_generation(void **state)
{
	__u32 side, id, web_id;
	struct bh_seg none = {0};
	int fd;

	(void)state;
	apply();
	/* its rule would still open: without the segment there is no default, and no mode */
	net_apply(&a, "segments:\n  web: { match: { unit: web.service }, "
		      "default: { egress: allow } }\n");
	side = BH_SIDE(bh_kern_generation(a.k));
	web_id = net_identity(&a, "web");
	assert_int_equal(connects(0), 0);
	assert_int_equal(bpf_map_lookup_elem(bh_kern_map_fd(a.k, BH_MAP_SEGS), &side, &id), 0);
	fd = bpf_map_get_fd_by_id(id);
	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(fd, &web_id, &none, BPF_ANY), 0);
	(void)close(fd);
	closed_by(BH_R_NO_IDENTITY);
	open_again();
}

static void test_a_cgroup_that_nobody_noted(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	__u64 cgid = 0, key;
	int n = 0;

	(void)state;
	apply();
	/* all of them: whoever is not in the table is denied, until the agent walks again */
	while (bpf_map_get_next_key(bh_kern_map_fd(a.k, BH_MAP_CGROUPS), n++ ? &cgid : NULL,
				    &key) == 0) {
		cgid = key;
		(void)bpf_map_delete_elem(bh_kern_map_fd(a.k, BH_MAP_CGROUPS), &key);
		n = 0;
	}
	closed_by(BH_R_CGROUP_UNKNOWN);
	assert_int_equal(bh_kern_walk(a.k, &d), 0);
	open_again();
}

/* --- sockets -------------------------------------------------------------------------------------------- */

static int map_fd(const char *name)
{
	return bpf_object__find_map_fd_by_name(a.k->obj, name);
}

/* As a socket would be that is older than the agent and says nothing of how it came about. */
static void forget_who_began(int fd)
{
	struct bh_facts facts;

	assert_int_equal(bpf_map_lookup_elem(map_fd("bh_facts"), &fd, &facts), 0);
	facts.flags = BH_FACT_OLD;
	assert_int_equal(bpf_map_update_elem(map_fd("bh_facts"), &fd, &facts, BPF_ANY), 0);
	assert_int_equal(bpf_map_delete_elem(map_fd("bh_session"), &fd), 0);
}

static void test_nobody_can_tell_who_began(void **state)
{
	(void)state;
	apply();
	for (int family = 0; family < 2; family++) {
		struct talk t = talk_open(web, client[family], db, fresh, server[family], PORT + 1);
		int fd = pup_fetch(web, t.client_fd);

		talk_both_ways(&t);
		assert_true(fd >= 0);
		forget_who_began(fd);
		(void)close(fd);
		net_mark(&a);
		assert_true(pup_send(web, t.client_fd, "hello") > 0);
		(void)usleep(50000);
		assert_true(net_count(&a, BH_R_DIRECTION_UNKNOWN) > 0);
		assert_null(pup_recv(db, t.server_fd, &(int){0}));
		talk_close(&t);
	}
}

/* A datagram over loopback from a port that nobody has: nobody to hold to a verdict. */
static void test_nobody_sent_it(void **state)
{
	struct puppet *owner = net_puppet(&a, "db.service"), *stranger;
	struct pkt p;
	int fd;

	(void)state;
	net_apply(
		&a,
		"segments:\n  db: { match: { unit: db.service }, default: { ingress: allow } }\n");
	fd = pup_serve(owner, SOCK_DGRAM, "127.0.0.1", PORT);
	stranger = pup_start("elsewhere", a.ns);
	pkt_start(&p);
	pkt_ip4(&p, "127.0.0.1", "127.0.0.1");
	pkt_udp(&p, 5555, PORT);
	pkt_payload(&p, "boo", 3);
	pkt_finish(&p);
	net_mark(&a);
	talk_inject(stranger, &p, "127.0.0.1");
	(void)usleep(50000);
	if (!net_count(&a, BH_R_NO_SOCKET)) {
		net_print(&a);
		fail_msg("not no_socket");
	}
	assert_null(pup_recv(owner, fd, &(int){0}));
	pup_stop(owner);
	pup_stop(stranger);
}

/*
 * The same at a listener: of a client that nobody has only its reset is taken, which makes nothing and
 * carries nothing.
 */
static void test_nobody_connects(void **state)
{
	static const struct {
		__u8 flags;
		const char *data;
		enum bh_reason reason;
	} row[] = {
		{PKT_SYN, "", BH_R_NO_SOCKET},	   {PKT_ACK, "", BH_R_NO_SOCKET},
		{PKT_ACK, "boo", BH_R_NO_SOCKET},  {PKT_RST, "boo", BH_R_NO_SOCKET},
		{PKT_RST, "", BH_R_KERNEL_SOCKET},
	};
	static const char *const lo[] = {"127.0.0.1", "::1"};
	struct puppet *owner = net_puppet(&a, "db.service"), *stranger;

	(void)state;
	net_apply(
		&a,
		"segments:\n  db: { match: { unit: db.service }, default: { ingress: allow } }\n");
	assert_true(pup_serve(owner, SOCK_STREAM, "::", PORT + 2) >= 0);
	stranger = pup_start("elsewhere", a.ns);
	for (size_t i = 0; i < ARRAY_SIZE(row) * 2; i++) {
		const size_t r = i / 2, f = i % 2;
		struct pkt p;

		pkt_start(&p);
		if (f)
			pkt_ip6(&p, lo[f], lo[f]);
		else
			pkt_ip4(&p, lo[f], lo[f]);
		pkt_tcp(&p, 5556, PORT + 2, row[r].flags);
		pkt_payload(&p, row[r].data, strlen(row[r].data));
		pkt_finish(&p);
		net_mark(&a);
		talk_inject(stranger, &p, lo[f]);
		(void)usleep(20000);
		printf("# flags %x, \"%s\", to %s\n", row[r].flags, row[r].data, lo[f]);
		assert_int_equal(net_count(&a, BH_R_NO_SOCKET), row[r].reason == BH_R_NO_SOCKET);
		assert_int_equal(net_count(&a, BH_R_KERNEL_SOCKET),
				 row[r].reason == BH_R_KERNEL_SOCKET);
	}
	pup_stop(owner);
	pup_stop(stranger);
}

/* --- run -------------------------------------------------------------------------------------------------- */

static int up(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	web = net_puppet(&a, "web.service");
	db = net_puppet(&b, "db.service");
	(void)pup_serve(db, SOCK_STREAM, "::", PORT);
	fresh = pup_serve(db, SOCK_STREAM, "::", PORT + 1);
	db->patience_ms = PUP_SHORT_MS;
	return 0;
}

static int down(void **state)
{
	(void)state;
	pup_stop(web);
	pup_stop(db);
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_the_first_map_nothing_is_denied),
		cmocka_unit_test(test_what_leaves_is_seen),
		cmocka_unit_test(test_a_table_that_is_not_there),
		cmocka_unit_test(test_a_segment_of_no_generation),
		cmocka_unit_test(test_a_cgroup_that_nobody_noted),
		cmocka_unit_test(test_nobody_can_tell_who_began),
		cmocka_unit_test(test_nobody_sent_it),
		cmocka_unit_test(test_nobody_connects),
	};

	return cmocka_run_group_tests(tests, up, down);
}
