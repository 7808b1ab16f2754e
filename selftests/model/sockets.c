/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockets.c - the model against real sockets: two hosts, workloads in their cgroups and under
 * their users, and random maps, the same text in force on both. Connections and datagrams
 * between them, over the cable, over one host's own addresses and over loopback, IPv4, IPv6 and
 * v4-mapped; and connections that stand while the map is replaced. Each gets through or does
 * not as the model says.
 *
 * BH_SEED=N draws other ones, BH_CASES=N so many. LIMIT_S=300
 */
#include "modelrig.h"
#include "netrig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include "policydraft.h"
#include "socketacts.h"
#include "talk.h"

#define CASES	    20000
#define BATCH	    64
#define BATCHES	    5 /* of a map */
#define KEPT	    8 /* connections of a batch that live on */
#define SETTLE_MS   3000
#define BLOCKED_MS  25 /* a packet's way takes less than one */
#define N_WORKLOADS 8
#define FIRST_PORT  10000
#define LAST_PORT   60000

/* --- who is there -------------------------------------------------------------------------------------- */

static const struct {
	int cg, uid; /* indexes of world_cgroup, world_uid */
	uint16_t tcp, udp;
} workload[N_WORKLOADS] = {
	{2, 0, 80, 53},	    {4, 0, 443, 54},  {5, 0, 8080, 50},	 {6, 0, 8085, 60},
	{9, 1, 8090, 1023}, {8, 2, 81, 1024}, {3, 0, 9000, 443}, {11, 1, 65535, 22},
};

struct place {
	struct puppet *p;
	int tcp, udp; /* its servers */
};

static struct net_host host[2];
static struct place place[2][N_WORKLOADS];
static int next_port = FIRST_PORT;

static int unique_port(void)
{
	if (next_port == LAST_PORT)
		next_port = FIRST_PORT;
	return next_port++;
}

static void places_up(int h)
{
	net_sysctl(&host[h], "net/ipv4/ip_unprivileged_port_start", "0");
	for (int i = 0; i < N_WORKLOADS; i++) {
		struct place *pl = &place[h][i];
		char cgroup[256];

		snprintf(cgroup, sizeof(cgroup), "%s%s", host[h].name,
			 world_cgroup[workload[i].cg].path);
		pl->p = pup_start(cgroup, host[h].ns);
		if (world_uid[workload[i].uid])
			assert_int_equal(pup_become(pl->p, world_uid[workload[i].uid]), 0);
		pl->tcp = pup_serve(pl->p, SOCK_STREAM, "::", workload[i].tcp);
		pl->udp = pup_serve(pl->p, SOCK_DGRAM, "::", workload[i].udp);
	}
}

/* --- one case -------------------------------------------------------------------------------------------- */

enum how { TCP, UDP_SENDTO, UDP_CONNECTED, N_HOWS };

struct attempt {
	enum how how;
	int from_host, from, to_host, to; /* @to -1: nobody listens there */
	bool loopback, v4, mapped;
	int src, dst; /* last parts of addresses */
	uint16_t sport, dport;
	/* what the model says */
	bool passes, eperm;
	bool lives_on; /* it began under another map */
	/* what came of it */
	long begun; /* 0 or -errno */
	bool through, refused;
};

static bool is_local(const struct attempt *t)
{
	return t->from_host == t->to_host;
}

static void address(const struct attempt *t, int last, char ret[64])
{
	const char *mapped = t->mapped ? "::ffff:" : "";

	if (t->loopback)
		snprintf(ret, 64, "%s%s", mapped, t->v4 ? "127.0.0.1" : "::1");
	else if (t->v4)
		snprintf(ret, 64, "%s10.77.0.%d", mapped, last);
	else
		snprintf(ret, 64, "fd77::%d", last);
}

static struct attempt attempt_roll(void)
{
	struct attempt t = {
		.how = (enum how)pol_roll(N_HOWS),
		.from_host = (int)pol_roll(2),
		.from = (int)pol_roll(N_WORKLOADS),
		.to_host = (int)pol_roll(2),
		.to = pol_one_in(12) ? -1 : (int)pol_roll(N_WORKLOADS),
		.v4 = pol_one_in(2),
		.sport = (uint16_t)unique_port(),
	};

