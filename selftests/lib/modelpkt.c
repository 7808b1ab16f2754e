/* SPDX-License-Identifier: Apache-2.0 */
/* modelpkt.c - see modelpkt.h. Byte by byte: no code of ours parses or builds with it. */
#include "modelpkt.h"

#include <string.h>
#include "modelrig.h"
#include "policydraft.h"

enum { ICMP = 1, IGMP = 2, TCP = 6, UDP = 17, ICMP6 = 58, UDPLITE = 136 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };

/* --- flaws -------------------------------------------------------------------------------------------- */

enum flaw {
	NO_FLAW,
	FRAGMENT4,
	LATER_FRAGMENT4,
	VERSION5,
	SHORT_IHL,
	SAID_TOO_LONG,
	SAID_TOO_SHORT,
	SOURCE_ROUTE,
	BAD_OPTION,
	VERSION7,
	MAPPED,
	FRAGMENT6,
	ROUTING6,
	LATE_HOPOPTS,
	MANY_EXT,
	EXT_TOO_LONG,
	DOFF_SHORT,
	DOFF_LONG,
	FLAGS_NONE,
	FLAGS_SYN_FIN,
	FLAGS_SYN_RST,
	TCP_SPORT_0,
	TCP_DPORT_0,
	BAD_SYN_OPTION,
	UDP_DPORT_0,
	UDP_LONG,
	UDP_SHORT,
	ICMP_OF_THE_OTHER,
	ND_HOPS,
	TAGS,
	N_FLAWS,
};

/* Where in the way through the headers it is found. */
enum stage { IP_STAGE, BEHIND_ADDRESSES };

static const struct {
	const char *says;
	enum bh_reason reason;
	int family, proto; /* 0: any */
	enum stage stage;
	bool wire_only;
} flaws[N_FLAWS] = {
	[FRAGMENT4] = {"more fragments", BH_R_FRAGMENT, 4, 0, IP_STAGE, false},
	[LATER_FRAGMENT4] = {"fragment offset", BH_R_FRAGMENT, 4, 0, IP_STAGE, false},
	[VERSION5] = {"version 5", BH_R_MALFORMED_IP4, 4, 0, IP_STAGE, false},
	[SHORT_IHL] = {"header of 16 bytes", BH_R_MALFORMED_IP4, 4, 0, IP_STAGE, false},
	[SAID_TOO_LONG] = {"longer than the frame", 0, 0, 0, IP_STAGE, true},
	[SAID_TOO_SHORT] = {"19 bytes long", BH_R_MALFORMED_IP4, 4, 0, IP_STAGE, false},
	[SOURCE_ROUTE] = {"loose source route", BH_R_IP_OPTIONS, 4, 0, IP_STAGE, false},
	[BAD_OPTION] = {"option longer than all", BH_R_IP_OPTIONS, 4, 0, IP_STAGE, false},
	[VERSION7] = {"version 7", BH_R_MALFORMED_IP6, 6, 0, IP_STAGE, true},
	[MAPPED] = {"source ::ffff:10.0.0.7", BH_R_MAPPED_ON_WIRE, 6, 0, IP_STAGE, false},
	[FRAGMENT6] = {"fragment header", BH_R_FRAGMENT, 6, 0, BEHIND_ADDRESSES, false},
	[ROUTING6] = {"routing header", BH_R_EXT_HEADER, 6, 0, BEHIND_ADDRESSES, false},
	[LATE_HOPOPTS] = {"hop-by-hop second", BH_R_EXT_HEADER, 6, 0, BEHIND_ADDRESSES, false},
	[MANY_EXT] = {"seven extension headers", BH_R_EXT_HEADER, 6, 0, BEHIND_ADDRESSES, false},
	[EXT_TOO_LONG] = {"extension header behind the end", BH_R_MALFORMED_IP6, 6, 0,
			  BEHIND_ADDRESSES, false},
	[DOFF_SHORT] = {"data offset 4", BH_R_MALFORMED_TCP, 0, TCP, BEHIND_ADDRESSES, false},
	[DOFF_LONG] = {"data offset 15", BH_R_MALFORMED_TCP, 0, TCP, BEHIND_ADDRESSES, false},
	[FLAGS_NONE] = {"no flags", BH_R_TCP_FLAGS, 0, TCP, BEHIND_ADDRESSES, false},
	[FLAGS_SYN_FIN] = {"SYN FIN", BH_R_TCP_FLAGS, 0, TCP, BEHIND_ADDRESSES, false},
	[FLAGS_SYN_RST] = {"SYN RST", BH_R_TCP_FLAGS, 0, TCP, BEHIND_ADDRESSES, false},
	[TCP_SPORT_0] = {"from port 0", BH_R_PORT_ZERO, 0, TCP, BEHIND_ADDRESSES, false},
	[TCP_DPORT_0] = {"to port 0", BH_R_PORT_ZERO, 0, TCP, BEHIND_ADDRESSES, false},
	[BAD_SYN_OPTION] = {"TCP option of length 1", BH_R_MALFORMED_TCP, 0, TCP, BEHIND_ADDRESSES,
			    true},
	[UDP_DPORT_0] = {"to port 0", BH_R_PORT_ZERO, 0, UDP, BEHIND_ADDRESSES, false},
	[UDP_LONG] = {"UDP length too long", BH_R_MALFORMED_UDP, 0, UDP, BEHIND_ADDRESSES, false},
	[UDP_SHORT] = {"UDP length 7", BH_R_MALFORMED_UDP, 0, UDP, BEHIND_ADDRESSES, false},
	[ICMP_OF_THE_OTHER] = {"the other family's ICMP", BH_R_MALFORMED_ICMP, 0, ICMP,
			       BEHIND_ADDRESSES, false},
	[ND_HOPS] = {"neighbour discovery with hop limit 64", BH_R_ICMP6_HOPS, 6, ICMP6,
		     BEHIND_ADDRESSES, false},
	[TAGS] = {"three VLAN tags", BH_R_MALFORMED_L2, 0, 0, IP_STAGE, true},
};

