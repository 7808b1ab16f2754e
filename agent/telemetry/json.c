/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - see json.h: the keys of a record, in their order. */
#include <limits.h>
#include <netinet/in.h>
#include <time.h>
#include "json.h"
#include "passwd.h"
#include "put.h"
#include "tell.h"

#define HOST_MAX    64
#define REASON_TEXT 24

struct bh_json {
	struct bh_passwd *passwd;
	char host[6 * HOST_MAX + 3]; /* JSON text */
	size_t host_bytes;
	__s64 wall_off_ns; /* wall time - boot time */
	char reason[BH_REASON_MAX][REASON_TEXT];
};

/* --- what seldom changes ------------------------------------------------------------------------ */

#define NAME_LINE(number, name, class, text) [number] = #name,

static void name_reasons(struct bh_json *j)
{
	static const char *const names[BH_REASON_MAX] = {BH_REASON_LIST(NAME_LINE)};

	for (size_t i = 0; i < BH_REASON_MAX; i++) {
		char *to = j->reason[i];

		for (const char *s = names[i]; s && *s && to < &j->reason[i][REASON_TEXT - 1]; s++)
			*to++ = (char)(*s >= 'A' && *s <= 'Z' ? *s - 'A' + 'a' : *s);
		if (!names[i])
			snprintf(to, REASON_TEXT, "reason_%zu", i);
	}
}

struct bh_json *bh_json_new(const char *passwd)
{
	struct bh_json *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->passwd = bh_passwd_new(passwd);
	if (!j->passwd) {
		free(j);
		return NULL;
	}
	name_reasons(j);
	bh_json_look(j);
	return j;
}

void bh_json_free(struct bh_json *j)
{
	if (!j)
		return;
	bh_passwd_free(j->passwd);
	free(j);
}

void bh_json_set(struct bh_json *j, const char *host, __s64 wall_ns, __u64 boot_ns)
{
	char *end = bh_put_text(j->host, host, HOST_MAX);

	*end = '\0';
	j->host_bytes = (size_t)(end - j->host);
	j->wall_off_ns = wall_ns - (__s64)boot_ns;
}

static __s64 clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (__s64)t.tv_sec * 1000000000 + t.tv_nsec;
}

void bh_json_look(struct bh_json *j)
{
	char host[HOST_NAME_MAX + 1] = "";

	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	bh_json_set(j, host, clock_ns(CLOCK_REALTIME), (__u64)clock_ns(CLOCK_BOOTTIME));
	bh_passwd_look(j->passwd);
}

const char *bh_json_host(const struct bh_json *j)
{
	return j->host;
}

/* --- words --------------------------------------------------------------------------------------- */

static char *put_name(char *to, const char *name)
{
	return name ? bh_put_text(to, name, BH_JSON_NAME_MAX) : BH_PUT(to, "null");
}

/* 0 is nobody's. */
static char *put_number(char *to, __u64 n)
{
	return n ? bh_put_u64(to, n) : BH_PUT(to, "null");
}

static bool is_icmp(const struct bh_event *ev)
{
	return ev->proto == IPPROTO_ICMP || ev->proto == IPPROTO_ICMPV6;
}

static char *put_proto(char *to, const struct bh_event *ev)
{
	switch (ev->proto) {
	case IPPROTO_TCP:
		return BH_PUT(to, "\"tcp\"");
	case IPPROTO_UDP:
		return BH_PUT(to, "\"udp\"");
	case IPPROTO_UDPLITE:
		return BH_PUT(to, "\"udplite\"");
	case IPPROTO_ICMP:
		return BH_PUT(to, "\"icmp\"");
	case IPPROTO_ICMPV6:
		return BH_PUT(to, "\"icmp6\"");
	default:
		to = bh_put_u64(BH_PUT(to, "\"proto/"), ev->proto);
		*to++ = '"';
		return to;
	}
}

