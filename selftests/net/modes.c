// SPDX-License-Identifier: Apache-2.0
/*
 * modes.c - the mode belongs to a direction: egress is judged under the local sender's mode,
 * ingress under the local receiver's. A table of modes and rules over one host's two ends, with
 * what connect() says and what is told; then ports that another segment holds or reserves.
 */
#include "netrig.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define PORT 7000

static struct net_host a, b;
static struct puppet *web, *db, *other;
static int listener;

/* --- the table --------------------------------------------------------------------------------------------- */

enum rules { NONE, ALLOW, ALLOW_OBSERVED, DENY, DENY_OBSERVED, DENY_OBSERVED_ALONE };

static const char *const rules_text[] = {
	[NONE] = "",
	[ALLOW] = "allow: [ { id: r, from: web, to: db, port: tcp/7000 } ]\n",
	[ALLOW_OBSERVED] =
		"allow: [ { id: r, from: web, to: db, port: tcp/7000, mode: observe } ]\n",
	[DENY] = "allow: [ { id: r, from: web, to: db, port: tcp/7000 } ]\n"
		 "deny: [ { id: d, from: web, to: db, port: tcp/7000 } ]\n",
	[DENY_OBSERVED] = "allow: [ { id: r, from: web, to: db, port: tcp/7000 } ]\n"
			  "deny: [ { id: d, from: web, to: db, port: tcp/7000, mode: observe } ]\n",
	[DENY_OBSERVED_ALONE] =
		"deny: [ { id: d, from: web, to: db, port: tcp/7000, mode: observe } ]\n",
};

enum mode { E, O }; /* enforce, observe */

static const struct row {
	const char *says;
	enum rules rules;
	enum mode sender, receiver;
	bool cap; /* bulkhead mode observe */
	int connect;
	enum bh_event_type told; /* first, at connect() */
	enum bh_reason reason;
} table[] = {
	{"no rule", NONE, E, E, false, -EPERM, BH_EVENT_DENY, BH_R_DEFAULT_DENY},
	{"no rule, the sender observes", NONE, O, E, false, -EPERM, BH_EVENT_DENY,
	 BH_R_PEER_DENIES},
	{"no rule, the receiver observes", NONE, E, O, false, -EPERM, BH_EVENT_DENY,
	 BH_R_DEFAULT_DENY},
	{"no rule, both observe", NONE, O, O, false, 0, BH_EVENT_WOULD_DENY, BH_R_DEFAULT_DENY},
	{"no rule, capped", NONE, E, E, true, 0, BH_EVENT_WOULD_DENY, BH_R_DEFAULT_DENY},
	{"an allow", ALLOW, E, E, false, 0, BH_EVENT_BEGIN, BH_R_ALLOW},
	{"an allow, both observe", ALLOW, O, O, false, 0, BH_EVENT_BEGIN, BH_R_ALLOW},
	{"an allow on probation", ALLOW_OBSERVED, E, E, false, 0, BH_EVENT_BEGIN, BH_R_ALLOW},
	{"a deny", DENY, E, E, false, -EPERM, BH_EVENT_DENY, BH_R_RULE_DENY},
	{"a deny, the sender observes", DENY, O, E, false, -EPERM, BH_EVENT_DENY, BH_R_PEER_DENIES},
	{"a deny, the receiver observes", DENY, E, O, false, -EPERM, BH_EVENT_DENY, BH_R_RULE_DENY},
	{"a deny, both observe", DENY, O, O, false, 0, BH_EVENT_WOULD_DENY, BH_R_RULE_DENY},
	{"a deny, capped", DENY, E, E, true, 0, BH_EVENT_WOULD_DENY, BH_R_RULE_DENY},
	{"an observed deny over an allow", DENY_OBSERVED, E, E, false, 0, BH_EVENT_WOULD_DENY,
	 BH_R_RULE_DENY},
	{"an observed deny opens nothing", DENY_OBSERVED_ALONE, E, E, false, -EPERM, BH_EVENT_DENY,
	 BH_R_DEFAULT_DENY},
};

static void apply(const struct row *row)
{
	static const char *const word[] = {"enforce", "observe"};
	_cleanup_free_ char *body = NULL;

	assert_true(asprintf(&body,
			     "segments:\n"
			     "  web: { match: { unit: web.service }, mode: %s }\n"
			     "  db: { match: { unit: db.service }, mode: %s }\n%s",
			     word[row->sender], word[row->receiver], rules_text[row->rules]) > 0);
	assert_int_equal(
		bh_kern_set_ctl(a.k, row->cap ? BH_CTL_OBSERVE : 0, row->cap ? 0 : BH_CTL_OBSERVE),
		0);
	net_apply(&a, body);
}

