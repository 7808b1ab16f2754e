/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover.c - what programs of another ABI know of a UDP socket's peers, taken over while our own
 * hooks note peers, too (bpf/adopt.bpf.c: bh_take_udp): nobody is forgotten, whoever came first.
 * The other set is one of ours whose pins were moved to another version's directory. Runs as root.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <cmocka.h>
#include "namerig.h"
#include "../../agent/kern/kern_internal.h"

/* Two sets of programs, and a socket that both know. */
struct two {
	struct bh_kern *k; /* ours, attached and not seeded */
	int their_udp;
	int fd;
	struct bh_udp theirs, ours;
};

/* --- the stage ----------------------------------------------------------------------------------- */

static int udp_map(const struct bh_kern *k)
{
	int fd = bpf_object__find_map_fd_by_name(k->obj, "bh_udp");

	assert_true(fd >= 0);
	return fd;
}

static void move_pins(const char *from, const char *to)
{
	char old[PATH_MAX], new[PATH_MAX];

	snprintf(old, sizeof(old), "%s/%s", rig_opts().pin_dir, from);
	snprintf(new, sizeof(new), "%s/%s", rig_opts().pin_dir, to);
	assert_int_equal(rename(old, new), 0);
}

/* A socket that nobody knows anything of yet. */
static int open_socket(void **state)
{
	struct two *t = *state;

	memset(&t->theirs, 0, sizeof(t->theirs));
	memset(&t->ours, 0, sizeof(t->ours));
	t->fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return t->fd < 0 ? -1 : 0;
}

static int close_socket(void **state)
{
	return close(((struct two *)*state)->fd);
}

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (__u64)ts.tv_sec * 1000000000 + (__u64)ts.tv_nsec;
}

/* A peer is its port. @ago_s: how long since something was sent to it */
static struct bh_udp_slot peer(__u16 port, __u64 gen, __u32 rule, __u64 ago_s)
{
	struct bh_udp_slot slot = {.gen = gen,
				   .sent_ns = now_ns() - ago_s * 1000000000,
				   .port = port,
				   .reason = BH_R_ALLOW,
				   .rule = rule};

	assert_int_equal(inet_pton(AF_INET6, "fd77::2", slot.peer.b), 1);
	return slot;
}

/* Their generation is 7. */
static struct bh_udp_slot theirs(__u16 port)
{
	return peer(port, 7, RIG_RULE, 2);
}

/* Noted by ours while they judge: of no generation, just now. */
static struct bh_udp_slot asked(__u16 port)
{
	return peer(port, 0, 0, 0);
}

static struct bh_udp_slot asked_us(__u16 port)
{
	return peer(port, 0, BH_SLOT_ASKED_US, 0);
}

