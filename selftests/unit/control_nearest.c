/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_nearest.c - what explain says when nothing allowed it: the nearest rule of a map, what
 * differs, a rule that would do. Tests explain_nearest.c and words.c, which are pure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>
#include "../../agent/control/explain.h"

#define HEAD                                                                                       \
	"version: 1\nname: shop\nmode: enforce\ndefault: { ingress: deny, egress: deny }\n"        \
	"segments:\n"                                                                              \
	"  web:    { match: { unit: web.service }, labels: { app: shop } }\n"                      \
	"  api:    { match: { unit: api.service }, labels: { app: shop } }\n"                      \
	"  db:     { match: { unit: db.service } }\n"                                              \
	"  cache:  { match: { unit: cache.service } }\n"                                           \
	"  \"no\":   { match: { unit: no.service } }\n"                                            \
	"  office: { match: { cidr: [192.0.2.0/24] } }\n"

static const char shop[] =
	HEAD "allow:\n"
	     "  - { id: web-api,    from: web, to: api, port: tcp/8080-8089 }\n"
	     "  - { id: api-db,     from: api, to: db, port: [tcp/5432, tcp/5433] }\n"
	     "  - { id: office-web, from: office, to: web, port: tcp/443 }\n"
	     "  - { id: names,      from: { labels: { app: shop } }, to: cache, port: udp/53 }\n"
	     "  - { id: ended,      from: web, to: db, port: tcp/5432, until: "
	     "2025-01-01T00:00:00Z }\n"
	     "  - { id: later,      from: web, to: db, port: tcp/5433, until: "
	     "2099-01-01T00:00:00Z }\n"
	     "  - { id: granted,    from: web, to: cache, port: tcp/6379, jit: { max: 1h } }\n"
	     "  - { id: ping,       from: office, to: any, port: icmp/echo-request }\n"
	     "  - { id: web-api-2,  from: db, to: cache, port: tcp/1 }\n"
	     "deny:\n"
	     "  - { id: no-telnet,  from: any, to: db, port: tcp/23 }\n"
	     "failsafe:\n"
	     "  - { from: { cidr: [198.51.100.0/28] }, port: tcp/22 }\n";

static struct bh_map *parse(const char *text)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_map *map = NULL;

	(void)bh_map_parse("shop.yaml", text, strlen(text), &d, &map);
	for (size_t i = 0; !map && i < d.n; i++)
		if (d.list[i].severity == BH_ERROR)
			fail_msg("line %d: %s", d.list[i].line, d.list[i].text);
	assert_non_null(map);
	return map;
}

static size_t segment(const struct bh_map *map, const char *name)
{
	for (size_t i = 0; i < map->n_segment; i++)
		if (!strcmp(map->segment[i].name, name))
			return i;
	fail_msg("no segment %s", name);
	return 0;
}

static struct bh_ask ask_of(const char *proto, unsigned int port)
{
	struct bh_fault fault;
	struct bh_ask ask;

	if (bh_ask_parse(proto, port, &ask, &fault) < 0)
		fail_msg("%s: %s", proto, fault.text);
	return ask;
}

/* --- the nearest rule ------------------------------------------------------------------------- */

