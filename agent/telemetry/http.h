/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h - the little of HTTP/1 that a scraper needs: GET and HEAD of /metrics. Pure; called by
 * scrape.c.
 */
#ifndef BH_HTTP_H
#define BH_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define BH_HTTP_MAX_REQUEST 4096 /* its head; a body is not read */
#define BH_HTTP_PATH	    "/metrics"

struct bh_http_request {
	int status; /* 200, or why not: 400, 404, 405, 431, 505 */
	bool head;  /* the answer has no body */
};

/**
 * bh_http_parse - what is asked for in @text
 * Whatever comes behind the first request is not looked at: the connection ends with its answer.
 * Return: 1 = see @ret, 0 = more has to come.
 */
int bh_http_parse(const char *text, size_t n, struct bh_http_request *ret);

#define BH_HTTP_HEAD 320

/* The head of an answer with a body of @bytes. Return: its length. */
size_t bh_http_head(char ret[BH_HTTP_HEAD], int status, size_t bytes);
/* "Not Found" */
const char *bh_http_reason(int status);

#endif
