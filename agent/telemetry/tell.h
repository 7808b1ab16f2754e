/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tell.h - what sinks say about a flow besides its event: the verdict, the reason in words, which
 * end began it, the unit of a cgroup. Called by the sinks.
 */
#ifndef BH_TELL_H
#define BH_TELL_H

#include "flow.h"

/* The numbers are IPFIX's, for good. */
enum bh_tell_verdict {
	BH_TELL_ALLOWED = 1,
	BH_TELL_DENIED = 2,
	BH_TELL_AUDITED = 3, /* would have been denied */
	BH_TELL_ERROR = 4,   /* denied, because we could not tell */
};

enum bh_tell_verdict bh_tell_verdict(const struct bh_event *ev);
/* "allowed", "denied", "audited", "error" */
const char *bh_tell_verdict_word(const struct bh_event *ev);

/* "default_deny"; "unknown" if it is none. */
const char *bh_tell_reason(__u16 reason);
/* "no rule allows it" */
const char *bh_tell_reason_text(__u16 reason);

/* One end of a flow. */
struct bh_tell_end {
	const struct bh_addr *addr;
	const char *segment; /* NULL: not known */
	__u32 identity;
	__u16 port;
};

/* Who began it, and to whom: on the way out the local end is the source. */
struct bh_tell_end bh_tell_src(const struct bh_flow *flow);
struct bh_tell_end bh_tell_dst(const struct bh_flow *flow);

#define BH_TELL_UNIT 256

/*
 * The unit that a cgroup belongs to: the last part of its path that the system manager owns, which
 * is the first that is no slice, or the last slice. @ret points into @cgroup and is left alone
 * where there is none. Return: its length, 0: none, or @cgroup is NULL.
 */
size_t bh_tell_unit_in(const char *cgroup, const char **ret);
/* The same as a string of its own; "": none. */
const char *bh_tell_unit(const char *cgroup, char ret[BH_TELL_UNIT]);

#define BH_TELL_ADDR 46

bool bh_tell_is_v4(const struct bh_addr *addr);
/* "192.0.2.1", "2001:db8::1"; "" for one of zeroes, which is not known. */
const char *bh_tell_addr(const struct bh_addr *addr, char ret[BH_TELL_ADDR]);

#endif
