/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_schema.c - the published schemas have the keys that the parser has, and the samples, maps
 * and settings, are judged as their first line says. selftests/dev/schema.bats judges the same
 * samples by the schema.
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/policy/internal.h"
#include "../../agent/policy/settings.h"
#include "../lib/segmap.h"

#define MAPS	 "selftests/unit/maps/"
#define SETTINGS "selftests/unit/settings/"

/* Objects of a schema and the parser's tables. */
struct pair {
	const char *def; /* NULL = the file itself */
	const struct bh_keys *keys;
};

static const struct pair map_pairs[] = {
	{NULL, &bh_keys_map},
	{"map_default", &bh_keys_map_default},
	{"segment_default", &bh_keys_default},
	{"segment", &bh_keys_segment},
	{"reserved_segment", &bh_keys_reserved},
	{"match", &bh_keys_match},
	{"selector", &bh_keys_selector},
	{"allow", &bh_keys_allow},
	{"deny", &bh_keys_deny},
	{"require", &bh_keys_require},
	{"jit", &bh_keys_jit},
	{"failsafe", &bh_keys_failsafe},
	{"cidrs", &bh_keys_cidrs},
	{"assertion", &bh_keys_assert},
};

static const struct pair settings_pairs[] = {
	{NULL, &bh_keys_settings},
	{"confirm", &bh_keys_confirm},
	{"emergency", &bh_keys_emergency},
	{"audit", &bh_keys_audit},
	{"telemetry", &bh_keys_telemetry},
	{"flow_file", &bh_keys_flow_file},
	{"flow_journal", &bh_keys_flow_journal},
	{"metrics", &bh_keys_metrics},
	{"ipfix", &bh_keys_ipfix},
};

static bool has_string(const json_t *array, const char *s)
{
	size_t i;
	json_t *v;

	json_array_foreach(array, i, v) if (!strcmp(json_string_value(v), s)) return true;
	return false;
}

static void same_keys(const char *def, const json_t *object, const struct bh_keys *keys)
{
	const json_t *properties = json_object_get(object, "properties");
	const json_t *required = json_object_get(object, "required");
	size_t n_required = 0;

	assert_true(json_is_false(json_object_get(object, "additionalProperties")));
	if (json_object_size(properties) != keys->n)
		fail_msg("%s: %zu keys in the schema, %zu in the parser", def,
			 json_object_size(properties), keys->n);
	for (size_t i = 0; i < keys->n; i++) {
		const struct bh_key *k = &keys->v[i];

		n_required += k->required;
		if (!json_object_get(properties, k->name))
			fail_msg("%s: `%s` is not in the schema", def, k->name);
		if (k->required != has_string(required, k->name))
			fail_msg("%s: `%s` is required by one of the two only", def, k->name);
	}
	assert_int_equal(json_array_size(required), n_required);
}

static void same_objects(const char *path, const struct pair *pairs, size_t n_pairs)
{
	json_error_t error;
	json_t *schema = json_load_file(path, JSON_REJECT_DUPLICATES, &error), *defs, *def;
	const char *name;
	size_t n = 1;

	if (!schema)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	defs = json_object_get(schema, "$defs");
	for (size_t i = 0; i < n_pairs; i++)
		same_keys(pairs[i].def ? pairs[i].def : "the file",
			  pairs[i].def ? json_object_get(defs, pairs[i].def) : schema,
			  pairs[i].keys);
	/* Nor has the schema an object that the parser does not know. */
	json_object_foreach(defs, name, def) n += json_object_get(def, "properties") != NULL;
	assert_int_equal(n, n_pairs);
	json_decref(schema);
}

static void test_keys(void **state)
{
	(void)state;
	same_objects("tools/schema/segment-map.schema.json", map_pairs, ARRAY_SIZE(map_pairs));
	same_objects("tools/schema/settings.schema.json", settings_pairs,
		     ARRAY_SIZE(settings_pairs));
}

/* What is said of a sample, malloced; *ret_taken: it is taken. */
typedef char *(*say_fn)(const char *text, size_t len, bool *ret_taken);

static char *say_map(const char *text, size_t len, bool *ret_taken)
{
	struct bh_map *map;
	char *said = segmap_say(text, len, &map);

	*ret_taken = map;
	bh_map_free(map);
	return said;
}

static char *say_settings(const char *text, size_t len, bool *ret_taken)
{
	_cleanup_(bh_settings_freep) struct bh_settings *s = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	char *said = NULL;
	size_t bytes;
	FILE *out = open_memstream(&said, &bytes);

	assert_non_null(out);
	*ret_taken = bh_settings_parse("t", text, len, &d, &s) == 0;
	for (size_t i = 0; i < d.n; i++)
		fprintf(out, "%d:%d: error: %s\n", d.list[i].line, d.list[i].col, d.list[i].text);
	assert_int_equal(fclose(out), 0);
	return said;
}

/* Calls @each with every sample. */
static void walk(const char *dir, say_fn say,
		 void (*each)(say_fn say, const char *path, const char *text, size_t len))
{
	struct dirent **list;
	int n = scandir(dir, &list, NULL, alphasort), seen = 0;

	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = NULL, *text = NULL;
		size_t len;

		if (list[i]->d_name[0] != '.') {
			assert_true(asprintf(&path, "%s/%s", dir, list[i]->d_name) >= 0);
			assert_int_equal(bh_file_read(path, BH_MAP_MAX_BYTES, &text, &len), 0);
			each(say, path, text, len);
			seen++;
		}
		free(list[i]);
	}
	free(list);
	assert_true(seen > 5);
}

static void is_good(say_fn say, const char *path, const char *text, size_t len)
{
	bool taken;
	_cleanup_free_ char *said = say(text, len, &taken);

	if (!taken)
		fail_msg("%s: %s", path, said);
}

/* "# error: 6:5: unknown key" */
static void is_bad(say_fn say, const char *path, const char *text, size_t len)
{
	static const char mark[] = "# error: ";
	_cleanup_free_ char *want = NULL, *said = NULL;
	bool taken;
	size_t pos;

	if (strncmp(text, mark, sizeof(mark) - 1) != 0)
		fail_msg("%s: does not begin with '%s'", path, mark);
	text += sizeof(mark) - 1;
	/* The place as findings have it: "6:5: error: unknown key". */
	pos = strspn(text, "0123456789:");
	assert_true(asprintf(&want, "%.*s%serror: %.*s", (int)pos, text, pos ? " " : "",
			     (int)strcspn(text + pos + !!pos, "\n"), text + pos + !!pos) >= 0);
	said = say(text - (sizeof(mark) - 1), len, &taken);
	if (taken || !strstr(said, want))
		fail_msg("%s: expected: %s\nsaid: %s", path, want, said);
}

static void test_good(void **state)
{
	(void)state;
	walk(MAPS "good", say_map, is_good);
	walk(SETTINGS "good", say_settings, is_good);
}

static void test_bad(void **state)
{
	(void)state;
	walk(MAPS "bad", say_map, is_bad);
	walk(SETTINGS "bad", say_settings, is_bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
