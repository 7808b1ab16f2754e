/* SPDX-License-Identifier: Apache-2.0 */
/* flow_words.c - what the numbers of a flow are called. Called by flows.c and flow_filter.c. */
#include <string.h>
#include "flow_filter.h"

const char *bh_tcp_flags_text(__u8 flags, char ret[BH_TCP_FLAGS_TEXT])
{
	static const char letters[] = "FSRPAUEC";
	size_t n = 0;

	for (size_t i = 0; i < sizeof(letters) - 1; i++)
		if (flags & 1u << i)
			ret[n++] = letters[i];
	ret[n] = '\0';
	return ret;
}
