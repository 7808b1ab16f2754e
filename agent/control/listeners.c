/* SPDX-License-Identifier: Apache-2.0 */
/* listeners.c - see listeners.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include "listeners.h"

static int on_listener(void *ctx, const struct bh_listen_key *key, const struct bh_listener *val)
{
	struct bh_listenings *l = ctx;
	struct bh_listening *more;

	/* a power of two: grow when it is full */
	if ((l->n & (l->n - 1)) == 0) {
		more = reallocarray(l->v, l->n ? l->n * 2 : 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		l->v = more;
	}
	l->v[l->n++] = (struct bh_listening){*key, *val};
	return 0;
}

int bh_listenings_read(struct bh_agent *a, struct bh_listenings *ret)
{
	struct bh_listenings l = {0};
	int r = bh_kern_each_listener(a->kern, on_listener, &l);

	if (r < 0) {
		bh_listenings_clear(&l);
		return r;
	}
	*ret = l;
	return 0;
}

void bh_listenings_clear(struct bh_listenings *l)
{
	free(l->v);
	*l = (struct bh_listenings){0};
}

static const __u8 mapped[12] = {[10] = 0xff, [11] = 0xff};

bool bh_addr_is_any(const struct bh_addr *addr)
{
	static const __u8 zero[16];

	if (!memcmp(addr->b, mapped, sizeof(mapped)))
		return !memcmp(addr->b + 12, zero, 4);
	return !memcmp(addr->b, zero, sizeof(zero));
}

bool bh_addr_is_loopback(const struct bh_addr *addr)
{
	static const __u8 one[16] = {[15] = 1};

	if (!memcmp(addr->b, mapped, sizeof(mapped)))
		return addr->b[12] == 127;
	return !memcmp(addr->b, one, sizeof(one));
}

bool bh_listening_at(const struct bh_listening *l, const struct bh_addr *addr)
{
	return bh_addr_is_any(&l->key.addr) || !memcmp(&l->key.addr, addr, sizeof(*addr));
}

const char *bh_base_of(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash && slash[1] ? slash + 1 : path ? path : "?";
}

/* --- failsafes ---------------------------------------------------------------------------------- */

static bool port_covers(const struct bh_port *p, const struct bh_listen_key *key)
{
	return p->proto == key->proto &&
	       (p->any_port || (p->lo <= key->port && key->port <= p->hi));
}

static bool rule_covers(struct bh_agent *a, const struct bh_rule_src *rule,
			const struct bh_listening *l)
{
	const char *unit = bh_base_of(bh_agent_cgroup(a, l->val.cgid));
	bool port = false, named = !rule->unit.n;

	for (size_t i = 0; !port && i < rule->port.n; i++)
		port = port_covers(&rule->port.v[i], &l->key);
	for (size_t i = 0; !named && i < rule->unit.n; i++)
		named = !strcmp(rule->unit.v[i].s, unit);
	return port && named && !bh_addr_is_loopback(&l->key.addr);
}

static char *listening_text(struct bh_agent *a, const struct bh_listening *l)
{
	const char *cgroup = bh_agent_cgroup(a, l->val.cgid);
	char addr[INET6_ADDRSTRLEN], *text;

	if (bh_addr_is_any(&l->key.addr))
		strcpy(addr, "*");
	else if (l->key.addr.b[10] == 0xff && !l->key.addr.b[0])
		inet_ntop(AF_INET, l->key.addr.b + 12, addr, sizeof(addr));
	else
		inet_ntop(AF_INET6, l->key.addr.b, addr, sizeof(addr));
	if (asprintf(&text, "%s on %s port %u", cgroup ? bh_base_of(cgroup) : "a socket", addr,
		     l->key.port) < 0)
		return NULL;
	return text;
}

int bh_failsafe_reaches(struct bh_agent *a, const struct bh_listenings *all,
			const struct bh_rule_src *rule, char **ret)
{
	char *text = NULL;

	for (size_t i = 0; rule->from.n_cidr && i < all->n; i++) {
		if (!rule_covers(a, rule, &all->v[i]))
			continue;
		text = listening_text(a, &all->v[i]);
		if (!text)
			return -ENOMEM;
		break;
	}
	*ret = text;
	return 0;
}
