/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nics.c - which devices get a program: those that --interfaces names, and of the others those
 * with the default route or hardware of their own; lo for what is written to it. A new one is guarded as soon as netlink
 * tells of it. Addresses of this host go to the kernel side. Called by agent.c, watch.c.
 */
#include <errno.h>
#include <string.h>
#include "agent.h"

/* --- who gets one ---------------------------------------------------------------------------- */

static const struct bh_nic_choice *choice_of(const struct bh_agent_opts *o, const char *name)
{
	for (size_t i = 0; i < o->n_nic; i++)
		if (!strcmp(o->nic[i].name, name))
			return &o->nic[i];
	return NULL;
}

static enum bh_nic_mode mode_for(const struct bh_agent *a, const struct bh_link *l)
{
	const struct bh_nic_choice *c = choice_of(&a->opts, l->name);

	if (c)
		return c->mode;
	/* a frame that somebody writes there would speak for any workload */
	if (l->loopback)
		return BH_NIC_OUT;
	if (l->veth || l->port)
		return BH_NIC_OFF;
	return l->default_route || l->physical ? BH_NIC_AUTO : BH_NIC_OFF;
}

static struct bh_nic_row *row_find(struct bh_agent *a, int ifindex)
{
	for (size_t i = 0; i < a->n_nic; i++)
		if (a->nic[i].ifindex == ifindex)
			return &a->nic[i];
	return NULL;
}

static struct bh_nic_row *row_get(struct bh_agent *a, int ifindex)
{
	struct bh_nic_row *row = row_find(a, ifindex), *more;

	if (row)
		return row;
	more = reallocarray(a->nic, a->n_nic + 1, sizeof(*more));
	if (!more)
		return NULL;
	a->nic = more;
	row = &more[a->n_nic++];
	*row = (struct bh_nic_row){.ifindex = ifindex};
	return row;
}

static void row_drop(struct bh_agent *a, struct bh_nic_row *row)
{
	size_t i = (size_t)(row - a->nic);

	memmove(row, row + 1, (a->n_nic - i - 1) * sizeof(*row));
	a->n_nic--;
}

/* --- attach ---------------------------------------------------------------------------------- */

static int attach(struct bh_agent *a, struct bh_nic_row *row, struct bh_diags *d)
{
	size_t before = d->n;
	int r = bh_kern_nic_attach(a->kern, row->ifindex, row->name, row->mode, a->opts.take_over,
				   d);

	row->ok = r == 0;
	row->trouble[0] = '\0';
	if (r < 0)
		snprintf(row->trouble, sizeof(row->trouble), "%s",
			 d->n > before ? d->list[d->n - 1].text : strerror(-r));
	return r;
}

/* A device as it is now. Return: what attaching says. */
static int see_link(struct bh_agent *a, const struct bh_link *l, struct bh_diags *d)
{
	enum bh_nic_mode mode = mode_for(a, l);
	struct bh_nic_row *row = row_find(a, l->ifindex);

	/* what was guarded stays so, also when it became a bridge's port */
	if (mode == BH_NIC_OFF && !row) {
		/* an agent before us may have been told otherwise */
		if (choice_of(&a->opts, l->name))
			(void)bh_kern_nic_detach(a->kern, l->ifindex, l->name);
		return 0;
	}
	if (row && row->ok && !strcmp(row->name, l->name))
		return 0;
	row = row_get(a, l->ifindex);
	if (!row)
		return -ENOMEM;
	strcpy(row->name, l->name);
	if (mode != BH_NIC_OFF)
		row->mode = mode;
	return attach(a, row, d);
}

/* --- what netlink tells ------------------------------------------------------------------------ */

static void on_link(void *ctx, const struct bh_link *l, bool gone)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = ctx;
	struct bh_nic_row *row;

	/* the first dump: whose port a link is, is known only at its end */
	if (!a->nics_known)
		return;
	if (!gone) {
		if (see_link(a, l, &d) < 0)
			bh_log_diags(&d);
		else if ((row = row_find(a, l->ifindex)) && row->ok)
			bh_info("%s is guarded", l->name);
		return;
	}
	row = row_find(a, l->ifindex);
	if (!row)
		return;
	(void)bh_kern_nic_detach(a->kern, l->ifindex, l->name);
	row_drop(a, row);
	bh_info("%s is gone", l->name);
}

static void on_addr(void *ctx, const struct bh_addr *addr, bool gone)
{
	struct bh_agent *a = ctx;
	int r;

	if (gone) {
		(void)bh_kern_local_del(a->kern, addr);
		return;
	}
	r = bh_kern_local_add(a->kern, addr);
	if (r < 0 && !a->locals_lost)
		bh_error("an address of this host can't be told to the kernel side: %s",
			 strerror(-r));
	a->locals_lost |= r < 0;
}

static void add_again(void *ctx, const struct bh_addr *addr)
{
	struct bh_agent *a = ctx;

	a->locals_lost |= bh_kern_local_add(a->kern, addr) < 0;
}

/* Some may have gone: is there room for those that found none? */
void bh_nics_locals_again(struct bh_agent *a)
{
	if (!a->locals_lost)
		return;
	a->locals_lost = false;
	bh_net_each_addr(a->net, add_again, a);
}

static int on_netlink(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents,
		      void *arg)
{
	struct bh_agent *a = arg;
	int r = bh_net_poll(a->net);

	if (r < 0)
		bh_error("netlink: %s", strerror(-r));
	return 0;
}

