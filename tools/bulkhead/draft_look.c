/* SPDX-License-Identifier: Apache-2.0 */
/* draft_look.c - see draft_internal.h: what the sockets say about who speaks with whom. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include "../../agent/policy/cidr.h"
#include "draft_internal.h"

/* --- segments of workloads ------------------------------------------------------------------------ */

static int by_spot(const void *a, const void *b)
{
	const struct bh_spot *x = a, *y = b;

	return x->kind != y->kind ? (x->kind > y->kind) - (x->kind < y->kind)
				  : strcmp(x->match, y->match);
}

bool bh_spot_covers(const char *wide, const char *narrow)
{
	const char *a = strchr(wide, '*'), *b = strchr(narrow, '*');

	return a && b && !strcmp(a, b) && a - wide < b - narrow &&
	       !strncmp(wide, narrow, (size_t)(a - wide));
}

static size_t uniq_spots(struct bh_spot *v, size_t n)
{
	size_t to = 0, wide;

	qsort(v, n, sizeof(*v), by_spot);
	for (size_t i = 0; i < n; i++)
		if (!to || by_spot(&v[to - 1], &v[i]) != 0)
			v[to++] = v[i];
	n = to;
	for (size_t i = to = 0; i < n; i++) {
		for (wide = 0; wide < n; wide++)
			if (v[i].kind == BH_SPOT_UNIT && bh_spot_covers(v[wide].match, v[i].match))
				break;
		if (wide == n)
			v[to++] = v[i];
	}
	return to;
}

static struct bh_draft_seg *add_seg(struct bh_draft *d, const struct bh_spot *spot,
				    const char *name)
{
	struct bh_draft_seg *s = bh_seen_grow(&d->seg, &d->n_seg, sizeof(*s));

	if (!s)
		return NULL;
	s->spot = *spot;
	if (name)
		(void)snprintf(s->name, sizeof(s->name), "%s", name);
	return s;
}

static int add_named(struct bh_draft *d, const struct bh_spot *spot)
{
	const char *text = strrchr(spot->match, '/');
	struct bh_draft_seg *s = add_seg(d, spot, NULL);
	char word[BH_SPOT_TEXT];
	size_t n;

	if (!s)
		return -ENOMEM;
	(void)snprintf(word, sizeof(word), "%s", text ? text + 1 : spot->match);
	n = strlen(word);
	if (spot->kind == BH_SPOT_UNIT && strrchr(word, '.'))
		n = (size_t)(strrchr(word, '.') - word);
	/* "foo@*" and "docker-*" */
	while (n && strchr("*@-", word[n - 1]))
		n--;
	word[n] = '\0';
	bh_draft_name(word, s->name);
	bh_draft_seg_unique(d, d->n_seg - 1);
	return 0;
}

static size_t find_seg(const struct bh_draft *d, const struct bh_spot *spot)
{
	for (size_t i = 0; i < d->n_local; i++)
		if (d->seg[i].spot.kind == spot->kind &&
		    (spot->kind <= BH_SPOT_LOGINS || !strcmp(d->seg[i].spot.match, spot->match) ||
		     bh_spot_covers(d->seg[i].spot.match, spot->match)))
			return i;
	return BH_DRAFT_WORLD;
}

/* The sockets stand by port, so those of one server follow each other. */
static int place_sockets(struct bh_drafting *w, const struct bh_spot *spot)
{
	const struct bh_seen *s = w->s;
	size_t unknown = 0;

	for (size_t i = 0; i < s->n_sockets; i++) {
		const char *cgroup = s->sockets[i].cgroup;
		bool again = i && cgroup && cgroup == s->sockets[i - 1].cgroup;

		w->seg_of[i] = again	? w->seg_of[i - 1]
			       : cgroup ? find_seg(w->d, &spot[i])
					: BH_DRAFT_WORLD;
		unknown += !cgroup && s->sockets[i].s.cgid;
	}
	return unknown ? bh_draft_note(w->d, "%zu socket%s of cgroups that are gone", unknown,
				       unknown == 1 ? "" : "s")
		       : 0;
}

