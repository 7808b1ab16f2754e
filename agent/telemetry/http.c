/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - see http.h. RFC 9112 as far as it goes; what it lets a server choose is refused. */
#include <stdio.h>
#include <string.h>
#include "http.h"

#define MAX_METHOD 32

/* Of a token (RFC 9110, 5.6.2), which a method is. */
static bool is_token(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* The head's length with its empty line, 0: it has not come yet; -1: no head has such bytes. */
static long head_length(const char *s, size_t n)
{
	size_t line = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '\n') {
			if (!line && i)
				return (long)i + 1;
			line = 0;
		} else if (c == '\r') {
			/* alone it is a line's end to some and none to others */
			if (i + 1 < n && s[i + 1] != '\n')
				return -1;
		} else if ((c < 0x20 && c != '\t') || c == 0x7f) {
			return -1;
		} else {
			line++;
		}
	}
	return 0;
}

static bool is_path(const char *s, size_t n)
{
	size_t len = strlen(BH_HTTP_PATH);

	return n >= len && !memcmp(s, BH_HTTP_PATH, len) && (n == len || s[len] == '?');
}

/* "GET /metrics HTTP/1.1", without its line break. */
static int judge_line(const char *s, size_t n, bool *ret_head)
{
	const char *target, *version;
	size_t method = 0, len;

	while (method < n && is_token(s[method]))
		method++;
	if (!method || method > MAX_METHOD || method == n || s[method] != ' ')
		return 400;
	target = s + method + 1;
	version = memchr(target, ' ', n - method - 1);
	if (!version || version == target)
		return 400;
	len = n - (size_t)(version + 1 - s);
	if (len != 8 || memcmp(version + 1, "HTTP/", 5) != 0 || version[7] != '.')
		return 400;
	if (version[6] != '1' || (version[8] != '0' && version[8] != '1'))
		return 505;
	*ret_head = method == 4 && !memcmp(s, "HEAD", 4);
	if (!is_path(target, (size_t)(version - target)))
		return 404;
	return *ret_head || (method == 3 && !memcmp(s, "GET", 3)) ? 200 : 405;
}

int bh_http_parse(const char *text, size_t n, struct bh_http_request *ret)
{
	const char *end;
	long head;

	*ret = (struct bh_http_request){0};
	head = head_length(text, n < BH_HTTP_MAX_REQUEST ? n : BH_HTTP_MAX_REQUEST);
	if (head < 0)
		ret->status = 400;
	else if (!head && n >= BH_HTTP_MAX_REQUEST)
		ret->status = 431;
	else if (!head)
		return 0;
	if (ret->status)
		return 1;
	/* there is one: the head ends with it */
	end = memchr(text, '\n', (size_t)head);
	n = (size_t)(end - text);
	if (n && text[n - 1] == '\r')
		n--;
	ret->status = judge_line(text, n, &ret->head);
	return 1;
}

const char *bh_http_reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} rows[] = {
		{200, "OK"},
		{400, "Bad Request"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{431, "Request Header Fields Too Large"},
		{503, "Service Unavailable"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].status == status)
			return rows[i].text;
	return "Error";
}

size_t bh_http_head(char ret[BH_HTTP_HEAD], int status, size_t bytes)
{
	return (size_t)snprintf(ret, BH_HTTP_HEAD,
				"HTTP/1.1 %d %s\r\n"
				"Content-Type: text/plain%s; charset=utf-8\r\n"
				"Content-Length: %zu\r\n"
				"%s"
				"Cache-Control: no-store\r\n"
				"X-Content-Type-Options: nosniff\r\n"
				"Connection: close\r\n\r\n",
				status, bh_http_reason(status),
				status == 200 ? "; version=0.0.4" : "", bytes,
				status == 405 ? "Allow: GET, HEAD\r\n" : "");
}
