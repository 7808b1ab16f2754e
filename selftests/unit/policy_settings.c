/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_settings.c - the agent's own file: what each key becomes, what is said where about each
 * that is not right, and what tells it from a segment map.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../../agent/agent.h"
#include "../../agent/policy/internal.h"
#include "../../agent/policy/settings.h"

static struct bh_settings *parse(const char *text, struct bh_diags *d)
{
	struct bh_settings *s = NULL;
	int r = bh_settings_parse("t", text, strlen(text), d, &s);

	assert_true(r == 0 || r == -EINVAL);
	assert_true((r == 0) == (s != NULL) && (r == 0) == !d->n_errors);
	return s;
}

static struct bh_settings *good(const char *text)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_settings *s = parse(text, &d);

	bh_diags_print(&d, stderr, false);
	assert_non_null(s);
	assert_int_equal(d.n, 0);
	return s;
}

static void test_all_keys(void **state)
{
	_cleanup_(bh_settings_freep) struct bh_settings *s =
		good("version: 1\n"
		     "interfaces: { eth0: native, eth1: off, eth2.7: 'off', lo: tc, a: auto }\n"
		     "take_over: true\n"
		     "without: [tcx, cgroup_mkdir]\n"
		     "log_level: debug\n"
		     "state_dir: /a\nruntime_dir: /b\npin_dir: /c/d\ncgroup_root: /e\n"
		     "confirm: { default: 10m }\n"
		     "emergency: { default: 2h, max: 3h }\n"
		     "audit: { max_bytes: 65536, keep: 3 }\n");
	static const struct {
		const char *name, *mode;
	} nics[] = {{"eth0", "native"},
		    {"eth1", "off"},
		    {"eth2.7", "off"},
		    {"lo", "tc"},
		    {"a", "auto"}};

	(void)state;
	assert_int_equal(s->n_nic, ARRAY_SIZE(nics));
	for (size_t i = 0; i < s->n_nic; i++) {
		assert_string_equal(s->nic[i].name, nics[i].name);
		assert_string_equal(bh_settings_modes[s->nic[i].mode], nics[i].mode);
	}
	assert_true(s->take_over);
	assert_int_equal(s->without, 1 | 8);
	assert_int_equal(s->log_level, BH_LOG_DEBUG);
	assert_string_equal(s->state_dir, "/a");
	assert_string_equal(s->runtime_dir, "/b");
	assert_string_equal(s->pin_dir, "/c/d");
	assert_string_equal(s->cgroup_root, "/e");
	assert_int_equal(s->confirm_s, 600);
	assert_int_equal(s->emergency_s, 7200);
	assert_int_equal(s->emergency_max_s, 10800);
	assert_int_equal(s->audit_max_bytes, 65536);
	assert_int_equal(s->audit_keep, 3);
}

static void test_nothing_said(void **state)
{
	_cleanup_(bh_settings_freep) struct bh_settings *s = good("version: 1\n");
	_cleanup_(bh_settings_freep) struct bh_settings *t =
		good("version: 1\ninterfaces: {}\nwithout: []\nconfirm: {}\ntake_over: false\n");

	(void)state;
	assert_true(!s->nic && !s->n_nic && !s->take_over && !s->without && !s->log_level);
	assert_true(!s->state_dir && !s->runtime_dir && !s->pin_dir && !s->cgroup_root);
	assert_true(!s->confirm_s && !s->emergency_s && !s->emergency_max_s);
	assert_true(!s->audit_max_bytes);
	assert_true(!t->n_nic && !t->without && !t->confirm_s && !t->take_over);
}

