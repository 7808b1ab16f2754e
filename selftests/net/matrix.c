// SPDX-License-Identifier: Apache-2.0
/*
 * matrix.c - who reaches whom: two guarded hosts and real sockets, {the same segment, another
 * segment, an unknown address, one host, loopback} x {TCP, UDP, ICMP} x {IPv4, IPv6, v4-mapped}
 * x {either half closed, none} x {enforce, observe}, each with what the client gets, the reason
 * and who tells of it. Beside every question the same one is asked by a twin that a rule allows.
 */
#include "netrig.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

static struct net_host a, b;

/* Clients on a, and servers on both: their sockets live as long as the test program. */
static struct puppet *web, *twin, *db_a, *web2_a, *db_b, *web_b;

/* --- the table ----------------------------------------------------------------------------------- */

enum family { V4, V6, MAPPED, N_FAMILIES };
static const char *const family_name[] = {"IPv4", "IPv6", "v4-mapped"};

enum transport { TCP, UDP, ICMP, N_TRANSPORTS };
static const char *const transport_name[] = {"TCP", "UDP", "ICMP"};

struct server {
	struct puppet **p;
	struct net_host *host;
	int port;
	const char *segment;
	int fd[N_FAMILIES][2]; /* TCP and UDP */
};

enum { DB_A, WEB2_A, DB_B, WEB_B, N_SERVERS };
static struct server server[N_SERVERS] = {
	[DB_A] = {&db_a, &a, 7000, "other", {{0}}},
	[WEB2_A] = {&web2_a, &a, 7010, "web", {{0}}},
	[DB_B] = {&db_b, &b, 7000, "other", {{0}}},
	[WEB_B] = {&web_b, &b, 7020, "web", {{0}}},
};

/*
 * @from, @to: the last part of the addresses; 0 = wherever, and loopback
 * @seen_as:   what the receiver takes the client for
 * @to_is:     what the sender takes the receiver for
 * @icmp:      whose ping it is: the address's segment
 */
static const struct relation {
	const char *sentence;
	int from, to, server;
	const char *seen_as, *to_is, *icmp;
	bool wire;
} relation[] = {
	{"web to web on the other host", 1, 11, WEB_B, "web", "web", "web", true},
	{"web to another segment on the other host", 1, 12, DB_B, "web", "other", "other", true},
	{"an address in no segment to another", 3, 13, DB_B, "world", "world", "host", true},
	{"web to another segment on its host, by the NIC's address", 1, 2, DB_A, "web", "other",
	 "other", false},
	{"web to another unit of web on its host", 1, 1, WEB2_A, "web", "web", "web", false},
	{"web to another segment over loopback", 0, 0, DB_A, "web", "other", "host", false},
};

/* Both halves of a conversation can be closed, each by its segment's default. */
static const struct variant {
	const char *sentence;
	bool sender, receiver; /* open? */
} variant[] = {
	{"both halves open", true, true},
	{"sender's half closed", false, true},
	{"receiver's half closed", true, false},
	{"both halves closed", false, false},
};

/* mode, web's defaults; mode, other's default; mode, host's default */
#define MAP                                                                                        \
	"segments:\n"                                                                              \
	"  web:\n"                                                                                 \
	"    match: [ { unit: [web.service, web2.service] },\n"                                    \
	"             { cidr: [10.77.0.1/32, 10.77.0.11/32, fd77::1/128, fd77::11/128] } ]\n"      \
	"    mode: %s\n"                                                                           \
	"    default: { ingress: %s, egress: %s }\n"                                               \
	"  other:\n"                                                                               \
	"    match: [ { unit: db.service },\n"                                                     \
	"             { cidr: [10.77.0.2/32, 10.77.0.12/32, fd77::2/128, fd77::12/128] } ]\n"      \
	"    mode: %s\n"                                                                           \
	"    default: { ingress: %s }\n"                                                           \
	"  twin:\n"                                                                                \
	"    match: [ { unit: twin.service }, { cidr: [10.77.0.4/32, fd77::4/128] } ]\n"           \
	"  host: { mode: %s, default: { ingress: %s, egress: allow } }\n"                          \
	"allow:\n"                                                                                 \
	"  - { id: twin, from: twin, to: [web, other, host, world], port: any }\n"

