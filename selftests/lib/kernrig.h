/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernrig.h - a place for tests of agent/kern: a bpffs in a mount namespace of its own, a
 * cgroup subtree, and a hand-made policy. Used by selftests/datapath.
 */
#ifndef BH_TEST_KERNRIG_H
#define BH_TEST_KERNRIG_H

#include "../../agent/kern/kern.h"

enum { RIG_WEB = 16, RIG_DB = 17, RIG_RULE = 5, RIG_N_RULES = 8 };

/* Return: 0, or -errno with the reason on stdout. Once per process, rig_down() at its end. */
int rig_up(void);
void rig_down(void);

/* Options with small maps, the pin directory and the cgroup root of the rig. */
struct bh_kern_opts rig_opts(void);

/**
 * rig_policy - segments web and db; web may go to db at @port, nothing else
 * Return: a policy of static storage, good until the next call.
 */
struct bh_compiled *rig_policy(__u16 port);

/* May web go to db at @port, in generation @gen? 1, 0, or -errno. *ret_rule may be NULL. */
int rig_ask(struct bh_kern *k, __u64 gen, __u16 port, __u32 *ret_rule);

/* True if a finding's text or help has @part in it. */
bool rig_said(const struct bh_diags *d, const char *part);

/* The row of hook @name, by its mode: "" if there is none. */
const char *rig_hook(struct bh_kern *k, const char *name);

/* Are pins left below the rig's pin directory? */
bool rig_pinned(const char *sub, const char *name);
int rig_unpin(const char *sub, const char *name);

#endif