static char *put_flags(char *to, const struct bh_event *ev)
{
	static const char letters[] = "FSRPAUEC";

	if (ev->proto != IPPROTO_TCP || !ev->tcp_flags)
		return BH_PUT(to, "null");
	*to++ = '"';
	for (int i = 0; letters[i]; i++)
		if (ev->tcp_flags & 1u << i)
			*to++ = letters[i];
	*to++ = '"';
	return to;
}

/* --- a flow -------------------------------------------------------------------------------------- */

static __u64 mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

static __u64 half(const struct bh_addr *a, size_t at)
{
	__u64 word;

	memcpy(&word, a->b + at, sizeof(word));
	return word;
}

/* The same for all that is told of a flow on this host. */
static __u64 flow_id(const struct bh_event *ev)
{
	__u64 hash = mix(ev->cgid, ev->begin_ns ? ev->begin_ns : ev->time_ns);

	hash = mix(mix(hash, half(&ev->local_addr, 0)), half(&ev->local_addr, 8));
	hash = mix(mix(hash, half(&ev->remote_addr, 0)), half(&ev->remote_addr, 8));
	return mix(hash, (__u64)ev->local_port << 32 | (__u64)ev->remote_port << 16 |
				 (__u64)ev->proto << 8 | ev->dir);
}

static char *put_end(char *to, const struct bh_addr *addr, __u16 port, __u32 identity,
		     const char *segment)
{
	to = bh_put_addr(BH_PUT(to, "{\"ip\":"), addr);
	to = bh_put_u64(BH_PUT(to, ",\"port\":"), port);
	to = put_number(BH_PUT(to, ",\"identity\":"), identity);
	return put_name(BH_PUT(to, ",\"segment\":"), segment);
}

static char *put_process(const struct bh_json *j, char *to, const struct bh_event *ev)
{
	to = put_number(BH_PUT(to, ",\"pid\":"), ev->pid);
	to = BH_PUT(to, ",\"comm\":");
	to = ev->comm[0] ? bh_put_text(to, ev->comm, strnlen(ev->comm, sizeof(ev->comm)))
			 : BH_PUT(to, "null");
	to = BH_PUT(to, ",\"uid\":");
	/* (uid_t)-1: not known */
	if (ev->uid == UINT32_MAX)
		return BH_PUT(to, "null,\"user\":null");
	to = bh_put_u64(to, ev->uid);
	return put_name(BH_PUT(to, ",\"user\":"), bh_passwd_name(j->passwd, ev->uid));
}

static char *put_local(const struct bh_json *j, char *to, const struct bh_flow *flow)
{
	const struct bh_event *ev = &flow->ev;
	const char *unit;
	size_t n = bh_tell_unit_in(flow->cgroup, &unit);

	to = put_end(to, &ev->local_addr, ev->local_port, ev->local, flow->local);
	to = BH_PUT(to, ",\"unit\":");
	to = n ? bh_put_text(to, unit, MIN(n, (size_t)BH_JSON_NAME_MAX)) : BH_PUT(to, "null");
	to = put_process(j, to, ev);
	*to++ = '}';
	return to;
}

static char *put_remote(char *to, const struct bh_flow *flow)
{
	const struct bh_event *ev = &flow->ev;

	to = put_end(to, &ev->remote_addr, ev->remote_port, ev->remote, flow->remote);
	*to++ = '}';
	return to;
}

static char *put_ends(const struct bh_json *j, char *to, const struct bh_flow *flow)
{
	if (flow->ev.dir == BH_OUT) {
		to = BH_PUT(to, ",\"reporter\":\"src\",\"direction\":\"egress\",\"src\":");
		to = put_local(j, to, flow);
		return put_remote(BH_PUT(to, ",\"dst\":"), flow);
	}
	to = BH_PUT(to, ",\"reporter\":\"dst\",\"direction\":\"ingress\",\"src\":");
	to = put_remote(to, flow);
	return put_local(j, BH_PUT(to, ",\"dst\":"), flow);
}

