/* SPDX-License-Identifier: Apache-2.0 */
/* monitor.c - the two netlink sockets: one that is told of changes, one that asks for all. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/route/route.h>
#include <netlink/route/nexthop.h>
#include "net_internal.h"

int bh_nl_errno(int r)
{
	switch (-r) {
	case NLE_SUCCESS:
		return 0;
	case NLE_NOMEM:
		/* libnl says this for ENOBUFS too */
		return -ENOBUFS;
	case NLE_AGAIN:
		return -EAGAIN;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_OPNOTSUPP:
		return -EOPNOTSUPP;
	case NLE_DUMP_INTR:
		return -EINTR;
	default:
		return -EIO;
	}
}

static void see_nexthop(struct rtnl_nexthop *nh, void *arg)
{
	bh_links_default_route(arg, rtnl_route_nh_get_ifindex(nh));
}

static void see_object(struct nl_object *obj, void *arg)
{
	struct bh_net *n = arg;
	int r = 0;

	switch (nl_object_get_msgtype(obj)) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		r = bh_links_update(n, (struct rtnl_link *)obj,
				    nl_object_get_msgtype(obj) == RTM_DELLINK);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		r = bh_addrs_update(n, (struct rtnl_addr *)obj,
				    nl_object_get_msgtype(obj) == RTM_DELADDR);
		break;
	case RTM_NEWROUTE:
		rtnl_route_foreach_nexthop((struct rtnl_route *)obj, see_nexthop, n);
		break;
	}
	if (r && !n->error)
		n->error = r;
}

static int see_message(struct nl_msg *msg, void *arg)
{
	struct bh_net *n = arg;
	const struct nlmsghdr *h = nlmsg_hdr(msg);

	/* A router's table changes all day; only default routes are looked at. */
	if (h->nlmsg_type == RTM_DELROUTE)
		return NL_OK;
	if (h->nlmsg_type == RTM_NEWROUTE) {
		const struct rtmsg *rt = nlmsg_data(h);

		if (rt->rtm_dst_len || rt->rtm_type != RTN_UNICAST)
			return NL_OK;
	}
	if (nl_msg_parse(msg, see_object, n) < 0 && !n->error)
		n->error = -EBADMSG;
	return NL_OK;
}

static int sock_open(struct bh_net *n, struct nl_sock **ret)
{
	struct nl_sock *sk = nl_socket_alloc();
	int r;

	if (!sk)
		return -ENOMEM;
	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, see_message, n);
	r = nl_connect(sk, NETLINK_ROUTE);
	if (r < 0) {
		nl_socket_free(sk);
		return bh_nl_errno(r);
	}
	*ret = sk;
	return 0;
}

int bh_net_open(const struct bh_net_sink *sink, struct bh_net **ret)
{
	_cleanup_(bh_net_closep) struct bh_net *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->sink = *sink;
	r = sock_open(n, &n->ask);
	if (!r)
		r = sock_open(n, &n->events);
	if (r)
		return r;
	nl_socket_disable_seq_check(n->events);
	(void)nl_socket_set_buffer_size(n->events, 1 << 20, 0);
	r = nl_socket_add_memberships(n->events, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
				      RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
				      0);
	if (r < 0)
		return bh_nl_errno(r);
	r = nl_socket_set_nonblocking(n->events);
	if (r < 0)
		return bh_nl_errno(r);
	*ret = TAKE_PTR(n);
	return 0;
}

void bh_net_close(struct bh_net *n)
{
	if (!n)
		return;
	nl_socket_free(n->events);
	nl_socket_free(n->ask);
	free(n->link);
	free(n->addr);
	free(n);
}

static int dump_one(struct bh_net *n, int type)
{
	int r;

	/* A table that changes under the dump says so; what came until then is still true. */
	for (int tries = 0; tries < 5; tries++) {
		r = nl_rtgen_request(n->ask, type, AF_UNSPEC, NLM_F_DUMP);
		if (r >= 0)
			r = nl_recvmsgs_default(n->ask);
		if (r != -NLE_DUMP_INTR)
			break;
	}
	return r < 0 ? bh_nl_errno(r) : 0;
}

int bh_net_dump(struct bh_net *n)
{
	int r;

	n->error = 0;
	n->dump++;
	r = dump_one(n, RTM_GETLINK);
	if (!r)
		r = n->error;
	if (r)
		return r;
	bh_links_sweep(n);
	r = dump_one(n, RTM_GETADDR);
	if (!r)
		r = n->error;
	if (r)
		return r;
	bh_addrs_sweep(n);
	r = dump_one(n, RTM_GETROUTE);
	return r ? r : n->error;
}

int bh_net_fd(const struct bh_net *n)
{
	return nl_socket_get_fd(n->events);
}

int bh_net_poll(struct bh_net *n)
{
	int r;

	n->error = 0;
	do
		r = nl_recvmsgs_default(n->events);
	while (r >= 0 && !n->error);
	if (n->error)
		return n->error;
	r = bh_nl_errno(r);
	if (r == -EAGAIN)
		return 0;
	/* The socket's buffer was full: messages are lost. */
	return r == -ENOBUFS ? bh_net_dump(n) : r;
}
