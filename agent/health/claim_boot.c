/* SPDX-License-Identifier: Apache-2.0 */
/* claim_boot.c - how it was booted, and what may come into the kernel since. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "claims_internal.h"

#define EFI    "sys/firmware/efi"
#define GLOBAL "-8be4df61-93ca-11d2-aa0d-00e098032b8c"

/* Four bytes of attributes, then the variable's own: one here. Return: it, or -errno. */
static int efi_byte(const struct bh_claims *c, const char *path)
{
	unsigned char v[5];
	ssize_t n = bh_claim_bytes(c, BH_FS_EFIVAR, path, v, sizeof(v));

	if (n == -EFBIG || (n >= 0 && n != sizeof(v)))
		return -EBADMSG;
	return n < 0 ? (int)n : v[4];
}

/* Where the firmware's variables are there, one that is missing is "off"; else nothing is known. */
static int efi_absent(const struct bh_claims *c)
{
	_cleanup_close_ int fd =
		bh_claim_open(c, BH_FS_EFIVAR, EFI "/efivars", O_RDONLY | O_DIRECTORY);

	return fd < 0 ? fd : 0;
}

void bh_claim_secure_boot(struct bh_claims *c, _unused_ const struct bh_claim *row,
			  struct bh_claim_result *ret)
{
	static const char path[] = EFI "/efivars/SecureBoot" GLOBAL;
	int on = efi_byte(c, path), setup;

	if (on == -ENOENT) {
		int r = efi_absent(c);

		if (r < 0) {
			bh_claim_fail(ret, EFI "/efivars", r);
			return;
		}
		on = 0;
	}
	if (on < 0) {
		bh_claim_fail(ret, path, on);
		return;
	}
	bh_claim_source(ret, path);
	if (on != 1) {
		bh_claim_say(ret, BH_CLAIM_BAD, "off");
		return;
	}
	/* in setup mode whoever is root enrols keys of his own */
	setup = efi_byte(c, EFI "/efivars/SetupMode" GLOBAL);
	if (setup < 0)
		bh_claim_fail(ret, EFI "/efivars/SetupMode" GLOBAL, setup);
	else
		bh_claim_say(ret, setup ? BH_CLAIM_BAD : BH_CLAIM_GOOD, "on%s",
			     setup ? ", in setup mode" : "");
}

/* --- lockdown and modules ---------------------------------------------------------------------- */

#define LOCKDOWN "sys/kernel/security/lockdown"

/* "none [integrity] confidentiality": the word in brackets. */
static int lockdown_word(const struct bh_claims *c, char ret[32])
{
	char text[128], *begin, *end;
	int r = bh_claim_text(c, BH_FS_SECURITY, LOCKDOWN, text, sizeof(text));

	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	begin = strchr(text, '[');
	end = begin ? strchr(begin, ']') : NULL;
	if (!end || end - begin > 31)
		return -EBADMSG;
	snprintf(ret, 32, "%.*s", (int)(end - begin - 1), begin + 1);
	return 0;
}

static int is_locked(const char *word)
{
	if (!strcmp(word, "integrity") || !strcmp(word, "confidentiality"))
		return 1;
	return strcmp(word, "none") ? -EBADMSG : 0;
}

int bh_claim_locked_down(const struct bh_claims *c)
{
	char word[32];
	int r = lockdown_word(c, word);

	return r < 0 ? r : is_locked(word);
}

void bh_claim_lockdown(struct bh_claims *c, _unused_ const struct bh_claim *row,
		       struct bh_claim_result *ret)
{
	char word[32];
	int r = lockdown_word(c, word), on = r < 0 ? r : is_locked(word);

	if (on < 0) {
		bh_claim_fail(ret, LOCKDOWN, on);
		return;
	}
	bh_claim_source(ret, LOCKDOWN);
	bh_claim_say(ret, on ? BH_CLAIM_GOOD : BH_CLAIM_BAD, "%s", word);
}

/* Good if one of them says so; bad if each could be read and none does. */
void bh_claim_module_loading(struct bh_claims *c, const struct bh_claim *row,
			     struct bh_claim_result *ret)
{
	static const char disabled[] = "proc/sys/kernel/modules_disabled";
	static const char enforce[] = "sys/module/module/parameters/sig_enforce";
	char word[16] = "";
	_cleanup_close_ int all = bh_claim_open(c, BH_FS_PROC, "proc", O_PATH);
	_cleanup_close_ int set = bh_claim_open(c, BH_FS_PROC, "proc/sys/kernel", O_PATH);
	int there, locked, r;
	long off = 0;

