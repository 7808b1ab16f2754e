/* SPDX-License-Identifier: Apache-2.0 */
/* modelrig.c - see modelrig.h. */
#include "modelrig.h"

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>
#include "cg.h"
#include "policydraft.h"

/* --- cgroups ------------------------------------------------------------------------------------------ */

const struct md_cgroup world_cgroup[WORLD_CGROUPS] = {
	{"/", -1},
	{"/system.slice", -1},
	{"/system.slice/a.service", -1},
	{"/system.slice/a.service/sub", -1},
	{"/system.slice/b.service", -1},
	{"/system.slice/web@1.service", -1},
	{"/system.slice/web@2.service", -1},
	{"/app.slice/app-x.slice/deep.service", -1},
	{"/app.slice/a.service", -1},
	{"/user.slice/user-1000.slice/session-1.scope", -1},
	{"/user.slice/user-1001.slice/session-2.scope", -1},
	/* what their owners called so themselves */
	{"/user.slice/user-1000.slice/user@1000.service/app.slice/a.service", -1},
	{"/system.slice/docker-1.scope/system.slice/a.service", -1},
	{"/machine/b.service", -1},
	/* given.slice is uid 1000's: below it names are his */
	{"/given.slice", -1},
	{"/given.slice/b.service", 1},
	{"/given.slice/app.slice/a.service", 1},
	{"/-.slice/web@1.service", -1},
};

const uint32_t world_uid[WORLD_UIDS] = {0, 1000, 1001, 1002, 4242};

void world_up(uint64_t ret_id[WORLD_CGROUPS])
{
	char base[PATH_MAX / 2], path[PATH_MAX];

	assert_int_equal(cg_base(base, sizeof(base)), 0);
	for (int i = 0; i < WORLD_CGROUPS; i++)
		assert_int_equal(cg_make(world_cgroup[i].path + 1, &ret_id[i]), 0);
	snprintf(path, sizeof(path), "%s/given.slice", base);
	assert_int_equal(chown(path, 1000, 1000), 0);
}

/* --- addresses ---------------------------------------------------------------------------------------- */

static const char *const nets[] = {
	"10.0.0.0/8",
	"10.0.0.0/16",
	"10.0.0.0/24",
	"10.0.0.128/25",
	"10.0.0.7/32",
	"10.0.1.0/24",
	"192.168.0.0/16",
	"192.168.0.0/31",
	"169.254.0.0/16",
	"0.0.0.0/0",
	"0.0.0.0/1",
	"203.0.113.0/24",
	"255.255.255.0/24",
	"2001:db8::/32",
	"2001:db8::/48",
	"2001:db8::/64",
	"2001:db8::7/128",
	"2001:db8:0:1::/64",
	"2001:db8::80/121",
	"fd77::/16",
	"::/0",
	"::/64",
	"::/95",
	"fe00::/8",
	"10.77.0.0/28",
	"10.77.0.2/32",
	"10.77.0.12/31",
	"fd77::/124",
	"fd77::2/128",
	"fd77::10/124",
	"8000::/1",
	"2001:db8:1::/48",
};

static struct md_cidr net_of(const char *text)
{
	char addr[64];
	struct md_cidr c = {.addr = {.v4 = !strchr(text, ':')}};
	const char *slash = strchr(text, '/');

	snprintf(addr, sizeof(addr), "%.*s", (int)(slash - text), text);
	assert_int_equal(c.addr.v4 ? inet_pton(AF_INET, addr, c.addr.b + 12)
				   : inet_pton(AF_INET6, addr, c.addr.b),
			 1);
	c.len = atoi(slash + 1);
	return c;
}

static struct md_addr in_net(const char *text)
{
	struct md_cidr c = net_of(text);
	int first = c.addr.v4 ? 12 : 0, bits = 8 * first + c.len;
	__u32 which = pol_roll(5);
	struct md_addr a = c.addr;

	for (int bit = bits; bit < 128; bit++)
		if (which == 1 || which == 2 || (which == 3 && pol_one_in(2)))
			a.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	/* the one before the first, the one behind the last */
	for (int i = 15; (which == 2 || which == 4) && i >= first; i--) {
		a.b[i] = (uint8_t)(which == 4 ? a.b[i] - 1 : a.b[i] + 1);
		if (a.b[i] != (which == 4 ? 0xff : 0))
			break;
	}
	return a;
}

struct md_addr world_addr(void)
{
	static const char *const others[] = {"fe80::1/128", "8.8.8.8/32", "2a00::1/128",
					     "febf::1/128", "fec0::1/128"};

	return pol_one_in(8) ? in_net(pol_pick(others)) : in_net(pol_pick(nets));
}

