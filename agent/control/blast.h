/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blast.h - what a segment that somebody took over can reach, and what can be reached from there.
 * The ports to ask about come from the compiled map (blast_ports.c), the answers from bh_judge
 * (blast_ask.c), step by step (blast_walk.c). Put together by verb_blast.c.
 */
#ifndef BH_BLAST_H
#define BH_BLAST_H

#include "explain.h"

/* How long it may take, within BH_PROTO_ASIDE_MS. */
#define BH_BLAST_NS 20000000000ull

enum bh_blast_verdict {
	BH_BLAST_DENIED = 0,
	BH_BLAST_GRANT,	   /* denied, but for a grant of a rule that is just in time */
	BH_BLAST_OBSERVED, /* would be denied, but one end only observes */
	BH_BLAST_ALLOWED,
};

/* What one end says. reason 0: that end is not on this host. */
struct bh_blast_half {
	__u16 reason;
	__u32 rule;
};

/* Ports that get the same answer. Of ICMP type << 8 | code. */
struct bh_blast_span {
	__u8 proto;
	bool others; /* the protocols that nothing names, @proto for all of them */
	__u16 lo, hi;
	enum bh_blast_verdict verdict;
	struct bh_blast_half half[2]; /* by enum bh_dir */
};

struct bh_blast_spans {
	struct bh_blast_span *v;
	size_t n, room;
};

/* A segment as an end of conversations. */
struct bh_blast_end {
	__u32 identity;
	bool here;	/* it can be a workload of this host */
	bool elsewhere; /* it has addresses, or is `world` */
	bool plain;	/* some of its addresses are looked up as the identity */
	/* an address of each class that is not the identity: other rules hold for those */
	struct bh_addr *addr;
	__u32 *class;
	size_t n_class;
};

struct bh_blast {
	struct bh_agent *a;
	__u64 gen, until_ns;
	struct bh_blast_end *end; /* by index in bh_map.segment */
	size_t n;
	struct bh_port_span *granted; /* ports of the grants that are not of a rule */
	size_t n_granted;
	size_t asked;
	bool late;     /* not all was asked */
	bool held;     /* a quarantine was among the answers */
	bool unsure;   /* of some addresses none could be found to ask about */
	__u16 *border; /* of the question that is asked now */
	size_t n_border, room_border;
};

/* Return: 0 or -ENOMEM. */
int bh_blast_begin(struct bh_agent *a, struct bh_blast *ret);
void bh_blast_end(struct bh_blast *b);

/* --- blast_ports.c ----------------------------------------------------------------------------- */

/* The protocols whose ports are asked one by one. */
extern const __u8 bh_blast_protos[5];

/*
 * Where, for segments @from and @to, the answer may change: b->border, ascending, the first is 0. Return: 0 or -ENOMEM.
 */
int bh_blast_borders(struct bh_blast *b, __u8 proto, size_t from, size_t to);
/* Other protocols that some rule about the two names, by number. Return: 0 or -ENOMEM. */
int bh_blast_numbered(const struct bh_blast *b, size_t from, size_t to, bool ret[256]);

/* --- blast_ask.c --------------------------------------------------------------------------------- */

/* All that @from may ask @to, without what is denied. Return: 0; -ETIME: too late; -errno. */
int bh_blast_ask(struct bh_blast *b, size_t from, size_t to, struct bh_blast_spans *ret);
void bh_blast_spans_clear(struct bh_blast_spans *spans);
/* The best verdict among them. */
enum bh_blast_verdict bh_blast_best(const struct bh_blast_spans *spans);

/* --- blast_walk.c -------------------------------------------------------------------------------- */

/* A way from one segment to another. */
struct bh_blast_way {
	size_t from, to;
	unsigned int step; /* 1 = of the segment that was asked about */
	struct bh_blast_spans spans;
};

struct bh_blast_ways {
	struct bh_blast_way *v; /* by step; the first way to each segment */
	size_t n, room;
	struct bh_blast_way *grant; /* that a grant would open, to what is not reached */
	size_t n_grant, room_grant;
};

/* @steps: 0 = all. Return: 0, also where it was too late (b->late); -errno. */
int bh_blast_walk(struct bh_blast *b, size_t start, unsigned int steps, struct bh_blast_ways *ret);
void bh_blast_ways_clear(struct bh_blast_ways *ways);

/* --- blast_words.c --------------------------------------------------------------------------------- */

/* [{port, verdict, egress {reason,rule,line} or null, ingress}]. NULL: no memory. */
json_t *bh_blast_ports_json(const struct bh_blast *b, const struct bh_blast_spans *spans);

#endif
