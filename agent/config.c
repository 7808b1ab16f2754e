/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - see config.h. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "base/io.h"
#include "config.h"
#include "control/audit.h"
#include "control/metrics.h"
#include "control/proto.h"
#include "policy/settings.h"
#include "sinks.h"

_Static_assert(BH_SETTINGS_CONFIRM_MAX_S == BH_CONFIRM_MAX_S &&
		       BH_SETTINGS_EMERGENCY_S == BH_EMERGENCY_DEFAULT_S &&
		       BH_SETTINGS_EMERGENCY_MAX_S == BH_EMERGENCY_MAX_S &&
		       BH_SETTINGS_EMERGENCY_LIMIT_S == BH_EMERGENCY_LIMIT_S,
	       "a file is held to the limits of the socket");

/* --- the file -------------------------------------------------------------------------------- */

/* Whoever may write it may set every device to off. Return: 0, -ENOENT, -EINVAL (see @d). */
static int check_file(const char *path, struct bh_diags *d)
{
	const struct bh_where where = {.file = path};
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return bh_diag_add(d, BH_ERROR, &where, NULL, "it is no file");
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return bh_diag_add(d, BH_ERROR, &where, "chmod go-w", "others may write it");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return bh_diag_add(d, BH_ERROR, &where, "chown root",
				   "user %u may write it, who is neither root nor the agent's",
				   (unsigned int)st.st_uid);
	return 0;
}

static int read_file(const char *path, struct bh_diags *d, struct bh_settings **ret)
{
	_cleanup_free_ char *text = NULL;
	size_t bytes = 0;
	int r = check_file(path, d);

	if (r == 0)
		r = bh_file_read(path, BH_SETTINGS_MAX_BYTES, &text, &bytes);
	if (r == -EFBIG)
		return bh_diag_add(d, BH_ERROR, &(struct bh_where){.file = path}, NULL,
				   "more than %u bytes", BH_SETTINGS_MAX_BYTES);
	if (r == 0)
		r = bh_settings_parse(path, text, bytes, d, ret);
	return r;
}

/* --- one over the other ---------------------------------------------------------------------- */

static int take_path(char **ret, const char *line, const char *file)
{
	const char *path = line ? line : file;

	if (!path)
		return 0;
	*ret = strdup(path);
	return *ret ? 0 : -ENOMEM;
}

static int take_nics(const struct bh_agent_opts *line, const struct bh_settings *s,
		     struct bh_agent_opts *o)
{
	size_t n = line->n_nic ? line->n_nic : s->n_nic;

	if (!n)
		return 0;
	o->nic = calloc(n, sizeof(*o->nic));
	if (!o->nic)
		return -ENOMEM;
	o->n_nic = n;
	if (line->n_nic) {
		memcpy(o->nic, line->nic, n * sizeof(*o->nic));
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		strcpy(o->nic[i].name, s->nic[i].name);
		o->nic[i].mode = bh_nic_modes[s->nic[i].mode];
	}
	return 0;
}

static __u32 kernel_bits(const struct bh_settings *s)
{
	const char *names[BH_OPTIONAL_MAX];
	size_t n = bh_kern_optional(names);
	__u32 bits = 0;

	for (size_t i = 0; i < bh_n_settings_features; i++)
		for (size_t j = 0; s->without & 1u << i && j < n; j++)
			if (!strcmp(names[j], bh_settings_features[i]))
				bits |= 1u << j;
	return bits;
}

/* A `max` that is shorter than the usual emergency makes that shorter. */
static void take_times(const struct bh_settings *s, struct bh_agent_opts *o)
{
	o->confirm_s = s->confirm_s ? s->confirm_s : BH_CONFIRM_DEFAULT_S;
	o->emergency_max_s = s->emergency_max_s ? s->emergency_max_s : BH_EMERGENCY_MAX_S;
	o->emergency_s = s->emergency_s ? s->emergency_s
					: MIN((__u32)BH_EMERGENCY_DEFAULT_S, o->emergency_max_s);
}

