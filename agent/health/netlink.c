/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink.c - what only a netlink socket tells: the state of the audit subsystem, and who listens
 * on every address. The rest of bh_claims_calls_real, too.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include "claims_internal.h"

/* The event loop waits for it, and the kernel is asked about itself alone. */
#define PATIENCE_MS 20

/* The answer is one message or many; @fn is given each. */
static int on_message(const struct nlmsghdr *h, int (*fn)(void *ctx, const struct nlmsghdr *h),
		      void *ctx)
{
	const struct nlmsgerr *e = NLMSG_DATA(h);

	if (h->nlmsg_type == NLMSG_DONE)
		return 1;
	if (h->nlmsg_type != NLMSG_ERROR)
		return fn(ctx, h);
	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
		return -EBADMSG;
	return e->error;
}

static int receive(int fd, int (*fn)(void *ctx, const struct nlmsghdr *h), void *ctx)
{
	_Alignas(struct nlmsghdr) char buffer[16384];
	int r = 0;

	while (r == 0) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		struct sockaddr_nl from = {0};
		socklen_t from_bytes = sizeof(from);
		ssize_t n;

		r = poll(&p, 1, PATIENCE_MS);
		if (r <= 0)
			return r < 0 ? -errno : -ETIMEDOUT;
		n = recvfrom(fd, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_TRUNC,
			     (struct sockaddr *)&from, &from_bytes);
		if (n < 0)
			return -errno;
		/* another process may send to it, too */
		if (from.nl_pid)
			return -EPROTO;
		if ((size_t)n > sizeof(buffer))
			return -EMSGSIZE;
		r = 0;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; r == 0 && NLMSG_OK(h, n);
		     h = NLMSG_NEXT(h, n))
			r = on_message(h, fn, ctx);
	}
	return r < 0 ? r : 0;
}

static int ask(int fd, struct nlmsghdr *request, int (*fn)(void *ctx, const struct nlmsghdr *h),
	       void *ctx)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	if (sendto(fd, request, request->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) <
	    0)
		return -errno;
	return receive(fd, fn, ctx);
}

static int on_audit(void *ctx, const struct nlmsghdr *h)
{
	struct bh_claim_audit *ret = ctx;
	const struct audit_status *s = NLMSG_DATA(h);

	if (h->nlmsg_type != AUDIT_GET)
		return 0;
	if (h->nlmsg_len < NLMSG_LENGTH(offsetof(struct audit_status, rate_limit)))
		return -EBADMSG;
	*ret = (struct bh_claim_audit){.enabled = s->enabled, .pid = s->pid};
	return 1;
}

int bh_claim_ask_audit(struct bh_claim_audit *ret)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);
	struct nlmsghdr request = {
		.nlmsg_len = NLMSG_LENGTH(0),
		.nlmsg_type = AUDIT_GET,
		.nlmsg_flags = NLM_F_REQUEST,
	};

	return fd < 0 ? -errno : ask(fd, &request, on_audit, ret);
}

/* --- who listens ------------------------------------------------------------------------------- */

struct listening {
	struct bh_claim_sockets *ret;
	unsigned char proto;
};

static bool is_any(const struct inet_diag_msg *m)
{
	static const __be32 any[4];

	return !memcmp(m->id.idiag_src, any, m->idiag_family == AF_INET ? 4 : 16);
}

static int on_listener(void *ctx, const struct nlmsghdr *h)
{
	struct listening *l = ctx;
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	char word[16];

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return -EBADMSG;
	/* a UDP socket that is connected hears one peer, one without a port nobody */
	if (!is_any(m) || m->id.idiag_dport || !m->id.idiag_sport)
		return 0;
	l->ret->wildcard++;
	snprintf(word, sizeof(word), "%s/%d", l->proto == IPPROTO_TCP ? "tcp" : "udp",
		 ntohs(m->id.idiag_sport));
	bh_claim_add(l->ret->some, word);
	return 0;
}

static int ask_sockets(int fd, unsigned char family, struct listening *l)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} request = {
		.h = {.nlmsg_len = sizeof(request),
		      .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.r = {.sdiag_family = family,
		      .sdiag_protocol = l->proto,
		      .idiag_states = 1 << (l->proto == IPPROTO_TCP ? TCP_LISTEN : TCP_CLOSE)},
	};

	return ask(fd, &request.h, on_listener, l);
}

int bh_claim_ask_sockets(struct bh_claim_sockets *ret)
{
	static const unsigned char protos[] = {IPPROTO_TCP, IPPROTO_UDP},
				   families[] = {AF_INET, AF_INET6};
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return -errno;
	for (size_t p = 0; p < ARRAY_SIZE(protos); p++)
		for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
			struct listening l = {ret, protos[p]};
			int r = ask_sockets(fd, families[f], &l);

			/* a kernel without IPv6 has none that listens on it */
			if (r < 0 && !(r == -ENOENT && families[f] == AF_INET6))
				return r;
		}
	return 0;
}

/* --- and without netlink ------------------------------------------------------------------------- */

static int real_uname(struct utsname *ret)
{
	return uname(ret) < 0 ? -errno : 0;
}

static int real_timex(struct timex *ret)
{
	return adjtimex(ret) < 0 ? -errno : 0;
}

static int real_dumpable(void)
{
	int r = prctl(PR_GET_DUMPABLE);

	return r < 0 ? -errno : r;
}

const struct bh_claims_calls bh_claims_calls_real = {
	.uname = real_uname,
	.timex = real_timex,
	.audit = bh_claim_ask_audit,
	.sockets = bh_claim_ask_sockets,
	.dumpable = real_dumpable,
};
