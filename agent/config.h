/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - what the agent is set to: the command line, what the settings file says beyond it,
 * and the defaults. The file is read at start and on SIGHUP; one with an error in it is refused
 * whole. Called by main.c and agent.c.
 */
#ifndef BH_CONFIG_H
#define BH_CONFIG_H

#include "agent.h"

/**
 * bh_config_load - read the file, and lay the command line over it
 * @line: what the command line says, and nothing else
 * @ret:  complete; free with bh_agent_opts_clear()
 *
 * The file that --config names has to be there, the default one need not. Return: 0, -ENOMEM,
 * -EINVAL (see @d; @ret is empty).
 */
int bh_config_load(const struct bh_agent_opts *line, struct bh_diags *d, struct bh_agent_opts *ret);

/*
 * At start, after bh_config_load() found errors (in @d): an agent that does not start guards
 * nothing after a reboot. What can be read of the file is used, and `status` says that not all of it
 * could be. Return: 0, -ENOMEM, -EINVAL (the command line; see @d).
 */
int bh_config_salvage(const struct bh_agent_opts *line, struct bh_diags *d,
		      struct bh_agent_opts *ret);

/* As bh_config_load() without a file: for `rescue`, which must not need one that is right. */
int bh_config_bare(const struct bh_agent_opts *line, struct bh_diags *d, struct bh_agent_opts *ret);

/* The log's level and the audit log's size: what other rooms keep for themselves. */
void bh_config_use(struct bh_agent *a);

/*
 * SIGHUP: read it again. What can change at run time changes; of the rest `status` says that it
 * takes a restart. A file that is refused changes nothing, and `status` says that, too.
 */
void bh_config_reload(struct bh_agent *a);

#endif
