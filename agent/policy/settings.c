/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c - see settings.h. Called by agent/config.c and `bulkhead check`. */
#include <errno.h>
#include <string.h>
#include "../base/log.h"
#include "internal.h"
#include "settings.h"
#include "when.h"

const char *const bh_settings_modes[] = {"auto", "native", "generic", "tc", "off"};
const size_t bh_n_settings_modes = ARRAY_SIZE(bh_settings_modes);

const char *const bh_settings_features[] = {"cgroup_mkdir", "cgroup_release", "sock_destroy",
					    "tcx"};
const size_t bh_n_settings_features = ARRAY_SIZE(bh_settings_features);

/* The settings and the memory of everything in them. */
struct owned_settings {
	struct bh_settings s;
	struct bh_arena arena;
};

/* --- single values -------------------------------------------------------------------------- */

void bh_settings_span(struct bh_parse *p, const struct bh_yaml *y, __u32 max, __u32 *ret)
{
	const char *s = bh_want_text(p, y);
	struct bh_fault f;
	__u64 n;

	if (!s)
		return;
	if (bh_duration_parse(s, &n, &f))
		bh_parse_error(p, y, f.help, "%s", f.text);
	else if (n > max)
		bh_parse_error(p, y, NULL, "'" BH_WORD "' is too long: at most %uh", s, max / 3600);
	else
		*ret = (__u32)n;
}

void bh_settings_path(struct bh_parse *p, const struct bh_yaml *y, const char **ret)
{
	const char *s = bh_want_text(p, y);

	if (s && (*s != '/' || strpbrk(s, "\n\t")))
		bh_parse_error(p, y, "begin it with a /", "'" BH_WORD "' is no absolute path", s);
	else if (s)
		*ret = bh_parse_copy(p, s);
}

/* --- interfaces, without -------------------------------------------------------------------- */

static bool is_device(const char *s)
{
	return *s && strlen(s) < IF_NAMESIZE && !strpbrk(s, "/, =\t\n") && strcmp(s, ".") != 0 &&
	       strcmp(s, "..") != 0;
}

static void add_nic(struct bh_parse *p, struct bh_settings *s, const struct bh_yaml *name,
		    const struct bh_yaml *mode)
{
	struct bh_settings_nic *nic = &s->nic[s->n_nic];
	int i = bh_want_one_of(p, mode, bh_settings_modes, bh_n_settings_modes);

	if (name->kind != BH_YAML_SCALAR)
		return;
	if (!is_device(name->s)) {
		bh_parse_error(p, name, "as `ip link` shows it, at most 15 characters",
			       "'" BH_WORD "' is no name of a device", name->s);
		return;
	}
	if (i < 0)
		return;
	strcpy(nic->name, name->s);
	nic->mode = (size_t)i;
	s->n_nic++;
}

static void set_interfaces(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct bh_settings *s = obj;

	if (!bh_want_map(p, y, "{ eth0: native, eth1: off }"))
		return;
	if (y->n > BH_SETTINGS_MAX_NICS) {
		bh_parse_error(p, y, NULL, "%zu devices; at most %u are allowed", y->n,
			       BH_SETTINGS_MAX_NICS);
		return;
	}
	s->nic = bh_parse_alloc(p, y->n + 1, sizeof(*s->nic));
	for (const struct bh_yaml *k = y->child; s->nic && k; k = k->next->next)
		add_nic(p, s, k, k->next);
}

static void set_without(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct bh_settings *s = obj;
	size_t n;

	for (const struct bh_yaml *e = bh_each(y, &n); e && n; e = e->next, n--) {
		int i = bh_want_one_of(p, e, bh_settings_features, bh_n_settings_features);

		if (i >= 0)
			s->without |= 1u << i;
	}
}

/* --- confirm, emergency, audit -------------------------------------------------------------- */

static void confirm_default(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_settings_span(p, y, BH_SETTINGS_CONFIRM_MAX_S, &((struct bh_settings *)obj)->confirm_s);
}

