/* SPDX-License-Identifier: Apache-2.0 */
/*
 * telemetry_ipfix.c - IPFIX as bytes, against ones that were written down by hand; that every record
 * is as long as its template says; what is lost when nobody listens. Tests ipfix*.c, sink_ipfix.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>
#include "../../agent/base/cleanup.h"
#include "../../agent/telemetry/ipfix.h"
#include "../../agent/telemetry/sinks.h"
#include "../../agent/telemetry/tell.h"

static struct bh_addr v4(__u8 last)
{
	return (struct bh_addr){{[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 0, [15] = last}};
}

static struct bh_addr v6(__u8 last)
{
	return (struct bh_addr){{0xfd, 0x77, [15] = last}};
}

/* An end that came in: the remote end, 10.0.0.2:40000, is the source. */
static struct bh_flow flow_of(void)
{
	return (struct bh_flow){
		.ev = {.time_ns = 5000000000,
		       .begin_ns = 3000000000,
		       .last_ns = 4500000000,
		       .gen = 7,
		       .local_addr = v4(1),
		       .remote_addr = v4(2),
		       .local = 20,
		       .remote = 18,
		       .rule = 3,
		       .uid = 33,
		       .ifindex = 2,
		       .pid = 4711,
		       .local_port = 443,
		       .remote_port = 40000,
		       .reason = BH_R_ALLOW,
		       .type = BH_EVENT_END,
		       .dir = BH_IN,
		       .proto = IPPROTO_TCP,
		       .packets = {[BH_IN] = 5, [BH_OUT] = 4},
		       .bytes = {[BH_IN] = 0x123, [BH_OUT] = 0x4567},
		       .tcp_flags = 0x1b,
		       .crypt = BH_CRYPT_TLS,
		       .rtt_us = 1000,
		       .comm = "nginx"},
		.wall_ms = 0x100001388, /* so that the flow began at 0x100000bb8 */
		.cgroup = "/system.slice/nginx.service/worker",
		.local = "web",
		.remote = "lan",
		.rule = "lan-web",
	};
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void is_as_written_by_hand(_unused_ void **state)
{
	static const __u8 head[] = {
		0,    10,   0,	  180,	/* version, length */
		0x12, 0x34, 0x56, 0x78, /* when */
		0,    0,    0,	  99,	/* sequence */
		0,    0,    0,	  7,	/* domain */
		1,    0,    0,	  164,	/* set 256 and its length */
	};
	static const __u8 before_id[] = {
		0,  0,	  0,	1,    0,    0, 0x0b, 0xb8, /* start */
		0,  0,	  0,	1,    0,    0, 0x11, 0x94, /* end */
		10, 0,	  0,	2,    10,   0, 0,    1,	   /* from, to */
		6,  0x9c, 0x40, 0x01, 0xbb, 0, 0x1b,	   /* proto, ports, flags */
		0,  0,	  0,	0,    0,    0, 0x01, 0x23, /* octets from the source */
		0,  0,	  0,	0,    0,    0, 0,    5,	   /* packets */
		0,  0,	  0,	0,    0,    0, 0x45, 0x67, /* and back */
		0,  0,	  0,	0,    0,    0, 0,    4,	   /* */
		3,  1,	  0,				   /* end, initiator, ingress */
		0,  0,	  0,	2,    0,    0, 0,    0,	   /* came in by 2 */
	};
	static const __u8 after_id[] = {
		64, 2,					  /* forwarded, deleted */
		0,  0,	 0,    18,   0,	  0,   0,    20,  /* identities */
		1,  0,	 1,    0,    0,	  0,   3,	  /* verdict, reason, rule */
		0,  0,	 0,    0,    0,	  0,   0,    7,	  /* generation */
		3,  'l', 'a',  'n',  3,	  'w', 'e',  'b', /* segments */
		13, 'n', 'g',  'i',  'n', 'x', '.',  's',  'e', 'r', 'v', 'i', 'c', 'e', /* unit */
		7,  'l', 'a',  'n',  '-', 'w', 'e',  'b',				 /* rule */
		0,  0,	 0x12, 0x67, 5,	  'n', 'g',  'i',  'n', 'x', /* pid, comm */
		0,  0,	 0,    33,   5,				     /* uid, tls */
		0,  0,	 0,    0,    0,	  0,   0x03, 0xe8,	     /* suppressed, rtt */
	};
	struct bh_ipfix m = {.domain = 7, .sequence = 99};
	struct bh_flow flow = flow_of();
	const __u8 *at = m.b;

	assert_int_equal(bh_ipfix_add_flow(&m, &flow), 0);
	bh_ipfix_close(&m, 0x12345678);
	assert_int_equal(m.n, sizeof(head) + sizeof(before_id) + 8 + sizeof(after_id));
	assert_memory_equal(at, head, sizeof(head));
	assert_memory_equal(at += sizeof(head), before_id, sizeof(before_id));
	assert_memory_equal(at += sizeof(before_id) + 8, after_id, sizeof(after_id));
	assert_int_equal(m.flows, 1);
	assert_int_equal(m.packets, 9);
}

static __u64 load(const __u8 *b, size_t n)
{
	__u64 v = 0;

	while (n--)
		v = v << 8 | *b++;
	return v;
}

/* Where template @id is in @m; fails if it is not. */
static const __u8 *find_template(const struct bh_ipfix *m, __u16 id)
{
	const __u8 *at = m->b + 20, *end = m->b + m->n;

	while (at < end && load(at, 2) != id) {
		size_t n = load(at + 2, 2);

		for (at += 4; n; n--)
			at += *at & 0x80 ? 8 : 4;
	}
	assert_true(at < end);
	return at;
}

/* How long the record at @b is by that template. */
static size_t length_by(const __u8 *template, const __u8 *b)
{
	size_t n = load(template + 2, 2), sum = 0;

	for (template += 4; n; n--) {
		size_t bytes = load(template + 2, 2);

		sum += bytes == 0xffff ? 1u + b[sum] : bytes;
		template += *template & 0x80 ? 8 : 4;
	}
	return sum;
}

static void each_fits_its_template(_unused_ void **state)
{
	struct bh_ipfix templates = {0};

	assert_int_equal(bh_ipfix_add_templates(&templates), 0);
	for (size_t i = 0; i < BH_IPFIX_TEMPLATES; i++) {
		struct bh_flow flow = flow_of();
		struct bh_ipfix m = {0};

		if (i & 1) {
			flow.ev.local_addr = v6(1);
			flow.ev.remote_addr = v6(2);
		}
		if (i & 2) {
			flow.ev.proto = i & 1 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
			flow.ev.icmp = 0x0803;
		}
		assert_int_equal(bh_ipfix_template_of(&flow), BH_IPFIX_FLOW + i);
		assert_int_equal(bh_ipfix_add_flow(&m, &flow), 0);
		assert_int_equal(load(m.b + 16, 2), BH_IPFIX_FLOW + i);
		assert_int_equal(load(m.b + 18, 2), m.n - 16);
		assert_int_equal(
			length_by(find_template(&templates, (__u16)(BH_IPFIX_FLOW + i)), m.b + 20),
			m.n - 20);
	}
}

static void denies_say_so(_unused_ void **state)
{
	static const struct {
		enum bh_event_type type;
		__u16 reason;
		enum bh_tell_verdict verdict;
		__u8 forwarding, firewall;
	} row[] = {
		{BH_EVENT_DENY, BH_R_DEFAULT_DENY, BH_TELL_DENIED, 129, 3},
		{BH_EVENT_DENY, BH_R_NO_POLICY, BH_TELL_ERROR, 128, 3},
		{BH_EVENT_WOULD_DENY, BH_R_DEFAULT_DENY, BH_TELL_AUDITED, 64, 4},
		{BH_EVENT_BEGIN, BH_R_ALLOW, BH_TELL_ALLOWED, 64, 1},
		{BH_EVENT_UPDATE, BH_R_ALLOW, BH_TELL_ALLOWED, 64, 5},
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct bh_flow flow = flow_of();
		struct bh_ipfix m = {0};
		const __u8 *at = m.b + 20 + 16 + 8 + 7 + 32 + 3 + 8 + 8;

		flow.ev.type = (__u8)row[i].type;
		flow.ev.reason = row[i].reason;
		assert_int_equal(bh_ipfix_add_flow(&m, &flow), 0);
		assert_int_equal(at[0], row[i].forwarding);
		assert_int_equal(at[1], row[i].firewall);
		assert_int_equal(at[10], row[i].verdict);
		assert_int_equal(load(at + 11, 2), row[i].reason);
	}
}

static void long_names_are_cut(_unused_ void **state)
{
	char name[BH_IPFIX_NAME + 40];
	struct bh_ipfix_record r = {0};

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	bh_ipfix_put_text(&r, name);
	assert_int_equal(r.n, 1 + BH_IPFIX_NAME);
	assert_int_equal(r.b[0], BH_IPFIX_NAME);
	/* a character of two bytes over the edge goes as a whole */
	memcpy(name + BH_IPFIX_NAME - 1, "\xc3\xa9", 2);
	r.n = 0;
	bh_ipfix_put_text(&r, name);
	assert_int_equal(r.b[0], BH_IPFIX_NAME - 1);
	r.n = 0;
	bh_ipfix_put_text(&r, "\xff\xfe");
	assert_memory_equal(r.b, "\2\xff\xfe", 3);
	r.n = 0;
	bh_ipfix_put_text(&r, NULL);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.b[0], 0);
}

