/* SPDX-License-Identifier: Apache-2.0 */
/*
 * namerig.h - an agent with a hand-made policy of cgroup names, for tests of what a cgroup
 * means. On top of kernrig.h; a failure ends the test. Used by selftests/datapath.
 */
#ifndef BH_TEST_NAMERIG_H
#define BH_TEST_NAMERIG_H

#include "kernrig.h"

/* Opens, attaches and seeds. */
struct bh_kern *rig_begin(struct bh_kern_opts opts);
/* Detaches; removes the test's cgroups and forgets its names: the next test begins afresh. */
void rig_end(struct bh_kern *k);

/* One entry more for the next commit. @pattern: "prefix*suffix" */
void rig_name(__u32 node, const char *name, struct bh_name_val val);
void rig_glob(__u32 node, const char *pattern, struct bh_name_val val);
void rig_names_clear(void);

/* rig_policy() with these names. Good until the next call. */
struct bh_compiled *rig_names(void);
void rig_commit(struct bh_kern *k);

/* Path and id of a cgroup below the rig's base. Good until the next call; it must be there. */
const char *rig_cg_path(const char *name);
__u64 rig_cg_id(const char *name);

/* Its entry; false if it has none. */
bool rig_cg(struct bh_kern *k, __u64 id, struct bh_cgroup *ret);
/* What it means in the live generation. It must have an entry. */
struct bh_cg_side rig_side(struct bh_kern *k, __u64 id);
/* mkdir (with parents), and at once: what does it mean? */
struct bh_cg_side rig_made(struct bh_kern *k, const char *name);

#endif
