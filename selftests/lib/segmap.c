/* SPDX-License-Identifier: Apache-2.0 */
/* segmap.c - see segmap.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "segmap.h"

char *segmap_say(const char *text, size_t len, struct bh_map **ret_map)
{
	_cleanup_diags_ struct bh_diags d = {0};
	/* Exactly as long as the text, so that ASan sees a read behind its end. */
	char *copy = malloc(len ? len : 1), *said = NULL;
	size_t bytes;
	FILE *out = open_memstream(&said, &bytes);
	int r;

	assert_non_null(copy);
	assert_non_null(out);
	memcpy(copy, text, len);
	*ret_map = NULL;
	r = bh_map_parse("test.yaml", copy, len, &d, ret_map);
	free(copy);
	assert_int_equal(r, d.n_errors ? -EINVAL : 0);
	assert_true(!*ret_map == !!d.n_errors);
	for (size_t i = 0; i < d.n; i++) {
		const struct bh_diag *f = &d.list[i];

		fprintf(out, "%d:%d: %s: %s%s%s\n", f->line, f->col,
			f->severity == BH_ERROR ? "error" : "warning", f->text,
			f->help ? " | " : "", f->help ? f->help : "");
	}
	assert_int_equal(fclose(out), 0);
	return said;
}

void segmap_check(const char *top, const struct segmap_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct segmap_case *c = &cases[i];
		_cleanup_free_ char *text = NULL, *said = NULL;
		struct bh_map *map;

		assert_true(asprintf(&text, "%s%s", top, c->yaml) >= 0);
		said = segmap_say(text, strlen(text), &map);
		bh_map_free(map);
		if (c->expect ? strstr(said, c->expect) != NULL : !*said)
			continue;
		fail_msg("case %zu:\n%s\nexpected: %s\nsaid:\n%s", i, text,
			 c->expect ? c->expect : "nothing", said);
	}
}

struct bh_map *segmap_good(const char *yaml)
{
	_cleanup_free_ char *text = NULL, *said = NULL;
	struct bh_map *map;

	assert_true(asprintf(&text, "%s%s", SEGMAP_TOP, yaml) >= 0);
	said = segmap_say(text, strlen(text), &map);
	if (!map)
		fail_msg("%s\nsaid:\n%s", text, said);
	return map;
}