static void the_longest_fits(_unused_ void **state)
{
	static char name[4096], cgroup[4096] = "/";
	struct bh_flow flow = flow_of();
	struct bh_ipfix m = {0};

	memset(name, 'n', sizeof(name) - 1);
	memset(cgroup + 1, 'u', 240);
	strcat(cgroup, ".service");
	flow.local = flow.remote = flow.rule = name;
	flow.cgroup = cgroup;
	flow.ev.local_addr = v6(1);
	flow.ev.remote_addr = v6(2);
	memset(flow.ev.comm, 'c', sizeof(flow.ev.comm));
	assert_int_equal(bh_ipfix_add_flow(&m, &flow), 0);
	assert_int_equal(bh_ipfix_add_flow(&m, &flow), -ENOSPC);
	assert_int_equal(m.flows, 1);
	assert_in_range(m.n, 4 * BH_IPFIX_NAME, BH_IPFIX_MESSAGE);
}

static void sequence_counts_data_that_left(_unused_ void **state)
{
	struct bh_flow flow = flow_of();
	struct bh_ipfix m = {0};
	size_t types = 0;

	assert_int_equal(bh_ipfix_add_options(&m), 0);
	bh_ipfix_next(&m, true);
	assert_int_equal(m.sequence, 0);
	for (size_t i = 0; i < bh_n_ipfix_elements; i++) {
		while (bh_ipfix_add_type(&m, i) < 0)
			bh_ipfix_next(&m, true);
		types += bh_ipfix_elements[i].pen == BH_IPFIX_PEN;
	}
	bh_ipfix_next(&m, true);
	assert_int_equal(m.sequence, types);
	assert_int_equal(bh_ipfix_add_templates(&m), 0);
	assert_int_equal(bh_ipfix_add_flow(&m, &flow), 0);
	assert_int_equal(bh_ipfix_add_loss(&m, &(struct bh_ipfix_loss){0}), 0);
	bh_ipfix_next(&m, false);
	assert_int_equal(m.sequence, types);
	assert_int_equal(bh_ipfix_add_flow(&m, &flow), 0);
	bh_ipfix_next(&m, true);
	assert_int_equal(m.sequence, types + 1);
}