struct md_addr world_addr_of(bool v4)
{
	for (;;) {
		struct md_addr a = world_addr();

		if (a.v4 == v4)
			return a;
	}
}

/* --- ports ---------------------------------------------------------------------------------------------- */

static const char *const ports[] = {
	"tcp/80",
	"tcp/443",
	"tcp/22",
	"tcp/http",
	"tcp/8080-8089",
	"tcp/1-65535",
	"tcp/65535",
	"tcp/1",
	"tcp",
	"tcp/32767-32769",
	"tcp/79-80",
	"udp/53",
	"udp/domain",
	"udp",
	"udp/50-60",
	"udplite/53",
	"icmp",
	"proto/47",
	"proto/132",
	"icmp/echo-request",
	"icmp/destination-unreachable",
	"tcp/81",
	"udp/1-1023",
	"tcp/8000-8191",
};

uint8_t world_proto(void)
{
	static const uint8_t protos[] = {6, 6, 6, 17, 17, 1, 58, 136, 47, 132, 50, 2};

	return pol_pick(protos);
}

uint16_t world_port(uint8_t proto)
{
	static const uint16_t edges[] = {1,	22,    50,   53,   60,	 80,   81,
					 443,	1023,  8000, 8080, 8089, 8191, 32767,
					 32769, 65535, 9000, 546,  68};
	static const uint8_t types[] = {0, 3, 8, 11, 13, 14, 1, 128, 129, 130, 133, 135, 143, 255};

	uint16_t port;

	if (proto == 1 || proto == 58)
		return (uint16_t)(pol_pick(types) << 8 | (pol_one_in(3) ? pol_roll(256) : 0));
	if (proto != 6 && proto != 17 && proto != 136)
		return 0;
	if (pol_one_in(6))
		return (uint16_t)(1 + pol_roll(65535));
	port = (uint16_t)(pol_pick(edges) + pol_roll(3) - 1);
	return port ? port : 1;
}

/* --- lines ------------------------------------------------------------------------------------------------ */

struct drafting {
	struct model_draft *d;
	FILE *out;
	size_t len;
	char *text;
	int n_segments, n_rules;
	bool net_taken[ARRAY_SIZE(nets)];
	unsigned int name_taken;
};

static void line_begin(struct drafting *g)
{
	g->out = open_memstream(&g->text, &g->len);
	assert_non_null(g->out);
}

static void line_end(struct drafting *g, char section)
{
	assert_int_equal(fclose(g->out), 0);
	assert_true(g->d->n < DRAFT_LINES);
	g->d->line[g->d->n++] = (struct draft_line){section, g->text};
}

static void head(struct drafting *g)
{
	static const char *const words[] = {"allow", "deny"};

	line_begin(g);
	fprintf(g->out, "mode: %s\ndefault: { ingress: %s, egress: %s }\n",
		pol_one_in(4) ? "observe" : "enforce", pol_one_in(4) ? "allow" : "deny",
		pol_one_in(4) ? "allow" : "deny");
	if (pol_one_in(2))
		fprintf(g->out, "forward: %s\n", pol_pick(words));
	if (pol_one_in(3))
		fprintf(g->out, "l2: %s\n", pol_pick(words));
	line_end(g, 'h');
}

/* --- segments ---------------------------------------------------------------------------------------------- */

static const char *const names[] = {
	"unit: a.service",
	"unit: b.service",
	"unit: \"web@*.service\"",
	"unit: web@1.service",
	"unit: \"*.scope\"",
	"unit: [deep.service, session-1.scope]",
	"unit: app.slice",
	"unit: given.slice",
	"unit: system.slice",
	"cgroup: /",
	"cgroup: /system.slice",
	"cgroup: /system.slice/a.service",
	"cgroup: /system.slice/a.service/sub",
	"cgroup: \"/user.slice/user-*.slice\"",
	"cgroup: /user.slice/user-1000.slice/user@1000.service/app.slice/a.service",
	"cgroup: /app.slice/app-x.slice",
	"cgroup: /given.slice/b.service",
	"cgroup: /machine",
};

static const char *const users[] = {"user: alice", "user: [bob, 4242]", "group: ops", "group: all",
				    "user: [bob, carol], group: ops"};

static bool match_name(struct drafting *g, const char *before)
{
	__u32 i = pol_roll(ARRAY_SIZE(names));

	if (g->name_taken & 1u << i)
		return false;
	g->name_taken |= 1u << i;
	fprintf(g->out, "%s{ %s", before, names[i]);
	if (pol_one_in(4))
		fprintf(g->out, ", %s", pol_pick(users));
	fprintf(g->out, " }");
	return true;
}

