/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_metrics.c - metrics of an agent on a kernel side that is not there: what is counted, what
 * is wrong and can be alerted on, how many rules have a line. Read by who reads them: e2e/metrics.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "verbrig.h"
#include "../../agent/control/metrics.h"
#include "../../agent/telemetry/telemetry.h"

#define MAP                                                                                        \
	"version: 1\\nname: shop\\nmode: enforce\\n"                                               \
	"default: { ingress: deny, egress: deny }\\n"                                              \
	"segments:\\n  web: { match: { unit: nginx.service } }\\n"                                 \
	"failsafe:\\n  - { id: desk, from: { cidr: [10.0.0.1/32] }, port: tcp/22 }\\n"

static int setup(void **state)
{
	struct bh_agent *a = verb_agent_new();

	open_audit(a);
	fake.hook[0] = (struct bh_hook_state){"cgroup/connect4", "attached", true, 41};
	fake.hook[1] = (struct bh_hook_state){"xdp lo", "generic", true, 7};
	fake.n_hook = 2;
	a->nic = calloc(1, sizeof(*a->nic));
	a->n_nic = 1;
	a->nic[0] = (struct bh_nic_row){.ifindex = 1, .name = "lo", .ok = true};
	a->metrics = bh_metrics_new(a);
	assert_non_null(a->metrics);
	apply(a, MAP);
	*state = a;
	return 0;
}

static int end(void **state)
{
	struct bh_agent *a = *state;

	bh_metrics_free(a->metrics);
	return teardown(state);
}

static char *text_of(struct bh_agent *a, bool file)
{
	char *text = NULL;
	size_t n = 0;

	assert_int_equal(bh_metrics_text(a->metrics, file, &text, &n), 0);
	assert_int_equal(strlen(text), n);
	return text;
}

/* "name{labels} value" is a line. */
static bool has(struct bh_agent *a, const char *line)
{
	_cleanup_free_ char *text = text_of(a, false), *want = NULL;

	assert_true(asprintf(&want, "\n%s\n", line) > 0);
	return strstr(text, want) != NULL;
}

#define HAS(a, line)                                                                               \
	do {                                                                                       \
		if (!has(a, line))                                                                 \
			fail_msg("no line: %s", line);                                             \
	} while (0)

static void event(struct bh_agent *a, int type, int dir, int reason, __u32 suppressed)
{
	const struct bh_event ev = {.type = (__u8)type,
				    .dir = (__u8)dir,
				    .reason = (__u16)reason,
				    .suppressed = suppressed};

	bh_metrics_event(a->metrics, &ev);
}

/* --- the tests ------------------------------------------------------------------------------- */

static void all_is_well(void **state)
{
	HAS(*state, "bulkhead_healthy 1");
	HAS(*state, "bulkhead_state{state=\"enforcing\"} 1");
	HAS(*state, "bulkhead_state{state=\"degraded\"} 0");
	HAS(*state, "bulkhead_policy_generation 1");
	HAS(*state, "bulkhead_policy_mode{mode=\"enforce\"} 1");
	HAS(*state, "bulkhead_policy_apply_total{result=\"applied\"} 1");
	HAS(*state, "bulkhead_policy_apply_timestamp_seconds 1767225600.000");
	HAS(*state, "bulkhead_enforcement_attached{hook=\"cgroup/connect4\",dev=\"\"} 1");
	HAS(*state, "bulkhead_enforcement_attached{hook=\"xdp\",dev=\"lo\"} 1");
	HAS(*state, "bulkhead_emergency_end_timestamp_seconds 0.000");
}

static void flows(void **state)
{
	struct bh_agent *a = *state;

	event(a, BH_EVENT_BEGIN, BH_IN, BH_R_ALLOW, 0);
	event(a, BH_EVENT_BEGIN, BH_OUT, BH_R_ALLOW, 0);
	event(a, BH_EVENT_END, BH_OUT, BH_R_ALLOW, 0);
	event(a, BH_EVENT_UPDATE, BH_OUT, BH_R_ALLOW, 0);
	event(a, BH_EVENT_DENY, BH_OUT, BH_R_DEFAULT_DENY, 0);
	/* and nine alike that were not told */
	event(a, BH_EVENT_DENY, BH_OUT, BH_R_DEFAULT_DENY, 9);
	event(a, BH_EVENT_WOULD_DENY, BH_IN, BH_R_DEFAULT_DENY, 0);
	event(a, BH_EVENT_DENY, BH_IN, BH_R_NO_TABLE, 0);
	HAS(a, "bulkhead_flows_total{direction=\"ingress\",verdict=\"allowed\"} 1");
	HAS(a, "bulkhead_flows_total{direction=\"egress\",verdict=\"allowed\"} 1");
	HAS(a, "bulkhead_flows_total{direction=\"egress\",verdict=\"denied\"} 11");
	HAS(a, "bulkhead_flows_total{direction=\"ingress\",verdict=\"audited\"} 1");
	HAS(a, "bulkhead_flows_total{direction=\"ingress\",verdict=\"error\"} 1");
	HAS(a, "bulkhead_flows_total{direction=\"ingress\",verdict=\"denied\"} 0");
	HAS(a, "bulkhead_flows_ended_total{direction=\"egress\"} 1");
	HAS(a, "bulkhead_denied_flows_total{direction=\"egress\",reason=\"default_deny\"} 11");
	HAS(a, "bulkhead_denied_flows_total{direction=\"ingress\",reason=\"no_table\"} 1");
}

