/* SPDX-License-Identifier: Apache-2.0 */
/* holds.c - see holds.h. */
#include <errno.h>
#include <string.h>
#include "control/record.h"
#include "control/seal.h"
#include "holds.h"
#include "holds_nest.h"
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

/* --- to the kernel: quarantine ------------------------------------------------------------------- */

struct members {
	struct bh_member *v;
	size_t n, room;
};

static struct bh_member *member(struct members *m, enum bh_held_by by, __u32 held)
{
	if (m->n == m->room) {
		size_t room = m->room ? 2 * m->room : 64;
		struct bh_member *more = realloc(m->v, room * sizeof(*more));

		if (!more)
			return NULL;
		m->v = more;
		m->room = room;
	}
	m->v[m->n] = (struct bh_member){.by = by, .held = held};
	return &m->v[m->n++];
}

/* @owner: where @held is 0, the quarantine that it is a hole in */
static int add_range(struct members *m, const struct bh_cidr *cidr, __u32 held, __u32 owner)
{
	struct bh_member *h = member(m, BH_HELD_ADDR, held);

	if (!h)
		return -ENOMEM;
	h->seg = owner;
	h->prefix.prefixlen = (__u32)cidr->plen;
	memcpy(h->prefix.addr, cidr->addr.b, sizeof(h->prefix.addr));
	return 0;
}

/* IPv4 addresses stand among those of IPv6, and ::/0 does not mean them. */
static const struct bh_cidr every_ipv4 = {.addr = {{[10] = 0xff, [11] = 0xff}}, .plen = 96};

static int add_prefix(struct members *m, const struct bh_cidr *cidr, __u32 held)
{
	int r = add_range(m, cidr, held, 0);

	if (r == 0 && !cidr->v4 && bh_cidr_contains(cidr, &every_ipv4))
		r = add_range(m, &every_ipv4, 0, held);
	return r;
}

static const struct bh_segment *segment_of(const struct bh_live *l, const char *name,
					   __u32 *ret_identity)
{
	for (size_t i = 0; l->map && l->compiled && i < l->map->n_segment; i++) {
		if (strcmp(l->map->segment[i].name, name) != 0)
			continue;
		*ret_identity = l->compiled->identity[i];
		return &l->map->segment[i];
	}
	return NULL;
}

/*
 * The maps that count, NULL where there is none. The kernel goes from one to another without us:
 * by the flip of a commit, and by the fall of a trial.
 */
struct maps {
	const struct bh_live *of[3];
};

static struct maps maps_of(const struct bh_agent *a, const struct bh_live *l)
{
	return (struct maps){{l, l != &a->live ? &a->live : NULL, &a->back}};
}

/* A name has the same number in all of them. */
static const struct bh_segment *find_segment(const struct maps *maps, const char *name,
					     __u32 *ret_identity)
{
	const struct bh_segment *s = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(maps->of) && !s; i++)
		s = maps->of[i] ? segment_of(maps->of[i], name, ret_identity) : NULL;
	return s;
}

static bool contains(const struct bh_cidr *cidr, size_t n, const struct bh_cidr *inner)
{
	for (size_t i = 0; i < n; i++)
		if (bh_cidr_contains(&cidr[i], inner))
			return true;
	return false;
}

/* Another map may have a prefix where this one has a hole. */
static bool is_hole_of(const struct bh_segment *s, const struct bh_cidr *hole)
{
	bool inside = false;

	for (size_t i = 0; i < s->n_match; i++) {
		if (contains(s->match[i].except, s->match[i].n_except, hole))
			return true;
		inside = inside || contains(s->match[i].cidr, s->match[i].n_cidr, hole);
	}
	return !inside;
}

static bool is_hole(const struct maps *maps, const struct bh_segment *of,
		    const struct bh_cidr *hole)
{
	__u32 identity;

	for (size_t i = 0; i < ARRAY_SIZE(maps->of); i++) {
		const struct bh_segment *s =
			maps->of[i] ? segment_of(maps->of[i], of->name, &identity) : NULL;

		if (s && s != of && !is_hole_of(s, hole))
			return false;
	}
	return true;
}

/* Every address in its prefixes, whoever else claims it. */
static int add_prefixes(struct members *m, const struct maps *maps, const struct bh_segment *s,
			__u32 held)
{
	int r = 0;

	for (size_t i = 0; i < s->n_match && r == 0; i++)
		for (size_t j = 0; j < s->match[i].n_cidr && r == 0; j++)
			r = add_prefix(m, &s->match[i].cidr[j], held);
	for (size_t i = 0; i < s->n_match && r == 0; i++)
		for (size_t j = 0; j < s->match[i].n_except && r == 0; j++)
			if (is_hole(maps, s, &s->match[i].except[j]))
				r = add_range(m, &s->match[i].except[j], 0, held);
	return r;
}

/* Its members by identity, and its addresses. */
static int add_segment(struct members *m, const struct maps *maps, const char *name, __u32 held)
{
	__u32 identity = 0;
	struct bh_member *h;
	int r = 0;

	/* in no map: it holds again when it is */
	if (!find_segment(maps, name, &identity))
		return 0;
	h = member(m, BH_HELD_SEG, held);
	if (!h)
		return -ENOMEM;
	h->seg = identity;
	for (size_t i = 0; i < ARRAY_SIZE(maps->of) && r == 0; i++) {
		const struct bh_segment *s =
			maps->of[i] ? segment_of(maps->of[i], name, &identity) : NULL;

		if (s)
			r = add_prefixes(m, maps, s, held);
	}
	return r;
}

