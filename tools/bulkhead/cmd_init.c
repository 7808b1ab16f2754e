/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_init.c - a first segment map from what runs on this host: seen (seen.h), drafted (draft.h),
 * and held to the language itself before it is written. Needs no agent.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "../../agent/base/io.h"
#include "draft.h"
#include "offline.h"
#include "text.h"

/* Who reads it would mend it and not find out why: nothing is written. */
static int bug(struct bh_cli *cli, const struct bh_diags *d)
{
	_cleanup_diags_ struct bh_diags all = {};
	_cleanup_json_ json_t *list = bh_diags_to_json(d);

	(void)bh_diag_add(&all, BH_ERROR, NULL, "please report it with the lines below",
			  "a bug: the map that was drafted is none; nothing is written");
	bh_diags_from_json(list, &all);
	return bh_finish(cli, BH_EXIT_FAILED, NULL, &all);
}

static int exists(struct bh_cli *cli, const char *path)
{
	return bh_fail(cli, BH_EXIT_FAILED, "--force writes over it", "%s is there already", path);
}

/* All of it or nothing, and never over a file that came in between. Return: the exit code. */
static int write_file(struct bh_cli *cli, const char *path, const char *text, size_t len)
{
	_cleanup_free_ char *aside = NULL;
	int r;

	if (cli->force) {
		r = bh_file_replace(path, text, len, 0644, NULL);
		return r < 0 ? bh_fail(cli, BH_EXIT_FAILED, NULL, "%s: %s", path, strerror(-r))
			     : BH_EXIT_OK;
	}
	if (asprintf(&aside, "%s.%d", path, (int)getpid()) < 0) {
		aside = NULL;
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	}
	r = bh_file_replace(aside, text, len, 0644, NULL);
	if (r < 0)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "%s: %s", path, strerror(-r));
	r = link(aside, path) < 0 ? -errno : bh_dir_sync_of(path);
	(void)unlink(aside);
	if (r == -EEXIST)
		return exists(cli, path);
	return r < 0 ? bh_fail(cli, BH_EXIT_FAILED, NULL, "%s: %s", path, strerror(-r))
		     : BH_EXIT_OK;
}

static void print_done(struct bh_cli *cli, const char *path, const struct bh_draft *d)
{
	size_t off = 0, segs = 0, on;

	for (size_t i = 0; i < d->n_rule; i++)
		off += d->rule[i].off;
	for (size_t i = BH_DRAFT_REST; i < d->n_seg; i++)
		segs += !d->seg[i].off;
	on = d->n_rule - off;
	fprintf(cli->out, "%s%s%s: %zu segment%s, %zu rule%s, and %zu switched off; it observes\n",
		bh_paint(cli, BH_GREEN), path, bh_paint(cli, BH_PLAIN), segs, segs == 1 ? "" : "s",
		on, on == 1 ? "" : "s", off);
	if (d->failsafe)
		fprintf(cli->out, "failsafe: %s\n", d->failsafe);
}

/* @w: warnings; @text: checked */
static int put(struct bh_cli *cli, const char *path, const struct bh_seen *s,
	       const struct bh_draft *d, const char *text, size_t len, const struct bh_diags *w)
{
	json_t *data;
	int code = path ? write_file(cli, path, text, len) : BH_EXIT_OK;

	if (code != BH_EXIT_OK)
		return code;
	if (!cli->json && path)
		print_done(cli, path, d);
	else if (!cli->json)
		(void)fwrite(text, 1, len, cli->out);
	data = bh_draft_json(s, d);
	if (data) {
		(void)json_object_set_new(data, "map", json_stringn(text, len));
		(void)json_object_set_new(data, "file", path ? json_string(path) : json_null());
	}
	return bh_finish(cli, BH_EXIT_OK, data, w);
}

static int warn(const struct bh_seen *s, const struct bh_draft *d, struct bh_diags *w)
{
	char tame[BH_DRAFT_TAME];

	for (size_t i = 0; i < s->n_unseen; i++)
		(void)bh_diag_add(w, BH_WARNING, NULL, NULL, "not seen: %s",
				  bh_draft_tame(s->unseen[i], tame));
	if (!d->failsafe)
		return bh_diag_add(w, BH_WARNING, NULL,
				   "write one before the map enforces: its last lines show how",
				   "no failsafe: %s", d->failsafe_why);
	return s->login.how == BH_LOGIN_HINT
		       ? bh_diag_add(w, BH_WARNING, NULL, "check it, or run this as root",
				     "the failsafe is what SSH_CONNECTION says")
		       : 0;
}

/*
 * Names have to be those that the agent will match by. Where none answers, or it lives where its
 * path means nothing here, they begin at the mount, as its own default is.
 */
static char *agents_root(struct bh_cli *cli)
{
	_cleanup_diags_ struct bh_diags unsaid = {};
	_cleanup_json_ json_t *args = json_object(), *answer = NULL;
	const char *root;
	struct stat st;

	if (!args || bh_exchange(cli, "doctor", args, &unsaid, &answer) < 0)
		return NULL;
	root = bh_json_str(answer, "data.cgroup_root");
	return *root == '/' && !stat(root, &st) ? strdup(root) : NULL;
}

static int run(struct bh_cli *cli, int argc, char **argv)
{
	const char *path = argc && strcmp(argv[0], "-") != 0 ? argv[0] : NULL;
	struct bh_seen_places places = BH_SEEN_PLACES;
	_cleanup_diags_ struct bh_diags d = {}, w = {};
	_cleanup_seen_ struct bh_seen seen = {0};
	_cleanup_draft_ struct bh_draft draft = {0};
	_cleanup_(bh_map_freep) struct bh_map *map = NULL;
	_cleanup_json_ json_t *entries = NULL;
	_cleanup_free_ char *text = NULL, *root = NULL;
	struct stat st;
	size_t len = 0;
	int r;

	if (path && !cli->force && !lstat(path, &st))
		return exists(cli, path);
	root = cli->cgroup_root ? NULL : agents_root(cli);
	places.cgroup_root = root ? root : cli->cgroup_root;
	r = bh_seen_read(&places, &d, &seen);
	if (r < 0)
		return bh_finish(cli, BH_EXIT_FAILED, NULL, &d);
	r = bh_draft_make(&seen, &draft);
	if (!r)
		r = bh_draft_text(&seen, &draft, &text, &len);
	if (!r)
		r = bh_offline_check(path ? path : "map", text, len, &d, &map, &entries);
	if (r == -ENOMEM)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	if (r < 0)
		return bug(cli, &d);
	(void)warn(&seen, &draft, &w);
	return put(cli, path, &seen, &draft, text, len, &w);
}

static const struct bh_opt opts[] = {
	{"cgroup-root", "DIR",
	 "name workloads from here: what the agent says, else the cgroup2 mount",
	 BH_OPT_AT(cgroup_root), BH_OPT_WORD, 0},
	{"force", NULL, "write over FILE if it is there", BH_OPT_AT(force), BH_OPT_FLAG, 0},
};

const struct bh_command bh_cmd_init = {
	.name = "init",
	.args = "[FILE]",
	.summary = "a first segment map, from what runs on this host",
	.text = "Looks at who listens and who is connected here, and writes a segment map of it to "
		"FILE, else to\nstdout: a segment for each unit and for the peers, a rule for each "
		"conversation, with comments\nthat say what was seen. It observes. The address that "
		"this session comes from gets a failsafe.\nNeeds no agent; as root it sees more. "
		"Read the map before it is enforced: it says what was\nseen, not what is right.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.min_args = 0,
	.max_args = 1,
	.run = run,
};