	t.mapped = t.v4 && pol_one_in(3);
	t.loopback = is_local(&t) && pol_one_in(2);
	t.src = (t.from_host ? 11 : 1) + (int)pol_roll(4);
	t.dst = (t.to_host ? 11 : 1) + (int)pol_roll(4);
	/* a datagram to nobody tells nothing */
	if (t.to < 0)
		t.how = TCP;
	t.dport = t.to < 0 ? 82 : t.how == TCP ? workload[t.to].tcp : workload[t.to].udp;
	return t;
}

/* --- what the model says ----------------------------------------------------------------------------------- */

static struct md_addr md_addr_of(const struct attempt *t, int last)
{
	struct md_addr a = {.v4 = t->v4};
	char text[64];
	struct attempt plain = *t;

	plain.mapped = false;
	address(&plain, last, text);
	assert_int_equal(inet_pton(t->v4 ? AF_INET : AF_INET6, text, a.b + (t->v4 ? 12 : 0)), 1);
	return a;
}

static struct md_answer asked(const struct opinions *o, const struct md_end *me,
			      const struct md_end *peer, int dir, int proto, uint16_t port)
{
	struct md_talk t = {
		.me = *me,
		.peer = *peer,
		.dir = dir,
		.proto = (uint8_t)proto,
		.port = port,
		.now_s = time(NULL),
	};

	return md_judge(o->model, &t);
}

/* Does the receiver take what the sender may send? */
static bool received(const struct opinions *o, const struct attempt *t, const struct md_end *me,
		     const struct md_end *peer, int proto)
{
	bool begins = !t->lives_on; /* `listen:` is about who may begin */
	struct md_answer a = asked(o, me, peer, MD_IN, proto, t->dport);

	if (begins && md_port_is_reserved(o->model, me->seg, (uint8_t)proto, t->dport))
		a = md_named(o->model, BH_R_LISTEN_NOT_ALLOWED, me->seg, false);
	return a.pass;
}

static void foretell(const struct opinions *o, struct attempt *t)
{
	struct md_addr src = md_addr_of(t, t->src), dst = md_addr_of(t, t->dst);
	struct md_end client = o->who[workload[t->from].cg][workload[t->from].uid], server, to, by;
	struct md_answer out, in;
	int proto = t->how == TCP ? IPPROTO_TCP : IPPROTO_UDP;

	/* nobody there: refused by the kernel, if the sender may ask at all */
	server = t->to < 0 ? md_who_is(MD_UNASSIGNED)
			   : o->who[workload[t->to].cg][workload[t->to].uid];
	to = is_local(t) ? server : md_who_of_addr(o->model, &dst, MD_WORLD);
	by = is_local(t) ? client : md_who_of_addr(o->model, &src, MD_WORLD);
	out = asked(o, &client, &to, MD_OUT, proto, t->dport);
	t->eperm = !out.pass && t->how == TCP;
	t->passes = out.pass;
	if (t->to < 0) {
		/* on one host there is nobody to judge with */
		if (is_local(t))
			t->eperm = false;
		t->passes = t->passes && !is_local(t);
		return;
	}
	if (t->how != TCP) {
		/* what may ask here may have an answer from here */
		in = asked(o, &client, &to, MD_IN, proto, t->sport);
		t->passes = t->passes || in.pass;
	}
	t->passes = t->passes && received(o, t, &server, &by, proto);
}

/* --- a batch ---------------------------------------------------------------------------------------------------- */

static void begin(struct attempt *t, int slot)
{
	struct pup_call c = {.fn = act_begin, .fd = -1};
	struct sockaddr_storage from;
	char text[64];

	address(t, t->src, text);
	assert_true(pup_addr(text, t->sport, &from));
	memcpy(c.data, &from, sizeof(from));
	c.len = sizeof(from);
	address(t, t->dst, text);
	c.addr_len = pup_addr(text, t->dport, &c.addr);
	c.a[0] = slot;
	c.a[1] = t->how == TCP ? SOCK_STREAM : SOCK_DGRAM;
	c.a[2] = t->how == UDP_CONNECTED;
	t->begun = pup_do(place[t->from_host][t->from].p, &c);
	if (t->begun <= -ACT_FAILED)
		fail_msg("bind: %s", strerror((int)-t->begun - ACT_FAILED));
}