static int add_hold(struct members *m, const struct maps *maps, const struct bh_hold *hold,
		    __u32 held)
{
	struct bh_member *h;

	if (hold->kind == BH_HOLD_SEGMENT)
		return add_segment(m, maps, hold->who, held);
	if (hold->kind == BH_HOLD_ADDRESS)
		return add_prefix(m, &hold->cidr, held);
	h = member(m, BH_HELD_UNIT, held);
	if (!h)
		return -ENOMEM;
	snprintf(h->unit, sizeof(h->unit), "%s", hold->who);
	return 0;
}

static int push_quarantine(struct bh_agent *a, const struct maps *maps, struct bh_diags *d)
{
	struct bh_quarantine slot[BH_QUARANTINE_MAX] = {0};
	struct members m = {0};
	int r = 0;

	for (size_t i = 0; i < a->holds->n_hold && r == 0; i++) {
		const struct bh_hold *h = &a->holds->hold[i];

		slot[h->slot].until_ns = h->note.until_ns;
		slot[h->slot].flags = BH_QUARANTINE_ON | (h->hard ? BH_QUARANTINE_HARD : 0);
		r = add_hold(&m, maps, h, h->slot + 1);
	}
	if (r == 0)
		r = bh_holds_nest(m.v, m.n, slot);
	if (r == 0)
		r = bh_kern_quarantine(a->kern, slot, m.v, m.n, d);
	free(m.v);
	return r;
}

/* --- to the kernel: grants ---------------------------------------------------------------------- */

static int end_of(const struct maps *maps, const char *name, __u32 *ret)
{
	if (!strcmp(name, "any")) {
		*ret = BH_ID_ANY;
		return 0;
	}
	return find_segment(maps, name, ret) ? 0 : -ENOENT;
}

static void add_granted(const struct maps *maps, const struct bh_granted *g,
			struct bh_grant grant[BH_GRANTS_MAX], size_t *n)
{
	struct bh_port_span span[2];
	struct bh_port port;
	struct bh_fault f;
	__u32 from, to;
	size_t n_span;

	/* a segment that is in no map: it opens nothing */
	if (end_of(maps, g->from, &from) < 0 || end_of(maps, g->to, &to) < 0 ||
	    bh_port_parse(g->port, &port, &f) < 0)
		return;
	n_span = bh_port_spans(&port, span);
	for (size_t i = 0; i < n_span && *n < BH_GRANTS_MAX; i++)
		grant[(*n)++] = (struct bh_grant){
			.until_ns = g->note.until_ns,
			.from = from,
			.to = to,
			.uid = g->uid,
			.port = (__u16)span[i].low,
			.port_to = (__u16)span[i].high,
			.proto = (__u8)span[i].proto,
		};
}

/* Return: the rule's number, 0 if it is in no map. */
static __u32 rule_of(const struct maps *maps, const char *id)
{
	for (size_t i = 0; i < ARRAY_SIZE(maps->of); i++) {
		const struct bh_compiled *c = maps->of[i] ? maps->of[i]->compiled : NULL;

		for (size_t j = 0; c && j < c->n_info; j++)
			if (!strcmp(c->info[j].id, id))
				return c->info[j].number;
	}
	return 0;
}

static int push_grants(struct bh_agent *a, const struct maps *maps, struct bh_diags *d)
{
	struct bh_grant grant[BH_GRANTS_MAX] = {0};
	struct bh_jit jit[BH_GRANTS_MAX];
	size_t n = 0, n_jit = 0;

	for (size_t i = 0; i < a->holds->n_granted; i++) {
		const struct bh_granted *g = &a->holds->granted[i];
		__u32 rule = g->rule ? rule_of(maps, g->rule) : 0;

		if (!g->rule)
			add_granted(maps, g, grant, &n);
		else if (rule)
			jit[n_jit++] = (struct bh_jit){rule, g->note.until_ns};
	}
	return bh_kern_grants(a->kern, grant, jit, n_jit, d);
}

int bh_holds_push(struct bh_agent *a, const struct bh_live *l, struct bh_diags *d)
{
	struct maps maps = maps_of(a, l);
	int r;

	if (!a->holds)
		return 0;
	r = a->holds->lost ? 0 : push_quarantine(a, &maps, d);
	return r ? r : push_grants(a, &maps, d);
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

/* Of another boot: a quarantine goes on by the wall clock, a grant is void. */
static void after_boot(struct bh_agent *a, struct bh_holds *h)
{
	int64_t now_ms = a->clock->wall_ms();
	__u64 now_ns = a->clock->boot_ns();

	for (size_t i = 0; i < h->n_hold; i++) {
		struct bh_hold_note *n = &h->hold[i].note;

		if (n->until_ms)
			n->until_ns =
				now_ns + (__u64)MAX(n->until_ms - now_ms, (int64_t)1) * 1000000ull;
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
