/* SPDX-License-Identifier: Apache-2.0 */
/* model_packet.c - a packet's way, DESIGN section 5 in order: see model.h. */
#include "model.h"

#include <string.h>

enum { ICMP = 1, IGMP = 2, TCP = 6, UDP = 17, ICMP6 = 58, UDPLITE = 136 };
enum { SYN = 2, ACK = 16 };

static bool addr_same(const struct md_addr *a, const struct md_addr *b)
{
	return a->v4 == b->v4 && !memcmp(a->b, b->b, sizeof(a->b));
}

static bool is_ours(const struct md_host *h, const struct md_addr *a)
{
	for (int i = 0; i < h->n_ours; i++)
		if (addr_same(&h->ours[i], a))
			return true;
	return false;
}

/* Multicast, and every station of the link. */
static bool is_group(const struct md_addr *a)
{
	static const uint8_t everybody[4] = {255, 255, 255, 255};

	if (!a->v4)
		return a->b[0] == 0xff;
	return a->b[12] >> 4 == 14 || !memcmp(a->b + 12, everybody, 4);
}

/* --- messages with a name of their own -------------------------------------------------------------------- */

static bool is_error(const struct md_packet *p)
{
	int type = p->dport >> 8;

	if (p->proto == ICMP)
		return type == 3 || type == 4 || type == 11 || type == 12;
	return p->proto == ICMP6 && type < 128;
}

static bool is_reply(const struct md_packet *p)
{
	int type = p->dport >> 8;

	return (p->proto == ICMP && (type == 0 || type == 14)) ||
	       (p->proto == ICMP6 && type == 129);
}

/* Those without which no host stands on a network. */
static enum bh_reason exception(const struct md_packet *p)
{
	int type = p->dport >> 8;

	if (p->proto == IGMP && p->src.v4)
		return BH_R_IGMP;
	if (p->proto == UDP &&
	    ((p->sport == 67 && p->dport == 68) || (p->sport == 547 && p->dport == 546)))
		return BH_R_DHCP;
	if (is_error(p))
		return BH_R_ICMP_ERROR;
	if (is_reply(p))
		return BH_R_ICMP_REPLY;
	if (p->proto == ICMP6 && type >= 133 && type <= 136)
		return BH_R_ND;
	if (p->proto == ICMP6 && ((type >= 130 && type <= 132) || type == 143))
		return BH_R_MLD;
	return BH_CONTINUE;
}

/* --- at the NIC -------------------------------------------------------------------------------------------- */

static bool forwards(const struct md_host *h, const struct md_packet *p)
{
	return p->src.v4 ? h->forwards4 : h->forwards6;
}

/* The exact address before every address. */
static const struct md_listener *listener_of(const struct md_host *h, const struct md_packet *p)
{
	const struct md_listener *found = NULL;

	for (int i = 0; i < h->n_listener; i++) {
		const struct md_listener *l = &h->listener[i];

		if (l->proto != p->proto || l->port != p->dport)
			continue;
		if (l->addr && addr_same(l->addr, &p->dst))
			return l;
		if (!l->addr)
			found = l;
	}
	return found;
}

static struct md_talk talk(const struct md_host *h, const struct md_end *me,
			   const struct md_end *peer, int dir, const struct md_packet *p)
{
	return (struct md_talk){
		.me = *me,
		.peer = *peer,
		.dir = dir,
		.proto = p->proto,
		.port = p->dport,
		.now_s = h->now_s,
		.capped = h->capped,
	};
}

static struct md_answer judge(const struct md_map *m, const struct md_host *h,
			      const struct md_end *me, const struct md_end *peer, int dir,
			      const struct md_packet *p)
{
	struct md_talk t = talk(h, me, peer, dir, p);

	return md_judge(m, &t);
}

/* The socket behind @l only receives: what is certainly denied need not go up to it. */
static struct md_answer for_listener(const struct md_map *m, const struct md_host *h,
				     const struct md_listener *l, const struct md_packet *p)
{
	struct md_end me = md_who_of_cgroup(m, l->cg, l->uid);
	struct md_end peer = md_who_of_addr(m, &p->src, MD_WORLD);
	struct md_answer a;

	if (md_port_is_reserved(m, me.seg, p->proto, p->dport))
		return md_named(m, BH_R_LISTEN_NOT_ALLOWED, me.seg, h->capped);
	a = judge(m, h, &me, &peer, MD_IN, p);
	return a.pass ? md_named(m, BH_R_TO_SOCKET, me.seg, h->capped) : a;
}

