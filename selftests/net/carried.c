// SPDX-License-Identifier: Apache-2.0
/*
 * carried.c - what a socket carries, looked at and changed from outside: a verdict holds for
 * exactly its peer, generation and time; who began is told from it and from the facts; a UDP peer
 * is one address and port for a while. A packet that goes out is judged before send() returns, so
 * nothing here waits.
 */
#include "netrig.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "talk.h"
#include "../../agent/kern/kern_internal.h"

#define PORT	7000
#define N_PORTS 12
#define CLAIMED (~0ull)
#define MARK	999u
#define HOUR_NS (3600 * 1000000000ull)

static struct net_host a, b;
static struct puppet *web, *db;
static int listener, server[N_PORTS];

static const struct {
	const char *from, *to;
} family[] = {{"10.77.0.1", "10.77.0.11"}, {"fd77::1", "fd77::11"}};

#define MAP(until)                                                                                 \
	"segments:\n"                                                                              \
	"  web: { match: [ { unit: web.service }, { cidr: [10.77.0.1/32, \"fd77::1/128\"] } ] }\n" \
	"  db: { match: [ { unit: db.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ] }\n"     \
	"allow:\n"                                                                                 \
	"  - { id: web-db, from: web, to: db, port: [tcp/7000, udp/7000-7019]" until " }\n"

static void both(const char *map)
{
	net_apply(&a, map);
	net_apply(&b, map);
	net_mark(&a);
	net_mark(&b);
}

static __u64 now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (__u64)now.tv_sec * 1000000000u + (__u64)now.tv_nsec;
}

/* --- looking into a socket ------------------------------------------------------------------------------ */

static int map_of(const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(a.k->obj, name);

	assert_true(fd >= 0);
	return fd;
}

static void look(const char *map, int fd, void *ret)
{
	int mine = pup_fetch(web, fd);

	assert_true(mine >= 0);
	assert_int_equal(bpf_map_lookup_elem(map_of(map), &mine, ret), 0);
	(void)close(mine);
}

static void change(const char *map, int fd, const void *value)
{
	int mine = pup_fetch(web, fd);

	assert_true(mine >= 0);
	assert_int_equal(bpf_map_update_elem(map_of(map), &mine, value, BPF_EXIST), 0);
	(void)close(mine);
}

/* --- for exactly its peer, generation and time ------------------------------------------------------------ */

enum turn { AS_IT_IS, GENERATION, FIRST_BYTE, LAST_BYTE, PEER_PORT, AHEAD, PASSED };

static const struct {
	const char *says;
	enum turn turn;
	bool holds;
} verdict[] = {
	{"as it is", AS_IT_IS, true},
	{"another generation", GENERATION, false},
	{"another peer, by its first byte", FIRST_BYTE, false},
	{"another peer, by its last byte", LAST_BYTE, false},
	{"another port of the peer", PEER_PORT, false},
	{"a deadline ahead", AHEAD, true},
	{"a deadline that has passed", PASSED, false},
};

static void turn_verdict(struct bh_session *s, enum turn turn)
{
	s->gen += turn == GENERATION ? 2 : 0;
	s->peer.b[0] ^= turn == FIRST_BYTE;
	s->peer.b[15] ^= turn == LAST_BYTE;
	s->peer_port ^= turn == PEER_PORT;
	if (turn == AHEAD)
		s->deadline_ns = now_ns() + HOUR_NS;
	if (turn == PASSED)
		s->deadline_ns = now_ns() - 1;
}

/* A deny that stands in the socket holds, or the packet is judged anew, and passes. */
static void test_a_verdict_is_for_one_peer_and_time(void **state)
{
	(void)state;
	both(MAP(""));
	for (size_t i = 0; i < ARRAY_SIZE(verdict) * 2; i++) {
		const size_t row = i / 2, f = i % 2;
		struct talk t = talk_open(web, family[f].from, db, listener, family[f].to, PORT);
		struct bh_session s;

		talk_both_ways(&t);
		look("bh_session", t.client_fd, &s);
		assert_int_equal(s.gen, bh_kern_generation(a.k));
		assert_int_equal(s.deadline_ns, 0);
		assert_int_equal(s.peer_port, PORT);
		s.pass = 0;
		turn_verdict(&s, verdict[row].turn);
		change("bh_session", t.client_fd, &s);
		assert_int_equal(pup_send(web, t.client_fd, "x"), 1);
		look("bh_session", t.client_fd, &s);
		if (s.pass == verdict[row].holds)
			fail_msg("%s, to %s: %s", verdict[row].says, family[f].to,
				 s.pass ? "judged anew" : "it holds");
		talk_close(&t);
	}
}

