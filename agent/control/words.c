/* SPDX-License-Identifier: Apache-2.0 */
/* words.c - see words.h. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "words.h"

static const struct {
	const char *word;
	__u8 proto;
} transports[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"udplite", IPPROTO_UDPLITE}};

static const char *icmp_name(bool v6, __u16 icmp)
{
	const char *any_code = NULL;

	for (size_t i = 0; i < bh_n_icmp_names; i++) {
		const struct bh_icmp_name *n = &bh_icmp_names[i];
		int at = v6 ? n->v6 : n->v4;

		if (at >= 0 && !n->any_code && at == icmp)
			return n->name;
		if (at >= 0 && n->any_code && at >> 8 == icmp >> 8)
			any_code = n->name;
	}
	return any_code;
}

const char *bh_proto_word(__u8 proto, __u16 icmp, char ret[BH_PROTO_WORD])
{
	const char *name = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(transports); i++)
		if (transports[i].proto == proto) {
			snprintf(ret, BH_PROTO_WORD, "%s", transports[i].word);
			return ret;
		}
	if (proto != IPPROTO_ICMP && proto != IPPROTO_ICMPV6) {
		snprintf(ret, BH_PROTO_WORD, "proto/%u", proto);
		return ret;
	}
	name = icmp_name(proto == IPPROTO_ICMPV6, icmp);
	if (name)
		snprintf(ret, BH_PROTO_WORD, "icmp/%s", name);
	else
		snprintf(ret, BH_PROTO_WORD, "icmp type %u code %u", icmp >> 8, icmp & 0xff);
	return ret;
}

const char *bh_ask_word(const struct bh_ask *ask, char ret[BH_PROTO_WORD])
{
	char proto[BH_PROTO_WORD];

	bh_proto_word(ask->proto, ask->port, proto);
	if (bh_ask_has_port(ask))
		snprintf(ret, BH_PROTO_WORD, "%.8s/%u", proto, ask->port);
	else
		snprintf(ret, BH_PROTO_WORD, "%s", ask->name ? ask->name : proto);
	return ret;
}

/* --- a question ---------------------------------------------------------------------------------- */

_printf_(2, 3) static int fail(struct bh_fault *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int one_port(const char *proto, unsigned int port, struct bh_fault *f)
{
	if (port)
		return 0;
	(void)snprintf(f->help, sizeof(f->help), "one port is needed, 1 to 65535");
	return fail(f, "%.40s without a port", proto);
}

int bh_ask_parse(const char *proto, unsigned int port, struct bh_ask *ret, struct bh_fault *f)
{
	struct bh_port p = {0};

	*f = (struct bh_fault){0};
	for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
		if (strcmp(transports[i].word, proto) != 0)
			continue;
		if (one_port(proto, port, f) < 0)
			return -EINVAL;
		*ret = (struct bh_ask){.proto = transports[i].proto, .port = (__u16)port};
		return 0;
	}
	if (bh_port_parse(proto, &p, f) < 0)
		return -EINVAL;
	if (port)
		return fail(f, "%.40s has no port", proto);
	if (p.proto == 0 || bh_ask_has_port(&(struct bh_ask){.proto = p.proto}) ||
	    (p.both_icmp && p.any_port)) {
		(void)snprintf(f->help, sizeof(f->help),
			       "tcp, udp or udplite with a port; icmp/NAME, for example "
			       "icmp/echo-request; proto/N");
		return fail(f, "'%.40s' is no single question", proto);
	}
	*ret = (struct bh_ask){.proto = p.proto};
	if (p.both_icmp) {
		ret->icmp = p;
		ret->name = proto;
		(void)bh_ask_set_family(ret, !p.icmp_v4);
	}
	return 0;
}

bool bh_ask_set_family(struct bh_ask *ask, bool v6)
{
	if (!ask->icmp.both_icmp)
		return true;
	if (v6 ? !ask->icmp.icmp_v6 : !ask->icmp.icmp_v4)
		return false;
	ask->proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	ask->port = v6 ? ask->icmp.lo6 : ask->icmp.lo;
	return true;
}