/* What both know, as it is now, is written; ours takes over what they know; t->ours is read. */
static void take(struct two *t)
{
	_cleanup_diags_ struct bh_diags d = {0};
	int ours = udp_map(t->k);

	assert_int_equal(bpf_map_update_elem(t->their_udp, &t->fd, &t->theirs, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(ours, &t->fd, &t->ours, BPF_ANY), 0);
	assert_int_equal(bh_kern_seed(t->k, &d), 0);
	assert_int_equal(bpf_map_lookup_elem(ours, &t->fd, &t->ours), 0);
}

/* Slots of @port, as it was asked or as it asked us. */
static int count(const struct two *t, __u16 port, bool us)
{
	int n = 0;

	for (int i = 0; i < BH_UDP_SLOTS; i++) {
		const struct bh_udp_slot *slot = &t->ours.slot[i];

		n += slot->sent_ns && slot->port == port && (slot->rule == BH_SLOT_ASKED_US) == us;
	}
	return n;
}

/* --- tests --------------------------------------------------------------------------------------- */

static void test_a_peer(void **state)
{
	struct two *t = *state;

	t->theirs.slot[3] = theirs(53);
	take(t);
	assert_int_equal(count(t, 53, false), 1);
	for (int i = 0; i < BH_UDP_SLOTS; i++) {
		const struct bh_udp_slot *slot = &t->ours.slot[i];

		if (!slot->sent_ns)
			continue;
		/* their verdict is judged again, not carried over */
		assert_int_equal(slot->gen, 0);
		assert_int_equal(slot->sent_ns, t->theirs.slot[3].sent_ns);
		assert_memory_equal(&slot->peer, &t->theirs.slot[3].peer, sizeof(slot->peer));
	}
}

/* Both at the same place: neither makes way. */
static void test_same_place(void **state)
{
	struct two *t = *state;

	t->theirs.slot[0] = theirs(53);
	t->ours.slot[0] = asked(123);
	t->ours.slot[BH_UDP_SLOTS - 1] = asked(124);
	take(t);
	assert_int_equal(count(t, 53, false), 1);
	assert_int_equal(count(t, 123, false), 1);
	assert_int_equal(count(t, 124, false), 1);
}

/* They know of nobody: what ours noted stays. */
static void test_nobody(void **state)
{
	struct two *t = *state;
	struct bh_udp before;

	for (__u16 i = 0; i < BH_UDP_SLOTS; i++)
		t->ours.slot[i] = i % 2 ? asked(100 + i) : asked_us(100 + i);
	before = t->ours;
	take(t);
	assert_memory_equal(&t->ours, &before, sizeof(before));
}

/*
 * An answer came when ours were there and had seen no question: to them it looked like one. The
 * socket asked it, they know that: or its next answer is refused.
 */
static void test_an_answer_is_no_question(void **state)
{
	struct two *t = *state;

	t->theirs.slot[0] = theirs(53);
	t->ours.slot[0] = asked_us(53);
	take(t);
	assert_int_equal(count(t, 53, false), 1);
	assert_int_equal(count(t, 53, true), 0);
}

/* All their peers are known, also where ours noted some of them anew. */
static void test_eight_peers(void **state)
{
	struct two *t = *state;

	for (__u16 i = 0; i < BH_UDP_SLOTS; i++)
		t->theirs.slot[i] = theirs(100 + i);
	for (__u16 i = 0; i < BH_UDP_SLOTS / 2; i++)
		t->ours.slot[i] = asked(100 + i);
	take(t);
	for (__u16 i = 0; i < BH_UDP_SLOTS; i++)
		assert_int_equal(count(t, 100 + i, false), 1);
}

/* Who only asks us makes room for whom the socket asked; the least recent of those has to go. */
static void test_who_has_to_go(void **state)
{
	struct two *t = *state;

	for (__u16 i = 0; i < BH_UDP_SLOTS; i++)
		t->theirs.slot[i] = peer(100 + i, 7, RIG_RULE, i + 1);
	for (__u16 i = 0; i < BH_UDP_SLOTS; i++)
		t->ours.slot[i] = i < 2 ? asked(200 + i) : asked_us(200 + i);
	take(t);
	assert_int_equal(count(t, 200, false), 1);
	assert_int_equal(count(t, 201, false), 1);
	for (__u16 i = 0; i < BH_UDP_SLOTS; i++)
		assert_int_equal(count(t, 100 + i, false), i < BH_UDP_SLOTS - 2);
}

/* Half written, theirs or ours: nothing is made of it. */
static void test_claimed(void **state)
{
	struct two *t = *state;

	t->theirs.slot[0] = peer(53, ~0ull, RIG_RULE, 2);
	t->theirs.slot[1] = theirs(54);
	for (__u16 i = 0; i < BH_UDP_SLOTS; i++)
		t->ours.slot[i] = peer(100 + i, ~0ull, 0, 3);
	t->ours.slot[5].sent_ns = 0;
	take(t);
	assert_int_equal(count(t, 53, false), 0);
	assert_int_equal(count(t, 54, false), 0);
	for (__u16 i = 0; i < BH_UDP_SLOTS; i++)
		assert_true(t->ours.slot[i].gen == ~0ull);
}

/* The last: it ends the other set. What was opened for the host stays open. */
static void test_relief_in_an_emergency(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct two *t = *state;
	__u64 until = now_ns() + 60000000000;
	struct bh_ctl *ctl;

	bh_kern_set_open(bh_kern_next(t->k), until);
	assert_true(bh_kern_open_until(t->k) == 0);
	t->k->ctl->gen = bh_kern_generation(bh_kern_next(t->k)) + 1;
	assert_int_equal(bh_kern_relieve(t->k, &d), 1);
	assert_true(bh_kern_open_until(t->k) == until);
	/* a set whose control word is gone can't be opened */
	ctl = t->k->ctl;
	t->k->ctl = NULL;
	bh_kern_set_open(t->k, until);
	t->k->ctl = ctl;
}

/* --- run ----------------------------------------------------------------------------------------- */

static int up(void **state)
{
	struct bh_kern_opts opts;
	_cleanup_diags_ struct bh_diags d = {0};
	static struct two two;
	struct bh_kern *other;

	*state = &two;
	if (rig_up())
		return -1;
	opts = rig_opts();
	other = rig_begin(opts);
	two.their_udp = dup(udp_map(other));
	bh_kern_close(other);
	move_pins(BH_PIN_OWN, "v999");
	assert_int_equal(bh_kern_open(&opts, &d, &two.k), 0);
	assert_int_equal(bh_kern_attach(two.k, &d), 0);
	assert_int_equal(bh_kern_abi(bh_kern_next(two.k)), 999);
	return 0;
}

static int down(void **state)
{
	struct two *t = *state;

	close(t->their_udp);
	rig_end(t->k);
	assert_false(rig_pinned("..", "v999"));
	rig_down();
	return 0;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, open_socket, close_socket)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_peer),	TEST(test_same_place),
		TEST(test_nobody),	TEST(test_an_answer_is_no_question),
		TEST(test_eight_peers), TEST(test_who_has_to_go),
		TEST(test_claimed),	TEST(test_relief_in_an_emergency),
	};

	return cmocka_run_group_tests(tests, up, down);
}