static void nearest(_unused_ void **state)
{
	static const struct {
		const char *from, *to, *proto;
		unsigned int port;
		const char *rule;
		unsigned int differs;
		const char *words;
	} rows[] = {
		{"web", "api", "tcp", 9000, "web-api", BH_DIFFERS_PORT, "port (tcp/8080-8089)"},
		{"web", "api", "tcp", 8090, "web-api", BH_DIFFERS_PORT, "port (tcp/8080-8089)"},
		{"web", "api", "udp", 8089, "web-api", BH_DIFFERS_PROTO,
		 "protocol (tcp/8080-8089)"},
		{"web", "api", "udp", 1, "web-api", BH_DIFFERS_PORT | BH_DIFFERS_PROTO,
		 "protocol (tcp/8080-8089)"},
		{"api", "web", "tcp", 8080, "web-api", BH_DIFFERS_DIRECTION,
		 "direction (web to api)"},
		{"api", "web", "tcp", 80, "web-api", BH_DIFFERS_DIRECTION | BH_DIFFERS_PORT,
		 "direction (web to api), port (tcp/8080-8089)"},
		{"cache", "db", "tcp", 5433, "api-db", BH_DIFFERS_FROM, "from (api)"},
		{"api", "office", "tcp", 5432, "api-db", BH_DIFFERS_TO, "to (db)"},
		/* a label selector */
		{"web", "cache", "tcp", 53, "names", BH_DIFFERS_PROTO, "protocol (udp/53)"},
		{"no", "cache", "udp", 53, "names", BH_DIFFERS_FROM, "from (api, web)"},
		/* conditions: nearer than another port */
		{"web", "db", "tcp", 5432, "ended", BH_DIFFERS_UNTIL,
		 "until (ended 2025-01-01T00:00:00Z)"},
		{"web", "db", "tcp", 1, "ended", BH_DIFFERS_PORT | BH_DIFFERS_UNTIL,
		 "port (tcp/5432), until (ended 2025-01-01T00:00:00Z)"},
		{"web", "cache", "tcp", 6379, "granted", BH_DIFFERS_JIT,
		 "jit (nobody was granted it)"},
		/* ICMP has no port that could be the same as one of TCP */
		{"office", "web", "icmp/echo-reply", 0, "ping", BH_DIFFERS_PORT,
		 "port (icmp/echo-request)"},
		{"web", "office", "icmp/echo-request", 0, "ping", BH_DIFFERS_DIRECTION,
		 "direction (office to any)"},
		{"cache", "web", "icmp/echo-request", 0, "ping", BH_DIFFERS_FROM, "from (office)"},
		/* `any` at one end alone is not near; a deny and a failsafe never are */
		{"no", "no", "tcp", 1, NULL, 0, NULL},
		{"no", "web", "tcp", 22, "office-web", BH_DIFFERS_FROM | BH_DIFFERS_PORT,
		 "from (office), port (tcp/443)"},
		{"office", "no", "tcp", 443, "office-web", BH_DIFFERS_TO, "to (web)"},
		/* nothing names it at either end */
		{"world", "host", "tcp", 443, NULL, 0, NULL},
	};
	_cleanup_(bh_map_freep) struct bh_map *map = parse(shop);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bh_ask ask = ask_of(rows[i].proto, rows[i].port);
		struct bh_near_ask q = {
			.map = map,
			.from = segment(map, rows[i].from),
			.to = segment(map, rows[i].to),
			.ask = &ask,
			.now_s = 1767225600, /* 2026-01-01 */
		};
		unsigned int differs = 0;
		const struct bh_rule_src *rule = bh_rule_nearest(&q, &differs);
		json_auto_t *list = NULL;
		char words[200] = "";

		if (!rule != !rows[i].rule || (rule && strcmp(rule->id, rows[i].rule) != 0) ||
		    differs != rows[i].differs)
			fail_msg("row %zu: %s, differs %u", i, rule ? rule->id : "none", differs);
		if (!rule)
			continue;
		list = bh_differs_json(map, rule, differs);
		for (size_t j = 0; j < json_array_size(list); j++) {
			strcat(words, j ? ", " : "");
			strcat(words, json_string_value(json_array_get(list, j)));
		}
		assert_string_equal(words, rows[i].words);
	}
}

/* The first one in the file, of those that are equally near. */
static void the_first(_unused_ void **state)
{
	_cleanup_(bh_map_freep) struct bh_map *map =
		parse(HEAD "allow:\n"
			   "  - { id: second, from: web, to: db, port: tcp/2 }\n"
			   "  - { id: first, from: web, to: db, port: tcp/1 }\n");
	struct bh_ask ask = ask_of("tcp", 3);
	struct bh_near_ask q = {
		.map = map, .from = segment(map, "web"), .to = segment(map, "db"), .ask = &ask};
	unsigned int differs = 0;

	assert_string_equal(bh_rule_nearest(&q, &differs)->id, "second");
}

