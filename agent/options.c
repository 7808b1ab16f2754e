/* SPDX-License-Identifier: Apache-2.0 */
/* options.c - the places the agent uses and the lists of its command line. Called by main.c, config.c. */
#include <errno.h>
#include <string.h>
#include "agent.h"
#include "policy/settings.h"

/* As bh_settings_modes has them; a test holds them together. */
const enum bh_nic_mode bh_nic_modes[] = {BH_NIC_AUTO, BH_NIC_NATIVE, BH_NIC_GENERIC, BH_NIC_TC,
					 BH_NIC_OFF};

static int mode_parse(const char *word, enum bh_nic_mode *ret, struct bh_diags *d)
{
	_cleanup_free_ char *help = NULL;
	const char *near;

	for (size_t i = 0; i < bh_n_settings_modes; i++)
		if (!strcmp(word, bh_settings_modes[i])) {
			*ret = bh_nic_modes[i];
			return 0;
		}
	near = bh_nearest(word, bh_settings_modes, bh_n_settings_modes);
	if (asprintf(&help, "%s%s%sit is one of auto, native, generic, tc, off",
		     near ? "did you mean '" : "", near ? near : "", near ? "'? " : "") < 0)
		help = NULL;
	return bh_diag_add(d, BH_ERROR, NULL, help, "--interfaces: unknown mode '%s'", word);
}

static int choice_add(struct bh_agent_opts *o, char *word, struct bh_diags *d)
{
	struct bh_nic_choice c = {.mode = BH_NIC_AUTO}, *more;
	char *equals = strchr(word, '=');

	if (equals) {
		int r;

		*equals = '\0';
		r = mode_parse(equals + 1, &c.mode, d);
		if (r < 0)
			return r;
	}
	if (!*word || strlen(word) >= sizeof(c.name) || strchr(word, '/'))
		return bh_diag_add(d, BH_ERROR, NULL,
				   "write NAME or NAME=MODE, with commas between",
				   "--interfaces: '%s' is no name of a device", word);
	strcpy(c.name, word);
	for (size_t i = 0; i < o->n_nic; i++)
		if (!strcmp(o->nic[i].name, c.name))
			return bh_diag_add(d, BH_ERROR, NULL, "say it once",
					   "--interfaces: '%s' is named twice", c.name);
	more = reallocarray(o->nic, o->n_nic + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	o->nic = more;
	o->nic[o->n_nic++] = c;
	return 0;
}

int bh_agent_opts_interfaces(struct bh_agent_opts *o, const char *list, struct bh_diags *d)
{
	_cleanup_free_ char *copy = strdup(list);
	char *rest = copy, *word;

	if (!copy)
		return -ENOMEM;
	while ((word = strsep(&rest, ","))) {
		int r = choice_add(o, word, d);

		if (r < 0)
			return r;
	}
	return 0;
}

static int unwanted_add(struct bh_agent_opts *o, const char *word, struct bh_diags *d)
{
	const char *names[BH_OPTIONAL_MAX], *near;
	size_t n = bh_kern_optional(names);
	_cleanup_free_ char *help = NULL;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(word, names[i]) != 0)
			continue;
		o->without |= 1u << i;
		return 0;
	}
	near = bh_nearest(word, names, n);
	if (near && asprintf(&help, "did you mean '%s'?", near) < 0)
		help = NULL;
	return bh_diag_add(d, BH_ERROR, NULL,
			   help ? help : "`bulkhead version` lists the features of this kernel",
			   "--without: '%s' is no feature that can be left out", word);
}

int bh_agent_opts_without(struct bh_agent_opts *o, const char *list, struct bh_diags *d)
{
	_cleanup_free_ char *copy = strdup(list);
	char *rest = copy, *word;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	while (r == 0 && (word = strsep(&rest, ",")))
		r = unwanted_add(o, word, d);
	return r;
}

/* What is not said, and no slash at the end: names are made by cutting the root off. */
static int set_path(char **path, const char *by_default)
{
	size_t n;

	if (!*path)
		*path = strdup(by_default);
	if (!*path)
		return -ENOMEM;
	for (n = strlen(*path); n > 1 && (*path)[n - 1] == '/'; n--)
		(*path)[n - 1] = '\0';
	return 0;
}

static int check_absolute(const char *option, const char *path, struct bh_diags *d)
{
	if (path[0] == '/')
		return 0;
	return bh_diag_add(d, BH_ERROR, NULL, "give an absolute path", "%s: '%s' is relative",
			   option, path);
}

int bh_agent_opts_defaults(struct bh_agent_opts *o, struct bh_diags *d)
{
	int r = 0;

	if (!o->cgroup_root) {
		r = bh_cgroup_mount("/proc/self/mountinfo", &o->cgroup_root);
		if (r == -ENOENT)
			return bh_diag_add(
				d, BH_ERROR, NULL,
				"mount one, or boot with systemd.unified_cgroup_hierarchy=1",
				"there is no cgroup2 mount");
	}
	if (r == 0)
		r = set_path(&o->cgroup_root, "");
	if (r == 0)
		r = set_path(&o->state_dir, "/var/lib/bulkhead");
	if (r == 0)
		r = set_path(&o->runtime_dir, "/run/bulkhead");
	if (r == 0)
		r = set_path(&o->pin_dir, "/sys/fs/bpf/bulkhead");
	if (r == 0)
		r = check_absolute("--cgroup-root", o->cgroup_root, d);
	if (r == 0)
		r = check_absolute("--state-dir", o->state_dir, d);
	if (r == 0)
		r = check_absolute("--runtime-dir", o->runtime_dir, d);
	if (r == 0 && o->log_dir)
		r = set_path(&o->log_dir, "");
	if (r == 0 && o->log_dir)
		r = check_absolute("--log-dir", o->log_dir, d);
	return r ? r : check_absolute("--pin-dir", o->pin_dir, d);
}

void bh_agent_opts_clear(struct bh_agent_opts *o)
{
	free(o->state_dir);
	free(o->runtime_dir);
	free(o->pin_dir);
	free(o->cgroup_root);
	free(o->nic);
	free(o->config);
	free(o->log_dir);
	free(o->refused);
	free((char *)o->telemetry.file.path);
	free((char *)o->telemetry.metrics.file);
	*o = (struct bh_agent_opts){0};
}
