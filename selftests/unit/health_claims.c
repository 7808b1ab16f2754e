/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_claims.c - claims that rest on more than one file, on a call, or on what the agent says of
 * itself. Tests agent/health/.
 */
#include "../lib/claimrig.h"

/* --- the boot ---------------------------------------------------------------------------------- */

#define EFIVARS	    "sys/firmware/efi/efivars/"
#define GLOBAL	    "-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define SECURE_BOOT EFIVARS "SecureBoot" GLOBAL
#define SETUP_MODE  EFIVARS "SetupMode" GLOBAL

static void put_efi(const char *path, unsigned char value)
{
	const unsigned char v[5] = {6, 0, 0, 0, value};

	put_bytes(path, v, sizeof(v));
}

static void test_secure_boot(_unused_ void **state)
{
	/* no EFI; EFI without its variables */
	unread("secure_boot", ENOENT);
	put_efi(SECURE_BOOT, 1);
	unread("secure_boot", ENOENT); /* in setup mode? */
	put_efi(SETUP_MODE, 0);
	good("secure_boot", "on");
	unreadable("secure_boot", SECURE_BOOT);
	unreadable("secure_boot", SETUP_MODE);
	put_efi(SETUP_MODE, 1);
	bad("secure_boot", "setup mode");
	put_efi(SETUP_MODE, 0);
	put_efi(SECURE_BOOT, 0);
	bad("secure_boot", "off");
	put_efi(SECURE_BOOT, 2);
	bad("secure_boot", "off");
	put_bytes(SECURE_BOOT, "\6\0\0\0", 4);
	unread("secure_boot", EBADMSG);
	put_bytes(SECURE_BOOT, "\6\0\0\0\1\1", 6);
	unread("secure_boot", EBADMSG);
	take_away(SECURE_BOOT);
	bad("secure_boot", "off");
	rig.lying = true;
	unread("secure_boot", EXDEV);
	put_efi(SECURE_BOOT, 1);
	unread("secure_boot", EXDEV);
}

#define DISABLED "proc/sys/kernel/modules_disabled"
#define ENFORCE	 "sys/module/module/parameters/sig_enforce"
#define LOCKDOWN "sys/kernel/security/lockdown"

static void test_module_loading(_unused_ void **state)
{
	unread("module_loading", ENOENT); /* no procfs */
	put("proc/stat", "");
	unread("module_loading", ENOENT); /* something lies over /proc/sys/kernel */
	put("proc/sys/kernel/tainted", "0\n");
	good("module_loading", "takes none");
	/* an empty directory over /proc/sys/kernel is not "takes none" */
	rig.lying = true;
	unread("module_loading", EXDEV);
	rig.lying = false;
	put("proc/modules", "");
	unread("module_loading", ENOENT);
	put(DISABLED, "1\n");
	good("module_loading", "closed");
	put(DISABLED, "0\n");
	bad("module_loading", "any");
	put(ENFORCE, "N\n");
	bad("module_loading", "any");
	put(ENFORCE, "Y\n");
	good("module_loading", "signed");
	unreadable("module_loading", ENFORCE);
	put(ENFORCE, "N\n");
	put(LOCKDOWN, "[none] integrity confidentiality\n");
	bad("module_loading", "any");
	unreadable("module_loading", LOCKDOWN);
	put(LOCKDOWN, "none [integrity] confidentiality\n");
	good("module_loading", "lockdown");
	put(LOCKDOWN, "garbage\n");
	unread("module_loading", EBADMSG);
	put(LOCKDOWN, "[none]\n");
	put(DISABLED, "maybe\n");
	unread("module_loading", EBADMSG);
}

#define IMA_COUNT  "sys/kernel/security/ima/runtime_measurements_count"
#define IMA_POLICY "sys/kernel/security/ima/policy"
#define IMA_TCB                                                                                    \
	"measure func=MMAP_CHECK mask=MAY_EXEC\nmeasure func=BPRM_CHECK mask=MAY_EXEC\n"           \
	"measure func=MODULE_CHECK\n"

static void test_ima(_unused_ void **state)
{
	unread("ima", ENOENT);
	put(IMA_COUNT, "1\n");
	bad("ima", "nothing is measured");
	put(IMA_COUNT, "712\n");
	rig_expect(__FILE__, __LINE__, "ima", BH_CLAIM_UNKNOWN, ENOENT, "712 measurements");
	put(IMA_POLICY, IMA_TCB);
	good("ima", "712 measurements");
	unreadable("ima", IMA_POLICY);
	put(IMA_POLICY, "measure func=BPRM_CHECK\nmeasure func=MODULE_CHECK\n");
	bad("ima", "no MMAP_CHECK");
	put(IMA_POLICY, "measure func=MMAP_CHECK\nmeasure func=BPRM_CHECK\n");
	bad("ima", "no MODULE_CHECK");
	put(IMA_POLICY, "");
	bad("ima", "no BPRM_CHECK");
	put(IMA_COUNT, "many\n");
	unread("ima", EBADMSG);
	put(IMA_COUNT, "712\n");
	put(IMA_POLICY, IMA_TCB);
	rig.lying = true;
	unread("ima", EXDEV);
}