/* Somebody else writes the verdict: this packet is judged, and nothing is written. */
static void test_a_claimed_verdict_is_left_alone(void **state)
{
	struct talk t = talk_open(web, family[0].from, db, listener, family[0].to, PORT);
	struct bh_session s;

	(void)state;
	talk_both_ways(&t);
	look("bh_session", t.client_fd, &s);
	s.pass = 0;
	s.gen = CLAIMED;
	change("bh_session", t.client_fd, &s);
	assert_int_equal(pup_send(web, t.client_fd, "x"), 1);
	assert_int_equal(talk_ends(db, t.server_fd, PUP_PATIENCE_MS), 1);
	look("bh_session", t.client_fd, &s);
	assert_true(s.gen == CLAIMED);
	assert_int_equal(s.pass, 0);
	talk_close(&t);
}

/* --- who began ---------------------------------------------------------------------------------------------- */

static const struct {
	const char *says;
	bool known;
	__u8 dir;
	__u32 facts;
	int want; /* enum bh_dir, -1: it can't be told */
} began[] = {
	{"the verdict says out", true, BH_OUT, BH_FACT_OLD | BH_FACT_ACCEPTED, BH_OUT},
	{"the verdict says in", true, BH_IN, BH_FACT_OLD | BH_FACT_ASKED, BH_IN},
	{"young, and it never connected", false, BH_OUT, 0, BH_IN},
	{"old, and it asked", false, BH_IN, BH_FACT_OLD | BH_FACT_ASKED, BH_OUT},
	{"old, and it was accepted", false, BH_OUT, BH_FACT_OLD | BH_FACT_ACCEPTED, BH_IN},
	{"old, and nobody knows", false, BH_OUT, BH_FACT_OLD, -1},
	{"accepted", false, BH_OUT, BH_FACT_ACCEPTED, BH_IN},
};

static void test_who_began(void **state)
{
	(void)state;
	both(MAP(""));
	for (size_t i = 0; i < ARRAY_SIZE(began); i++) {
		struct talk t = talk_open(web, family[0].from, db, listener, family[0].to, PORT);
		struct bh_session s;
		struct bh_facts facts;

		talk_both_ways(&t);
		look("bh_facts", t.client_fd, &facts);
		look("bh_session", t.client_fd, &s);
		facts.flags = began[i].facts;
		s.gen = 0;
		s.dir = began[i].dir;
		s.dir_known = began[i].known;
		change("bh_facts", t.client_fd, &facts);
		change("bh_session", t.client_fd, &s);
		net_mark(&a);
		assert_int_equal(pup_send(web, t.client_fd, "x"), 1);
		look("bh_session", t.client_fd, &s);
		printf("# %s\n", began[i].says);
		if (began[i].want < 0) {
			assert_int_equal(s.gen, 0);
			assert_true(net_count(&a, BH_R_DIRECTION_UNKNOWN) >= 1);
		} else {
			assert_int_equal(s.gen, bh_kern_generation(a.k));
			assert_int_equal(s.dir, began[i].want);
			assert_int_equal(s.pass, began[i].want == BH_OUT);
		}
		talk_close(&t);
	}
}

/* --- deadlines of both halves -------------------------------------------------------------------------------- */

#define SOON ", until: \"2100-01-01T00:00:00Z\""
#define LATE ", until: \"2101-01-01T00:00:00Z\""

/* @ours decides at the receiver, @theirs at the sender: a wildcard here comes before one there. */
static __u64 deadline_of(const char *ours, const char *theirs)
{
	_cleanup_free_ char *map = NULL;
	struct puppet *here = net_puppet(&a, "db.service");
	int at = pup_serve(here, SOCK_STREAM, "127.0.0.1", PORT);
	struct bh_session s;
	struct talk t;

	assert_true(asprintf(&map,
			     "segments:\n"
			     "  web: { match: { unit: web.service } }\n"
			     "  db: { match: { unit: db.service } }\n"
			     "allow:\n"
			     "  - { id: ours, from: web, to: any, port: tcp/7000%s }\n"
			     "  - { id: theirs, from: any, to: db, port: tcp/7000%s }\n",
			     ours, theirs) > 0);
	net_apply(&a, map);
	t = talk_open(web, NULL, here, at, "127.0.0.1", PORT);
	look("bh_session", t.client_fd, &s);
	assert_int_equal(s.gen, bh_kern_generation(a.k));
	assert_int_equal(s.reason, BH_R_ALLOW);
	talk_close(&t);
	pup_stop(here);
	return s.deadline_ns;
}

