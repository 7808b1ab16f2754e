/* SPDX-License-Identifier: Apache-2.0 */
/* telemetry_http.c - requests of scrapers: which are answered how, in however many pieces they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../../agent/base/cleanup.h"
#include "../../agent/telemetry/http.h"

/* The same byte by byte: no piece before the last says anything else. */
static void is(const char *text, size_t n, int want, bool head)
{
	struct bh_http_request req;

	if (bh_http_parse(text, n, &req) != 1 || req.status != want || req.head != head)
		fail_msg("'%.60s': %d, head %d; expected %d, head %d", text, req.status, req.head,
			 want, head);
	for (size_t i = 0; i < n; i++)
		if (bh_http_parse(text, i, &req) && req.status != want)
			fail_msg("'%.60s': %d after %zu bytes", text, req.status, i);
}

#define IS(text, want)	    is(text, sizeof(text) - 1, want, false)
#define IS_HEAD(text, want) is(text, sizeof(text) - 1, want, true)

static void test_good(void **state)
{
	(void)state;
	IS("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 200);
	IS("GET /metrics HTTP/1.0\r\n\r\n", 200);
	IS("GET /metrics HTTP/1.1\n\n", 200);
	IS("GET /metrics?x=y HTTP/1.1\r\nA:\tb\r\n\r\n", 200);
	IS_HEAD("HEAD /metrics HTTP/1.1\r\n\r\n", 200);
	/* what comes behind is not looked at */
	IS("GET /metrics HTTP/1.1\r\n\r\nGET", 200);
	IS("GET /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\n\x01\x02\x03", 200);
}

static void test_bad(void **state)
{
	(void)state;
	IS("GET / HTTP/1.1\r\n\r\n", 404);
	IS("GET /metricsx HTTP/1.1\r\n\r\n", 404);
	IS("GET /metrics/ HTTP/1.1\r\n\r\n", 404);
	IS("GET http://a/metrics HTTP/1.1\r\n\r\n", 404);
	IS_HEAD("HEAD /x HTTP/1.1\r\n\r\n", 404);
	IS("POST /metrics HTTP/1.1\r\n\r\n", 405);
	IS("get /metrics HTTP/1.1\r\n\r\n", 405);
	IS("GETS /metrics HTTP/1.1\r\n\r\n", 405);
	IS("GET /metrics HTTP/2.0\r\n\r\n", 505);
	IS("GET /metrics HTTP/1.2\r\n\r\n", 505);
	IS("GET /metrics HTTP/1.10\r\n\r\n", 400);
	IS("GET /metrics http/1.1\r\n\r\n", 400);
	IS("GET /metrics\r\n\r\n", 400);
	IS("GET  /metrics HTTP/1.1\r\n\r\n", 400);
	IS("GET\t/metrics HTTP/1.1\r\n\r\n", 400);
	IS(" GET /metrics HTTP/1.1\r\n\r\n", 400);
	IS("GET /metrics HTTP/1.1 \r\n\r\n", 400);
	IS("GET /metrics HTTP/1.1\rX: y\r\n\r\n", 400);
	IS("\r\n", 400);
	IS("abcdefghijklmnopqrstuvwxyzabcdefgh / HTTP/1.1\r\n\r\n", 400);
	IS("GET /metrics HTTP/1.1\r\nA: \0\r\n\r\n", 400);
	IS("\x16\x03\x01", 400);
}

static void test_length(void **state)
{
	static char text[2 * BH_HTTP_MAX_REQUEST];
	struct bh_http_request req;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "GET /metrics HTTP/1.1\r\nA: ", 26);
	assert_int_equal(bh_http_parse(text, BH_HTTP_MAX_REQUEST - 1, &req), 0);
	assert_int_equal(bh_http_parse(text, BH_HTTP_MAX_REQUEST, &req), 1);
	assert_int_equal(req.status, 431);
	/* the last that fits */
	memcpy(text + BH_HTTP_MAX_REQUEST - 4, "\r\n\r\n", 4);
	assert_int_equal(bh_http_parse(text, BH_HTTP_MAX_REQUEST, &req), 1);
	assert_int_equal(req.status, 200);
	memcpy(text + BH_HTTP_MAX_REQUEST - 4, "x\r\n\r\n", 5);
	assert_int_equal(bh_http_parse(text, BH_HTTP_MAX_REQUEST + 1, &req), 1);
	assert_int_equal(req.status, 431);
}

static void test_head(void **state)
{
	char head[BH_HTTP_HEAD];
	size_t n = bh_http_head(head, 200, 42);

	(void)state;
	assert_int_equal(n, strlen(head));
	assert_non_null(strstr(head, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(head, "text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_non_null(strstr(head, "\r\nContent-Length: 42\r\n"));
	assert_string_equal(head + n - 4, "\r\n\r\n");
	/* the longest that there is fits, too */
	n = bh_http_head(head, 405, SIZE_MAX);
	assert_true(n < sizeof(head));
	assert_non_null(strstr(head, "\r\nAllow: GET, HEAD\r\n"));
	n = bh_http_head(head, 431, SIZE_MAX);
	assert_true(n < sizeof(head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
