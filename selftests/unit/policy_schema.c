/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_schema.c - the published schema has the keys that the parser has, and the sample maps
 * are judged as their first line says. selftests/dev/schema.bats judges the same maps by the
 * schema.
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
#include "../lib/segmap.h"

#define SCHEMA "tools/schema/segment-map.schema.json"
#define MAPS   "selftests/unit/maps/"

/* Objects of the schema and the parser's tables. */
static const struct {
	const char *def; /* NULL = the map itself */
	const struct bh_keys *keys;
} pairs[] = {
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

static void test_keys(void **state)
{
	json_error_t error;
	json_t *schema = json_load_file(SCHEMA, JSON_REJECT_DUPLICATES, &error), *defs, *def;
	const char *name;
	size_t n = 1;

	(void)state;
	if (!schema)
		fail_msg("%s:%d: %s", SCHEMA, error.line, error.text);
	defs = json_object_get(schema, "$defs");
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		same_keys(pairs[i].def ? pairs[i].def : "map",
			  pairs[i].def ? json_object_get(defs, pairs[i].def) : schema,
			  pairs[i].keys);
	/* Nor has the schema an object that the parser does not know. */
	json_object_foreach(defs, name, def) n += json_object_get(def, "properties") != NULL;
	assert_int_equal(n, ARRAY_SIZE(pairs));
	json_decref(schema);
}

/* Calls @each with every sample. */
static void walk(const char *dir, void (*each)(const char *path, const char *text, size_t len))
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
			each(path, text, len);
			seen++;
		}
		free(list[i]);
	}
	free(list);
	assert_true(seen > 5);
}

static void is_good(const char *path, const char *text, size_t len)
{
	struct bh_map *map;
	_cleanup_free_ char *said = segmap_say(text, len, &map);

	if (!map)
		fail_msg("%s: %s", path, said);
	bh_map_free(map);
}

/* "# error: 6:5: unknown key" */
static void is_bad(const char *path, const char *text, size_t len)
{
	static const char mark[] = "# error: ";
	_cleanup_free_ char *want = NULL, *said = NULL;
	struct bh_map *map;
	size_t pos;

	if (strncmp(text, mark, sizeof(mark) - 1) != 0)
		fail_msg("%s: does not begin with '%s'", path, mark);
	text += sizeof(mark) - 1;
	/* The place as findings have it: "6:5: error: unknown key". */
	pos = strspn(text, "0123456789:");
	assert_true(asprintf(&want, "%.*s%serror: %.*s", (int)pos, text, pos ? " " : "",
			     (int)strcspn(text + pos + !!pos, "\n"), text + pos + !!pos) >= 0);
	said = segmap_say(text - (sizeof(mark) - 1), len, &map);
	if (map || !strstr(said, want))
		fail_msg("%s: expected: %s\nsaid: %s", path, want, said);
	bh_map_free(map);
}

static void test_good(void **state)
{
	(void)state;
	walk(MAPS "good", is_good);
}

static void test_bad(void **state)
{
	(void)state;
	walk(MAPS "bad", is_bad);
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
