/* SPDX-License-Identifier: Apache-2.0 */
/* modelask.c - see modelask.h. */
#include "modelask.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include "cg.h"
#include "kernrig.h"
#include "policydraft.h"
#include "../../agent/kern/kern_internal.h"

#define NOBODY 0xffffffffu /* the user of a socket that nobody saw being made */

/* --- what stands there ------------------------------------------------------------------------------------ */

static struct bh_instant now;
static uint64_t cgid[WORLD_CGROUPS];
static int from_cg;
static __u32 wire_ifindex;

static struct md_addr ours[] = {
	{{[12] = 10, 0, 0, 130}, true}, /* in prefixes that maps name */
	{{[12] = 172, 16, 0, 1}, true},	 {{0x20, 0x01, 0x0d, 0xb8, [15] = 0x82}, false},
	{{0xfc, 0x01, [15] = 1}, false}, {{0xfe, 0x80, [15] = 1}, false},
};

static const struct md_listener listeners[] = {
	{6, 80, NULL, &world_cgroup[2], 0, 0},
	{6, 443, NULL, &world_cgroup[4], 1000, 0},
	{6, 22, NULL, &world_cgroup[5], 0, 0},
	{6, 8080, &ours[0], &world_cgroup[5], 0, 0},
	{6, 8080, NULL, &world_cgroup[6], 1001, 0},
	{6, 8089, &ours[2], &world_cgroup[7], 0, 0},
	{6, 9000, NULL, &world_cgroup[9], 1000, 0},
	{6, 81, NULL, &world_cgroup[2], 0, MD_SHARED},
	{6, 65535, NULL, &world_cgroup[11], 1000, 0},
	{6, 1, NULL, &world_cgroup[12], 0, 0},
	{6, 8081, NULL, &world_cgroup[15], 4242, 0},
	{17, 53, NULL, &world_cgroup[2], 0, MD_RECV_ONLY},
	{17, 54, NULL, &world_cgroup[4], 0, 0},
	{17, 50, &ours[0], &world_cgroup[8], 1002, MD_RECV_ONLY},
	{17, 60, NULL, &world_cgroup[0], 0, MD_KERNEL},
	{17, 443, NULL, &world_cgroup[13], 0, MD_RECV_ONLY},
	{17, 22, NULL, &world_cgroup[2], 0, MD_RECV_ONLY | MD_SHARED},
	{136, 53, NULL, &world_cgroup[2], 0, MD_RECV_ONLY},
	{136, 54, NULL, &world_cgroup[0], 0, MD_KERNEL},
};

static struct md_host host = {
	.ours = ours,
	.n_ours = ARRAY_SIZE(ours),
	.listener = listeners,
	.n_listener = ARRAY_SIZE(listeners),
};

static struct bh_addr addr_abi(const struct md_addr *a)
{
	struct bh_addr abi = {{0}};

	memcpy(abi.b, a->b, 16);
	if (a->v4)
		abi.b[10] = abi.b[11] = 0xff;
	return abi;
}

static struct bh_instant instant(void)
{
	struct timespec wall, boot;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &wall), 0);
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &boot), 0);
	return (struct bh_instant){.wall_s = wall.tv_sec,
				   .boot_ns = (__u64)boot.tv_sec * 1000000000u};
}

static __u64 boot_of(int64_t wall_s)
{
	return now.boot_ns + (__u64)(wall_s - now.wall_s) * 1000000000u;
}

static void listeners_up(struct bh_kern *k)
{
	static const struct {
		unsigned int flag;
		__u32 abi;
	} flags[] = {{MD_RECV_ONLY, BH_LISTEN_RECV_ONLY},
		     {MD_KERNEL, BH_LISTEN_KERNEL},
		     {MD_SHARED, BH_LISTEN_SHARED}};

	for (size_t i = 0; i < ARRAY_SIZE(listeners); i++) {
		const struct md_listener *l = &listeners[i];
		struct bh_listen_key key = {.netns = k->netns, .port = l->port, .proto = l->proto};
		struct bh_listener val = {
			.cgid = cgid[l->cg - world_cgroup], .uid = l->uid, .users = 1};

		if (l->addr)
			key.addr = addr_abi(l->addr);
		for (size_t j = 0; j < ARRAY_SIZE(flags); j++)
			val.flags |= l->flags & flags[j].flag ? flags[j].abi : 0;
		assert_int_equal(bpf_map_update_elem(bh_kern_map_fd(k, BH_MAP_LISTENERS), &key,
						     &val, BPF_ANY),
				 0);
	}
}

