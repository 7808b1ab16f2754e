/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_find.c - names of workloads: a cgroup path, a unit, a process. What is not found is
 * answered with what may have been meant. Called by explain_resolve.c.
 */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include "../workload/proc.h"
#include "explain.h"
#include "listeners.h"

_printf_(3, 4) static int refuse(struct bh_explain *x, const char *help, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	(void)bh_reply_fail(x->reply, BH_EXIT_FAILED, help, "%s", text ? text : "no memory");
	return -ENOENT;
}

static int take(struct bh_end *end, __u64 cgid, const char *path)
{
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	free(end->path);
	end->path = copy;
	end->local = true;
	end->kind = BH_END_WORKLOAD;
	end->cgid = cgid;
	/* the root itself: sockets there are `host` */
	if (!strcmp(path, "/")) {
		end->kind = BH_END_SEGMENT;
		end->identity = BH_ID_HOST;
	}
	return 0;
}

/* --- what is there ------------------------------------------------------------------------------ */

/* Only slices above it: a unit of the system manager. */
static bool is_system_unit(const char *path)
{
	for (const char *s = path + 1, *slash; (slash = strchr(s, '/')); s = slash + 1)
		if (slash - s < 7 || strncmp(slash - 6, ".slice", 6) != 0)
			return false;
	return path[1] != '\0';
}

struct search {
	const char *path; /* exactly this one, or NULL */
	const char *unit; /* or those called so */
	size_t n;	  /* units of the system manager that were found */
	__u64 cgid;
	const char *found, *other; /* the first; another, or one that is no system unit */
};

static bool is_called(const char *path, const char *unit)
{
	const char *name = bh_base_of(path);
	size_t n = strlen(unit);

	return !strncmp(name, unit, n) && (!name[n] || !strcmp(name + n, ".service"));
}

static int on_path(void *ctx, const char *path, __u64 id)
{
	struct search *s = ctx;

	if (s->path ? strcmp(s->path, path) != 0 : !is_called(path, s->unit))
		return 0;
	if (!s->path && !is_system_unit(path)) {
		s->other = s->other ? s->other : path;
		return 0;
	}
	if (s->n++) {
		s->other = path;
		return 0;
	}
	s->found = path;
	s->cgid = id;
	return 0;
}

static int find_path(struct bh_explain *x, struct bh_end *end)
{
	_cleanup_free_ char *path = strdup(end->word);
	struct search s = {.path = path};
	size_t n = path ? strlen(path) : 0;

	if (!path)
		return -ENOMEM;
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	(void)bh_cgroups_each(x->a->cgroups, on_path, &s);
	return s.found ? take(end, s.cgid, s.found) : bh_explain_unknown(x, end);
}

static int find_unit(struct bh_explain *x, struct bh_end *end)
{
	struct search s = {.unit = end->word};

	(void)bh_cgroups_each(x->a->cgroups, on_path, &s);
	if (s.n > 1)
		return refuse(x, "name it by its cgroup path",
			      "'%.80s' is more than one: %s and %s", end->word, s.found, s.other);
	if (s.found)
		return take(end, s.cgid, s.found);
	if (s.other)
		return refuse(x, "name it by its cgroup path",
			      "'%.80s' is no unit of the system manager here; there is %s",
			      end->word, s.other);
	return 1;
}

/* --- a process ---------------------------------------------------------------------------------- */

/* The cgroup of @path of the mount. Return: 0, -ENOENT ... */
static int cgroup_in_mount(const char *path, __u64 *ret)
{
	_cleanup_free_ char *mount = NULL, *dir = NULL;
	int r;

	/* above the root of our cgroup namespace */
	if (!strncmp(path, "/..", 3))
		return -EXDEV;
	r = bh_cgroup_mount("/proc/self/mountinfo", &mount);
	if (r < 0)
		return r;
	if (asprintf(&dir, "%s%s", mount, path) < 0) {
		dir = NULL;
		return -ENOMEM;
	}
	return bh_cgroup_id(dir, ret);
}

static bool in_other_netns(pid_t pid)
{
	struct stat ours, theirs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return !stat("/proc/self/ns/net", &ours) && !stat(path, &theirs) &&
	       (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev);
}

