/* SPDX-License-Identifier: Apache-2.0 */
/* settings_telemetry.c - `telemetry:` of the settings: where flows and metrics go. See settings.h. */
#include <arpa/inet.h>
#include <string.h>
#include "internal.h"
#include "settings.h"

/* By enum bh_event_type; 0 is nothing that happens. */
const char *const bh_settings_events[] = {"",	 "begin",  "deny", "would_deny",
					  "end", "update", "alert"};
const size_t bh_n_settings_events = ARRAY_SIZE(bh_settings_events);
_Static_assert(ARRAY_SIZE(bh_settings_events) == BH_EVENT_TYPES, "a word for each type of event");

/* --- values --------------------------------------------------------------------------------- */

/* "none" alone is the empty list. */
static void want_events(struct bh_parse *p, const struct bh_yaml *y, __u32 *ret)
{
	__u32 events = BH_SETTINGS_EVENTS_SAID;
	size_t n;

	for (const struct bh_yaml *e = bh_each(y, &n); e && n; e = e->next, n--) {
		int i = bh_want_one_of(p, e, bh_settings_events + 1, bh_n_settings_events - 1);

		if (i >= 0)
			events |= 1u << (i + 1);
	}
	*ret = events;
}

static bool read_port(const char *s, __u16 *ret)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (*s < '0' || *s > '9' || *end || !n || n > 65535)
		return false;
	*ret = (__u16)n;
	return true;
}

/* "192.0.2.1", "192.0.2.1:4739", "[2001:db8::1]:4739", "2001:db8::1". No port: @port. */
static bool read_end(const char *s, __u16 port, struct bh_settings_end *ret)
{
	const char *colon = strrchr(s, ':');
	bool brackets = *s == '[', one = colon && strchr(s, ':') == colon;
	char host[INET6_ADDRSTRLEN + 2];
	struct bh_addr a = {.b = {[10] = 0xff, [11] = 0xff}};
	size_t len = strlen(s);

	ret->port = port;
	if (brackets) {
		const char *close = strchr(s, ']');

		if (!close || (close[1] && (close[1] != ':' || !read_port(close + 2, &ret->port))))
			return false;
		len = (size_t)(close - ++s);
	} else if (one) {
		len = (size_t)(colon - s);
		if (!read_port(colon + 1, &ret->port))
			return false;
	}
	if (len >= sizeof(host))
		return false;
	memcpy(host, s, len);
	host[len] = '\0';
	if (brackets || inet_pton(AF_INET, host, a.b + 12) != 1) {
		if (inet_pton(AF_INET6, host, a.b) != 1)
			return false;
	}
	ret->addr = a;
	return true;
}

static void want_end(struct bh_parse *p, const struct bh_yaml *y, __u16 port, const char *help,
		     struct bh_settings_end *ret)
{
	const char *s = bh_want_text(p, y);
	struct bh_settings_end end;

	if (!s)
		return;
	if (!read_end(s, port, &end) || !end.port)
		bh_parse_error(p, y, help, "'" BH_WORD "' is no address with a port", s);
	else
		*ret = end;
}

static bool is_loopback(const struct bh_addr *a)
{
	static const __u8 v4[12] = {[10] = 0xff, [11] = 0xff}, one[16] = {[15] = 1};

	return (!memcmp(a->b, v4, sizeof(v4)) && a->b[12] == 127) || !memcmp(a->b, one, 16);
}

/* --- file ----------------------------------------------------------------------------------- */

static void file_path(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_settings_path(p, y, &((struct bh_settings_telemetry *)obj)->file.path);
}

static void file_max_bytes(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	(void)bh_want_number(p, y, BH_SETTINGS_FLOWS_MIN_BYTES, BH_SETTINGS_FLOWS_MAX_BYTES,
			     &((struct bh_settings_telemetry *)obj)->file.max_bytes);
}

static void file_keep(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	(void)bh_want_number(p, y, 1, BH_SETTINGS_FLOWS_KEEP_MAX,
			     &((struct bh_settings_telemetry *)obj)->file.keep);
}

static void file_events(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	want_events(p, y, &((struct bh_settings_telemetry *)obj)->file.events);
}

