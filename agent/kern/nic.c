/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nic.c - our programs on network devices: which mode, whose program is there already, and
 * the rows of devices that have something of ours. Called by the agent on link changes.
 */
#include <linux/if_link.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <string.h>
#include "kern_internal.h"

/* --- rows ------------------------------------------------------------------------------------ */

static const char *const prefix[BH_NIC_LINKS] = {
	[BH_NIC_LINK_XDP] = "xdp_",
	[BH_NIC_LINK_IN] = "tcx_in_",
	[BH_NIC_LINK_OUT] = "tcx_out_",
};

static const char *const clsact_prefix[] = {[BH_IN] = "clsact_in_", [BH_OUT] = "clsact_out_"};

/* bpffs reserves dots and devices can't have colons: "eth0.7" is pinned as "eth0:7". */
void bh_swap_chars(char *s, char from, char to)
{
	for (; *s; s++)
		if (*s == from)
			*s = to;
}

static void pin_name(const char *pre, const struct bh_nic *nic, char *ret, size_t size)
{
	snprintf(ret, size, "%s%d_%s", pre, nic->ifindex, nic->name);
	bh_swap_chars(ret, '.', ':');
}

void bh_nic_pin_name(const struct bh_nic *nic, enum bh_nic_link which, char *ret, size_t size)
{
	pin_name(prefix[which], nic, ret, size);
}

void bh_clsact_pin_name(const struct bh_nic *nic, enum bh_dir dir, char *ret, size_t size)
{
	pin_name(clsact_prefix[dir], nic, ret, size);
}

static struct bh_nic *find_nic(const struct bh_kern *k, int ifindex)
{
	for (size_t i = 0; i < k->n_nic; i++)
		if (k->nic[i].ifindex == ifindex)
			return &k->nic[i];
	return NULL;
}

static struct bh_nic *add_nic(struct bh_kern *k, int ifindex, const char *name)
{
	struct bh_nic *more = reallocarray(k->nic, k->n_nic + 1, sizeof(*more));
	struct bh_nic *nic;

	if (!more)
		return NULL;
	k->nic = more;
	nic = &more[k->n_nic++];
	*nic = (struct bh_nic){.ifindex = ifindex, .link = {-1, -1, -1}};
	snprintf(nic->name, sizeof(nic->name), "%s", name);
	return nic;
}

/* The pins follow the name; the links don't care. */
static void rename_nic(struct bh_kern *k, struct bh_nic *nic, const char *name)
{
	struct bh_nic before = *nic;
	char old[64], new[64];

	snprintf(nic->name, sizeof(nic->name), "%s", name);
	for (int i = 0; i < BH_NIC_LINKS; i++) {
		pin_name(prefix[i], &before, old, sizeof(old));
		pin_name(prefix[i], nic, new, sizeof(new));
		if (nic->link[i] >= 0 && bh_pin_replace(k, "links", new, nic->link[i]) == 0)
			bh_pin_remove(k, "links", old);
	}
	/* filters: the next attach pins the new name */
	for (int dir = BH_IN; dir <= BH_OUT; dir++) {
		bh_clsact_pin_name(&before, dir, old, sizeof(old));
		bh_pin_remove(k, "progs", old);
	}
}

/* The device's row; made if it is not there. NULL: no memory. */
static struct bh_nic *get_nic(struct bh_kern *k, int ifindex, const char *name)
{
	struct bh_nic *nic = find_nic(k, ifindex);

	if (!nic)
		return add_nic(k, ifindex, name);
	if (strcmp(nic->name, name) != 0)
		rename_nic(k, nic, name);
	return nic;
}

static void forget_nic(struct bh_kern *k, struct bh_nic *nic)
{
	size_t i = (size_t)(nic - k->nic);

	memmove(nic, nic + 1, (k->n_nic - i - 1) * sizeof(*nic));
	k->n_nic--;
}

void bh_nic_free_all(struct bh_kern *k)
{
	for (size_t i = 0; i < k->n_nic; i++)
		for (int j = 0; j < BH_NIC_LINKS; j++)
			bh_closep(&k->nic[i].link[j]);
	free(k->nic);
	k->nic = NULL;
	k->n_nic = 0;
}

/* --- links ----------------------------------------------------------------------------------- */

