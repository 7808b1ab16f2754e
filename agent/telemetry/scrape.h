/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scrape.h - who asks for metrics over HTTP is answered, in the event loop: one request a
 * connection, few connections, little time for each. Whoever connects may be hostile, and holds up
 * nobody: neither the loop nor the next scraper.
 */
#ifndef BH_SCRAPE_H
#define BH_SCRAPE_H

#include <systemd/sd-event.h>
#include <linux/types.h>
#include <bh_abi.h>

#define BH_SCRAPE_MAX	  32	     /* connections; for one more the oldest one ends */
#define BH_SCRAPE_USEC	  5000000ull /* a connection's time, whatever it does */
#define BH_SCRAPE_FRESH_S 1	     /* an answer so old is given again */

struct bh_scrape;

/* The metrics as they are now: *ret is malloced. Return: 0 or -errno. */
typedef int (*bh_scrape_fn)(void *ctx, char **ret, size_t *ret_n);

/* A socket that listens there. Return: a descriptor or -errno. */
int bh_scrape_listen(const struct bh_addr *addr, __u16 port);
/* @fd: a stream socket that listens; taken over on success. Return: 0 or -errno. */
int bh_scrape_open(sd_event *event, int fd, bh_scrape_fn fn, void *ctx, struct bh_scrape **ret);
void bh_scrape_close(struct bh_scrape *s);

/* How many answers had this status. */
__u64 bh_scrape_answers(const struct bh_scrape *s, int status);

#endif
