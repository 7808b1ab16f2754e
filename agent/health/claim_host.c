/* SPDX-License-Identifier: Apache-2.0 */
/* claim_host.c - what waits for a reboot, who listens, and who may command a container runtime. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "claims_internal.h"

/* A flag that is not there means something only where somebody would put it there. */
void bh_claim_reboot_required(struct bh_claims *c, const struct bh_claim *row,
			      struct bh_claim_result *ret)
{
	static const char *const tools[] = {
		"usr/share/update-notifier/notify-reboot-required",
		"etc/kernel/postinst.d/unattended-upgrades",
	};
	int r = bh_claim_exists(c, "run/reboot-required");

	bh_claim_source(ret, row->path ? row->path : "run/reboot-required");
	if (!bh_claim_got(ret, "run/reboot-required", r))
		return;
	if (r) {
		bh_claim_say(ret, BH_CLAIM_BAD, "yes");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++)
		if (bh_claim_exists(c, tools[i]) == 1) {
			bh_claim_say(ret, BH_CLAIM_GOOD, "no");
			return;
		}
	bh_claim_say(ret, BH_CLAIM_UNKNOWN, "nothing on this host would say so");
}

void bh_claim_listeners(struct bh_claims *c, _unused_ const struct bh_claim *row,
			struct bh_claim_result *ret)
{
	struct bh_claim_sockets s = {0};
	int r = c->opts.calls->sockets(&s);

	if (!bh_claim_got(ret, "NETLINK_SOCK_DIAG", r))
		return;
	/* which of them are meant is not written down anywhere */
	if (s.wildcard)
		bh_claim_say(ret, BH_CLAIM_UNKNOWN, "%zu on every address: %.120s", s.wildcard,
			     s.some);
	else
		bh_claim_say(ret, BH_CLAIM_GOOD, "none on every address");
}

/* Who may write to it is root on this host. */
void bh_claim_runtime_socket(struct bh_claims *c, _unused_ const struct bh_claim *row,
			     struct bh_claim_result *ret)
{
	static const char *const sockets[] = {
		"run/docker.sock",
		"run/containerd/containerd.sock",
		"run/crio/crio.sock",
		"run/podman/podman.sock",
	};
	char found[BH_CLAIM_TEXT] = "";

	bh_claim_source(ret, "/run");
	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
		_cleanup_close_ int fd = bh_claim_open(c, BH_FS_ANY, sockets[i], O_PATH);
		struct stat st;

		if (fd == -ENOENT || fd == -ENOTDIR)
			continue;
		if (fd < 0 || fstat(fd, &st) < 0) {
			bh_claim_fail(ret, sockets[i], fd < 0 ? fd : -errno);
			return;
		}
		bh_claim_add(found, sockets[i]);
		if (st.st_mode & S_IWOTH) {
			bh_claim_source(ret, sockets[i]);
			bh_claim_say(ret, BH_CLAIM_BAD, "mode %04o: everybody is root",
				     (unsigned int)st.st_mode & 07777);
			return;
		}
	}
	bh_claim_say(ret, BH_CLAIM_GOOD, "%.150s", found[0] ? found : "none");
}
