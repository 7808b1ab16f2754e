/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * quarantine.h - who is cut off, whatever the rules say: a segment, a unit, an address. Asked
 * only while there is any (BH_CTL_QUARANTINE). Used by policy.h for each half of a conversation
 * and by nic.h for each packet's source.
 */
#ifndef BH_QUARANTINE_H
#define BH_QUARANTINE_H

#include "identity.h"

/* Is quarantine @held - 1 on? 0 = no, 1 = but for failsafes, 2 = for all. */
__inline int bh_quarantine_of(const struct bh_run *run, __u32 held)
{
	__u32 slot = held - 1;
	const struct bh_quarantine *q = held ? bpf_map_lookup_elem(&bh_quarantine, &slot) : 0;
	__u64 now = run->now_ns;

	if (!q || !(q->flags & BH_QUARANTINE_ON))
		return 0;
	if (q->until_ns) {
		if (!now)
			now = bpf_ktime_get_boot_ns();
		if (now >= q->until_ns)
			return 0;
	}
	return q->flags & BH_QUARANTINE_HARD ? 2 : 1;
}

/*
 * Of two quarantines (slot + 1, 0: none) the one that holds more: a hard one, else the one that
 * ends last. As agent/holds_nest.c has it for prefixes.
 */
__global int bh_quarantine_more(__u32 a, __u32 b)
{
	__u32 slot_a = a - 1, slot_b = b - 1;
	const struct bh_quarantine *x = a ? bpf_map_lookup_elem(&bh_quarantine, &slot_a) : 0;
	const struct bh_quarantine *y = b ? bpf_map_lookup_elem(&bh_quarantine, &slot_b) : 0;
	__u64 now = bpf_ktime_get_boot_ns();

	if (!x || (x->until_ns && now >= x->until_ns))
		return b;
	if (!y || (y->until_ns && now >= y->until_ns))
		return a;
	if ((x->flags ^ y->flags) & BH_QUARANTINE_HARD)
		return x->flags & BH_QUARANTINE_HARD ? a : b;
	if (!x->until_ns || !y->until_ns)
		return x->until_ns ? b : a;
	return x->until_ns >= y->until_ns ? a : b;
}

/**
 * bh_who_held - slot + 1 of the quarantine that holds one end; 0 = none does
 *
 * By what it is itself, and by its segment; the harder one, if there are two.
 */
__global int bh_who_held(const struct bh_run *run, const struct bh_who *who)
{
	const __u32 *by_seg;
	__u32 seg, own, other;
	int mine, theirs;

	if (!run || !who)
		return 0;
	seg = who->seg;
	own = who->held;
	by_seg = bpf_map_lookup_elem(&bh_held_segs, &seg);
	other = by_seg ? *by_seg : 0;
	mine = bh_quarantine_of(run, own);
	theirs = bh_quarantine_of(run, other);
	if (theirs > mine)
		return other;
	return mine ? own : 0;
}

/* The harder of @own and what holds @who. A function of its own for the verifier's sake. */
__global int bh_held_also(const struct bh_run *run, __u32 own, const struct bh_who *who)
{
	__u32 other;

	if (!run || !who)
		return own;
	other = bh_who_held(run, who);
	return bh_quarantine_of(run, other) > bh_quarantine_of(run, own) ? other : own;
}

#endif
