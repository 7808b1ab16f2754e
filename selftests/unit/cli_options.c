/* SPDX-License-Identifier: Apache-2.0 */
/* cli_options.c - options and operands in every order, and what is no option. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../../tools/bulkhead/cli.h"

#define MAX_ARGS 8

struct line {
	struct bh_cli cli;
	struct bh_diags d;
	char *argv[MAX_ARGS + 1];
	int argc, first, r;
};

/* The words of @text, as a shell would pass them to @command. */
static void parse(struct line *l, const struct bh_command *command, char *text)
{
	*l = (struct line){.argv = {(char *)"bulkhead"}, .argc = 1};
	for (char *word; (word = strsep(&text, " ")) && l->argc < MAX_ARGS;)
		l->argv[l->argc++] = word;
	l->r = bh_options_parse(&l->cli, command, l->argc, l->argv, &l->first, &l->d);
}

static void test_anywhere(void **state)
{
	char a[] = "--denied -n 5 -f", b[] = "-fn5 --control=/x --denied",
	     c[] = "-o json --limit=5";
	struct line l;

	(void)state;
	parse(&l, &bh_cmd_flows, a);
	assert_int_equal(l.r, 0);
	assert_true(l.cli.denied && l.cli.follow && l.cli.limit == 5);
	assert_int_equal(l.first, l.argc);
	parse(&l, &bh_cmd_flows, b);
	assert_int_equal(l.r, 0);
	assert_true(l.cli.denied && l.cli.follow && l.cli.limit == 5);
	assert_string_equal(l.cli.control, "/x");
	parse(&l, &bh_cmd_flows, c);
	assert_string_equal(l.cli.format, "json");
	assert_int_equal(l.cli.limit, 5);
}

static void test_operands(void **state)
{
	char a[] = "shop.yaml --yes", b[] = "-y -- --yes", c[] = "--control /x apply --yes";
	struct line l;

	(void)state;
	parse(&l, &bh_cmd_apply, a);
	assert_int_equal(l.r, 0);
	assert_true(l.cli.yes);
	assert_int_equal(l.argc - l.first, 1);
	assert_string_equal(l.argv[l.first], "shop.yaml");
	parse(&l, &bh_cmd_apply, b);
	assert_string_equal(l.argv[l.first], "--yes");
	/* in front of the command: the command's options are left alone */
	parse(&l, NULL, c);
	assert_int_equal(l.r, 0);
	assert_string_equal(l.argv[l.first], "apply");
	assert_false(l.cli.yes);
}

static void refuses(const struct bh_command *command, const char *words, const char *text,
		    const char *help)
{
	_cleanup_free_ char *copy = strdup(words);
	struct line l;

	print_message("%s\n", words);
	assert_non_null(copy);
	parse(&l, command, copy);
	assert_int_equal(l.r, -EINVAL);
	assert_int_equal(l.d.n_errors, 1);
	assert_string_equal(l.d.list[0].text, text);
	if (help)
		assert_string_equal(l.d.list[0].help, help);
	else
		assert_null(l.d.list[0].help);
	bh_diags_clear(&l.d);
}

static void test_refused(void **state)
{
	(void)state;
	refuses(&bh_cmd_flows, "--denyed", "unknown option '--denyed'", "did you mean '--denied'?");
	refuses(&bh_cmd_flows, "--denyed=1", "unknown option '--denyed'",
		"did you mean '--denied'?");
	refuses(&bh_cmd_flows, "--zzzzzzzzzzz", "unknown option '--zzzzzzzzzzz'", NULL);
	refuses(&bh_cmd_flows, "-z", "unknown option '-z'", NULL);
	refuses(&bh_cmd_flows, "-fz", "unknown option '-z'", NULL);
	refuses(&bh_cmd_flows, "--denied=yes", "--denied takes no argument", NULL);
	refuses(&bh_cmd_flows, "-n", "--limit needs an argument: N", NULL);
	refuses(&bh_cmd_flows, "--control", "--control needs an argument: PATH", NULL);
	refuses(&bh_cmd_flows, "-n 0", "--limit needs a number from 1 on: '0'", NULL);
	refuses(&bh_cmd_flows, "-n -1", "--limit needs a number from 1 on: '-1'", NULL);
	refuses(&bh_cmd_flows, "-n 5x", "--limit needs a number from 1 on: '5x'", NULL);
	refuses(&bh_cmd_flows, "-n 99999999999999999999",
		"--limit needs a number from 1 on: '99999999999999999999'", NULL);
	/* another command's option is none here */
	refuses(&bh_cmd_status, "--yes", "unknown option '--yes'", NULL);
	refuses(&bh_cmd_status, "--version", "unknown option '--version'", NULL);
	refuses(NULL, "--contrl", "unknown option '--contrl'", "did you mean '--control'?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_anywhere),
		cmocka_unit_test(test_operands),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("cli_options", tests, NULL, NULL);
}
