/* SPDX-License-Identifier: Apache-2.0 */
/* claim_kernel.c - what the running kernel is set to, and whether it keeps records and time. */
#include <errno.h>
#include <string.h>
#include "claims_internal.h"

/* A number that has to lie between two others; where there is no such file, it was not built. */
void bh_claim_sysctl(struct bh_claims *c, const struct bh_claim *row, struct bh_claim_result *ret)
{
	long v;
	int r = bh_claim_number(c, BH_FS_PROC, row->path, &v);

	if (!bh_claim_got(ret, row->path, r))
		return;
	bh_claim_say(ret, v >= row->lo && v <= row->hi ? BH_CLAIM_GOOD : BH_CLAIM_BAD, "%ld", v);
}

/* Documentation/admin-guide/tainted-kernels.rst. 1, a proprietary module, is a matter of taste. */
void bh_claim_taint(struct bh_claims *c, const struct bh_claim *row, struct bh_claim_result *ret)
{
	static const struct {
		long bit;
		const char *what;
	} bits[] = {
		{0x2, "module forced"}, {0x8, "unload forced"},	 {0x20, "bad page"},
		{0x80, "oops"},		{0x1000, "out of tree"}, {0x2000, "unsigned module"},
	};
	char found[BH_CLAIM_TEXT] = "";
	long v;
	int r = bh_claim_number(c, BH_FS_PROC, row->path, &v);

	if (!bh_claim_got(ret, row->path, r))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (v & bits[i].bit)
			bh_claim_add(found, bits[i].what);
	if (found[0])
		bh_claim_say(ret, BH_CLAIM_BAD, "%ld (%.120s)", v, found);
	else
		bh_claim_say(ret, v < 0 ? BH_CLAIM_UNKNOWN : BH_CLAIM_GOOD, "%ld", v);
}

/* Whether it is new enough only a reference can tell, and there is none here. */
void bh_claim_release(struct bh_claims *c, _unused_ const struct bh_claim *row,
		      struct bh_claim_result *ret)
{
	struct utsname u;
	int r = c->opts.calls->uname(&u);

	if (!bh_claim_got(ret, "uname", r))
		return;
	bh_claim_say(ret, BH_CLAIM_UNKNOWN, "%.60s %.90s", u.release, u.version);
}

/*
 * A program that takes dumps decides what becomes of them; a plain file has a process' memory, and
 * with suid_dumpable 1 a privileged one's.
 */
void bh_claim_core_dumps(struct bh_claims *c, const struct bh_claim *row,
			 struct bh_claim_result *ret)
{
	static const char suid[] = "proc/sys/fs/suid_dumpable";
	char pattern[256];
	long dumpable;
	int r = bh_claim_text(c, BH_FS_PROC, row->path, pattern, sizeof(pattern));

	if (!bh_claim_got(ret, row->path, r))
		return;
	r = bh_claim_number(c, BH_FS_PROC, suid, &dumpable);
	if (!bh_claim_got(ret, suid, r))
		return;
	bh_claim_source(ret, row->path);
	bh_claim_say(ret,
		     dumpable != 1 && (pattern[0] == '|' || !pattern[0]) ? BH_CLAIM_GOOD
									 : BH_CLAIM_BAD,
		     "%.100s, suid_dumpable %ld", pattern[0] ? pattern : "none", dumpable);
}

void bh_claim_auditd(struct bh_claims *c, _unused_ const struct bh_claim *row,
		     struct bh_claim_result *ret)
{
	struct bh_claim_audit a;
	int r = c->opts.calls->audit(&a);

	if (!bh_claim_got(ret, "NETLINK_AUDIT", r))
		return;
	bh_claim_say(ret, a.enabled && a.pid ? BH_CLAIM_GOOD : BH_CLAIM_BAD, "%s, %s",
		     !a.enabled	      ? "off"
		     : a.enabled == 2 ? "on and locked"
				      : "on",
		     a.pid ? "a daemon takes the records" : "no daemon takes the records");
}

#define MAX_ERROR_US 1000000

void bh_claim_time_sync(struct bh_claims *c, _unused_ const struct bh_claim *row,
			struct bh_claim_result *ret)
{
	struct timex t = {0};
	int r = c->opts.calls->timex(&t);

	if (!bh_claim_got(ret, "adjtimex", r))
		return;
	bh_claim_say(ret,
		     !(t.status & STA_UNSYNC) && t.maxerror < MAX_ERROR_US ? BH_CLAIM_GOOD
									   : BH_CLAIM_BAD,
		     "%ssynchronised, off by at most %ld us", t.status & STA_UNSYNC ? "not " : "",
		     t.maxerror);
}
