/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.h - `tcp/443`, `udp/domain`, `icmp/echo-request`, `proto/47`: text to a set of ports.
 * Callers: parse_rule.c and the command line, which asks in the same words.
 */
#ifndef BH_PORT_H
#define BH_PORT_H

#include "internal.h"

/* Return: 0 or -EINVAL with @f filled. ret->pos is untouched. */
int bh_port_parse(const char *s, struct bh_port *ret, struct bh_fault *f);

struct bh_port_span {
	__u32 proto, low, high; /* inclusive; proto 0: those that `port: any` speaks of */
};

/* Return: how many spans @p is, at most 2. */
size_t bh_port_spans(const struct bh_port *p, struct bh_port_span ret[2]);

/* The name of an `icmp/NAME`: exactly that one, with one code or with all. NULL: it has none. */
const char *bh_icmp_word(const struct bh_port *p);

/* --- tables (port_names.c) ------------------------------------------------------------------ */

enum { BH_NAME_TCP = 1, BH_NAME_UDP = 2 };

struct bh_port_name {
	const char *name;
	__u16 port;
	__u8 protos; /* BH_NAME_TCP | BH_NAME_UDP */
};

struct bh_icmp_name {
	const char *name;
	int v4, v6; /* type << 8 | code; -1 = not in this family */
	bool any_code;
};

extern const struct bh_port_name bh_port_names[];
extern const size_t bh_n_port_names;
extern const struct bh_icmp_name bh_icmp_names[];
extern const size_t bh_n_icmp_names;

#endif