static const struct {
	enum bh_prog prog;
	int attach_type;
} link_kind[BH_NIC_LINKS] = {
	[BH_NIC_LINK_XDP] = {BH_PROG_XDP_IN, BPF_XDP},
	[BH_NIC_LINK_IN] = {BH_PROG_TC_IN, BH_TCX_INGRESS},
	[BH_NIC_LINK_OUT] = {BH_PROG_EGRESS, BH_TCX_EGRESS},
};

/* Id of the XDP program on a device, 0 if there is none. Return: 0 or -errno: can't tell. */
static int xdp_prog_on(int ifindex, __u32 *ret_id, int *ret_flags)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	int r = bpf_xdp_query(ifindex, 0, &q);

	if (r < 0 && r != -ENODEV)
		return r;
	*ret_flags = q.attach_mode == XDP_ATTACHED_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	*ret_id = q.prog_id ? q.prog_id : q.drv_prog_id ? q.drv_prog_id : q.skb_prog_id;
	return 0;
}

/*
 * A device that went leaves a link without an interface. One that moved to another namespace
 * takes its XDP link along, and its number may be somebody else's here: so ask the device. The
 * question takes a socket and memory: while there is none, nothing is taken off for want of an
 * answer.
 */
/* The ifindex of a tcx link stands where that of an XDP link does; a detached one has none. */
static bool link_holds(const struct bh_nic *nic, enum bh_nic_link which,
		       struct bpf_link_info *ret_info)
{
	return nic->link[which] >= 0 && bh_link_info(nic->link[which], ret_info) == 0 &&
	       ret_info->xdp.ifindex == (__u32)nic->ifindex;
}

static bool link_alive(const struct bh_nic *nic, enum bh_nic_link which)
{
	struct bpf_link_info info;
	__u32 prog = 0;
	int flags = 0;

	if (!link_holds(nic, which, &info))
		return false;
	return which != BH_NIC_LINK_XDP || xdp_prog_on(nic->ifindex, &prog, &flags) < 0 ||
	       prog == info.prog_id;
}

bool bh_nic_holds(const struct bh_kern *k, const struct bh_nic *nic)
{
	struct bpf_link_info info;

	for (int i = 0; i < BH_NIC_LINKS; i++)
		if (nic->link[i] >= 0 && !link_holds(nic, i, &info))
			return false;
	for (enum bh_dir dir = BH_IN; dir <= BH_OUT; dir++)
		if (nic->clsact[dir] && !bh_clsact_present(k, nic, dir))
			return false;
	return true;
}

void bh_nic_link_drop(struct bh_kern *k, struct bh_nic *nic, enum bh_nic_link which)
{
	char name[64];

	if (nic->link[which] < 0)
		return;
	bh_nic_pin_name(nic, which, name, sizeof(name));
	(void)bpf_link_detach(nic->link[which]);
	bh_pin_remove(k, "links", name);
	bh_closep(&nic->link[which]);
	nic->link[which] = -1;
}

bool bh_nic_pinned(const struct bh_kern *k, const struct bh_nic *nic)
{
	char name[64];

	for (int i = 0; i < BH_NIC_LINKS; i++) {
		bh_nic_pin_name(nic, i, name, sizeof(name));
		if (nic->link[i] >= 0 && !bh_pin_exists(k, "links", name))
			return false;
	}
	return true;
}

int bh_nic_link_set(struct bh_kern *k, struct bh_nic *nic, enum bh_nic_link which, int xdp_flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = (__u32)xdp_flags);
	int prog_fd = bh_kern_prog_fd(k, link_kind[which].prog);
	_cleanup_close_ int fd = -1;
	char name[64];
	int r;

	bh_nic_pin_name(nic, which, name, sizeof(name));
	if (link_alive(nic, which)) {
		r = bpf_link_update(nic->link[which], prog_fd, NULL);
		if (r < 0 || k->pinless || bh_pin_exists(k, "links", name))
			return r;
		return bh_pin_replace(k, "links", name, nic->link[which]);
	}
	bh_nic_link_drop(k, nic, which);
	fd = bpf_link_create(prog_fd, nic->ifindex, link_kind[which].attach_type, &opts);
	if (fd < 0)
		return fd;
	nic->link[which] = TAKE_FD(fd);
	return k->pinless ? 0 : bh_pin_replace(k, "links", name, nic->link[which]);
}

