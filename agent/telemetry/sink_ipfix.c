/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_ipfix.c - flows to an IPFIX collector over UDP. Nobody answers there, but who listens
 * nowhere is told of (ICMP): a message counts as written once a tick has passed and nobody has
 * complained. While somebody does, flows are lost, one small message in two seconds asks again.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include "../base/cleanup.h"
#include "ipfix.h"
#include "sinks.h"
#include "tell.h"

/* RFC 7011, 8.4: over UDP templates are told again and again. */
#define TEMPLATES_NS	   (300ull * 1000000000)
#define TEMPLATES_MESSAGES 20
#define LOSS_NS		   (60ull * 1000000000)

#define DROP_IN "/etc/systemd/system/bulkhead.service.d/ipfix.conf"

/* Flows, and the packets they tell of, that left and may yet come back as an error. */
struct unsure {
	__u64 flows, packets;
};

struct ipfix_sink {
	struct bh_sink s;
	struct bh_ipfix_opts o;
	int fd; /* -1: none */
	struct bh_ipfix m;
	struct bh_ipfix_loss loss;
	struct unsure now, before; /* sent since the last tick; since the one before */
	__u64 boot_ns;		   /* of the last tick */
	__u64 told_ns, loss_ns;	   /* when templates, and loss, were last told */
	__u64 loss_told;
	unsigned int messages; /* since templates were told */
	bool down, asked;      /* nobody listens there; a message is on its way to see */
	char to[BH_TELL_ADDR + 8];
};

static struct ipfix_sink *of(struct bh_sink *s)
{
	return (struct ipfix_sink *)s;
}

/* --- what is lost ----------------------------------------------------------------------------- */

static void lose(struct ipfix_sink *k, __u64 flows, __u64 packets)
{
	k->s.count.lost += flows;
	k->loss.lost_packets += packets;
}

static void lose_unsure(struct ipfix_sink *k)
{
	lose(k, k->now.flows + k->before.flows, k->now.packets + k->before.packets);
	k->now = k->before = (struct unsure){0};
}

static void lose_message(struct ipfix_sink *k)
{
	lose(k, k->m.flows, k->m.packets);
	bh_ipfix_next(&k->m, false);
}

_printf_(2, 3) static void trouble(struct ipfix_sink *k, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(k->s.trouble, sizeof(k->s.trouble), fmt, ap);
	va_end(ap);
}

static void hang_up(struct ipfix_sink *k)
{
	bh_closep(&k->fd);
	k->fd = -1;
	k->told_ns = 0;
	k->down = k->asked = false;
}

/* By whom, and what to do: the map is one that may say no, the unit's sandbox another. */
static void say_error(struct ipfix_sink *k, int error)
{
	if (error == EPERM || error == EACCES)
		trouble(k,
			"%s is denied to the agent itself (%s): the map has to allow its segment "
			"udp/%u there, and " DROP_IN " IPAddressAllow=; see bulkhead.yaml(5)",
			k->to, strerror(error), k->o.port);
	else if (error == ECONNREFUSED)
		trouble(k, "nobody listens at %s (%s): flows are lost until the collector runs",
			k->to, strerror(error));
	else
		trouble(k, "%s can't be reached (%s): flows are lost; it is tried again", k->to,
			strerror(error));
}

/* What the network says of messages before. */
static bool is_told(int error)
{
	return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
	       error == EHOSTDOWN || error == EPROTO || error == ENOPROTOOPT;
}

static void failed(struct ipfix_sink *k, int error)
{
	say_error(k, error);
	if (!is_told(error)) {
		/* another address or device of ours: a new socket takes those of then */
		hang_up(k);
		return;
	}
	lose_unsure(k);
	lose_message(k);
	k->down = true;
	k->asked = false;
	k->told_ns = 0;
}

/* --- the socket ------------------------------------------------------------------------------- */

