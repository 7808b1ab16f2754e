/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_init.c - the first map of `bulkhead init`, from made-up hosts: what stands in it, that the
 * language takes it whatever the host's names are, and that the same host gives the same map.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include "../../tools/bulkhead/draft.h"
#include "../../tools/bulkhead/offline.h"

/* --- a host -------------------------------------------------------------------------------------- */

static struct bh_addr addr(const char *text)
{
	struct bh_addr a = {.b = {[10] = 0xff, [11] = 0xff}};

	if (strchr(text, ':'))
		assert_int_equal(inet_pton(AF_INET6, text, a.b), 1);
	else
		assert_int_equal(inet_pton(AF_INET, text, a.b + 12), 1);
	return a;
}

static void own(struct bh_seen *s, const char *text, int plen)
{
	struct bh_cidr *c = bh_seen_grow(&s->own, &s->n_own, sizeof(*c));
	bool v4 = !strchr(text, ':');

	*c = (struct bh_cidr){.addr = addr(text), .plen = plen + (v4 ? 96 : 0), .v4 = v4};
}

static struct bh_seen host(void)
{
	struct bh_seen s = {.host = strdup("shop-1"),
			    .when = strdup("2026-01-02T03:04:05Z"),
			    .ephemeral_lo = 32768,
			    .ephemeral_hi = 60999};

	own(&s, "127.0.0.1", 8);
	own(&s, "10.77.0.1", 24);
	own(&s, "fd77::1", 64);
	own(&s, "fe80::1", 64);
	return s;
}

static void add(struct bh_seen *s, const char *cgroup, __u8 proto, int state, const char *local,
		int lport, const char *remote, int rport)
{
	struct bh_seen_socket *k = bh_seen_grow(&s->sockets, &s->n_sockets, sizeof(*k));

	*k = (struct bh_seen_socket){.s = {.proto = proto,
					   .state = (__u8)state,
					   .local = addr(local),
					   .remote = addr(remote),
					   .local_port = (__u16)lport,
					   .remote_port = (__u16)rport,
					   .cgid = 1},
				     .cgroup = cgroup};
}

static void tcp_listens(struct bh_seen *s, const char *cgroup, const char *local, int port)
{
	add(s, cgroup, IPPROTO_TCP, TCP_LISTEN, local, port, strchr(local, ':') ? "::" : "0.0.0.0",
	    0);
}

static void tcp(struct bh_seen *s, const char *cgroup, const char *local, int lport,
		const char *remote, int rport)
{
	add(s, cgroup, IPPROTO_TCP, TCP_ESTABLISHED, local, lport, remote, rport);
}

/* --- its map ------------------------------------------------------------------------------------- */

static struct bh_map *parsed(const char *text, size_t len)
{
	_cleanup_diags_ struct bh_diags d = {};
	_cleanup_json_ json_t *entries = NULL;
	struct bh_map *map = NULL;

	bool good = bh_offline_check("draft.yaml", text, len, &d, &map, &entries) == 0;

	/* that nobody was seen at a listener is all that may be said of it */
	for (size_t i = 0; i < d.n; i++)
		good &= strstr(d.list[i].text, "' is in no rule: ") &&
			!strstr(d.list[i].text, "'lan'") && !strstr(d.list[i].text, "'private'");
	if (!good) {
		bh_diags_print(&d, stderr, false);
		fail_msg("it is no map:\n%s", text);
	}
	return map;
}

/* The text, which the language takes. Frees the host. */
static char *draft(struct bh_seen *s)
{
	_cleanup_draft_ struct bh_draft d = {0};
	_cleanup_json_ json_t *json = NULL;
	struct bh_map *map;
	char *text;
	size_t len;

	assert_int_equal(bh_draft_make(s, &d), 0);
	assert_int_equal(bh_draft_text(s, &d, &text, &len), 0);
	map = parsed(text, len);
	assert_int_equal(map->mode, BH_MODE_OBSERVE);
	bh_map_free(map);
	json = bh_draft_json(s, &d);
	assert_non_null(json);
	bh_seen_clear(s);
	return text;
}

static void has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no '%s' in:\n%s", line, text);
}

static void has_not(const char *text, const char *line)
{
	if (strstr(text, line))
		fail_msg("'%s' in:\n%s", line, text);
}

#define WEB   "/system.slice/nginx.service"
#define CACHE "/system.slice/redis.service"
#define SSH   "/system.slice/ssh.service"

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

/* --- names ---------------------------------------------------------------------------------------- */

static void spot_is(const char *cgroup, enum bh_spot_kind kind, const char *match)
{
	struct bh_spot s;

	bh_spot_of(cgroup, &s);
	if (s.kind != kind || strcmp(s.match, match) != 0)
		fail_msg("%s: %d '%s'", cgroup, s.kind, s.match);
}

#define HASH "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"

