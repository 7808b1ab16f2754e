/* SPDX-License-Identifier: Apache-2.0 */
/* received.c - how much a device has received. Asked by verb_doctor.c. */
#include <errno.h>
#include "net.h"
#include "net_internal.h"

int bh_net_received(int ifindex, __u64 *ret)
{
	struct nl_sock *sk = nl_socket_alloc();
	struct rtnl_link *l = NULL;
	int r = sk ? nl_connect(sk, NETLINK_ROUTE) : -NLE_NOMEM;

	if (r == 0)
		r = rtnl_link_get_kernel(sk, ifindex, NULL, &l);
	if (r == 0) {
		*ret = rtnl_link_get_stat(l, RTNL_LINK_RX_PACKETS);
		rtnl_link_put(l);
	}
	nl_socket_free(sk);
	return r < 0 ? bh_nl_errno(r) : 0;
}
