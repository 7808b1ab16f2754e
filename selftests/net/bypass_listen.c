// SPDX-License-Identifier: Apache-2.0
/*
 * bypass_listen.c - ports taken by those who should not have them, and ports kept from those who
 * should: a socket that is bound again, and one that has no memory left to be written down.
 */
#include "netrig.h"

#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include "talk.h"

#define WEB  "10.77.0.1"
#define PORT 7300

static struct net_host a, b;
static struct puppet *web, *thief;

/* --- bound again ---------------------------------------------------------------------------------------- */

/* Else one socket could close every port to everybody else, for good. */
static void test_a_port_that_was_left_is_free(void **state)
{
	int fd = talk_socket(thief, SOCK_DGRAM, WEB, WEB), other, left = pup_port(thief, fd);

	(void)state;
	for (int i = 0; i < 3; i++) {
		int port = pup_port(thief, fd);

		assert_int_equal(pup_disconnect(thief, fd), 0);
		assert_int_equal(pup_port(thief, fd), 0);
		assert_int_equal(pup_bind(thief, fd, i ? "127.0.0.1" : "0.0.0.0", 0), 0);
		other = pup_socket(web, AF_INET, SOCK_DGRAM, 0);
		assert_int_equal(pup_bind(web, other, WEB, port), 0);
		assert_int_equal(pup_close(web, other), 0);
	}
	/* and it holds the one it has */
	other = pup_socket(web, AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(pup_set(web, other, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	assert_int_equal(pup_set(thief, fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	assert_int_equal(pup_bind(web, other, "127.0.0.1", pup_port(thief, fd)), -EPERM);
	assert_int_equal(pup_close(web, other), 0);
	assert_int_equal(pup_close(thief, fd), 0);
	fd = pup_socket(web, AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(pup_bind(web, fd, WEB, left), 0);
	assert_int_equal(pup_close(web, fd), 0);
}

/* --- no memory ------------------------------------------------------------------------------------------ */

/* Takes what sysctl net.core.optmem_max leaves the socket. */
static long do_fill(struct pup_call *c)
{
	static struct sock_filter pass[BPF_MAXINSNS];

	for (int n = BPF_MAXINSNS; n > 0; n--) {
		struct sock_fprog filter = {.len = (unsigned short)n, .filter = pass};

		pass[n - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0xffff);
		for (int i = 0; n == BPF_MAXINSNS && i < n - 1; i++)
			pass[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 1);
		if (!setsockopt((int)c->a[0], SOL_SOCKET, SO_ATTACH_FILTER, &filter,
				sizeof(filter)))
			return n;
	}
	return -errno;
}

/* Who has no room to be registered is asked all the same. */
static void test_a_thief_without_memory_is_a_thief(void **state)
{
	struct pup_call fill = {.fn = do_fill};
	int fd = pup_socket(web, AF_INET, SOCK_DGRAM, 0);

	(void)state;
	if (!net_has_sysctl(&a, "net/core/optmem_max"))
		skip(); /* one for all namespaces, and not ours to change */
	assert_int_equal(pup_set(web, fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	assert_int_equal(pup_bind(web, fd, "0.0.0.0", PORT), 0);
	net_sysctl(&a, "net/core/optmem_max", "4096");
	fill.a[0] = pup_socket(thief, AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(pup_set(thief, (int)fill.a[0], SOL_SOCKET, SO_REUSEADDR, 1), 0);
	assert_true(pup_do(thief, &fill) > 0);
	net_mark(&a);
	assert_int_equal(pup_bind(thief, (int)fill.a[0], WEB, PORT), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_PORT_TAKEN);
	net_sysctl(&a, "net/core/optmem_max", "131072");
	assert_int_equal(pup_close(thief, (int)fill.a[0]), 0);
	assert_int_equal(pup_close(web, fd), 0);
}

/* --- the group ------------------------------------------------------------------------------------------ */

static int setup(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	web = net_puppet(&a, "web.service");
	thief = net_puppet(&a, "thief.service");
	net_apply(&a, "segments:\n"
		      "  web: { match: { unit: web.service } }\n"
		      "  thief: { match: { unit: thief.service } }\n"
		      "allow:\n"
		      "  - { id: any, from: any, to: web, port: udp/7300 }\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pup_stop(web);
	pup_stop(thief);
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_port_that_was_left_is_free),
		cmocka_unit_test(test_a_thief_without_memory_is_a_thief),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