static void packets(void **state)
{
	struct bh_agent *a = *state;

	fake.reason[BH_R_ALLOW] = (struct bh_count){3, 30};
	fake.reason[BH_R_FAILSAFE] = (struct bh_count){1, 10};
	fake.reason[BH_R_ARP] = (struct bh_count){2, 20};
	fake.reason[BH_R_NO_IDENTITY] = (struct bh_count){5, 50};
	fake.reason[BH_R_LAND] = (struct bh_count){7, 70};
	HAS(a, "bulkhead_packets_total{verdict=\"allowed\"} 4");
	HAS(a, "bulkhead_bytes_total{verdict=\"allowed\"} 40");
	HAS(a, "bulkhead_packets_total{verdict=\"exception\"} 2");
	HAS(a, "bulkhead_bytes_total{verdict=\"denied\"} 120");
	HAS(a, "bulkhead_denied_packets_total{reason=\"no_identity\"} 5");
	HAS(a, "bulkhead_denied_packets_total{reason=\"land\"} 7");
	fake.stat[BH_STAT_EVENTS_LOST] = 4;
	fake.stat[BH_STAT_EVENTS_SUPPRESSED] = 6;
	HAS(a, "bulkhead_telemetry_lost_total{stage=\"kernel\"} 4");
	HAS(a, "bulkhead_telemetry_suppressed_total 6");
}

/* More rules than have a line: what they count is in the sum, and no name comes twice. */
static void rules(void **state)
{
	struct bh_agent *a = *state;
	struct bh_compiled *c = a->live.compiled;
	struct bh_rule_info *was = c->info;
	size_t n = BH_METRICS_RULES_MAX + 100, n_was = c->n_info, rules_was = c->n_rules, lines = 0;
	struct bh_rule_info *info = calloc(n, sizeof(*info));
	_cleanup_free_ char *text = NULL;
	char ids[BH_METRICS_RULES_MAX + 100][16];
	unsigned long long sum = 0, want = 0, value;

	for (size_t i = 0; i < n; i++) {
		snprintf(ids[i], sizeof(ids[i]), i == 7 ? "other" : "rule-%zu", i);
		info[i] = (struct bh_rule_info){.number = (__u32)i + 1, .id = ids[i]};
		want += i + 1;
	}
	c->info = info;
	c->n_info = n;
	c->n_rules = n + 1;
	text = text_of(a, false);
	c->info = was;
	c->n_info = n_was;
	c->n_rules = rules_was;
	free(info);
	for (const char *s = text; (s = strstr(s, "\nbulkhead_rule_hits_total{")); s++, lines++) {
		assert_int_equal(sscanf(strchr(s, '}'), "} %llu", &value), 1);
		sum += value;
	}
	/* one is called as the rest is */
	assert_int_equal(lines, BH_METRICS_RULES_MAX);
	assert_int_equal(sum, want);
	assert_null(strstr(strstr(text, "rule=\"other\"") + 1, "rule=\"other\""));
}

