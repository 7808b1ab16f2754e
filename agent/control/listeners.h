/* SPDX-License-Identifier: Apache-2.0 */
/* listeners.h - the kernel side's table of listeners as a list. Called by advice.c, failsafes. */
#ifndef BH_LISTENERS_H
#define BH_LISTENERS_H

#include "../agent.h"

struct bh_listening {
	struct bh_listen_key key;
	struct bh_listener val;
};

struct bh_listenings {
	struct bh_listening *v;
	size_t n;
};

/* Return: 0, -ENOMEM, or what the kernel side says. */
int bh_listenings_read(struct bh_agent *a, struct bh_listenings *ret);
void bh_listenings_clear(struct bh_listenings *l);

/* Bound to this address, or to every address of its family. */
bool bh_listening_at(const struct bh_listening *l, const struct bh_addr *addr);
bool bh_addr_is_any(const struct bh_addr *addr);
/* 127.0.0.0/8 and ::1 */
bool bh_addr_is_loopback(const struct bh_addr *addr);

/* The last word of a cgroup's path; "?" for NULL. */
const char *bh_base_of(const char *path);

/*
 * Who listens behind a failsafe now: "ssh.service on * port 22", malloced; *ret is NULL if
 * nobody does. Return: 0, -ENOMEM.
 */
int bh_failsafe_reaches(struct bh_agent *a, const struct bh_listenings *all,
			const struct bh_rule_src *rule, char **ret);

#endif