/* A verdict about both ends ends when the first of its rules does. */
static void test_the_earliest_deadline_counts(void **state)
{
	__u64 soon = deadline_of(SOON, SOON), late = deadline_of(LATE, LATE);

	(void)state;
	assert_true(soon && soon < late);
	assert_true(deadline_of("", "") == 0);
	assert_true(deadline_of(SOON, "") == soon);
	assert_true(deadline_of("", SOON) == soon);
	assert_true(deadline_of(SOON, LATE) == soon);
	assert_true(deadline_of(LATE, SOON) == soon);
	both(MAP(""));
}

/* --- UDP ---------------------------------------------------------------------------------------------------- */

enum slot_turn {
	SLOT_KEPT,
	SLOT_PORT,
	SLOT_FIRST,
	SLOT_LAST,
	SLOT_FREE,
	SLOT_CLAIMED,
	SLOT_IDLE,
	SLOT_NEARLY,
	SLOT_AHEAD,
	SLOT_OLD
};

static const struct {
	const char *says;
	enum slot_turn turn;
	bool found;
	int slots; /* that are in use after it */
} slots[] = {
	{"as it is", SLOT_KEPT, true, 1},
	{"another port", SLOT_PORT, false, 2},
	{"another address, by its first byte", SLOT_FIRST, false, 2},
	{"another address, by its last byte", SLOT_LAST, false, 2},
	{"free", SLOT_FREE, false, 1},
	{"somebody is writing it", SLOT_CLAIMED, false, 2},
	{"forgotten: 181 s", SLOT_IDLE, false, 2},
	{"nearly: 170 s", SLOT_NEARLY, true, 1},
	{"sent to on another processor, since we looked at the clock", SLOT_AHEAD, true, 1},
	{"of another generation: found, and judged anew", SLOT_OLD, false, 1},
};

static void turn_slot(struct bh_udp_slot *slot, enum slot_turn turn)
{
	const __u64 second = 1000000000;

	slot->port ^= turn == SLOT_PORT;
	slot->peer.b[0] ^= turn == SLOT_FIRST;
	slot->peer.b[15] ^= turn == SLOT_LAST;
	slot->gen += turn == SLOT_OLD ? 2 : 0;
	if (turn == SLOT_FREE)
		slot->sent_ns = 0;
	if (turn == SLOT_CLAIMED)
		slot->gen = CLAIMED;
	if (turn == SLOT_IDLE)
		slot->sent_ns = now_ns() - 181 * second;
	if (turn == SLOT_NEARLY)
		slot->sent_ns = now_ns() - 170 * second;
	if (turn == SLOT_AHEAD)
		slot->sent_ns = now_ns() + 10 * second;
}

static int used(const struct bh_udp *u)
{
	int n = 0;

	for (int i = 0; i < BH_UDP_SLOTS; i++)
		n += u->slot[i].sent_ns != 0;
	return n;
}

static void test_a_udp_peer_is_one_address_and_port(void **state)
{
	(void)state;
	both(MAP(""));
	for (size_t i = 0; i < ARRAY_SIZE(slots) * 2; i++) {
		const size_t row = i / 2, f = i % 2;
		int fd = talk_socket(web, SOCK_DGRAM, family[f].to, family[f].from);
		struct bh_udp u;

		assert_int_equal(pup_sendto(web, fd, "ask", family[f].to, PORT), 3);
		look("bh_udp", fd, &u);
		assert_int_equal(used(&u), 1);
		assert_int_equal(u.slot[0].gen, bh_kern_generation(a.k));
		assert_int_equal(u.slot[0].port, PORT);
		u.slot[0].rule = MARK;
		turn_slot(&u.slot[0], slots[row].turn);
		change("bh_udp", fd, &u);
		assert_int_equal(pup_sendto(web, fd, "ask", family[f].to, PORT), 3);
		look("bh_udp", fd, &u);
		printf("# %s, to %s\n", slots[row].says, family[f].to);
		assert_int_equal(used(&u), slots[row].slots);
		if (slots[row].slots == 1)
			assert_int_equal(u.slot[0].rule == MARK, slots[row].found);
		if (slots[row].found)
			assert_true(now_ns() - u.slot[0].sent_ns < HOUR_NS / 60);
		assert_int_equal(pup_close(web, fd), 0);
	}
}

