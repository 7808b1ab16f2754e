/* SPDX-License-Identifier: Apache-2.0 */
/* claims.c - the table of claims, and a round through it. Called by agent/posture.c. */
#include <limits.h>
#include <string.h>
#include "claims_internal.h"

#define SYSCTL(key, quality, file, least, most, text, help)                                        \
	{                                                                                          \
		.name = key, .grade = quality, .path = "proc/sys/" file, .lo = least, .hi = most,  \
		.meaning = text, .hint = help, .collect = bh_claim_sysctl                          \
	}

#define SET(key) "set " key " in /etc/sysctl.d/"

const struct bh_claim bh_claim_table[] = {
	{.name = "secure_boot",
	 .grade = 'C',
	 .once = true,
	 .meaning = "the firmware started only what is signed; a TPM has to confirm it",
	 .hint = "turn Secure Boot on in the firmware",
	 .collect = bh_claim_secure_boot},
	{.name = "lockdown",
	 .grade = 'A',
	 .meaning = "root can't write to the running kernel",
	 .hint = "boot with lockdown=integrity",
	 .collect = bh_claim_lockdown},
	{.name = "module_loading",
	 .grade = 'A',
	 .path = "proc/sys/kernel/modules_disabled",
	 .meaning = "no module, or only a signed one, comes into the kernel",
	 .hint = "boot with module.sig_enforce=1, or set kernel.modules_disabled once all are "
		 "loaded",
	 .collect = bh_claim_module_loading},
	{.name = "kernel_taint",
	 .grade = 'B',
	 .path = "proc/sys/kernel/tainted",
	 .meaning = "nothing was forced into the kernel and it did not fail since the boot",
	 .hint = "find the module or the oops in `dmesg`, and reboot",
	 .collect = bh_claim_taint},
	{.name = "kernel_release",
	 .grade = 'B',
	 .once = true,
	 .meaning = "which kernel runs; nothing here says which is new enough",
	 .hint = "compare it with what your distribution ships",
	 .collect = bh_claim_release},
	{.name = "bpf_programs",
	 .grade = 'B',
	 .meaning = "BPF programs that are not the agent's, and whether one goes around it",
	 .hint = "see `bpftool prog`: whose are they?",
	 .collect = bh_claim_foreign},
	{.name = "agent_executable",
	 .grade = 'B',
	 .once = true,
	 .path = "proc/self/exe",
	 .meaning = "the digest of the agent that runs; nothing here says which is right",
	 .hint = "compare it with sha256sum of the package's bulkheadd",
	 .collect = bh_claim_executable},
	{.name = "agent_programs",
	 .grade = 'B',
	 .meaning = "the digest of the tags of its programs in the kernel",
	 .hint = "compare it between hosts of the same version and kernel",
	 .collect = bh_claim_programs},
	{.name = "agent_hooks",
	 .grade = 'A',
	 .meaning = "every hook is attached and runs the program of this agent",
	 .hint = "see `bulkhead doctor`",
	 .collect = bh_claim_hooks},
	{.name = "agent_policy",
	 .grade = 'B',
	 .meaning = "the digest of the map that is enforced; nothing here says which is right",
	 .hint = "bulkhead apply FILE",
	 .collect = bh_claim_policy},
	{.name = "agent_debugger",
	 .grade = 'C',
	 .path = "proc/self/status",
	 .meaning = "nobody traces the agent or put code into it when it started",
	 .hint = "see who does: TracerPid in /proc/PID/status, or the unit's Environment=",
	 .collect = bh_claim_debugger},
	{.name = "ima",
	 .grade = 'C',
	 .meaning = "what is run is measured; without a TPM it proves nothing",
	 .hint = "boot with ima_policy=tcb",
	 .collect = bh_claim_ima},
	{.name = "mac_lsm",
	 .grade = 'B',
	 .meaning = "SELinux or AppArmor confines services",
	 .hint = "setenforce 1, or aa-enforce the profiles",
	 .collect = bh_claim_mac_lsm},
	{.name = "root_encrypted",
	 .grade = 'B',
	 .path = "proc/self/mountinfo",
	 .meaning = "what lies under / is encrypted: a lost disk can't be read",
	 .hint = "install onto dm-crypt; a cloud volume may be encrypted below the guest",
	 .collect = bh_claim_root_encrypted},
	{.name = "swap_encrypted",
	 .grade = 'C',
	 .path = "proc/swaps",
	 .meaning = "memory does not reach a disk in the clear",
	 .hint = "use swap on dm-crypt, zram, or none",
	 .collect = bh_claim_swap},
	{.name = "core_dumps",
	 .grade = 'C',
	 .path = "proc/sys/kernel/core_pattern",
	 .meaning = "a crash does not leave a process' memory in a plain file",
	 .hint = "let systemd-coredump take them, and set fs.suid_dumpable = 0",
	 .collect = bh_claim_core_dumps},
	SYSCTL("kernel.randomize_va_space", 'B', "kernel/randomize_va_space", 2, 2,
	       "addresses of a process are random", SET("kernel.randomize_va_space = 2")),
	SYSCTL("kernel.kptr_restrict", 'B', "kernel/kptr_restrict", 1, LONG_MAX,
	       "the kernel's addresses are hidden", SET("kernel.kptr_restrict = 1")),
	SYSCTL("kernel.unprivileged_bpf_disabled", 'B', "kernel/unprivileged_bpf_disabled", 1,
	       LONG_MAX, "only who may loads BPF programs",
	       SET("kernel.unprivileged_bpf_disabled = 1")),
	SYSCTL("kernel.yama.ptrace_scope", 'B', "kernel/yama/ptrace_scope", 1, LONG_MAX,
	       "a process can't look into its user's others", SET("kernel.yama.ptrace_scope = 1")),
	SYSCTL("kernel.kexec_load_disabled", 'B', "kernel/kexec_load_disabled", 1, 1,
	       "root can't start another kernel from this one",
	       SET("kernel.kexec_load_disabled = 1")),
	SYSCTL("net.core.bpf_jit_harden", 'B', "net/core/bpf_jit_harden", 1, LONG_MAX,
	       "constants in BPF programs are blinded", SET("net.core.bpf_jit_harden = 1")),
	SYSCTL("fs.protected_symlinks", 'B', "fs/protected_symlinks", 1, LONG_MAX,
	       "links of others in /tmp are not followed", SET("fs.protected_symlinks = 1")),
	SYSCTL("fs.protected_hardlinks", 'B', "fs/protected_hardlinks", 1, LONG_MAX,
	       "no hard links to files of others", SET("fs.protected_hardlinks = 1")),
	SYSCTL("kernel.dmesg_restrict", 'B', "kernel/dmesg_restrict", 1, LONG_MAX,
	       "the kernel's log is not everybody's", SET("kernel.dmesg_restrict = 1")),
	{.name = "auditd",
	 .grade = 'B',
	 .meaning = "the kernel's audit is on and a daemon takes its records",
	 .hint = "install and start auditd",
	 .collect = bh_claim_auditd},
	{.name = "time_sync",
	 .grade = 'B',
	 .meaning = "the clock is right, so that logs can be compared",
	 .hint = "start systemd-timesyncd or chrony",
	 .collect = bh_claim_time_sync},
	{.name = "reboot_required",
	 .grade = 'C',
	 .meaning = "no update waits for a reboot",
	 .hint = "reboot",
	 .collect = bh_claim_reboot_required},
	{.name = "listeners",
	 .grade = 'A',
	 .meaning = "who can be reached on every address; which of them are meant is not known",
	 .hint = "see `bulkhead get listeners`; bind services to the address they serve",
	 .collect = bh_claim_listeners},
	{.name = "runtime_socket",
	 .grade = 'B',
	 .meaning = "not everybody may command the container runtime, which is root",
	 .hint = "chmod o-w the socket",
	 .collect = bh_claim_runtime_socket},
};
const size_t bh_n_claims = ARRAY_SIZE(bh_claim_table);

