/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_init.c - the first map of `bulkhead init`, from made-up hosts: what stands in it, and that the
 * same host gives the same map.
 */
#include "initrig.h"

static void test_empty(void **state)
{
	struct bh_seen s = host();
	_cleanup_free_ char *text = draft(&s);

	(void)state;
	has(text, "\nname: shop-1\nmode: observe\n");
	has(text, "  rest: { match: { cgroup: \"/\" }, mode: observe }\n");
	has(text, "\nallow: []\n");
	has(text, "# None: no connection was found that this session came over.\n");
	has(text, "# failsafe:\n");
}

static void test_conversations(void **state)
{
	struct bh_seen s = host();
	_cleanup_free_ char *text = NULL;

	(void)state;
	tcp_listens(&s, WEB, "::", 8080);
	tcp_listens(&s, CACHE, "127.0.0.1", 6379);
	tcp(&s, WEB, "10.77.0.1", 8080, "10.77.0.9", 40000);
	tcp(&s, WEB, "10.77.0.1", 8080, "10.77.0.9", 40001);
	tcp(&s, WEB, "10.77.0.1", 8080, "10.77.0.2", 40000);
	tcp(&s, WEB, "fd77::1", 8080, "fd77::2", 40000);
	/* both ends of one */
	tcp(&s, WEB, "127.0.0.1", 40500, "127.0.0.1", 6379);
	tcp(&s, CACHE, "127.0.0.1", 6379, "127.0.0.1", 40500);
	tcp(&s, WEB, "10.77.0.1", 40501, "192.168.7.7", 5432);
	tcp(&s, WEB, "10.77.0.1", 40502, "198.51.100.7", 443);
	text = draft(&s);
	has(text, "  nginx: { match: { unit: \"nginx.service\" } }\n");
	has(text,
	    "  nginx-clients: { match: { cidr: [10.77.0.2/32, 10.77.0.9/32, \"fd77::2/128\"] } }\n");
	has(text, "  # from 10.77.0.2, 10.77.0.9, fd77::2\n"
		  "  - { id: nginx-in-8080, from: nginx-clients, to: nginx, port: tcp/8080 }\n");
	has(text,
	    "  # inside of this host, at 127.0.0.1\n  - { id: nginx-redis-6379, from: nginx, to: redis, port: tcp/6379 }\n");
	has(text, "  nginx-servers: { match: { cidr: [192.168.7.7/32] } }\n");
	has(text, "  - { id: nginx-out-5432, from: nginx, to: nginx-servers, port: tcp/5432 }\n");
	/* an address of the internet is as good as another; so lan and private have to be named */
	has(text, "  # to 198.51.100.7 (so all of the internet)\n"
		  "  - { id: nginx-out-443, from: nginx, to: world, port: tcp/443 }\n");
	has(text, "\n  lan: { match: { cidr: [10.77.0.0/24, \"fd77::/64\"] }, default: ");
	has(text, "\n  private: { match: { cidr: [10.0.0.0/8, ");
	/* the client's end of a connection is no listener, and loopback is no address of a segment */
	has_not(text, "40500");
	has_not(text, "127.0.0.1/32");
}

/* Connections that just ended are nobody's; whose the port is tells the listener. */
static void test_ended(void **state)
{
	struct bh_seen s = host();
	_cleanup_free_ char *text = NULL;

	(void)state;
	tcp_listens(&s, WEB, "::", 8080);
	add(&s, NULL, IPPROTO_TCP, TCP_TIME_WAIT, "10.77.0.1", 8080, "10.77.0.44", 1234);
	add(&s, NULL, IPPROTO_TCP, TCP_TIME_WAIT, "10.77.0.1", 41000, "10.77.0.45", 443);
	s.sockets[1].s.cgid = s.sockets[2].s.cgid = 0;
	/* and one whose unit was stopped */
	tcp(&s, NULL, "10.77.0.1", 41001, "10.77.0.46", 443);
	text = draft(&s);
	has(text, "  nginx-clients: { match: { cidr: [10.77.0.44/32] } }\n");
	has(text, "  - { id: nginx-in-8080, from: nginx-clients, to: nginx, port: tcp/8080 }\n");
	has(text, "#   - 1 socket of cgroups that are gone\n");
	has_not(text, "10.77.0.45");
	has_not(text, "10.77.0.46");
}

