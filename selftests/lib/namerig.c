/* SPDX-License-Identifier: Apache-2.0 */
/* namerig.c - a policy of cgroup names, see namerig.h. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "cg.h"
#include "namerig.h"
#include "../../agent/kern/kern_internal.h"

/* --- a policy of names --------------------------------------------------------------------------- */

static struct {
	struct bh_name_key name[64];
	struct bh_name_val name_val[64];
	struct bh_glob_key glob[64];
	struct bh_glob_val glob_val[64];
	size_t n_names, n_globs;
} map;

void rig_names_clear(void)
{
	memset(&map, 0, sizeof(map));
}

void rig_name(__u32 node, const char *name, struct bh_name_val val)
{
	struct bh_name_key *key = &map.name[map.n_names];

	assert_true(map.n_names < ARRAY_SIZE(map.name) && strlen(name) < sizeof(key->name));
	key->node = node;
	memcpy(key->name, name, strlen(name));
	map.name_val[map.n_names++] = val;
}

void rig_glob(__u32 node, const char *pattern, struct bh_name_val val)
{
	size_t prefix = strcspn(pattern, "*"), at;
	struct bh_glob_key key = {.prefixlen = (__u32)(32 + 8 * prefix), .node_be = htonl(node)};
	const char *suffix = pattern + prefix + 1;
	struct bh_glob *glob;

	memcpy(key.name, pattern, prefix);
	for (at = 0; at < map.n_globs; at++)
		if (!memcmp(&map.glob[at], &key, sizeof(key)))
			break;
	map.n_globs = MAX(map.n_globs, at + 1);
	map.glob[at] = key;
	map.glob_val[at].prefix_len = (__u32)prefix;
	assert_true(map.glob_val[at].n < BH_GLOB_SUFFIXES);
	glob = &map.glob_val[at].glob[map.glob_val[at].n++];
	snprintf(glob->suffix, sizeof(glob->suffix), "%s", suffix);
	glob->suffix_len = (__u32)strlen(suffix);
	glob->val = val;
}

struct bh_compiled *rig_names(void)
{
	struct bh_compiled *c = rig_policy(80);

	c->names.bh_name_key = map.name;
	c->names.bh_name_val = map.name_val;
	c->names.n = map.n_names;
	c->globs.bh_glob_key = map.glob;
	c->globs.bh_glob_val = map.glob_val;
	c->globs.n = map.n_globs;
	return c;
}

/* --- the agent ----------------------------------------------------------------------------------- */

struct bh_kern *rig_begin(struct bh_kern_opts opts)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern *k = NULL;
	int r = bh_kern_open(&opts, &d, &k);

	if (r == 0)
		r = bh_kern_attach(k, &d);
	if (r == 0)
		r = bh_kern_seed(k, &d);
	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	return k;
}

/* Anything left in the base would be in the next test's table. */
void rig_end(struct bh_kern *k)
{
	assert_int_equal(bh_kern_detach(k), 0);
	bh_kern_close(k);
	assert_int_equal(cg_remove(), 0);
	assert_int_equal(cg_make("", NULL), 0);
	rig_names_clear();
}

void rig_commit(struct bh_kern *k)
{
	_cleanup_diags_ struct bh_diags d = {0};
	__u64 gen;
	int r = bh_kern_stage(k, rig_names(), &d, &gen);

	if (r == 0)
		r = bh_kern_publish(k);
	if (r < 0)
		bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
}

bool rig_cg(struct bh_kern *k, __u64 id, struct bh_cgroup *ret)
{
	return bpf_map_lookup_elem(bh_kern_map_fd(k, BH_MAP_CGROUPS), &id, ret) == 0;
}

struct bh_cg_side rig_side(struct bh_kern *k, __u64 id)
{
	struct bh_cgroup cg;

	assert_true(rig_cg(k, id, &cg));
	return cg.side[BH_SIDE(bh_kern_generation(k))];
}

const char *rig_cg_path(const char *name)
{
	static char base[PATH_MAX / 2], path[PATH_MAX];

	assert_int_equal(cg_base(base, sizeof(base)), 0);
	assert_true(snprintf(path, sizeof(path), "%s/%s", base, name) < (int)sizeof(path));
	return path;
}

/* mkdir, and at once: what is it? */
struct bh_cg_side rig_made(struct bh_kern *k, const char *name)
{
	uint64_t id;

	assert_int_equal(cg_make(name, &id), 0);
	return rig_side(k, id);
}

__u64 rig_cg_id(const char *name)
{
	uint64_t id;

	assert_int_equal(access(rig_cg_path(name), F_OK), 0);
	assert_int_equal(cg_make(name, &id), 0);
	return id;
}