struct bh_kern *asks_up(void)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern_opts opts;
	struct bh_kern *k = NULL;
	int r;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(system("ip link set lo up && ip link add wire0 type veth peer name wire1"),
			 0);
	wire_ifindex = if_nametoindex("wire0");
	assert_true(wire_ifindex > 1);
	assert_int_equal(rig_up(), 0);
	world_up(cgid);
	opts = rig_opts();
	opts.limits = bh_limits_default;
	r = bh_kern_open(&opts, &d, &k);
	if (r == 0)
		r = bh_kern_attach(k, &d);
	if (r == 0)
		r = bh_kern_seed(k, &d);
	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	listeners_up(k);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		struct bh_addr a = addr_abi(&ours[i]);

		assert_int_equal(bh_kern_local_add(k, &a), 0);
	}
	now = instant();
	return k;
}

void asks_down(struct bh_kern *k)
{
	(void)cg_leave();
	(void)bh_kern_detach(k);
	bh_kern_close(k);
	rig_down();
}

__u64 asks_stage(struct bh_kern *k, const struct opinions *o)
{
	_cleanup_diags_ struct bh_diags d = {0};
	__u64 gen = 0;
	int r = bh_kern_stage(k, o->pol.out, &d, &gen);

	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	return gen;
}

void asks_commit(struct bh_kern *k, const struct opinions *o)
{
	(void)asks_stage(k, o);
	assert_int_equal(bh_kern_publish(k), 0);
}

void asks_instant(struct bh_instant *ret)
{
	*ret = now;
}

void asks_from(int cg)
{
	from_cg = cg;
	assert_int_equal(cg_move(world_cgroup[cg].path + 1, 0), 0);
}

void asks_ctl(struct bh_kern *k, __u32 flags)
{
	const __u32 all = BH_CTL_OBSERVE | BH_CTL_FWD4 | BH_CTL_FWD6;

	host.forwards4 = flags & BH_CTL_FWD4;
	host.forwards6 = flags & BH_CTL_FWD6;
	host.capped = flags & BH_CTL_OBSERVE;
	assert_int_equal(bh_kern_set_ctl(k, flags & all, all & ~flags), 0);
}

/* --- a random question ------------------------------------------------------------------------------------- */

static struct ask_end end_roll(bool peer)
{
	struct ask_end e = {
		.by = pol_one_in(6) ? ASK_RESERVED : ASK_CGROUP,
		.cg = (int)pol_roll(WORLD_CGROUPS),
		.uid = (int)pol_roll(WORLD_UIDS),
		.seg = (int)pol_roll(MD_RESERVED),
		.addr = world_addr(),
		.local = pol_one_in(3),
	};

	if (peer && !pol_one_in(3))
		e.by = ASK_ADDR;
	return e;
}

/* Now, or beside a deadline of the map that is still to come. */
static int64_t time_roll(const struct opinions *o)
{
	const struct md_rule *r = &o->model->rule[pol_roll((__u32)o->model->n_rule)];

	if (r->until_s < now.wall_s || pol_one_in(2))
		return now.wall_s;
	return r->until_s + (int64_t)pol_roll(3) - 1;
}

struct question question_roll(const struct opinions *o)
{
	struct question q = {.what = (enum ask_what)pol_roll(3)};

	q.way = (int)pol_roll(2);
	q.loopback = pol_one_in(3);
	if (q.what != ASK_JUDGE) {
		frame_roll(q.what == ASK_NIC ? ours : NULL,
			   q.what == ASK_NIC ? ARRAY_SIZE(ours) : 0, &q.frame);
		return q;
	}
	q.me = end_roll(false);
	q.peer = end_roll(true);
	q.dir = (int)pol_roll(2);
	q.proto = world_proto();
	q.port = world_port(q.proto);
	q.now_s = o->model->n_rule ? time_roll(o) : now.wall_s;
	return q;
}

/* --- the model ---------------------------------------------------------------------------------------------- */

static struct md_end end_model(const struct opinions *o, const struct ask_end *e)
{
	struct md_end end;

	if (e->by == ASK_CGROUP)
		return o->who[e->cg][e->uid];
	if (e->by == ASK_ADDR) {
		end = md_who_of_addr(o->model, &e->addr, MD_WORLD);
		end.local = e->local;
		return end;
	}
	end = md_who_is(e->seg);
	end.local = e->local;
	return end;
}

struct md_answer model_says(const struct opinions *o, const struct question *q)
{
	struct md_end me;
	struct md_talk t;

	host.now_s = now.wall_s;
	if (q->what == ASK_NIC)
		return md_nic(o->model, &host, &q->frame.wire);
	if (q->what == ASK_SOCKET) {
		me = md_who_of_cgroup(o->model, &world_cgroup[from_cg], NOBODY);
		return md_socket(o->model, &host, &me, &q->frame.socket, q->way, q->loopback);
	}
	t = (struct md_talk){
		.me = end_model(o, &q->me),
		.peer = end_model(o, &q->peer),
		.dir = q->dir,
		.proto = q->proto,
		.port = q->port,
		.now_s = q->now_s,
		.capped = host.capped,
	};
	return md_half(o->model, &t);
}