static const struct bh_key file_keys[] = {
	{"path", file_path, false},
	{"max_bytes", file_max_bytes, false},
	{"keep", file_keep, false},
	{"events", file_events, false},
};
const struct bh_keys bh_keys_flow_file = {"`file`", file_keys, ARRAY_SIZE(file_keys)};

static void set_file(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	if (bh_want_map(p, y, "{ path: /var/log/bulkhead/flows.jsonl }"))
		bh_parse_keys(p, y, &bh_keys_flow_file, obj);
}

/* --- journal -------------------------------------------------------------------------------- */

static void journal_events(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	want_events(p, y, &((struct bh_settings_telemetry *)obj)->journal.events);
}

static const struct bh_key journal_keys[] = {{"events", journal_events, true}};
const struct bh_keys bh_keys_flow_journal = {"`journal`", journal_keys, ARRAY_SIZE(journal_keys)};

static void set_journal(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	if (bh_want_map(p, y, "{ events: [deny, would_deny] }"))
		bh_parse_keys(p, y, &bh_keys_flow_journal, obj);
}

/* --- metrics -------------------------------------------------------------------------------- */

static void metrics_file(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_settings_path(p, y, &((struct bh_settings_telemetry *)obj)->metrics.file);
}

static void metrics_listen(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct bh_settings_telemetry *t = obj;
	struct bh_settings_end end = {0};

	want_end(p, y, 0, "127.0.0.1:9469", &end);
	if (end.port && !is_loopback(&end.addr))
		bh_parse_error(p, y, "127.0.0.1:9469; who is elsewhere comes by a proxy",
			       "metrics are served on loopback only");
	else
		t->metrics.listen = end;
}

static const struct bh_key metrics_keys[] = {
	{"file", metrics_file, false},
	{"listen", metrics_listen, false},
};
const struct bh_keys bh_keys_metrics = {"`metrics`", metrics_keys, ARRAY_SIZE(metrics_keys)};

static void set_metrics(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	if (bh_want_map(p, y, "{ listen: \"127.0.0.1:9469\" }"))
		bh_parse_keys(p, y, &bh_keys_metrics, obj);
}

/* --- ipfix ---------------------------------------------------------------------------------- */

static void ipfix_collector(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	want_end(p, y, BH_SETTINGS_IPFIX_PORT, "192.0.2.7:4739, or [2001:db8::7]:4739",
		 &((struct bh_settings_telemetry *)obj)->ipfix.collector);
}

static void ipfix_domain(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	(void)bh_want_number(p, y, 1, 0xffffffffu,
			     &((struct bh_settings_telemetry *)obj)->ipfix.domain);
}

static void ipfix_events(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	want_events(p, y, &((struct bh_settings_telemetry *)obj)->ipfix.events);
}

static const struct bh_key ipfix_keys[] = {
	{"collector", ipfix_collector, true},
	{"domain", ipfix_domain, false},
	{"events", ipfix_events, false},
};
const struct bh_keys bh_keys_ipfix = {"`ipfix`", ipfix_keys, ARRAY_SIZE(ipfix_keys)};

static void set_ipfix(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	if (bh_want_map(p, y, "{ collector: 192.0.2.7:4739 }"))
		bh_parse_keys(p, y, &bh_keys_ipfix, obj);
}

/* --- the top -------------------------------------------------------------------------------- */

static void set_update(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_settings_span(p, y, BH_SETTINGS_UPDATE_MAX_S,
			 &((struct bh_settings_telemetry *)obj)->update_s);
}

static const struct bh_key keys[] = {
	{"update", set_update, false},	 {"file", set_file, false},
	{"journal", set_journal, false}, {"metrics", set_metrics, false},
	{"ipfix", set_ipfix, false},
};
const struct bh_keys bh_keys_telemetry = {"`telemetry`", keys, ARRAY_SIZE(keys)};

void bh_settings_telemetry(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	if (bh_want_map(p, y, "{ file: { keep: 8 } }"))
		bh_parse_keys(p, y, &bh_keys_telemetry, &((struct bh_settings *)obj)->telemetry);
}