/* In line 2, behind `version: 1`. */
static const struct {
	const char *yaml, *place, *text, *help; /* @help NULL: not looked at */
} bad[] = {
	{"interfaces: [eth0]", "2:13", "a mapping is needed here, not a list", "off }"},
	{"interfaces: eth0=tc", "2:13", "a mapping is needed here, not a word", NULL},
	{"interfaces: { eth0: ntaive }", "2:21", "unknown value 'ntaive'", "'native'"},
	{"interfaces: { eth0: 1 }", "2:21", "unknown value '1'", "auto, native, generic, tc, off"},
	{"interfaces: { eth0: no }", "2:21", "a boolean to some YAML readers", NULL},
	{"interfaces: { eth0: }", "2:15", "a value is missing", NULL},
	{"interfaces: { sixteen-letters-: tc }", "2:15", "is no name of a device", "15 char"},
	{"interfaces: { a/b: tc }", "2:15", "'a/b' is no name of a device", NULL},
	{"interfaces: { e: tc, e: tc }", "2:22", "duplicate key 'e'", NULL},
	{"take_over: yes", "2:12", "a boolean to some YAML readers", "write true"},
	{"take_over: off", "2:12", "true or false is needed here", NULL},
	{"without: [tcx, tcz]", "2:16", "unknown value 'tcz'", "did you mean 'tcx'?"},
	{"without: nothing", "2:10", "unknown value 'nothing'", "one of cgroup_mkdir"},
	{"log_level: verbose", "2:12", "unknown value 'verbose'", "one of error, warning"},
	{"log_level: off", "2:12", "unknown value 'off'", NULL},
	{"state_dir: var/lib", "2:12", "'var/lib' is no absolute path", "begin it with a /"},
	{"runtime_dir: 7", "2:14", "a word is needed here, not a number", NULL},
	{"pin_dir: ''", "2:11", "a value is missing", NULL},
	{"cgroup_root: \"/a\\nb\"", "2:15", "is no absolute path", NULL},
	{"confirm: 5m", "2:10", "a mapping is needed here", "{ default: 5m }"},
	{"confirm: { default: 5 }", "2:21", "a word is needed here, not a number", NULL},
	{"confirm: { default: soon }", "2:21", "soon", NULL},
	{"confirm: { default: 25h }", "2:21", "'25h' is too long: at most 24h", NULL},
	{"confirm: { defualt: 5m }", "2:12", "unknown key 'defualt' in `confirm`", "default"},
	{"emergency: { max: 2d }", "2:19", "'2d' is too long: at most 24h", NULL},
	{"emergency: { default: 2h }", "2:23", "longer than the longest emergency, 3600 s",
	 "raise"},
	{"emergency: { max: 1m, default: 2m }", "2:32", "the longest emergency, 60 s", NULL},
	{"audit: { max_bytes: 65535 }", "2:21", "a number is needed here", "65536 to 268435456"},
	{"audit: { max_bytes: 1G }", "2:21", "a number is needed here", NULL},
	{"audit: { keep: 0 }", "2:16", "a number is needed here", "1 to 90"},
	{"audit: { keeep: 3 }", "2:10", "unknown key 'keeep' in `audit`", "keep"},
	{"confrim: { default: 5m }", "2:1", "unknown key 'confrim' in a settings file",
	 "'confirm'"},
	{"segments: {}", "2:1", "unknown key 'segments' in a settings file", "one of version"},
	{"version: 1", "2:1", "duplicate key 'version', first in line 1", NULL},
	{"log_level: &a info", "2:13", "anchors are not part", NULL},
	{"log_level: [", "3:1", "YAML: ", NULL},
};

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_diags_ struct bh_diags d = {0};
		char text[256], place[32];

		snprintf(text, sizeof(text), "version: 1\n%s\n", bad[i].yaml);
		print_message("# %s\n", bad[i].yaml);
		assert_null(parse(text, &d));
		bh_diags_print(&d, stdout, false);
		assert_int_equal(d.n, 1);
		snprintf(place, sizeof(place), "%d:%d", d.list[0].line, d.list[0].col);
		assert_string_equal(place, bad[i].place);
		assert_string_equal(d.list[0].file, "t");
		assert_non_null(strstr(d.list[0].text, bad[i].text));
		assert_true(!bad[i].help ||
			    (d.list[0].help && strstr(d.list[0].help, bad[i].help)));
	}
}

