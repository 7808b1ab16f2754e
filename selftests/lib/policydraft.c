/* SPDX-License-Identifier: Apache-2.0 */
/* policydraft.c - see policydraft.h. */
#include "policydraft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../../agent/policy/cidr.h"

/* --- dice --------------------------------------------------------------------------------------- */

static __u64 dice = 1;

int pol_rounds(int usual)
{
	const char *seed = getenv("BH_SEED"), *rounds = getenv("BH_ROUNDS");

	/* the same run for everybody; BH_SEED=$RANDOM looks further */
	dice = seed ? strtoull(seed, NULL, 10) : 1;
	print_message("BH_SEED=%llu\n", (unsigned long long)dice);
	/* never zero, from which xorshift does not get away */
	dice = (dice * 0x9e3779b97f4a7c15) | 1;
	return rounds ? atoi(rounds) : usual;
}

/* xorshift64 */
__u32 pol_roll(__u32 n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (__u32)((dice >> 11) % n);
}

bool pol_one_in(__u32 n)
{
	return pol_roll(n) == 0;
}

/* --- maps --------------------------------------------------------------------------------------- */

static const char *const prefixes[] = {
	"0.0.0.0/0",
	"0.0.0.0/1",
	"10.0.0.0/8",
	"10.0.0.0/9",
	"10.0.0.0/16",
	"10.0.0.0/24",
	"10.0.0.128/25",
	"10.0.0.0/32",
	"10.0.0.1/32",
	"10.0.0.255/32",
	"10.0.1.0/24",
	"10.255.255.255/32",
	"255.255.255.255/32",
	"192.168.0.0/16",
	"192.168.0.0/31",
	"169.254.0.0/16",
	"::/0",
	"::/64",
	"::/80",
	"::fffe:0:0/95",
	"::/1",
	"fe00::/8",
	"::1/128",
	"2001:db8::/32",
	"2001:db8::/48",
	"2001:db8::/127",
	"2001:db8::1/128",
	"2001:db8:0:1::/64",
	"ffff::/16",
	"2001:db8::/33",
	"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
};

static const char *const ports[] = {
	"tcp/1",
	"tcp/22",
	"tcp/80",
	"tcp/443",
	"tcp/8080-8089",
	"tcp/1-65535",
	"tcp/1023-1025",
	"tcp/32767-32769",
	"tcp/65535",
	"tcp",
	"udp/53",
	"udp",
	"udplite/53",
	"icmp",
	"icmp/echo-request",
	"icmp/destination-unreachable",
	"proto/47",
	"proto/132",
	"any",
	"tcp/8000-8191",
	"udp/1-1023",
	"tcp/81",
};

static const char *const reserved_names[] = {"world", "unassigned", "host"};

struct draft {
	FILE *out;
	int n_segments;
	bool taken[ARRAY_SIZE(prefixes)];
	int n_rules;
};

static int prefix_take(struct draft *d)
{
	__u32 i = pol_roll(ARRAY_SIZE(prefixes));

	if (d->taken[i])
		return -1;
	d->taken[i] = true;
	return (int)i;
}

/* Some prefix inside prefix @of, or none. */
static void draft_except(struct draft *d, int of)
{
	struct bh_cidr wide, narrow;
	struct bh_fault f;

	assert_int_equal(bh_cidr_parse(prefixes[of], &wide, &f), 0);
	for (int tries = 0; tries < 10; tries++) {
		const char *s = pol_pick(prefixes);

		assert_int_equal(bh_cidr_parse(s, &narrow, &f), 0);
		if (narrow.plen > wide.plen && bh_cidr_contains(&wide, &narrow)) {
			fprintf(d->out, ", except: [\"%s\"]", s);
			return;
		}
	}
}