static void long_lists_are_cut(_unused_ void **state)
{
	_cleanup_(bh_map_freep) struct bh_map *map = parse(
		HEAD "allow:\n"
		     "  - { id: many, from: web, to: db, port: [tcp/1, tcp/2, tcp/3, tcp/4, tcp/5, "
		     "tcp/6, tcp/7, tcp/8] }\n");
	json_auto_t *list = bh_differs_json(map, &map->rule[0], BH_DIFFERS_PORT);

	assert_string_equal(json_string_value(json_array_get(list, 0)),
			    "port (tcp/1, tcp/2, tcp/3, tcp/4, tcp/5, tcp/6 and 2 more)");
}

static void no_rules(_unused_ void **state)
{
	_cleanup_(bh_map_freep) struct bh_map *map = parse(HEAD);
	struct bh_ask ask = ask_of("tcp", 3);
	struct bh_near_ask q = {.map = map, .from = 3, .to = 4, .ask = &ask};
	unsigned int differs = 77;

	assert_null(bh_rule_nearest(&q, &differs));
	assert_int_equal(differs, 77);
}

/* --- a rule that would do --------------------------------------------------------------------- */

/* What is suggested must be a rule of this map, and the one that was asked for. */
static void suggestions_hold(_unused_ void **state)
{
	static const struct {
		const char *from, *to, *proto;
		unsigned int port;
		const char *id;
	} rows[] = {
		{"web", "db", "tcp", 80, "web-db-80"},
		{"web", "api", "tcp", 2, "web-api-2-2"}, /* there is a web-api-2 */
		{"no", "no", "udplite", 65535, "no-no-65535"},
		{"office", "host", "icmp/destination-unreachable", 0,
		 "office-host-destination-unreac"},
		{"office", "host", "icmp/neighbor-solicitation", 0,
		 "office-host-neighbor-solicitat"},
		{"web", "world", "proto/47", 0, "web-world-47"},
	};
	_cleanup_(bh_map_freep) struct bh_map *map = parse(shop);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bh_ask ask = ask_of(rows[i].proto, rows[i].port);
		struct bh_near_ask q = {
			.map = map,
			.from = segment(map, rows[i].from),
			.to = segment(map, rows[i].to),
			.ask = &ask,
		};
		_cleanup_free_ char *line = bh_rule_suggest(&q), *text = NULL;
		_cleanup_(bh_map_freep) struct bh_map *again = NULL;
		const char *at = strstr(shop, "deny:\n");
		const struct bh_rule_src *rule;
		unsigned int differs = 0;

		assert_true(asprintf(&text, "%.*s  %s\n%s", (int)(at - shop), shop, line, at) > 0);
		again = parse(text);
		q.map = again;
		rule = &again->rule[9];
		assert_string_equal(rule->id, rows[i].id);
		assert_int_equal(rule->from.n_seg, 1);
		assert_int_equal(rule->from.seg[0], q.from);
		assert_int_equal(rule->to.seg[0], q.to);
		/* it fits, so it is not among those that almost do */
		rule = bh_rule_nearest(&q, &differs);
		assert_true(!rule || strcmp(rule->id, rows[i].id) != 0);
	}
}

/* Two names of 63 letters make an id that is still one. */
static void long_names(_unused_ void **state)
{
	char text[2000], name[64];
	_cleanup_(bh_map_freep) struct bh_map *map = NULL, *again = NULL;
	struct bh_ask ask = ask_of("icmp/destination-unreachable", 0);
	struct bh_near_ask q = {.from = 3, .to = 3, .ask = &ask};
	_cleanup_free_ char *line = NULL;
	size_t n;

	memset(name, 'a', 63);
	name[63] = '\0';
	n = (size_t)snprintf(
		text, sizeof(text),
		"version: 1\nname: x\nmode: enforce\ndefault: { ingress: deny, egress: deny }\n"
		"segments:\n  %s: { match: { unit: a.service } }\n",
		name);
	q.map = map = parse(text);
	line = bh_rule_suggest(&q);
	snprintf(text + n, sizeof(text) - n, "allow:\n  %s\n", line);
	again = parse(text);
	assert_int_equal(again->n_rule, 1);
	assert_in_range(strlen(again->rule[0].id), 1, 63);
}

