# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Debian's kernels in qemu, for selftests/vm/*.sh. TCG, because a machine that tests in a virtual
# machine of its own seldom has KVM to give. The root file system is an initramfs made here, so
# nothing is installed, no disk is needed, and what a guest breaks is gone with it.
#
#	vm_need                        packages are there, or the test ends: skipped or failed
#	vm_kernel 6.1                  downloads once, prints the directory of the unpacked kernel
#	vm_image_begin DIR KERNEL MODULES...
#	vm_add FILE [PLACE], vm_add_tree PATH..., vm_add_tool NAME..., vm_add_python MODULE...
#	vm_image_end DIR               packs it
#	vm_boot DIR KERNEL CPUS MEMORY_MB SECONDS [KERNEL ARGUMENTS...]
#	vm_machine DIR KERNEL CPUS MEMORY_MB [KERNEL ARGUMENTS...]      only says how: VM_QEMU
#
# The guest runs selftests/vm/guest/init. It speaks by two serial lines: the console is
# DIR/console, what it hands back (a row of tar archives) is unpacked in DIR/out.

VM_CACHE=${BH_VM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var}/.cache}/bulkhead-vm}

vm_fail() { # text
	echo "not ok 1 - $1"
	echo "# BH_NO_VM=1 leaves the virtual machines out"
	echo "1..1"
	exit 1
}

vm_need() {
	if [ "${BH_NO_VM:-}" = 1 ]; then
		echo "BH_NO_VM=1: no virtual machines on this machine"
		exit 77
	fi
	[ "$(uname -m)" = x86_64 ] || vm_fail "the guests' kernels are for x86_64, this is $(uname -m)"
	tools/deps.sh vm 1>&2 || vm_fail "the packages for virtual machines can't be installed"
	command -v qemu-system-x86_64 > /dev/null || vm_fail "no qemu-system-x86_64"
	mkdir -p "$VM_CACHE" || vm_fail "no directory for kernels: $VM_CACHE"
}

# --- kernels -------------------------------------------------------------------------------------

# The package that the meta package of a series stands for today.
vm_resolve() { # series
	local meta
	for meta in "linux-image-$1-cloud-amd64" linux-image-cloud-amd64; do
		apt-cache depends "$meta" 2> /dev/null |
			awk -v series="linux-image-$1." '/Depends:/ && index($2, series) == 1 { print $2; exit }'
	done | head -n 1
}

# Whole or not at all: two tests may want the same one at the same time.
vm_unpack() { # package directory
	local tmp
	tmp=$(mktemp -d "$VM_CACHE/new.XXXXXX") || return 1
	# apt may drop its rights, and then must be able to write here
	chmod 755 "$tmp"
	if (cd "$tmp" && apt-get -q -o APT::Sandbox::User=root download "$1" &&
		dpkg-deb -x "$1"_*.deb root && depmod -b root "$(ls root/lib/modules)") > "$tmp/log" 2>&1; then
		mv -T "$tmp/root" "$2" 2> /dev/null
	else
		tail -n 3 "$tmp/log" >&2
	fi
	rm -rf "$tmp"
	[ -d "$2" ]
}

# Without a network, what was downloaded once will do.
vm_kernel() { # series
	local package dir
	package=$(vm_resolve "$1")
	if [ -z "$package" ] || { [ ! -d "$VM_CACHE/$package" ] && ! vm_unpack "$package" "$VM_CACHE/$package"; }; then
		# The lists may be old, or not there at all.
		apt-get update -q 1>&2
		package=$(vm_resolve "$1")
		[ -z "$package" ] || [ -d "$VM_CACHE/$package" ] ||
			vm_unpack "$package" "$VM_CACHE/$package"
	fi
	dir=$VM_CACHE/$package
	[ -n "$package" ] && [ -d "$dir" ] ||
		dir=$(find "$VM_CACHE" -maxdepth 1 -name "linux-image-$1.*" | sort -V | tail -n 1)
	echo "$dir"
	[ -n "$dir" ]
}

vm_release() { # kernel directory
	ls "$1/lib/modules"
}

# --- the root file system ----------------------------------------------------------------------------

# With the libraries it wants, and without debug information: it lies in the guest's memory.
vm_add() { # file [place]
	local from=$1 to=$VM_ROOT/${2:-w/$1} lib
	mkdir -p "${to%/*}"
	if [ "$(head -c 4 "$from" | tr -d '\0')" != $'\x7fELF' ]; then
		cp -L "$from" "$to"
		return
	fi
	strip -o "$to" "$(realpath "$from")" 2> /dev/null || cp -L "$from" "$to"
	while read -r lib; do
		[ -e "$VM_ROOT$lib" ] && continue
		mkdir -p "$VM_ROOT${lib%/*}"
		cp -L "$lib" "$VM_ROOT$lib"
	done < <(ldd "$from" 2> /dev/null | grep -o '/[^ )]*')
}

