/* SPDX-License-Identifier: Apache-2.0 */
/* history_record.c - one generation of the history as JSON. See history.h. */
#include <errno.h>
#include <string.h>
#include "control.h"
#include "history.h"

/* Longer names are cut: a record is read whole at each start. */
#define WORD_MAX 1024

static const char *const hows[] = {
	[BH_HOW_APPLY] = "apply", [BH_HOW_ROLLBACK] = "rollback", [BH_HOW_USERS] = "users",
	[BH_HOW_MODE] = "mode",	  [BH_HOW_START] = "start",	  [BH_HOW_CLOCK] = "clock",
};

static const char *const states[] = {
	[BH_CONFIRMED] = "confirmed",
	[BH_UNCONFIRMED] = "unconfirmed",
	[BH_REVERTED] = "reverted",
};

static const char *const modes[] = {[BH_MODE_OBSERVE] = "observe", [BH_MODE_ENFORCE] = "enforce"};

const char *bh_how_name(enum bh_how how)
{
	return hows[how];
}

const char *bh_confirm_state_name(enum bh_confirm_state state)
{
	return states[state];
}

void bh_record_clear(struct bh_record *r)
{
	free(r->file);
	free(r->by);
	free(r->name);
	*r = (struct bh_record){0};
}

/* NULL for NULL, and for no memory: then it is not known. */
static json_t *word_json(const char *s)
{
	_cleanup_free_ char *cut = NULL;
	size_t n = WORD_MAX;

	if (!s || strlen(s) <= WORD_MAX)
		return s ? bh_json_text(s) : NULL;
	/* not inside of a character */
	while (n && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return asprintf(&cut, "%.*s...", (int)n, s) < 0 ? NULL : bh_json_text(cut);
}

json_t *bh_record_to_json(const struct bh_record *r)
{
	return json_pack("{s:I s:s s:I s:o* s:o* s:o s:I s:s s:b s:I s:I s:I s:s s:I s:s}",
			 "generation", (json_int_t)r->generation, "sha256", r->sha256, "bytes",
			 (json_int_t)r->bytes, "file", word_json(r->file), "by", word_json(r->by),
			 "name", word_json(r->name), "at_ms", (json_int_t)r->at_ms, "mode",
			 modes[r->mode], "capped", r->capped, "segments", (json_int_t)r->segments,
			 "rules", (json_int_t)r->rules, "entries", (json_int_t)r->entries, "how",
			 hows[r->how], "of", (json_int_t)r->of, "state", states[r->state]);
}

/* Its place in @words, or -1. */
static int index_of(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (words[i] && !strcmp(words[i], word))
			return (int)i;
	return -1;
}

static bool is_digest(const char *s)
{
	return strlen(s) == BH_SHA256_TEXT - 1 && strspn(s, "0123456789abcdef") == strlen(s);
}

static bool is_count(json_int_t v, json_int_t max)
{
	return v >= 0 && v <= max;
}

static int copy(const char *s, char **ret)
{
	*ret = s ? strdup(s) : NULL;
	return s && !*ret ? -ENOMEM : 0;
}

int bh_record_from_json(const json_t *body, struct bh_record *ret)
{
	const char *sha256, *file = NULL, *by = NULL, *name, *mode, *how, *state;
	json_int_t gen, bytes, at_ms, segments, rules, entries, of;
	int capped, m, w, s;

	if (json_unpack((json_t *)body,
			"{s:I s:s s:I s?s s?s s:s s:I s:s s:b s:I s:I s:I s:s s:I s:s !}",
			"generation", &gen, "sha256", &sha256, "bytes", &bytes, "file", &file, "by",
			&by, "name", &name, "at_ms", &at_ms, "mode", &mode, "capped", &capped,
			"segments", &segments, "rules", &rules, "entries", &entries, "how", &how,
			"of", &of, "state", &state) < 0)
		return -EBADMSG;
	m = index_of(mode, modes, ARRAY_SIZE(modes));
	w = index_of(how, hows, ARRAY_SIZE(hows));
	s = index_of(state, states, ARRAY_SIZE(states));
	if (!is_digest(sha256) || !is_count(gen, BH_HISTORY_MAX_GEN) || !gen || m < 0 || w < 0 ||
	    s < 0 || !is_count(bytes, BH_MAP_MAX_BYTES) || !is_count(segments, UINT32_MAX) ||
	    !is_count(rules, UINT32_MAX) || !is_count(entries, UINT32_MAX) || of < 0 || of >= gen)
		return -EBADMSG;
	*ret = (struct bh_record){.generation = (__u64)gen,
				  .bytes = (size_t)bytes,
				  .at_ms = at_ms,
				  .mode = (enum bh_mode)m,
				  .capped = capped,
				  .segments = (size_t)segments,
				  .rules = (size_t)rules,
				  .entries = (size_t)entries,
				  .how = (enum bh_how)w,
				  .of = (__u64)of,
				  .state = (enum bh_confirm_state)s};
	memcpy(ret->sha256, sha256, BH_SHA256_TEXT);
	if (copy(file, &ret->file) == 0 && copy(by, &ret->by) == 0 && copy(name, &ret->name) == 0)
		return 0;
	bh_record_clear(ret);
	return -ENOMEM;
}
