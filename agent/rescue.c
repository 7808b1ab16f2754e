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
		"  = help: ask it: bulkhead detach, bulkhead rollback; if it does not answer, end it "
		"first: kill -KILL %d\n",
		(int)pid, (int)pid);
	return -EBUSY;
}

/* Beside an agent the log is the agent's: what comes from elsewhere would be tampering. */
static void record(struct bh_kern *k, const struct bh_agent_opts *opts, enum bh_rescue what,
		   __u64 generation)
{
	int r = bh_place_holder(opts->pin_dir) ? -EBUSY : 0;

	if (r == 0)
		r = bh_record_rescue(opts, k, bh_rescue_words[what], generation);
	if (r < 0)
		fprintf(stderr, "warning: it is not in the audit log of %s: %s\n", opts->state_dir,
			r == -EBUSY ? "an agent is running" : strerror(-r));
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
	record(k, opts, BH_RESCUE_DETACH, 0);
	printf("enforcement has ended; `bulkhead apply FILE` begins it again\n");
	return BH_EXIT_OK;
}

/* What is on the disk becomes what is enforced again, if it is still there. */
static int rollback(struct bh_kern *k, const struct bh_agent_opts *opts)
{
	_cleanup_diags_ struct bh_diags d = {0};
	__u64 gen = 0, was = 0;
	int r = bh_kern_go_back(k, &gen, &was);

	if (r == -ENOENT) {
		fprintf(stderr, "error: no older generation is kept in the kernel\n"
				"  = help: bulkheadd rescue emergency-open, then apply a map\n");
		return BH_EXIT_NO;
	}
	if (r < 0) {
		fprintf(stderr, "error: can't go back: %s\n", strerror(-r));
		return BH_EXIT_FAILED;
	}
	if (gen && bh_state_went_back(opts->state_dir, was, gen, &d) < 0) {
		bh_diags_print(&d, stderr, false);
		fprintf(stderr, "warning: an agent that starts can't name what is enforced: apply "
				"the map that should hold\n");
	}
	record(k, opts, BH_RESCUE_ROLLBACK, gen);
	if (gen)
		printf("generation %llu is enforced again, as generation %llu\n",
		       (unsigned long long)was, (unsigned long long)gen);
	else
		printf("nothing is enforced, as before the first map\n");
	return BH_EXIT_OK;
}

static int emergency(struct bh_kern *k, const struct bh_agent_opts *opts)
{
	__u64 until = bh_clock_real.boot_ns() + opts->emergency_s * 1000000000ull;

	for (struct bh_kern *set = k; set; set = bh_kern_next(set))
		bh_kern_set_open(set, until);
	record(k, opts, BH_RESCUE_EMERGENCY, bh_kern_generation(k));
	printf("EMERGENCY: for %u s nothing is denied but by a deny rule, a quarantine or a "
	       "malformed packet\n",
	       opts->emergency_s);
	return BH_EXIT_OK;
}

const char *const bh_rescue_words[] = {
	[BH_RESCUE_SHOW] = "show",
	[BH_RESCUE_DETACH] = "detach",
	[BH_RESCUE_ROLLBACK] = "rollback",
	[BH_RESCUE_EMERGENCY] = "emergency-open",
};
const size_t bh_n_rescue_words = ARRAY_SIZE(bh_rescue_words);

int bh_rescue_of(const char *word)
{
	for (size_t i = 0; i < bh_n_rescue_words; i++)
		if (!strcmp(word, bh_rescue_words[i]))
			return (int)i;
	return -EINVAL;
}

static int act(struct bh_kern *k, const struct bh_agent_opts *opts, enum bh_rescue what)
{
	switch (what) {
	case BH_RESCUE_DETACH:
		return end(k, opts);
	case BH_RESCUE_ROLLBACK:
		return rollback(k, opts);
	case BH_RESCUE_EMERGENCY:
		return emergency(k, opts);
	default:
		return BH_EXIT_OK;
	}
}

int bh_rescue(const struct bh_agent_opts *opts, enum bh_rescue what)
{
	_cleanup_(bh_kern_closep) struct bh_kern *k = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	int r;

	/* an emergency is one store: an agent that hangs does not mind */
	if ((what == BH_RESCUE_DETACH || what == BH_RESCUE_ROLLBACK) &&
	    refuse_beside_agent(opts) < 0)
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
	return act(k, opts, what);
}