/* --- words -------------------------------------------------------------------------------------- */

static void questions(_unused_ void **state)
{
	static const struct {
		const char *proto;
		unsigned int port;
		const char *word; /* NULL: refused */
	} rows[] = {
		{"tcp", 443, "tcp/443"},
		{"udp", 65535, "udp/65535"},
		{"udplite", 1, "udplite/1"},
		{"icmp/echo-request", 0, "icmp/echo-request"},
		{"icmp/neighbor-solicitation", 0, "icmp/neighbor-solicitation"},
		{"proto/47", 0, "proto/47"},
		{"tcp", 0, NULL},
		{"icmp", 0, NULL},
		{"icmp/echo-request", 1, NULL},
		{"icmp/nonsense", 0, NULL},
		{"proto/47", 7, NULL},
		{"proto/6", 0, NULL},
		{"proto/256", 0, NULL},
		{"proto/", 0, NULL},
		{"tcp/80", 0, NULL},
		{"any", 0, NULL},
		{"TCP", 80, NULL},
		{"", 0, NULL},
		{"tcp\n", 80, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bh_fault fault;
		struct bh_ask ask = {0};
		char word[BH_PROTO_WORD];
		int r = bh_ask_parse(rows[i].proto, rows[i].port, &ask, &fault);

		if ((r == 0) != (rows[i].word != NULL))
			fail_msg("row %zu: %d", i, r);
		if (r == 0)
			assert_string_equal(bh_ask_word(&ask, word), rows[i].word);
		else
			assert_true(*fault.text);
	}
}

static void families(_unused_ void **state)
{
	struct bh_ask echo = ask_of("icmp/echo-request", 0);
	struct bh_ask six = ask_of("icmp/neighbor-solicitation", 0);
	struct bh_ask four = ask_of("icmp/timestamp-request", 0), tcp = ask_of("tcp", 1);

	assert_int_equal(echo.proto, 1);
	assert_int_equal(echo.port, 8 << 8);
	assert_true(bh_ask_set_family(&echo, true));
	assert_int_equal(echo.proto, 58);
	assert_int_equal(echo.port, 128 << 8);
	assert_int_equal(six.proto, 58);
	assert_false(bh_ask_set_family(&six, false));
	assert_false(bh_ask_set_family(&four, true));
	assert_true(bh_ask_set_family(&tcp, true));
	assert_int_equal(tcp.proto, 6);
}

static void lines(_unused_ void **state)
{
	_cleanup_(bh_map_freep) struct bh_map *map = parse(HEAD);
	json_auto_t *first = bh_map_line_json(map, 1), *last = NULL;

	assert_string_equal(json_string_value(first), "version: 1");
	last = bh_map_line_json(map, 8);
	assert_string_equal(json_string_value(last), "db:     { match: { unit: db.service } }");
	assert_true(json_is_null(bh_map_line_json(map, 0)));
	assert_true(json_is_null(bh_map_line_json(map, -1)));
	assert_true(json_is_null(bh_map_line_json(map, 1000)));
	assert_true(json_is_null(bh_map_line_json(NULL, 1)));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nearest),
		cmocka_unit_test(the_first),
		cmocka_unit_test(no_rules),
		cmocka_unit_test(long_lists_are_cut),
		cmocka_unit_test(suggestions_hold),
		cmocka_unit_test(long_names),
		cmocka_unit_test(questions),
		cmocka_unit_test(families),
		cmocka_unit_test(lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
