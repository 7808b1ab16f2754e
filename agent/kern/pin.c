/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pin.c - the places below <pin-dir>/v<ABI>: is it a bpffs, make, pin, replace, remove.
 * Called by open.c, attach.c and nic.c. No name here has a dot: bpffs reserves them.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "kern_internal.h"

#define BPFFS_MAGIC 0xcafe4a11

int bh_pin_path(const struct bh_kern *k, const char *sub, const char *name,
		char ret[BH_PIN_PATH_MAX])
{
	int n = snprintf(ret, BH_PIN_PATH_MAX, "%s%s%s%s%s", k->dir, *sub ? "/" : "", sub,
			 *name ? "/" : "", name);

	return n < BH_PIN_PATH_MAX ? 0 : -ENAMETOOLONG;
}

int bh_pin_on_bpffs(const char *path)
{
	_cleanup_free_ char *near = strdup(path);
	struct statfs fs;

	if (!near)
		return -ENOMEM;
	/* the directory itself may not be there yet: what it will be made in decides */
	while (statfs(near, &fs) < 0) {
		char *slash = strrchr(near, '/');

		if (errno != ENOENT || !slash || slash == near)
			return -errno;
		*slash = '\0';
	}
	return (__u32)fs.f_type == BPFFS_MAGIC;
}

int bh_pin_check(struct bh_kern *k, const char *pin_dir, struct bh_diags *d)
{
	int r;

	if (pin_dir[0] != '/' || strlen(pin_dir) > BH_PIN_PATH_MAX - 64)
		return kern_error(d, -EINVAL, "give an absolute path of at most 448 characters",
				  "pin directory '%s' can't be used", pin_dir);
	r = bh_pin_on_bpffs(pin_dir);
	if (r < 0)
		return kern_error(d, r, NULL, "pin directory '%s': %s", pin_dir, strerror(-r));
	if (!r)
		return kern_error(d, -ENOTSUP,
				  "mount one: mount -t bpf -o mode=0700 bpf /sys/fs/bpf, or give "
				  "--pin-dir on a bpffs",
				  "pin directory '%s' is not on a bpffs", pin_dir);
	k->abi = BH_ABI;
	return bh_pin_set(k, pin_dir, BH_PIN_OWN);
}

int bh_pin_set(struct bh_kern *k, const char *pin_dir, const char *set)
{
	free(k->dir);
	if (asprintf(&k->dir, "%s/%s", pin_dir, set) < 0) {
		k->dir = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int make_dir(const char *path, struct bh_diags *d)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return kern_error(d, -errno, "the directory above it must exist and be writable",
				  "can't make '%s': %s", path, strerror(errno));
	return 0;
}

int bh_pin_make_dirs(struct bh_kern *k, struct bh_diags *d)
{
	static const char *const subs[] = {"", "links", "progs"};
	_cleanup_free_ char *top = strdup(k->dir);
	char path[BH_PIN_PATH_MAX];
	int r;

	if (!top)
		return -ENOMEM;
	*strrchr(top, '/') = '\0';
	r = make_dir(top, d);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(subs); i++) {
		r = bh_pin_path(k, subs[i], "", path);
		if (r == 0)
			r = make_dir(path, d);
	}
	return r;
}