/* --- whose program is there? ------------------------------------------------------------------ */

static int say_foreign(const struct bh_nic *nic, struct bh_diags *d)
{
	_cleanup_close_ int fd = -1;
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info), id = 0;
	int flags = 0;

	(void)xdp_prog_on(nic->ifindex, &id, &flags);
	fd = id ? bpf_prog_get_fd_by_id(id) : -1;
	if (fd >= 0)
		(void)bpf_obj_get_info_by_fd(fd, &info, &len);
	return kern_error(
		d, -EBUSY,
		"stop the tool that put it there, replace it with --take-over, or judge at "
		"tc instead: interfaces: { NAME: tc }",
		"%s has another XDP program already: %s (id %u)", nic->name,
		info.name[0] ? info.name : "unnamed", id);
}

/*
 * Takes a foreign program off: by its link if it has one, else by netlink. Links of all network
 * namespaces are listed, and a number is a device in each of them: the program tells them apart.
 */
static int evict(const struct bh_nic *nic)
{
	__u32 id = 0, prog = 0;
	int flags = 0, r = xdp_prog_on(nic->ifindex, &prog, &flags);

	if (r < 0)
		return r;
	while (bpf_link_get_next_id(id, &id) == 0) {
		_cleanup_close_ int fd = bpf_link_get_fd_by_id(id);
		struct bpf_link_info info;

		if (fd >= 0 && bh_link_info(fd, &info) == 0 && info.type == BPF_LINK_TYPE_XDP &&
		    info.xdp.ifindex == (__u32)nic->ifindex && info.prog_id == prog)
			return bpf_link_detach(fd);
	}
	return bpf_xdp_detach(nic->ifindex, (__u32)flags, NULL);
}

/* --- attach ---------------------------------------------------------------------------------- */

/* It is attached; in which mode can't be told now. */
static const char some_mode[] = "attached";

static const char *xdp_mode(const struct bh_nic *nic)
{
	__u32 prog = 0;
	int flags = 0;

	if (!link_alive(nic, BH_NIC_LINK_XDP))
		return NULL;
	if (xdp_prog_on(nic->ifindex, &prog, &flags) < 0)
		return some_mode;
	return flags == XDP_FLAGS_SKB_MODE ? "generic" : "native";
}

const char *bh_nic_in_mode(const struct bh_kern *k, const struct bh_nic *nic)
{
	const char *mode = xdp_mode(nic);

	if (mode)
		return mode;
	if (link_alive(nic, BH_NIC_LINK_IN))
		return "tcx";
	return bh_clsact_present(k, nic, BH_IN) ? "clsact" : NULL;
}

const char *bh_nic_out_mode(const struct bh_kern *k, const struct bh_nic *nic)
{
	if (link_alive(nic, BH_NIC_LINK_OUT))
		return "tcx";
	return bh_clsact_present(k, nic, BH_OUT) ? "clsact" : NULL;
}

static int xdp_attach(struct bh_kern *k, struct bh_nic *nic, int flags, bool take_over,
		      struct bh_diags *d)
{
	const char *want = flags == XDP_FLAGS_SKB_MODE ? "generic" : "native";
	const char *now = xdp_mode(nic);
	int r;

	/* a link keeps its mode: sockets stay judged in the moment between the two */
	if (now && now != some_mode && strcmp(now, want) != 0)
		bh_nic_link_drop(k, nic, BH_NIC_LINK_XDP);
	r = bh_nic_link_set(k, nic, BH_NIC_LINK_XDP, flags);
	/* EEXIST: somebody is there in the other mode */
	if (r != -EBUSY && r != -EEXIST)
		return r;
	if (!take_over)
		return say_foreign(nic, d);
	r = evict(nic);
	if (r < 0)
		return kern_error(d, r, NULL, "can't take the other XDP program off %s: %s",
				  nic->name, strerror(-r));
	return bh_nic_link_set(k, nic, BH_NIC_LINK_XDP, flags);
}

