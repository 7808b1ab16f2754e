/* SPDX-License-Identifier: Apache-2.0 */
/* proc.c - see proc.h. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "../base/io.h"
#include "proc.h"

int bh_proc_uid(pid_t pid, __u32 *ret)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	const char *at;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	r = bh_file_read(path, 1u << 16, &text, NULL);
	if (r)
		return r == -ENOENT ? -ESRCH : r;
	at = strstr(text, "\nUid:");
	if (!at || sscanf(at, "\nUid: %*u %*u %*u %u", ret) != 1)
		return -ENODATA;
	return 0;
}

int bh_proc_loginuid(pid_t pid, __u32 *ret)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	int r;

	*ret = BH_PROC_NO_LOGIN;
	snprintf(path, sizeof(path), "/proc/%d/loginuid", (int)pid);
	r = bh_file_read(path, 64, &text, NULL);
	/* the process is gone, or the kernel was built without CONFIG_AUDIT */
	if (r == -ENOENT)
		return access("/proc/self/loginuid", F_OK) < 0 ? 0 : -ESRCH;
	if (r < 0)
		return r;
	return sscanf(text, "%u", ret) == 1 ? 0 : -ENODATA;
}

/* Documentation/admin-guide/devices.txt. */
void bh_tty_name(unsigned int dev, char ret[BH_TTY_TEXT])
{
	unsigned int major = (dev >> 8) & 0xfff, minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
	static const struct {
		unsigned int major, first, last;
		const char *name;
	} names[] = {
		{4, 0, 63, "tty"},	   {4, 64, 255, "ttyS"},    {166, 0, 255, "ttyACM"},
		{188, 0, 255, "ttyUSB"},   {204, 64, 79, "ttyAMA"}, {229, 0, 255, "hvc"},
		{136, 0, 0xfffff, "pts/"},
	};

	if (!dev) {
		*ret = '\0';
		return;
	}
	/* eight majors of 256 each, before numbers had 20 bits */
	if (major > 136 && major <= 143) {
		minor += (major - 136) * 256;
		major = 136;
	}
	snprintf(ret, BH_TTY_TEXT, "%u:%u", major, minor);
	if (major == 5 && minor == 1)
		snprintf(ret, BH_TTY_TEXT, "console");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].major == major && minor >= names[i].first && minor <= names[i].last)
			snprintf(ret, BH_TTY_TEXT, "%s%u", names[i].name, minor - names[i].first);
}

int bh_proc_tty(pid_t pid, char ret[BH_TTY_TEXT])
{
	_cleanup_free_ char *text = NULL;
	const char *at;
	char path[64];
	int dev, r;

	*ret = '\0';
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = bh_file_read(path, 1u << 16, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	/* the name in the parentheses is whatever the process likes: the last one ends it */
	at = strrchr(text, ')');
	if (!at || sscanf(at, ") %*c %*d %*d %*d %d", &dev) != 1)
		return -ENODATA;
	bh_tty_name((unsigned int)dev, ret);
	return 0;
}

int bh_proc_same_userns(pid_t pid)
{
	_cleanup_free_ char *ours = NULL, *theirs = NULL;
	struct stat a, b;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	if (!stat(path, &a) && !stat("/proc/self/ns/user", &b))
		return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	r = bh_file_read(path, 1u << 16, &theirs, NULL);
	if (!r)
		r = bh_file_read("/proc/self/uid_map", 1u << 16, &ours, NULL);
	if (r)
		return r;
	return !strcmp(ours, theirs);
}
