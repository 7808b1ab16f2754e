/* SPDX-License-Identifier: Apache-2.0 */
/* put.c - see put.h. */
#include "../base/utf8.h"
#include "put.h"

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
			    "34353637383940414243444546474849505152535455565758596061626364656667"
			    "6869707172737475767778798081828384858687888990919293949596979899";

static const char digits[] = "0123456789abcdef";

/* --- text ---------------------------------------------------------------------------------------- */

static char *escape(char *to, unsigned int code)
{
	to = BH_PUT(to, "\\u");
	for (int shift = 12; shift >= 0; shift -= 4)
		*to++ = digits[code >> shift & 0xf];
	return to;
}

/* Not plain ASCII. Return: how many bytes of @s it took; *to moves on. */
static size_t put_other(char **to, const char *s, size_t max)
{
	unsigned int code = 0;
	size_t n = (size_t)bh_utf8_next(s, &code);

	/* the rest of a character that was cut off is none */
	if (!n || n > max) {
		*to = BH_PUT(*to, "\\ufffd");
		return 1;
	}
	if (code == '"' || code == '\\') {
		*(*to)++ = '\\';
		*(*to)++ = (char)code;
	} else if (bh_utf8_is_harmful(code)) {
		*to = escape(*to, code);
	} else {
		memcpy(*to, s, n);
		*to += n;
	}
	return n;
}

static bool is_plain(char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

char *bh_put_text(char *to, const char *s, size_t max)
{
	*to++ = '"';
	for (size_t i = 0; i < max && s[i];) {
		if (is_plain(s[i]))
			*to++ = s[i++];
		else
			i += put_other(&to, s + i, max - i);
	}
	*to++ = '"';
	return to;
}

char *bh_put_word(char *to, const char *word)
{
	size_t n;

	if (!word)
		return BH_PUT(to, "null");
	n = strlen(word);
	*to++ = '"';
	memcpy(to, word, n);
	to += n;
	*to++ = '"';
	return to;
}

/* --- numbers ------------------------------------------------------------------------------------- */

static char *put_pair(char *to, unsigned int n)
{
	memcpy(to, pairs + 2 * n, 2);
	return to + 2;
}

char *bh_put_u64(char *to, __u64 n)
{
	char text[20], *at = text + sizeof(text);

	while (n >= 100) {
		at -= 2;
		memcpy(at, pairs + n % 100 * 2, 2);
		n /= 100;
	}
	if (n >= 10) {
		at -= 2;
		memcpy(at, pairs + n * 2, 2);
	} else {
		*--at = (char)('0' + n);
	}
	memcpy(to, at, (size_t)(text + sizeof(text) - at));
	return to + (text + sizeof(text) - at);
}

char *bh_put_hex64(char *to, __u64 n)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		*to++ = digits[n >> shift & 0xf];
	return to;
}

/* --- addresses ----------------------------------------------------------------------------------- */

static char *put_ip4(char *to, const __u8 *b)
{
	for (int i = 0; i < 4; i++) {
		to = bh_put_u64(to, b[i]);
		*to++ = '.';
	}
	return to - 1;
}

static char *put_group(char *to, unsigned int n)
{
	int shift = n > 0xfff ? 12 : n > 0xff ? 8 : n > 0xf ? 4 : 0;

	for (; shift >= 0; shift -= 4)
		*to++ = digits[n >> shift & 0xf];
	return to;
}

/* The first longest run of zero groups, of two or more: *ret_n of them. */
static int longest_run(const unsigned int *group, int *ret_n)
{
	int best = -1;

	*ret_n = 1;
	for (int i = 0, n = 0; i < 8; i++) {
		n = group[i] ? 0 : n + 1;
		if (n > *ret_n) {
			*ret_n = n;
			best = i - n + 1;
		}
	}
	return best;
}

static char *put_ip6(char *to, const __u8 *b)
{
	unsigned int group[8];
	int run, n;

	for (int i = 0; i < 8; i++)
		group[i] = (unsigned int)b[2 * i] << 8 | b[2 * i + 1];
	run = longest_run(group, &n);
	for (int i = 0; i < 8; i++) {
		if (i == run) {
			to = BH_PUT(to, "::");
			i += n - 1;
			continue;
		}
		if (i && i != run + n)
			*to++ = ':';
		to = put_group(to, group[i]);
	}
	return to;
}

char *bh_put_addr(char *to, const struct bh_addr *addr)
{
	static const __u8 v4[12] = {[10] = 0xff, [11] = 0xff};
	static const struct bh_addr none;

	if (!memcmp(addr, &none, sizeof(none)))
		return BH_PUT(to, "null");
	*to++ = '"';
	to = memcmp(addr->b, v4, sizeof(v4)) ? put_ip6(to, addr->b) : put_ip4(to, addr->b + 12);
	*to++ = '"';
	return to;
}

/* --- time ---------------------------------------------------------------------------------------- */

#define DAY_S	  86400
#define MAX_S	  253402300799ll /* 9999-12-31T23:59:59 */
#define SECOND_NS 1000000000ll

/* A day since 1970 as year, month and day; a year begins in March. */
static char *put_day(char *to, __s64 day)
{
	unsigned int d = (unsigned int)(day + 719468), era = d / 146097, of_era = d % 146097;
	unsigned int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned int of_year = of_era - (365 * year + year / 4 - year / 100);
	unsigned int month = (5 * of_year + 2) / 153;
	unsigned int of_month = of_year - (153 * month + 2) / 5 + 1;

	year += era * 400 + (month >= 10);
	month = month < 10 ? month + 3 : month - 9;
	to = put_pair(put_pair(to, year / 100), year % 100);
	*to++ = '-';
	to = put_pair(to, month);
	*to++ = '-';
	return put_pair(to, of_month);
}

char *bh_put_time(char *to, __s64 wall_ns)
{
	__s64 s = MIN(MAX(wall_ns, 0) / SECOND_NS, MAX_S);
	unsigned int us = (unsigned int)(MAX(wall_ns, 0) % SECOND_NS / 1000);
	unsigned int of_day = (unsigned int)(s % DAY_S);

	*to++ = '"';
	to = put_day(to, s / DAY_S);
	*to++ = 'T';
	to = put_pair(to, of_day / 3600);
	*to++ = ':';
	to = put_pair(to, of_day / 60 % 60);
	*to++ = ':';
	to = put_pair(to, of_day % 60);
	*to++ = '.';
	to = put_pair(put_pair(put_pair(to, us / 10000), us / 100 % 100), us % 100);
	return BH_PUT(to, "Z\"");
}
