/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.c - any bytes as what a scraper sends: one of few answers, the same however it comes in
 * pieces, and no wish for more once there is as much as may come.
 */
#include <stdint.h>
#include <string.h>
#include "must.h"
#include "../../agent/telemetry/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(const struct bh_http_request *req)
{
	char head[BH_HTTP_HEAD];
	size_t n = bh_http_head(head, req->status, SIZE_MAX);

	MUST(req->status == 200 || req->status == 400 || req->status == 404 || req->status == 405 ||
	     req->status == 431 || req->status == 505);
	MUST(n < sizeof(head) && strlen(head) == n);
	MUST(strcmp(bh_http_reason(req->status), "Error") != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_http_request req, part;
	/* exactly as long: a look behind it is seen */
	char *text = calloc(1, size ? size : 1);
	int done;

	MUST(text);
	if (size)
		memcpy(text, data, size);
	done = bh_http_parse(text, size, &req);
	MUST(done == 0 || done == 1);
	MUST(done || size < BH_HTTP_MAX_REQUEST);
	if (done)
		check_answer(&req);
	if (done && req.status == 200)
		MUST(size > 20 && memmem(text, size, "/metrics", 8));
	/* what was judged once stays judged so; of a long one not each piece is tried */
	for (size_t i = 0; i < size; i += 1 + size / 128) {
		if (!bh_http_parse(text, i, &part))
			continue;
		MUST(done && part.status == req.status && part.head == req.head);
		break;
	}
	free(text);
	return 0;
}
