/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ipfix.h - flows as IPFIX (RFC 7011), both directions in one record (RFC 5103), with elements of
 * our own that tell who they are (RFC 5610). Bytes only: sink_ipfix.c has the socket.
 */
#ifndef BH_IPFIX_H
#define BH_IPFIX_H

#include "flow.h"

/*
 * Whose the elements below are. 32473 is IANA's for documentation (RFC 5612), which everybody may
 * use and nobody owns: a number of our own is asked for at https://www.iana.org/assignments/enterprise-numbers
 * and goes here, into tools/ipfix/ and docs/ipfix.md; a test holds these together.
 */
#define BH_IPFIX_PEN	 32473u
#define BH_IPFIX_REVERSE 29305u /* RFC 5103: the same element, the other way */

/* Fits an IPv6 path of any kind (1280) with the headers of IP and UDP; no smaller message is cut. */
#define BH_IPFIX_MESSAGE 1232
/* Names are cut to it, at a character, so that every record fits into a message. */
#define BH_IPFIX_NAME 128

/* --- elements --------------------------------------------------------------------------------- */

/* RFC 5610, informationElementDataType and Semantics */
enum bh_ipfix_type {
	BH_IPFIX_U8 = 1,
	BH_IPFIX_U16 = 2,
	BH_IPFIX_U32 = 3,
	BH_IPFIX_U64 = 4,
	BH_IPFIX_STRING = 13,
	BH_IPFIX_MS = 15,
	BH_IPFIX_ADDR4 = 18,
	BH_IPFIX_ADDR6 = 19,
};

enum bh_ipfix_semantics {
	BH_IPFIX_DEFAULT = 0,
	BH_IPFIX_QUANTITY = 1,
	BH_IPFIX_DELTA = 3,
	BH_IPFIX_IDENTIFIER = 4,
};

/* Templates that have an element. */
#define BH_IPFIX_IN_4	   0x1
#define BH_IPFIX_IN_6	   0x2
#define BH_IPFIX_IN_4ICMP  0x4
#define BH_IPFIX_IN_6ICMP  0x8
#define BH_IPFIX_TEMPLATES 4

struct bh_ipfix_element {
	__u32 pen; /* 0: IANA's */
	__u16 id;
	__u16 bytes; /* 0xffff: a string, as long as it is */
	__u8 in;     /* BH_IPFIX_IN_ */
	__u8 type, semantics;
	__u8 units; /* RFC 5610, informationElementUnits */
	__u16 at;   /* of struct view in ipfix_flow.c */
	const char *name, *about;
};

extern const struct bh_ipfix_element bh_ipfix_elements[];
extern const size_t bh_n_ipfix_elements;

/* Template of a flow: 256 and those behind it. */
#define BH_IPFIX_FLOW	 256
#define BH_IPFIX_TYPE	 264 /* RFC 5610 */
#define BH_IPFIX_LOSS	 265
#define BH_IPFIX_SET_TPL 2
#define BH_IPFIX_SET_OPT 3

__u16 bh_ipfix_template_of(const struct bh_flow *flow);

/* --- messages --------------------------------------------------------------------------------- */

/* One that is being written. */
struct bh_ipfix {
	__u32 domain;
	__u32 sequence; /* data records in the messages before it */
	__u32 records;	/* data records in it, of every kind */
	__u32 flows;	/* those of flows */
	__u64 packets;	/* that these tell of */
	size_t n;	/* bytes; 0: nothing is in it */
	size_t set;	/* where its last set begins, 0: none is open */
	__u16 set_id;
	__u8 b[BH_IPFIX_MESSAGE];
};

/* What an exporter tells of itself. Totals since its start. */
struct bh_ipfix_loss {
	__u64 messages, flows;		/* exported */
	__u64 lost_flows, lost_packets; /* not sent */
	__u64 suppressed;		/* denied packets that no flow tells of */
};

/* What these return: 0, or -ENOSPC if there is no room for it: send the message, then again. */
int bh_ipfix_add_flow(struct bh_ipfix *m, const struct bh_flow *flow);
int bh_ipfix_add_loss(struct bh_ipfix *m, const struct bh_ipfix_loss *loss);
/* Our own element @i of bh_ipfix_elements; others add nothing. */
int bh_ipfix_add_type(struct bh_ipfix *m, size_t i);
/* The templates of what tells of elements and of loss; those of flows. */
int bh_ipfix_add_options(struct bh_ipfix *m);
int bh_ipfix_add_templates(struct bh_ipfix *m);

/* Finishes the bytes: from here on it may be sent. */
void bh_ipfix_close(struct bh_ipfix *m, __u32 wall_s);
/* Empties it for the next; @sent: what was in it counts for the sequence. */
void bh_ipfix_next(struct bh_ipfix *m, bool sent);

/* --- ipfix.c, for ipfix_flow.c ----------------------------------------------------------------- */

/* One record of a set, written aside and added as a whole. */
struct bh_ipfix_record {
	size_t n;
	__u8 b[BH_IPFIX_MESSAGE];
};

/* Big endian, the low @bytes of @v. */
void bh_ipfix_put(struct bh_ipfix_record *r, __u64 v, size_t bytes);
void bh_ipfix_put_bytes(struct bh_ipfix_record *r, const void *b, size_t bytes);
/* With its length in front. NULL is "". */
void bh_ipfix_put_text(struct bh_ipfix_record *r, const char *text);
int bh_ipfix_add(struct bh_ipfix *m, __u16 set_id, const struct bh_ipfix_record *r);

#endif