/* What listens on one address only, and connections over this host's own. */
static void test_own_addresses(void **state)
{
	struct bh_seen s = host();
	_cleanup_free_ char *text = NULL;

	(void)state;
	tcp_listens(&s, WEB, "10.77.0.1", 80);
	tcp_listens(&s, CACHE, "127.0.0.1", 80);
	tcp(&s, SSH, "10.77.0.1", 41000, "10.77.0.1", 80);
	tcp(&s, WEB, "10.77.0.1", 80, "10.77.0.1", 41000);
	tcp(&s, SSH, "fe80::1", 41000, "fe80::2", 443);
	/* a worker of nginx asks nginx: the same workload, no rule is needed */
	tcp(&s, WEB, "127.0.0.1", 41002, "10.77.0.1", 80);
	tcp(&s, WEB, "10.77.0.1", 80, "127.0.0.1", 41002);
	text = draft(&s);
	has(text, "  # inside of this host, at 10.77.0.1\n"
		  "  - { id: ssh-nginx-80, from: ssh, to: nginx, port: tcp/80 }\n");
	has(text, "\n  # - { id: redis-in-80, from: logins, to: redis, port: tcp/80 }\n");
	has(text, "#   - 1 connection with link-local IPv6 addresses: no map can name them");
	has_not(text, "nginx-nginx");
	has_not(text, "fe80::2");
}

static void test_quiet(void **state)
{
	struct bh_seen s = host();
	_cleanup_free_ char *text = NULL;

	(void)state;
	tcp_listens(&s, WEB, "0.0.0.0", 80);
	tcp_listens(&s, WEB, "::", 80);
	tcp_listens(&s, CACHE, "127.0.0.1", 6379);
	add(&s, CACHE, IPPROTO_UDP, TCP_CLOSE, "0.0.0.0", 5353, "0.0.0.0", 0);
	add(&s, WEB, IPPROTO_UDP, TCP_CLOSE, "0.0.0.0", 40123, "0.0.0.0", 0);
	text = draft(&s);
	has(text, "\n  # - { id: nginx-in-80, from: lan, to: nginx, port: tcp/80 }\n");
	has_not(text, "nginx-in-80-2");
	has(text, "\n  # - { id: redis-in-6379, from: logins, to: redis, port: tcp/6379 }\n");
	has(text, "\n  # - { id: redis-in-udp-5353, from: lan, to: redis, port: udp/5353 }\n");
	has_not(text, "40123");
	/* no rule names it */
	has(text, "\n  # lan: { match: ");
	has(text, "\nallow: []\n");
}

/* Switched on, a line that is off has to be a rule. */
static void test_switched_on(void **state)
{
	struct bh_seen s = host();
	_cleanup_free_ char *text = NULL;
	struct bh_map *map;
	char *at;

	(void)state;
	tcp_listens(&s, WEB, "0.0.0.0", 80);
	tcp_listens(&s, CACHE, "127.0.0.1", 6379);
	text = draft(&s);
	while ((at = strstr(text, "  # - {")) || (at = strstr(text, "  # lan:")))
		memmove(at + 2, at + 4, strlen(at + 4) + 1);
	at = strstr(text, "allow: []");
	memset(at + 6, ' ', 3);
	map = parsed(text, strlen(text));
	assert_int_equal(map->n_rule, 3);
	bh_map_free(map);
}

static void test_many_peers(void **state)
{
	struct bh_seen s = host();
	_cleanup_free_ char *text = NULL;
	char peer[32];

	(void)state;
	tcp_listens(&s, WEB, "0.0.0.0", 80);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(peer, sizeof(peer), "203.0.113.%d", i + 1);
		tcp(&s, WEB, "10.77.0.1", 80, peer, 40000);
	}
	tcp_listens(&s, SSH, "0.0.0.0", 22);
	tcp(&s, SSH, "10.77.0.1", 22, "203.0.113.7", 41000);
	tcp(&s, SSH, "10.77.0.1", 22, "10.77.0.9", 41000);
	text = draft(&s);
	/* who is named by address is not in the zone any more, so both stand there; not the LAN's */
	has(text,
	    "203.0.113.4 and 36 more (so all of the internet)\n"
	    "  - { id: nginx-in-80, from: [ssh-clients-2, world], to: nginx, port: tcp/80 }\n");
}

