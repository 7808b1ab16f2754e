/* SPDX-License-Identifier: Apache-2.0 */
/* forward.c - does this namespace forward packets. Asked by the agent every few seconds. */
#include <glob.h>
#include <string.h>
#include <sys/socket.h>
#include "../base/io.h"
#include "net.h"

bool bh_net_forwards(int family)
{
	glob_t g;
	bool on = false;

	/* One interface is enough; conf/all is among them. */
	if (glob(family == AF_INET ? "/proc/sys/net/ipv4/conf/*/forwarding"
				   : "/proc/sys/net/ipv6/conf/*/forwarding",
		 GLOB_NOSORT, NULL, &g))
		return false;
	for (size_t i = 0; i < g.gl_pathc && !on; i++) {
		_cleanup_free_ char *text = NULL;

		/* What new interfaces will get: each tells for itself when it is there. */
		if (strstr(g.gl_pathv[i], "/conf/default/"))
			continue;
		if (!bh_file_read(g.gl_pathv[i], 64, &text, NULL))
			on = text[0] != '0';
	}
	globfree(&g);
	return on;
}