static void apply(const struct variant *v, bool observe)
{
	const char *in = v->receiver ? "allow" : "deny", *out = v->sender ? "allow" : "deny";
	const char *mode = observe ? "observe" : "enforce";
	_cleanup_free_ char *body = NULL;

	assert_true(asprintf(&body, MAP, mode, in, out, mode, in, mode, in) > 0);
	net_apply(&a, body);
	net_apply(&b, body);
}

/* --- one conversation ------------------------------------------------------------------------------ */

static const char *address(enum family family, int last)
{
	static char text[4][32];
	static int turn;
	char *t = text[turn++ % 4];

	if (!last)
		return family == V4 ? "127.0.0.1" : family == V6 ? "::1" : "::ffff:127.0.0.1";
	if (family == V6)
		snprintf(t, sizeof(text[0]), "fd77::%d", last);
	else
		snprintf(t, sizeof(text[0]), "%s10.77.0.%d", family == V4 ? "" : "::ffff:", last);
	return t;
}

static int client(struct puppet *p, enum transport transport, enum family family, int from)
{
	int type = transport == TCP ? SOCK_STREAM : SOCK_DGRAM;
	int proto = transport != ICMP ? 0 : family == V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	int fd = pup_socket(p, family == V4 ? AF_INET : AF_INET6, type, proto);

	assert_true(fd >= 0);
	if (from)
		assert_int_equal(pup_bind(p, fd, address(family, from), 0), 0);
	return fd;
}

/* Return: 0 when the answer came, or -errno of the client's call that failed. */
static int ask_tcp(struct puppet *p, int fd, struct server *s, enum family family, const char *to)
{
	int r = pup_connect(p, fd, to, s->port + (int)family), conn;

	if (r)
		return r;
	conn = pup_accept(*s->p, s->fd[family][TCP]);
	assert_true(conn >= 0);
	r = pup_send(p, fd, "ping");
	if (r > 0)
		r = pup_answer(*s->p, conn, "pong");
	if (!r && !pup_recv(p, fd, &r))
		return r;
	assert_int_equal(pup_close(*s->p, conn), 0);
	return 0;
}

static int ask_udp(struct puppet *p, int fd, struct server *s, enum family family, const char *to,
		   bool arrives)
{
	int r = pup_sendto(p, fd, "ping", to, s->port + (int)family);

	if (r < 0)
		return r;
	if (arrives)
		assert_int_equal(pup_answer(*s->p, s->fd[family][UDP], "pong"), 0);
	return pup_recv(p, fd, &r) ? 0 : r;
}

static int ask_ping(struct puppet *p, int fd, enum family family, const char *to)
{
	struct icmphdr v4 = {.type = ICMP_ECHO};
	struct icmp6_hdr v6 = {.icmp6_type = ICMP6_ECHO_REQUEST};
	int r = family == V4 ? pup_write(p, fd, &v4, sizeof(v4), to, 0)
			     : pup_write(p, fd, &v6, sizeof(v6), to, 0);

	if (r < 0)
		return r;
	return pup_recv(p, fd, &r) ? 0 : r;
}

static int ask(struct puppet *p, const struct relation *rel, enum transport transport,
	       enum family family, int from, bool arrives)
{
	const char *to = address(family, rel->to);
	struct server *s = &server[rel->server];
	int fd, r;

	p->patience_ms = arrives ? PUP_PATIENCE_MS : PUP_SHORT_MS;
	fd = client(p, transport, family, from);
	if (transport == TCP)
		r = ask_tcp(p, fd, s, family, to);
	else if (transport == UDP)
		r = ask_udp(p, fd, s, family, to, arrives);
	else
		r = ask_ping(p, fd, family, to);
	assert_int_equal(pup_close(p, fd), 0);
	return r;
}

/* --- what is expected ------------------------------------------------------------------------------ */

struct expect {
	int error; /* what the client gets */
	struct net_host *teller;
	enum bh_event_type type;
	enum bh_reason reason;
	enum bh_hook hook;
	enum bh_dir dir;
	const char *local, *remote; /* identities in the event */
};

/* Where the receiver's half is judged of what passed the sender's. */
static enum bh_hook receiver_hook(const struct relation *rel, enum transport transport,
				  bool observe)
{
	if (transport == ICMP)
		return rel->wire ? BH_HOOK_XDP : BH_HOOK_SKB_OUT;
	return observe || !rel->wire ? BH_HOOK_SKB_IN : BH_HOOK_XDP;
}