/* tun, ppp, wireguard: frames begin with the IP header. Only tc can tell. Return: 1, 0, -errno. */
static int is_bare(const struct bh_nic *nic)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = {0};

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", nic->name);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &req) < 0)
		return -errno;
	return req.ifr_hwaddr.sa_family != ARPHRD_ETHER &&
	       req.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK;
}

/* Native, then generic, then tc; @mode narrows it. A foreign program ends the search. */
static int attach_in(struct bh_kern *k, struct bh_nic *nic, enum bh_nic_mode mode, bool take_over,
		     struct bh_diags *d)
{
	int bare = is_bare(nic), r = -EOPNOTSUPP;
	bool any = mode == BH_NIC_AUTO && !bare;

	if (bare < 0)
		return bare;
	if (bare && (mode == BH_NIC_NATIVE || mode == BH_NIC_GENERIC))
		return r;
	/* whatever mode it found, an adopted link keeps it: trying another would open a gap */
	if (any && xdp_mode(nic))
		return bh_nic_link_set(k, nic, BH_NIC_LINK_XDP, 0);
	if (any || mode == BH_NIC_NATIVE)
		r = xdp_attach(k, nic, XDP_FLAGS_DRV_MODE, take_over, d);
	if (r < 0 && r != -EBUSY && (any || mode == BH_NIC_GENERIC))
		r = xdp_attach(k, nic, XDP_FLAGS_SKB_MODE, take_over, d);
	if (r == 0) {
		bh_tc_detach(k, nic, BH_IN);
		return 0;
	}
	if (r == -EBUSY || (!any && mode != BH_NIC_TC && mode != BH_NIC_AUTO))
		return r;
	r = bh_tc_attach(k, nic, BH_IN);
	if (r == 0)
		bh_nic_link_drop(k, nic, BH_NIC_LINK_XDP);
	return r;
}

/* Until that set is relieved its program stays: ours has no generation yet. */
static bool is_guarded_by_others(const struct bh_kern *k, int ifindex, const char *name)
{
	if (find_nic(k, ifindex))
		return false;
	for (const struct bh_kern *s = k->beside; s; s = s->beside) {
		const struct bh_nic *nic = find_nic(s, ifindex);

		if (nic && !strcmp(nic->name, name) &&
		    (link_alive(nic, BH_NIC_LINK_XDP) || link_alive(nic, BH_NIC_LINK_IN) ||
		     nic->clsact[BH_IN]))
			return true;
	}
	return false;
}

int bh_kern_nic_attach(struct bh_kern *k, int ifindex, const char *name, enum bh_nic_mode mode,
		       bool take_over, struct bh_diags *d)
{
	struct bh_nic *nic;
	int r;

	if (mode == BH_NIC_OFF)
		return bh_kern_nic_detach(k, ifindex, name);
	if (is_guarded_by_others(k, ifindex, name))
		return 0;
	nic = get_nic(k, ifindex, name);
	if (!nic)
		return -ENOMEM;
	nic->out_only = mode == BH_NIC_OUT;
	r = nic->out_only ? 0 : attach_in(k, nic, mode, take_over, d);
	if (r == -EBUSY)
		return r;
	if (r < 0)
		return kern_error(d, r, "try another mode: interfaces: { NAME: generic }, or tc",
				  "can't attach to what comes in at %s: %s", name, strerror(-r));
	r = bh_tc_attach(k, nic, BH_OUT);
	if (r < 0)
		return kern_error(d, r, NULL, "can't attach to what leaves %s: %s", name,
				  strerror(-r));
	return 0;
}

static void detach_nic(struct bh_kern *k, struct bh_nic *nic)
{
	bh_nic_link_drop(k, nic, BH_NIC_LINK_XDP);
	bh_tc_detach(k, nic, BH_IN);
	bh_tc_detach(k, nic, BH_OUT);
	forget_nic(k, nic);
}

int bh_kern_nic_detach(struct bh_kern *k, int ifindex, const char *name)
{
	struct bh_nic *nic = find_nic(k, ifindex);

	(void)name;
	if (nic)
		detach_nic(k, nic);
	return 0;
}

int bh_nic_detach_all(struct bh_kern *k)
{
	while (k->n_nic)
		detach_nic(k, &k->nic[k->n_nic - 1]);
	return 0;
}