static int take_telemetry(const struct bh_settings_telemetry *t, struct bh_agent_opts *o)
{
	char *file = NULL, *metrics = NULL;
	int r = take_path(&file, NULL, t->file.path);

	if (r == 0)
		r = take_path(&metrics, NULL, t->metrics.file);
	o->telemetry = *t;
	o->telemetry.file.path = file;
	o->telemetry.metrics.file = metrics;
	if (!t->update_s)
		o->telemetry.update_s = BH_SETTINGS_UPDATE_S;
	return r;
}

/* A key that the command line says counts from there, whole. */
static int merge(const struct bh_agent_opts *line, const struct bh_settings *s, struct bh_diags *d,
		 struct bh_agent_opts *o)
{
	int r = take_path(&o->state_dir, line->state_dir, s->state_dir);

	if (r == 0)
		r = take_path(&o->runtime_dir, line->runtime_dir, s->runtime_dir);
	if (r == 0)
		r = take_path(&o->pin_dir, line->pin_dir, s->pin_dir);
	if (r == 0)
		r = take_path(&o->cgroup_root, line->cgroup_root, s->cgroup_root);
	if (r == 0)
		r = take_path(&o->log_dir, line->log_dir, NULL);
	if (r == 0)
		r = take_nics(line, s, o);
	if (r == 0)
		r = take_telemetry(&s->telemetry, o);
	if (r < 0)
		return r;
	o->take_over = line->take_over || s->take_over;
	o->without = line->without ? line->without : kernel_bits(s);
	o->log_level = line->log_level ? line->log_level : s->log_level;
	o->log_level = o->log_level ? o->log_level : BH_LOG_INFO;
	o->audit_max_bytes = s->audit_max_bytes ? s->audit_max_bytes : BH_AUDIT_MAX_BYTES;
	o->audit_keep = s->audit_keep ? (unsigned int)s->audit_keep : BH_AUDIT_KEEP;
	take_times(s, o);
	return bh_agent_opts_defaults(o, d);
}

static int finish(int r, struct bh_agent_opts *o, struct bh_agent_opts *ret)
{
	if (r < 0)
		bh_agent_opts_clear(o);
	*ret = *o;
	return r;
}

int bh_config_bare(const struct bh_agent_opts *line, struct bh_diags *d, struct bh_agent_opts *ret)
{
	const struct bh_settings none = {0};
	struct bh_agent_opts o = {0};

	return finish(merge(line, &none, d, &o), &o, ret);
}

int bh_config_load(const struct bh_agent_opts *line, struct bh_diags *d, struct bh_agent_opts *ret)
{
	_cleanup_(bh_settings_freep) struct bh_settings *s = NULL;
	const char *path = line->config ? line->config : BH_SETTINGS_PATH;
	struct bh_agent_opts o = {0};
	int r = read_file(path, d, &s);

	*ret = o;
	if (r == -ENOENT && !line->config)
		return bh_config_bare(line, d, ret);
	if (r < 0 && r != -EINVAL && r != -ENOMEM)
		r = bh_diag_add(d, BH_ERROR, &(struct bh_where){.file = path},
				line->config ? "--config names it" : NULL,
				"the settings can't be read: %s", strerror(-r));
	if (r < 0)
		return r;
	return finish(merge(line, s, d, &o), &o, ret);
}

/* The first error, with its place. */
static const struct bh_diag *first_error(const struct bh_diags *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->list[i].severity == BH_ERROR)
			return &d->list[i];
	return NULL;
}

int bh_config_salvage(const struct bh_agent_opts *line, struct bh_diags *d,
		      struct bh_agent_opts *ret)
{
	_cleanup_(bh_settings_freep) struct bh_settings *s = NULL;
	const char *path = line->config ? line->config : BH_SETTINGS_PATH;
	const struct bh_diag *f = first_error(d);
	_cleanup_free_ char *text = NULL, *why = NULL;
	_cleanup_diags_ struct bh_diags more = {0};
	const struct bh_settings none = {0};
	struct bh_agent_opts o = {0};
	size_t bytes = 0;
	int r;

