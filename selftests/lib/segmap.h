/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segmap.h - segment maps in tests: a text and what is said about it, one line a finding:
 * "6:5: error: unknown key 'mtach' in a segment | did you mean 'match'?"
 */
#ifndef SEGMAP_H
#define SEGMAP_H

#include "../../agent/policy/model.h"

/* Lines 1 to 4 of a map that says nothing by itself: what follows begins in line 5. */
#define SEGMAP_TOP                                                                                 \
	"version: 1\nname: test\nmode: observe\ndefault: { ingress: deny, egress: deny }\n"

struct segmap_case {
	const char *yaml;
	const char *expect; /* part of what is said; NULL = nothing at all is said */
};

/* Parses. Return: what is said, malloced; *ret_map may be NULL after, if there are errors. */
char *segmap_say(const char *text, size_t len, struct bh_map **ret_map);

/* Each case, behind @top, says what it should; every error comes without a map. */
void segmap_check(const char *top, const struct segmap_case *cases, size_t n);

/* A map without errors, of SEGMAP_TOP and @yaml. */
struct bh_map *segmap_good(const char *yaml);

#endif