static bool holds(const struct row *row, const char *addr)
{
	int fd = pup_socket(web, strchr(addr, ':') ? AF_INET6 : AF_INET, SOCK_STREAM, 0), r;
	const struct bh_event *ev;
	bool good;

	net_mark(&a);
	r = pup_connect(web, fd, addr, PORT);
	ev = net_event(&a, row->told, NULL);
	good = r == row->connect && ev && ev->reason == row->reason;
	if (!good)
		printf("# %s, to %s: connect %d, expected %d; told %s, expected %s\n", row->says,
		       addr, r, row->connect, ev ? net_reason(ev->reason) : "nothing",
		       net_reason(row->reason));
	/* what passed goes on to pass: the receiver's half is judged with the first data */
	if (good && !r)
		good = pup_send(web, fd, "x") == 1;
	assert_int_equal(pup_close(web, fd), 0);
	return good;
}

static void test_modes(void **state)
{
	static const char *const addr[] = {"127.0.0.1", "::1", "10.77.0.1", "fd77::1"};
	int bad = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		apply(&table[i]);
		for (size_t j = 0; j < ARRAY_SIZE(addr); j++)
			bad += !holds(&table[i], addr[j]);
	}
	assert_int_equal(bh_kern_set_ctl(a.k, 0, BH_CTL_OBSERVE), 0);
	assert_int_equal(bad, 0);
}

/* --- a rule on probation ------------------------------------------------------------------------------------ */

/* One datagram and one ping from the other host: what is told of them? */
static void asked(const char *mode, size_t want)
{
	static const __u8 echo[8] = {8};
	_cleanup_free_ char *body = NULL;
	struct puppet *peer = pup_start("elsewhere", b.ns);
	int server = pup_serve(db, SOCK_DGRAM, "10.77.0.1", PORT);
	int ping = pup_socket(peer, AF_INET, SOCK_RAW, IPPROTO_ICMP);
	int fd = pup_socket(peer, AF_INET, SOCK_DGRAM, 0), r;
	size_t n;

	assert_true(
		asprintf(
			&body,
			"segments:\n"
			"  db: { match: { unit: db.service } }\n"
			"  lan: { match: { cidr: [10.77.0.8/29] } }\n"
			"allow:\n"
			"  - { id: ask, from: lan, to: db, port: udp/7000, mode: %s }\n"
			"  - { id: ping, from: lan, to: host, port: icmp/echo-request, mode: %s }\n",
			mode, mode) > 0);
	net_apply(&a, body);
	for (int i = 0; i < 2; i++) {
		net_mark(&a);
		assert_int_equal(pup_sendto(peer, fd, "ask", "10.77.0.1", PORT), 3);
		assert_non_null(pup_recv(db, server, &r));
		(void)net_event(&a, BH_EVENT_BEGIN, &n);
		assert_int_equal(n, want);
	}
	net_mark(&a);
	assert_int_equal(pup_write(peer, ping, echo, sizeof(echo), "10.77.0.1", 0), 8);
	for (int i = 0; i < 100 && !net_count(&a, BH_R_ALLOW); i++)
		(void)usleep(5000);
	assert_int_equal(net_count(&a, BH_R_ALLOW), 1);
	(void)net_event(&a, BH_EVENT_BEGIN, &n);
	assert_int_equal(n, want);
	assert_int_equal(pup_close(db, server), 0);
	pup_stop(peer);
}

/* Each use is told of, also where the other end began and nothing is told else. */
static void test_a_rule_on_probation_is_told_of(void **state)
{
	(void)state;
	asked("enforce", 0);
	asked("observe", 1);
}

/* --- denies by name --------------------------------------------------------------------------------------- */

/* A raw socket that nobody allowed: by the mode of who makes it. */
static void test_denies_by_name_have_a_mode(void **state)
{
	static const struct {
		const char *map;
		bool web, stranger; /* may */
	} row[] = {
		{"segments: { web: { match: { unit: web.service }, mode: observe } }\n", true,
		 false},
		{"segments:\n  web: { match: { unit: web.service } }\n"
		 "  unassigned: { mode: observe }\n",
		 false, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row) * 2; i++) {
		struct puppet *who = i % 2 ? other : web;
		bool may = i % 2 ? row[i / 2].stranger : row[i / 2].web;
		int fd;

		net_apply(&a, row[i / 2].map);
		net_mark(&a);
		fd = pup_socket(who, AF_INET, SOCK_RAW, IPPROTO_RAW);
		net_told(&a, may ? BH_EVENT_WOULD_DENY : BH_EVENT_DENY, BH_R_RAW);
		assert_int_equal(fd >= 0, may);
		if (may)
			assert_int_equal(pup_close(who, fd), 0);
	}
}

