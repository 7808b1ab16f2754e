/* SPDX-License-Identifier: Apache-2.0 */
/* auth.c - see auth.h. Facts are gathered here and nowhere else; the verdict is pure. */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <poll.h>
#include "../agent.h"
#include "../workload/proc.h"
#include "../workload/users.h"
#include "auth.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

#define READ_GROUP "bulkhead-read"
#define GROUPS_MAX 65536

void bh_caller_clear(struct bh_caller *c)
{
	free(c->cgroup);
	*c = (struct bh_caller){0};
}

/* --- facts --------------------------------------------------------------------------------- */

/* By the groups the socket was made with, not by what NSS says of the user now. */
static bool in_read_group(int fd, gid_t primary)
{
	const struct group *gr = getgrnam(READ_GROUP);
	_cleanup_free_ gid_t *list = NULL;
	socklen_t bytes = 0;

	if (!gr)
		return false;
	if (primary == gr->gr_gid)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) == 0 || errno != ERANGE ||
	    bytes > GROUPS_MAX * sizeof(*list))
		return false;
	list = malloc(bytes);
	if (!list || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &bytes) < 0)
		return false;
	for (size_t i = 0; i < bytes / sizeof(*list); i++)
		if (list[i] == gr->gr_gid)
			return true;
	return false;
}

/*
 * A handle on the process, so that its number can't become somebody else's while /proc is
 * read. Before SO_PEERPIDFD only a process that died before this call could be mistaken.
 */
static int pidfd_of(int fd, pid_t pid)
{
	socklen_t len = sizeof(int);
	int pidfd;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0)
		return pidfd;
	if (errno != ENOPROTOOPT)
		return -errno;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return pidfd < 0 ? -errno : pidfd;
}

static bool is_dead(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, 0) != 0;
}

/*
 * "/system.slice/x" of the mount to "/x" of the agent's root. Return: the rest, or NULL if it
 * is not below it. @root is that of the agent, also as the mount has it.
 */
static const char *below(const char *path, const char *root)
{
	size_t n = strlen(root);

	/* cgroup_namespaces(7): it is above or beside all that we can see */
	if (!strcmp(path, "/..") || !strncmp(path, "/../", 4))
		return NULL;
	if (!strcmp(root, "/"))
		return path;
	if (strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return NULL;
	return path[n] ? path + n : "/";
}

/* The agent's root as /proc/PID/cgroup would name it. Asked once: the list of mounts may be long. */
static int root_in_mount(struct bh_agent *a)
{
	_cleanup_free_ char *mount = NULL;
	const char *rest;
	int r = a->root_in_mount ? 0 : bh_cgroup_mount("/proc/self/mountinfo", &mount);

	if (r < 0 || a->root_in_mount)
		return r;
	rest = below(a->opts.cgroup_root, mount);
	a->root_in_mount = strdup(rest ? rest : "/");
	return a->root_in_mount ? 0 : -ENOMEM;
}

/* Its segment, by the same program that judges its packets. */
static void find_segment(struct bh_agent *a, struct bh_caller *c)
{
	_cleanup_free_ char *dir = NULL;
	const char *name;
	__u32 identity;
	__u64 cgid;

	if (!bh_kern_generation(a->kern) ||
	    asprintf(&dir, "%s%s", a->opts.cgroup_root, c->cgroup) < 0) {
		dir = NULL;
		return;
	}
	if (bh_cgroup_id(dir, &cgid) < 0 || bh_kern_whois(a->kern, cgid, c->uid, &identity) < 0)
		return;
	name = bh_agent_segment_name(a, identity);
	snprintf(c->segment, sizeof(c->segment), "%s", name ? name : "");
	c->admin = a->live.compiled && identity < a->live.compiled->n_segs &&
		   (a->live.compiled->segs[identity].flags & BH_SEG_ADMIN);
}

static int find_cgroup(struct bh_agent *a, struct bh_caller *c)
{
	_cleanup_free_ char *path = NULL;
	const char *rest;
	int r = bh_cgroup_of_pid(c->pid, &path);

	if (r == 0)
		r = root_in_mount(a);
	if (r < 0)
		return r;
	rest = below(path, a->root_in_mount);
	c->outside = !rest || !strcmp(rest, "/");
	c->cgroup = strdup(rest ? rest : path);
	if (!c->cgroup)
		return -ENOMEM;
	c->session = rest && bh_cgroup_is_session(rest);
	if (c->outside)
		strcpy(c->segment, "host");
	else
		find_segment(a, c);
	return 0;
}

int bh_caller_read(struct bh_agent *a, int fd, struct bh_caller *ret)
{
	_cleanup_(bh_caller_clear) struct bh_caller c = {0};
	_cleanup_close_ int pidfd = -1;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	/* a process of a pid namespace that is not ours or below has no number here */
	if (cred.pid <= 0)
		return -ESRCH;
	c.pid = cred.pid;
	c.uid = cred.uid;
	pidfd = pidfd_of(fd, cred.pid);
	if (pidfd < 0)
		return pidfd;
	c.reader = c.uid == 0 || in_read_group(fd, cred.gid);
	c.same_userns = bh_proc_same_userns(c.pid) == 1;
	r = find_cgroup(a, &c);
	if (r < 0)
		return r;
	/* for the audit log; nothing is decided by them */
	(void)bh_proc_loginuid(c.pid, &c.loginuid);
	(void)bh_proc_tty(c.pid, c.tty);
	if (is_dead(pidfd))
		return -ESRCH;
	*ret = c;
	c = (struct bh_caller){0};
	return 0;
}

/* In the order of what the answers cost: a flood of clients is told apart by this. */
bool bh_caller_is_operator(struct bh_agent *a, int fd)
{
	_cleanup_(bh_caller_clear) struct bh_caller c = {0};
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid != 0 ||
	    cred.pid <= 0)
		return false;
	c.pid = cred.pid;
	if (find_cgroup(a, &c) < 0)
		return false;
	c.same_userns = true;
	if (bh_caller_may_change(&c))
		return false;
	c.same_userns = bh_proc_same_userns(c.pid) == 1;
	return !bh_caller_may_change(&c);
}

/* --- verdict ------------------------------------------------------------------------------- */

const char *bh_caller_may_read(const struct bh_caller *c)
{
	if (c->reader)
		return NULL;
	return "reading takes root or group " READ_GROUP;
}

const char *bh_caller_may_change(const struct bh_caller *c)
{
	if (c->uid != 0)
		return "a change takes root";
	if (!c->same_userns)
		return "a change takes root of this host's user namespace, not of a container's";
	if (!c->outside && !c->session && !c->admin)
		return "a change takes a login session, or a workload in a segment with "
		       "`admin: true`";
	return NULL;
}

char *bh_caller_text(const struct bh_caller *c)
{
	char user[BH_USER_TEXT], *text;

	if (asprintf(&text, "%s (pid %d, %s)", bh_nss_name(c->uid, user), (int)c->pid,
		     c->cgroup ? c->cgroup : "no cgroup") < 0)
		return NULL;
	return text;
}
