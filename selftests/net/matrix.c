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
static struct puppet *web, *pair, *twin, *db_a, *pair_a, *db_b, *web_b;

/* --- the table ----------------------------------------------------------------------------------- */

enum family { V4, V6, MAPPED, N_FAMILIES };
static const char *const family_name[] = {"IPv4", "IPv6", "v4-mapped"};

enum transport { TCP, UDP, ICMP, N_TRANSPORTS };
static const char *const transport_name[] = {"TCP", "UDP", "ICMP"};

/*
 * @client:    of a segment of its own where it meets its like on its host: an open ingress lets
 *             UDP out, too, as an answer
 * @from, @to: the last part of the addresses; 0 = wherever, and loopback
 * @segment:   the server's
 * @seen_as:   what the receiver takes the client for
 * @to_is:     what the sender takes the receiver for
 * @icmp:      whose ping it is: the address's segment
 */
static const struct relation {
	const char *sentence;
	struct puppet **client;
	int from, to;
	struct puppet **server;
	const char *segment, *seen_as, *to_is, *icmp;
	bool wire;
} relation[] = {
	{"web to web on the other host", &web, 1, 11, &web_b, "web", "web", "web", "web", true},
	{"web to another segment on the other host", &web, 1, 12, &db_b, "other", "web", "other",
	 "other", true},
	{"an address in no segment to another", &web, 3, 13, &db_b, "other", "world", "world",
	 "host", true},
	{"web to another segment on its host, by the NIC's address", &web, 1, 2, &db_a, "other",
	 "web", "other", "other", false},
	{"a unit to another of its segment on its host", &pair, 1, 2, &pair_a, "pair", "pair",
	 "pair", "other", false},
	{"web to another segment over loopback", &web, 0, 0, &db_a, "other", "web", "other", "host",
	 false},
};

#define N_RELATIONS ARRAY_SIZE(relation)

/* One socket each, at the address that is asked: else answers come from another. */
static int served[N_RELATIONS][N_FAMILIES][2]; /* TCP and UDP */

static int port_of(const struct relation *rel, enum family family)
{
	return 7000 + (int)(rel - relation) * 10 + (int)family;
}

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

/* web's mode and defaults; the same for pair, other, host */
#define MAP                                                                                        \
	"segments:\n"                                                                              \
	"  web:\n"                                                                                 \
	"    match: [ { unit: web.service },\n"                                                    \
	"             { cidr: [10.77.0.1/32, 10.77.0.11/32, fd77::1/128, fd77::11/128] } ]\n"      \
	"    mode: %s\n"                                                                           \
	"    default: { ingress: %s, egress: %s }\n"                                               \
	"  pair:\n"                                                                                \
	"    match: { unit: [pair.service, pair2.service] }\n"                                     \
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
	"  - { id: twin, from: twin, to: [web, pair, other, host, world], port: any }\n"

