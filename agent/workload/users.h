/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users.h - who is who on this host, by NSS. The functions have the shape of struct bh_users
 * of the compiler; the agent puts them there.
 */
#ifndef BH_NSS_USERS_H
#define BH_NSS_USERS_H

#include <linux/types.h>
#include "../base/cleanup.h"

/* Return: 0, -ENOENT, -errno (it can't be told now). */
int bh_nss_uid_of(void *ctx, const char *user, __u32 *ret_uid);

/*
 * Members of @group and the enumerable users whose primary group it is, ascending, unique,
 * malloced. Return: 0, -ENOENT, -errno (it can't be told now).
 */
int bh_nss_group(void *ctx, const char *group, __u32 **ret_uids, size_t *ret_n);

#define BH_USER_TEXT 64

/* The user's name, or the number as text. */
const char *bh_nss_name(__u32 uid, char ret[BH_USER_TEXT]);

#endif
