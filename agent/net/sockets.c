/* SPDX-License-Identifier: Apache-2.0 */
/* sockets.c - who listens and who is connected, by INET_DIAG. Called by `bulkhead init`. */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include "net_internal.h"

struct dump {
	int (*fn)(void *ctx, const struct bh_net_socket *socket);
	void *ctx;
	__u8 proto;
	int r; /* of @fn, or what the kernel says */
	bool done;
};

static struct bh_addr addr_of(__u8 family, const __be32 from[4])
{
	struct bh_addr a = {.b = {[10] = 0xff, [11] = 0xff}};

	if (family == AF_INET)
		memcpy(a.b + 12, from, 4);
	else
		memcpy(a.b, from, 16);
	return a;
}

static int on_socket(struct nl_msg *msg, void *arg)
{
	const struct inet_diag_msg *m = nlmsg_data(nlmsg_hdr(msg));
	struct dump *d = arg;
	struct bh_net_socket s;
	struct nlattr *cgid;

	if (nlmsg_datalen(nlmsg_hdr(msg)) < (int)sizeof(*m)) {
		d->r = -EBADMSG;
		return NL_STOP;
	}
	s = (struct bh_net_socket){
		.proto = d->proto,
		.state = m->idiag_state,
		.local = addr_of(m->idiag_family, m->id.idiag_src),
		.remote = addr_of(m->idiag_family, m->id.idiag_dst),
		.local_port = ntohs(m->id.idiag_sport),
		.remote_port = ntohs(m->id.idiag_dport),
		.uid = m->idiag_uid,
		.inode = m->idiag_inode,
	};
	cgid = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(*m), INET_DIAG_CGROUP_ID);
	if (cgid && nla_len(cgid) == (int)sizeof(s.cgid))
		memcpy(&s.cgid, nla_data(cgid), sizeof(s.cgid));
	d->r = d->fn(d->ctx, &s);
	return d->r ? NL_STOP : NL_OK;
}

static int on_error(_unused_ struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	/* so says a kernel that can't load tcp_diag or udp_diag */
	((struct dump *)arg)->r = e->error == -ENOENT ? -EOPNOTSUPP : e->error;
	return NL_STOP;
}

static int on_done(_unused_ struct nl_msg *msg, void *arg)
{
	((struct dump *)arg)->done = true;
	return NL_STOP;
}

static int dump(struct nl_sock *sk, __u8 family, struct dump *d)
{
	struct inet_diag_req_v2 req = {
		.sdiag_family = family,
		.sdiag_protocol = d->proto,
		.idiag_states = 1 << TCP_ESTABLISHED | 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 |
				1 << TCP_TIME_WAIT | 1 << TCP_CLOSE_WAIT | 1 << TCP_LISTEN,
	};
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int r;

	if (!cb)
		return -ENOMEM;
	if (d->proto == IPPROTO_UDP)
		req.idiag_states = ~0u;
	d->done = false;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_socket, d);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_done, d);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, d);
	r = nl_send_simple(sk, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, &req, sizeof(req));
	while (r >= 0 && !d->r && !d->done)
		r = nl_recvmsgs(sk, cb);
	nl_cb_put(cb);
	if (d->r)
		return d->r;
	return r < 0 ? bh_nl_errno(r) : 0;
}

int bh_net_sockets(int (*fn)(void *ctx, const struct bh_net_socket *socket), void *ctx)
{
	static const __u8 protos[] = {IPPROTO_TCP, IPPROTO_UDP}, families[] = {AF_INET, AF_INET6};
	struct nl_sock *sk = nl_socket_alloc();
	int r;

	if (!sk)
		return -ENOMEM;
	r = bh_nl_errno(nl_connect(sk, NETLINK_SOCK_DIAG));
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(protos) * ARRAY_SIZE(families); i++) {
		struct dump d = {.fn = fn, .ctx = ctx, .proto = protos[i / ARRAY_SIZE(families)]};

		r = dump(sk, families[i % ARRAY_SIZE(families)], &d);
		/* a kernel without IPv6 */
		if (r == -EOPNOTSUPP && families[i % ARRAY_SIZE(families)] == AF_INET6)
			r = 0;
	}
	nl_socket_free(sk);
	return r;
}