	if (f && asprintf(&why, "%s:%d:%d: %s", f->file ? f->file : path, f->line, f->col,
			  f->text) < 0) {
		why = NULL;
		return -ENOMEM;
	}
	/* who may not be trusted to write it may not be trusted in part */
	if (check_file(path, &more) == 0 &&
	    bh_file_read(path, BH_SETTINGS_MAX_BYTES, &text, &bytes) == 0)
		(void)bh_settings_salvage(path, text, bytes, &s);
	r = merge(line, s ? s : &none, d, &o);
	if (r == 0)
		o.refused = TAKE_PTR(why);
	return finish(r, &o, ret);
}

/* --- at run time ------------------------------------------------------------------------------ */

void bh_config_use(struct bh_agent *a)
{
	bh_log_set_max((enum bh_level)a->opts.log_level);
	if (a->audit)
		bh_audit_limit(a->audit, a->opts.audit_max_bytes, a->opts.audit_keep);
}

_printf_(2, 3) static void trouble(struct bh_agent *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(a->config_trouble, sizeof(a->config_trouble), fmt, ap);
	va_end(ap);
}

static void refuse(struct bh_agent *a, const struct bh_diags *d, int r)
{
	const struct bh_diag *f = first_error(d);

	if (f && f->file)
		trouble(a, "the settings were refused, and those before hold: %s:%d:%d: %s",
			f->file, f->line, f->col, f->text);
	else
		trouble(a, "the settings were refused, and those before hold: %s",
			f ? f->text : strerror(-r));
	bh_error("%s", a->config_trouble);
}

/* What the kernel side and the state were opened with can't be exchanged under them. */
static void look_for_restart(struct bh_agent *a, const struct bh_agent_opts *new)
{
	const struct {
		const char *key;
		bool differs;
	} fixed[] = {
		{"state_dir", strcmp(new->state_dir, a->opts.state_dir) != 0},
		{"runtime_dir", strcmp(new->runtime_dir, a->opts.runtime_dir) != 0},
		{"pin_dir", strcmp(new->pin_dir, a->opts.pin_dir) != 0},
		{"cgroup_root", strcmp(new->cgroup_root, a->opts.cgroup_root) != 0},
		{"without", new->without != a->opts.without},
	};
	char list[sizeof(a->config_trouble) / 2] = "";
	size_t at = 0, n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (fixed[i].differs)
			at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s",
					       n++ ? ", " : "", fixed[i].key);
	if (!n)
		return;
	trouble(a, "of the settings %s changed: that takes a restart of the agent", list);
	bh_warning("%s", a->config_trouble);
}

static void take_over_from(struct bh_agent *a, struct bh_agent_opts *new)
{
	struct bh_agent_opts *o = &a->opts, old = *o;

	o->nic = TAKE_PTR(new->nic);
	o->n_nic = new->n_nic;
	new->nic = old.nic;
	new->n_nic = old.n_nic;
	o->take_over = new->take_over;
	o->log_level = new->log_level;
	o->confirm_s = new->confirm_s;
	o->emergency_s = new->emergency_s;
	o->emergency_max_s = new->emergency_max_s;
	o->audit_max_bytes = new->audit_max_bytes;
	o->audit_keep = new->audit_keep;
	o->telemetry = new->telemetry;
	new->telemetry = old.telemetry;
	bh_config_use(a);
}

void bh_config_reload(struct bh_agent *a)
{
	_cleanup_(bh_agent_opts_clear) struct bh_agent_opts new = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	int r = bh_config_load(a->line, &d, &new);

	bh_log_diags(&d);
	if (r < 0) {
		refuse(a, &d, r);
		return;
	}
	a->config_trouble[0] = '\0';
	free(a->opts.refused);
	a->opts.refused = NULL;
	look_for_restart(a, &new);
	take_over_from(a, &new);
	/* what was in force until now is in @new */
	bh_nics_choose(a, &new);
	bh_sinks_open(a, &new.telemetry);
	bh_metrics_reload(a->metrics);
	bh_notice("the settings were read again");
}
