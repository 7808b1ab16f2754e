/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seen.h - what `bulkhead init` sees on a host, without an agent: sockets and the workloads that
 * made them, addresses, resolvers, and the connection that the caller came over. Plain facts: a
 * test makes its own and gives them to draft.h.
 */
#ifndef BH_SEEN_H
#define BH_SEEN_H

#include <jansson.h>
#include "../../agent/net/net.h"
#include "../../agent/policy/model.h"

struct bh_seen_socket {
	struct bh_net_socket s;
	const char *cgroup; /* below the agent's root; "/": the root, or outside; NULL: not known */
	bool listens;	    /* filled by bh_seen_sort() */
};

/* How it is known where the session comes from. */
enum bh_login_how {
	BH_LOGIN_NONE,	  /* nothing found */
	BH_LOGIN_CONSOLE, /* a terminal of this machine */
	BH_LOGIN_HELD,	  /* an ancestor holds the connection */
	BH_LOGIN_HINT,	  /* only SSH_CONNECTION says so */
};

struct bh_login {
	enum bh_login_how how;
	struct bh_addr peer, local;
	__u16 port;    /* of this host */
	char name[64]; /* of the process that holds it, as it calls itself */
	pid_t pid;
};

struct bh_seen {
	char *host;	/* its name */
	char *when;	/* RFC 3339 */
	char **cgroups; /* that live here, below the agent's root */
	size_t n_cgroups;
	struct bh_seen_socket *sockets;
	size_t n_sockets;
	struct bh_cidr *own; /* addresses of this host, with the prefix that is on the link */
	size_t n_own;
	struct bh_addr *dns; /* what programs ask: nameservers of resolv.conf */
	size_t n_dns;
	struct bh_addr *upstream; /* what systemd-resolved asks */
	size_t n_upstream;
	__u16 ephemeral_lo, ephemeral_hi;
	struct bh_login login;
	char **unseen; /* what could not be looked at, a sentence each */
	size_t n_unseen;
};

struct bh_seen_places {
	const char *cgroup_root; /* NULL: the cgroup2 mount */
	const char *resolv_conf, *resolv_upstream, *proc;
};
#define BH_SEEN_PLACES                                                                             \
	{                                                                                          \
		NULL, "/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/proc"              \
	}

/* Return: 0; -errno with what to say in @d. */
int bh_seen_read(const struct bh_seen_places *places, struct bh_diags *d, struct bh_seen *ret);
void bh_seen_clear(struct bh_seen *s);

/* --- its parts --------------------------------------------------------------------------------- */

/* seen_host.c. Each: 0 or -ENOMEM; what can't be read is noted as unseen. */
int bh_seen_addresses(struct bh_seen *s);
int bh_seen_resolvers(struct bh_seen *s, const struct bh_seen_places *places);
int bh_seen_login(struct bh_seen *s, const char *proc, pid_t pid);
int bh_seen_namespaces(struct bh_seen *s, const char *proc);
int bh_seen_note(struct bh_seen *s, const char *fmt, ...) _printf_(2, 3);
/* SSH_CONNECTION: "1.2.3.4 5555 10.0.0.1 22". False: it is nothing of the kind. */
bool bh_seen_hint(const char *text, struct bh_login *ret);
/* "nameserver ADDRESS" lines, v6 with a zone left out. Return: 0, -ENOMEM. */
int bh_seen_nameservers(const char *text, struct bh_addr **ret, size_t *ret_n);

/* Makes room for one more of @v with @n elements of @size. Return: where, or NULL. */
void *bh_seen_grow(void *v, size_t *n, size_t size);

bool bh_seen_is_loopback(const struct bh_addr *a);
bool bh_seen_is_any(const struct bh_addr *a);
bool bh_seen_is_v4(const struct bh_addr *a);
/* Loopback, or one of this host's. */
bool bh_seen_is_own(const struct bh_seen *s, const struct bh_addr *a);

/*
 * Orders the sockets, for the two below: TCP that listens, and UDP that no peer is fixed for and
 * whose port was not the kernel's choice, wait for others.
 */
void bh_seen_sort(struct bh_seen *s);
/* The listener that a connection came to; NULL: this side began it. */
const struct bh_seen_socket *bh_seen_listener(const struct bh_seen *s,
					      const struct bh_net_socket *k);
/* The other end of a connection inside of this host, or NULL. */
const struct bh_seen_socket *bh_seen_peer(const struct bh_seen *s, const struct bh_net_socket *k);

#define _cleanup_seen_ _cleanup_(bh_seen_clear)

#endif
