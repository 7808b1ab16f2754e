/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - bulkhead, the command line: finds the command, parses the options, runs it. What a
 * command does stands in cmd_NAME.c; the exit codes in agent/control/proto.h.
 */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include "../../agent/base/io.h"
#include "cli.h"

static const struct bh_command *const commands[] = {
	&bh_cmd_status,	  &bh_cmd_doctor,  &bh_cmd_attest,    &bh_cmd_version, &bh_cmd_init,
	&bh_cmd_check,	  &bh_cmd_diff,	   &bh_cmd_apply,     &bh_cmd_confirm, &bh_cmd_history,
	&bh_cmd_rollback, &bh_cmd_get,	   &bh_cmd_explain,   &bh_cmd_blast,   &bh_cmd_flows,
	&bh_cmd_top,	  &bh_cmd_graph,   &bh_cmd_pairs,     &bh_cmd_suggest, &bh_cmd_simulate,
	&bh_cmd_report,	  &bh_cmd_tighten, &bh_cmd_grant,     &bh_cmd_revoke,  &bh_cmd_quarantine,
	&bh_cmd_release,  &bh_cmd_mode,	   &bh_cmd_emergency, &bh_cmd_detach,  &bh_cmd_audit,
};

static int help(FILE *out)
{
	fprintf(out, "usage: bulkhead [OPTION]... COMMAND [ARGUMENT]...\n\n"
		     "Pushes segment maps to this host's agent, and shows and explains what the "
		     "kernel enforces.\n\ncommands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-22s  %s\n", commands[i]->name, commands[i]->summary);
	fprintf(out, "\noptions, before or behind the command:\n");
	bh_options_print(out, bh_global_opts, bh_n_global_opts);
	fprintf(out, "\nexit status: 0 ok, 1 failed, 2 usage, 3 no (denied, differs, degraded)\n"
		     "More: bulkhead COMMAND --help, man bulkhead, man bulkhead-segments\n");
	return BH_EXIT_OK;
}

static int command_help(FILE *out, const struct bh_command *command)
{
	fprintf(out, "usage: bulkhead %s [OPTION]...%s%s\n\n%s\n\noptions:\n", command->name,
		*command->args ? " " : "", command->args, command->text);
	bh_options_print(out, command->opts, command->n_opts);
	bh_options_print(out, bh_global_opts, bh_n_global_opts - 1);
	return BH_EXIT_OK;
}

static const struct bh_command *find(struct bh_cli *cli, const char *name)
{
	const char *names[ARRAY_SIZE(commands)], *near;
	_cleanup_free_ char *hint = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(commands[i]->name, name))
			return commands[i];
		names[i] = commands[i]->name;
	}
	near = bh_nearest(name, names, ARRAY_SIZE(names));
	if (near && asprintf(&hint, "did you mean '%s'?", near) < 0)
		hint = NULL;
	(void)bh_fail(cli, BH_EXIT_USAGE, hint ? hint : "`bulkhead --help` lists them",
		      "unknown command '%s'", name);
	return NULL;
}

#define FORMATS_MAX 8

/* What -o may be for @command. Return: how many. */
static size_t formats_of(const struct bh_command *command, const char *ret[FORMATS_MAX])
{
	size_t n = 0;

	ret[n++] = "text";
	ret[n++] = "json";
	for (const char *const *f = command->formats; f && *f && n < FORMATS_MAX; f++)
		ret[n++] = *f;
	return n;
}

static int unknown_format(struct bh_cli *cli, const char *const *formats, size_t n)
{
	const char *near = bh_nearest(cli->format, formats, n);
	char help[80];
	size_t at = 0;

	if (near)
		(void)snprintf(help, sizeof(help), "did you mean '%s'?", near);
	for (size_t i = 0; !near && i < n; i++)
		at += (size_t)snprintf(help + at, sizeof(help) - at, "%s%s",
				       !i	   ? ""
				       : i + 1 < n ? ", "
						   : " or ",
				       formats[i]);
	return bh_fail(cli, BH_EXIT_USAGE, help, "unknown output format '%s'", cli->format);
}

/* @command: NULL = not known yet */
static int set_format(struct bh_cli *cli, const struct bh_command *command)
{
	const char *formats[FORMATS_MAX];
	size_t n;

	cli->json = cli->format && !strcmp(cli->format, "json");
	if (!cli->format || !command)
		return BH_EXIT_OK;
	n = formats_of(command, formats);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(cli->format, formats[i]))
			return BH_EXIT_OK;
	return unknown_format(cli, formats, n);
}

/* Options of @command, or the global ones in front of it. Return: BH_EXIT_OK or the exit code. */
static int options(struct bh_cli *cli, const struct bh_command *command, int argc, char **argv,
		   int *ret_first)
{
	_cleanup_diags_ struct bh_diags d = {};
	int r = bh_options_parse(cli, command, argc, argv, ret_first, &d);
	int format = set_format(cli, command);

	if (r < 0)
		return bh_finish(cli, BH_EXIT_USAGE, NULL, &d);
	return format;
}

static int run(struct bh_cli *cli, const struct bh_command *command, int argc, char **argv)
{
	_cleanup_free_ char *usage = NULL;
	int first, n, code = options(cli, command, argc, argv, &first);

	if (code != BH_EXIT_OK)
		return code;
	if (cli->help)
		return command_help(cli->out, command);
	n = argc - first;
	if (n >= command->min_args && n <= command->max_args)
		return command->run(cli, n, argv + first);
	if (asprintf(&usage, "bulkhead %s [OPTION]...%s%s", command->name,
		     *command->args ? " " : "", command->args) < 0)
		usage = NULL;
	if (n < command->min_args)
		return bh_fail(cli, BH_EXIT_USAGE, usage, "%s needs %s", command->name,
			       command->args);
	return bh_fail(cli, BH_EXIT_USAGE, usage, "one argument too many: '%s'",
		       argv[first + command->max_args]);
}

int main(int argc, char **argv)
{
	struct bh_cli cli = {.control = BH_CONTROL_DEFAULT};
	const struct bh_command *command;
	int first, code;

	if (bh_std_fds() < 0)
		return BH_EXIT_FAILED;
	(void)setlocale(LC_CTYPE, "");
	bh_cli_init(&cli);
	code = options(&cli, NULL, argc, argv, &first);
	if (code != BH_EXIT_OK)
		return code;
	if (cli.version) {
		fprintf(cli.out, "bulkhead " BH_VERSION "\n");
	} else if (first == argc && cli.help) {
		code = help(cli.out);
	} else if (first == argc) {
		(void)help(cli.err);
		code = BH_EXIT_USAGE;
	} else {
		command = find(&cli, argv[first]);
		code = command ? run(&cli, command, argc - first, argv + first) : BH_EXIT_USAGE;
	}
	if (fflush(cli.out) || ferror(cli.out)) {
		fprintf(cli.err, "error: stdout: %s\n", strerror(errno));
		return BH_EXIT_FAILED;
	}
	return code;
}
