/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_auth.c - what is found out about a caller: his number, his user, where his cgroup
 * stands below the agent's root. Tests the facts of agent/control/auth.c on this very process;
 * the verdict has its table in control_request.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "../../agent/control/auth.h"
#include "cg.h"
#include "fakeagent.h"

static char *mount_at, *own_cgroup;

static int setup(void **state)
{
	struct bh_agent *a = test_agent_new();

	if (bh_cgroup_mount("/proc/self/mountinfo", &mount_at) < 0 ||
	    bh_cgroup_of_pid(getpid(), &own_cgroup) < 0) {
		mount_at = NULL;
		own_cgroup = NULL;
	}
	*state = a;
	return 0;
}

static int teardown(void **state)
{
	free(mount_at);
	free(own_cgroup);
	test_agent_free(*state);
	return 0;
}

static void set_root(struct bh_agent *a, const char *root)
{
	free(a->opts.cgroup_root);
	a->opts.cgroup_root = strdup(root);
}

static void is_me(void **state)
{
	_cleanup_(bh_caller_clear) struct bh_caller c = {0};
	_cleanup_free_ char *text = NULL;
	char pid[32];
	int sv[2];

	if (!mount_at)
		skip();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(bh_caller_read(*state, sv[0], &c), 0);
	assert_int_equal(c.pid, getpid());
	assert_int_equal(c.uid, getuid());
	assert_true(c.same_userns);
	assert_int_equal(c.reader, getuid() == 0);
	assert_string_equal(c.cgroup, own_cgroup);
	text = bh_caller_text(&c);
	snprintf(pid, sizeof(pid), "(pid %d, ", (int)getpid());
	assert_non_null(strstr(text, pid));
	close(sv[0]);
	close(sv[1]);
}

static struct bh_caller read_me(struct bh_agent *a)
{
	struct bh_caller c = {0};
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(bh_caller_read(a, sv[0], &c), 0);
	close(sv[0]);
	close(sv[1]);
	return c;
}

/* The agent looks after another part of the tree: the caller is `host` to it. */
static void outside_the_root(void **state)
{
	_cleanup_free_ char *root = NULL;
	struct bh_caller c;

	if (!mount_at || asprintf(&root, "%s/bh-no-such-cgroup", mount_at) < 0)
		skip();
	set_root(*state, root);
	c = read_me(*state);
	assert_true(c.outside);
	assert_false(c.session);
	assert_string_equal(c.segment, "host");
	bh_caller_clear(&c);
}

/* "/a" is no parent of "/ab". */
static void a_root_that_only_looks_like_it(void **state)
{
	_cleanup_free_ char *root = NULL;
	struct bh_caller c;

	if (!mount_at || strlen(own_cgroup) < 3 ||
	    asprintf(&root, "%s%.*s", mount_at, (int)strlen(own_cgroup) - 1, own_cgroup) < 0 ||
	    root[strlen(root) - 1] == '/')
		skip();
	set_root(*state, root);
	c = read_me(*state);
	assert_true(c.outside);
	bh_caller_clear(&c);
}

/* The cgroup root itself is `host`. */
static void at_the_root(void **state)
{
	_cleanup_free_ char *root = NULL;
	struct bh_caller c;

	if (!mount_at || asprintf(&root, "%s%s", mount_at, own_cgroup) < 0)
		skip();
	if (root[strlen(root) - 1] == '/')
		root[strlen(root) - 1] = '\0';
	set_root(*state, root);
	c = read_me(*state);
	assert_true(c.outside);
	assert_string_equal(c.cgroup, "/");
	assert_string_equal(c.segment, "host");
	bh_caller_clear(&c);
}

/* In a segment: by the program that judges packets, for his uid. */
static __u32 segment_is;

static int judge_local(const struct bh_question *q, struct bh_answer *ret)
{
	assert_int_equal(q->local_uid, getuid());
	ret->local = segment_is;
	return 0;
}