/* pmacct takes one below 512 for IANA's; a number is given once. */
static void own_numbers_are_own(_unused_ void **state)
{
	for (size_t i = 0; i < bh_n_ipfix_elements; i++) {
		const struct bh_ipfix_element *e = &bh_ipfix_elements[i];

		if (e->pen == BH_IPFIX_PEN) {
			assert_in_range(e->id, 901, 999);
			assert_non_null(e->about);
			assert_in_range(strlen(e->about), 1, BH_IPFIX_NAME);
		}
		for (size_t j = 0; j < i; j++)
			assert_false(e->id == bh_ipfix_elements[j].id &&
				     e->pen == bh_ipfix_elements[j].pen);
	}
}

/* --- the sink --------------------------------------------------------------------------------- */

static int64_t wall_ms(void)
{
	return 1800000000000;
}

static uint64_t boot_ns(void)
{
	return 1000000000;
}

static const struct bh_clock test_clock = {.wall_ms = wall_ms, .boot_ns = boot_ns};

/* A collector on loopback; *port 0: any, and it is told. */
static int collector(__u16 *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons(*port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static struct bh_sink *exporter(__u16 port, __u32 events)
{
	struct bh_ipfix_opts o = {.collector = {{[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}},
				  .port = port,
				  .domain = 5,
				  .events = events,
				  .clock = &test_clock};
	struct bh_sink *s = bh_sink_ipfix_new(&o);

	assert_non_null(s);
	return s;
}

static void tick(struct bh_sink *s, unsigned int second)
{
	s->ops->tick(s, (1ull + second) * 1000000000);
}

static void send_flows(struct bh_sink *s, size_t n)
{
	struct bh_flow flow = flow_of();

	while (n--)
		s->ops->flow(s, &flow);
}

/* Reads all that is there. Return: flows in it; *ret_templates: messages that have templates of flows. */
static size_t read_all(int fd, size_t *ret_templates)
{
	__u8 b[2048];
	size_t flows = 0;
	ssize_t n;

	*ret_templates = 0;
	while ((n = recv(fd, b, sizeof(b), 0)) > 0) {
		assert_in_range(n, 20, BH_IPFIX_MESSAGE);
		assert_int_equal(load(b + 2, 2), n);
		for (size_t at = 16; at < (size_t)n; at += load(b + at + 2, 2)) {
			size_t set = load(b + at, 2), end = at + load(b + at + 2, 2);

			*ret_templates += set == BH_IPFIX_SET_TPL;
			/* each has 160 bytes, as above */
			if (set == BH_IPFIX_FLOW)
				flows += (end - at - 4) / 160;
		}
	}
	return flows;
}

#define END (1u << BH_EVENT_END)

static void all_arrives(_unused_ void **state)
{
	__u16 port = 0;
	_cleanup_close_ int fd = collector(&port);
	struct bh_sink *s = exporter(port, END);
	struct bh_flow begin = flow_of();
	size_t templates;

	assert_int_equal(read_all(fd, &templates), 0);
	assert_int_equal(templates, 1);
	begin.ev.type = BH_EVENT_BEGIN;
	s->ops->flow(s, &begin);
	send_flows(s, 200);
	for (unsigned int i = 0; i < 3; i++)
		tick(s, i);
	assert_int_equal(read_all(fd, &templates), 200);
	/* seven fit into a message, and after twenty messages templates come again */
	assert_int_equal(templates, 1);
	assert_int_equal(s->count.taken, 200);
	assert_int_equal(s->count.skipped, 1);
	assert_int_equal(s->count.written, 200);
	assert_int_equal(s->count.lost, 0);
	assert_string_equal(s->trouble, "");
	tick(s, 299);
	assert_int_equal(read_all(fd, &templates), 0);
	assert_int_equal(templates, 0);
	tick(s, 301);
	assert_int_equal(read_all(fd, &templates), 0);
	assert_int_equal(templates, 1);
	send_flows(s, 1);
	s->ops->close(s);
	assert_int_equal(read_all(fd, &templates), 1);
}

static void nobody_listens(_unused_ void **state)
{
	__u16 port = 0;
	int fd = collector(&port);
	struct bh_sink *s = exporter(port, END);
	size_t templates, second = 0;

	send_flows(s, 3);
	tick(s, second++);
	tick(s, second++);
	tick(s, second++);
	assert_int_equal(s->count.written, 3);
	close(fd);
	/* these leave, and come back as an error */
	send_flows(s, 2);
	tick(s, second++);
	send_flows(s, 40);
	for (size_t i = 0; i < 6; i++)
		tick(s, second++);
	send_flows(s, 5);
	assert_int_equal(s->count.taken, 50);
	assert_int_equal(s->count.written, 3);
	assert_int_equal(s->count.lost, 47);
	assert_non_null(strstr(s->trouble, "nobody listens at 127.0.0.1:"));

	fd = collector(&port);
	for (size_t i = 0; i < 4; i++)
		tick(s, second++);
	assert_string_equal(s->trouble, "");
	send_flows(s, 7);
	for (size_t i = 0; i < 3; i++)
		tick(s, second++);
	assert_int_equal(read_all(fd, &templates), 7);
	assert_true(templates >= 1);
	assert_int_equal(s->count.written, 10);
	assert_int_equal(s->count.taken, s->count.written + s->count.lost);
	s->ops->close(s);
	close(fd);
}

/* --- units -------------------------------------------------------------------------------------- */

static void units(_unused_ void **state)
{
	static const char *const row[][2] = {
		{"/system.slice/nginx.service", "nginx.service"},
		{"/system.slice/nginx.service/worker.service", "nginx.service"},
		{"/user.slice/user-0.slice/session-1.scope", "session-1.scope"},
		{"/system.slice", "system.slice"},
		{"/init.scope", "init.scope"},
		{"/system.slice/docker/x.service", "system.slice"},
		{"/docker/nginx.service", ""},
		{"/.service", ""},
		{"/", ""},
		{"", ""},
		{NULL, ""},
	};
	char unit[BH_TELL_UNIT];

	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		assert_string_equal(bh_tell_unit(row[i][0], unit), row[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_as_written_by_hand),
		cmocka_unit_test(each_fits_its_template),
		cmocka_unit_test(denies_say_so),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(the_longest_fits),
		cmocka_unit_test(sequence_counts_data_that_left),
		cmocka_unit_test(own_numbers_are_own),
		cmocka_unit_test(all_arrives),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