/* --- ports --------------------------------------------------------------------------------------------------- */

static const char owners[] = "segments:\n"
			     "  web: { match: { unit: web.service } }\n"
			     "  db: { match: { unit: db.service }, listen: [tcp/7100] }\n"
			     "  other: { match: { unit: other.service } }\n"
			     "allow:\n"
			     "  - { id: all, from: web, to: [db, other], port: tcp }\n";

/* Binds with SO_REUSEPORT. Return: 0 or -errno. */
static int binds(struct puppet *p, const char *addr, int port, int *ret_fd)
{
	*ret_fd = pup_socket(p, strchr(addr, ':') ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	assert_int_equal(pup_set(p, *ret_fd, SOL_SOCKET, SO_REUSEPORT, 1), 0);
	return pup_bind(p, *ret_fd, addr, port);
}

static void test_no_port_is_stolen(void **state)
{
	static const char *const thief[] = {"0.0.0.0", "10.77.0.1", "::", "fd77::1"};
	int owner, fd;

	(void)state;
	net_apply(&a, owners);
	assert_int_equal(binds(db, "::", 7200, &owner), 0);
	assert_int_equal(pup_listen(db, owner, 8), 0);
	for (size_t i = 0; i < ARRAY_SIZE(thief); i++) {
		net_mark(&a);
		assert_int_equal(binds(other, thief[i], 7200, &fd), -EPERM);
		net_told(&a, BH_EVENT_DENY, BH_R_PORT_TAKEN);
		assert_int_equal(pup_close(other, fd), 0);
	}
	/* its own segment may, and so may anybody once it is free */
	assert_int_equal(binds(db, "10.77.0.1", 7200, &fd), 0);
	assert_int_equal(pup_close(db, fd), 0);
	assert_int_equal(pup_close(db, owner), 0);
	assert_int_equal(binds(other, "::", 7200, &fd), 0);
	assert_int_equal(pup_close(other, fd), 0);
}

static void test_a_reserved_port(void **state)
{
	int mine, theirs, fd;

	(void)state;
	net_apply(&a, owners);
	theirs = pup_serve(other, SOCK_STREAM, "127.0.0.1", 7100);
	mine = pup_serve(db, SOCK_STREAM, "127.0.0.2", 7100);
	fd = pup_socket(web, AF_INET, SOCK_STREAM, 0);
	net_mark(&a);
	assert_int_equal(pup_patience(web, fd, PUP_SHORT_MS), 0);
	assert_true(pup_connect(web, fd, "127.0.0.1", 7100) < 0);
	net_told(&a, BH_EVENT_DENY, BH_R_LISTEN_NOT_ALLOWED);
	assert_int_equal(pup_close(web, fd), 0);
	fd = pup_socket(web, AF_INET, SOCK_STREAM, 0);
	assert_int_equal(pup_connect(web, fd, "127.0.0.2", 7100), 0);
	assert_int_equal(pup_close(web, fd), 0);
	assert_int_equal(pup_close(other, theirs), 0);
	assert_int_equal(pup_close(db, mine), 0);
}

/*
 * Nothing breaks that is only observed: a datagram that came in by observation is answered,
 * though nothing allows its receiver to send there, and the sender's own ingress is closed.
 */
static void test_an_observed_receiver_answers(void **state)
{
	static const struct {
		const char *server, *client;
	} at[] = {{"127.0.0.1", "127.0.0.1"}, {"::1", "::1"}, {"10.77.0.1", "10.77.0.2"}};

	(void)state;
	net_apply(&a, "segments:\n"
		      "  web: { match: { unit: web.service }, default: { egress: allow } }\n"
		      "  db: { match: { unit: db.service }, mode: observe }\n");
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		int family = strchr(at[i].server, ':') ? AF_INET6 : AF_INET, err;
		int server = pup_serve(db, SOCK_DGRAM, at[i].server, 7300);
		int fd = pup_socket(web, family, SOCK_DGRAM, 0);

		assert_int_equal(pup_bind(web, fd, at[i].client, 7301), 0);
		assert_true(pup_sendto(web, fd, "ask", at[i].server, 7300) > 0);
		assert_int_equal(pup_answer(db, server, "answer"), 0);
		assert_non_null(pup_recv(web, fd, &err));
		assert_int_equal(pup_close(web, fd), 0);
		assert_int_equal(pup_close(db, server), 0);
	}
}