/* The least recent is forgotten; a slot that somebody is writing is not taken. */
static void test_which_peer_is_forgotten(void **state)
{
	int fd = talk_socket(web, SOCK_DGRAM, family[0].to, family[0].from);
	struct bh_udp u;

	(void)state;
	both(MAP(""));
	for (int i = 0; i < BH_UDP_SLOTS; i++)
		assert_int_equal(pup_sendto(web, fd, "ask", family[0].to, PORT + i), 3);
	look("bh_udp", fd, &u);
	for (int i = 0; i < BH_UDP_SLOTS; i++)
		assert_int_equal(u.slot[i].port, PORT + i);
	u.slot[5].sent_ns -= HOUR_NS / 60;
	change("bh_udp", fd, &u);
	assert_int_equal(pup_sendto(web, fd, "ask", family[0].to, PORT + 8), 3);
	look("bh_udp", fd, &u);
	assert_int_equal(u.slot[5].port, PORT + 8);
	u.slot[3].sent_ns -= HOUR_NS / 60;
	u.slot[3].gen = CLAIMED;
	change("bh_udp", fd, &u);
	assert_int_equal(pup_sendto(web, fd, "ask", family[0].to, PORT + 9), 3);
	look("bh_udp", fd, &u);
	assert_int_equal(u.slot[3].port, PORT + 3);
	assert_true(u.slot[3].gen == CLAIMED);
	assert_int_equal(pup_close(web, fd), 0);
}

/* A handover and a hook may write one peer at once: as one that was asked, and as one that asked. */
static void test_a_udp_peer_in_two_slots(void **state)
{
	(void)state;
	both(MAP(""));
	for (size_t f = 0; f < 2; f++) {
		int at = pup_serve(db, SOCK_DGRAM, family[f].to, PORT + N_PORTS), err = 0;
		int fd = talk_socket(web, SOCK_DGRAM, family[f].to, family[f].from);
		struct bh_udp u;
		const char *got;

		assert_int_equal(pup_sendto(web, fd, "ask", family[f].to, PORT + N_PORTS), 3);
		look("bh_udp", fd, &u);
		u.slot[0].gen = 0;
		u.slot[1] = u.slot[0];
		u.slot[0].rule = BH_SLOT_ASKED_US;
		change("bh_udp", fd, &u);
		assert_int_equal(pup_answer(db, at, "answer"), 0);
		got = pup_recv(web, fd, &err);
		assert_string_equal(got ? got : "nothing", "answer");
		assert_int_equal(pup_close(web, fd), 0);
		assert_int_equal(pup_close(db, at), 0);
	}
}

/* What rests on a deadline is of no generation: judged again each time. */
static void test_a_udp_peer_under_a_rule_that_ends(void **state)
{
	int fd = talk_socket(web, SOCK_DGRAM, family[0].to, family[0].from);
	struct bh_udp u;

	(void)state;
	both(MAP(", until: \"2100-01-01T00:00:00Z\""));
	assert_int_equal(pup_sendto(web, fd, "ask", family[0].to, PORT), 3);
	look("bh_udp", fd, &u);
	assert_int_equal(used(&u), 1);
	assert_int_equal(u.slot[0].gen, 0);
	assert_int_equal(pup_close(web, fd), 0);
}

/* --- the group ------------------------------------------------------------------------------------------ */

static int up(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	web = net_puppet(&a, "web.service");
	db = net_puppet(&b, "db.service");
	listener = pup_serve(db, SOCK_STREAM, "::", PORT);
	for (int i = 0; i < N_PORTS; i++)
		server[i] = pup_serve(db, SOCK_DGRAM, "::", PORT + i);
	both(MAP(""));
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
		cmocka_unit_test(test_a_verdict_is_for_one_peer_and_time),
		cmocka_unit_test(test_a_claimed_verdict_is_left_alone),
		cmocka_unit_test(test_who_began),
		cmocka_unit_test(test_the_earliest_deadline_counts),
		cmocka_unit_test(test_a_udp_peer_is_one_address_and_port),
		cmocka_unit_test(test_which_peer_is_forgotten),
		cmocka_unit_test(test_a_udp_peer_in_two_slots),
		cmocka_unit_test(test_a_udp_peer_under_a_rule_that_ends),
	};

	return cmocka_run_group_tests(tests, up, down);
}