/*
 * Units that speak now and then: no socket may be there to see. Return: 'c' sets the clock, 'd' is
 * a DHCP client, 0 neither.
 */
char bh_draft_known(const struct bh_spot *spot)
{
	static const char *const clocks[] = {"systemd-timesyncd.service",
					     "chrony.service",
					     "chronyd.service",
					     "ntp.service",
					     "ntpd.service",
					     "ntpsec.service",
					     "openntpd.service"};
	static const char *const dhcp[] = {"systemd-networkd.service", "NetworkManager.service",
					   "dhcpcd.service"};

	for (size_t i = 0; spot->kind == BH_SPOT_UNIT && i < ARRAY_SIZE(clocks); i++)
		if (!strcmp(spot->match, clocks[i]))
			return 'c';
	for (size_t i = 0; spot->kind == BH_SPOT_UNIT && i < ARRAY_SIZE(dhcp); i++)
		if (!strcmp(spot->match, dhcp[i]))
			return 'd';
	return 0;
}

static int make_segs(struct bh_drafting *w)
{
	static const struct bh_spot fixed[] = {
		[BH_DRAFT_HOST] = {.kind = BH_SPOT_HOST},
		[BH_DRAFT_REST] = {BH_SPOT_REST, "/"},
		[BH_DRAFT_LOGINS] = {BH_SPOT_LOGINS, "/user.slice"},
	};
	static const char *const names[] = {"host", "rest", "logins"};
	const struct bh_seen *s = w->s;
	_cleanup_free_ struct bh_spot *spot = calloc(s->n_sockets + 1, sizeof(*spot));
	_cleanup_free_ struct bh_spot *list =
		calloc(s->n_sockets + s->n_cgroups + 1, sizeof(*list));
	size_t n = 0;

	if (!spot || !list)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_sockets; i++) {
		if (!s->sockets[i].cgroup)
			continue;
		bh_spot_of(s->sockets[i].cgroup, &spot[i]);
		if (spot[i].kind >= BH_SPOT_UNIT)
			list[n++] = spot[i];
	}
	for (size_t i = 0; i < s->n_cgroups; i++) {
		bh_spot_of(s->cgroups[i], &list[n]);
		n += bh_draft_known(&list[n]) != 0;
	}
	for (size_t i = 0; i < BH_DRAFT_N_FIXED; i++)
		if (!add_seg(w->d, &fixed[i], names[i]))
			return -ENOMEM;
	n = uniq_spots(list, n);
	for (size_t i = 0; i < n; i++) {
		if (add_named(w->d, &list[i]) < 0)
			return -ENOMEM;
		w->d->seg[w->d->n_seg - 1].dhcp = bh_draft_known(&list[i]) == 'd';
	}
	w->d->n_local = w->d->n_seg;
	return place_sockets(w, spot);
}

/* --- talks ---------------------------------------------------------------------------------------- */