static void test_spots(void **state)
{
	(void)state;
	spot_is("/", BH_SPOT_HOST, "");
	spot_is("/system.slice/nginx.service", BH_SPOT_UNIT, "nginx.service");
	spot_is("/system.slice/nginx.service/worker", BH_SPOT_UNIT, "nginx.service");
	spot_is("/a.slice/a-b.slice/x.service", BH_SPOT_UNIT, "x.service");
	spot_is("/init.scope", BH_SPOT_UNIT, "init.scope");
	spot_is("/system.slice/ssh.socket", BH_SPOT_UNIT, "ssh.service");
	spot_is("/system.slice/system-getty.slice/getty@tty1.service", BH_SPOT_UNIT,
		"getty@*.service");
	spot_is("/system.slice/sshd@0-10.0.0.1:22-10.0.0.2:4.service", BH_SPOT_UNIT,
		"sshd@*.service");
	spot_is("/system.slice/docker-" HASH ".scope", BH_SPOT_UNIT, "docker-*.scope");
	spot_is("/docker/" HASH, BH_SPOT_CGROUP, "/docker");
	spot_is("/lxc/box", BH_SPOT_CGROUP, "/lxc/box");
	/* below what is no slice a unit is somebody's own word */
	spot_is("/lxc/box/nginx.service", BH_SPOT_CGROUP, "/lxc/box/nginx.service");
	spot_is("/user.slice/user-0.slice/session-3.scope", BH_SPOT_LOGINS, "/user.slice");
	spot_is("/user.slice/user-7.slice/user@7.service/app.slice/x.service", BH_SPOT_LOGINS,
		"/user.slice");
	spot_is("/user.slicex/x.service", BH_SPOT_CGROUP, "/user.slicex/x.service");
	/* not the whole slice with all that is in it */
	spot_is("/system.slice", BH_SPOT_REST, "/");
	spot_is("/system.slice/" HASH, BH_SPOT_REST, "/");
	spot_is("/system.slice/a*b.service", BH_SPOT_REST, "/");
	spot_is("/box/a*b", BH_SPOT_CGROUP, "/box");
	spot_is("/box/a\nb/c", BH_SPOT_CGROUP, "/box");
}

static void name_is(const char *text, const char *expected)
{
	char name[BH_DRAFT_NAME];

	bh_draft_name(text, name);
	assert_string_equal(name, expected);
}

static void test_names(void **state)
{
	(void)state;
	name_is("nginx", "nginx");
	name_is("Shop.API", "shop-api");
	name_is("machine-qemu\\x2d1", "machine-qemu-1");
	name_is("3proxy", "u-3proxy");
	name_is("", "u");
	name_is("...", "u");
	name_is("host", "host-unit");
	name_is("any", "any-unit");
	name_is("rest", "rest-unit");
	name_is("yes", "yes-unit");
	name_is("0123456789012345678901234567890123456789xyz",
		"u-0123456789012345678901234567890123456789");
}

/* Names that end a comment, a string, a list; that are globs, other names, or no text at all. */
static void test_hostile(void **state)
{
	static const char *const names[] = {
		"/system.slice/a\nevil: true.service",
		"/system.slice/\"}, x: {.service",
		"/system.slice/'''''''.service",
		"/system.slice/a#b.service",
		"/system.slice/a\\x22\\x0a.service",
		"/system.slice/a\\.service",
		"/system.slice/*.service",
		"/system.slice/..service",
		"/system.slice/-.service",
		"/system.slice/@.service",
		"/system.slice/\x1b[31m.service",
		"/system.slice/\xff\xfe.service",
		"/system.slice/\xe2\x80\xa8.service",
		"/system.slice/.service",
		"/system.slice/nginx.service",
		"/system.slice/NGINX.service",
		"/system.slice/nginx@a.service",
		"/system.slice/nginx@b.service",
		"/system.slice/nginx.scope",
		"/system.slice/host.service",
		"/system.slice/world.service",
		"/system.slice/true.service",
		"/system.slice/lan.service",
		"/system.slice/private.service",
		"/system.slice/nameservers.service",
		"/system.slice/nginx-clients.service",
		"/system.slice/crio-" HASH ".scope",
		"/system.slice/crio-conmon-" HASH ".scope",
		"/box/\nallow: []\n",
		"/box/\"quoted\"",
		"/box/sp ace/#x",
		"/b\\ox",
		"/\n",
		"/[[[[[[[[{{{{{{{",
		"/a: b",
		"/..",
		"/",
	};
	struct bh_seen s = host();
	_cleanup_free_ char *text = NULL;
	struct bh_map *map;

	(void)state;
	free(s.host);
	s.host = strdup("a\nmode: enforce\n'\"\\\x1b");
	assert_int_equal(bh_seen_note(&s, "a cgroup called %s", "\nmode: enforce\n"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		tcp_listens(&s, names[i], "0.0.0.0", 1000 + (int)i);
		tcp(&s, names[i], "10.77.0.1", 1000 + (int)i, "10.77.0.9", 40000);
		tcp(&s, names[i], "10.77.0.1", 40000 + (int)i, "10.77.0.8", 5432);
	}
	text = draft(&s);
	for (const char *c = text; *c; c++)
		if ((*c < 0x20 && *c != '\n') || *c == 0x7f)
			fail_msg("0x%02x in the map", (unsigned char)*c);
	map = parsed(text, strlen(text));
	/* nothing got lost: every port has its rule */
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t rules = 0;

		for (size_t j = 0; j < map->n_rule; j++)
			rules += map->rule[j].port.v[0].lo == 1000 + i;
		assert_int_equal(rules, 1);
	}
	bh_map_free(map);
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
		cmocka_unit_test(test_quiet),	    cmocka_unit_test(test_switched_on),
		cmocka_unit_test(test_many_peers),  cmocka_unit_test(test_limit_of_classes),
		cmocka_unit_test(test_resolvers),   cmocka_unit_test(test_daemons),
		cmocka_unit_test(test_failsafe),    cmocka_unit_test(test_hint),
		cmocka_unit_test(test_nameservers), cmocka_unit_test(test_spots),
		cmocka_unit_test(test_names),	    cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
