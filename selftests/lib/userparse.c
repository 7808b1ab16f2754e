// SPDX-License-Identifier: Apache-2.0
/* userparse.c - see userparse.h. */
#include "userparse.h"
#include "parser.h"

enum bh_reason userparse_l2(void *data, size_t bytes)
{
	struct bh_pkt pkt;

	return bh_parse_l2(data, data + bytes, &pkt);
}

enum bh_reason userparse_l3(void *data, size_t bytes)
{
	struct bh_pkt pkt;

	return bh_parse_l3(data, data + bytes, &pkt);
}