static bool match_net(struct drafting *g, const char *before)
{
	__u32 i = pol_roll(ARRAY_SIZE(nets));
	struct md_cidr wide = net_of(nets[i]);

	if (g->net_taken[i])
		return false;
	g->net_taken[i] = true;
	fprintf(g->out, "%s{ cidr: [\"%s\"]", before, nets[i]);
	for (int tries = 0; tries < 6 && pol_one_in(2); tries++) {
		const char *s = pol_pick(nets);
		struct md_cidr narrow = net_of(s);

		if (narrow.len > wide.len && md_addr_in(&wide, &narrow.addr)) {
			fprintf(g->out, ", except: [\"%s\"]", s);
			break;
		}
	}
	fprintf(g->out, " }");
	return true;
}

static void traits(struct drafting *g)
{
	static const char *const labels[] = {"app: shop", "app: shop, role: web", "role: web",
					     "app: other"};

	if (pol_one_in(4))
		fprintf(g->out, ", mode: %s", pol_one_in(2) ? "observe" : "enforce");
	if (pol_one_in(4))
		fprintf(g->out, ", default: { %s: %s }", pol_one_in(2) ? "ingress" : "egress",
			pol_one_in(2) ? "allow" : "deny");
	if (pol_one_in(2))
		fprintf(g->out, ", labels: { %s }", pol_pick(labels));
	if (pol_one_in(5))
		fprintf(g->out, ", listen: [tcp/9000, udp/53]");
}

static void segment(struct drafting *g, int i)
{
	bool any = false;

	line_begin(g);
	fprintf(g->out, "  s%d: { match: [ ", i);
	for (int n = 1 + (int)pol_roll(4); n > 0 || !any; n--)
		any |= pol_one_in(2) ? match_name(g, any ? ", " : "")
				     : match_net(g, any ? ", " : "");
	fprintf(g->out, " ]");
	traits(g);
	fprintf(g->out, " }\n");
	line_end(g, 's');
}

static void reserved(struct drafting *g)
{
	static const char *const who[] = {"world", "unassigned", "host"};

	line_begin(g);
	fprintf(g->out, "  %s: { default: { %s: %s }", pol_pick(who),
		pol_one_in(2) ? "ingress" : "egress", pol_one_in(2) ? "allow" : "deny");
	if (pol_one_in(2))
		fprintf(g->out, ", mode: %s", pol_one_in(2) ? "observe" : "enforce");
	fprintf(g->out, " }\n");
	line_end(g, 's');
}

/* --- rules -------------------------------------------------------------------------------------------------- */

static void sel(struct drafting *g, const char *key)
{
	static const char *const who[] = {"world", "unassigned", "host"};
	__u32 seen = 0;

	fprintf(g->out, "%s: ", key);
	if (pol_one_in(4)) {
		fprintf(g->out, "any");
		return;
	}
	if (pol_one_in(8)) {
		fprintf(g->out, "{ labels: { app: shop%s } }", pol_one_in(2) ? ", role: web" : "");
		return;
	}
	fprintf(g->out, "[");
	for (__u32 n = 1 + pol_roll(3); n > 0; n--) {
		__u32 seg = pol_roll((__u32)g->n_segments + 3);

		if (seen & 1u << seg)
			continue;
		fprintf(g->out, "%s", seen ? ", " : "");
		seen |= 1u << seg;
		if (seg < 3)
			fprintf(g->out, "%s", who[seg]);
		else
			fprintf(g->out, "s%u", seg - 3);
	}
	fprintf(g->out, "]");
}

static void port_list(struct drafting *g)
{
	const char *last = NULL;

	if (pol_one_in(4)) {
		fprintf(g->out, ", port: any");
		return;
	}
	fprintf(g->out, ", port: [");
	for (__u32 n = 1 + pol_roll(3); n > 0; n--) {
		const char *port = pol_pick(ports);

		if (port == last)
			continue;
		fprintf(g->out, "%s%s", last ? ", " : "", port);
		last = port;
	}
	fprintf(g->out, "]");
}

static void rule(struct drafting *g, char section)
{
	static const char *const untils[] = {"2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"};

	line_begin(g);
	fprintf(g->out, "  - { id: r%d, ", g->n_rules++);
	sel(g, "from");
	fprintf(g->out, ", ");
	sel(g, "to");
	port_list(g);
	if (pol_one_in(4))
		fprintf(g->out, ", mode: observe");
	if (pol_one_in(4))
		fprintf(g->out, ", until: %s", pol_pick(untils));
	if (section == 'a' && pol_one_in(8))
		fprintf(g->out, ", jit: { max: 1h }");
	if (section == 'a' && pol_one_in(8))
		fprintf(g->out, ", require: { posture: healthy }");
	fprintf(g->out, " }\n");
	line_end(g, section);
}

