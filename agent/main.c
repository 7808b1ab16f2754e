/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - bulkheadd's command line. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include "base/io.h"
#include "config.h"
#include "control/proto.h"
#include "rescue.h"

static const char help[] =
	"bulkheadd [OPTIONS]           enforce the segment map of this host\n"
	"bulkheadd rescue [ACTION]     without an agent: show what is pinned (show); go back to\n"
	"                              the generation before (rollback); deny nothing for 15\n"
	"                              minutes but by name (emergency-open); end it (detach)\n"
	"\n"
	"  --config FILE        settings, where no option says otherwise; read again on SIGHUP\n"
	"                       (/etc/bulkhead/bulkhead.yaml, if it is there)\n"
	"  --state-dir DIR      last good map, audit log (/var/lib/bulkhead)\n"
	"  --log-dir DIR        flows.jsonl; without it only where the settings name a file\n"
	"  --runtime-dir DIR    control.sock, operator.sock (/run/bulkhead)\n"
	"  --pin-dir DIR        on a bpffs: programs, maps, links (/sys/fs/bpf/bulkhead)\n"
	"  --cgroup-root DIR    workloads below it are enforced (the cgroup2 mount)\n"
	"  --interfaces LIST    eth0=native,eth1=generic,eth2=tc,eth3=off,eth4=auto; others by\n"
	"                       default: those with the default route or hardware\n"
	"  --take-over          replace another tool's XDP program\n"
	"  --without LIST       features of the kernel to do without, as if it had none:\n"
	"                       cgroup_mkdir, cgroup_release, sock_destroy, tcx\n"
	"  --log-level LEVEL    error, warning, notice, info or debug\n"
	"  --version, --help\n"
	"\n"
	"Ending it leaves enforcement on; `bulkhead detach --yes` ends enforcement.\n"
	"Exit: 0 ok, 1 failed, 2 usage, 3 another agent or another tool is in the way,\n"
	"4 detached.\n";

enum option_id {
	OPT_CONFIG = 256,
	OPT_STATE_DIR,
	OPT_LOG_DIR,
	OPT_RUNTIME_DIR,
	OPT_PIN_DIR,
	OPT_CGROUP_ROOT,
	OPT_INTERFACES,
	OPT_TAKE_OVER,
	OPT_WITHOUT,
	OPT_LOG_LEVEL,
	OPT_DETACH,
	OPT_VERSION,
	OPT_HELP,
};