static char *put_wire(char *to, const struct bh_event *ev)
{
	to = put_proto(BH_PUT(to, ",\"proto\":"), ev);
	to = BH_PUT(to, ",\"icmp\":");
	if (is_icmp(ev)) {
		to = bh_put_u64(BH_PUT(to, "{\"type\":"), ev->icmp >> 8);
		to = bh_put_u64(BH_PUT(to, ",\"code\":"), ev->icmp & 0xff);
		*to++ = '}';
	} else {
		to = BH_PUT(to, "null");
	}
	to = put_flags(BH_PUT(to, ",\"tcp_flags\":"), ev);
	to = BH_PUT(to, ",\"encrypted\":");
	/* no payload was seen: that is no word about what it would have been */
	return bh_put_word(to, ev->crypt == BH_CRYPT_NONE ? NULL : bh_flow_crypt(ev));
}

static char *put_judged(const struct bh_json *j, char *to, const struct bh_flow *flow)
{
	const struct bh_event *ev = &flow->ev;

	to = bh_put_word(BH_PUT(to, ",\"verdict\":"),
			 ev->type == BH_EVENT_ALERT ? NULL : bh_tell_verdict_word(ev));
	to = bh_put_word(BH_PUT(to, ",\"would_verdict\":"),
			 bh_tell_verdict(ev) == BH_TELL_AUDITED ? "denied" : NULL);
	to = bh_put_word(BH_PUT(to, ",\"reason\":"), ev->type == BH_EVENT_ALERT ? bh_flow_alert(ev)
						     : ev->reason < BH_REASON_MAX
							     ? j->reason[ev->reason]
							     : "unknown");
	to = put_name(BH_PUT(to, ",\"rule\":"), flow->rule);
	to = bh_put_u64(BH_PUT(to, ",\"generation\":"), ev->gen);
	return bh_put_word(BH_PUT(to, ",\"hook\":"), bh_flow_hook(ev));
}

/* Whatever the kernel side says: no sum of it overflows. */
static __s64 wall(const struct bh_json *j, __u64 boot_ns)
{
	return (__s64)(boot_ns + (__u64)j->wall_off_ns);
}

static char *put_when(const struct bh_json *j, char *to, __u64 boot_ns)
{
	return boot_ns ? bh_put_time(to, wall(j, boot_ns)) : BH_PUT(to, "null");
}

static char *put_counts(const struct bh_json *j, char *to, const struct bh_event *ev)
{
	to = put_when(j, BH_PUT(to, ",\"begin\":"), ev->begin_ns);
	to = put_when(j, BH_PUT(to, ",\"last\":"), ev->last_ns);
	to = bh_put_u64(BH_PUT(to, ",\"packets_out\":"), ev->packets[BH_OUT]);
	to = bh_put_u64(BH_PUT(to, ",\"bytes_out\":"), ev->bytes[BH_OUT]);
	to = bh_put_u64(BH_PUT(to, ",\"packets_in\":"), ev->packets[BH_IN]);
	to = bh_put_u64(BH_PUT(to, ",\"bytes_in\":"), ev->bytes[BH_IN]);
	to = put_number(BH_PUT(to, ",\"rtt_us\":"), ev->rtt_us);
	return bh_put_u64(BH_PUT(to, ",\"suppressed\":"), ev->suppressed);
}

size_t bh_json_flow(const struct bh_json *j, const struct bh_flow *flow, char *ret)
{
	const struct bh_event *ev = &flow->ev;
	char *to = BH_PUT(ret, "{\"schema\":\"" BH_JSON_SCHEMA "\",\"time\":");

	to = bh_put_time(to, wall(j, ev->time_ns));
	to = bh_put_word(BH_PUT(to, ",\"type\":"), bh_flow_type(ev));
	to = bh_put_hex64(BH_PUT(to, ",\"flow_id\":\""), flow_id(ev));
	to = BH_PUT(to, "\",\"host\":");
	memcpy(to, j->host, j->host_bytes);
	to = put_ends(j, to + j->host_bytes, flow);
	to = put_wire(to, ev);
	to = put_judged(j, to, flow);
	to = put_counts(j, to, ev);
	to = BH_PUT(to, "}\n");
	return (size_t)(to - ret);
}
