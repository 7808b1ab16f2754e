/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posture.c - any bytes as each file that a claim about this device reads: none of them is believed
 * more than it says. Whoever may mount or swap chooses the names in two of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/vfs.h>
#include "fuzzdir.h"
#include "../../agent/health/claims_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {
	"proc/self/mountinfo",
	"proc/swaps",
	"proc/self/status",
	"proc/self/environ",
	"proc/sys/kernel/tainted",
	"proc/sys/kernel/core_pattern",
	"proc/sys/fs/suid_dumpable",
	"sys/kernel/security/lockdown",
	"sys/kernel/security/lsm",
	"sys/kernel/security/ima/policy",
	"sys/kernel/security/ima/runtime_measurements_count",
	"sys/kernel/security/apparmor/profiles",
	"sys/module/apparmor/parameters/enabled",
	"sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
	"sys/firmware/efi/efivars/SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c",
	"sys/dev/block/8:1/dm/uuid",
	"sys/class/block/sda1/dm/uuid",
};

static int root = -1;

static void parents(const char *path)
{
	char whole[512];

	(void)snprintf(whole, sizeof(whole), "%s/%s", fuzz_dir_of(), path);
	for (char *s = whole + strlen(fuzz_dir) + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		MUST(mkdir(whole, 0755) == 0 || errno == EEXIST);
		*s = '/';
	}
}

static void write_all(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char path[512];

		if (root < 0)
			parents(files[i]);
		(void)snprintf(path, sizeof(path), "%s/%s", fuzz_dir_of(), files[i]);
		fuzz_file_write(path, data, size);
	}
	if (root < 0)
		root = open(fuzz_dir_of(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	MUST(root >= 0);
}

static bool has(const uint8_t *data, size_t size, const char *word)
{
	return memmem(data, size, word, strlen(word)) != NULL;
}

/* What the input must have in it for a claim to be good. */
static void check(const struct bh_claim *c, const struct bh_claim_result *r, const uint8_t *data,
		  size_t size)
{
	static const struct {
		const char *claim, *word;
	} needs[] = {
		{"lockdown", "ity]"},
		{"root_encrypted", "CRYPT-"},
		{"mac_lsm", "(enforce)"},
		{"ima", "BPRM_CHECK"},
		{"agent_debugger", "\nTracerPid:\t0\n"},
		{"secure_boot", "\1"},
	};

	MUST(strnlen(r->value, sizeof(r->value)) < sizeof(r->value));
	MUST(strnlen(r->source, sizeof(r->source)) < sizeof(r->source));
	MUST(!r->error || r->state == BH_CLAIM_UNKNOWN);
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
		if (!strcmp(c->name, needs[i].claim) && r->state == BH_CLAIM_GOOD)
			MUST(has(data, size, needs[i].word));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_claims_opts opts = {.clock = &bh_clock_real};
	struct bh_claims *c;
	struct statfs st;

	write_all(data, size);
	opts.root_fd = root;
	MUST(fstatfs(root, &st) == 0);
	for (int i = 0; i < BH_FS_MAX; i++)
		opts.magic[i] = (unsigned long)st.f_type;
	c = bh_claims_new(&opts);
	MUST(c);
	bh_claims_collect(c);
	for (size_t i = 0; i < bh_n_claims; i++)
		check(&bh_claim_table[i], bh_claims_result(c, i), data, size);
	bh_claims_free(c);
	return 0;
}
