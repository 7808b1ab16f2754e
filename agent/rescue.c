/* SPDX-License-Identifier: Apache-2.0 */
/* rescue.c - see rescue.h. Talks to a person: stdout for what there is, stderr for trouble. */
#include <errno.h>
#include <string.h>
#include "control/proto.h"
#include "control/record.h"
#include "control/state.h"
#include "place.h"
#include "rescue.h"

#define PINNED_MAX 256

static void show(const struct bh_kern *k, const char *pin_dir)
{
	char name[PINNED_MAX][64];
	size_t n = bh_kern_pinned(k, name, PINNED_MAX);

	printf("%s/v%d: generation %llu, %zu hooks are pinned\n", pin_dir, bh_kern_abi(k),
	       (unsigned long long)bh_kern_generation(k), n);
	for (size_t i = 0; i < MIN(n, (size_t)PINNED_MAX); i++)
		printf("  %s\n", name[i]);
}

/* It would put everything back in place within seconds. */
static int refuse_beside_agent(const struct bh_agent_opts *opts)
{
	pid_t pid = bh_place_holder(opts->pin_dir);

	if (!pid)
		return 0;
	fprintf(stderr,
		"error: an agent (pid %d) is running\n"
		"  = help: bulkhead detach --yes; if it does not answer, end it first: kill -KILL %d\n",
		(int)pid, (int)pid);
	return -EBUSY;
}

static int end(struct bh_kern *k, const struct bh_agent_opts *opts)
{
	int r = bh_kern_detach(k);

	if (r < 0) {
		fprintf(stderr, "error: can't remove all of it: %s\n", strerror(-r));
		return BH_EXIT_FAILED;
	}
	/* the last good map stays; the next start begins with it unless it is told not to */
	r = bh_state_set_detached(opts->state_dir);
	if (r < 0)
		fprintf(stderr,
			"warning: can't write to %s: %s; an agent that starts enforces again\n",
			opts->state_dir, strerror(-r));
	r = bh_record_rescue(opts);
	if (r < 0)
		fprintf(stderr, "warning: it is not in the audit log of %s: %s\n", opts->state_dir,
			strerror(-r));
	printf("enforcement has ended; `bulkhead apply FILE` begins it again\n");
	return BH_EXIT_OK;
}

int bh_rescue(const struct bh_agent_opts *opts, bool detach)
{
	_cleanup_(bh_kern_closep) struct bh_kern *k = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	int r;

	if (detach && refuse_beside_agent(opts) < 0)
		return BH_EXIT_NO;
	r = bh_kern_open_pins(opts->pin_dir, &d, &k);
	if (r == -ENOENT && !d.n) {
		printf("nothing is pinned in %s\n", opts->pin_dir);
		return BH_EXIT_OK;
	}
	if (r < 0) {
		if (!d.n)
			fprintf(stderr, "error: %s: %s\n", opts->pin_dir, strerror(-r));
		bh_diags_print(&d, stderr, false);
		return BH_EXIT_FAILED;
	}
	/* two: an upgrade was cut short */
	for (const struct bh_kern *set = k; set; set = bh_kern_next(set))
		show(set, opts->pin_dir);
	return detach ? end(k, opts) : BH_EXIT_OK;
}
