/* SPDX-License-Identifier: Apache-2.0 */
/* verb_version.c - which agent, which kernel, what works here. */
#include <sys/utsname.h>
#include "parts.h"

static int run(struct bh_agent *a, _unused_ const struct bh_call *call, struct bh_reply *reply)
{
	struct utsname u;

	reply->data = json_pack("{s:s s:i s:s s:o}", "version", BH_VERSION, "abi", BH_ABI, "kernel",
				uname(&u) < 0 ? "?" : u.release, "features", bh_json_features(a));
	return reply->data ? 0 : -ENOMEM;
}

const struct bh_verb bh_verb_version = {.name = "version", .run = run};
