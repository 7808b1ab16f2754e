/* SPDX-License-Identifier: Apache-2.0 */
/* seen_host.c - see seen.h: addresses, resolvers, the caller's session, and what was not seen. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "../../agent/base/io.h"
#include "../../agent/workload/chain.h"
#include "seen.h"

int bh_seen_note(struct bh_seen *s, const char *fmt, ...)
{
	char **new = bh_seen_grow(&s->unseen, &s->n_unseen, sizeof(*new));
	va_list ap;
	int n;

	if (!new)
		return -ENOMEM;
	va_start(ap, fmt);
	n = vasprintf(new, fmt, ap);
	va_end(ap);
	if (n < 0)
		*new = NULL;
	return n < 0 ? -ENOMEM : 0;
}

/* --- addresses ------------------------------------------------------------------------------------ */

static bool addr_of(const struct sockaddr *sa, struct bh_addr *ret)
{
	*ret = (struct bh_addr){.b = {[10] = 0xff, [11] = 0xff}};
	if (sa && sa->sa_family == AF_INET) {
		memcpy(ret->b + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
		return true;
	}
	if (!sa || sa->sa_family != AF_INET6)
		return false;
	memcpy(ret->b, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
	return true;
}

static int bits_of(const struct sockaddr *mask)
{
	struct bh_addr m;
	int bits = 0;

	if (!addr_of(mask, &m))
		return 128;
	for (int i = mask->sa_family == AF_INET ? 12 : 0; i < 16; i++)
		bits += __builtin_popcount(m.b[i]);
	return bits + (mask->sa_family == AF_INET ? 96 : 0);
}

int bh_seen_addresses(struct bh_seen *s)
{
	struct ifaddrs *all, *i;
	struct bh_cidr *new;
	struct bh_addr a;

	if (getifaddrs(&all) < 0)
		return -errno;
	for (i = all; i; i = i->ifa_next) {
		if (!addr_of(i->ifa_addr, &a))
			continue;
		new = bh_seen_grow(&s->own, &s->n_own, sizeof(*new));
		if (!new)
			break;
		*new = (struct bh_cidr){
			.addr = a, .plen = bits_of(i->ifa_netmask), .v4 = bh_seen_is_v4(&a)};
	}
	freeifaddrs(all);
	return i ? -ENOMEM : 0;
}

/* --- resolvers ------------------------------------------------------------------------------------ */

static bool addr_parse(const char *text, struct bh_addr *ret)
{
	*ret = (struct bh_addr){.b = {[10] = 0xff, [11] = 0xff}};
	return inet_pton(AF_INET, text, ret->b + 12) == 1 || inet_pton(AF_INET6, text, ret->b) == 1;
}

int bh_seen_nameservers(const char *text, struct bh_addr **ret, size_t *ret_n)
{
	char word[INET6_ADDRSTRLEN];
	struct bh_addr a, *new;

	for (const char *s = text; *s; s += strcspn(s, "\n"), s += *s == '\n') {
		if (sscanf(s, "nameserver%*1[ \t]%45s", word) != 1 || !addr_parse(word, &a))
			continue;
		new = bh_seen_grow(ret, ret_n, sizeof(*new));
		if (!new)
			return -ENOMEM;
		*new = a;
	}
	return 0;
}

int bh_seen_resolvers(struct bh_seen *s, const struct bh_seen_places *places)
{
	_cleanup_free_ char *text = NULL, *upstream = NULL;
	int r = bh_file_read(places->resolv_conf, 1u << 20, &text, NULL);

	if (r < 0)
		r = bh_seen_note(s, "%s: %s: who resolves names is not known", places->resolv_conf,
				 strerror(-r));
	else
		r = bh_seen_nameservers(text, &s->dns, &s->n_dns);
	/* there only if systemd-resolved runs */
	if (!r && !bh_file_read(places->resolv_upstream, 1u << 20, &upstream, NULL))
		r = bh_seen_nameservers(upstream, &s->upstream, &s->n_upstream);
	return r;
}

/* --- the caller's session -------------------------------------------------------------------------- */

bool bh_seen_hint(const char *text, struct bh_login *ret)
{
	char peer[INET6_ADDRSTRLEN], local[INET6_ADDRSTRLEN], rest;
	struct bh_login k = {.how = BH_LOGIN_HINT};
	unsigned port;

	if (!text || sscanf(text, "%45s %*u %45s %5u%c", peer, local, &port, &rest) != 3 || !port ||
	    port > 65535 || !addr_parse(peer, &k.peer) || !addr_parse(local, &k.local))
		return false;
	k.port = (__u16)port;
	*ret = k;
	return true;
}

static const struct bh_net_socket *accepted(const struct bh_seen *s, __u64 inode)
{
	for (size_t i = 0; i < s->n_sockets; i++) {
		const struct bh_net_socket *k = &s->sockets[i].s;

		if (k->inode == inode && k->proto == IPPROTO_TCP && k->state == TCP_ESTABLISHED &&
		    bh_seen_listener(s, k))
			return k;
	}
	return NULL;
}

/* The connection to this host that a process holds. False: none, or its files can't be read. */
static bool held(const struct bh_seen *s, const char *proc, const struct bh_kin *kin,
		 struct bh_login *ret, bool *ret_hidden)
{
	const struct bh_net_socket *k = NULL;
	char path[512], link[64];
	struct dirent *e;
	__u64 inode;
	ssize_t n;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/%d/fd", proc, (int)kin->pid);
	dir = opendir(path);
	if (!dir) {
		*ret_hidden |= errno == EACCES || errno == EPERM;
		return false;
	}
	while (!k && (e = readdir(dir))) {
		n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);
		if (n <= 0)
			continue;
		link[n] = '\0';
		if (sscanf(link, "socket:[%" SCNu64 "]", (uint64_t *)&inode) == 1 && inode)
			k = accepted(s, inode);
	}
	(void)closedir(dir);
	if (!k)
		return false;
	*ret = (struct bh_login){.how = BH_LOGIN_HELD,
				 .peer = k->remote,
				 .local = k->local,
				 .port = k->local_port,
				 .pid = kin->pid};
	(void)snprintf(ret->name, sizeof(ret->name), "%s", kin->name);
	return true;
}

int bh_seen_login(struct bh_seen *s, const char *proc, pid_t pid)
{
	struct bh_chain chain;
	bool hidden = false, console = false;

	if (bh_chain_read(proc, pid, &chain) < 0)
		chain.n = 0;
	for (size_t i = 0; i < chain.n; i++) {
		if (held(s, proc, &chain.v[i], &s->login, &hidden))
			return 0;
		console |= chain.v[i].console;
	}
	if (bh_seen_hint(getenv("SSH_CONNECTION"), &s->login))
		return 0;
	s->login.how = console ? BH_LOGIN_CONSOLE : BH_LOGIN_NONE;
	if (!hidden || console)
		return 0;
	return bh_seen_note(s, "the connection that this session came over: its holders are "
			       "another user's; run it as root");
}

/* --- what is elsewhere ----------------------------------------------------------------------------- */

/* Sockets of other network namespaces: containers, and services with PrivateNetwork. */
int bh_seen_namespaces(struct bh_seen *s, const char *proc)
{
	_cleanup_free_ ino_t *seen = NULL;
	size_t n = 0, others = 0, hidden = 0;
	struct dirent *e;
	char path[512];
	struct stat st;
	DIR *dir = opendir(proc);
	ino_t own, *new;

	(void)snprintf(path, sizeof(path), "%s/self/ns/net", proc);
	own = stat(path, &st) < 0 ? 0 : st.st_ino;
	while (dir && (e = readdir(dir))) {
		size_t i = 0;

		if (!e->d_name[strspn(e->d_name, "0123456789")]) {
			(void)snprintf(path, sizeof(path), "%s/%s/ns/net", proc, e->d_name);
			if (stat(path, &st) < 0) {
				hidden += errno == EACCES || errno == EPERM;
				continue;
			}
			while (i < n && seen[i] != st.st_ino)
				i++;
			if (st.st_ino == own || i < n)
				continue;
			new = bh_seen_grow(&seen, &n, sizeof(*new));
			if (!new)
				break;
			*new = st.st_ino;
			others++;
		}
	}
	if (dir)
		(void)closedir(dir);
	if (hidden &&
	    bh_seen_note(s, "%zu process%s: whether in a network namespace of its own%s", hidden,
			 hidden == 1 ? "" : "es", geteuid() ? "; run it as root" : "") < 0)
		return -ENOMEM;
	return others ? bh_seen_note(s,
				     "%zu other network namespace%s, of containers or of "
				     "services with PrivateNetwork=yes",
				     others, others == 1 ? "" : "s")
		      : 0;
}
