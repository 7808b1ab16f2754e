/* SPDX-License-Identifier: Apache-2.0 */
/* place.c - see place.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "base/io.h"
#include "place.h"

#define LOCKS_MAX_BYTES (4u << 20)

int bh_place_make(const char *what, const char *dir, mode_t mode, struct bh_diags *d)
{
	int r = bh_mkdir_p(dir, mode);

	if (r == 0)
		return 0;
	(void)bh_diag_add(d, BH_ERROR, NULL, "give another one, or make it for this user",
			  "%s '%s': %s", what, dir, strerror(-r));
	return r;
}

int bh_place_check(const char *what, const char *dir, struct bh_diags *d)
{
	if (access(dir, R_OK | W_OK | X_OK) == 0 || errno != EACCES)
		return 0;
	(void)bh_diag_add(d, BH_ERROR, NULL,
			  "run it as the user whose it is, as `systemctl start bulkhead` does",
			  "%s '%s' is another user's, and root's powers are given away", what, dir);
	return -EACCES;
}

/* "7: FLOCK  ADVISORY  WRITE 4711 00:1c:5678 0 EOF": device in hex, inode in decimal */
pid_t bh_place_holder(const char *dir)
{
	_cleanup_free_ char *text = NULL;
	char *save = NULL;
	struct stat st;

	if (stat(dir, &st) < 0 || bh_file_read("/proc/locks", LOCKS_MAX_BYTES, &text, NULL) < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned int major, minor;
		unsigned long long inode;
		int pid;

		if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%llu", &pid, &major, &minor,
			   &inode) != 4)
			continue;
		if (inode == st.st_ino && makedev(major, minor) == st.st_dev && pid > 0)
			return pid;
	}
	return 0;
}

int bh_place_lock(const char *what, const char *dir, struct bh_diags *d)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t pid;
	int r;

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return TAKE_FD(fd);
	r = -errno;
	if (r != -EWOULDBLOCK) {
		(void)bh_diag_add(d, BH_ERROR, NULL, NULL, "%s '%s': %s", what, dir, strerror(-r));
		return r;
	}
	pid = bh_place_holder(dir);
	if (pid)
		(void)bh_diag_add(d, BH_ERROR, NULL,
				  "stop it first, or give this one places of its own",
				  "another agent (pid %d) uses %s '%s'", (int)pid, what, dir);
	else
		(void)bh_diag_add(d, BH_ERROR, NULL,
				  "stop it first, or give this one places of its own",
				  "another agent uses %s '%s'", what, dir);
	return -EBUSY;
}
