/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.h - protocols and ports of packets in the words of a segment map. Called by flows.c and
 * the files of explain.
 */
#ifndef BH_WORDS_H
#define BH_WORDS_H

#include "../policy/port.h"

/* What a question is about. Port of ICMP: type << 8 | code; of other protocols: 0. */
struct bh_ask {
	__u8 proto;
	__u16 port;
	struct bh_port icmp; /* as it was named, with both families; proto 0 = no ICMP */
	const char *name;    /* of ICMP, as it was said; lives as long as that */
};

#define BH_PROTO_WORD 40

/* "tcp", "icmp/echo-request", "proto/47"; @icmp: type << 8 | code */
const char *bh_proto_word(__u8 proto, __u16 icmp, char ret[BH_PROTO_WORD]);
/* "tcp/443", "icmp/echo-request", "proto/47": as it may stand in a rule. */
const char *bh_ask_word(const struct bh_ask *ask, char ret[BH_PROTO_WORD]);

/**
 * bh_ask_parse - the arguments `proto` and `port` of explain
 * @port: 0 = not said
 *
 * Return: 0 or -EINVAL with @f filled.
 */
int bh_ask_parse(const char *proto, unsigned int port, struct bh_ask *ret, struct bh_fault *f);
/* ICMP has other numbers in IPv6. Return: false if the type is not there. */
bool bh_ask_set_family(struct bh_ask *ask, bool v6);

static inline bool bh_ask_has_port(const struct bh_ask *ask)
{
	return ask->proto == 6 || ask->proto == 17 || ask->proto == 136;
}

#endif