static const struct bh_key confirm_keys[] = {{"default", confirm_default, false}};
const struct bh_keys bh_keys_confirm = {"`confirm`", confirm_keys, ARRAY_SIZE(confirm_keys)};

static void set_confirm(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	if (bh_want_map(p, y, "{ default: 5m }"))
		bh_parse_keys(p, y, &bh_keys_confirm, obj);
}

static void emergency_default(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct bh_settings *s = obj;

	s->emergency_pos = y->pos;
	bh_settings_span(p, y, BH_SETTINGS_EMERGENCY_LIMIT_S, &s->emergency_s);
}

static void emergency_max(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_settings_span(p, y, BH_SETTINGS_EMERGENCY_LIMIT_S,
			 &((struct bh_settings *)obj)->emergency_max_s);
}

static const struct bh_key emergency_keys[] = {
	{"default", emergency_default, false},
	{"max", emergency_max, false},
};
const struct bh_keys bh_keys_emergency = {"`emergency`", emergency_keys,
					  ARRAY_SIZE(emergency_keys)};

static void set_emergency(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct bh_settings *s = obj;
	__u32 max;

	if (!bh_want_map(p, y, "{ default: 15m, max: 1h }"))
		return;
	bh_parse_keys(p, y, &bh_keys_emergency, obj);
	max = s->emergency_max_s ? s->emergency_max_s : BH_SETTINGS_EMERGENCY_MAX_S;
	if (s->emergency_s > max)
		bh_report_error(p->map, p->d, s->emergency_pos, "raise `max`, or lower this",
				"the default is longer than the longest emergency, %u s", max);
}

static void audit_max_bytes(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	(void)bh_want_number(p, y, BH_SETTINGS_AUDIT_MIN_BYTES, BH_SETTINGS_AUDIT_MAX_BYTES,
			     &((struct bh_settings *)obj)->audit_max_bytes);
}

static void audit_keep(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	(void)bh_want_number(p, y, 1, BH_SETTINGS_AUDIT_KEEP_MAX,
			     &((struct bh_settings *)obj)->audit_keep);
}

static const struct bh_key audit_keys[] = {
	{"max_bytes", audit_max_bytes, false},
	{"keep", audit_keep, false},
};
const struct bh_keys bh_keys_audit = {"`audit`", audit_keys, ARRAY_SIZE(audit_keys)};

static void set_audit(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	if (bh_want_map(p, y, "{ max_bytes: 16777216, keep: 8 }"))
		bh_parse_keys(p, y, &bh_keys_audit, obj);
}

/* --- the top -------------------------------------------------------------------------------- */

static void set_version(struct bh_parse *p, _unused_ void *obj, const struct bh_yaml *y)
{
	__u64 version;

	if (bh_want_number(p, y, 0, 1u << 30, &version) && version != 1)
		bh_parse_error(p, y, "write `version: 1`, or use a Bulkhead that knows this one",
			       "version %llu of the settings is not known here", version);
}

static void set_take_over(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	(void)bh_want_bool(p, y, &((struct bh_settings *)obj)->take_over);
}

static void set_log_level(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	static const char *const words[] = {"error", "warning", "notice", "info", "debug"};
	int i = bh_want_one_of(p, y, words, ARRAY_SIZE(words));

	if (i >= 0)
		((struct bh_settings *)obj)->log_level = BH_LOG_ERROR + i;
}

static void set_state_dir(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_settings_path(p, y, &((struct bh_settings *)obj)->state_dir);
}

static void set_runtime_dir(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_settings_path(p, y, &((struct bh_settings *)obj)->runtime_dir);
}

static void set_pin_dir(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_settings_path(p, y, &((struct bh_settings *)obj)->pin_dir);
}

static void set_cgroup_root(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_settings_path(p, y, &((struct bh_settings *)obj)->cgroup_root);
}