static struct expect expected(const struct relation *rel, const struct variant *v,
			      enum transport transport, bool observe)
{
	static const enum bh_hook sender_hook[] = {BH_HOOK_CONNECT, BH_HOOK_SENDMSG,
						   BH_HOOK_SKB_OUT};
	const char *receiver = transport == ICMP ? rel->icmp : server[rel->server].segment;
	struct expect e = {
		.teller = &a,
		.type = observe ? BH_EVENT_WOULD_DENY : BH_EVENT_DENY,
		.reason = BH_R_DEFAULT_DENY,
		.hook = sender_hook[transport],
		.dir = BH_OUT,
		.local = "web",
		.remote = rel->wire ? rel->to_is : receiver,
	};

	if (!v->sender) {
		e.error = observe ? 0 : -EPERM;
		/* a datagram that passes is judged and told of when it leaves */
		if (observe && transport == UDP)
			e.hook = BH_HOOK_SKB_OUT;
		return e;
	}
	if (!observe && !rel->wire) {
		e.error = -EPERM;
		e.reason = BH_R_PEER_DENIES;
		return e;
	}
	if (!observe)
		e.error = transport == TCP ? -EINPROGRESS : -EAGAIN;
	e.teller = rel->wire ? &b : &a;
	e.hook = receiver_hook(rel, transport, observe);
	e.dir = BH_IN;
	e.local = receiver;
	e.remote = rel->wire ? rel->seen_as : "web";
	return e;
}

static bool told_right(const struct expect *e, const char *sentence)
{
	size_t n;
	const struct bh_event *ev = net_event(e->teller, e->type, &n);

	if (!ev || ev->reason != e->reason || ev->hook != e->hook || ev->dir != e->dir ||
	    ev->local != net_identity(e->teller, e->local) ||
	    ev->remote != net_identity(e->teller, e->remote)) {
		printf("# %s: %zu events, first: %s hook %d dir %d %u -> %u\n", sentence, n,
		       ev ? net_reason((enum bh_reason)ev->reason) : "none", ev ? ev->hook : 0,
		       ev ? ev->dir : 0, ev ? ev->local : 0, ev ? ev->remote : 0);
		printf("# expected %s: %s hook %d dir %d %s -> %s\n", e->teller->name,
		       net_reason(e->reason), e->hook, e->dir, e->local, e->remote);
		return false;
	}
	if (strcmp(net_denies(e->teller), net_reason(e->reason)) != 0) {
		printf("# %s: counted '%s'\n", sentence, net_denies(e->teller));
		return false;
	}
	return true;
}

/* --- one cell --------------------------------------------------------------------------------------- */

static bool cell(const struct relation *rel, const struct variant *v, enum transport transport,
		 enum family family, bool observe)
{
	_cleanup_free_ char *sentence = NULL;
	bool closed = !v->sender || !v->receiver, good = true;
	struct expect e = expected(rel, v, transport, observe);
	int r;

	assert_true(asprintf(&sentence, "%s, %s over %s, %s, %s", rel->sentence,
			     transport_name[transport], family_name[family], v->sentence,
			     observe ? "observe" : "enforce") > 0);
	net_mark(&a);
	net_mark(&b);
	r = ask(twin, rel, transport, family, rel->from ? 4 : 0, true);
	if (r || *net_denies(&a) || *net_denies(&b)) {
		printf("# the twin of %s: %s, a denied '%s'", sentence, strerror(-r),
		       net_denies(&a));
		printf(", b denied '%s'\n", net_denies(&b));
		good = false;
	}
	net_mark(&a);
	net_mark(&b);
	r = ask(web, rel, transport, family, rel->from, !closed || observe);
	if (r != (closed ? e.error : 0)) {
		printf("# %s: %s, expected %s\n", sentence, strerror(-r), strerror(-e.error));
		good = false;
	}
	if (closed)
		return told_right(&e, sentence) && good;
	if (*net_denies(&a) || *net_denies(&b)) {
		printf("# %s: denied\n", sentence);
		good = false;
	}
	return good;
}

/* ICMP has no v4-mapped form: an ICMPv6 socket does not take such an address. */
static bool exists(enum transport transport, enum family family)
{
	return transport != ICMP || family != MAPPED;
}

