/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modelrig.h - random segment maps over a fixed small world of cgroups, users and addresses, in
 * which everything that can meet does: for tests that hold the model (model.h) against the real
 * thing. A map is kept line by line, so that one that shows a difference can be made smaller.
 * Dice and seed are policydraft.h's.
 */
#ifndef BH_TEST_MODELRIG_H
#define BH_TEST_MODELRIG_H

#include "model.h"
#include "policyrig.h"

/* --- the world ------------------------------------------------------------------------------------ */

#define WORLD_CGROUPS 18
#define WORLD_UIDS    5

extern const struct md_cgroup world_cgroup[WORLD_CGROUPS]; /* [0] is the root */
extern const uint32_t world_uid[WORLD_UIDS];

/* Makes the cgroups below cg_base(), some given away. */
void world_up(uint64_t ret_id[WORLD_CGROUPS]);

/* At, beside or in the middle of the prefixes that maps name. */
struct md_addr world_addr(void);
/* Of @v4's family. */
struct md_addr world_addr_of(bool v4);
uint8_t world_proto(void);
/* A port of @proto at or beside an edge of one that rules name; of ICMP a type and code. */
uint16_t world_port(uint8_t proto);

/* --- maps ------------------------------------------------------------------------------------------- */

#define DRAFT_LINES 64

struct draft_line {
	char section; /* 'h'ead, 's'egments, 'a'llow, 'd'eny, 'f'ailsafe */
	char *text;
};

struct model_draft {
	struct draft_line line[DRAFT_LINES];
	int n;
};

struct model_draft draft_new(void);
void draft_clear(struct model_draft *d);
/* A copy without line @i. */
struct model_draft draft_without(const struct model_draft *d, int i);
/* The text, malloced. */
char *draft_text(const struct model_draft *d);

/* Both opinions of one text. */
struct opinions {
	char *text;
	struct md_map *model;
	struct pol pol;
	__u32 identity[MD_MAX]; /* by segment of the model */
	struct md_end who[WORLD_CGROUPS][WORLD_UIDS];
};

/* Return: 0, or what the compiler refuses it with. @now: of this moment */
int opinions_of(const struct model_draft *d, const struct bh_numbers *numbers,
		struct bh_instant now, struct opinions *ret);
void opinions_clear(struct opinions *o);
#define _cleanup_opinions_ _cleanup_(opinions_clear)

/* Index in o->model->rule, -1: a default's or none. */
int opinions_rule(const struct opinions *o, __u32 number);

#endif