static void draft_segment(struct draft *d, int i)
{
	fprintf(d->out, "  s%d: { match: [ { unit: s%d.service }", i, i);
	for (int n = (int)pol_roll(4); n > 0; n--) {
		int prefix = prefix_take(d);

		if (prefix < 0)
			continue;
		fprintf(d->out, ", { cidr: [\"%s\"]", prefixes[prefix]);
		if (pol_one_in(3))
			draft_except(d, prefix);
		fprintf(d->out, " }");
	}
	fprintf(d->out, " ] }\n");
}

static void draft_sel(struct draft *d, const char *key)
{
	__u32 n = 1 + pol_roll(3), seen = 0;

	fprintf(d->out, "%s: ", key);
	if (pol_one_in(4)) {
		fprintf(d->out, "any");
		return;
	}
	fprintf(d->out, "[");
	for (__u32 i = 0; i < n; i++) {
		__u32 seg = pol_roll((__u32)d->n_segments + 3);

		if (seen & 1u << seg)
			continue;
		fprintf(d->out, "%s", seen ? ", " : "");
		seen |= 1u << seg;
		if (seg < 3)
			fprintf(d->out, "%s", reserved_names[seg]);
		else
			fprintf(d->out, "s%u", seg - 3);
	}
	fprintf(d->out, "]");
}

static void draft_ports(struct draft *d)
{
	const char *last = NULL;

	if (pol_one_in(4)) {
		fprintf(d->out, ", port: any");
		return;
	}
	fprintf(d->out, ", port: [");
	for (__u32 n = 1 + pol_roll(3); n > 0; n--) {
		const char *port = pol_pick(ports);

		if (!strcmp(port, "any") || port == last)
			port = "tcp/443";
		fprintf(d->out, "%s%s", last ? ", " : "", port);
		last = port;
	}
	fprintf(d->out, "]");
}

static void draft_rule(struct draft *d, bool deny)
{
	fprintf(d->out, "  - { id: r%d, ", d->n_rules++);
	draft_sel(d, "from");
	fprintf(d->out, ", ");
	draft_sel(d, "to");
	draft_ports(d);
	if (pol_one_in(4))
		fprintf(d->out, ", mode: observe");
	if (pol_one_in(5))
		fprintf(d->out, ", until: 20%d-01-01T00:00:00Z", pol_one_in(2) ? 25 : 27);
	if (!deny && pol_one_in(8))
		fprintf(d->out, ", jit: { max: 1h }");
	if (!deny && pol_one_in(8))
		fprintf(d->out, ", require: { posture: healthy }");
	fprintf(d->out, " }\n");
}

static void draft_failsafe(struct draft *d)
{
	static const char *const failsafe_ports[] = {"tcp/22", "[tcp/443, icmp]", "tcp", "icmp",
						     "tcp/20-25"};

	fprintf(d->out, "  - { %s: { cidr: [\"%s\"] }, wide: true, port: %s",
		pol_one_in(3) ? "to" : "from", pol_pick(prefixes), pol_pick(failsafe_ports));
	if (pol_one_in(3))
		fprintf(d->out, ", unit: s%u.service", pol_roll((__u32)d->n_segments));
	fprintf(d->out, " }\n");
}

char *pol_draft(void)
{
	struct draft d = {.n_segments = 1 + (int)pol_roll(6)};
	char *text;
	size_t len;

	d.out = open_memstream(&text, &len);
	assert_non_null(d.out);
	fprintf(d.out, "segments:\n");
	for (int i = 0; i < d.n_segments; i++)
		draft_segment(&d, i);
	fprintf(d.out, "allow:\n");
	for (__u32 n = 1 + pol_roll(6); n > 0; n--)
		draft_rule(&d, false);
	if (!pol_one_in(3)) {
		fprintf(d.out, "deny:\n");
		for (__u32 n = 1 + pol_roll(4); n > 0; n--)
			draft_rule(&d, true);
	}
	fprintf(d.out, "failsafe:\n");
	for (__u32 n = 1 + pol_roll(3); n > 0; n--)
		draft_failsafe(&d);
	assert_int_equal(fclose(d.out), 0);
	return text;
}

const char *pol_prefix(void)
{
	return pol_pick(prefixes);
}