static void in_a_segment(void **state)
{
	static const char text[] = "version: 1\nname: x\nmode: observe\n"
				   "default: { ingress: deny, egress: deny }\n"
				   "segments:\n"
				   "  ops: { match: { cgroup: /ops }, admin: true }\n"
				   "  web: { match: { cgroup: /web } }\n";
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	struct bh_caller c;

	/* below the root of the mount there must be something left for a name */
	if (!mount_at || !strcmp(own_cgroup, "/"))
		skip();
	set_root(a, mount_at);
	fake.gen = 4;
	fake.judge = judge_local;
	assert_int_equal(bh_agent_compile(a, "x", text, strlen(text), &d, &l), 0);
	bh_live_clear(&a->live);
	a->live = l;
	l = (struct bh_live){0};
	assert_int_equal(bh_numbers_segment(a->live.numbers, "ops", &segment_is), 0);
	c = read_me(a);
	assert_false(c.outside);
	assert_string_equal(c.segment, "ops");
	assert_true(c.admin);
	bh_caller_clear(&c);
	assert_int_equal(bh_numbers_segment(a->live.numbers, "web", &segment_is), 0);
	c = read_me(a);
	assert_string_equal(c.segment, "web");
	assert_false(c.admin);
	bh_caller_clear(&c);
	segment_is = BH_ID_UNASSIGNED;
	c = read_me(a);
	assert_string_equal(c.segment, "unassigned");
	assert_false(c.admin);
	bh_caller_clear(&c);
}

/* He connected and is gone: nobody is mistaken for him. */
static void gone(void **state)
{
	_cleanup_(bh_caller_clear) struct bh_caller c = {0};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd, status;
	pid_t pid;

	if (!mount_at)
		skip();
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", test_dir);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 1), 0);
	pid = fork();
	if (pid == 0) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		_exit(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(bh_caller_read(*state, fd, &c), -ESRCH);
	assert_null(c.cgroup);
	close(fd);
	close(listener);
	/* and what is no socket at all */
	assert_true(bh_caller_read(*state, STDIN_FILENO, &c) < 0);
}

/* Of every combination of facts: who may read, and who may change what is enforced. */
static void who_may(_unused_ void **state)
{
	for (unsigned int bits = 0; bits < 64; bits++) {
		const struct bh_caller c = {
			.uid = bits & 1 ? 0 : 1000,
			.reader = bits & 2,
			.same_userns = bits & 4,
			.outside = bits & 8,
			.session = bits & 16,
			.admin = bits & 32,
		};
		const char *read = bh_caller_may_read(&c), *change = bh_caller_may_change(&c);
		/* uid 0 of this user namespace, and from where an administrator comes */
		bool may = (bits & 5) == 5 && (bits & 56);

		assert_int_equal(!read, !!(bits & 2));
		assert_int_equal(!change, may);
		assert_true(!read || strstr(read, "bulkhead-read"));
		if (!(bits & 1))
			assert_string_equal(change, "a change takes root");
		else if (!(bits & 4))
			assert_non_null(strstr(change, "user namespace"));
		else if (!may)
			assert_non_null(strstr(change, "login session"));
	}
}

/* Root stands in a cgroup of his own for this; others take what they have. */
static int move_in(_unused_ void **state)
{
	if (geteuid() == 0 && cg_make("x.service", NULL) == 0)
		(void)cg_move("x.service", 0);
	return 0;
}

static int move_out(_unused_ void **state)
{
	if (geteuid() == 0) {
		(void)cg_leave();
		(void)cg_remove();
	}
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(is_me),
		TEST(outside_the_root),
		TEST(a_root_that_only_looks_like_it),
		TEST(at_the_root),
		TEST(in_a_segment),
		TEST(gone),
		cmocka_unit_test(who_may),
	};

	return cmocka_run_group_tests(tests, move_in, move_out);
}
