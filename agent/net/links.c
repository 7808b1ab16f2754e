/* SPDX-License-Identifier: Apache-2.0 */
/* links.c - the table of links, and what is known about each. Called by monitor.c. */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include "net_internal.h"

static struct bh_net_link *link_find(const struct bh_net *n, int ifindex)
{
	for (size_t i = 0; i < n->n_link; i++)
		if (n->link[i].link.ifindex == ifindex)
			return &n->link[i];
	return NULL;
}

static bool kind_is(const char *kind, const char *a, const char *b, const char *c)
{
	return !strcmp(kind, a) || !strcmp(kind, b) || !strcmp(kind, c);
}

static bool has_device(const char *name)
{
	char path[64 + IF_NAMESIZE];

	snprintf(path, sizeof(path), "/sys/class/net/%s/device", name);
	return access(path, F_OK) == 0;
}

/* A port is known only when its master is: both come in one dump, in any order. */
static bool is_port(const struct bh_net *n, const struct bh_net_link *l)
{
	const struct bh_net_link *m = l->master ? link_find(n, l->master) : NULL;

	return m && kind_is(m->kind, "bridge", "bond", "team");
}

static void link_drop(struct bh_net *n, struct bh_net_link *l)
{
	struct bh_link gone = l->link;
	size_t i = (size_t)(l - n->link);

	memmove(l, l + 1, (n->n_link - i - 1) * sizeof(*l));
	n->n_link--;
	n->sink.link(n->sink.ctx, &gone, true);
}

static struct bh_net_link *link_add(struct bh_net *n, int ifindex)
{
	struct bh_net_link *v = reallocarray(n->link, n->n_link + 1, sizeof(*v));

	if (!v)
		return NULL;
	n->link = v;
	v += n->n_link++;
	*v = (struct bh_net_link){.link.ifindex = ifindex};
	return v;
}

int bh_links_update(struct bh_net *n, struct rtnl_link *l, bool gone)
{
	int ifindex = rtnl_link_get_ifindex(l);
	const char *name = rtnl_link_get_name(l);
	const char *kind = rtnl_link_get_type(l);
	struct bh_net_link *at = link_find(n, ifindex);
	struct bh_link old;

	/* A bridge tells of its ports in messages of its own family: not about the link. */
	if (rtnl_link_get_family(l) != AF_UNSPEC)
		return 0;
	if (gone) {
		if (at)
			link_drop(n, at);
		return 0;
	}
	if (!at)
		at = link_add(n, ifindex);
	if (!at)
		return -ENOMEM;
	old = at->link;
	at->seen = n->dump;
	at->master = rtnl_link_get_master(l);
	snprintf(at->kind, sizeof(at->kind), "%s", kind ? kind : "");
	if (name)
		snprintf(at->link.name, sizeof(at->link.name), "%s", name);
	at->link.loopback = rtnl_link_get_flags(l) & IFF_LOOPBACK;
	at->link.veth = !strcmp(at->kind, "veth");
	at->link.port = is_port(n, at);
	at->link.physical = kind_is(at->kind, "bond", "team", "team") || has_device(at->link.name);
	if (memcmp(&old, &at->link, sizeof(old)) != 0)
		n->sink.link(n->sink.ctx, &at->link, false);
	return 0;
}

void bh_links_default_route(struct bh_net *n, int ifindex)
{
	struct bh_net_link *l = link_find(n, ifindex);

	if (!l || l->link.default_route)
		return;
	l->link.default_route = true;
	n->sink.link(n->sink.ctx, &l->link, false);
}

void bh_links_sweep(struct bh_net *n)
{
	for (size_t i = n->n_link; i-- > 0;)
		if (n->link[i].seen != n->dump)
			link_drop(n, &n->link[i]);
	/* Now every master is known. */
	for (size_t i = 0; i < n->n_link; i++) {
		struct bh_net_link *l = &n->link[i];
		bool port = is_port(n, l);

		if (port != l->link.port) {
			l->link.port = port;
			n->sink.link(n->sink.ctx, &l->link, false);
		}
	}
}

int bh_net_each_link(const struct bh_net *n, int (*fn)(void *ctx, const struct bh_link *link),
		     void *ctx)
{
	int r = 0;

	for (size_t i = 0; i < n->n_link && !r; i++)
		r = fn(ctx, &n->link[i].link);
	return r;
}
