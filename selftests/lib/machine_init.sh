#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The first process of a machine (machine.sh): makes the root, then becomes systemd. Its
# namespaces are its own, except that the disk of the machine's holder is mounted.
set -eu
dir=$1
root=$dir/root

mount --make-rprivate /
mount -t overlay root -o "lowerdir=/,upperdir=$dir/disk/upper,workdir=$dir/disk/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sys "$root/sys"
mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
mount -t bpf -o mode=0700 bpf "$root/sys/fs/bpf"
mount -t tmpfs run "$root/run"
mount -t tmpfs tmp "$root/tmp"
mount -t tmpfs -o mode=755 dev "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 pts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for node in null zero full random urandom tty; do
	: > "$root/dev/$node"
	mount --bind "/dev/$node" "$root/dev/$node"
done

# Nothing that this machine's real services would do, and nothing that needs its hardware.
etc=$root/etc/systemd/system
if [ ! -e "$root/etc/machine-is-made" ]; then
	mkdir -p "$etc"
	for unit in systemd-udevd.service systemd-udev-trigger.service systemd-logind.service \
		systemd-networkd.service systemd-resolved.service systemd-modules-load.service \
		systemd-sysctl.service systemd-binfmt.service systemd-timesyncd.service \
		getty.target console-getty.service systemd-journald-audit.socket \
		sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount; do
		ln -sf /dev/null "$etc/$unit"
	done
	rm -f "$etc"/{multi-user,sysinit,timers,sockets,network-online}.target.wants/*
	: > "$root/etc/fstab"
	echo bulkhead-test > "$root/etc/hostname"
	tr -d - < /proc/sys/kernel/random/uuid > "$root/etc/machine-id"
	mkdir -p "$root/mnt"
	: > "$root/etc/machine-is-made"
fi

ip link set lo up
ip link add eth1 type veth peer name peer1
ip addr add 10.77.0.1/24 dev eth1
ip addr add fd77::1/64 dev eth1 nodad
ip link set eth1 up
ip link set peer1 up
ip route add default via 10.77.0.254

cd "$root"
pivot_root . mnt
umount -l /mnt
exec env -i container=bulkhead-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	/lib/systemd/systemd --system --unit=multi-user.target --show-status=0