#define LSM	 "sys/kernel/security/lsm"
#define SELINUX	 "sys/fs/selinux/enforce"
#define PROFILES "sys/kernel/security/apparmor/profiles"
#define APPARMOR "sys/module/apparmor/parameters/enabled"

static void test_mac_lsm(_unused_ void **state)
{
	unread("mac_lsm", ENOENT);
	put(LSM, "lockdown,capability,landlock,yama\n");
	bad("mac_lsm", "capability");
	put(LSM, "capability,smack\n");
	unknown("mac_lsm", "smack");
	put(LSM, "capability,notselinux,selinuxish\n");
	bad("mac_lsm", "");
	put(LSM, "garbage\n");
	unknown("mac_lsm", "garbage");

	put(LSM, "lockdown,capability,selinux,bpf\n");
	unread("mac_lsm", ENOENT);
	put(SELINUX, "1");
	good("mac_lsm", "enforcing");
	unreadable("mac_lsm", SELINUX);
	put(SELINUX, "0");
	bad("mac_lsm", "permissive");
	put(SELINUX, "x");
	unread("mac_lsm", EBADMSG);

	put(LSM, "lockdown,capability,apparmor\n");
	unread("mac_lsm", ENOENT);
	put(APPARMOR, "Y\n");
	unread("mac_lsm", ENOENT);
	put(PROFILES, "/usr/sbin/ntpd (enforce)\nman (complain)\nnginx (enforce)\n");
	good("mac_lsm", "2 profiles");
	unreadable("mac_lsm", PROFILES);
	put(APPARMOR, "N\n");
	bad("mac_lsm", "off");
	put(APPARMOR, "Y\n");
	put(PROFILES, "man (complain)\n");
	bad("mac_lsm", "0 profiles");
	rig.lying = true;
	unread("mac_lsm", EXDEV);
}

/* --- calls --------------------------------------------------------------------------------------- */

static void test_calls(_unused_ void **state)
{
	rig.uname =
		(struct utsname){.release = "6.1.0-40-amd64", .version = "#1 SMP Debian 6.1.153-1"};
	unknown("kernel_release", "6.1.0-40-amd64 #1 SMP Debian 6.1.153-1");

	rig.timex = (struct timex){.status = 0, .maxerror = 20000};
	good("time_sync", "20000 us");
	rig.timex.maxerror = 1000000;
	bad("time_sync", "1000000 us");
	rig.timex = (struct timex){.status = STA_UNSYNC, .maxerror = 0};
	bad("time_sync", "not synchronised");

	rig.audit = (struct bh_claim_audit){.enabled = 1, .pid = 700};
	good("auditd", "on, a daemon");
	rig.audit.enabled = 2;
	good("auditd", "locked");
	rig.audit.pid = 0;
	bad("auditd", "no daemon");
	rig.audit = (struct bh_claim_audit){.pid = 700};
	bad("auditd", "off");

	good("listeners", "none");
	rig.sockets = (struct bh_claim_sockets){.wildcard = 2, .some = "tcp/22 udp/68"};
	unknown("listeners", "2 on every address: tcp/22 udp/68");

	rig.error = -EPROTONOSUPPORT;
	unread("kernel_release", EPROTONOSUPPORT);
	unread("time_sync", EPROTONOSUPPORT);
	unread("auditd", EPROTONOSUPPORT);
	unread("listeners", EPROTONOSUPPORT);
}

static void test_the_real_calls(_unused_ void **state)
{
	const struct bh_claims_calls *real = &bh_claims_calls_real;
	struct bh_claim_sockets before = {0}, after = {0};
	struct bh_claim_audit audit = {0};
	struct utsname u;
	int r;

	assert_int_equal(real->uname(&u), 0);
	assert_true(u.release[0] != '\0');
	assert_int_equal(real->sockets(&before), 0);
	assert_int_equal(real->sockets(&after), 0);
	assert_true(real->dumpable() >= 0);
	/* by what the kernel has, and whose namespace it is; never a wait */
	r = real->audit(&audit);
	assert_true(r == 0 || r == -EPERM || r == -EPROTONOSUPPORT || r == -ECONNREFUSED);
}

/* --- the agent of itself ---------------------------------------------------------------------------- */