/* --- addresses that no wire has ------------------------------------------------------------------------ */

static bool v6_is(const struct md_addr *a, uint8_t last)
{
	static const uint8_t zero[15];

	return !a->v4 && !memcmp(a->b, zero, 15) && a->b[15] == last;
}

static bool v6_is_mapped(const struct md_addr *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return !a->v4 && !memcmp(a->b, mapped, 12);
}

static bool is_zero(const struct md_addr *a)
{
	static const uint8_t zero[4];

	return a->v4 ? !memcmp(a->b + 12, zero, 4) : v6_is(a, 0);
}

static bool is_land(const struct md_addr *src, const struct md_addr *dst)
{
	static const uint8_t everybody[4] = {255, 255, 255, 255};

	if (!memcmp(src->b, dst->b, 16))
		return true;
	if (!src->v4)
		return src->b[0] == 0xff || v6_is(src, 1) || v6_is(dst, 1);
	return src->b[12] == 127 || src->b[12] >> 4 == 14 || dst->b[12] == 127 ||
	       !memcmp(src->b + 12, everybody, 4);
}

/* Who has no address yet. */
static bool needs_no_source(const struct md_packet *p)
{
	int type = p->dport >> 8;

	if (p->src.v4)
		return p->proto == IGMP || (p->proto == UDP && p->sport == 68 && p->dport == 67);
	return p->proto == ICMP6 &&
	       (type == 131 || type == 132 || type == 133 || type == 135 || type == 143);
}

/* What is found first, on the way through the headers. */
static enum bh_reason first_wrong(const struct md_packet *p, enum flaw flaw, bool wire)
{
	enum bh_reason reason = flaws[flaw].reason;

	if (flaw == SAID_TOO_LONG)
		reason = p->src.v4 ? BH_R_MALFORMED_IP4 : BH_R_MALFORMED_IP6;
	if (flaw == VERSION7 && !wire)
		return BH_R_MALFORMED_IP4;
	if (flaws[flaw].wire_only && !wire)
		reason = BH_CONTINUE;
	if (reason && flaws[flaw].stage == IP_STAGE && flaw != MAPPED)
		return reason;
	if (v6_is_mapped(&p->src) || v6_is_mapped(&p->dst))
		return BH_R_MAPPED_ON_WIRE;
	if (wire && is_land(&p->src, &p->dst))
		return BH_R_LAND;
	if (reason)
		return reason;
	return wire && is_zero(&p->src) && !needs_no_source(p) ? BH_R_LAND : BH_CONTINUE;
}

/* --- bytes ------------------------------------------------------------------------------------------------ */

struct making {
	struct frame *f;
	struct md_packet *p;
	enum flaw flaw;
	size_t ip, next; /* offsets: of the IP header, of what names the next one */
};

static uint8_t *put(struct making *m, size_t n)
{
	uint8_t *at = m->f->data + m->f->len;

	assert_true(m->f->len + n <= sizeof(m->f->data));
	memset(at, 0, n);
	m->f->len += n;
	return at;
}

