/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passwd.h - names of users by uid, of /etc/passwd alone: NSS may ask a server and block, which the
 * path of a flow must not. Read once, and again when the file is another one.
 */
#ifndef BH_PASSWD_H
#define BH_PASSWD_H

#include <linux/types.h>
#include "../base/cleanup.h"

struct bh_passwd;

/* @path: good for as long as that. Return: NULL if there is no memory; a file may be missing. */
struct bh_passwd *bh_passwd_new(const char *path);
void bh_passwd_free(struct bh_passwd *p);
BH_DEFINE_CLEANUP(struct bh_passwd *, bh_passwd_free)

/* Is it still the same? Once a second. */
void bh_passwd_look(struct bh_passwd *p);
/* NULL: nobody has it. Good until the next look. */
const char *bh_passwd_name(const struct bh_passwd *p, __u32 uid);

#endif