static void test_the_agent(_unused_ void **state)
{
	memset(rig.digest, 'a', BH_CLAIM_DIGEST - 1);
	rig.programs = 29;
	unknown("agent_executable", "sha256:aaaa");
	unknown("agent_policy", "sha256:aaaa");
	unknown("agent_programs", "29 programs, tags sha256:aaaa");

	bad("agent_hooks", "0 of 0");
	rig.hooks = (struct bh_claim_hooks){.n = 15, .attached = 15};
	good("agent_hooks", "15 of 15");
	rig.hooks = (struct bh_claim_hooks){15, 14, "cgroup/connect4: replaced"};
	bad("agent_hooks", "14 of 15 attached; cgroup/connect4: replaced");

	rig.foreign = (struct bh_claim_foreign){.own = 29};
	good("bpf_programs", "29, all ours");
	rig.foreign = (struct bh_claim_foreign){29, 2, "kprobe/x xdp/y", ""};
	unknown("bpf_programs", "2 others: kprobe/x xdp/y");
	rig.foreign = (struct bh_claim_foreign){29, 1, "sk_msg/z", "sk_msg/z"};
	bad("bpf_programs", "sk_msg/z goes around");

	rig.error = -ENODATA;
	bad("agent_policy", "no map");
	rig.error = -EPERM;
	unread("agent_executable", EPERM);
	unread("agent_policy", EPERM);
	unread("agent_programs", EPERM);
	unread("agent_hooks", EPERM);
	unread("bpf_programs", EPERM);
}

#define STATUS	"proc/self/status"
#define ENVIRON "proc/self/environ"

static void put_environ(const char *text)
{
	put_bytes(ENVIRON, text, strlen(text) + 1);
}

static void test_debugger(_unused_ void **state)
{
	unread("agent_debugger", ENOENT);
	put(STATUS, "Name:\tbulkheadd\nTracerPid:\t0\nUid:\t0\n");
	unread("agent_debugger", ENOENT);
	put_bytes(ENVIRON, "PATH=/bin\0LANG=C", 17);
	good("agent_debugger", "not traced");
	rig.dumpable = 1;
	good("agent_debugger", "dumpable");
	unreadable("agent_debugger", ENVIRON);
	unreadable("agent_debugger", STATUS);
	put_bytes(ENVIRON, "PATH=/bin\0LD_PRELOAD=/tmp/x.so", 31);
	bad("agent_debugger", "LD_PRELOAD");
	put_environ("LD_AUDIT=x");
	bad("agent_debugger", "LD_AUDIT");
	put_environ("NOT_LD_PRELOAD=x");
	good("agent_debugger", "");
	put_bytes(ENVIRON, "LD_PRELOAD", 10);
	good("agent_debugger", "");
	put_bytes(ENVIRON, "", 0);
	good("agent_debugger", "");
	put(STATUS, "Name:\tx\nTracerPid:\t4711\nUid:\t0\n");
	bad("agent_debugger", "traced by pid 4711");
	put(STATUS, "Name:\tTracerPid:\t0\nUid:\t0\n");
	unread("agent_debugger", EBADMSG);
	put(STATUS, "Name:\tx\nTracerPid:\t\n");
	unread("agent_debugger", EBADMSG);
	put(STATUS, "Name:\tx\nTracerPid:\t0");
	unread("agent_debugger", EBADMSG);
	rig.lying = true;
	unread("agent_debugger", EXDEV);
}

/* --- the host ---------------------------------------------------------------------------------------- */

static void test_reboot_required(_unused_ void **state)
{
	unknown("reboot_required", "nothing on this host would say so");
	put("etc/kernel/postinst.d/unattended-upgrades", "#!/bin/sh\n");
	good("reboot_required", "no");
	put("run/reboot-required", "*** System restart required ***\n");
	bad("reboot_required", "yes");
}

static void test_runtime_socket(_unused_ void **state)
{
	good("runtime_socket", "none");
	put("run/docker.sock", "");
	assert_int_equal(chmod(rig_path("run/docker.sock"), 0660), 0);
	good("runtime_socket", "docker.sock");
	assert_int_equal(chmod(rig_path("run/docker.sock"), 0666), 0);
	bad("runtime_socket", "mode 0666");
	take_away("run/docker.sock");
	put("run/podman/podman.sock", "");
	unreadable("runtime_socket", "run/podman");
	assert_int_equal(chmod(rig_path("run/podman"), 0755), 0);
	assert_int_equal(chmod(rig_path("run/podman/podman.sock"), 0602), 0);
	bad("runtime_socket", "mode 0602");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CLAIM_TEST(test_secure_boot),
		CLAIM_TEST(test_module_loading),
		CLAIM_TEST(test_ima),
		CLAIM_TEST(test_mac_lsm),
		CLAIM_TEST(test_calls),
		CLAIM_TEST(test_the_real_calls),
		CLAIM_TEST(test_the_agent),
		CLAIM_TEST(test_debugger),
		CLAIM_TEST(test_reboot_required),
		CLAIM_TEST(test_runtime_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
