// SPDX-License-Identifier: Apache-2.0
/*
 * spread.c - who asks around is told of, once a minute, and nobody can have it said of another.
 * web on a may talk to db on b and nobody else. See bpf/spread.h.
 */
#include "netrig.h"

#include <unistd.h>
#include "pkt.h"
#include "talk.h"

static struct net_host a, b;
static struct puppet *db;

static const char *const web_addr[] = {"10.77.0.1", "fd77::1"};
static const char *const db_addr[] = {"10.77.0.11", "fd77::11"};

static const char open_map[] =
	"segments:\n"
	"  web: { match: [ { unit: web.service }, { cidr: [10.77.0.1/32, fd77::1/128] } ] }\n"
	"  db: { match: [ { unit: db.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ] }\n"
	"allow:\n"
	"  - { id: web-db, from: web, to: db, port: [tcp/7000-7199, udp/7000-65000] }\n";

static int each_test(void **state)
{
	(void)state;
	net_mark(&a);
	net_mark(&b);
	return 0;
}

static size_t alerts(struct net_host *h, enum bh_alert kind, const struct bh_event **ret)
{
	size_t n = 0;

	(void)bh_kern_poll(h->k);
	for (size_t i = 0; i < h->n_event; i++)
		if (h->event[i].type == BH_EVENT_ALERT && h->event[i].alert == kind) {
			*ret = &h->event[i];
			n++;
		}
	return n;
}

static void ask(struct puppet *p, const char *addr, int port)
{
	int fd = talk_socket(p, SOCK_DGRAM, addr, NULL);

	(void)pup_connect(p, fd, addr, port);
	assert_int_equal(pup_close(p, fd), 0);
}

/* A workload of its own for each: what it asked is remembered for a minute. */
static void test_many_ports(void **state)
{
	struct puppet *p = net_puppet(&a, "web.service/ports");
	const struct bh_event *ev = NULL;

	(void)state;
	for (int i = 0; i < 50; i++)
		ask(p, db_addr[i & 1], 7000 + i);
	for (int i = 0; i < 200; i++)
		ask(p, db_addr[0], 7000);
	assert_int_equal(alerts(&a, BH_ALERT_PORTS, &ev), 0);
	for (int i = 50; i < 200; i++)
		ask(p, db_addr[i & 1], 7000 + i);
	assert_int_equal(alerts(&a, BH_ALERT_PORTS, &ev), 1);
	assert_int_equal(ev->local, net_identity(&a, "web"));
	assert_int_equal(ev->remote, net_identity(&a, "db"));
	assert_int_equal(ev->pid, p->pid);
	assert_true(*ev->comm && ev->remote_port >= 7063);
	assert_int_equal(alerts(&a, BH_ALERT_HOSTS, &ev) + alerts(&a, BH_ALERT_DENIED, &ev), 0);
	pup_stop(p);
}

static void test_many_hosts_and_refusals(void **state)
{
	struct puppet *p = net_puppet(&a, "web.service/hosts");
	const struct bh_event *ev = NULL;
	char addr[32];

	(void)state;
	for (int i = 0; i < 250; i++) {
		(void)snprintf(addr, sizeof(addr), i & 1 ? "10.77.0.%d" : "fd77::%d", 1 + i);
		ask(p, addr, 6000);
		if (i == 60)
			assert_int_equal(alerts(&a, BH_ALERT_HOSTS, &ev) +
						 alerts(&a, BH_ALERT_DENIED, &ev),
					 0);
	}
	assert_int_equal(alerts(&a, BH_ALERT_HOSTS, &ev), 1);
	assert_int_equal(alerts(&a, BH_ALERT_DENIED, &ev), 1);
	assert_int_equal(alerts(&a, BH_ALERT_PORTS, &ev), 0);
	pup_stop(p);
}

/* From elsewhere: whoever completes a handshake. A SYN alone may say any source. */
static void test_who_comes_in(void **state)
{
	struct puppet *p = net_puppet(&a, "web.service/in"), *liar = pup_start("elsewhere", a.ns);
	const struct bh_event *ev = NULL;
	int fd[120];

	(void)state;
	for (int i = 0; i < 120; i++)
		fd[i] = pup_serve(db, SOCK_STREAM, "::", 7010 + i);
	for (int i = 0; i < 120; i++) {
		struct pkt syn;

		pkt_start(&syn);
		if (i & 1)
			pkt_ip4(&syn, web_addr[0], db_addr[0]);
		else
			pkt_ip6(&syn, web_addr[1], db_addr[1]);
		pkt_tcp(&syn, 4000, (uint16_t)(7010 + i), PKT_SYN);
		pkt_finish(&syn);
		talk_inject(liar, &syn, db_addr[!(i & 1)]);
	}
	(void)usleep(20000);
	assert_int_equal(alerts(&b, BH_ALERT_PORTS, &ev), 0);
	for (int v6 = 0; v6 < 2; v6++) {
		for (int i = 0; i < 120; i++)
			assert_int_equal(talk_try(p, web_addr[v6], db_addr[v6], 7010 + i), 0);
		assert_int_equal(alerts(&b, BH_ALERT_PORTS, &ev), 1 + v6);
		assert_int_equal(ev->remote, net_identity(&b, "web"));
		assert_int_equal(ev->local, net_identity(&b, "db"));
		assert_int_equal(ev->dir, BH_IN);
	}
	for (int i = 0; i < 120; i++)
		assert_int_equal(pup_close(db, fd[i]), 0);
	pup_stop(p);
	pup_stop(liar);
}

static int up(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	db = net_puppet(&b, "db.service");
	net_apply(&a, open_map);
	net_apply(&b, open_map);
	return 0;
}

static int down(void **state)
{
	(void)state;
	pup_stop(db);
	return net_down(&a, &b);
}

#define TEST(name) cmocka_unit_test_setup(name, each_test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_many_ports),
		TEST(test_many_hosts_and_refusals),
		TEST(test_who_comes_in),
	};

	return cmocka_run_group_tests_name("who asks around", tests, up, down);
}