static void look(struct attempt *t, int slot)
{
	struct pup_call c = {.fn = act_look, .fd = -1, .a = {slot, t->how == TCP}};
	long r;

	if (t->begun || t->through || t->refused)
		return;
	r = pup_do(place[t->from_host][t->from].p, &c);
	t->through = r == 1;
	t->refused = r == 2;
}

static void serve_all(void)
{
	for (int h = 0; h < 2; h++)
		for (int i = 0; i < N_WORKLOADS; i++) {
			struct pup_call c = {.fn = act_serve, .fd = -1};

			c.a[0] = place[h][i].tcp;
			c.a[1] = place[h][i].udp;
			(void)pup_do(place[h][i].p, &c);
		}
}

/* Is it over, as far as it was foretold to end? */
static bool settled(const struct attempt *t)
{
	return t->begun || t->through || t->refused || !t->passes;
}

static const char *attempt_differs(const struct attempt *t)
{
	if (t->to < 0)
		return (t->passes || (is_local(t) && !t->eperm)) ==
				       (t->refused || t->begun == -ECONNREFUSED)
			       ? NULL
			       : "whether the kernel refuses it";
	if (t->through != t->passes)
		return "whether it gets through";
	if (t->how == TCP && t->eperm != (t->begun == -EPERM))
		return "whether connect() is refused at once";
	return NULL;
}

static void attempt_print(const struct opinions *o, const struct attempt *t)
{
	const struct md_end *client = &o->who[workload[t->from].cg][workload[t->from].uid];
	static const char *const how[] = {"TCP", "UDP", "connected UDP"};
	char src[64], dst[64];

	address(t, t->src, src);
	address(t, t->dst, dst);
	printf("# %s: %s%s (%s) %s:%u -> %s%s %s:%u; the model: %s%s; it %s, %s\n", how[t->how],
	       host[t->from_host].name, world_cgroup[workload[t->from].cg].path,
	       o->model->seg[client->seg].name, src, t->sport, host[t->to_host].name,
	       t->to < 0 ? " nobody" : world_cgroup[workload[t->to].cg].path, dst, t->dport,
	       t->passes ? "passes" : "does not", t->eperm ? " (EPERM)" : "",
	       t->through ? "got through" : "did not", strerror((int)-t->begun));
}

/* --- connections that live on --------------------------------------------------------------------------------------- */

struct kept {
	struct attempt t;
	int fd;
};

static struct kept kept[KEPT * BATCHES];
static int n_kept;

static long with_fd(const struct kept *k, long (*fn)(struct pup_call *))
{
	struct pup_call c = {.fn = fn, .fd = -1, .a = {k->fd}};

	return pup_do(place[k->t.from_host][k->t.from].p, &c);
}

static long now_ms(void)
{
	return talk_now_ms();
}

/* Under the map of now: who still may, is answered; who may not, is not. Return: how many differ. */
static int keep_judging(const struct opinions *o)
{
	bool heard[ARRAY_SIZE(kept)] = {false};
	int bad = 0, waiting = 1;

	for (int i = 0; i < n_kept; i++) {
		kept[i].t.lives_on = true;
		foretell(o, &kept[i].t);
		(void)with_fd(&kept[i], act_ask);
	}
	for (long end = now_ms() + SETTLE_MS; waiting && now_ms() < end;) {
		serve_all();
		waiting = 0;
		for (int i = 0; i < n_kept; i++) {
			heard[i] = heard[i] || with_fd(&kept[i], act_hear) == 1;
			waiting += kept[i].t.passes && !heard[i];
		}
	}
	(void)usleep(BLOCKED_MS * 1000);
	serve_all();
	for (int i = 0; i < n_kept; i++) {
		heard[i] = heard[i] || with_fd(&kept[i], act_hear) == 1;
		if (heard[i] != kept[i].t.passes) {
			bad++;
			printf("# a connection of an earlier map: %s\n",
			       heard[i] ? "answered" : "not");
			attempt_print(o, &kept[i].t);
		}
		(void)with_fd(&kept[i], act_close);
	}
	n_kept = 0;
	return bad;
}

/* --- all of them ------------------------------------------------------------------------------------------------------- */

struct tally {
	int cases, through, differed, lived_on, refused;
};

