/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.c - any bytes as the agent's own file: there are settings or there are errors with
 * places in the text, and what the agent relies on holds for all of them. What can be saved of a
 * file with errors is no less sound.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include "must.h"
#include "../../agent/base/log.h"
#include "../../agent/policy/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_dir(const char *dir)
{
	MUST(!dir || (*dir == '/' && !strpbrk(dir, "\n\t")));
}

static void check_nics(const struct bh_settings *s)
{
	MUST(s->n_nic <= BH_SETTINGS_MAX_NICS);
	for (size_t i = 0; i < s->n_nic; i++) {
		const struct bh_settings_nic *nic = &s->nic[i];

		MUST(*nic->name && memchr(nic->name, 0, sizeof(nic->name)));
		MUST(!strpbrk(nic->name, "/, =\t\n") && strcmp(nic->name, "..") != 0);
		MUST(nic->mode < bh_n_settings_modes);
	}
}

/* What each value is by itself. */
static void check_settings(const struct bh_settings *s)
{
	check_nics(s);
	check_dir(s->state_dir);
	check_dir(s->runtime_dir);
	check_dir(s->pin_dir);
	check_dir(s->cgroup_root);
	MUST(!(s->without >> bh_n_settings_features));
	MUST(!s->log_level || (s->log_level >= BH_LOG_ERROR && s->log_level <= BH_LOG_DEBUG));
	MUST(s->confirm_s <= BH_SETTINGS_CONFIRM_MAX_S);
	MUST(s->emergency_s <= BH_SETTINGS_EMERGENCY_LIMIT_S);
	MUST(s->emergency_max_s <= BH_SETTINGS_EMERGENCY_LIMIT_S);
	MUST(s->audit_keep <= BH_SETTINGS_AUDIT_KEEP_MAX);
	MUST(!s->audit_max_bytes || (s->audit_max_bytes >= BH_SETTINGS_AUDIT_MIN_BYTES &&
				     s->audit_max_bytes <= BH_SETTINGS_AUDIT_MAX_BYTES));
}

/* And what they are together, where nothing was wrong. */
static void check_whole(const struct bh_settings *s)
{
	__u32 max = s->emergency_max_s ? s->emergency_max_s : BH_SETTINGS_EMERGENCY_MAX_S;

	MUST(s->emergency_s <= max);
	for (size_t i = 0; i < s->n_nic; i++)
		for (size_t j = 0; j < i; j++)
			MUST(strcmp(s->nic[i].name, s->nic[j].name) != 0);
}

static void check_findings(const struct bh_diags *d)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return;
	for (size_t i = 0; i < d->n; i++)
		MUST(d->list[i].text && *d->list[i].text && d->list[i].line >= 0);
	bh_diags_print(d, out, false);
	(void)fclose(out);
	/* Nothing that a terminal would obey gets through. */
	for (size_t i = 0; i < n; i++)
		MUST(text[i] == '\n' || (unsigned char)text[i] >= 0x20);
	free(text);
}

static void check_salvage(const char *text, size_t size, bool whole)
{
	_cleanup_(bh_settings_freep) struct bh_settings *s = NULL;
	int r = bh_settings_salvage("fuzz.yaml", text, size, &s);

	MUST(r == 0 || r == -EINVAL);
	MUST((r == 0) == (s != NULL) && (!whole || s));
	if (s)
		check_settings(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(bh_settings_freep) struct bh_settings *s = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	/* with the NUL behind it that the agent's reader gives it */
	char *text = malloc(size + 1);
	int r;

	MUST(text);
	memcpy(text, data, size);
	text[size] = '\0';
	r = bh_settings_parse("fuzz.yaml", text, size, &d, &s);
	MUST(r == 0 || r == -EINVAL);
	MUST((r == 0) == (s != NULL) && (r == 0) == (d.n_errors == 0));
	if (s) {
		check_settings(s);
		check_whole(s);
	}
	check_findings(&d);
	check_salvage(text, size, s);
	(void)bh_settings_are(text, size);
	free(text);
	return 0;
}
