/* SPDX-License-Identifier: Apache-2.0 */
/* forward.c - does this namespace forward packets. Asked by the agent every few seconds. */
#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/socket.h>
#include "../base/io.h"
#include "net.h"

int bh_net_forwards(int family)
{
	glob_t g;
	int r, on = 0;

	/* One interface is enough; conf/all is among them. */
	r = glob(family == AF_INET ? "/proc/sys/net/ipv4/conf/*/forwarding"
				   : "/proc/sys/net/ipv6/conf/*/forwarding",
		 GLOB_NOSORT | GLOB_ERR, NULL, &g);
	/* no match: a kernel, or a namespace, without that family */
	if (r)
		return r == GLOB_NOMATCH ? 0 : -errno;
	for (size_t i = 0; i < g.gl_pathc && on != 1; i++) {
		_cleanup_free_ char *text = NULL;

		/* What new interfaces will get: each tells for itself when it is there. */
		if (strstr(g.gl_pathv[i], "/conf/default/"))
			continue;
		r = bh_file_read(g.gl_pathv[i], 64, &text, NULL);
		if (r == 0 && text[0] != '0')
			on = 1;
		/* one that went meanwhile does not forward */
		else if (r < 0 && r != -ENOENT)
			on = r;
	}
	globfree(&g);
	return on;
}