/* Each row of doctor that is not well is a metric: nothing that is wrong can't be alerted on. */
static void problems(void **state)
{
	struct bh_agent *a = *state;
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	const json_t *row;
	size_t i, n = 0;

	strcpy(a->prom_trouble, "metrics can't be written");
	strcpy(a->scrape_trouble, "metrics can't be served");
	strcpy(a->audit_trouble, "the disk is full");
	strcpy(a->nic[0].trouble, "it is in use");
	a->nic[0].ok = false;
	a->locals_lost = true;
	strcpy(a->state_trouble, "it is damaged");
	strcpy(a->users_trouble, "alice is gone");
	strcpy(a->births_trouble, "no watches left");
	strcpy(a->config_trouble, "line 3");
	fake.stat[BH_STAT_EVENTS_LOST] = 5;
	fake.hook[1] = (struct bh_hook_state){"xdp lo", "missing", false, 0};
	fake.open_ns = 60000000000;
	reply = ask(a, "{\"verb\":\"doctor\"}");
	json_array_foreach(json_object_get(reply.data, "checks"), i, row)
	{
		const char *check = json_string_value(json_object_get(row, "check"));
		const char *result = json_string_value(json_object_get(row, "result"));
		int same = !strcmp(check, "metrics") ? 2 : 1;
		char line[200];

		if (!strcmp(result, "ok"))
			continue;
		snprintf(line, sizeof(line), "bulkhead_problems{check=\"%s\",result=\"%s\"} %d",
			 check, result, same);
		HAS(a, line);
		n++;
	}
	assert_true(n >= 10);
	HAS(a, "bulkhead_problems{check=\"identity\",result=\"fail\"} 1");
	HAS(a, "bulkhead_healthy 0");
	HAS(a, "bulkhead_state{state=\"emergency\"} 1");
	HAS(a, "bulkhead_emergency_open 1");
	HAS(a, "bulkhead_policy_mode{mode=\"observe\"} 1");
	HAS(a, "bulkhead_enforcement_attached{hook=\"xdp\",dev=\"lo\"} 0");
}

static void changes(void **state)
{
	struct bh_agent *a = *state;

	expect(a, "{\"verb\":\"apply\",\"args\":{\"file\":\"x\",\"text\":\"nonsense: 1\"}}", 1, "");
	HAS(a, "bulkhead_policy_apply_total{result=\"applied\"} 1");
	HAS(a, "bulkhead_policy_apply_total{result=\"refused\"} 1");
	/* a question is no change */
	expect(a,
	       "{\"verb\":\"apply\",\"args\":{" FORCED
	       "\"dry_run\":true,\"file\":\"x\",\"text\":\"" MAP "\"}}",
	       0, "");
	HAS(a, "bulkhead_policy_apply_total{result=\"applied\"} 1");
	expect(a, "{\"verb\":\"emergency\",\"args\":{\"action\":\"open\",\"reason\":\"\"}}", 2, "");
	HAS(a, "bulkhead_emergencies_opened_total 0");
	expect(a, "{\"verb\":\"emergency\",\"args\":{\"action\":\"open\",\"reason\":\"x\"}}", 0,
	       "");
	HAS(a, "bulkhead_emergencies_opened_total 1");
	expect(a, "{\"verb\":\"emergency\",\"args\":{\"action\":\"close\"}}", 0, "");
	HAS(a, "bulkhead_emergencies_opened_total 1");
	HAS(a, "bulkhead_emergency_open 0");
}

static void sink_flow(_unused_ struct bh_sink *s, _unused_ const struct bh_flow *flow)
{
}

static void sink_close(_unused_ struct bh_sink *s)
{
}

static void sinks(void **state)
{
	static const struct bh_sink_ops ops = {
		.name = "ipfix", .flow = sink_flow, .close = sink_close};
	struct bh_agent *a = *state;
	struct bh_sink s = {.ops = &ops, .count = {.taken = 9, .written = 6, .lost = 2}};

	a->telemetry = bh_telemetry_new();
	assert_int_equal(bh_telemetry_add(a->telemetry, &s), 0);
	HAS(a, "bulkhead_sink_taken_total{sink=\"ipfix\"} 9");
	HAS(a, "bulkhead_sink_written_total{sink=\"ipfix\"} 6");
	HAS(a, "bulkhead_sink_lost_total{sink=\"ipfix\"} 2");
	HAS(a, "bulkhead_sink_up{sink=\"ipfix\"} 1");
	strcpy(s.trouble, "the collector is down");
	HAS(a, "bulkhead_sink_up{sink=\"ipfix\"} 0");
	bh_telemetry_free(a->telemetry);
	a->telemetry = NULL;
}

/* node_exporter has process_* of its own and answers nobody when a file has them, too. */
static void names_of_the_process(void **state)
{
	_cleanup_free_ char *http = text_of(*state, false), *file = text_of(*state, true);

	assert_non_null(strstr(http, "\nprocess_open_fds "));
	assert_null(strstr(file, "\nprocess_"));
	assert_non_null(strstr(file, "\nbulkhead_process_open_fds "));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_is_well), TEST(flows),	  TEST(packets), TEST(rules),
		TEST(problems),	   TEST(changes), TEST(sinks),	 TEST(names_of_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
