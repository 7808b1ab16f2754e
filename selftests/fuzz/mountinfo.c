/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mountinfo.c - any bytes as /proc/self/mountinfo, in which whoever mounts chooses the names: the
 * place of the cgroup2 mount is a field of a line of that type, or there is none.
 */
#include <errno.h>
#include "fuzzdir.h"
#include "../../agent/base/cleanup.h"
#include "../../agent/workload/cgroup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *at = NULL;
	char path[256];
	int r;

	(void)snprintf(path, sizeof(path), "%s/mountinfo", fuzz_dir_of());
	fuzz_file_write(path, data, size);
	r = bh_cgroup_mount(path, &at);
	MUST(r == 0 || r == -ENOENT);
	MUST((r == 0) == (at != NULL));
	if (!at)
		return 0;
	MUST(memmem(data, size, " - cgroup2 ", 11));
	/* unescaped it is no longer than it was; that it is absolute is for options.c to see */
	MUST(strlen(at) <= size);
	return 0;
}