static int dial(const struct bh_ipfix_opts *o)
{
	bool v4 = bh_tell_is_v4(&o->collector);
	struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(o->port)};
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(o->port)};
	_cleanup_close_ int fd =
		socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1, fragment = IP_PMTUDISC_DONT;

	if (fd < 0)
		return errno == EPERM ? -EAFNOSUPPORT : -errno;
	memcpy(&to4.sin_addr, o->collector.b + 12, 4);
	memcpy(&to6.sin6_addr, o->collector.b, 16);
	/* routers' and neighbours' complaints, too */
	(void)setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &on,
			 sizeof(on));
	if (v4)
		(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &fragment, sizeof(fragment));
	if (connect(fd, v4 ? (const struct sockaddr *)&to4 : (const struct sockaddr *)&to6,
		    v4 ? sizeof(to4) : sizeof(to6)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static void open_socket(struct ipfix_sink *k)
{
	int fd = dial(&k->o);

	if (fd == -EAFNOSUPPORT)
		trouble(k,
			"the agent may not make an IP socket: " DROP_IN
			" with RestrictAddressFamilies=AF_INET AF_INET6 and IPAddressAllow=%.45s "
			"lets it; see bulkhead.yaml(5)",
			k->to);
	else if (fd < 0)
		say_error(k, -fd);
	k->fd = MAX(fd, -1);
	if (fd >= 0)
		k->s.trouble[0] = '\0';
}

/* Return: what came back since the last look, 0: nothing. */
static int complaint(int fd)
{
	socklen_t size = sizeof(int);
	char skip[1];
	int error = 0;

	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	for (struct msghdr none = {.msg_iov = &(struct iovec){skip, sizeof(skip)}, .msg_iovlen = 1};
	     recvmsg(fd, &none, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0;)
		;
	return error;
}

/* --- messages --------------------------------------------------------------------------------- */

/* Sends what is in the message, if there is anything. Return: whether it left. */
static bool push(struct ipfix_sink *k)
{
	int error;

	if (!k->m.n)
		return true;
	bh_ipfix_close(&k->m, (__u32)(k->o.clock->wall_ms() / 1000));
	if (send(k->fd, k->m.b, k->m.n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
		k->now.flows += k->m.flows;
		k->now.packets += k->m.packets;
		k->loss.messages++;
		bh_ipfix_next(&k->m, true);
		return true;
	}
	error = errno;
	lose_message(k);
	if (error == EAGAIN || error == ENOBUFS)
		trouble(k, "messages to %s leave more slowly than flows come: some are lost",
			k->to);
	else
		failed(k, error);
	return false;
}

static bool add_loss(struct ipfix_sink *k)
{
	k->loss.flows = k->s.count.written;
	k->loss.lost_flows = k->s.count.lost;
	while (bh_ipfix_add_loss(&k->m, &k->loss) < 0)
		if (!push(k))
			return false;
	k->loss_told = k->s.count.lost;
	k->loss_ns = k->boot_ns;
	return true;
}

/*
 * All that a collector has to know, in an order that libfixbuf needs: what our elements are before
 * the templates that have them.
 */
static void tell_templates(struct ipfix_sink *k)
{
	if (!push(k))
		return;
	(void)bh_ipfix_add_options(&k->m);
	for (size_t i = 0; i < bh_n_ipfix_elements; i++)
		while (bh_ipfix_add_type(&k->m, i) < 0)
			if (!push(k))
				return;
	/* their whole set in one message */
	while (bh_ipfix_add_templates(&k->m) < 0)
		if (!push(k))
			return;
	if (!add_loss(k) || !push(k))
		return;
	k->messages = 0;
	k->told_ns = MAX(k->boot_ns, 1ull);
}

static bool is_good(const struct ipfix_sink *k)
{
	return k->fd >= 0 && !k->down;
}

/* --- a sink ----------------------------------------------------------------------------------- */

static void on_flow(struct bh_sink *s, const struct bh_flow *flow)
{
	struct ipfix_sink *k = of(s);

	k->loss.suppressed += flow->ev.suppressed;
	if (flow->ev.type >= BH_EVENT_TYPES || !(k->o.events >> flow->ev.type & 1)) {
		s->count.skipped++;
		return;
	}
	s->count.taken++;
	if (is_good(k) && bh_ipfix_add_flow(&k->m, flow) == 0)
		return;
	if (is_good(k) && push(k) && ++k->messages >= TEMPLATES_MESSAGES)
		tell_templates(k);
	if (!is_good(k) || bh_ipfix_add_flow(&k->m, flow) < 0)
		lose(k, 1, flow->ev.packets[BH_IN] + flow->ev.packets[BH_OUT]);
}

/* Nobody has complained: what left by the tick before the last one has arrived, for all we know. */
static void settle(struct ipfix_sink *k)
{
	k->s.count.written += k->before.flows;
	k->before = k->now;
	k->now = (struct unsure){0};
}

/* One message in two ticks: whom a host tells of a closed port it tells once a second at most. */
static void ask(struct ipfix_sink *k)
{
	if (k->asked) {
		k->down = k->asked = false;
		k->s.trouble[0] = '\0';
		return;
	}
	(void)bh_ipfix_add_options(&k->m);
	k->asked = push(k);
}

static void on_tick(struct bh_sink *s, __u64 boot_ns)
{
	struct ipfix_sink *k = of(s);
	int error;

	k->boot_ns = boot_ns;
	if (k->fd < 0)
		open_socket(k);
	if (k->fd < 0)
		return;
	error = complaint(k->fd);
	if (error)
		failed(k, error);
	if (k->down)
		ask(k);
	if (!is_good(k))
		return;
	settle(k);
	if (!k->told_ns || boot_ns - k->told_ns >= TEMPLATES_NS)
		tell_templates(k);
	else if (k->loss_told != k->s.count.lost || boot_ns - k->loss_ns >= LOSS_NS)
		(void)add_loss(k);
	else
		k->s.trouble[0] = '\0';
	if (is_good(k) && push(k))
		k->messages++;
}

static void on_close(struct bh_sink *s)
{
	struct ipfix_sink *k = of(s);

	if (is_good(k))
		(void)push(k);
	bh_closep(&k->fd);
	free(k);
}

struct bh_sink *bh_sink_ipfix_new(const struct bh_ipfix_opts *o)
{
	static const struct bh_sink_ops ops = {
		.name = "ipfix",
		.flow = on_flow,
		.tick = on_tick,
		.close = on_close,
	};
	struct ipfix_sink *k = calloc(1, sizeof(*k));
	char addr[BH_TELL_ADDR];

	if (!k)
		return NULL;
	k->s.ops = &ops;
	k->o = *o;
	k->m.domain = o->domain;
	k->fd = -1;
	k->boot_ns = o->clock->boot_ns();
	snprintf(k->to, sizeof(k->to), bh_tell_is_v4(&o->collector) ? "%s:%u" : "[%s]:%u",
		 bh_tell_addr(&o->collector, addr), o->port);
	open_socket(k);
	if (k->fd >= 0)
		tell_templates(k);
	return &k->s;
}
