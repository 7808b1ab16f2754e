/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claim_agent.c - what the agent says of itself and of its programs in the kernel. A measurement of
 * itself by itself: an agent that was replaced says what it likes.
 */
#include <errno.h>
#include <string.h>
#include "claims_internal.h"

/* A digest without a reference to hold it to: it is told, and never good. */
static void say_digest(struct bh_claim_result *ret, const char *source, const char *before, int r,
		       const char *digest)
{
	if (!bh_claim_got(ret, source, r))
		return;
	bh_claim_say(ret, BH_CLAIM_UNKNOWN, "%ssha256:%s", before, digest);
}

void bh_claim_executable(struct bh_claims *c, const struct bh_claim *row,
			 struct bh_claim_result *ret)
{
	const struct bh_claims_agent *a = &c->opts.agent;
	char digest[BH_CLAIM_DIGEST] = "";
	int r = a->executable ? a->executable(a->ctx, digest) : -ENOSYS;

	say_digest(ret, row->path, "", r, digest);
}

void bh_claim_policy(struct bh_claims *c, _unused_ const struct bh_claim *row,
		     struct bh_claim_result *ret)
{
	const struct bh_claims_agent *a = &c->opts.agent;
	char digest[BH_CLAIM_DIGEST] = "";
	int r = a->policy ? a->policy(a->ctx, digest) : -ENOSYS;

	if (r == -ENODATA) {
		bh_claim_source(ret, "agent");
		bh_claim_say(ret, BH_CLAIM_BAD, "no map is enforced");
		return;
	}
	say_digest(ret, "agent", "", r, digest);
}

void bh_claim_programs(struct bh_claims *c, _unused_ const struct bh_claim *row,
		       struct bh_claim_result *ret)
{
	const struct bh_claims_agent *a = &c->opts.agent;
	char digest[BH_CLAIM_DIGEST] = "", before[64];
	size_t n = 0;
	int r = a->programs ? a->programs(a->ctx, &n, digest) : -ENOSYS;

	snprintf(before, sizeof(before), "%zu programs, tags ", n);
	say_digest(ret, "BPF_OBJ_GET_INFO_BY_FD", before, r, digest);
}

void bh_claim_hooks(struct bh_claims *c, _unused_ const struct bh_claim *row,
		    struct bh_claim_result *ret)
{
	const struct bh_claims_agent *a = &c->opts.agent;
	struct bh_claim_hooks h = {0};
	int r = a->hooks ? a->hooks(a->ctx, &h) : -ENOSYS;

	if (!bh_claim_got(ret, "BPF_OBJ_GET_INFO_BY_FD", r))
		return;
	bh_claim_say(ret, h.n && h.attached == h.n ? BH_CLAIM_GOOD : BH_CLAIM_BAD,
		     "%zu of %zu attached%s%.100s", h.attached, h.n, h.first[0] ? "; " : "",
		     h.first);
}

void bh_claim_foreign(struct bh_claims *c, _unused_ const struct bh_claim *row,
		      struct bh_claim_result *ret)
{
	const struct bh_claims_agent *a = &c->opts.agent;
	struct bh_claim_foreign f = {0};
	int r = a->foreign ? a->foreign(a->ctx, &f) : -ENOSYS;

	if (!bh_claim_got(ret, "BPF_PROG_GET_NEXT_ID", r))
		return;
	if (f.bypass[0])
		bh_claim_say(ret, BH_CLAIM_BAD, "%.60s goes around every hook", f.bypass);
	else if (f.others)
		bh_claim_say(ret, BH_CLAIM_UNKNOWN, "%zu ours, %zu others: %.110s", f.own, f.others,
			     f.some);
	else
		bh_claim_say(ret, BH_CLAIM_GOOD, "%zu, all ours", f.own);
}

/* --- who looks into the agent -------------------------------------------------------------------- */

/* The number behind "TracerPid:\t". Return: 0, -EBADMSG. */
static int tracer_of(const char *status, long *ret)
{
	static const char key[] = "\nTracerPid:\t";
	const char *at = strstr(status, key);
	char *end;

	if (!at || at[sizeof(key) - 1] < '0' || at[sizeof(key) - 1] > '9')
		return -EBADMSG;
	*ret = strtol(at + sizeof(key) - 1, &end, 10);
	return *end == '\n' ? 0 : -EBADMSG;
}

/* Which variable lets the dynamic linker put other code into it; NULL: none. */
static const char *preload_of(const char *v, size_t n)
{
	static const char *const names[] = {"LD_PRELOAD=", "LD_AUDIT=", "LD_LIBRARY_PATH="};

	for (size_t at = 0; at < n; at += strnlen(v + at, n - at) + 1)
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (n - at > strlen(names[i]) &&
			    !strncmp(v + at, names[i], strlen(names[i])))
				return names[i];
	return NULL;
}

void bh_claim_debugger(struct bh_claims *c, const struct bh_claim *row, struct bh_claim_result *ret)
{
	static const char started_with[] = "proc/self/environ";
	_cleanup_free_ char *text = malloc(BH_CLAIM_FILE);
	const char *preload;
	long tracer = 0;
	ssize_t n;
	int dumpable = c->opts.calls->dumpable();
	int r = text ? bh_claim_text(c, BH_FS_PROC, row->path, text, BH_CLAIM_FILE) : -ENOMEM;

	if (r == 0)
		r = tracer_of(text, &tracer);
	if (!bh_claim_got(ret, row->path, r))
		return;
	if (tracer) {
		bh_claim_say(ret, BH_CLAIM_BAD, "traced by pid %ld", tracer);
		return;
	}
	n = bh_claim_bytes(c, BH_FS_PROC, started_with, text, BH_CLAIM_FILE);
	if (n < 0) {
		bh_claim_fail(ret, started_with, (int)n);
		return;
	}
	preload = preload_of(text, (size_t)n);
	if (preload) {
		bh_claim_source(ret, started_with);
		bh_claim_say(ret, BH_CLAIM_BAD, "started with %.*s", (int)strlen(preload) - 1,
			     preload);
		return;
	}
	bh_claim_say(ret, BH_CLAIM_GOOD, "not traced, nothing preloaded%s",
		     dumpable > 0 ? ", dumpable" : "");
}
