/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup.c - see cgroup.h: mounts, ids and the cgroup of a process. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "../base/io.h"
#include "cgroup.h"

#define MOUNTINFO_MAX_BYTES (4u << 20)

static bool is_octal(const char *s)
{
	for (int i = 0; i < 3; i++)
		if (s[i] < '0' || s[i] > (i ? '7' : '3'))
			return false;
	return true;
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && is_octal(s + 1)) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw": field 5, if the type is cgroup2 */
static char *cgroup2_mount_point(char *line)
{
	char *type = strstr(line, " - ");
	char *save = NULL, *word;

	if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
		return NULL;
	word = strtok_r(line, " ", &save);
	for (int field = 1; word && field < 5; field++)
		word = strtok_r(NULL, " ", &save);
	return word;
}

int bh_cgroup_mount(const char *mountinfo, char **ret)
{
	_cleanup_free_ char *text = NULL;
	char *save = NULL;
	int r;

	r = bh_file_read(mountinfo, MOUNTINFO_MAX_BYTES, &text, NULL);
	if (r)
		return r;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *at = cgroup2_mount_point(line);

		if (!at)
			continue;
		unescape(at);
		*ret = strdup(at);
		return *ret ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

int bh_cgroup_id(const char *path, __u64 *ret)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	*ret = st.st_ino;
	return 0;
}

int bh_cgroup_of_pid(pid_t pid, char **ret)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *save = NULL;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	r = bh_file_read(path, 1u << 20, &text, NULL);
	if (r)
		return r == -ENOENT ? -ESRCH : r;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		*ret = strdup(line + 3);
		return *ret ? 0 : -ENOMEM;
	}
	return -ENODATA;
}

static bool ends_with(const char *s, size_t n, const char *suffix)
{
	size_t m = strlen(suffix);

	return n > m && !memcmp(s + n - m, suffix, m);
}

bool bh_cgroup_is_session(const char *path)
{
	static const char top[] = "/user.slice/";

	if (strncmp(path, top, sizeof(top) - 1) != 0)
		return false;
	/* Slices and then a scope: below user@UID.service the user names things himself. */
	for (const char *s = path + sizeof(top) - 1; *s;) {
		size_t n = strcspn(s, "/");

		if (ends_with(s, n, ".scope"))
			return true;
		if (!ends_with(s, n, ".slice"))
			return false;
		s += n + (s[n] == '/');
	}
	return false;
}