/*
 * A connect() is told of, also where no datagram follows: ping(8) and getaddrinfo(3) only want to
 * know their own address. One that follows is not told of once more.
 */
static void test_a_connect_without_datagrams_is_told_of(void **state)
{
	static const struct {
		const char *mode, *rule;
		int connect;
		size_t would, denied, begin;
	} row[] = {
		{"observe", "", 0, 1, 0, 0},
		{"enforce", "", -EPERM, 0, 1, 0},
		{"observe", "allow: [ { id: r, from: web, to: lan, port: udp/7400 } ]\n", 0, 0, 0,
		 1},
		{"enforce", "allow: [ { id: r, from: web, to: lan, port: udp/7400 } ]\n", 0, 0, 0,
		 1},
	};
	const struct bh_event *ev;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		int fd = pup_socket(web, AF_INET, SOCK_DGRAM, 0);
		_cleanup_free_ char *body = NULL;
		size_t n;

		assert_true(asprintf(&body,
				     "segments:\n"
				     "  web: { match: { unit: web.service }, mode: %s }\n"
				     "  lan: { match: { cidr: [10.77.0.8/29] } }\n%s",
				     row[i].mode, row[i].rule) > 0);
		net_apply(&a, body);
		net_mark(&a);
		assert_int_equal(pup_connect(web, fd, "10.77.0.11", 7400), row[i].connect);
		for (int sent = 0; sent < 2; sent++) {
			ev = net_event(&a, BH_EVENT_WOULD_DENY, &n);
			assert_int_equal(n, row[i].would);
			assert_true(!ev ||
				    (ev->hook == BH_HOOK_CONNECT && ev->remote_port == 7400));
			(void)net_event(&a, BH_EVENT_DENY, &n);
			assert_int_equal(n, row[i].denied);
			ev = net_event(&a, BH_EVENT_BEGIN, &n);
			assert_int_equal(n, row[i].begin);
			assert_true(!ev ||
				    (ev->hook == BH_HOOK_CONNECT && ev->remote_port == 7400));
			if (!sent && !row[i].connect)
				assert_int_equal(pup_send(web, fd, "x"), 1);
		}
		assert_int_equal(pup_close(web, fd), 0);
	}
}

/* --- a client that is gone -------------------------------------------------------------------------------------- */

/* A health check: it resets before its handshake ends. Nothing is denied, nothing stays half open. */
static void test_a_reset_before_the_handshake_ends(void **state)
{
	static const char *const addr[] = {"127.0.0.1", "::1", "10.77.0.1", "fd77::1"};
	static const struct linger hard = {.l_onoff = 1};

	(void)state;
	net_apply(&a, "segments:\n"
		      "  web: { match: { unit: web.service } }\n"
		      "  db: { match: { unit: db.service } }\n"
		      "allow: [ { id: r, from: web, to: db, port: tcp/7000 } ]\n");
	net_mark(&a);
	for (size_t i = 0; i < ARRAY_SIZE(addr); i++) {
		int family = strchr(addr[i], ':') ? AF_INET6 : AF_INET;
		int fd = pup_socket(web, family, SOCK_STREAM, 0);

		assert_int_equal(pup_set(web, fd, IPPROTO_TCP, TCP_QUICKACK, 0), 0);
		assert_int_equal(pup_set_raw(web, fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)),
				 0);
		assert_int_equal(pup_connect(web, fd, addr[i], PORT), 0);
		assert_int_equal(pup_close(web, fd), 0);
	}
	/* one that was left would be answered once more after a second */
	(void)usleep(1300000);
	assert_int_equal(net_count(&a, BH_R_KERNEL_SOCKET), ARRAY_SIZE(addr));
	assert_int_equal(net_count(&a, BH_R_NO_LISTENER), 0);
	net_quiet(&a);
}

/* --- run --------------------------------------------------------------------------------------------------------- */

static int up(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	web = net_puppet(&a, "web.service");
	db = net_puppet(&a, "db.service");
	other = net_puppet(&a, "other.service");
	listener = pup_serve(db, SOCK_STREAM, "::", PORT);
	return 0;
}

static int down(void **state)
{
	(void)state;
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_a_rule_on_probation_is_told_of),
		cmocka_unit_test(test_denies_by_name_have_a_mode),
		cmocka_unit_test(test_no_port_is_stolen),
		cmocka_unit_test(test_a_reserved_port),
		cmocka_unit_test(test_an_observed_receiver_answers),
		cmocka_unit_test(test_a_connect_without_datagrams_is_told_of),
		cmocka_unit_test(test_a_reset_before_the_handshake_ends),
	};

	return cmocka_run_group_tests(tests, up, down);
}
