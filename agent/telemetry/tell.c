/* SPDX-License-Identifier: Apache-2.0 */
/* tell.c - see tell.h. */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include "../base/cleanup.h"
#include "tell.h"

enum bh_tell_verdict bh_tell_verdict(const struct bh_event *ev)
{
	if (ev->type == BH_EVENT_WOULD_DENY)
		return BH_TELL_AUDITED;
	/* a session that only observing let through goes on, and ends, as one */
	if (ev->type != BH_EVENT_DENY)
		return bh_reason_class(ev->reason) == BH_CLASS_DENY ? BH_TELL_AUDITED
								    : BH_TELL_ALLOWED;
	/* the list's last part: what we can't */
	return ev->reason >= BH_R_NO_POLICY ? BH_TELL_ERROR : BH_TELL_DENIED;
}

const char *bh_tell_verdict_word(const struct bh_event *ev)
{
	static const char *const words[] = {
		[BH_TELL_ALLOWED] = "allowed",
		[BH_TELL_DENIED] = "denied",
		[BH_TELL_AUDITED] = "audited",
		[BH_TELL_ERROR] = "error",
	};

	return words[bh_tell_verdict(ev)];
}

/* --- reasons ---------------------------------------------------------------------------------- */

#define NAME(number, name, class, text) [number] = #name,
#define TEXT(number, name, class, text) [number] = text,

const char *bh_tell_reason(__u16 reason)
{
	static const char *const upper[BH_REASON_MAX] = {BH_REASON_LIST(NAME)};
	static char lower[BH_REASON_MAX][32];

	if (reason >= BH_REASON_MAX || !upper[reason])
		return "unknown";
	for (size_t i = 0; i < sizeof(lower[0]) - 1 && upper[reason][i]; i++)
		lower[reason][i] = (char)tolower(upper[reason][i]);
	return lower[reason];
}

const char *bh_tell_reason_text(__u16 reason)
{
	static const char *const text[BH_REASON_MAX] = {BH_REASON_LIST(TEXT)};

	return reason < BH_REASON_MAX && text[reason] ? text[reason] : "the reason is not known";
}

/* --- ends ------------------------------------------------------------------------------------- */

static struct bh_tell_end local_end(const struct bh_flow *flow)
{
	return (struct bh_tell_end){&flow->ev.local_addr, flow->local, flow->ev.local,
				    flow->ev.local_port};
}

static struct bh_tell_end remote_end(const struct bh_flow *flow)
{
	return (struct bh_tell_end){&flow->ev.remote_addr, flow->remote, flow->ev.remote,
				    flow->ev.remote_port};
}

struct bh_tell_end bh_tell_src(const struct bh_flow *flow)
{
	return flow->ev.dir == BH_OUT ? local_end(flow) : remote_end(flow);
}

struct bh_tell_end bh_tell_dst(const struct bh_flow *flow)
{
	return flow->ev.dir == BH_OUT ? remote_end(flow) : local_end(flow);
}

static bool ends_in(const char *s, size_t n, const char *tail)
{
	size_t t = strlen(tail);

	return n > t && !memcmp(s + n - t, tail, t);
}

static bool is_unit(const char *s, size_t n)
{
	static const char *const kind[] = {".service", ".scope", ".socket", ".mount", ".swap"};

	for (size_t i = 0; i < ARRAY_SIZE(kind); i++)
		if (ends_in(s, n, kind[i]))
			return true;
	return false;
}

size_t bh_tell_unit_in(const char *cgroup, const char **ret)
{
	const char *at = cgroup ? cgroup : "";
	size_t found = 0;

	while (*at) {
		size_t n = strcspn(at += strspn(at, "/"), "/");
		bool slice = ends_in(at, n, ".slice");

		if (n && (slice || is_unit(at, n))) {
			*ret = at;
			found = n;
		}
		if (!slice)
			break;
		at += n;
	}
	return found;
}

const char *bh_tell_unit(const char *cgroup, char ret[BH_TELL_UNIT])
{
	const char *at = "";
	size_t n = bh_tell_unit_in(cgroup, &at);

	if (n >= BH_TELL_UNIT)
		n = 0;
	memcpy(ret, at, n);
	ret[n] = '\0';
	return ret;
}

bool bh_tell_is_v4(const struct bh_addr *addr)
{
	static const __u8 mapped[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(addr->b, mapped, sizeof(mapped));
}

const char *bh_tell_addr(const struct bh_addr *addr, char ret[BH_TELL_ADDR])
{
	static const struct bh_addr zero;
	bool v4 = bh_tell_is_v4(addr);
	size_t from = v4 ? 12 : 0;

	ret[0] = '\0';
	if (memcmp(addr->b + from, zero.b, sizeof(zero) - from) != 0)
		(void)inet_ntop(v4 ? AF_INET : AF_INET6, addr->b + from, ret, BH_TELL_ADDR);
	return ret;
}
