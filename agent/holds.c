/* SPDX-License-Identifier: Apache-2.0 */
/* holds.c - see holds.h. */
#include <errno.h>
#include <string.h>
#include "control/record.h"
#include "control/seal.h"
#include "holds.h"
#include "policy/cidr.h"

static const struct bh_seal holds_seal = {"holds", 1, 4u << 20};

/* --- the lists --------------------------------------------------------------------------------- */

static void note_clear(struct bh_hold_note *n)
{
	free(n->reason);
	free(n->by);
}

void bh_hold_clear(struct bh_hold *h)
{
	free(h->who);
	note_clear(&h->note);
	*h = (struct bh_hold){0};
}

void bh_granted_clear(struct bh_granted *g)
{
	free(g->rule);
	free(g->from);
	free(g->to);
	free(g->port);
	free(g->user);
	note_clear(&g->note);
	*g = (struct bh_granted){0};
}

struct bh_holds *bh_holds_new(void)
{
	return calloc(1, sizeof(struct bh_holds));
}

void bh_holds_free(struct bh_holds *h)
{
	if (!h)
		return;
	sd_event_source_disable_unref(h->end);
	for (size_t i = 0; i < h->n_hold; i++)
		bh_hold_clear(&h->hold[i]);
	for (size_t i = 0; i < h->n_granted; i++)
		bh_granted_clear(&h->granted[i]);
	free(h->hold);
	free(h->granted);
	free(h);
}

int bh_holds_remove(struct bh_holds *h, const char *who)
{
	for (size_t i = 0; i < h->n_hold; i++) {
		if (strcmp(h->hold[i].who, who) != 0)
			continue;
		bh_hold_clear(&h->hold[i]);
		memmove(&h->hold[i], &h->hold[i + 1], (--h->n_hold - i) * sizeof(*h->hold));
		return 0;
	}
	return -ENOENT;
}

/* The one it was in, or the first that is free: nobody's ever changes while he is held. */
static __u32 free_slot(const struct bh_holds *h, __u32 was)
{
	bool used[BH_QUARANTINE_MAX] = {0};
	__u32 i = 0;

	for (size_t j = 0; j < h->n_hold; j++)
		used[h->hold[j].slot] = true;
	if (was < BH_QUARANTINE_MAX && !used[was])
		return was;
	while (i < BH_QUARANTINE_MAX - 1 && used[i])
		i++;
	return i;
}

int bh_holds_add(struct bh_holds *h, struct bh_hold *hold)
{
	struct bh_hold *more = NULL;
	int r = 0;

	for (size_t i = 0; i < h->n_hold; i++)
		if (!strcmp(h->hold[i].who, hold->who))
			hold->slot = h->hold[i].slot;
	(void)bh_holds_remove(h, hold->who);
	hold->slot = free_slot(h, hold->slot);
	if (h->n_hold == BH_QUARANTINE_MAX)
		r = -E2BIG;
	else
		more = realloc(h->hold, (h->n_hold + 1) * sizeof(*more));
	if (!more) {
		bh_hold_clear(hold);
		return r ? r : -ENOMEM;
	}
	h->hold = more;
	h->hold[h->n_hold++] = *hold;
	*hold = (struct bh_hold){0};
	return 0;
}

int bh_granted_remove(struct bh_holds *h, unsigned int id)
{
	for (size_t i = 0; i < h->n_granted; i++) {
		if (h->granted[i].id != id)
			continue;
		bh_granted_clear(&h->granted[i]);
		memmove(&h->granted[i], &h->granted[i + 1],
			(--h->n_granted - i) * sizeof(*h->granted));
		return 0;
	}
	return -ENOENT;
}

/* Rows of the kernel's table: a port may stand for several. */
static size_t rows_of(const struct bh_granted *g)
{
	struct bh_port_span span[2];
	struct bh_port port;
	struct bh_fault f;

	if (g->rule || bh_port_parse(g->port, &port, &f) < 0)
		return 0;
	return bh_port_spans(&port, span);
}

int bh_granted_add(struct bh_holds *h, struct bh_granted *granted)
{
	struct bh_granted *more = NULL;
	size_t rows = rows_of(granted);
	int r = 0;

	/* a rule is granted once: again is longer, or shorter */
	for (size_t i = 0; granted->rule && i < h->n_granted; i++)
		if (h->granted[i].rule && !strcmp(h->granted[i].rule, granted->rule))
			(void)bh_granted_remove(h, h->granted[i].id);
	for (size_t i = 0; i < h->n_granted; i++)
		rows += rows_of(&h->granted[i]);
	if (h->n_granted == BH_GRANTS_MAX || rows > BH_GRANTS_MAX)
		r = -E2BIG;
	else
		more = realloc(h->granted, (h->n_granted + 1) * sizeof(*more));
	if (!more) {
		bh_granted_clear(granted);
		return r ? r : -ENOMEM;
	}
	h->granted = more;
	h->granted[h->n_granted++] = *granted;
	*granted = (struct bh_granted){0};
	return 0;
}

/* --- the disk ------------------------------------------------------------------------------------ */

