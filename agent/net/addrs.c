/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addrs.c - the table of addresses. One address may stand on several links: it came with the
 * first and goes with the last. Called by monitor.c.
 */
#include <errno.h>
#include <string.h>
#include <netlink/addr.h>
#include "net_internal.h"

static bool addr_read(struct rtnl_addr *a, struct bh_addr *ret)
{
	struct nl_addr *local = rtnl_addr_get_local(a);
	struct bh_addr v = {{0}};

	if (!local)
		return false;
	if (nl_addr_get_family(local) == AF_INET && nl_addr_get_len(local) == 4) {
		v.b[10] = v.b[11] = 0xff;
		memcpy(v.b + 12, nl_addr_get_binary_addr(local), 4);
	} else if (nl_addr_get_family(local) == AF_INET6 && nl_addr_get_len(local) == 16) {
		memcpy(v.b, nl_addr_get_binary_addr(local), 16);
	} else {
		return false;
	}
	*ret = v;
	return true;
}

static bool addr_elsewhere(const struct bh_net *n, const struct bh_addr *addr, size_t but)
{
	for (size_t i = 0; i < n->n_addr; i++)
		if (i != but && !memcmp(&n->addr[i].addr, addr, sizeof(*addr)))
			return true;
	return false;
}

bool bh_net_has_addr(const struct bh_net *n, const struct bh_addr *addr)
{
	return addr_elsewhere(n, addr, n->n_addr);
}

void bh_net_each_addr(const struct bh_net *n, void (*fn)(void *ctx, const struct bh_addr *addr),
		      void *ctx)
{
	for (size_t i = 0; i < n->n_addr; i++)
		fn(ctx, &n->addr[i].addr);
}

static void addr_drop(struct bh_net *n, size_t i)
{
	struct bh_addr gone = n->addr[i].addr;
	bool last = !addr_elsewhere(n, &gone, i);

	memmove(&n->addr[i], &n->addr[i + 1], (n->n_addr - i - 1) * sizeof(*n->addr));
	n->n_addr--;
	if (last)
		n->sink.addr(n->sink.ctx, &gone, true);
}

int bh_addrs_update(struct bh_net *n, struct rtnl_addr *a, bool gone)
{
	int ifindex = rtnl_addr_get_ifindex(a);
	struct bh_net_addr *v;
	struct bh_addr addr;
	size_t i;

	if (!addr_read(a, &addr))
		return 0;
	for (i = 0; i < n->n_addr; i++)
		if (n->addr[i].ifindex == ifindex && !memcmp(&n->addr[i].addr, &addr, sizeof(addr)))
			break;
	if (i < n->n_addr) {
		n->addr[i].seen = n->dump;
		if (gone)
			addr_drop(n, i);
		return 0;
	}
	if (gone)
		return 0;
	v = reallocarray(n->addr, n->n_addr + 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	n->addr = v;
	n->addr[n->n_addr] = (struct bh_net_addr){ifindex, addr, n->dump};
	n->n_addr++;
	if (!addr_elsewhere(n, &addr, n->n_addr - 1))
		n->sink.addr(n->sink.ctx, &addr, false);
	return 0;
}

void bh_addrs_sweep(struct bh_net *n)
{
	for (size_t i = n->n_addr; i-- > 0;)
		if (n->addr[i].seen != n->dump)
			addr_drop(n, i);
}