static const struct option options[] = {
	{"config", required_argument, NULL, OPT_CONFIG},
	{"state-dir", required_argument, NULL, OPT_STATE_DIR},
	{"log-dir", required_argument, NULL, OPT_LOG_DIR},
	{"runtime-dir", required_argument, NULL, OPT_RUNTIME_DIR},
	{"pin-dir", required_argument, NULL, OPT_PIN_DIR},
	{"cgroup-root", required_argument, NULL, OPT_CGROUP_ROOT},
	{"interfaces", required_argument, NULL, OPT_INTERFACES},
	{"take-over", no_argument, NULL, OPT_TAKE_OVER},
	{"without", required_argument, NULL, OPT_WITHOUT},
	{"log-level", required_argument, NULL, OPT_LOG_LEVEL},
	{"detach", no_argument, NULL, OPT_DETACH},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

struct command {
	struct bh_agent_opts line;
	bool rescue, detach;
	enum bh_rescue what;
	bool done; /* --help, --version */
};

static int usage(struct bh_diags *d, const char *what, const char *word)
{
	return bh_diag_add(d, BH_ERROR, NULL, "see bulkheadd --help", "%s '%s'", what, word);
}

static int unknown_option(const char *word, struct bh_diags *d)
{
	const char *names[ARRAY_SIZE(options) - 1], *near;
	_cleanup_free_ char *hint = NULL;
	char *bare = strndupa(word, strcspn(word, "="));

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		names[i] = options[i].name;
	near = bh_nearest(bare + strspn(bare, "-"), names, ARRAY_SIZE(names));
	if (near && asprintf(&hint, "did you mean '--%s'?", near) < 0)
		hint = NULL;
	return bh_diag_add(d, BH_ERROR, NULL, hint ? hint : "see bulkheadd --help",
			   "unknown option, or one without its value: '%s'", word);
}

static int set_path(char **path)
{
	free(*path);
	*path = strdup(optarg);
	return *path ? 0 : -ENOMEM;
}

static int take_option(struct command *c, int id, char **argv, struct bh_diags *d)
{
	enum bh_level level;

	switch (id) {
	case OPT_CONFIG:
		return set_path(&c->line.config);
	case OPT_STATE_DIR:
		return set_path(&c->line.state_dir);
	case OPT_LOG_DIR:
		return set_path(&c->line.log_dir);
	case OPT_RUNTIME_DIR:
		return set_path(&c->line.runtime_dir);
	case OPT_PIN_DIR:
		return set_path(&c->line.pin_dir);
	case OPT_CGROUP_ROOT:
		return set_path(&c->line.cgroup_root);
	case OPT_INTERFACES:
		return bh_agent_opts_interfaces(&c->line, optarg, d);
	case OPT_TAKE_OVER:
		c->line.take_over = true;
		return 0;
	case OPT_WITHOUT:
		return bh_agent_opts_without(&c->line, optarg, d);
	case OPT_LOG_LEVEL:
		if (bh_log_level_parse(optarg, &level) < 0)
			return usage(d, "--log-level: unknown level", optarg);
		c->line.log_level = (int)level;
		bh_log_set_max(level);
		return 0;
	case OPT_DETACH:
		c->detach = true;
		return 0;
	case OPT_VERSION:
		printf("bulkheadd %s\n", BH_VERSION);
		c->done = true;
		return 0;
	case OPT_HELP:
		fputs(help, stdout);
		c->done = true;
		return 0;
	default:
		return unknown_option(argv[optind - 1], d);
	}
}

static int take_action(struct command *c, const char *word, struct bh_diags *d)
{
	_cleanup_free_ char *hint = NULL;
	const char *near;
	int what = bh_rescue_of(word);

	if (what >= 0) {
		c->what = (enum bh_rescue)what;
		return 0;
	}
	near = bh_nearest(word, bh_rescue_words, bh_n_rescue_words);
	if (near && asprintf(&hint, "did you mean '%s'?", near) < 0)
		hint = NULL;
	return bh_diag_add(d, BH_ERROR, NULL,
			   hint ? hint : "one of show, detach, rollback, emergency-open",
			   "rescue knows no '%s'", word);
}

static int parse(struct command *c, int argc, char **argv, struct bh_diags *d)
{
	int id, r = 0;

	opterr = 0;
	while (r == 0 && !c->done && (id = getopt_long(argc, argv, "", options, NULL)) != -1)
		r = take_option(c, id, argv, d);
	if (r < 0 || c->done)
		return r;
	if (optind < argc && strcmp(argv[optind], "rescue") != 0)
		return usage(d, "unexpected argument", argv[optind]);
	if (optind < argc) {
		c->rescue = true;
		optind++;
	}
	if (optind < argc)
		r = take_action(c, argv[optind++], d);
	if (r == 0 && optind < argc)
		return usage(d, "unexpected argument", argv[optind]);
	if (r < 0)
		return r;
	/* no workload is looked at, and a chroot has no cgroup2 */
	if (c->rescue && !c->line.cgroup_root) {
		c->line.cgroup_root = strdup("/");
		if (!c->line.cgroup_root)
			return -ENOMEM;
	}
	if (c->detach && !c->rescue)
		return bh_diag_add(d, BH_ERROR, NULL, "bulkheadd rescue --detach",
				   "--detach is for rescue");
	return r;
}

/*
 * Who has to rescue a host must not have to mend a file first: without it there is still what the
 * command line says.
 */
static int settings(const struct command *c, struct bh_diags *d, struct bh_agent_opts *ret)
{
	int r = bh_config_load(&c->line, d, ret);

	if (r == -EINVAL && !c->rescue)
		return bh_config_salvage(&c->line, d, ret);
	if (r != -EINVAL)
		return r;
	bh_diags_print(d, stderr, false);
	bh_diags_clear(d);
	fprintf(stderr, "warning: no settings are used: say --pin-dir and --state-dir if they are "
			"not the usual ones\n");
	return bh_config_bare(&c->line, d, ret);
}

static int run(const struct command *c, struct bh_agent_opts *opts)
{
	return c->rescue ? bh_rescue(opts, c->detach ? BH_RESCUE_DETACH : c->what)
			 : bh_agent_run(&c->line, opts);
}

int main(int argc, char **argv)
{
	_cleanup_diags_ struct bh_diags d = {0};
	_cleanup_(bh_agent_opts_clear) struct bh_agent_opts opts = {0};
	struct command c = {0};
	int r = bh_std_fds(), code = BH_EXIT_OK;

	if (r == 0)
		r = parse(&c, argc, argv, &d);
	if (r == 0 && !c.done)
		r = settings(&c, &d, &opts);
	bh_diags_print(&d, stderr, isatty(STDERR_FILENO) && !getenv("NO_COLOR"));
	if (r == -EINVAL)
		code = BH_EXIT_USAGE;
	else if (r < 0)
		code = BH_EXIT_FAILED;
	else if (!c.done)
		code = run(&c, &opts);
	bh_agent_opts_clear(&c.line);
	return code;
}
