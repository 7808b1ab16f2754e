/* SPDX-License-Identifier: Apache-2.0 */
/*
 * draft.h - from what was seen on a host (seen.h) to a first segment map: segments and rules, and
 * the text. Pure: facts in, text out, the same for the same facts. Names that others chose (units,
 * cgroups, processes, hosts) stand in it only where they can't be taken for anything else.
 */
#ifndef BH_DRAFT_H
#define BH_DRAFT_H

#include "seen.h"

/* --- where a workload stands: draft_place.c ------------------------------------------------------ */

enum bh_spot_kind {
	BH_SPOT_HOST,	/* the root, the kernel, what is outside: the reserved segment */
	BH_SPOT_REST,	/* what can't be named, and whoever was not seen */
	BH_SPOT_LOGINS, /* people: /user.slice */
	BH_SPOT_UNIT,	/* of the system manager */
	BH_SPOT_CGROUP, /* anything else */
	BH_SPOT_ADDRS,	/* no workload: addresses */
};

#define BH_SPOT_TEXT 256

struct bh_spot {
	enum bh_spot_kind kind;
	char match[BH_SPOT_TEXT]; /* unit, or path: as the map names it */
};

/*
 * Instances of a template, and units and cgroups that are named by a hash, are one: their names
 * are new each time. Sessions of people are one, too. A foo.socket is foo.service's.
 */
void bh_spot_of(const char *cgroup, struct bh_spot *ret);

/* "crio-*.scope" covers "crio-conmon-*.scope", and a map may not have both. */
bool bh_spot_covers(const char *wide, const char *narrow);

#define BH_DRAFT_NAME 48
/* A name for a segment: letters, digits and '-', no word of the language. Not unique yet. */
void bh_draft_name(const char *text, char ret[BH_DRAFT_NAME]);
/* Text of somebody else for a comment: printable ASCII, the rest as \xNN; at most BH_DRAFT_TAME. */
#define BH_DRAFT_TAME 200
const char *bh_draft_tame(const char *text, char ret[BH_DRAFT_TAME]);

/* --- the map ------------------------------------------------------------------------------------ */

struct bh_draft_seg {
	char name[BH_DRAFT_NAME];
	struct bh_spot spot;
	struct bh_cidr *cidr; /* BH_SPOT_ADDRS */
	size_t n_cidr;
	bool dhcp;
	bool named; /* by a rule that is not off */
	bool off;   /* a comment: no rule names it */
	bool shut;  /* no rule names it, but without it its addresses would be world */
	char *why;
};

enum bh_draft_dir { BH_DRAFT_IN, BH_DRAFT_LOCAL, BH_DRAFT_OUT };

struct bh_draft_rule {
	enum bh_draft_dir dir;
	char id[2 * BH_DRAFT_NAME + 16];
	size_t *from, *to; /* segments; BH_DRAFT_WORLD */
	size_t n_from, n_to;
	bool to_any;
	char port[32];
	bool posture; /* suggest: it requires one */
	bool off;     /* a comment: nobody was seen to use it */
	char *why;    /* from which sockets it comes */
};

/* Indexes of the segments that always are; world is in no list. */
enum { BH_DRAFT_HOST, BH_DRAFT_REST, BH_DRAFT_LOGINS, BH_DRAFT_N_FIXED };
#define BH_DRAFT_WORLD ((size_t)-1)

struct bh_draft {
	struct bh_draft_seg *seg;
	size_t n_seg, n_local; /* the local ones come first */
	size_t lan, private;   /* segments; 0 = none */
	struct bh_draft_rule *rule;
	size_t n_rule;
	char *failsafe;	    /* the line of the map; NULL = none */
	char *failsafe_why; /* or why there is none */
	struct bh_cidr failsafe_cidr;
	char **note; /* what was seen and is in no rule */
	size_t n_note;
};

/* Sorts the sockets of @s. Return: 0, -ENOMEM. */
int bh_draft_make(struct bh_seen *s, struct bh_draft *ret);
void bh_draft_clear(struct bh_draft *d);
/* The map as YAML; free it. Return: 0, -ENOMEM. */
int bh_draft_text(const struct bh_seen *s, const struct bh_draft *d, char **ret, size_t *ret_len);
/* Its pieces, for another text: a word in quotes, prefixes (@lead: of lines that follow), segments. */
void bh_draft_put_quoted(FILE *out, const char *s);
size_t bh_draft_put_cidrs(FILE *out, const struct bh_draft_seg *s, const char *lead);
void bh_draft_put_ends(FILE *out, const struct bh_draft *d, const size_t *v, size_t n);
/* {"segments","rules","failsafe","unseen"}; NULL: no memory. */
json_t *bh_draft_json(const struct bh_seen *s, const struct bh_draft *d);
/* Name of a segment of the draft, or "world". */
const char *bh_draft_seg_name(const struct bh_draft *d, size_t seg);

#define _cleanup_draft_ _cleanup_(bh_draft_clear)

#endif
