/* SPDX-License-Identifier: Apache-2.0 */
/* seen.c - see seen.h: sockets and who made them. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <time.h>
#include "../../agent/base/io.h"
#include "../../agent/workload/cgroup.h"
#include "seen.h"

void *bh_seen_grow(void *v, size_t *n, size_t size)
{
	char **list = v, *more;

	/* a power of two: grow when it is full */
	if ((*n & (*n - 1)) == 0) {
		more = reallocarray(*list, *n ? *n * 2 : 1, size);
		if (!more)
			return NULL;
		*list = more;
	}
	return memset(*list + (*n)++ * size, 0, size);
}

static void strings_free(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

void bh_seen_clear(struct bh_seen *s)
{
	strings_free(s->cgroups, s->n_cgroups);
	strings_free(s->unseen, s->n_unseen);
	free(s->host);
	free(s->when);
	free(s->sockets);
	free(s->own);
	free(s->dns);
	free(s->upstream);
	*s = (struct bh_seen){0};
}

/* --- addresses and directions ------------------------------------------------------------------- */

static const struct bh_addr any4 = {.b = {[10] = 0xff, [11] = 0xff}}, any6 = {{0}},
			    one6 = {.b = {[15] = 1}};

bool bh_seen_is_v4(const struct bh_addr *a)
{
	return !memcmp(a->b, any4.b, 12);
}

bool bh_seen_is_any(const struct bh_addr *a)
{
	return !memcmp(a, &any4, sizeof(*a)) || !memcmp(a, &any6, sizeof(*a));
}

bool bh_seen_is_loopback(const struct bh_addr *a)
{
	return bh_seen_is_v4(a) ? a->b[12] == 127 : !memcmp(a, &one6, sizeof(*a));
}

bool bh_seen_is_own(const struct bh_seen *s, const struct bh_addr *a)
{
	if (bh_seen_is_loopback(a))
		return true;
	for (size_t i = 0; i < s->n_own; i++)
		if (!memcmp(&s->own[i].addr, a, sizeof(*a)))
			return true;
	return false;
}

static bool is_ephemeral(const struct bh_seen *s, __u16 port)
{
	return port >= s->ephemeral_lo && port <= s->ephemeral_hi;
}

static bool listens(const struct bh_seen *s, const struct bh_net_socket *k)
{
	if (k->proto == IPPROTO_TCP)
		return k->state == TCP_LISTEN;
	/* from a port of the kernel's choice somebody asks, and waits for his answer */
	return k->state != TCP_ESTABLISHED && k->local_port && !is_ephemeral(s, k->local_port);
}

#define CMP(x, y) (((x) > (y)) - ((x) < (y)))

/* By port, and there what listens first. */
static int by_place(const struct bh_seen_socket *a, const struct bh_seen_socket *b)
{
	int r = CMP(a->s.proto, b->s.proto);

	r = r ? r : CMP(a->s.local_port, b->s.local_port);
	r = r ? r : CMP(b->listens, a->listens);
	r = r ? r : memcmp(&a->s.local, &b->s.local, sizeof(a->s.local));
	r = r ? r : memcmp(&a->s.remote, &b->s.remote, sizeof(a->s.remote));
	return r ? r : CMP(a->s.remote_port, b->s.remote_port);
}

/* What is left is a matter of order only: the same host gives the same map. */
static int by_all(const void *x, const void *y)
{
	const struct bh_seen_socket *a = x, *b = y;
	int r = by_place(a, b);

	r = r ? r : strcmp(a->cgroup ? a->cgroup : "", b->cgroup ? b->cgroup : "");
	return r ? r : CMP(a->s.inode, b->s.inode);
}

void bh_seen_sort(struct bh_seen *s)
{
	for (size_t i = 0; i < s->n_sockets; i++)
		s->sockets[i].listens = listens(s, &s->sockets[i].s);
	if (s->n_sockets)
		qsort(s->sockets, s->n_sockets, sizeof(*s->sockets), by_all);
}

/* The first that is not before @key. */
static size_t lower(const struct bh_seen *s, const struct bh_seen_socket *key)
{
	size_t lo = 0, hi = s->n_sockets;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (by_place(&s->sockets[mid], key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct bh_seen_socket *bh_seen_listener(const struct bh_seen *s,
					      const struct bh_net_socket *k)
{
	struct bh_seen_socket key = {.s = {.proto = k->proto, .local_port = k->local_port},
				     .listens = true};
	const struct bh_seen_socket *any = NULL;

	for (size_t i = lower(s, &key); i < s->n_sockets; i++) {
		const struct bh_seen_socket *l = &s->sockets[i];

		if (!l->listens || l->s.proto != k->proto || l->s.local_port != k->local_port)
			break;
		if (!memcmp(&l->s.local, &k->local, sizeof(k->local)))
			return l;
		/* of 0.0.0.0 and :: the one of the connection's own family */
		if (bh_seen_is_any(&l->s.local) &&
		    (!any || bh_seen_is_v4(&l->s.local) == bh_seen_is_v4(&k->local)))
			any = l;
	}
	return any;
}

const struct bh_seen_socket *bh_seen_peer(const struct bh_seen *s, const struct bh_net_socket *k)
{
	struct bh_seen_socket key = {.s = {.proto = k->proto,
					   .local = k->remote,
					   .remote = k->local,
					   .local_port = k->remote_port,
					   .remote_port = k->local_port}};
	size_t i = lower(s, &key);

	return i < s->n_sockets && !by_place(&s->sockets[i], &key) ? &s->sockets[i] : NULL;
}

/* --- sockets ------------------------------------------------------------------------------------- */

static int on_socket(void *ctx, const struct bh_net_socket *socket)
{
	struct bh_seen *s = ctx;
	struct bh_seen_socket *new = bh_seen_grow(&s->sockets, &s->n_sockets, sizeof(*new));

	if (!new)
		return -ENOMEM;
	new->s = *socket;
	return 0;
}

static int on_cgroup(void *ctx, const char *path, _unused_ __u64 id)
{
	struct bh_seen *s = ctx;
	char **new = bh_seen_grow(&s->cgroups, &s->n_cgroups, sizeof(*new));

	if (!new)
		return -ENOMEM;
	*new = strdup(path);
	return *new ? 0 : -ENOMEM;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The string itself in the list of cgroups: it lives as long as @s. */
static const char *cgroup_of(const struct bh_seen *s, const struct bh_cgroups *below,
			     const struct bh_cgroups *all, __u64 id)
{
	const char *name = id ? bh_cgroups_name(below, id) : NULL;
	char **found;

	if (!name)
		return id && bh_cgroups_name(all, id) ? "/" : NULL;
	found = bsearch(&name, s->cgroups, s->n_cgroups, sizeof(name), by_text);
	return found ? *found : NULL;
}

static int read_cgroups(struct bh_seen *s, const char *root, struct bh_diags *d)
{
	_cleanup_(bh_cgroups_freep) struct bh_cgroups *all = NULL, *below = NULL;
	_cleanup_free_ char *mount = NULL;
	int r = bh_cgroup_mount("/proc/self/mountinfo", &mount);

	if (r < 0)
		return bh_diag_add(d, BH_ERROR, NULL, "mount -t cgroup2 none /sys/fs/cgroup",
				   "no cgroup2 tree is mounted: workloads have no names");
	all = bh_cgroups_new(mount);
	below = bh_cgroups_new(root ? root : mount);
	if (!all || !below)
		return -ENOMEM;
	r = bh_cgroups_scan(all);
	if (!r)
		r = bh_cgroups_scan(below);
	if (!r)
		r = bh_cgroups_each(below, on_cgroup, s);
	if (!r && !s->n_cgroups)
		r = -ENOENT;
	if (r < 0)
		return bh_diag_add(d, BH_ERROR, NULL, NULL, "%s: %s", root ? root : mount,
				   strerror(-r));
	qsort(s->cgroups, s->n_cgroups, sizeof(*s->cgroups), by_text);
	for (size_t i = 0; i < s->n_sockets; i++)
		s->sockets[i].cgroup = cgroup_of(s, below, all, s->sockets[i].s.cgid);
	return 0;
}

static void read_ephemeral(struct bh_seen *s)
{
	_cleanup_free_ char *text = NULL;
	unsigned lo, hi;

	s->ephemeral_lo = 32768;
	s->ephemeral_hi = 60999;
	if (!bh_file_read("/proc/sys/net/ipv4/ip_local_port_range", 64, &text, NULL) &&
	    sscanf(text, "%u %u", &lo, &hi) == 2 && lo <= hi && hi <= 65535) {
		s->ephemeral_lo = (__u16)lo;
		s->ephemeral_hi = (__u16)hi;
	}
}

static int read_names(struct bh_seen *s)
{
	char host[256] = "", when[32];
	time_t now = time(NULL);
	struct tm tm;

	(void)gethostname(host, sizeof(host) - 1);
	(void)strftime(when, sizeof(when), "%FT%TZ", gmtime_r(&now, &tm));
	s->host = strdup(host);
	s->when = strdup(when);
	return s->host && s->when ? 0 : -ENOMEM;
}

int bh_seen_read(const struct bh_seen_places *places, struct bh_diags *d, struct bh_seen *ret)
{
	_cleanup_seen_ struct bh_seen s = {0};
	int r = bh_net_sockets(on_socket, &s);

	if (r < 0 && r != -ENOMEM)
		return bh_diag_add(d, BH_ERROR, NULL,
				   r == -EOPNOTSUPP ? "modprobe -a tcp_diag udp_diag" : NULL,
				   "the kernel does not list its sockets: %s", strerror(-r));
	read_ephemeral(&s);
	if (!r)
		r = read_names(&s);
	if (!r)
		r = read_cgroups(&s, places->cgroup_root, d);
	bh_seen_sort(&s);
	if (!r)
		r = bh_seen_addresses(&s);
	if (!r)
		r = bh_seen_resolvers(&s, places);
	if (!r)
		r = bh_seen_login(&s, places->proc, getpid());
	if (!r)
		r = bh_seen_namespaces(&s, places->proc);
	if (r < 0)
		return r == -EINVAL ? r : bh_diag_add(d, BH_ERROR, NULL, NULL, "%s", strerror(-r));
	*ret = s;
	s = (struct bh_seen){0};
	return 0;
}
