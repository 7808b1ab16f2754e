/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_init_names.c - names that others chose, in the first map of `bulkhead init`: which segment a
 * cgroup is in, what that is called, and that no name is taken for anything but a name.
 */
#include "initrig.h"

static void spot_is(const char *cgroup, enum bh_spot_kind kind, const char *match)
{
	struct bh_spot s;

	bh_spot_of(cgroup, &s);
	if (s.kind != kind || strcmp(s.match, match) != 0)
		fail_msg("%s: %d '%s'", cgroup, s.kind, s.match);
}

#define HASH "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"

static void test_spots(void **state)
{
	(void)state;
	spot_is("/", BH_SPOT_HOST, "");
	spot_is("/system.slice/nginx.service", BH_SPOT_UNIT, "nginx.service");
	spot_is("/system.slice/nginx.service/worker", BH_SPOT_UNIT, "nginx.service");
	spot_is("/a.slice/a-b.slice/x.service", BH_SPOT_UNIT, "x.service");
	spot_is("/init.scope", BH_SPOT_UNIT, "init.scope");
	spot_is("/system.slice/ssh.socket", BH_SPOT_UNIT, "ssh.service");
	spot_is("/system.slice/system-getty.slice/getty@tty1.service", BH_SPOT_UNIT,
		"getty@*.service");
	spot_is("/system.slice/sshd@0-10.0.0.1:22-10.0.0.2:4.service", BH_SPOT_UNIT,
		"sshd@*.service");
	spot_is("/system.slice/docker-" HASH ".scope", BH_SPOT_UNIT, "docker-*.scope");
	spot_is("/docker/" HASH, BH_SPOT_CGROUP, "/docker");
	spot_is("/lxc/box", BH_SPOT_CGROUP, "/lxc/box");
	/* below what is no slice a unit is somebody's own word */
	spot_is("/lxc/box/nginx.service", BH_SPOT_CGROUP, "/lxc/box/nginx.service");
	spot_is("/user.slice/user-0.slice/session-3.scope", BH_SPOT_LOGINS, "/user.slice");
	spot_is("/user.slice/user-7.slice/user@7.service/app.slice/x.service", BH_SPOT_LOGINS,
		"/user.slice");
	spot_is("/user.slicex/x.service", BH_SPOT_CGROUP, "/user.slicex/x.service");
	/* not the whole slice with all that is in it */
	spot_is("/system.slice", BH_SPOT_REST, "/");
	spot_is("/system.slice/" HASH, BH_SPOT_REST, "/");
	spot_is("/system.slice/a*b.service", BH_SPOT_REST, "/");
	spot_is("/box/a*b", BH_SPOT_CGROUP, "/box");
	spot_is("/box/a\nb/c", BH_SPOT_CGROUP, "/box");
}

static void name_is(const char *text, const char *expected)
{
	char name[BH_DRAFT_NAME];

	bh_draft_name(text, name);
	assert_string_equal(name, expected);
}

static void test_names(void **state)
{
	(void)state;
	name_is("nginx", "nginx");
	name_is("Shop.API", "shop-api");
	name_is("machine-qemu\\x2d1", "machine-qemu-1");
	name_is("3proxy", "u-3proxy");
	name_is("", "u");
	name_is("...", "u");
	name_is("host", "host-unit");
	name_is("any", "any-unit");
	name_is("rest", "rest-unit");
	name_is("yes", "yes-unit");
	name_is("0123456789012345678901234567890123456789xyz",
		"u-0123456789012345678901234567890123456789");
}

/* Names that end a comment, a string, a list; that are globs, other names, or no text at all. */
static void test_hostile(void **state)
{
	static const char *const names[] = {
		"/system.slice/a\nevil: true.service",
		"/system.slice/\"}, x: {.service",
		"/system.slice/'''''''.service",
		"/system.slice/a#b.service",
		"/system.slice/a\\x22\\x0a.service",
		"/system.slice/a\\.service",
		"/system.slice/*.service",
		"/system.slice/..service",
		"/system.slice/-.service",
		"/system.slice/@.service",
		"/system.slice/\x1b[31m.service",
		"/system.slice/\xff\xfe.service",
		"/system.slice/\xe2\x80\xa8.service",
		"/system.slice/.service",
		"/system.slice/nginx.service",
		"/system.slice/NGINX.service",
		"/system.slice/nginx@a.service",
		"/system.slice/nginx@b.service",
		"/system.slice/nginx.scope",
		"/system.slice/host.service",
		"/system.slice/world.service",
		"/system.slice/true.service",
		"/system.slice/lan.service",
		"/system.slice/private.service",
		"/system.slice/nameservers.service",
		"/system.slice/nginx-clients.service",
		"/system.slice/crio-" HASH ".scope",
		"/system.slice/crio-conmon-" HASH ".scope",
		"/box/\nallow: []\n",
		"/box/\"quoted\"",
		"/box/sp ace/#x",
		"/b\\ox",
		"/\n",
		"/[[[[[[[[{{{{{{{",
		"/a: b",
		"/..",
		"/",
	};
	struct bh_seen s = host();
	_cleanup_free_ char *text = NULL;
	struct bh_map *map;

	(void)state;
	free(s.host);
	s.host = strdup("a\nmode: enforce\n'\"\\\x1b");
	assert_int_equal(bh_seen_note(&s, "a cgroup called %s", "\nmode: enforce\n"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		tcp_listens(&s, names[i], "0.0.0.0", 1000 + (int)i);
		tcp(&s, names[i], "10.77.0.1", 1000 + (int)i, "10.77.0.9", 40000);
		tcp(&s, names[i], "10.77.0.1", 40000 + (int)i, "10.77.0.8", 5432);
	}
	text = draft(&s);
	for (const char *c = text; *c; c++)
		if ((*c < 0x20 && *c != '\n') || *c == 0x7f)
			fail_msg("0x%02x in the map", (unsigned char)*c);
	map = parsed(text, strlen(text));
	/* nothing got lost: every port has its rule */
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t rules = 0;

		for (size_t j = 0; j < map->n_rule; j++)
			rules += map->rule[j].port.v[0].lo == 1000 + i;
		assert_int_equal(rules, 1);
	}
	bh_map_free(map);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spots),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
