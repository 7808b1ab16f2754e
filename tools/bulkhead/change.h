/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change.h - another map is enforced: what changes is shown, then it is asked, then done. Called by
 * apply and rollback.
 */
#ifndef BH_CHANGE_H
#define BH_CHANGE_H

#include "cli.h"

struct bh_change {
	const char *verb;
	json_t *look; /* arguments that only show what would change; stolen */
	json_t *args; /* those that do it; stolen */
	const char *question, *done;
	/* Before the changes; NULL: nothing. */
	void (*head)(const struct bh_cli *cli, const json_t *data);
};

/* Return: the exit code. */
int bh_change_run(struct bh_cli *cli, struct bh_change *c);

#endif
