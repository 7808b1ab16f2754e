/* SPDX-License-Identifier: Apache-2.0 */
/* netrig.c - two hosts for tests with real sockets, see netrig.h. */
#include "netrig.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include "cg.h"
#include "kernrig.h"
#include "ns.h"
#include "../../agent/net/net.h"

/* --- hosts --------------------------------------------------------------------------------------- */

static void on_event(void *ctx, const struct bh_event *ev)
{
	struct net_host *h = ctx;

	if (h->n_event < NET_EVENTS)
		h->event[h->n_event++] = *ev;
}

static int addresses(struct net_host *h, const char *dev, int first)
{
	char text[32];
	int r = 0;

	for (int i = 0; i < 4 && !r; i++) {
		snprintf(text, sizeof(text), "10.77.0.%d/24", first + i);
		r = ns_addr(h->ns, dev, text);
		snprintf(text, sizeof(text), "fd77::%d/64", first + i);
		if (!r)
			r = ns_addr(h->ns, dev, text);
	}
	return r;
}

int net_wire(struct net_host *a, struct net_host *b)
{
	int r = rig_up();

	a->name = "a";
	b->name = "b";
	if (!r)
		r = ns_make(&a->ns);
	if (!r)
		r = ns_make(&b->ns);
	if (!r)
		r = ns_veth(a->ns, "a0", NULL, b->ns, "b0", NULL);
	if (!r)
		r = addresses(a, "a0", 1);
	if (!r)
		r = addresses(b, "b0", 11);
	if (r)
		printf("no hosts: %s\n", strerror(-r));
	return r ? -1 : 0;
}

/* What the agent learns from netlink. */
static int add_locals(struct net_host *h)
{
	static const char *const loopback[] = {"127.0.0.1", "::1"};
	int first = h->name[0] == 'a' ? 1 : 11, r = 0;
	struct bh_addr addr;
	char text[32];

	for (int i = 0; i < 4 && !r; i++) {
		snprintf(text, sizeof(text), "10.77.0.%d", first + i);
		addr = pol_addr(text);
		r = bh_kern_local_add(h->k, &addr);
		snprintf(text, sizeof(text), "fd77::%d", first + i);
		addr = pol_addr(text);
		if (!r)
			r = bh_kern_local_add(h->k, &addr);
	}
	for (size_t i = 0; i < ARRAY_SIZE(loopback) && !r; i++) {
		addr = pol_addr(loopback[i]);
		r = bh_kern_local_add(h->k, &addr);
	}
	return r;
}

static int guard_here(struct net_host *h, const struct bh_kern_opts *opts, struct bh_diags *d)
{
	char dev[IF_NAMESIZE];
	int r = bh_kern_open(opts, d, &h->k);

	if (!r)
		r = bh_kern_attach(h->k, d);
	if (!r)
		r = add_locals(h);
	if (!r)
		r = bh_kern_seed(h->k, d);
	snprintf(dev, sizeof(dev), "%s0", h->name);
	if (!r)
		r = bh_kern_nic_attach(h->k, (int)if_nametoindex(dev), dev, BH_NIC_AUTO, false, d);
	if (!r)
		r = bh_kern_nic_attach(h->k, 1, "lo", BH_NIC_OUT, false, d);
	return r;
}

int net_guard(struct net_host *h)
{
	_cleanup_diags_ struct bh_diags d = {0};
	_cleanup_free_ char *pins = NULL, *root = NULL;
	struct bh_kern_opts opts = rig_opts();
	int back, r = cg_make(h->name, NULL);

	if (r || asprintf(&pins, "%s-%s", opts.pin_dir, h->name) < 0 ||
	    asprintf(&root, "%s/%s", opts.cgroup_root, h->name) < 0)
		return -1;
	opts.pin_dir = pins;
	opts.cgroup_root = root;
	opts.limits = bh_limits_default;
	opts.limits.rules = 1024;
	opts.ring_bytes = 1 << 20;
	opts.ctx = h;
	opts.on_event = on_event;
	r = ns_enter(h->ns, &back);
	if (r)
		return -1;
	r = guard_here(h, &opts, &d);
	bh_diags_print(&d, stdout, false);
	(void)ns_enter(back, NULL);
	(void)close(back);
	if (r)
		printf("no programs on %s: %s\n", h->name, strerror(-r));
	return r ? -1 : 0;
}

int net_up(struct net_host *a, struct net_host *b)
{
	return net_wire(a, b) || net_guard(a) || net_guard(b) ? -1 : 0;
}

static void host_down(struct net_host *h)
{
	if (h->k) {
		(void)bh_kern_detach(h->k);
		bh_kern_close(h->k);
	}
	pol_clear(&h->pol);
	if (h->ns > 0)
		(void)close(h->ns);
	*h = (struct net_host){0};
}

int net_down(struct net_host *a, struct net_host *b)
{
	host_down(a);
	host_down(b);
	rig_down();
	return 0;
}

/* --- maps ------------------------------------------------------------------------------------------ */

void net_again(struct net_host *h)
{
	_cleanup_diags_ struct bh_diags d = {0};
	__u64 gen;
	int r = bh_kern_stage(h->k, h->pol.out, &d, &gen);

	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	assert_int_equal(bh_kern_publish(h->k), 0);
}