static void apply(const struct variant *v, bool observe)
{
	const char *in = v->receiver ? "allow" : "deny", *out = v->sender ? "allow" : "deny";
	const char *mode = observe ? "observe" : "enforce";
	struct net_host *host[] = {&a, &b};

	for (size_t i = 0; i < ARRAY_SIZE(host); i++) {
		_cleanup_free_ char *body = NULL;

		assert_true(asprintf(&body, MAP, mode, host[i] == &a ? "deny" : in, out, mode, in,
				     out, mode, in, mode, in) > 0);
		net_apply(host[i], body);
	}
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
static int ask_tcp(struct puppet *p, int fd, const struct relation *rel, enum family family)
{
	int listener = served[rel - relation][family][TCP], conn, r;

	r = pup_connect(p, fd, address(family, rel->to), port_of(rel, family));
	if (r)
		return r;
	conn = pup_accept(*rel->server, listener);
	assert_true(conn >= 0);
	r = pup_send(p, fd, "ping");
	if (r > 0)
		r = pup_answer(*rel->server, conn, "pong");
	if (!r && !pup_recv(p, fd, &r))
		return r;
	assert_int_equal(pup_close(*rel->server, conn), 0);
	return 0;
}

static int ask_udp(struct puppet *p, int fd, const struct relation *rel, enum family family,
		   bool arrives)
{
	int server = served[rel - relation][family][UDP], r;

	r = pup_sendto(p, fd, "ping", address(family, rel->to), port_of(rel, family));
	if (r < 0)
		return r;
	if (arrives)
		assert_int_equal(pup_answer(*rel->server, server, "pong"), 0);
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
	int fd, r;

	p->patience_ms = arrives ? PUP_PATIENCE_MS : PUP_SHORT_MS;
	fd = client(p, transport, family, from);
	if (transport == TCP)
		r = ask_tcp(p, fd, rel, family);
	else if (transport == UDP)
		r = ask_udp(p, fd, rel, family, arrives);
	else
		r = ask_ping(p, fd, family, address(family, rel->to));
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

static struct expect expected(const struct relation *rel, const struct variant *v,
			      enum transport transport, enum family family, bool observe)
{
	/* The kernel does not tell who pings over IPv6 (net/ipv6/icmp.c: push_pending_frames). */
	int refused = transport == ICMP && family == V6 ? -EAGAIN : -EPERM;
	static const enum bh_hook sender_hook[] = {BH_HOOK_CONNECT, BH_HOOK_SENDMSG,
						   BH_HOOK_SKB_OUT};
	const char *receiver = transport == ICMP ? rel->icmp : rel->segment;
	struct expect e = {
		.teller = &a,
		.type = observe ? BH_EVENT_WOULD_DENY : BH_EVENT_DENY,
		.reason = BH_R_DEFAULT_DENY,
		.hook = sender_hook[transport],
		.dir = BH_OUT,
		.local = rel->client == &pair ? "pair" : "web",
		.remote = rel->wire ? rel->to_is : receiver,
	};

	if (!v->sender) {
		e.error = observe ? 0 : refused;
		/* a datagram that passes is judged and told of when it leaves */
		if (observe && transport == UDP)
			e.hook = BH_HOOK_SKB_OUT;
		return e;
	}
	/* who pings on one host finds no socket there that could tell of the receiver's half */
	if (!rel->wire && (!observe || transport == ICMP)) {
		e.error = observe ? 0 : refused;
		e.reason = BH_R_PEER_DENIES;
		return e;
	}
	if (!observe)
		e.error = transport == TCP ? -EINPROGRESS : -EAGAIN;
	e.teller = rel->wire ? &b : &a;
	e.hook = transport != ICMP && observe ? BH_HOOK_SKB_IN : BH_HOOK_XDP;
	e.dir = BH_IN;
	e.local = receiver;
	e.remote = rel->seen_as;
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
	struct expect e = expected(rel, v, transport, family, observe);
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
		net_print(&a);
		good = false;
	}
	net_mark(&a);
	net_mark(&b);
	r = ask(*rel->client, rel, transport, family, rel->from, !closed || observe);
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
	for (size_t i = 0; i < N_RELATIONS; i++)
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
		for (size_t i = 0; i < N_RELATIONS; i++)
			for (int t = 0; t < N_TRANSPORTS; t++)
				for (int f = 0; f < N_FAMILIES; f++) {
					if (!exists((enum transport)t, (enum family)f))
						continue;
					asked++;
					answered += !ask(*relation[i].client, &relation[i],
							 (enum transport)t, (enum family)f,
							 relation[i].from, true);
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

static void serve(const struct relation *rel)
{
	for (int f = 0; f < N_FAMILIES; f++) {
		const char *at = address((enum family)f, rel->to);
		int port = port_of(rel, (enum family)f), *fd = served[rel - relation][f];

		fd[TCP] = pup_serve(*rel->server, SOCK_STREAM, at, port);
		fd[UDP] = pup_serve(*rel->server, SOCK_DGRAM, at, port);
	}
}

static int up(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	net_sysctl(&a, "net/ipv4/ping_group_range", "0 65535");
	web = net_puppet(&a, "web.service");
	pair = net_puppet(&a, "pair.service");
	twin = net_puppet(&a, "twin.service");
	db_a = net_puppet(&a, "db.service");
	pair_a = net_puppet(&a, "pair2.service");
	db_b = net_puppet(&b, "db.service");
	web_b = net_puppet(&b, "web.service");
	for (size_t i = 0; i < N_RELATIONS; i++)
		serve(&relation[i]);
	net_mark(&a);
	net_mark(&b);
	return 0;
}

static int down(void **state)
{
	struct puppet *all[] = {web, pair, twin, db_a, pair_a, db_b, web_b};

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