bool bh_addr_is_link(const struct bh_addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

enum bh_zone bh_zone_of(const struct bh_seen *s, const struct bh_addr *a)
{
	static const struct bh_cidr private[] = {
		{.addr.b = {[10] = 0xff, 0xff, 10}, .plen = 104, .v4 = true},
		{.addr.b = {[10] = 0xff, 0xff, 172, 16}, .plen = 108, .v4 = true},
		{.addr.b = {[10] = 0xff, 0xff, 192, 168}, .plen = 112, .v4 = true},
		{.addr.b = {0xfc}, .plen = 7},
	};
	struct bh_cidr one = {.addr = *a, .plen = 128, .v4 = bh_seen_is_v4(a)};

	for (size_t i = 0; i < s->n_own; i++)
		if (s->own[i].plen < 128 && bh_cidr_contains(&s->own[i], &one))
			return BH_ZONE_LAN;
	for (size_t i = 0; i < ARRAY_SIZE(private); i++)
		if (bh_cidr_contains(&private[i], &one))
			return BH_ZONE_PRIVATE;
	return BH_ZONE_WORLD;
}

static int add_talk(struct bh_drafting *w, const struct bh_talk *talk)
{
	struct bh_talk *new = bh_seen_grow(&w->talk, &w->n_talk, sizeof(*new));

	if (!new)
		return -ENOMEM;
	*new = *talk;
	if (talk->dir == BH_DRAFT_LOCAL)
		return 0;
	new->zone = bh_zone_of(w->s, &talk->addr);
	/* a resolver is asked over both */
	if (talk->dir == BH_DRAFT_OUT && talk->port == 53)
		new->proto = IPPROTO_UDP;
	return 0;
}

static int add_ear(struct bh_drafting *w, size_t i)
{
	const struct bh_net_socket *k = &w->s->sockets[i].s;
	struct bh_ear *new;

	if (w->seg_of[i] == BH_DRAFT_WORLD)
		return 0;
	/* what a DHCP client hears is no rule's matter */
	if (k->proto == IPPROTO_UDP && (k->local_port == 68 || k->local_port == 546)) {
		w->d->seg[w->seg_of[i]].dhcp = w->seg_of[i] != BH_DRAFT_HOST;
		return 0;
	}
	new = bh_seen_grow(&w->ear, &w->n_ear, sizeof(*new));
	if (!new)
		return -ENOMEM;
	*new = (struct bh_ear){.seg = w->seg_of[i],
			       .proto = k->proto,
			       .port = k->local_port,
			       .wire = !bh_seen_is_loopback(&k->local)};
	return 0;
}

/* Both ends are here: the one that was accepted tells, or, if it is nobody's, the other. */
static int look_inside(struct bh_drafting *w, size_t i, size_t server, size_t client, __u16 port)
{
	const struct bh_seen_socket *a = &w->s->sockets[i];
	const struct bh_seen_socket *b = bh_seen_peer(w->s, &a->s);
	struct bh_talk t = {.dir = BH_DRAFT_LOCAL, .proto = a->s.proto, .port = port};

	t.addr = server == BH_DRAFT_WORLD ? a->s.remote : a->s.local;

	if (!b)
		return 0;
	t.seg = server == BH_DRAFT_WORLD ? w->seg_of[b - w->s->sockets] : server;
	t.other = client == BH_DRAFT_WORLD ? w->seg_of[b - w->s->sockets] : client;
	if (t.seg == BH_DRAFT_WORLD || t.other == BH_DRAFT_WORLD)
		return 0;
	/* the same workload may talk to itself */
	if (a->cgroup && a->cgroup == b->cgroup && a->s.uid == b->s.uid)
		return 0;
	return add_talk(w, &t);
}

static int look_at(struct bh_drafting *w, size_t i, size_t *links)
{
	const struct bh_seen *s = w->s;
	const struct bh_net_socket *k = &s->sockets[i].s;
	const struct bh_seen_socket *l;
	size_t seg = w->seg_of[i];
	struct bh_talk t = {.proto = k->proto, .addr = k->remote};

	if (s->sockets[i].listens)
		return add_ear(w, i);
	if (!k->remote_port || bh_seen_is_any(&k->remote))
		return 0;
	l = bh_seen_listener(s, k);
	/* nobody's any more: the port tells whose it was */
	if (seg == BH_DRAFT_WORLD && l)
		seg = w->seg_of[l - s->sockets];
	if (seg == BH_DRAFT_WORLD)
		return 0;
	t.port = l ? k->local_port : k->remote_port;
	if (bh_seen_is_own(s, &k->remote))
		return l ? look_inside(w, i, seg, BH_DRAFT_WORLD, t.port)
			 : look_inside(w, i, BH_DRAFT_WORLD, seg, t.port);
	if (bh_addr_is_link(&k->remote)) {
		(*links)++;
		return 0;
	}
	/* the host may talk out whatever the map's default is */
	if (!l && seg == BH_DRAFT_HOST)
		return 0;
	t.dir = l ? BH_DRAFT_IN : BH_DRAFT_OUT;
	t.seg = seg;
	return add_talk(w, &t);
}

/* --- resolvers -------------------------------------------------------------------------------------- */

static size_t resolver_at(const struct bh_drafting *w, const struct bh_addr *a)
{
	struct bh_net_socket k = {.proto = IPPROTO_UDP, .local = *a, .local_port = 53};
	const struct bh_seen_socket *l = bh_seen_listener(w->s, &k);

	return l ? w->seg_of[l - w->s->sockets] : BH_DRAFT_WORLD;
}

static int look_resolvers(struct bh_drafting *w)
{
	const struct bh_seen *s = w->s;
	struct bh_talk t = {.proto = IPPROTO_UDP, .port = 53};
	int r = 0;

	for (size_t i = 0; !r && i < s->n_dns; i++) {
		t.addr = s->dns[i];
		if (!bh_seen_is_own(s, &s->dns[i])) {
			t.dir = BH_DRAFT_OUT;
			t.seg = BH_TALK_ALL;
			r = bh_addr_is_link(&t.addr) ? 0 : add_talk(w, &t);
			continue;
		}
		t.dir = BH_DRAFT_LOCAL;
		t.seg = resolver_at(w, &s->dns[i]);
		t.other = BH_TALK_ALL;
		if (t.seg == BH_DRAFT_WORLD) {
			r = bh_draft_note(w->d, "resolv.conf names this host, and nothing listens "
						"on udp/53");
			continue;
		}
		r = add_talk(w, &t);
		t.dir = BH_DRAFT_OUT;
		t.other = 0;
		for (size_t j = 0; !r && t.seg != BH_DRAFT_HOST && j < s->n_upstream; j++) {
			t.addr = s->upstream[j];
			if (!bh_seen_is_own(s, &t.addr) && !bh_addr_is_link(&t.addr))
				r = add_talk(w, &t);
		}
	}
	return r;
}

/* --- all of it --------------------------------------------------------------------------------------- */

#define CMP(x, y) (((x) > (y)) - ((x) < (y)))

static int by_talk(const void *x, const void *y)
{
	const struct bh_talk *a = x, *b = y;
	int r = CMP(a->dir, b->dir);

	r = r ? r : CMP(a->seg, b->seg);
	r = r ? r : CMP(a->other, b->other);
	r = r ? r : CMP(a->proto, b->proto);
	r = r ? r : CMP(a->port, b->port);
	r = r ? r : CMP(a->zone, b->zone);
	return r ? r : memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static int by_ear(const void *x, const void *y)
{
	const struct bh_ear *a = x, *b = y;
	int r = CMP(a->seg, b->seg);

	r = r ? r : CMP(a->proto, b->proto);
	r = r ? r : CMP(a->port, b->port);
	return r ? r : CMP(b->wire, a->wire);
}

static void uniq(struct bh_drafting *w)
{
	size_t to = 0;

	if (w->n_talk)
		qsort(w->talk, w->n_talk, sizeof(*w->talk), by_talk);
	for (size_t i = 0; i < w->n_talk; i++)
		if (!to || by_talk(&w->talk[to - 1], &w->talk[i]) != 0)
			w->talk[to++] = w->talk[i];
	w->n_talk = to;
	to = 0;
	if (w->n_ear)
		qsort(w->ear, w->n_ear, sizeof(*w->ear), by_ear);
	/* on the wire and on loopback: the first is the wider */
	for (size_t i = 0; i < w->n_ear; i++)
		if (!to || w->ear[to - 1].seg != w->ear[i].seg ||
		    w->ear[to - 1].proto != w->ear[i].proto ||
		    w->ear[to - 1].port != w->ear[i].port)
			w->ear[to++] = w->ear[i];
	w->n_ear = to;
}

int bh_draft_look(struct bh_drafting *w)
{
	size_t links = 0;
	int r;

	w->seg_of = calloc(w->s->n_sockets + 1, sizeof(*w->seg_of));
	if (!w->seg_of)
		return -ENOMEM;
	r = make_segs(w);
	for (size_t i = 0; !r && i < w->s->n_sockets; i++)
		r = look_at(w, i, &links);
	if (!r)
		r = look_resolvers(w);
	if (!r && links)
		r = bh_draft_note(
			w->d,
			"%zu connection%s with link-local IPv6 addresses: no map can name "
			"them, they are world's",
			links, links == 1 ? "" : "s");
	uniq(w);
	return r;
}