void net_apply(struct net_host *h, const char *body)
{
	struct pol next = pol_made_with(body, h->pol.numbers, &bh_limits_default);

	pol_clear(&h->pol);
	h->pol = next;
	net_again(h);
}

int net_cut(struct net_host *h)
{
	int back, r;

	assert_int_equal(ns_enter(h->ns, &back), 0);
	r = bh_kern_cut(h->k, bh_net_destroy);
	assert_int_equal(ns_enter(back, NULL), 0);
	(void)close(back);
	return r;
}

struct puppet *net_puppet(struct net_host *h, const char *unit)
{
	_cleanup_free_ char *cgroup = NULL;

	assert_true(asprintf(&cgroup, "%s/system.slice/%s", h->name, unit) > 0);
	return pup_start(cgroup, h->ns);
}

static int sysctl_open(struct net_host *h, const char *name)
{
	_cleanup_free_ char *path = NULL;
	int back, fd;

	assert_true(asprintf(&path, "/proc/sys/%s", name) > 0);
	assert_int_equal(ns_enter(h->ns, &back), 0);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(ns_enter(back, NULL), 0);
	(void)close(back);
	return fd;
}

bool net_has_sysctl(struct net_host *h, const char *name)
{
	_cleanup_close_ int fd = sysctl_open(h, name);

	return fd >= 0;
}

void net_sysctl(struct net_host *h, const char *name, const char *value)
{
	_cleanup_close_ int fd = sysctl_open(h, name);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		fail_msg("%s: %s", name, strerror(errno));
}

__u32 net_identity(struct net_host *h, const char *segment)
{
	return !strcmp(segment, "world")  ? BH_ID_WORLD
	       : !strcmp(segment, "host") ? BH_ID_HOST
					  : pol_identity(&h->pol, segment);
}

/* --- what was counted and told --------------------------------------------------------------------- */

const char *net_reason(enum bh_reason reason)
{
#define NAME(number, name, class, text)                                                            \
	case number:                                                                               \
		return #name;
	switch ((int)reason) {
		BH_REASON_LIST(NAME)
	}
#undef NAME
	return "?";
}

void net_mark(struct net_host *h)
{
	(void)bh_kern_poll(h->k);
	h->n_event = 0;
	assert_int_equal(bh_kern_reasons(h->k, h->was), 0);
}

static void count_all(struct net_host *h, struct bh_count *ret)
{
	assert_int_equal(bh_kern_reasons(h->k, ret), 0);
	for (size_t i = 0; i < BH_REASON_MAX; i++)
		ret[i].packets -= h->was[i].packets;
}

__u64 net_count(struct net_host *h, enum bh_reason reason)
{
	struct bh_count now[BH_REASON_MAX];

	count_all(h, now);
	return now[reason].packets;
}

const char *net_denies(struct net_host *h)
{
	static char text[512];
	struct bh_count now[BH_REASON_MAX];
	size_t len = 0;

	count_all(h, now);
	*text = '\0';
	for (int i = BH_R_MALFORMED_L2; i < BH_REASON_MAX; i++)
		if (now[i].packets && len < sizeof(text) - 64)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
						len ? " " : "", net_reason((enum bh_reason)i));
	return text;
}

const struct bh_event *net_event(struct net_host *h, enum bh_event_type type, size_t *ret_n)
{
	const struct bh_event *first = NULL;
	size_t n = 0;

	(void)bh_kern_poll(h->k);
	for (size_t i = 0; i < h->n_event; i++) {
		if (h->event[i].type != type)
			continue;
		if (!n++)
			first = &h->event[i];
	}
	if (ret_n)
		*ret_n = n;
	return first;
}

void net_print(struct net_host *h)
{
	static const char *const type[] = {"",	  "begin",  "deny", "would-deny",
					   "end", "update", "alert"};
	struct bh_count now[BH_REASON_MAX];

	count_all(h, now);
	for (int i = 1; i < BH_REASON_MAX; i++)
		if (now[i].packets)
			printf("# %s counted %s: %llu\n", h->name, net_reason((enum bh_reason)i),
			       (unsigned long long)now[i].packets);
	(void)bh_kern_poll(h->k);
	for (size_t i = 0; i < h->n_event; i++) {
		const struct bh_event *e = &h->event[i];

		printf("# %s told %s %s: hook %d dir %d proto %d local %u:%u remote %u:%u rule %u\n",
		       h->name, type[e->type], net_reason((enum bh_reason)e->reason), e->hook,
		       e->dir, e->proto, e->local, e->local_port, e->remote, e->remote_port,
		       e->rule);
	}
}

void net_told(struct net_host *h, enum bh_event_type type, enum bh_reason reason)
{
	size_t n;
	const struct bh_event *ev = net_event(h, type, &n);

	if (n == 1 && ev->reason == reason &&
	    (net_count(h, reason) || reason == BH_R_RULE_DENY || type == BH_EVENT_BEGIN))
		return;
	net_print(h);
	fail_msg("%s should have told of one %s, told of %zu", h->name, net_reason(reason), n);
}

void net_quiet(struct net_host *h)
{
	if (!*net_denies(h))
		return;
	net_print(h);
	fail_msg("%s denied: %s", h->name, net_denies(h));
}
