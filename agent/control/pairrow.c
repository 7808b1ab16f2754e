/* SPDX-License-Identifier: Apache-2.0 */
/* pairrow.c - see pairrow.h. */
#include <netinet/in.h>
#include "control.h"
#include "pairrow.h"
#include "words.h"

static json_t *crypt_json(const struct bh_pair *p)
{
	json_auto_t *list = json_array();
	struct bh_event ev = {0};

	for (ev.crypt = 1; ev.crypt < 8; ev.crypt++)
		if (p->crypt & 1u << ev.crypt &&
		    json_array_append_new(list, json_string(bh_flow_crypt(&ev))) < 0)
			return NULL;
	return TAKE_PTR(list);
}

static json_t *remote_json(const struct bh_pair *p)
{
	return json_pack("{s:o s:o s:o s:b s:I}", "segment", bh_json_text(p->remote), "ip",
			 p->many || p->inside ? json_null() : bh_json_addr(&p->addr), "cgroup",
			 bh_json_text(p->peer), "inside", p->inside, "addresses",
			 (json_int_t)bh_pair_addrs(p));
}

json_t *bh_pair_json(const struct bh_pair *p)
{
	bool icmp = p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6;
	char proto[BH_PROTO_WORD];

	return json_pack("{s:s s:{s:o s:o s:I} s:o s:o s:i s:i s:s s:o s:o s:o s:o s:o s:o s:o}",
			 "direction", p->dir == BH_OUT ? "egress" : "ingress", "local", "segment",
			 bh_json_text(p->local), "cgroup", bh_json_text(p->unit), "uid",
			 (json_int_t)p->uid, "remote", remote_json(p), "proto",
			 json_string(bh_proto_word(p->proto, icmp ? p->port : 0, proto)),
			 "protocol", p->proto, "port", p->port, "verdict",
			 bh_pair_verdict_word(p->verdict), "rule", bh_json_text(p->rule),
			 "encrypted", crypt_json(p), "times", bh_json_u64(p->times), "packets",
			 bh_json_u64(p->packets), "bytes", bh_json_u64(p->bytes), "first",
			 bh_json_wall_time(p->first_ms), "last", bh_json_wall_time(p->last_ms));
}
