/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli.h - what the commands of `bulkhead` share: options, the command table, the answer to
 * print. Data goes to stdout, talk and errors to stderr; with `-o json` stdout gets exactly
 * one answer of agent/control/proto.h, errors included.
 */
#ifndef BH_CLI_H
#define BH_CLI_H

#include <jansson.h>
#include "../../agent/base/diag.h"
#include "../../agent/control/proto.h"

#define BH_CONTROL_DEFAULT "/run/bulkhead/control.sock"

/* Options of all commands; each command lists those that it takes. */
struct bh_cli {
	const char *control;
	const char *format;
	const char *file, *reason;
	bool help, version;
	bool yes, dry_run, force, enforce, offline, all, follow, denied, no_confirm, even_failsafe,
		quick, config, audited, allowed, once;
	bool confirm_default;		    /* a time is meant that the agent knows */
	unsigned confirm_s, for_s, since_s; /* 0 = not given */
	const char *from, *to, *port, *user, *cgroup_root, *unit, *by, *sort;
	unsigned limit, steps, interval; /* 0 = not given */

	bool json;
	bool colour;	 /* stdout */
	bool colour_err; /* stderr */
	size_t width;	 /* of stdout; 0 = not a terminal: nothing is cut */
	FILE *out, *err;
};

enum bh_opt_kind { BH_OPT_FLAG, BH_OPT_WORD, BH_OPT_NUMBER, BH_OPT_SPAN };

struct bh_opt {
	const char *name;
	const char *arg; /* what the help calls its argument; NULL for a flag */
	const char *help;
	size_t offset; /* in struct bh_cli: bool, const char *, unsigned, unsigned of seconds */
	enum bh_opt_kind kind;
	char letter; /* 0 = none */
};

#define BH_OPT_AT(field) offsetof(struct bh_cli, field)

struct bh_command {
	const char *name;
	const char *args;    /* for the usage line; "" = none */
	const char *summary; /* one line of `bulkhead --help` */
	const char *text;    /* the rest of `bulkhead NAME --help` */
	const struct bh_opt *opts;
	size_t n_opts;
	const char *const *formats; /* of -o beside text and json, NULL at the end; NULL: none */
	int min_args, max_args;
	/* Operands only; the options are in @cli. Return: the exit code. */
	int (*run)(struct bh_cli *cli, int argc, char **argv);
};

extern const struct bh_command bh_cmd_status, bh_cmd_version, bh_cmd_check, bh_cmd_diff,
	bh_cmd_apply, bh_cmd_history, bh_cmd_rollback, bh_cmd_get, bh_cmd_explain, bh_cmd_flows,
	bh_cmd_mode, bh_cmd_detach, bh_cmd_confirm, bh_cmd_emergency, bh_cmd_quarantine,
	bh_cmd_release, bh_cmd_grant, bh_cmd_revoke, bh_cmd_audit, bh_cmd_doctor, bh_cmd_init,
	bh_cmd_blast, bh_cmd_top, bh_cmd_graph, bh_cmd_pairs, bh_cmd_simulate, bh_cmd_suggest,
	bh_cmd_report, bh_cmd_tighten, bh_cmd_attest;

/* --- options.c ------------------------------------------------------------------------------ */

extern const struct bh_opt bh_global_opts[];
extern const size_t bh_n_global_opts; /* the last one, --version, stands before a command only */

/**
 * bh_options_parse - options of @argv into @cli
 * @command: its options too, anywhere; NULL = the global ones, up to the first operand
 * @ret_first: index of the first operand; operands are moved behind the options
 *
 * Return: 0, or -EINVAL with a finding in @d.
 */
int bh_options_parse(struct bh_cli *cli, const struct bh_command *command, int argc, char **argv,
		     int *ret_first, struct bh_diags *d);

/* The lines of a help page for these options. */
void bh_options_print(FILE *out, const struct bh_opt *opts, size_t n);

/* --- out.c ---------------------------------------------------------------------------------- */

enum bh_colour { BH_PLAIN, BH_BOLD, BH_DIM, BH_RED, BH_GREEN, BH_YELLOW };

/* The escape sequence, or "" where colour is off. */
const char *bh_paint(const struct bh_cli *cli, enum bh_colour colour);

/* Fills .out, .err, .colour*, .width from the terminal and NO_COLOR. */
void bh_cli_init(struct bh_cli *cli);

/**
 * bh_finish - the end of a command that made its answer itself
 * @code: BH_EXIT_*
 * @data: stolen; NULL = none
 * @d: findings
 *
 * JSON: prints the envelope. Text: prints the findings, on stderr. Return: @code.
 */
int bh_finish(struct bh_cli *cli, int code, json_t *data, const struct bh_diags *d);

/* bh_finish() with one error. */
int bh_fail(struct bh_cli *cli, int code, const char *help, const char *fmt, ...) _printf_(4, 5);

void bh_json_print(const struct bh_cli *cli, const json_t *json, bool one_line);

/* On stderr. */
void bh_findings_print(const struct bh_cli *cli, const struct bh_diags *d);

/* [{severity,file,line,col,len,text,help,source_line}], and back. */
json_t *bh_diags_to_json(const struct bh_diags *d);
void bh_diags_from_json(const json_t *list, struct bh_diags *ret);

/* --- ask.c ---------------------------------------------------------------------------------- */

/**
 * bh_ask - one question to the agent
 * @args: stolen
 * @ret_data: the answer's data, strings safe for a terminal, free with json_decref(); NULL if
 *            there is nothing left to print: JSON was asked for, or it failed
 *
 * Prints the answer's findings on stderr, or the whole answer with `-o json`.
 * Return: the exit code.
 */
int bh_ask(struct bh_cli *cli, const char *verb, json_t *args, json_t **ret_data);

/* The same; what @more adds to the data of a good answer is part of it. It returns 0 or -1. */
int bh_ask_with(struct bh_cli *cli, const char *verb, json_t *args,
		int (*more)(struct bh_cli *cli, void *ctx, json_t *data), void *ctx,
		json_t **ret_data);

/*
 * The same for an answer that is only a part of what the command will say: it is printed if it
 * failed. Its strings are as they came.
 */
int bh_ask_part(struct bh_cli *cli, const char *verb, json_t *args, json_t **ret_data);
/* @args with --reason, if there is one. NULL: it is not UTF-8, and @args is gone. */
json_t *bh_args_reason(const struct bh_cli *cli, json_t *args);

/* The same without a word: 0 with the answer as it came, or -errno with what to say in @d. */
int bh_exchange(struct bh_cli *cli, const char *verb, const json_t *args, struct bh_diags *d,
		json_t **ret);

/**
 * bh_confirm - ask the person at the terminal
 * Return: BH_EXIT_OK for yes, else the exit code, and it was said why. --yes is a yes.
 */
int bh_confirm(struct bh_cli *cli, const char *question);

/* --- cmd_confirm.c -------------------------------------------------------------------------- */

/* An answer's `unconfirmed`: how long it lasts and what to do. Nothing if it is null. */
void bh_unconfirmed_print(struct bh_cli *cli, const json_t *data);

static inline void bh_json_decrefp(json_t **j)
{
	json_decref(*j);
}

#define _cleanup_json_ _cleanup_(bh_json_decrefp)

#endif