static void wait_for_all(struct attempt *t)
{
	long end = now_ms() + SETTLE_MS;
	bool all;

	do {
		serve_all();
		all = true;
		for (int i = 0; i < BATCH; i++) {
			look(&t[i], i);
			all = all && settled(&t[i]);
		}
	} while (!all && now_ms() < end);
	/* those that must not get through have had as long as those that did, and a bit */
	(void)usleep(BLOCKED_MS * 1000);
	serve_all();
	for (int i = 0; i < BATCH; i++)
		look(&t[i], i);
}

static void batch(const struct opinions *o, struct tally *sum)
{
	struct attempt t[BATCH];
	int keep = KEPT;

	for (int i = 0; i < BATCH; i++) {
		t[i] = attempt_roll();
		foretell(o, &t[i]);
		begin(&t[i], i);
	}
	wait_for_all(t);
	for (int i = 0; i < BATCH; i++) {
		bool live = t[i].how == TCP && t[i].through && keep > 0;
		struct pup_call c = {.fn = act_end, .fd = -1, .a = {i, live}};
		long fd = pup_do(place[t[i].from_host][t[i].from].p, &c);
		const char *what = attempt_differs(&t[i]);

		if (live) {
			kept[n_kept++] = (struct kept){t[i], (int)fd};
			keep--;
		}
		sum->cases++;
		sum->through += t[i].through;
		if (!what)
			continue;
		printf("# they differ in %s\n", what);
		attempt_print(o, &t[i]);
		sum->differed++;
	}
}

static void commit(struct net_host *h, const struct opinions *o)
{
	_cleanup_diags_ struct bh_diags d = {0};
	__u64 gen;

	assert_int_equal(bh_kern_stage(h->k, o->pol.out, &d, &gen), 0);
	assert_int_equal(bh_kern_publish(h->k), 0);
}

static struct bh_instant instant(void)
{
	struct timespec boot;

	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &boot), 0);
	return (struct bh_instant){.wall_s = time(NULL),
				   .boot_ns = (__u64)boot.tv_sec * 1000000000u};
}

static void one_map(const struct bh_numbers *numbers, struct tally *sum)
{
	struct model_draft d = draft_new();
	_cleanup_opinions_ struct opinions o = {0};
	int before = sum->differed;

	if (opinions_of(&d, numbers, instant(), &o) < 0) {
		sum->refused++;
		draft_clear(&d);
		return;
	}
	for (int h = 0; h < 2; h++)
		commit(&host[h], &o);
	sum->lived_on += n_kept;
	sum->cases += n_kept;
	sum->differed += keep_judging(&o);
	for (int i = 0; i < BATCHES; i++)
		batch(&o, sum);
	if (sum->differed != before)
		printf("%s", o.text);
	draft_clear(&d);
}

static void test_sockets_get_through_as_the_model_says(void **state)
{
	struct bh_numbers *numbers = bh_numbers_new();
	struct tally sum = {0};
	int cases = getenv("BH_CASES") ? atoi(getenv("BH_CASES")) : CASES;

	(void)state;
	(void)pol_rounds(0);
	while (sum.cases < cases && sum.differed < 5)
		one_map(numbers, &sum);
	bh_numbers_free(numbers);
	printf("# %d cases, %d got through, %d on connections of an earlier map, %d maps refused\n",
	       sum.cases, sum.through, sum.lived_on, sum.refused);
	assert_int_equal(sum.differed, 0);
	/* cases that all have one answer would show nothing */
	assert_true(sum.through > sum.cases / 6 && sum.through < sum.cases * 5 / 6);
	assert_true(sum.lived_on > sum.cases / 50);
}

/* --- run --------------------------------------------------------------------------------------------------------------------- */

static int up(void **state)
{
	(void)state;
	if (net_up(&host[0], &host[1]))
		return -1;
	for (int h = 0; h < 2; h++) {
		places_up(h);
		for (int i = 0; i < N_WORKLOADS; i++) {
			struct pup_call c = {.fn = act_unblock, .fd = -1};

			c.a[0] = place[h][i].tcp;
			c.a[1] = place[h][i].udp;
			assert_int_equal(pup_do(place[h][i].p, &c), 0);
		}
	}
	return 0;
}

static int down(void **state)
{
	(void)state;
	for (int h = 0; h < 2; h++)
		for (int i = 0; i < N_WORKLOADS; i++)
			pup_stop(place[h][i].p);
	return net_down(&host[0], &host[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockets_get_through_as_the_model_says),
	};

	return cmocka_run_group_tests(tests, up, down);
}