/* --- open, check, close -------------------------------------------------------------------------- */

struct first {
	struct bh_agent *a;
	struct bh_diags *d;
};

static int see_first(void *ctx, const struct bh_link *l)
{
	struct first *f = ctx;
	int r = see_link(f->a, l, f->d);

	/* another tool's program is the operator's to decide; the rest is reported by `status` */
	return r == -EBUSY || r == -ENOMEM ? r : 0;
}

static bool is_local(void *ctx, const struct bh_addr *addr)
{
	return bh_net_has_addr(ctx, addr);
}

static int open_error(int r, struct bh_diags *d)
{
	if (!d->n_errors)
		(void)bh_diag_add(d, BH_ERROR, NULL, NULL, "can't watch the network devices: %s",
				  strerror(-r));
	return r;
}

int bh_nics_look(struct bh_agent *a, struct bh_diags *d)
{
	const struct bh_net_sink sink = {.ctx = a, .link = on_link, .addr = on_addr};
	int r = bh_net_open(&sink, &a->net);

	if (r == 0)
		r = bh_net_dump(a->net);
	/* what an agent before us knew and is no more may be somebody else's address by now */
	if (r == 0)
		r = bh_kern_local_keep(a->kern, is_local, a->net);
	return r < 0 ? open_error(r, d) : 0;
}

int bh_nics_open(struct bh_agent *a, struct bh_diags *d)
{
	struct first f = {a, d};
	sd_event_source *source;
	int r;

	a->nics_known = true;
	r = bh_net_each_link(a->net, see_first, &f);
	if (r == 0)
		r = sd_event_add_io(a->event, &source, bh_net_fd(a->net), EPOLLIN, on_netlink, a);
	if (r < 0)
		return open_error(r, d);
	/* a new device waits for us: clients don't */
	(void)sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IMPORTANT);
	(void)sd_event_source_set_floating(source, true);
	sd_event_source_unref(source);
	return 0;
}

void bh_nics_close(struct bh_agent *a)
{
	bh_net_close(a->net);
	free(a->nic);
	a->net = NULL;
	a->nic = NULL;
	a->n_nic = 0;
}

void bh_nics_check(struct bh_agent *a)
{
	for (size_t i = 0; i < a->n_nic; i++) {
		_cleanup_diags_ struct bh_diags d = {0};
		bool was_ok = a->nic[i].ok;

		if (attach(a, &a->nic[i], &d) < 0 && was_ok)
			bh_log_diags(&d);
	}
}

/* --- another choice --------------------------------------------------------------------------- */

struct choose {
	struct bh_agent *a;
	const struct bh_agent_opts *old;
};

static bool is_same_choice(const struct bh_nic_choice *x, const struct bh_nic_choice *y)
{
	return x && y ? x->mode == y->mode : x == y;
}

/* What was attached before is worth more than nothing. */
static void attach_anew(struct bh_agent *a, struct bh_nic_row *row, enum bh_nic_mode mode)
{
	_cleanup_diags_ struct bh_diags d = {0};
	enum bh_nic_mode before = row->mode;
	bool was_ok = row->ok;

	row->mode = mode;
	if (attach(a, row, &d) == 0) {
		bh_info("%s is guarded", row->name);
		return;
	}
	bh_log_diags(&d);
	if (!was_ok)
		return;
	snprintf(a->config_trouble, sizeof(a->config_trouble), "%s is guarded as before: %.200s",
		 row->name, row->trouble);
	row->mode = before;
	(void)attach(a, row, &d);
}

static int see_choice(void *ctx, const struct bh_link *l)
{
	struct choose *c = ctx;
	struct bh_agent *a = c->a;
	struct bh_nic_row *row = row_find(a, l->ifindex);
	enum bh_nic_mode mode = mode_for(a, l);

	if (is_same_choice(choice_of(c->old, l->name), choice_of(&a->opts, l->name)))
		return 0;
	if (mode != BH_NIC_OFF) {
		row = row_get(a, l->ifindex);
		if (!row)
			return -ENOMEM;
		strcpy(row->name, l->name);
		attach_anew(a, row, mode);
	} else if (row) {
		(void)bh_kern_nic_detach(a->kern, l->ifindex, l->name);
		row_drop(a, row);
		bh_notice("%s is left alone", l->name);
	}
	return 0;
}

void bh_nics_choose(struct bh_agent *a, const struct bh_agent_opts *old)
{
	struct choose c = {a, old};

	if (bh_net_each_link(a->net, see_choice, &c) < 0)
		bh_error("not every device can be looked at: no memory");
	/* take_over: what was in the way may be no more */
	bh_nics_check(a);
}

/* --- for status ------------------------------------------------------------------------------------ */

struct by_name {
	const char *name;
};

static int is_named(void *ctx, const struct bh_link *l)
{
	return !strcmp(((struct by_name *)ctx)->name, l->name);
}

void bh_nics_absent(const struct bh_agent *a, void (*fn)(void *ctx, const char *name), void *ctx)
{
	for (size_t i = 0; i < a->opts.n_nic; i++) {
		struct by_name by = {a->opts.nic[i].name};

		if (a->opts.nic[i].mode != BH_NIC_OFF && !bh_net_each_link(a->net, is_named, &by))
			fn(ctx, by.name);
	}
}
