/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cidr.c - text to a prefix. Everything that could mean two things is refused with what it
 * should be. Called by parse_rule.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include "cidr.h"

/* Whether the first @n bits are those of @prefix. */
static bool begins_with(const struct bh_addr *a, const __u8 *prefix, int n)
{
	int whole = n / 8, rest = n % 8;

	return !memcmp(a->b, prefix, (size_t)whole) &&
	       (!rest || !((a->b[whole] ^ prefix[whole]) >> (8 - rest)));
}

static struct bh_addr masked(struct bh_addr a, int plen)
{
	for (int i = 0; i < 16; i++) {
		int bits = MAX(0, MIN(8, plen - i * 8));

		a.b[i] &= (__u8)(0xff00 >> bits);
	}
	return a;
}

static const __u8 mapped_prefix[16] = {[10] = 0xff, [11] = 0xff};
static const __u8 link_local[16] = {0xfe, 0x80};

/* Return: 4, 6, or 0 for no address. */
static int address_parse(const char *s, struct bh_addr *ret)
{
	if (inet_pton(AF_INET6, s, ret->b) == 1)
		return 6;
	memcpy(ret->b, mapped_prefix, 12);
	return inet_pton(AF_INET, s, ret->b + 12) == 1 ? 4 : 0;
}

/* A netmask in dots as the length it stands for, or -1. */
static int mask_length(const char *s)
{
	struct in_addr in;
	__u32 mask, rest;

	if (inet_pton(AF_INET, s, &in) != 1)
		return -1;
	mask = ntohl(in.s_addr);
	rest = ~mask;
	return rest & (rest + 1) ? -1 : __builtin_popcount(mask);
}

static int length_parse(const char *addr, const char *s, int max, struct bh_fault *f)
{
	int mask = mask_length(s), n = -1;

	if (strlen(s) <= 3 && bh_is_decimal(s))
		n = (int)strtoul(s, NULL, 10);
	if (n >= 0 && n <= max)
		return n;
	if (mask >= 0 && max == 32)
		bh_help(f->help, "write '%s/%d'", addr, mask);
	else
		bh_help(f->help, "0 to %d", max);
	return bh_fault_say(f, "'%.40s' is no prefix length", s);
}

/* IPv4 in IPv6's clothes: the one address must not have two spellings. */
static int refuse_mapped(const struct bh_cidr *c, struct bh_fault *f)
{
	struct bh_cidr v4 = {.addr = masked(c->addr, c->plen), .plen = c->plen, .v4 = true};
	char text[BH_CIDR_TEXT];

	bh_help(f->help, "write '%s'", bh_cidr_text(&v4, text));
	return bh_fault_say(f, "an IPv4 address written as IPv6");
}

static int refuse_host_bits(const struct bh_cidr *c, const char *s, struct bh_fault *f)
{
	struct bh_cidr right = *c, one = *c;
	char prefix[BH_CIDR_TEXT], single[BH_CIDR_TEXT];

	right.addr = masked(c->addr, c->plen);
	one.plen = 128;
	bh_help(f->help, "write '%s', or '%s' for the one address", bh_cidr_text(&right, prefix),
		bh_cidr_text(&one, single));
	return bh_fault_say(f, "'%s' has bits set behind the prefix", s);
}

int bh_cidr_parse(const char *s, struct bh_cidr *ret, struct bh_fault *f)
{
	const char *slash = strchr(s, '/');
	char addr[INET6_ADDRSTRLEN + 1] = "";
	struct bh_cidr c = {0};
	int family = 0, plen;

	*f = (struct bh_fault){0};
	if ((slash ? (size_t)(slash - s) : strlen(s)) < sizeof(addr)) {
		(void)snprintf(addr, sizeof(addr), "%.*s",
			       slash ? (int)(slash - s) : (int)strlen(s), s);
		family = address_parse(addr, &c.addr);
	}
	if (!family) {
		bh_help(f->help, "write for example '10.0.1.0/28' or '2001:db8::/32'");
		return bh_fault_say(f, "'" BH_WORD "' is no address prefix", s);
	}
	if (!slash) {
		bh_help(f->help, "write '%s/%d' for the one address", addr, family == 4 ? 32 : 128);
		return bh_fault_say(f, "'%s' has no prefix length", addr);
	}
	plen = length_parse(addr, slash + 1, family == 4 ? 32 : 128, f);
	if (plen < 0)
		return plen;
	c.v4 = family == 4;
	c.plen = c.v4 ? 96 + plen : plen;
	if (!c.v4 && c.plen >= 96 && begins_with(&c.addr, mapped_prefix, 96))
		return refuse_mapped(&c, f);
	if (!c.v4 && c.plen >= 10 && begins_with(&c.addr, link_local, 10)) {
		bh_help(f->help, "match the workload by its unit, or use a global or unique local "
				 "address");
		return bh_fault_say(f,
				    "link-local addresses can't be told apart between interfaces");
	}
	if (memcmp(c.addr.b, masked(c.addr, c.plen).b, 16) != 0)
		return refuse_host_bits(&c, s, f);
	*ret = c;
	return 0;
}

bool bh_cidr_contains(const struct bh_cidr *wide, const struct bh_cidr *narrow)
{
	return wide->v4 == narrow->v4 && wide->plen <= narrow->plen &&
	       begins_with(&narrow->addr, wide->addr.b, wide->plen);
}

int bh_cidr_cmp(const struct bh_cidr *a, const struct bh_cidr *b)
{
	int r;

	if (a->v4 != b->v4)
		return a->v4 ? -1 : 1;
	r = memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));
	return r ? r : (a->plen > b->plen) - (a->plen < b->plen);
}

const char *bh_cidr_text(const struct bh_cidr *cidr, char ret[BH_CIDR_TEXT])
{
	char text[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(cidr->v4 ? AF_INET : AF_INET6, cidr->addr.b + (cidr->v4 ? 12 : 0), text,
			sizeof(text));
	(void)snprintf(ret, BH_CIDR_TEXT, "%s/%d", text, cidr->plen - (cidr->v4 ? 96 : 0));
	return ret;
}
