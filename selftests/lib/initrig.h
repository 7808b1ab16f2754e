/* SPDX-License-Identifier: Apache-2.0 */
/* initrig.h - made-up hosts for `bulkhead init`, and the maps that it drafts of them. */
#ifndef INITRIG_H
#define INITRIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include "../../tools/bulkhead/draft.h"
#include "../../tools/bulkhead/offline.h"

/* --- a host -------------------------------------------------------------------------------------- */

static inline struct bh_addr addr(const char *text)
{
	struct bh_addr a = {.b = {[10] = 0xff, [11] = 0xff}};

	if (strchr(text, ':'))
		assert_int_equal(inet_pton(AF_INET6, text, a.b), 1);
	else
		assert_int_equal(inet_pton(AF_INET, text, a.b + 12), 1);
	return a;
}

static inline void own(struct bh_seen *s, const char *text, int plen)
{
	struct bh_cidr *c = bh_seen_grow(&s->own, &s->n_own, sizeof(*c));
	bool v4 = !strchr(text, ':');

	*c = (struct bh_cidr){.addr = addr(text), .plen = plen + (v4 ? 96 : 0), .v4 = v4};
}

static inline struct bh_seen host(void)
{
	struct bh_seen s = {.host = strdup("shop-1"),
			    .when = strdup("2026-01-02T03:04:05Z"),
			    .ephemeral_lo = 32768,
			    .ephemeral_hi = 60999};

	own(&s, "127.0.0.1", 8);
	own(&s, "10.77.0.1", 24);
	own(&s, "fd77::1", 64);
	own(&s, "fe80::1", 64);
	return s;
}

static inline void add(struct bh_seen *s, const char *cgroup, __u8 proto, int state,
		       const char *local, int lport, const char *remote, int rport)
{
	struct bh_seen_socket *k = bh_seen_grow(&s->sockets, &s->n_sockets, sizeof(*k));

	*k = (struct bh_seen_socket){.s = {.proto = proto,
					   .state = (__u8)state,
					   .local = addr(local),
					   .remote = addr(remote),
					   .local_port = (__u16)lport,
					   .remote_port = (__u16)rport,
					   .cgid = 1},
				     .cgroup = cgroup};
}

static inline void tcp_listens(struct bh_seen *s, const char *cgroup, const char *local, int port)
{
	add(s, cgroup, IPPROTO_TCP, TCP_LISTEN, local, port, strchr(local, ':') ? "::" : "0.0.0.0",
	    0);
}

static inline void tcp(struct bh_seen *s, const char *cgroup, const char *local, int lport,
		       const char *remote, int rport)
{
	add(s, cgroup, IPPROTO_TCP, TCP_ESTABLISHED, local, lport, remote, rport);
}

/* --- its map ------------------------------------------------------------------------------------- */

static inline struct bh_map *parsed(const char *text, size_t len)
{
	_cleanup_diags_ struct bh_diags d = {};
	_cleanup_json_ json_t *entries = NULL;
	struct bh_map *map = NULL;

	bool good = bh_offline_check("draft.yaml", text, len, &d, &map, &entries) == 0;

	/* that nobody was seen at a listener is all that may be said of it */
	for (size_t i = 0; i < d.n; i++)
		good &= strstr(d.list[i].text, "' is in no rule: ") &&
			!strstr(d.list[i].text, "'lan'") && !strstr(d.list[i].text, "'private'");
	if (!good) {
		bh_diags_print(&d, stderr, false);
		fail_msg("it is no map:\n%s", text);
	}
	return map;
}

/* The text, which the language takes. Frees the host. */
static inline char *draft(struct bh_seen *s)
{
	_cleanup_draft_ struct bh_draft d = {0};
	_cleanup_json_ json_t *json = NULL;
	struct bh_map *map;
	char *text;
	size_t len;

	assert_int_equal(bh_draft_make(s, &d), 0);
	assert_int_equal(bh_draft_text(s, &d, &text, &len), 0);
	map = parsed(text, len);
	assert_int_equal(map->mode, BH_MODE_OBSERVE);
	bh_map_free(map);
	json = bh_draft_json(s, &d);
	assert_non_null(json);
	bh_seen_clear(s);
	return text;
}

static inline void has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no '%s' in:\n%s", line, text);
}

static inline void has_not(const char *text, const char *line)
{
	if (strstr(text, line))
		fail_msg("'%s' in:\n%s", line, text);
}

#define WEB   "/system.slice/nginx.service"
#define CACHE "/system.slice/redis.service"
#define SSH   "/system.slice/ssh.service"

#endif