static int take_process(struct bh_explain *x, struct bh_end *end, pid_t pid)
{
	_cleanup_free_ char *path = NULL;
	const char *name = NULL;
	__u64 cgid = 0;
	int r = bh_cgroup_of_pid(pid, &path);

	if (r == 0)
		r = bh_proc_uid(pid, &end->uid);
	if (r < 0)
		return r;
	r = cgroup_in_mount(path, &cgid);
	if (r == 0)
		name = bh_cgroups_name(x->a->cgroups, cgid);
	else if (r != -EXDEV)
		return r;
	end->uid_known = true;
	if (in_other_netns(pid))
		bh_explain_note(x,
				"%s is in another network namespace: what is local there, and who "
				"listens there, was not looked at",
				end->word);
	if (name) {
		bh_explain_note(x,
				"%s is in %s now; a socket belongs to the cgroup that it was made "
				"in",
				end->word, name);
		return take(end, cgid, name);
	}
	bh_explain_note(x, "%s is outside the agent's cgroup root (%s): `host`", end->word,
			x->a->opts.cgroup_root);
	end->kind = BH_END_SEGMENT;
	end->identity = BH_ID_HOST;
	end->local = true;
	return 0;
}

static int find_process(struct bh_explain *x, struct bh_end *end)
{
	const char *number = end->word + strlen("pid:");
	size_t n = strlen(number);
	int r;

	if (!n || n > 7 || number[strspn(number, "0123456789")] || *number == '0') {
		(void)bh_reply_fail(x->reply, BH_EXIT_USAGE, "pid:N, with N in decimal",
				    "'%.40s' is no process id", number);
		return -ENOENT;
	}
	r = take_process(x, end, atoi(number));
	if (r == -ESRCH || r == -ENOENT)
		return refuse(x, NULL, "there is no process %s", number);
	if (r == -ENODATA)
		return refuse(x, NULL, "process %s has no cgroup", number);
	return r;
}

int bh_explain_find(struct bh_explain *x, struct bh_end *end)
{
	if (!strncmp(end->word, "pid:", 4))
		return find_process(x, end);
	if (*end->word == '/')
		return find_path(x, end);
	return find_unit(x, end);
}

/* --- nothing is called so ------------------------------------------------------------------------- */

/* The segment that would take @word if it ran: for the hint, not for an answer. */
static const struct bh_segment *segment_naming(const struct bh_map *map, const char *word)
{
	bool path = *word == '/';

	for (size_t i = 0; map && i < map->n_segment; i++)
		for (size_t j = 0; j < map->segment[i].n_match; j++) {
			const struct bh_match *m = &map->segment[i].match[j];
			const struct bh_words *w = path ? &m->cgroup : &m->unit;

			for (size_t k = 0; k < w->n; k++)
				if (!fnmatch(w->v[k].s, word, FNM_PATHNAME))
					return &map->segment[i];
		}
	return NULL;
}

struct names {
	const char **v;
	size_t n, room;
	bool paths;
	bool oom;
};

static void names_add(struct names *names, const char *name)
{
	const char **more;

	if (names->oom)
		return;
	if (names->n == names->room) {
		names->room = names->room ? names->room * 2 : 64;
		more = reallocarray(names->v, names->room, sizeof(*more));
		if (!more) {
			names->oom = true;
			return;
		}
		names->v = more;
	}
	names->v[names->n++] = name;
}

static int on_name(void *ctx, const char *path, _unused_ __u64 id)
{
	struct names *names = ctx;

	if (names->paths)
		names_add(names, path);
	else if (is_system_unit(path))
		names_add(names, bh_base_of(path));
	return names->oom;
}

int bh_explain_unknown(struct bh_explain *x, const struct bh_end *end)
{
	const struct bh_segment *segment = segment_naming(x->a->live.map, end->word);
	struct names names = {.paths = *end->word == '/'};
	const struct bh_map *map = x->a->live.map;
	const char *near = NULL;
	char help[BH_HELP_MAX];

	for (size_t i = 0; map && !names.paths && i < map->n_segment; i++)
		names_add(&names, map->segment[i].name);
	(void)bh_cgroups_each(x->a->cgroups, on_name, &names);
	if (!names.oom && names.n)
		near = bh_nearest(end->word, names.v, names.n);
	if (segment)
		bh_help(help, "it does not run now; segment '%s' would have it: ask for that",
			segment->name);
	else if (near)
		bh_help(help, "did you mean '%.300s'?", near);
	else
		bh_help(help, "a segment, a unit, a cgroup path, pid:N or an address");
	free(names.v);
	return refuse(x, help, "nothing here is called '%.80s'", end->word);
}