/* --- adoption -------------------------------------------------------------------------------- */

/*
 * "xdp_2_eth0" with prefix "xdp_": the device's row, NULL if it is not that. One row per
 * name here, for a number that was used again: bh_nic_refresh() sorts out which one lives.
 */
static struct bh_nic *nic_of_pin(struct bh_kern *k, const char *pre, const char *pin)
{
	char name[IF_NAMESIZE];
	char *end;
	long ifindex;

	if (strncmp(pin, pre, strlen(pre)) != 0)
		return NULL;
	ifindex = strtol(pin + strlen(pre), &end, 10);
	if (ifindex <= 0 || *end != '_' || strlen(end + 1) >= sizeof(name))
		return NULL;
	snprintf(name, sizeof(name), "%s", end + 1);
	bh_swap_chars(name, ':', '.');
	for (size_t i = 0; i < k->n_nic; i++)
		if (k->nic[i].ifindex == ifindex && !strcmp(k->nic[i].name, name))
			return &k->nic[i];
	return add_nic(k, (int)ifindex, name);
}

int bh_nic_adopt(struct bh_kern *k, const char *sub, const char *pin)
{
	struct bh_nic *nic;

	for (int i = 0; i < BH_NIC_LINKS; i++) {
		int fd;

		nic = nic_of_pin(k, prefix[i], pin);
		if (!nic)
			continue;
		fd = bh_pin_get(k, sub, pin);
		if (fd < 0)
			return fd;
		bh_closep(&nic->link[i]);
		nic->link[i] = fd;
		return 0;
	}
	for (int dir = BH_IN; dir <= BH_OUT; dir++) {
		nic = nic_of_pin(k, clsact_prefix[dir], pin);
		if (nic)
			nic->clsact[dir] = true;
	}
	return 0;
}

bool bh_nic_is_pin(const char *pin)
{
	for (int i = 0; i < BH_NIC_LINKS; i++)
		if (!strncmp(pin, prefix[i], strlen(prefix[i])))
			return true;
	return false;
}

int bh_nic_take(struct bh_kern *k, struct bh_kern *s)
{
	for (size_t i = 0; i < s->n_nic; i++) {
		struct bh_nic *from = &s->nic[i], *to = get_nic(k, from->ifindex, from->name);

		if (!to)
			return -ENOMEM;
		for (int j = 0; j < BH_NIC_LINKS; j++) {
			/* ours already: killed while the other set went, both have a pin of it */
			if (from->link[j] < 0 || link_alive(to, j))
				continue;
			bh_closep(&to->link[j]);
			to->link[j] = TAKE_FD(from->link[j]);
		}
		for (int dir = BH_IN; dir <= BH_OUT; dir++)
			to->clsact[dir] |= from->clsact[dir];
	}
	return 0;
}

static bool has_any(const struct bh_nic *nic)
{
	for (int i = 0; i < BH_NIC_LINKS; i++)
		if (nic->link[i] >= 0)
			return true;
	return nic->clsact[BH_IN] || nic->clsact[BH_OUT];
}

int bh_nic_refresh(struct bh_kern *k, struct bh_diags *d)
{
	for (size_t i = k->n_nic; i-- > 0;) {
		struct bh_nic *nic = &k->nic[i];

		for (int j = 0; j < BH_NIC_LINKS; j++) {
			int r = link_alive(nic, j) ? bh_nic_link_set(k, nic, j, 0) : 0;

			if (r < 0)
				return kern_error(d, r, NULL, "can't swap our program on %s: %s",
						  nic->name, strerror(-r));
			if (!link_alive(nic, j))
				bh_nic_link_drop(k, nic, j);
		}
		for (int dir = BH_IN; dir <= BH_OUT; dir++) {
			int r = nic->clsact[dir] ? bh_tc_attach(k, nic, dir) : 0;

			/* -ENODEV: the device went, and its filter with it */
			if (r < 0 && r != -ENODEV)
				return kern_error(d, r, NULL, "can't swap our filter on %s: %s",
						  nic->name, strerror(-r));
			if (r < 0)
				bh_tc_detach(k, nic, dir);
		}
		/* only now: a filter may have become a link */
		if (!has_any(nic))
			forget_nic(k, nic);
	}
	return 0;
}