static void test_limit_of_classes(void **state)
{
	struct bh_seen s = host();
	_cleanup_free_ char *text = NULL;
	struct bh_map *map;
	char peer[32];
	size_t addresses = 0;

	(void)state;
	/* each of 200 peers speaks with a port of its own */
	for (int i = 0; i < 200; i++) {
		tcp_listens(&s, WEB, "0.0.0.0", 1000 + i);
		(void)snprintf(peer, sizeof(peer), "10.77.0.%d", i + 10);
		tcp(&s, WEB, "10.77.0.1", 1000 + i, peer, 40000);
	}
	text = draft(&s);
	map = parsed(text, strlen(text));
	for (size_t i = 0; i < map->n_segment; i++)
		for (size_t j = 0; j < map->segment[i].n_match; j++)
			addresses += map->segment[i].match[j].n_cidr != 0;
	assert_true(addresses <= 64);
	has(text, "(so all of the local network)\n  - { id: nginx-in-1000, from: lan, to: nginx, ");
	bh_map_free(map);
}

static void test_resolvers(void **state)
{
	struct bh_seen s = host();
	_cleanup_free_ char *text = NULL;
	struct bh_addr *a;

	(void)state;
	a = bh_seen_grow(&s.dns, &s.n_dns, sizeof(*a));
	*a = addr("10.77.0.53");
	tcp_listens(&s, WEB, "0.0.0.0", 80);
	text = draft(&s);
	has(text, "  nameservers: { match: { cidr: [10.77.0.53/32] } }\n");
	has(text,
	    "  - { id: dns, from: [rest, logins, nginx], to: nameservers, port: [udp/53, tcp/53] }\n");
	free(text);

	s = host();
	a = bh_seen_grow(&s.dns, &s.n_dns, sizeof(*a));
	*a = addr("127.0.0.53");
	a = bh_seen_grow(&s.upstream, &s.n_upstream, sizeof(*a));
	*a = addr("9.9.9.9");
	add(&s, "/system.slice/systemd-resolved.service", IPPROTO_UDP, TCP_CLOSE, "127.0.0.53", 53,
	    "0.0.0.0", 0);
	tcp_listens(&s, WEB, "0.0.0.0", 80);
	text = draft(&s);
	has(text,
	    "  - { id: dns, from: [rest, logins, nginx], to: systemd-resolved, port: [udp/53, tcp/53] }\n");
	has(text, "  - { id: systemd-resolved-out-udp-53, from: systemd-resolved, to: nameservers, "
		  "port: [udp/53, tcp/53] }\n");
	has(text, "cidr: [9.9.9.9/32]");
}

static void test_daemons(void **state)
{
	static const char *const units[] = {"/system.slice/chrony.service",
					    "/system.slice/systemd-networkd.service"};
	struct bh_seen s = host();
	_cleanup_free_ char *text = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		char **new = bh_seen_grow(&s.cgroups, &s.n_cgroups, sizeof(*new));

		*new = strdup(units[i]);
	}
	add(&s, "/system.slice/dhclient.service", IPPROTO_UDP, TCP_CLOSE, "0.0.0.0", 68, "0.0.0.0",
	    0);
	text = draft(&s);
	has(text, "  - { id: chrony-ntp, from: chrony, to: any, port: udp/123 }\n");
	has(text,
	    "  systemd-networkd: { match: { unit: \"systemd-networkd.service\" }, dhcp: true }\n");
	has(text, "  dhclient: { match: { unit: \"dhclient.service\" }, dhcp: true }\n");
}

/* --- the session ---------------------------------------------------------------------------------- */

