/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claims.h - the posture of this device: a table of claims, each good, bad or unknown, with what
 * was read and where. Read from files below one root, and by calls that a test can replace.
 *
 * What is not known is never good. Root can make most of it lie: docs/attestation.md says which.
 */
#ifndef BH_CLAIMS_H
#define BH_CLAIMS_H

#include <sys/timex.h>
#include <sys/utsname.h>
#include "../base/cleanup.h"
#include "../base/clock.h"

enum bh_claim_state { BH_CLAIM_UNKNOWN, BH_CLAIM_BAD, BH_CLAIM_GOOD };

#define BH_CLAIM_TEXT 160

/**
 * struct bh_claim_result - what a claim came to
 * @error:  errno where reading failed, 0 elsewhere; then @state is BH_CLAIM_UNKNOWN
 * @value:  what was read, short; may be ""
 * @source: a path, or the name of a kernel interface
 */
struct bh_claim_result {
	enum bh_claim_state state;
	int error;
	char value[BH_CLAIM_TEXT];
	char source[BH_CLAIM_TEXT];
	uint64_t boot_ns;
	int64_t wall_ms;
};

/* Which filesystem has to answer, so that nothing is laid over it. */
enum bh_claim_fs {
	BH_FS_ANY,
	BH_FS_PROC,
	BH_FS_SYS,
	BH_FS_SECURITY,
	BH_FS_EFIVAR,
	BH_FS_SELINUX,
	BH_FS_MAX,
};

struct bh_claims;

/**
 * struct bh_claim - a row of the table
 * @grade:   'A' hard for who has not the kernel, 'B' useful hygiene, 'C' weak
 * @once:    it can't change before the next boot: once read it stays
 * @path:    below the root; of a number that has to lie in [@lo, @hi], and is told of when it
 *           changes
 * @collect: fills in all but the times; the result begins as zeroes
 */
struct bh_claim {
	const char *name;
	char grade;
	bool once;
	const char *meaning, *hint;
	const char *path;
	long lo, hi;
	void (*collect)(struct bh_claims *c, const struct bh_claim *row,
			struct bh_claim_result *ret);
};

extern const struct bh_claim bh_claim_table[];
extern const size_t bh_n_claims;

#define BH_CLAIM_DIGEST 65

/* Programs in the kernel that are not the agent's. */
struct bh_claim_foreign {
	size_t own, others;
	char some[BH_CLAIM_TEXT];   /* their types and names, as many as fit */
	char bypass[BH_CLAIM_TEXT]; /* one that carries data past every hook of ours; "" = none */
};

struct bh_claim_hooks {
	size_t n, attached;
	char first[BH_CLAIM_TEXT]; /* that is not: "cgroup/connect4: replaced" */
};

/* "a b c" in @list, as far as they fit; then "...". */
void bh_claim_add(char list[BH_CLAIM_TEXT], const char *word);

/* What the agent says of itself. A NULL one, or -errno: unknown. */
struct bh_claims_agent {
	void *ctx;
	int (*executable)(void *ctx, char ret[BH_CLAIM_DIGEST]);
	int (*programs)(void *ctx, size_t *ret_n, char ret[BH_CLAIM_DIGEST]);
	int (*hooks)(void *ctx, struct bh_claim_hooks *ret);
	/* -ENODATA: none is enforced */
	int (*policy)(void *ctx, char ret[BH_CLAIM_DIGEST]);
	int (*foreign)(void *ctx, struct bh_claim_foreign *ret);
};

struct bh_claim_audit {
	unsigned int enabled, pid;
};

struct bh_claim_sockets {
	size_t wildcard;	  /* listen on every address of this network namespace */
	char some[BH_CLAIM_TEXT]; /* "tcp/22 udp/53", as many as fit */
};

/* What the kernel is asked without a file. -errno: unknown. */
struct bh_claims_calls {
	int (*uname)(struct utsname *ret);
	int (*timex)(struct timex *ret); /* as adjtimex() */
	int (*audit)(struct bh_claim_audit *ret);
	int (*sockets)(struct bh_claim_sockets *ret);
	int (*dumpable)(void); /* as PR_GET_DUMPABLE */
};
extern const struct bh_claims_calls bh_claims_calls_real;

/**
 * struct bh_claims_opts - where to look
 * @root_fd: a directory that is "/"; stays the caller's, and open
 * @magic:   f_type that statfs() has to say of a file of this kind; 0: the kernel's own. A test
 *           has no procfs below its root, and puts there what its directory lies on
 */
struct bh_claims_opts {
	int root_fd;
	unsigned long magic[BH_FS_MAX];
	const struct bh_clock *clock;
	const struct bh_claims_calls *calls;
	struct bh_claims_agent agent;
};

/* Return: NULL if there is no memory. */
struct bh_claims *bh_claims_new(const struct bh_claims_opts *opts);
void bh_claims_free(struct bh_claims *c);
BH_DEFINE_CLEANUP(struct bh_claims *, bh_claims_free)

/* All claims anew, but those that can't change and are known. */
void bh_claims_collect(struct bh_claims *c);
/* Of bh_claim_table[@i]. Its times are 0 before the first bh_claims_collect(). */
const struct bh_claim_result *bh_claims_result(const struct bh_claims *c, size_t i);

/* "good", "bad", "unknown" */
const char *bh_claim_state_name(enum bh_claim_state state);

#endif