static void failsafe(struct drafting *g)
{
	static const char *const what[] = {"tcp/22", "[tcp/443, icmp]", "tcp",
					   "icmp",   "tcp/79-81",	"icmp/echo-request"};
	static const char *const units[] = {"a.service", "b.service", "web@1.service"};

	line_begin(g);
	fprintf(g->out, "  - { id: f%d, %s: { cidr: [\"%s\"] }, wide: true, port: %s", g->n_rules++,
		pol_one_in(3) ? "to" : "from", pol_pick(nets), pol_pick(what));
	if (pol_one_in(3))
		fprintf(g->out, ", unit: %s", pol_pick(units));
	fprintf(g->out, " }\n");
	line_end(g, 'f');
}

/* --- maps ----------------------------------------------------------------------------------------------------- */

struct model_draft draft_new(void)
{
	struct model_draft d = {.n = 0};
	struct drafting g = {.d = &d, .n_segments = 1 + (int)pol_roll(6)};

	head(&g);
	if (pol_one_in(3))
		reserved(&g);
	for (int i = 0; i < g.n_segments; i++)
		segment(&g, i);
	for (__u32 n = 1 + pol_roll(7); n > 0; n--)
		rule(&g, 'a');
	for (__u32 n = pol_roll(5); n > 0; n--)
		rule(&g, 'd');
	for (__u32 n = 1 + pol_roll(3); n > 0; n--)
		failsafe(&g);
	return d;
}

void draft_clear(struct model_draft *d)
{
	for (int i = 0; i < d->n; i++)
		free(d->line[i].text);
	d->n = 0;
}

struct model_draft draft_without(const struct model_draft *d, int without)
{
	struct model_draft copy = {.n = 0};

	for (int i = 0; i < d->n; i++) {
		if (i == without)
			continue;
		copy.line[copy.n] = d->line[i];
		copy.line[copy.n].text = strdup(d->line[i].text);
		assert_non_null(copy.line[copy.n++].text);
	}
	return copy;
}

char *draft_text(const struct model_draft *d)
{
	static const struct {
		char section;
		const char *title;
	} sections[] = {
		{'h', "version: 1\nname: test\n"},
		{'s', "segments:\n"},
		{'a', "allow:\n"},
		{'d', "deny:\n"},
		{'f', "failsafe:\n"},
	};
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	for (size_t s = 0; s < ARRAY_SIZE(sections); s++) {
		bool titled = false;

		for (int i = 0; i < d->n; i++) {
			if (d->line[i].section != sections[s].section)
				continue;
			fprintf(out, "%s%s", titled ? "" : sections[s].title, d->line[i].text);
			titled = true;
		}
	}
	assert_int_equal(fclose(out), 0);
	return text;
}

/* --- both opinions ---------------------------------------------------------------------------------------------- */

static __u32 identity_of(const struct pol *p, const char *name)
{
	for (size_t i = 0; i < p->map->n_segment; i++)
		if (!strcmp(p->map->segment[i].name, name))
			return p->out->identity[i];
	fail_msg("the compiler knows no segment %s", name);
	return 0;
}

int opinions_of(const struct model_draft *d, const struct bh_numbers *numbers,
		struct bh_instant now, struct opinions *ret)
{
	struct opinions o = {.text = draft_text(d)};
	int r;

	o.pol.numbers = numbers ? bh_numbers_copy(numbers) : bh_numbers_new();
	assert_non_null(o.pol.numbers);
	r = bh_map_parse("map", o.text, strlen(o.text), &o.pol.d, &o.pol.map);
	if (r == 0)
		r = bh_compile(o.pol.map, o.pol.numbers, &pol_users, &bh_limits_default, now,
			       &o.pol.d, &o.pol.out);
	if (r == 0) {
		o.model = md_read(o.text);
		for (int i = 0; i < o.model->n_seg; i++)
			o.identity[i] = identity_of(&o.pol, o.model->seg[i].name);
		for (int i = 0; i < WORLD_CGROUPS; i++)
			for (int j = 0; j < WORLD_UIDS; j++)
				o.who[i][j] =
					md_who_of_cgroup(o.model, &world_cgroup[i], world_uid[j]);
	}
	*ret = o;
	return r;
}

void opinions_clear(struct opinions *o)
{
	md_free(o->model);
	pol_clear(&o->pol);
	free(o->text);
	*o = (struct opinions){0};
}

int opinions_rule(const struct opinions *o, __u32 number)
{
	const struct bh_rule_info *info = number ? bh_compiled_rule(o->pol.out, number) : NULL;

	for (int i = 0; info && i < o->model->n_rule; i++)
		if (!strcmp(o->model->rule[i].id, info->id))
			return i;
	return -1;
}