static void put16(uint8_t *at, unsigned int v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void ethernet(struct making *m, unsigned int type)
{
	int tags = m->flaw == TAGS ? 3 : pol_one_in(8) ? 1 + (int)pol_roll(2) : 0;
	uint8_t *at = put(m, 14);

	memset(at, 2, 12);
	put16(at + 12, tags ? 0x88a8 : type);
	for (int i = 1; i <= tags; i++) {
		at = put(m, 4);
		put16(at + 2, i == tags ? type : 0x8100);
	}
}

static void ip4(struct making *m)
{
	static const uint8_t lsrr[4] = {131, 4, 4, 0}, bad[4] = {7, 40, 4, 0},
			     record[4] = {7, 4, 4, 0}, nops[4] = {1, 1, 1, 0};
	const uint8_t *options = m->flaw == SOURCE_ROUTE     ? lsrr
				 : m->flaw == BAD_OPTION     ? bad
				 : m->flaw || !pol_one_in(8) ? NULL
				 : pol_one_in(2)	     ? record
							     : nops;
	uint8_t *at;

	m->ip = m->f->len;
	at = put(m, 20);
	at[0] = (uint8_t)(m->flaw == VERSION5	 ? 0x55
			  : m->flaw == SHORT_IHL ? 0x44
			  : options		 ? 0x46
						 : 0x45);
	if (m->flaw == FRAGMENT4)
		put16(at + 6, 0x2000);
	else if (m->flaw == LATER_FRAGMENT4)
		put16(at + 6, 1 + pol_roll(0x1fff));
	else if (pol_one_in(2))
		put16(at + 6, 0x4000);
	at[8] = 64;
	m->next = m->ip + 9;
	memcpy(at + 12, m->p->src.b + 12, 4);
	memcpy(at + 16, m->p->dst.b + 12, 4);
	if (options)
		memcpy(put(m, 4), options, 4);
}

/* An extension header of @n times 8 bytes. */
static void extension(struct making *m, uint8_t type, size_t n)
{
	uint8_t *at;

	m->f->data[m->next] = type;
	m->next = m->f->len;
	at = put(m, 8 * n);
	at[1] = (uint8_t)(m->flaw == EXT_TOO_LONG ? 200 : n - 1);
	if (type == 44)
		at[1] = 0;
}

static void ip6(struct making *m)
{
	uint8_t *at;

	m->ip = m->f->len;
	at = put(m, 40);
	at[0] = m->flaw == VERSION7 ? 0x70 : 0x60;
	m->next = m->ip + 6;
	at[7] = m->flaw == ND_HOPS ? 64 : 255;
	memcpy(at + 8, m->p->src.b, 16);
	memcpy(at + 24, m->p->dst.b, 16);
	if (m->flaw == FRAGMENT6)
		extension(m, 44, 1);
	else if (m->flaw == ROUTING6)
		extension(m, 43, 1);
	else if (m->flaw == EXT_TOO_LONG)
		extension(m, 60, 1);
	else if (m->flaw == LATE_HOPOPTS) {
		extension(m, 60, 1);
		extension(m, 0, 1);
	} else if (m->flaw == MANY_EXT) {
		for (int i = 0; i < 7; i++)
			extension(m, 60, 1);
	} else if (pol_one_in(8)) {
		extension(m, 0, 1 + pol_roll(2));
		for (__u32 i = pol_roll(6); i > 0; i--)
			extension(m, 60, 1);
	}
}

static uint8_t tcp_flags(const struct making *m)
{
	static const uint8_t sent[] = {SYN,	  SYN,	     SYN, SYN | ACK, ACK,
				       ACK | PSH, FIN | ACK, RST, RST | ACK, SYN | 0xc0};

	return m->flaw == FLAGS_NONE	   ? 0
	       : m->flaw == FLAGS_SYN_FIN  ? SYN | FIN
	       : m->flaw == FLAGS_SYN_RST  ? SYN | RST
	       : m->flaw == BAD_SYN_OPTION ? SYN
					   : pol_pick(sent);
}

static void tcp(struct making *m)
{
	static const uint8_t mss[4] = {2, 4, 5, 0xb4}, bad[4] = {2, 1, 5, 0xb4};
	bool options = m->flaw == BAD_SYN_OPTION || (!m->flaw && pol_one_in(3));
	uint8_t *at = put(m, 20);

	if (m->flaw == TCP_SPORT_0)
		m->p->sport = 0;
	if (m->flaw == TCP_DPORT_0)
		m->p->dport = 0;
	m->p->tcp_flags = tcp_flags(m);
	put16(at, m->p->sport);
	put16(at + 2, m->p->dport);
	at[12] = (uint8_t)((m->flaw == DOFF_SHORT  ? 4
			    : m->flaw == DOFF_LONG ? 15
			    : options		   ? 6
						   : 5)
			   << 4);
	at[13] = m->p->tcp_flags;
	if (options)
		memcpy(put(m, 4), m->flaw == BAD_SYN_OPTION ? bad : mss, 4);
}

static void udp(struct making *m, size_t payload)
{
	uint8_t *at = put(m, 8);

	if (m->flaw == UDP_DPORT_0)
		m->p->dport = 0;
	put16(at, m->p->sport);
	put16(at + 2, m->p->dport);
	put16(at + 4, (unsigned int)(m->flaw == UDP_LONG    ? 8 + payload + 1
				     : m->flaw == UDP_SHORT ? 7
							    : 8 + payload));
}

static void icmp(struct making *m)
{
	uint8_t *at = put(m, 8);

	if (m->flaw == ND_HOPS)
		m->p->dport = (uint16_t)((133 + pol_roll(5)) << 8);
	put16(at, m->p->dport);
	put16(at + 4, 4711);
}

static void transport(struct making *m)
{
	size_t payload = pol_roll(20);
	uint8_t proto = m->p->proto;

	if (m->flaw == ICMP_OF_THE_OTHER)
		proto = m->p->src.v4 ? ICMP6 : ICMP;
	m->f->data[m->next] = proto;
	if (proto == TCP)
		tcp(m);
	else if (proto == UDP || proto == UDPLITE)
		udp(m, payload);
	else if (proto == ICMP || proto == ICMP6)
		icmp(m);
	else
		(void)put(m, 8);
	(void)put(m, payload);
}

static void lengths(struct making *m)
{
	unsigned int len = (unsigned int)(m->f->len - m->ip);

	if (m->flaw == SAID_TOO_LONG)
		len++;
	if (m->flaw == SAID_TOO_SHORT)
		len = 19;
	if (m->p->src.v4)
		put16(m->f->data + m->ip + 2, len);
	else
		put16(m->f->data + m->ip + 4, len - 40);
	if (m->flaw != SAID_TOO_LONG && pol_one_in(4)) /* Ethernet pads short frames */
		(void)put(m, 1 + pol_roll(20));
}

/* --- all of it ---------------------------------------------------------------------------------------------- */

static enum flaw flaw_for(const struct md_packet *p)
{
	enum flaw flaw = (enum flaw)(1 + pol_roll(N_FLAWS - 1));
	int family = p->src.v4 ? 4 : 6, proto = flaws[flaw].proto;

	if (!pol_one_in(5) || (flaws[flaw].family && flaws[flaw].family != family))
		return NO_FLAW;
	if (flaw == ICMP_OF_THE_OTHER)
		return p->proto == ICMP || p->proto == ICMP6 ? flaw : NO_FLAW;
	return !proto || proto == p->proto ? flaw : NO_FLAW;
}

static void other_roll(struct making *m)
{
	static const unsigned int types[] = {0x0806, 0x0806, 0x88cc, 0x8863, 0x8847, 0x0026};
	unsigned int type = pol_pick(types);

	m->p->ip = false;
	m->p->arp = type == 0x0806;
	ethernet(m, type);
	(void)put(m, 40);
	m->f->l3 = m->f->len - 40;
	m->f->wire = m->f->socket = *m->p;
	/* a socket never gets one; here it is read as IPv4 of version 0 */
	m->f->socket.broken = BH_R_MALFORMED_IP4;
}

static void ip_roll(struct making *m, const struct md_addr *ours, int n_ours)
{
	struct md_packet *p = m->p;

	p->ip = true;
	p->src = world_addr();
	p->dst = world_addr_of(p->src.v4);
	for (int i = 0; i < n_ours && pol_one_in(2); i++)
		if (ours[i].v4 == p->src.v4)
			p->dst = ours[i];
	for (int i = 0; i < n_ours && pol_one_in(16); i++)
		if (ours[i].v4 == p->src.v4)
			p->src = ours[i];
	p->proto = world_proto();
	if (p->proto == ICMP || p->proto == ICMP6)
		p->proto = p->src.v4 ? ICMP : ICMP6;
	p->dport = world_port(p->proto);
	if (p->proto == TCP || p->proto == UDP || p->proto == UDPLITE) {
		static const uint16_t sources[] = {40000, 67, 547, 53, 1, 65535, 68};

		p->sport = pol_pick(sources);
	}
	m->flaw = flaw_for(p);
	if (m->flaw == MAPPED) {
		memset(p->src.b, 0, 10);
		p->src.b[10] = p->src.b[11] = 0xff;
	}
	ethernet(m, p->src.v4 ? 0x0800 : 0x86dd);
	if (p->src.v4)
		ip4(m);
	else
		ip6(m);
	transport(m);
	lengths(m);
	m->f->l3 = m->ip;
	m->f->wire = m->f->socket = *p;
	m->f->wire.broken = first_wrong(p, m->flaw, true);
	m->f->socket.broken = first_wrong(p, m->flaw, false);
}

void frame_roll(const struct md_addr *ours, int n_ours, struct frame *ret)
{
	struct md_packet p = {.broken = BH_CONTINUE};
	struct making m = {.f = ret, .p = &p};

	ret->len = 0;
	ret->flaw = NULL;
	if (pol_one_in(40)) {
		other_roll(&m);
		return;
	}
	ip_roll(&m, ours, n_ours);
	ret->flaw = flaws[m.flaw].says;
}
