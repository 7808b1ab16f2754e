/* SPDX-License-Identifier: Apache-2.0 */
/*
 * destroy.c - ends TCP connections by INET_DIAG (net/ipv4/inet_diag.c), one question a socket.
 * The agent hands it to bh_kern_cut() for kernels whose programs can't do that themselves.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <netlink/msg.h>
#include "net_internal.h"

static void set_addr(const struct bh_addr *addr, bool v4, __be32 ret[4])
{
	memcpy(ret, v4 ? addr->b + 12 : addr->b, v4 ? 4 : 16);
}

/* A socket of AF_INET6 with IPv4 addresses is found as IPv4's, too. */
static void ask_for(const struct bh_cut *cut, struct inet_diag_req_v2 *ret)
{
	static const __u8 mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool v4 = !memcmp(cut->remote_addr.b, mapped, sizeof(mapped));

	*ret = (struct inet_diag_req_v2){
		.sdiag_family = v4 ? AF_INET : AF_INET6,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = ~0u,
		.id = {.idiag_sport = htons(cut->local_port),
		       .idiag_dport = htons(cut->remote_port),
		       .idiag_if = cut->ifindex,
		       .idiag_cookie = {(__u32)cut->cookie, (__u32)(cut->cookie >> 32)}},
	};
	set_addr(&cut->local_addr, v4, ret->id.idiag_src);
	set_addr(&cut->remote_addr, v4, ret->id.idiag_dst);
}

static int destroy_one(struct nl_sock *sk, const struct bh_cut *cut)
{
	struct nl_msg *msg = nlmsg_alloc_simple(SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK);
	struct inet_diag_req_v2 req;
	int r;

	if (!msg)
		return -ENOMEM;
	ask_for(cut, &req);
	r = nlmsg_append(msg, &req, sizeof(req), NLMSG_ALIGNTO);
	if (r < 0) {
		nlmsg_free(msg);
		return bh_nl_errno(r);
	}
	return bh_nl_errno(nl_send_sync(sk, msg)); /* frees it */
}

int bh_net_destroy(const struct bh_cut *cut, size_t n)
{
	struct nl_sock *sk = nl_socket_alloc();
	int r, failed = 0, done = 0;

	if (!sk)
		return -ENOMEM;
	r = bh_nl_errno(nl_connect(sk, NETLINK_SOCK_DIAG));
	for (size_t i = 0; r == 0 && i < n; i++) {
		int e = destroy_one(sk, &cut[i]);

		if (e == 0)
			done++;
		else
			failed = e;
	}
	nl_socket_free(sk);
	if (r < 0 || done || !failed)
		return r < 0 ? r : done;
	/* not one of them is there: so says a kernel that can't load tcp_diag */
	return failed == -ENOENT ? -EOPNOTSUPP : failed;
}
