/* SPDX-License-Identifier: Apache-2.0 */
/* say.c - puts what was found into a result. Called by every claim. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include "claims_internal.h"

void bh_claim_say(struct bh_claim_result *ret, enum bh_claim_state state, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(ret->value, sizeof(ret->value), fmt, ap);
	va_end(ap);
	ret->state = state;
	ret->error = 0;
}

void bh_claim_source(struct bh_claim_result *ret, const char *source)
{
	bool file = strchr(source, '/') && source[0] != '/';

	snprintf(ret->source, sizeof(ret->source), "%s%s", file ? "/" : "", source);
}

void bh_claim_fail(struct bh_claim_result *ret, const char *source, int error)
{
	const char *why = "";

	error = error < 0 ? -error : error;
	if (error == EXDEV)
		why = "another filesystem lies over it";
	else if (error == EBADMSG)
		why = "not what it should read like";
	bh_claim_source(ret, source);
	bh_claim_say(ret, BH_CLAIM_UNKNOWN, "%s", why);
	ret->error = error;
}

bool bh_claim_got(struct bh_claim_result *ret, const char *source, int r)
{
	if (r < 0)
		bh_claim_fail(ret, source, r);
	else
		bh_claim_source(ret, source);
	return r >= 0;
}

void bh_claim_add(char list[BH_CLAIM_TEXT], const char *word)
{
	static const char more[] = " ...";
	size_t n = strlen(list);

	if (n >= sizeof(more) - 1 && !strcmp(list + n - (sizeof(more) - 1), more))
		return;
	if (n + 1 + strlen(word) + sizeof(more) > BH_CLAIM_TEXT)
		snprintf(list + n, BH_CLAIM_TEXT - n, "%s", more);
	else
		snprintf(list + n, BH_CLAIM_TEXT - n, "%s%s", n ? " " : "", word);
}
