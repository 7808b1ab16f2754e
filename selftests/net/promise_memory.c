// SPDX-License-Identifier: Apache-2.0
/*
 * promise_memory.c - promise P4: exhaustion never widens access. A socket that has used up its
 * memory for options (optmem_max) has no room for a verdict: what it asks for is denied, by a
 * reason of its own, also where a rule allows it; it hits itself and nobody else.
 */
#include "netrig.h"

#include <errno.h>

static struct net_host a, b;

/* Joins groups until the kernel has no memory left for this socket. */
static long use_up(struct pup_call *c)
{
	long joined = 0;

	for (unsigned int i = 1; i < 1u << 20; i++) {
		struct ipv6_mreq group = {
			.ipv6mr_multiaddr.s6_addr = {0xff, 0x02, [12] = 1, (__u8)(i >> 16),
						     (__u8)(i >> 8), (__u8)i},
			.ipv6mr_interface = 1,
		};

		if (!setsockopt((int)c->a[0], IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group,
				sizeof(group)))
			joined++;
		else if (errno == ENOMEM || errno == ENOBUFS)
			return joined;
		else
			return -errno;
	}
	return -EOVERFLOW;
}

static void exhaust(struct puppet *p, int fd)
{
	struct pup_call c = {.fn = use_up, .a = {fd}, .fd = -1};

	long r = pup_do(p, &c);

	if (r <= 0)
		printf("# %ld groups joined\n", r);
	assert_true(r > 0);
}

static const char map[] = "segments:\n"
			  "  web: { match: { unit: web.service } }\n"
			  "  db: { match: { unit: db.service } }\n"
			  "allow:\n"
			  "  - { id: web-db, from: web, to: db, port: [tcp/5432, udp/5432] }\n";

static void test_no_memory_no_session(void **state)
{
	struct puppet *web, *db;
	int hungry, fed;

	(void)state;
	if (!net_has_sysctl(&a, "net/core/optmem_max"))
		skip(); /* before Linux 6.8 there is one for all namespaces */
	web = net_puppet(&a, "web.service");
	db = net_puppet(&a, "db.service");
	net_apply(&a, map);
	(void)pup_serve(db, SOCK_STREAM, "::", 5432);
	hungry = pup_socket(web, AF_INET6, SOCK_STREAM, 0);
	fed = pup_socket(web, AF_INET6, SOCK_STREAM, 0);
	/* TCP has no groups to join; in this namespace nobody gets any */
	net_sysctl(&a, "net/core/optmem_max", "64");
	net_mark(&a);
	assert_int_equal(pup_connect(web, hungry, "::1", 5432), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_NO_STORAGE);
	net_sysctl(&a, "net/core/optmem_max", "131072");
	assert_int_equal(pup_connect(web, fed, "::1", 5432), 0);
	pup_stop(web);
	pup_stop(db);
}

/* Who is in quarantine has no mode, also where nothing can be noted. */
static void test_no_memory_no_way_out_of_quarantine(void **state)
{
	static struct bh_quarantine slot[BH_QUARANTINE_MAX] = {{0, BH_QUARANTINE_ON, 0}};
	struct bh_member held = {.by = BH_HELD_UNIT, .held = 1, .unit = "web.service"};
	_cleanup_diags_ struct bh_diags d = {0};
	struct puppet *web, *db;
	int fd[3];

	(void)state;
	if (!net_has_sysctl(&a, "net/core/optmem_max"))
		skip();
	web = net_puppet(&a, "web.service");
	db = net_puppet(&a, "db.service");
	net_apply(&a, "segments:\n"
		      "  web: { match: { unit: web.service }, mode: observe }\n"
		      "  db: { match: { unit: db.service }, mode: observe }\n"
		      "  unassigned: { mode: observe }\n");
	(void)pup_serve(db, SOCK_STREAM, "::", 5432);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		fd[i] = pup_socket(i == 2 ? db : web, AF_INET6, SOCK_STREAM, 0);
	net_sysctl(&a, "net/core/optmem_max", "64");
	/* in observe it passes */
	assert_int_equal(pup_connect(web, fd[0], "::1", 5432), 0);
	assert_int_equal(bh_kern_quarantine(a.k, slot, &held, 1, &d), 0);
	assert_int_equal(pup_connect(web, fd[1], "::1", 5432), -EPERM);
	/* who is not in quarantine goes on */
	assert_int_equal(pup_connect(db, fd[2], "::1", 5432), 0);
	net_sysctl(&a, "net/core/optmem_max", "131072");
	slot[0].flags = 0;
	assert_int_equal(bh_kern_quarantine(a.k, slot, NULL, 0, &d), 0);
	pup_stop(web);
	pup_stop(db);
}

static void test_no_memory_no_datagram(void **state)
{
	struct puppet *web = net_puppet(&a, "web.service"), *db = net_puppet(&a, "db.service");
	int hungry, fed, server, err;

	(void)state;
	net_apply(&a, map);
	server = pup_serve(db, SOCK_DGRAM, "::", 5432);
	hungry = pup_socket(web, AF_INET6, SOCK_DGRAM, 0);
	fed = pup_socket(web, AF_INET6, SOCK_DGRAM, 0);
	exhaust(web, hungry);
	net_mark(&a);
	assert_int_equal(pup_sendto(web, hungry, "question", "::1", 5432), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_NO_STORAGE);
	assert_true(pup_sendto(web, fed, "question", "::1", 5432) > 0);
	assert_non_null(pup_recv(db, server, &err));
	pup_stop(web);
	pup_stop(db);
}

static int up(void **state)
{
	(void)state;
	return net_up(&a, &b);
}

static int down(void **state)
{
	(void)state;
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_memory_no_session),
		cmocka_unit_test(test_no_memory_no_way_out_of_quarantine),
		cmocka_unit_test(test_no_memory_no_datagram),
	};

	return cmocka_run_group_tests(tests, up, down);
}