static void test_whole(void **state)
{
	static const char wrong[] =
		"version: 1\nstate_dir: /x\nlog_level: x\ninterfaces: { eth0: tc }\n";
	_cleanup_(bh_settings_freep) struct bh_settings *some = NULL;
	static char big[BH_SETTINGS_MAX_BYTES + 2];
	_cleanup_diags_ struct bh_diags empty = {0}, none = {0}, two = {0}, large = {0}, all = {0};
	struct bh_settings *s = NULL;

	(void)state;
	assert_null(parse("# nothing\n", &empty));
	assert_non_null(strstr(empty.list[0].text, "the file is empty"));
	assert_null(parse("log_level: info\n", &none));
	assert_non_null(strstr(none.list[0].text, "a settings file needs `version`"));
	assert_null(parse("version: 2\n", &two));
	assert_non_null(strstr(two.list[0].text, "version 2 of the settings is not known"));
	memset(big, '#', sizeof(big) - 1);
	assert_int_equal(bh_settings_parse("t", big, sizeof(big) - 1, &large, &s), -EINVAL);
	assert_non_null(strstr(large.list[0].text, "65537 bytes"));
	/* what can be read of one that is wrong */
	assert_int_equal(bh_settings_salvage("t", wrong, strlen(wrong), &some), 0);
	assert_string_equal(some->state_dir, "/x");
	assert_int_equal(some->n_nic, 1);
	assert_int_equal(bh_settings_salvage("t", "{", 1, &s), -EINVAL);
	assert_null(s);
	/* all in one pass, in the order of the file */
	assert_null(parse("version: 1\nlog_level: x\ntake_over: x\nfoo: 1\n", &all));
	assert_int_equal(all.n_errors, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(all.list[i].line, i + 2);
}

static void test_devices_limit(void **state)
{
	static char text[BH_SETTINGS_MAX_BYTES];

	(void)state;
	for (unsigned int n = BH_SETTINGS_MAX_NICS; n <= BH_SETTINGS_MAX_NICS + 1; n++) {
		_cleanup_diags_ struct bh_diags d = {0};
		_cleanup_(bh_settings_freep) struct bh_settings *s = NULL;
		size_t at = (size_t)snprintf(text, sizeof(text), "version: 1\ninterfaces:\n");

		for (unsigned int i = 0; i < n; i++)
			at += (size_t)snprintf(text + at, sizeof(text) - at, " e%u: tc\n", i);
		s = parse(text, &d);
		assert_int_equal(s ? s->n_nic : 0, n > BH_SETTINGS_MAX_NICS ? 0 : n);
	}
}

static void test_which_is_it(void **state)
{
	static const struct {
		const char *text;
		bool settings;
	} cases[] = {
		{"version: 1\n", true},
		{"version: 1\nlog_level: nonsense\n", true},
		{"version: 1\nlog_level: info\nfoo: 1\n", true},
		{"version: 1\nlog_level: info\nsegments: {}\n", false},
		{"version: 1\nname: x\n", false},
		{"version: 1\nsegmnets: {}\n", false},
		{"[]\n", false},
		{"", false},
		{"log_level: [\n", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		print_message("# %s\n", cases[i].text);
		assert_int_equal(bh_settings_are(cases[i].text, strlen(cases[i].text)),
				 cases[i].settings);
	}
}

/* Rooms that may not see each other have the same lists. */
static void test_lists(void **state)
{
	static const enum bh_nic_mode modes[] = {BH_NIC_AUTO, BH_NIC_NATIVE, BH_NIC_GENERIC,
						 BH_NIC_TC, BH_NIC_OFF};
	const char *names[BH_OPTIONAL_MAX];
	size_t n = bh_kern_optional(names);

	(void)state;
	assert_int_equal(bh_n_settings_features, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(bh_settings_features[i], names[i]);
	assert_int_equal(bh_n_settings_modes, ARRAY_SIZE(modes));
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		_cleanup_diags_ struct bh_diags d = {0};
		struct bh_agent_opts o = {0};
		char list[32];

		snprintf(list, sizeof(list), "e=%s", bh_settings_modes[i]);
		assert_int_equal(bh_agent_opts_interfaces(&o, list, &d), 0);
		assert_int_equal(o.nic[0].mode, modes[i]);
		bh_agent_opts_clear(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_keys),      cmocka_unit_test(test_nothing_said),
		cmocka_unit_test(test_errors),	      cmocka_unit_test(test_whole),
		cmocka_unit_test(test_devices_limit), cmocka_unit_test(test_which_is_it),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
