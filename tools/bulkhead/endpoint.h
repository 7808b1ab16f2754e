/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint.h - SRC and DST[:PORT/PROTO] as they are typed to `explain`: ports in the words of
 * a segment map, or the other way round as people write them. Pure.
 *
 *	web   web:443   web:443/tcp   web:https   web:tcp/443   nginx.service:53/udp
 *	10.0.0.1:443/tcp   2001:db8::1   [2001:db8::1]:443/tcp   pid:4711   pid:4711:443
 *	/system.slice/nginx.service:443   web:icmp/echo-request   web:icmp (the same)   web:proto/47
 */
#ifndef BH_ENDPOINT_H
#define BH_ENDPOINT_H

#include "../../agent/base/diag.h"

#define BH_PROTO_TEXT 64

struct bh_endpoint {
	char *who;     /* a segment, unit, cgroup path, "pid:N" or address, without brackets */
	unsigned port; /* 0 = none was said */
	char proto[BH_PROTO_TEXT]; /* "tcp", "udp", "udplite", "icmp/NAME", "proto/N"; "" = none */
};

/**
 * bh_endpoint_parse - one operand
 * @ret: set on success only; free with bh_endpoint_clear()
 *
 * Return: 0, -EINVAL (see @d), -ENOMEM.
 */
int bh_endpoint_parse(const char *word, struct bh_diags *d, struct bh_endpoint *ret);

void bh_endpoint_clear(struct bh_endpoint *e);

#define _cleanup_endpoint_ _cleanup_(bh_endpoint_clear)

#endif