/* --- a round ------------------------------------------------------------------------------------ */

struct bh_claims *bh_claims_new(const struct bh_claims_opts *opts)
{
	struct bh_claims *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->opts = *opts;
	if (!c->opts.calls)
		c->opts.calls = &bh_claims_calls_real;
	c->result = calloc(bh_n_claims, sizeof(*c->result));
	if (!c->result) {
		free(c);
		return NULL;
	}
	return c;
}

void bh_claims_free(struct bh_claims *c)
{
	if (!c)
		return;
	free(c->result);
	free(c);
}

void bh_claims_collect(struct bh_claims *c)
{
	for (size_t i = 0; i < bh_n_claims; i++) {
		const struct bh_claim *row = &bh_claim_table[i];
		struct bh_claim_result *r = &c->result[i];

		if (row->once && r->boot_ns && !r->error)
			continue;
		*r = (struct bh_claim_result){
			.boot_ns = c->opts.clock->boot_ns(),
			.wall_ms = c->opts.clock->wall_ms(),
		};
		row->collect(c, row, r);
	}
}

const struct bh_claim_result *bh_claims_result(const struct bh_claims *c, size_t i)
{
	return &c->result[i];
}

const char *bh_claim_state_name(enum bh_claim_state state)
{
	static const char *const names[] = {
		[BH_CLAIM_UNKNOWN] = "unknown",
		[BH_CLAIM_BAD] = "bad",
		[BH_CLAIM_GOOD] = "good",
	};

	return names[state];
}