static void all_cells(const struct variant *v, bool observe)
{
	int bad = 0, n = 0;

	apply(v, observe);
	for (size_t i = 0; i < ARRAY_SIZE(relation); i++)
		for (int t = 0; t < N_TRANSPORTS; t++)
			for (int f = 0; f < N_FAMILIES; f++) {
				if (!exists((enum transport)t, (enum family)f))
					continue;
				n++;
				bad += !cell(&relation[i], v, (enum transport)t, (enum family)f,
					     observe);
			}
	if (bad)
		fail_msg("%d of %d cells", bad, n);
}

static void test_both_open(void **state)
{
	(void)state;
	all_cells(&variant[0], false);
}

static void test_sender_closed(void **state)
{
	(void)state;
	all_cells(&variant[1], false);
}

static void test_receiver_closed(void **state)
{
	(void)state;
	all_cells(&variant[2], false);
}

static void test_both_closed(void **state)
{
	(void)state;
	all_cells(&variant[3], false);
}

static void test_observed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(variant); i++)
		all_cells(&variant[i], true);
}

/* --- the way things are without us ------------------------------------------------------------------- */

static void test_nothing_is_denied_before_the_first_apply(void **state)
{
	int asked = 0, answered = 0;

	(void)state;
	for (int round = 0; round < 10; round++)
		for (size_t i = 0; i < ARRAY_SIZE(relation); i++)
			for (int t = 0; t < N_TRANSPORTS; t++)
				for (int f = 0; f < N_FAMILIES; f++) {
					if (!exists((enum transport)t, (enum family)f))
						continue;
					asked++;
					answered += !ask(web, &relation[i], (enum transport)t,
							 (enum family)f, relation[i].from, true);
				}
	printf("# %d of %d answered\n", answered, asked);
	assert_true(answered * 100 > asked * 99);
	net_quiet(&a);
	net_quiet(&b);
}

static void test_no_socket_pings_a_mapped_address(void **state)
{
	int fd = client(web, ICMP, V6, 0);

	(void)state;
	assert_true(ask_ping(web, fd, V6, "::ffff:10.77.0.11") < 0);
	assert_int_equal(pup_close(web, fd), 0);
}

/* --- the group ---------------------------------------------------------------------------------------- */

static void serve(struct server *s)
{
	static const char *const any[] = {"0.0.0.0", "::", "::"};

	for (int f = 0; f < N_FAMILIES; f++)
		for (int t = TCP; t <= UDP; t++) {
			int type = t == TCP ? SOCK_STREAM : SOCK_DGRAM;
			int fd = pup_socket(*s->p, f == V4 ? AF_INET : AF_INET6, type, 0);

			assert_true(fd >= 0);
			if (f != V4)
				assert_int_equal(pup_set(*s->p, fd, IPPROTO_IPV6, IPV6_V6ONLY,
							 f == V6),
						 0);
			assert_int_equal(pup_bind(*s->p, fd, any[f], s->port + f), 0);
			if (t == TCP)
				assert_int_equal(pup_listen(*s->p, fd, 64), 0);
			s->fd[f][t] = fd;
		}
}

static int up(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	net_sysctl(&a, "net/ipv4/ping_group_range", "0 65535");
	web = net_puppet(&a, "web.service");
	twin = net_puppet(&a, "twin.service");
	db_a = net_puppet(&a, "db.service");
	web2_a = net_puppet(&a, "web2.service");
	db_b = net_puppet(&b, "db.service");
	web_b = net_puppet(&b, "web.service");
	for (int i = 0; i < N_SERVERS; i++)
		serve(&server[i]);
	net_mark(&a);
	net_mark(&b);
	return 0;
}

static int down(void **state)
{
	struct puppet *all[] = {web, twin, db_a, web2_a, db_b, web_b};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		pup_stop(all[i]);
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_denied_before_the_first_apply),
		cmocka_unit_test(test_no_socket_pings_a_mapped_address),
		cmocka_unit_test(test_both_open),
		cmocka_unit_test(test_sender_closed),
		cmocka_unit_test(test_receiver_closed),
		cmocka_unit_test(test_both_closed),
		cmocka_unit_test(test_observed),
	};

	return cmocka_run_group_tests_name("who reaches whom", tests, up, down);
}
