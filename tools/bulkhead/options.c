/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - options as data: parsed by getopt_long, explained by --help, and a mistyped one
 * gets a suggestion. Called by main.c.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>
#include "cli.h"
#include "../../agent/policy/when.h"

#define MAX_OPTS  16
#define LONG_BASE 256

const struct bh_opt bh_global_opts[] = {
	{"control", "PATH", "the agent's socket (" BH_CONTROL_DEFAULT ")", BH_OPT_AT(control),
	 BH_OPT_WORD, 0},
	{"output", "FORMAT", "text (the default) or json", BH_OPT_AT(format), BH_OPT_WORD, 'o'},
	{"help", NULL, "print this", BH_OPT_AT(help), BH_OPT_FLAG, 'h'},
	{"version", NULL, "print the version of this program", BH_OPT_AT(version), BH_OPT_FLAG,
	 'V'},
};
const size_t bh_n_global_opts = ARRAY_SIZE(bh_global_opts);

/* The options that hold now, and the same for getopt_long. */
struct known {
	const struct bh_opt *opt[MAX_OPTS];
	struct option longs[MAX_OPTS + 1];
	char letters[2 + 2 * MAX_OPTS + 1];
	size_t n;
};

static void known_add(struct known *k, const struct bh_opt *opt)
{
	size_t at = strlen(k->letters);

	if (k->n == MAX_OPTS)
		abort();
	k->opt[k->n] = opt;
	k->longs[k->n] = (struct option){opt->name, opt->arg ? required_argument : no_argument,
					 NULL, LONG_BASE + (int)k->n};
	k->n++;
	if (!opt->letter)
		return;
	k->letters[at++] = opt->letter;
	if (opt->arg)
		k->letters[at++] = ':';
	k->letters[at] = '\0';
}

static void known_make(struct known *k, const struct bh_command *command)
{
	memset(k, 0, sizeof(*k));
	/* '+': stop at the command's name. ':': tell a missing argument from an unknown option. */
	(void)snprintf(k->letters, sizeof(k->letters), "%s", command ? ":" : "+:");
	for (size_t i = 0; i < bh_n_global_opts - (command ? 1 : 0); i++)
		known_add(k, &bh_global_opts[i]);
	for (size_t i = 0; command && i < command->n_opts; i++)
		known_add(k, &command->opts[i]);
}

static const struct bh_opt *known_find(const struct known *k, int value)
{
	if (value >= LONG_BASE && (size_t)(value - LONG_BASE) < k->n)
		return k->opt[value - LONG_BASE];
	for (size_t i = 0; i < k->n; i++)
		if (value && k->opt[i]->letter == value)
			return k->opt[i];
	return NULL;
}

static int set_number(unsigned *field, const struct bh_opt *opt, const char *text,
		      struct bh_diags *d)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || !isdigit((unsigned char)*text) || !n || n > INT_MAX)
		return bh_diag_add(d, BH_ERROR, NULL, NULL, "--%s needs a number from 1 on: '%s'",
				   opt->name, text);
	*field = (unsigned)n;
	return 0;
}

static int set_span(unsigned *field, const struct bh_opt *opt, const char *text, struct bh_diags *d)
{
	struct bh_fault f;
	__u64 s;

	if (bh_duration_parse(text, &s, &f))
		return bh_diag_add(d, BH_ERROR, NULL, f.help, "--%s: %s", opt->name, f.text);
	if (s > INT_MAX)
		return bh_diag_add(d, BH_ERROR, NULL, NULL, "--%s: '%s' is too long", opt->name,
				   text);
	*field = (unsigned)s;
	return 0;
}

static int set(struct bh_cli *cli, const struct bh_opt *opt, struct bh_diags *d)
{
	char *field = (char *)cli + opt->offset;

	switch (opt->kind) {
	case BH_OPT_FLAG:
		*(bool *)(void *)field = true;
		return 0;
	case BH_OPT_WORD:
		*(const char **)(void *)field = optarg;
		return 0;
	case BH_OPT_NUMBER:
		return set_number((unsigned *)(void *)field, opt, optarg, d);
	case BH_OPT_SPAN:
		return set_span((unsigned *)(void *)field, opt, optarg, d);
	}
	return -EINVAL;
}

/* @word as it was typed, e.g. "--denyed=1" */
static int unknown(const struct known *k, const char *word, struct bh_diags *d)
{
	_cleanup_free_ char *name = strndup(word + 2, strcspn(word + 2, "="));
	_cleanup_free_ char *help = NULL;
	const char *names[MAX_OPTS], *near;

	for (size_t i = 0; i < k->n; i++)
		names[i] = k->opt[i]->name;
	near = name ? bh_nearest(name, names, k->n) : NULL;
	if (near && asprintf(&help, "did you mean '--%s'?", near) < 0)
		help = NULL;
	return bh_diag_add(d, BH_ERROR, NULL, help, "unknown option '--%s'", name ? name : "");
}

static int bad_option(const struct known *k, int got, char **argv, struct bh_diags *d)
{
	const struct bh_opt *opt = known_find(k, optopt);
	const char *word = argv[optind - 1];

	if (got == ':' && opt)
		return bh_diag_add(d, BH_ERROR, NULL, NULL, "--%s needs an argument: %s", opt->name,
				   opt->arg);
	if (opt)
		return bh_diag_add(d, BH_ERROR, NULL, NULL, "--%s takes no argument", opt->name);
	if (optopt)
		return bh_diag_add(d, BH_ERROR, NULL, NULL, "unknown option '-%c'",
				   isprint(optopt) ? optopt : '?');
	return unknown(k, word, d);
}

int bh_options_parse(struct bh_cli *cli, const struct bh_command *command, int argc, char **argv,
		     int *ret_first, struct bh_diags *d)
{
	struct known k;
	int got, r;

	known_make(&k, command);
	opterr = 0;
	optind = 0; /* glibc: start again, and read the letters again */
	while ((got = getopt_long(argc, argv, k.letters, k.longs, NULL)) != -1) {
		const struct bh_opt *opt = got == '?' || got == ':' ? NULL : known_find(&k, got);

		r = opt ? set(cli, opt, d) : bad_option(&k, got, argv, d);
		if (r < 0)
			return r;
	}
	*ret_first = optind;
	return 0;
}

void bh_options_print(FILE *out, const struct bh_opt *opts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct bh_opt *o = &opts[i];
		char left[48];

		(void)snprintf(left, sizeof(left), "%s%c%s --%s%s%s", o->letter ? "-" : " ",
			       o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
			       o->arg ? " " : "", o->arg ? o->arg : "");
		fprintf(out, "  %-22s  %s\n", left, o->help);
	}
}
