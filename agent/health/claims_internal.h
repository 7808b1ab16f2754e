/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claims_internal.h - what the claims share: reading below the root, saying what came of it, and
 * the functions that the table in claims.c names.
 */
#ifndef BH_CLAIMS_INTERNAL_H
#define BH_CLAIMS_INTERNAL_H

#include "claims.h"

struct bh_claims {
	struct bh_claims_opts opts;
	struct bh_claim_result *result; /* bh_n_claims */
};

/* --- read.c: files below the root ----------------------------------------------------------- */

/* Most that is read of any of them, with the NUL behind it. */
#define BH_CLAIM_FILE 65536

/*
 * A link in its place is not followed. Return: the fd, -ELOOP (a link), -EXDEV (it lies on another
 * kind of filesystem than @fs), -errno.
 */
int bh_claim_open(const struct bh_claims *c, enum bh_claim_fs fs, const char *path, int flags);
/**
 * bh_claim_bytes - a whole file of at most @room bytes
 * Return: how many, -EFBIG, -EINVAL (no plain file), and as bh_claim_open().
 */
ssize_t bh_claim_bytes(const struct bh_claims *c, enum bh_claim_fs fs, const char *path, void *ret,
		       size_t room);
/* The same as a string, without line breaks at its end. Return: 0, -EBADMSG (it has NULs), ... */
int bh_claim_text(const struct bh_claims *c, enum bh_claim_fs fs, const char *path, char *ret,
		  size_t room);
/* The same as a number, and nothing else. Return: 0, -EBADMSG, ... */
int bh_claim_number(const struct bh_claims *c, enum bh_claim_fs fs, const char *path, long *ret);
/* Return: 1 it is there, 0 it is not, -errno: it can't be told. */
int bh_claim_exists(const struct bh_claims *c, const char *path);

/* --- say.c: what came of it ------------------------------------------------------------------ */

_printf_(3, 4) void bh_claim_say(struct bh_claim_result *ret, enum bh_claim_state state,
				 const char *fmt, ...);
/* It could not be read from @source: unknown, and why. */
void bh_claim_fail(struct bh_claim_result *ret, const char *source, int error);
void bh_claim_source(struct bh_claim_result *ret, const char *source);
/* Either, by @r of reading it: a negative errno is why it could not be. Return: it was read. */
bool bh_claim_got(struct bh_claim_result *ret, const char *source, int r);

/* --- claim_boot.c, claim_kernel.c, claim_disk.c, claim_host.c, claim_agent.c ------------------- */

typedef void bh_claim_fn(struct bh_claims *c, const struct bh_claim *row,
			 struct bh_claim_result *ret);

bh_claim_fn bh_claim_secure_boot, bh_claim_lockdown, bh_claim_module_loading, bh_claim_ima,
	bh_claim_mac_lsm;
bh_claim_fn bh_claim_taint, bh_claim_release, bh_claim_sysctl, bh_claim_core_dumps, bh_claim_auditd,
	bh_claim_time_sync;
bh_claim_fn bh_claim_root_encrypted, bh_claim_swap;
bh_claim_fn bh_claim_reboot_required, bh_claim_listeners, bh_claim_runtime_socket;
bh_claim_fn bh_claim_executable, bh_claim_programs, bh_claim_hooks, bh_claim_policy,
	bh_claim_foreign, bh_claim_debugger;

/* Is lockdown on? Return: 1, 0, -errno. */
int bh_claim_locked_down(const struct bh_claims *c);

/* --- netlink.c ------------------------------------------------------------------------------- */

int bh_claim_ask_audit(struct bh_claim_audit *ret);
int bh_claim_ask_sockets(struct bh_claim_sockets *ret);

/* --- mounts.c: the text of /proc/self/mountinfo and of /proc/swaps ---------------------------- */

struct bh_claim_mount {
	unsigned int major, minor;
	char type[32];
	char source[BH_CLAIM_TEXT];
};

/* What is mounted on "/", on top. @text is cut to pieces. Return: 0, -ENOENT, -EBADMSG. */
int bh_claim_root_mount(char *text, struct bh_claim_mount *ret);
/*
 * A line of /proc/swaps at a time; *text moves on and is cut to pieces. Return: 1 with its file and
 * type, 0 at the end, -EBADMSG.
 */
int bh_claim_next_swap(char **text, const char **ret_file, const char **ret_type);

#endif