/* Empties and removes a directory; -ENOENT is fine. Directories on bpffs nest two deep. */
static int remove_tree(const char *path, int depth)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(dir))) {
		char child[BH_PIN_PATH_MAX];

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (snprintf(child, sizeof(child), "%s/%s", path, e->d_name) >= (int)sizeof(child))
			r = -ENAMETOOLONG;
		else if (e->d_type == DT_DIR && depth > 0)
			r = remove_tree(child, depth - 1);
		else if (unlink(child) < 0 && errno != ENOENT)
			r = -errno;
		if (r < 0)
			break;
	}
	closedir(dir);
	if (r == 0 && rmdir(path) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

bool bh_pin_present(const struct bh_kern *k)
{
	char path[BH_PIN_PATH_MAX];

	return bh_pin_path(k, "maps", "", path) == 0 && access(path, F_OK) == 0;
}

int bh_pin_aside(const struct bh_kern *k, struct bh_diags *d)
{
	char aside[BH_PIN_PATH_MAX];
	int r = bh_pin_path(k, "maps_new", "", aside);

	if (r == 0)
		r = remove_tree(aside, 0);
	return r < 0 ? r : make_dir(aside, d);
}

int bh_pin_aside_done(const struct bh_kern *k)
{
	char aside[BH_PIN_PATH_MAX], final[BH_PIN_PATH_MAX];
	int r = bh_pin_path(k, "maps_new", "", aside);

	if (r == 0)
		r = bh_pin_path(k, "maps", "", final);
	if (r == 0 && rename(aside, final) < 0)
		r = -errno;
	if (r < 0)
		(void)remove_tree(aside, 0);
	return r;
}

int bh_pin_maps(struct bh_kern *k, struct bh_diags *d)
{
	char path[BH_PIN_PATH_MAX];
	struct bpf_map *map;
	int r = bh_pin_aside(k, d);

	if (r < 0)
		return r;

	bpf_object__for_each_map(map, k->obj)
	{
		/* .bss and .rodata belong to one load, not to the host */
		if (bpf_map__is_internal(map))
			continue;
		r = bh_pin_path(k, "maps_new", bpf_map__name(map), path);
		if (r == 0 && bpf_obj_pin(bpf_map__fd(map), path) < 0)
			r = -errno;
		if (r < 0)
			break;
	}
	if (r == 0)
		r = bh_pin_aside_done(k);
	if (r < 0)
		return kern_error(d, r, NULL, "can't pin the maps in '%s/maps': %s", k->dir,
				  strerror(-r));
	return 0;
}

int bh_pin_replace(const struct bh_kern *k, const char *sub, const char *name, int fd)
{
	char aside[BH_PIN_PATH_MAX], final[BH_PIN_PATH_MAX];
	_cleanup_free_ char *aside_name = NULL;
	int r;

	if (asprintf(&aside_name, "%s_new", name) < 0) {
		aside_name = NULL;
		return -ENOMEM;
	}
	r = bh_pin_path(k, sub, aside_name, aside);
	if (r == 0)
		r = bh_pin_path(k, sub, name, final);
	if (r < 0)
		return r;
	/* what a crash left between the two calls below */
	(void)unlink(aside);
	if (bpf_obj_pin(fd, aside) < 0)
		return -errno;
	if (rename(aside, final) < 0) {
		r = -errno;
		(void)unlink(aside);
		return r;
	}
	return 0;
}

int bh_pin_get(const struct bh_kern *k, const char *sub, const char *name)
{
	char path[BH_PIN_PATH_MAX];
	int r = bh_pin_path(k, sub, name, path);

	if (r < 0)
		return r;
	r = bpf_obj_get(path);
	return r < 0 ? -errno : r;
}

void bh_pin_remove(const struct bh_kern *k, const char *sub, const char *name)
{
	char path[BH_PIN_PATH_MAX];

	if (bh_pin_path(k, sub, name, path) == 0)
		(void)unlink(path);
}

bool bh_pin_exists(const struct bh_kern *k, const char *sub, const char *name)
{
	char path[BH_PIN_PATH_MAX];

	return bh_pin_path(k, sub, name, path) == 0 && access(path, F_OK) == 0;
}

int bh_pin_each(struct bh_kern *k, const char *sub, int (*fn)(struct bh_kern *k, const char *name))
{
	char path[BH_PIN_PATH_MAX];
	struct dirent *e;
	DIR *dir;
	int r = bh_pin_path(k, sub, "", path);

	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = fn(k, e->d_name);
	closedir(dir);
	return r;
}

int bh_pin_remove_all(const struct bh_kern *k)
{
	char maps[BH_PIN_PATH_MAX], aside[BH_PIN_PATH_MAX];
	int r = bh_pin_path(k, "maps", "", maps);

	if (r == 0)
		r = bh_pin_path(k, "maps_old", "", aside);
	if (r == 0)
		r = remove_tree(aside, 0);
	if (r == 0 && rename(maps, aside) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? r : remove_tree(k->dir, 1);
}