	bh_claim_source(ret, row->path);
	/* that something is not there says something only where everything else is */
	if (all < 0 || set < 0) {
		bh_claim_fail(ret, all < 0 ? "proc" : "proc/sys/kernel", all < 0 ? all : set);
		return;
	}
	there = bh_claim_exists(c, "proc/modules");
	r = bh_claim_number(c, BH_FS_PROC, disabled, &off);
	if (there == 0 && r == -ENOENT) {
		bh_claim_say(ret, BH_CLAIM_GOOD, "this kernel takes none");
		return;
	}
	if (r == 0 && off == 1) {
		bh_claim_say(ret, BH_CLAIM_GOOD, "closed until the next boot");
		return;
	}
	locked = bh_claim_locked_down(c);
	if (locked == 1) {
		bh_claim_source(ret, LOCKDOWN);
		bh_claim_say(ret, BH_CLAIM_GOOD, "signed ones only: lockdown");
		return;
	}
	/* a kernel without signatures has no such parameter */
	there = bh_claim_text(c, BH_FS_SYS, enforce, word, sizeof(word));
	if (there == 0 && !strcmp(word, "Y")) {
		bh_claim_source(ret, enforce);
		bh_claim_say(ret, BH_CLAIM_GOOD, "signed ones only");
		return;
	}
	if (r < 0)
		bh_claim_fail(ret, disabled, r);
	else if (there < 0 && there != -ENOENT)
		bh_claim_fail(ret, enforce, there);
	else if (locked < 0 && locked != -ENOENT)
		bh_claim_fail(ret, LOCKDOWN, locked);
	else
		bh_claim_say(ret, BH_CLAIM_BAD, "root may load any");
}

/* --- what watches over programs ---------------------------------------------------------------- */

#define IMA "sys/kernel/security/ima"

/* That programs, libraries and modules are measured is all that this says; a TPM has to vouch. */
void bh_claim_ima(struct bh_claims *c, _unused_ const struct bh_claim *row,
		  struct bh_claim_result *ret)
{
	static const char *const needed[] = {"BPRM_CHECK", "MODULE_CHECK"};
	_cleanup_free_ char *policy = malloc(BH_CLAIM_FILE);
	long n;
	int r = bh_claim_number(c, BH_FS_SECURITY, IMA "/runtime_measurements_count", &n);

	if (r < 0 || !policy) {
		bh_claim_fail(ret, IMA "/runtime_measurements_count", r < 0 ? r : -ENOMEM);
		return;
	}
	bh_claim_source(ret, IMA "/policy");
	/* the first is of the boot itself, and is there without any policy */
	if (n <= 1) {
		bh_claim_say(ret, BH_CLAIM_BAD, "built, and nothing is measured");
		return;
	}
	r = bh_claim_text(c, BH_FS_SECURITY, IMA "/policy", policy, BH_CLAIM_FILE);
	if (r < 0) {
		bh_claim_fail(ret, IMA "/policy", r);
		snprintf(ret->value, sizeof(ret->value), "%ld measurements", n);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!strstr(policy, needed[i])) {
			bh_claim_say(ret, BH_CLAIM_BAD, "%ld measurements, no %s", n, needed[i]);
			return;
		}
	if (!strstr(policy, "MMAP_CHECK") && !strstr(policy, "FILE_MMAP"))
		bh_claim_say(ret, BH_CLAIM_BAD, "%ld measurements, no MMAP_CHECK", n);
	else
		bh_claim_say(ret, BH_CLAIM_GOOD, "%ld measurements", n);
}

static bool in_list(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *s = list; (s = strstr(s, word)); s += n)
		if ((s == list || s[-1] == ',') && (!s[n] || s[n] == ','))
			return true;
	return false;
}

static void selinux(struct bh_claims *c, struct bh_claim_result *ret)
{
	static const char path[] = "sys/fs/selinux/enforce";
	long on;
	int r = bh_claim_number(c, BH_FS_SELINUX, path, &on);

	if (!bh_claim_got(ret, path, r))
		return;
	bh_claim_say(ret, on == 1 ? BH_CLAIM_GOOD : BH_CLAIM_BAD, "selinux, %s",
		     on == 1 ? "enforcing" : "permissive");
}

static void apparmor(struct bh_claims *c, struct bh_claim_result *ret)
{
	static const char path[] = "sys/kernel/security/apparmor/profiles";
	static const char param[] = "sys/module/apparmor/parameters/enabled";
	_cleanup_free_ char *text = malloc(BH_CLAIM_FILE);
	char enabled[8];
	size_t n = 0;
	int r = text ? bh_claim_text(c, BH_FS_SYS, param, enabled, sizeof(enabled)) : -ENOMEM;

	if (!bh_claim_got(ret, param, r))
		return;
	r = bh_claim_text(c, BH_FS_SECURITY, path, text, BH_CLAIM_FILE);
	if (!bh_claim_got(ret, path, r))
		return;
	for (const char *s = text; (s = strstr(s, "(enforce)")); s++)
		n++;
	bh_claim_source(ret, path);
	bh_claim_say(ret, n && enabled[0] == 'Y' ? BH_CLAIM_GOOD : BH_CLAIM_BAD,
		     "apparmor %s, %zu profiles enforced", enabled[0] == 'Y' ? "on" : "off", n);
}

void bh_claim_mac_lsm(struct bh_claims *c, _unused_ const struct bh_claim *row,
		      struct bh_claim_result *ret)
{
	static const char path[] = "sys/kernel/security/lsm";
	char list[256];
	int r = bh_claim_text(c, BH_FS_SECURITY, path, list, sizeof(list));

	if (!bh_claim_got(ret, path, r))
		return;
	if (in_list(list, "selinux"))
		selinux(c, ret);
	else if (in_list(list, "apparmor"))
		apparmor(c, ret);
	else if (in_list(list, "smack") || in_list(list, "tomoyo"))
		bh_claim_say(ret, BH_CLAIM_UNKNOWN, "%.120s: not looked into", list);
	else
		bh_claim_say(ret, in_list(list, "capability") ? BH_CLAIM_BAD : BH_CLAIM_UNKNOWN,
			     "%.120s", list);
}
