/* SPDX-License-Identifier: Apache-2.0 */
/* offline.h - a segment map parsed and compiled without an agent. Callers: `check` and `init`. */
#ifndef BH_OFFLINE_H
#define BH_OFFLINE_H

#include "../../agent/policy/model.h"
#include "cli.h"

/**
 * bh_offline_check - is this a segment map, and would it fit
 * @ret_map:     free with bh_map_free()
 * @ret_entries: {"policy","addrs",...}: how many entries of each table it needs
 *
 * Every user and group is taken as known. Return: 0, -EINVAL or -E2BIG (see @d), -ENOMEM.
 */
int bh_offline_check(const char *file, const char *text, size_t len, struct bh_diags *d,
		     struct bh_map **ret_map, json_t **ret_entries);

#endif