/* --- the programs -------------------------------------------------------------------------------------------- */

struct said judge_says_of(struct bh_kern *k, const struct opinions *o, const struct question *q,
			  __u64 gen)
{
	struct bh_answer a;
	struct bh_question ask = {
		.gen = gen,
		.now_ns = boot_of(q->now_s),
		.local_cgid = cgid[q->me.cg],
		.local_uid = world_uid[q->me.uid],
		.local = o->identity[q->me.seg],
		.remote_cgid = cgid[q->peer.cg],
		.remote_uid = world_uid[q->peer.uid],
		.remote = o->identity[q->peer.seg],
		.remote_addr = addr_abi(&q->peer.addr),
		.flags = (q->me.by == ASK_CGROUP ? BH_Q_LOCAL_CGROUP : 0) |
			 (q->peer.by == ASK_CGROUP ? BH_Q_REMOTE_CGROUP : 0) |
			 (q->peer.by == ASK_ADDR ? BH_Q_REMOTE_ADDR : 0) |
			 (q->peer.local ? BH_Q_PEER_LOCAL : 0),
		.port = q->port,
		.proto = q->proto,
		.dir = q->dir == MD_IN ? BH_IN : BH_OUT,
	};

	assert_int_equal(bh_kern_judge(k, &ask, &a), 0);
	return (struct said){
		.pass = a.pass,
		.observe = a.observe,
		.reason = (enum bh_reason)a.reason,
		.rule = a.rule,
		.would_rule = a.would_rule,
		.identity = a.local,
		.peer_identity = a.remote,
		.deadline_ns = a.deadline_ns,
	};
}

static bool nic_passes(struct bh_kern *k, const struct frame *f)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->data, .data_size_in = (__u32)f->len,
		    .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bh_kern_prog_fd(k, BH_PROG_XDP_IN), &opts), 0);
	assert_true(opts.retval == 1 || opts.retval == 2); /* XDP_DROP, XDP_PASS */
	return opts.retval == 2;
}

static bool socket_passes(struct bh_kern *k, const struct question *q)
{
	struct __sk_buff ctx = {.ifindex = q->loopback ? 1 : wire_ifindex};
	uint8_t data[sizeof(q->frame.data) + 14] = {0};
	size_t len = q->frame.len - q->frame.l3;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = (__u32)(14 + len),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1);
	enum bh_prog prog = q->way == MD_IN ? BH_PROG_SKB_IN : BH_PROG_SKB_OUT;

	memcpy(data, q->frame.data, 12);
	memcpy(data + 12, q->frame.data + q->frame.l3 - 2, 2);
	if (q->frame.socket.ip) {
		data[12] = q->frame.socket.src.v4 ? 0x08 : 0x86;
		data[13] = q->frame.socket.src.v4 ? 0x00 : 0xdd;
	}
	memcpy(data + 14, q->frame.data + q->frame.l3, len);
	assert_int_equal(bpf_prog_test_run_opts(bh_kern_prog_fd(k, prog), &opts), 0);
	return opts.retval & 1;
}

struct said kernel_says(struct bh_kern *k, const struct opinions *o, const struct question *q)
{
	if (q->what == ASK_JUDGE)
		return judge_says_of(k, o, q, bh_kern_generation(k));
	return (struct said){.pass = q->what == ASK_NIC ? nic_passes(k, &q->frame)
							: socket_passes(k, q)};
}

struct said kernel_says_why(struct bh_kern *k, const struct opinions *o, const struct question *q)
{
	static struct bh_count before[BH_REASON_MAX], after[BH_REASON_MAX];
	struct said s;

	if (q->what == ASK_JUDGE)
		return judge_says_of(k, o, q, bh_kern_generation(k));
	assert_int_equal(bh_kern_reasons(k, before), 0);
	s = kernel_says(k, o, q);
	assert_int_equal(bh_kern_reasons(k, after), 0);
	for (int i = 0; i < BH_REASON_MAX; i++)
		if (after[i].packets != before[i].packets)
			s.reason = (enum bh_reason)i;
	return s;
}

/* --- do they agree? ------------------------------------------------------------------------------------------- */