static int path_of(const struct bh_agent *a, char **ret)
{
	if (asprintf(ret, "%s/holds", a->opts.state_dir) < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int save(const struct bh_agent *a, struct bh_diags *d)
{
	json_auto_t *body = bh_holds_json(a->holds);
	_cleanup_free_ char *path = NULL;
	int r = body ? path_of(a, &path) : -ENOMEM;

	return r ? r : bh_seal_write(path, &holds_seal, body, NULL, d);
}

/*
 * What is left by the wall clock, and never more than it was given: that clock may stand in the past,
 * by years where it has no battery.
 */
static __u64 left_ns(const struct bh_hold_note *n, int64_t now_ms)
{
	int64_t left_ms = MAX(n->until_ms - now_ms, (int64_t)1);

	if (n->until_ms > n->at_ms)
		left_ms = MIN(left_ms, n->until_ms - n->at_ms);
	return (__u64)left_ms * 1000000ull;
}

/* Of another boot: a quarantine goes on by the wall clock, a grant is void. */
static void after_boot(struct bh_agent *a, struct bh_holds *h)
{
	int64_t now_ms = a->clock->wall_ms();
	__u64 now_ns = a->clock->boot_ns();

	for (size_t i = 0; i < h->n_hold; i++) {
		struct bh_hold_note *n = &h->hold[i].note;

		if (n->until_ms)
			n->until_ns = now_ns + left_ns(n, now_ms);
	}
	while (h->n_granted)
		(void)bh_granted_remove(h, h->granted[0].id);
}

int bh_holds_load(struct bh_agent *a, struct bh_diags *d)
{
	struct bh_holds *h = bh_holds_new();
	_cleanup_free_ char *path = NULL;
	json_auto_t *body = NULL;
	char boot[BH_BOOT_ID];
	const char *saved;
	int r = h ? path_of(a, &path) : -ENOMEM;

	if (r == 0)
		r = bh_seal_read(path, &holds_seal, d, &body);
	if (r == 0)
		r = bh_holds_of_json(body, h);
	if (r == 0) {
		saved = json_string_value(json_object_get(body, "boot_id"));
		if (!saved || bh_boot_id(boot) < 0 || strcmp(saved, boot) != 0)
			after_boot(a, h);
	}
	if (r < 0 && r != -ENOENT) {
		(void)bh_diag_add(d, BH_ERROR, NULL, "bulkhead release all, then say them again",
				  "%s can't be read: %s; who is in quarantine stays there",
				  path ? path : "holds", strerror(-r));
		bh_holds_free(h);
		h = bh_holds_new();
		if (h)
			h->lost = true;
	}
	bh_holds_free(a->holds);
	a->holds = h;
	return r == -ENOENT ? 0 : r;
}

/* --- their end ----------------------------------------------------------------------------------- */

static void told(struct bh_agent *a, const char *event, const char *what)
{
	bh_notice("%s: %s: its time is over", event, what);
	bh_record_agent(a, event,
			json_pack("{s:s s:s}", "what", what, "reason", "its time is over"));
}

static bool is_over(const struct bh_agent *a, const struct bh_hold_note *n)
{
	return n->until_ns && a->clock->boot_ns() >= n->until_ns;
}

/* Return: whether anything ended. */
static bool prune(struct bh_agent *a)
{
	struct bh_holds *h = a->holds;
	bool any = false;

	for (size_t i = h->n_hold; i-- > 0;)
		if (is_over(a, &h->hold[i].note)) {
			told(a, "release", h->hold[i].who);
			(void)bh_holds_remove(h, h->hold[i].who);
			any = true;
		}
	for (size_t i = h->n_granted; i-- > 0;)
		if (is_over(a, &h->granted[i].note)) {
			told(a, "revoke", h->granted[i].rule ? h->granted[i].rule : "ad hoc");
			(void)bh_granted_remove(h, h->granted[i].id);
			any = true;
		}
	return any;
}

static int on_end(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *arg)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = arg;
	int cut;

	if (prune(a) && bh_holds_changed(a, &cut, &d) < 0)
		bh_log_diags(&d);
	return bh_holds_watch(a);
}

static __u64 sooner(__u64 a, __u64 b)
{
	return !a || (b && b < a) ? b : a;
}

int bh_holds_watch(struct bh_agent *a)
{
	__u64 next = 0;

	if (!a->holds || !a->event)
		return 0;
	a->holds->end = sd_event_source_disable_unref(a->holds->end);
	for (size_t i = 0; i < a->holds->n_hold; i++)
		next = sooner(next, a->holds->hold[i].note.until_ns);
	for (size_t i = 0; i < a->holds->n_granted; i++)
		next = sooner(next, a->holds->granted[i].note.until_ns);
	if (!next)
		return 0;
	return sd_event_add_time(a->event, &a->holds->end, CLOCK_BOOTTIME, next / 1000 + 1, 1000,
				 on_end, a);
}

int bh_holds_changed(struct bh_agent *a, int *ret_cut, struct bh_diags *d)
{
	_cleanup_diags_ struct bh_diags own = {0};
	int r = bh_holds_push(a, &a->live, d);

	/* in force first: a full disk must not keep anybody out of quarantine */
	a->holds->unsaved = save(a, &own) < 0;
	if (a->holds->unsaved)
		(void)bh_diag_add(
			d, BH_WARNING, NULL, "make room in the state directory",
			"it is in force, and forgotten if the agent ends before it can be "
			"written: %s",
			own.n ? own.list[0].text : "no memory");
	*ret_cut = bh_kern_generation(a->kern) ? bh_kern_cut(a->kern, bh_net_destroy) : 0;
	(void)bh_holds_watch(a);
	return r;
}

void bh_holds_save_again(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags d = {0};

	if (a->holds && a->holds->unsaved)
		a->holds->unsaved = save(a, &d) < 0;
}