static const struct bh_key keys[] = {
	{"version", set_version, true},
	{"interfaces", set_interfaces, false},
	{"take_over", set_take_over, false},
	{"without", set_without, false},
	{"log_level", set_log_level, false},
	{"state_dir", set_state_dir, false},
	{"runtime_dir", set_runtime_dir, false},
	{"pin_dir", set_pin_dir, false},
	{"cgroup_root", set_cgroup_root, false},
	{"confirm", set_confirm, false},
	{"emergency", set_emergency, false},
	{"audit", set_audit, false},
	{"telemetry", bh_settings_telemetry, false},
};
const struct bh_keys bh_keys_settings = {"a settings file", keys, ARRAY_SIZE(keys)};

/* What the findings quote. The map's own tools see to it: to them it is a map with nothing in it. */
static struct bh_map source_of(const char *file, const char *text, size_t len)
{
	return (struct bh_map){.file = (char *)file, .text = (char *)text, .text_len = len};
}

void bh_settings_free(struct bh_settings *s)
{
	struct owned_settings *o = (struct owned_settings *)s;

	if (!o)
		return;
	bh_arena_clear(&o->arena);
	free(o);
}

/* All keys that can be read, with errors or without. */
static int read_keys(const char *file, const char *text, size_t len, struct bh_diags *d,
		     struct bh_settings **ret)
{
	_cleanup_(bh_settings_freep) struct bh_settings *s = NULL;
	_cleanup_arena_ struct bh_arena nodes = {0};
	struct bh_map source = source_of(file, text, len);
	size_t n_before = d->n, errors_before = d->n_errors;
	struct owned_settings *o = calloc(1, sizeof(*o));
	struct bh_parse p = {.map = &source, .d = d, .errors_before = errors_before};
	struct bh_yaml *root = NULL;
	int r;

	if (!o)
		return -ENOMEM;
	s = &o->s;
	p.arena = &o->arena;
	if (len > BH_SETTINGS_MAX_BYTES)
		return bh_diag_add(d, BH_ERROR, &(struct bh_where){.file = file}, NULL,
				   "%zu bytes; the settings have at most %u", len,
				   BH_SETTINGS_MAX_BYTES);
	/* a device is `off` in every tongue: who reads a boolean there reads the same */
	r = bh_yaml_load(&source, &nodes, "off", d, &root);
	if (r == 0 && bh_want_map(&p, root, "`version: 1` and further keys, one a line"))
		bh_parse_keys(&p, root, &bh_keys_settings, s);
	bh_diags_sort(d, n_before);
	if (r == 0 && p.oom)
		r = -ENOMEM;
	if (r)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

int bh_settings_parse(const char *file, const char *text, size_t len, struct bh_diags *d,
		      struct bh_settings **ret)
{
	_cleanup_(bh_settings_freep) struct bh_settings *s = NULL;
	size_t errors_before = d->n_errors;
	int r = read_keys(file, text, len, d, &s);

	if (r)
		return r;
	if (d->n_errors != errors_before)
		return -EINVAL;
	*ret = TAKE_PTR(s);
	return 0;
}

int bh_settings_salvage(const char *file, const char *text, size_t len, struct bh_settings **ret)
{
	_cleanup_diags_ struct bh_diags d = {0};

	return read_keys(file, text, len, &d, ret);
}

static bool has_key(const struct bh_keys *k, const char *name)
{
	for (size_t i = 0; i < k->n; i++)
		if (!strcmp(k->v[i].name, name))
			return true;
	return false;
}

bool bh_settings_are(const char *text, size_t len)
{
	_cleanup_diags_ struct bh_diags ignored = {0};
	_cleanup_arena_ struct bh_arena nodes = {0};
	struct bh_map source = source_of("", text, len);
	struct bh_yaml *root = NULL;
	bool ours = false, foreign = false;

	if (len > BH_SETTINGS_MAX_BYTES || bh_yaml_load(&source, &nodes, "off", &ignored, &root) ||
	    root->kind != BH_YAML_MAP)
		return false;
	for (const struct bh_yaml *k = root->child; k; k = k->next->next) {
		if (k->kind != BH_YAML_SCALAR || !strcmp(k->s, "version"))
			continue;
		if (has_key(&bh_keys_map, k->s))
			return false;
		ours |= has_key(&bh_keys_settings, k->s);
		foreign |= !has_key(&bh_keys_settings, k->s);
	}
	return ours || !foreign;
}