static const char *judge_differs(const struct opinions *o, const struct question *q,
				 const struct md_answer *a, const struct said *s)
{
	struct md_end me = end_model(o, &q->me), peer = end_model(o, &q->peer);
	int rule = opinions_rule(o, s->rule), would = opinions_rule(o, s->would_rule);
	bool has_deadline = (s->reason == BH_R_ALLOW || s->reason == BH_R_RULE_DENY) && rule >= 0 &&
			    o->model->rule[rule].until_s;

	if (s->identity != o->identity[me.seg])
		return "whose socket it is";
	if (s->peer_identity != o->identity[peer.seg])
		return "who the peer is";
	if (s->observe != a->observe)
		return "the mode";
	if (a->by_rule ? rule < 0 || !a->decides[rule] : rule >= 0)
		return "the rule";
	if (s->would_rule && (would < 0 || !a->would[would]))
		return "the observed deny";
	if (a->any_would && !s->would_rule && s->reason != BH_R_FAILSAFE &&
	    s->reason != BH_R_RULE_DENY)
		return "the observed deny, which is not told";
	if (s->deadline_ns != (has_deadline ? boot_of(o->model->rule[rule].until_s) : 0))
		return "the deadline";
	return NULL;
}

const char *differ(const struct opinions *o, const struct question *q, const struct md_answer *a,
		   const struct said *s, bool why)
{
	if (s->pass != a->pass)
		return "the verdict";
	if (why && !a->reason[s->reason])
		return "the reason";
	return q->what == ASK_JUDGE ? judge_differs(o, q, a, s) : NULL;
}

/* --- telling ---------------------------------------------------------------------------------------------------- */

static const char *addr_text(const struct md_addr *a)
{
	static char text[2][INET6_ADDRSTRLEN];
	static int n;

	n ^= 1;
	return a->v4 ? inet_ntop(AF_INET, a->b + 12, text[n], sizeof(text[n]))
		     : inet_ntop(AF_INET6, a->b, text[n], sizeof(text[n]));
}

static void end_print(const struct opinions *o, const struct ask_end *e)
{
	struct md_end end = end_model(o, e);

	if (e->by == ASK_CGROUP)
		printf("uid %u in %s", world_uid[e->uid], world_cgroup[e->cg].path);
	else if (e->by == ASK_ADDR)
		printf("%s%s", addr_text(&e->addr), e->local ? " (local)" : "");
	else
		printf("a reserved one%s", e->local ? " (local)" : "");
	printf(" = %s", o->model->seg[end.seg].name);
}

static const char *reason_name(enum bh_reason reason)
{
#define BH_REASON_NAME(number, name, class, text)                                                  \
	case number:                                                                               \
		return #name;
	switch ((int)reason) {
		BH_REASON_LIST(BH_REASON_NAME)
	default:
		return "none";
	}
#undef BH_REASON_NAME
}

void question_print(const struct opinions *o, const struct question *q, const struct md_answer *a,
		    const struct said *s)
{
	const struct md_packet *p = q->what == ASK_NIC ? &q->frame.wire : &q->frame.socket;
	int rule = opinions_rule(o, s->rule);

	if (q->what == ASK_JUDGE) {
		printf("# %s of ", q->dir == MD_IN ? "ingress" : "egress");
		end_print(o, &q->me);
		printf(", peer ");
		end_print(o, &q->peer);
		printf(", protocol %u port %u (%#x), at %lld\n", q->proto, q->port, q->port,
		       (long long)q->now_s);
	} else {
		printf("# at %s: protocol %u %s", q->what == ASK_NIC ? "the NIC" : "a socket",
		       p->proto, p->ip ? "" : "(not IP) ");
		printf("%s:%u -> %s:%u (%#x), TCP flags %#x, flaw: %s", addr_text(&p->src),
		       p->sport, addr_text(&p->dst), p->dport, p->dport, p->tcp_flags,
		       q->frame.flaw ? q->frame.flaw : "none");
		if (q->what == ASK_SOCKET)
			printf(", %s in %s%s", q->way == MD_IN ? "in" : "out",
			       world_cgroup[from_cg].path, q->loopback ? ", loopback" : "");
		printf("%s%s%s\n", host.forwards4 ? ", forwards v4" : "",
		       host.forwards6 ? ", forwards v6" : "", host.capped ? ", capped" : "");
	}
	printf("# the model: %s", a->pass ? "pass" : "drop");
	for (int i = 0; i < MD_SET; i++)
		if (a->reason[i])
			printf(" %s", reason_name((enum bh_reason)i));
	for (int i = 0; i < o->model->n_rule; i++)
		if (a->decides[i])
			printf(" %s", o->model->rule[i].id);
	printf("%s\n# the programs: %s %s %s%s\n", a->observe ? " (observe)" : "",
	       s->pass ? "pass" : "drop", reason_name(s->reason),
	       rule >= 0 ? o->model->rule[rule].id : "", s->observe ? " (observe)" : "");
}