static struct md_answer for_the_kernel(const struct md_map *m, const struct md_host *h,
				       const struct md_end *me, const struct md_packet *p)
{
	struct md_end peer = md_who_of_addr(m, &p->src, MD_WORLD);

	return judge(m, h, me, &peer, MD_IN, p);
}

static struct md_answer ports_at_nic(const struct md_map *m, const struct md_host *h,
				     const struct md_packet *p)
{
	const struct md_listener *l = listener_of(h, p);
	struct md_end host = md_who_is(MD_HOST);
	enum bh_reason up = BH_CONTINUE;

	if (p->proto == TCP && (p->tcp_flags & (SYN | ACK)) != SYN)
		return md_named(m, BH_R_ESTABLISHED, MD_UNASSIGNED, h->capped);
	if (l && l->flags & MD_KERNEL && p->proto != TCP)
		return for_the_kernel(m, h, &host, p);
	if (forwards(h, p))
		up = BH_R_TO_SOCKET;
	else if (!l)
		up = BH_R_NO_LISTENER;
	else if (l->flags & (MD_SHARED | MD_KERNEL) || is_group(&p->dst))
		up = BH_R_TO_SOCKET;
	else if (p->proto != TCP && !(l->flags & MD_RECV_ONLY))
		up = BH_R_TO_SOCKET;
	return up ? md_named(m, up, MD_UNASSIGNED, h->capped) : for_listener(m, h, l, p);
}

struct md_answer md_nic(const struct md_map *m, const struct md_host *h, const struct md_packet *p)
{
	enum bh_reason name = p->broken;
	struct md_end me;

	/* an established connection costs no more than the parser, unless this host forwards */
	if (!name && p->ip && p->proto == TCP && (p->tcp_flags & (SYN | ACK)) != SYN &&
	    !h->forwards4 && !h->forwards6)
		name = BH_R_ESTABLISHED;
	if (!name && !p->ip)
		name = p->arp ? BH_R_ARP : m->l2 == 0 ? BH_R_L2_DENY : BH_R_L2;
	if (!name && !md_addr_is_linklocal(&p->src) && is_ours(h, &p->src))
		name = BH_R_LAND;
	if (!name && forwards(h, p) && !is_ours(h, &p->dst) && !is_group(&p->dst) &&
	    !md_addr_is_linklocal(&p->dst))
		name = m->forward == 0	 ? BH_R_FORWARD_DENY
		       : m->forward == 1 ? BH_R_FORWARD
					 : BH_R_FORWARD_UNSET;
	if (!name)
		name = exception(p);
	if (name)
		return md_named(m, name, MD_UNASSIGNED, h->capped);
	if (p->proto == TCP || p->proto == UDP || p->proto == UDPLITE)
		return ports_at_nic(m, h, p);
	me = md_who_of_addr(m, &p->dst, MD_HOST);
	me.local = true;
	return for_the_kernel(m, h, &me, p);
}

/* --- at a socket ---------------------------------------------------------------------------------------------- */

struct md_answer md_socket(const struct md_map *m, const struct md_host *h, const struct md_end *me,
			   const struct md_packet *p, int way, bool loopback)
{
	const struct md_addr *addr = way == MD_IN ? &p->src : &p->dst;
	struct md_answer a, theirs;
	struct md_talk t;
	struct md_end peer = md_who_of_addr(m, addr, loopback ? MD_HOST : MD_WORLD);

	if (p->broken)
		return md_named(m, p->broken, MD_UNASSIGNED, h->capped);
	/* nobody has a socket there: nobody in particular */
	if (loopback && (p->proto == TCP || p->proto == UDP || p->proto == UDPLITE))
		peer = md_who_is(MD_UNASSIGNED);
	peer.local = loopback;
	if (way == MD_IN && is_error(p))
		return md_named(m, BH_R_ICMP_ERROR, me->seg, h->capped);
	if (way == MD_IN && is_reply(p))
		return md_named(m, BH_R_UNSOLICITED, me->seg, h->capped);
	a = judge(m, h, me, &peer, way, p);
	/* observed over there: the kernel answers, and no socket tells of that half */
	t = talk(h, &peer, me, MD_IN, p);
	theirs = md_half(m, &t);
	if (way == MD_OUT && loopback && a.pass && bh_reason_class(a.first) != BH_CLASS_DENY &&
	    bh_reason_class(theirs.first) == BH_CLASS_DENY) {
		a = theirs;
		memset(a.reason, 0, sizeof(a.reason));
		a.first = BH_R_PEER_DENIES;
		a.reason[a.first] = true;
		a.n_reasons = 1;
	}
	return a;
}