vm_add_tool() { # name...
	local name path
	for name in "$@"; do
		path=$(PATH=$PATH:/usr/sbin:/sbin command -v "$name") || continue
		vm_add "$path" "sbin/$name"
	done
}

# Only the modules that these import: the whole library is 30 MB.
vm_add_python() { # module...
	local file
	vm_add_tool python3
	while read -r file; do
		vm_add "$file" "${file#/}"
	done < <(python3 -S -c 'import importlib, os, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
for m in list(sys.modules.values()):
    for f in (getattr(m, "__file__", None), getattr(m, "__cached__", None)):
        if f and os.path.exists(f):
            print(f)' "$@" site encodings.utf_8 encodings.ascii encodings.latin_1 encodings.idna)
}

vm_add_module() { # kernel name...
	local kernel=$1 file to name
	shift
	for name in "$@"; do
		while read -r file; do
			to=$(basename "${file%.xz}")
			[ -e "$VM_ROOT/lib/modules/$to" ] && continue
			case $file in
			*.xz) xz -dc "$file" ;;
			*) cat "$file" ;;
			esac > "$VM_ROOT/lib/modules/$to"
			echo "$to" >> "$VM_ROOT/modules"
		done < <(modprobe -d "$kernel" -S "$(vm_release "$kernel")" --show-depends "$name" |
			awk '$1 == "insmod" { print $2 }')
	done
}

vm_image_begin() { # directory kernel module...
	local applet kernel=$2
	VM_ROOT=$1/root
	mkdir -p "$VM_ROOT"/{bin,sbin,dev,proc,sys,tmp,run,w,lib/modules,etc}
	cp "$(command -v busybox)" "$VM_ROOT/bin/busybox"
	for applet in $(busybox --list | grep -vx busybox); do
		ln -s busybox "$VM_ROOT/bin/$applet"
	done
	# busybox' own shell prefers its applets to $PATH: ip and others must be the real ones
	rm "$VM_ROOT/bin/sh"
	vm_add "$(command -v bash)" bin/bash
	ln -s bash "$VM_ROOT/bin/sh"
	printf '%s:x:%s::/:/bin/sh\n' root 0:0 nobody 65534:65534 > "$VM_ROOT/etc/passwd"
	printf '%s:x:%s:\n' root 0 nogroup 65534 > "$VM_ROOT/etc/group"
	vm_add selftests/vm/guest/init init
	: > "$VM_ROOT/modules"
	shift 2
	vm_add_module "$kernel" "$@"
}

# Not compressed: unpacking costs the guest more than qemu's copying.
vm_image_end() { # directory
	(cd "$1/root" && find . | cpio -o -H newc --quiet) > "$1/initrd" || return 1
	rm -rf "$1/root"
}

# --- a run ---------------------------------------------------------------------------------------

# One thread for all of a guest's CPUs: before QEMU 8.1 (Debian 12 has 7.2) a page is not locked while
# it is translated, so another CPU may go on running the int3 that text_poke_bp() already took away
# (QEMU, "accel/tcg: Always lock pages before translation"); the guest then panics in any function
# with a static key. As two guests run side by side, the host's cores are busy all the same.
vm_machine() { # directory kernel cpus memory_mb [kernel arguments...]
	local dir=$1 kernel=$2 cpus=$3 memory=$4
	shift 4
	VM_QEMU=(qemu-system-x86_64 -accel "tcg,thread=single" -cpu max -smp "$cpus" -m "$memory"
		-nodefaults -no-reboot -display none -serial "file:$dir/console"
		-serial "file:$dir/out.tar" -kernel "$kernel/boot/vmlinuz-$(vm_release "$kernel")"
		-initrd "$dir/initrd"
		-append "console=ttyS0 quiet loglevel=4 panic=-1 tsc=unstable $*")
}

vm_boot() { # directory kernel cpus memory_mb seconds [kernel arguments...]
	local dir=$1 limit=$5 status
	vm_machine "${@:1:4}" "${@:6}"
	timeout -k 5 "$limit" "${VM_QEMU[@]}" > "$dir/qemu" 2>&1 < /dev/null
	status=$?
	mkdir -p "$dir/out"
	tar -x --ignore-zeros -C "$dir/out" -f "$dir/out.tar" 2> /dev/null
	return $status
}