static void test_failsafe(void **state)
{
	struct bh_seen s = host();
	_cleanup_free_ char *text = NULL;
	struct bh_map *map;

	(void)state;
	s.login = (struct bh_login){
		.how = BH_LOGIN_HELD, .peer = addr("fd77::2"), .port = 2222, .name = "sshd\n- {}"};
	text = draft(&s);
	has(text, "\nfailsafe:\n  # held by sshd\\x0a- \\x7b\\x7d\n"
		  "  - { from: { cidr: [\"fd77::2/128\"] }, port: tcp/2222, ");
	map = parsed(text, strlen(text));
	assert_int_equal(map->n_rule, 1);
	assert_int_equal(map->rule[0].kind, BH_RULE_FAILSAFE);
	bh_map_free(map);
	free(text);

	s = host();
	s.login = (struct bh_login){.how = BH_LOGIN_HELD, .peer = addr("127.0.0.1"), .port = 22};
	text = draft(&s);
	has(text, "# None: this session comes from this host itself");
	free(text);

	s = host();
	s.login = (struct bh_login){.how = BH_LOGIN_HELD, .peer = addr("fe80::9"), .port = 22};
	text = draft(&s);
	has(text, "# None: this session comes from a link-local address");
	free(text);

	s = host();
	s.login.how = BH_LOGIN_CONSOLE;
	text = draft(&s);
	has(text, "# None: this was written at a console.\n");
}

static void test_hint(void **state)
{
	static const char *const bad[] = {"",
					  "10.0.0.7",
					  "10.0.0.7 5 10.0.0.1",
					  "x 5 10.0.0.1 22",
					  "10.0.0.7 5 10.0.0.1 0",
					  "10.0.0.7 5 10.0.0.1 70000",
					  "10.0.0.7 5 10.0.0.1 22 }",
					  "10.0.0.7/8 5 10.0.0.1 22"};
	struct bh_login l;
	struct bh_addr peer = addr("10.0.0.7");

	(void)state;
	assert_true(bh_seen_hint("10.0.0.7 51234 10.0.0.1 22", &l));
	assert_int_equal(l.port, 22);
	assert_memory_equal(&l.peer, &peer, sizeof(peer));
	assert_false(bh_seen_hint(NULL, &l));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (bh_seen_hint(bad[i], &l))
			fail_msg("taken: '%s'", bad[i]);
}

static void test_nameservers(void **state)
{
	struct bh_addr *v = NULL;
	size_t n = 0;

	(void)state;
	assert_int_equal(bh_seen_nameservers("# nameserver 1.1.1.1\nsearch nameserver 1.1.1.1\n"
					     "nameserver 10.0.0.53\nnameserver\tfd00::53\n"
					     "nameserver fe80::1%eth0\nnameserver x\nnameserver",
					     &v, &n),
			 0);
	assert_int_equal(n, 2);
	free(v);
}

/* --- size and order ------------------------------------------------------------------------------- */

static struct bh_seen crowd(unsigned seed, char (*cgroups)[48], size_t n)
{
	struct bh_seen s = host();
	size_t *order = calloc(n, sizeof(*order));

	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (size_t i = n - 1; seed && i; i--) {
		size_t j = (seed = seed * 1103515245 + 12345) % (i + 1), t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
	for (size_t k = 0; k < n; k++) {
		size_t i = order[k];
		const char *cgroup = cgroups[i % 700];
		char peer[32];

		(void)snprintf(cgroups[i % 700], sizeof(*cgroups), "/system.slice/app%zu.service",
			       i % 700);
		(void)snprintf(peer, sizeof(peer), "10.%zu.%zu.9", i % 250, i / 250 % 250);
		if (i < 700)
			tcp_listens(&s, cgroup, "0.0.0.0", 2000 + (int)i);
		else
			tcp(&s, cgroup, "10.77.0.1", i % 2 ? 2000 + (int)(i % 700) : 50000, peer,
			    i % 2 ? 50000 : 5432);
	}
	free(order);
	return s;
}

static void test_crowd(void **state)
{
	static char cgroups[700][48];
	struct bh_seen a = crowd(0, cgroups, 5000), b = crowd(7, cgroups, 5000);
	_cleanup_free_ char *one = draft(&a), *other = draft(&b);

	(void)state;
	has(one, "id: app0-out-5432, ");
	has(one, "id: app699-");
	assert_string_equal(one, other);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	    cmocka_unit_test(test_conversations),
		cmocka_unit_test(test_ended),	    cmocka_unit_test(test_own_addresses),
		cmocka_unit_test(test_quiet),	    cmocka_unit_test(test_switched_on),
		cmocka_unit_test(test_many_peers),  cmocka_unit_test(test_limit_of_classes),
		cmocka_unit_test(test_resolvers),   cmocka_unit_test(test_daemons),
		cmocka_unit_test(test_failsafe),    cmocka_unit_test(test_hint),
		cmocka_unit_test(test_nameservers), cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
