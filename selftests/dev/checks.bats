#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Each check of tools/check/ finds what it is there for: a small tree that is fine passes, the
# same tree with one fault does not.

setup() {
	TOP=$PWD
	cd "$BATS_TEST_TMPDIR" || exit 1
	mkdir -p agent/base agent/policy agent/kern bpf include tools/bulkhead selftests docs
	cp "$TOP/.clang-format" .
	put bpf/maps.h '#include <linux/bpf.h>'
	put bpf/policy.h '#include "maps.h"'
	put include/bh_abi.h '#include <linux/types.h>'
	put agent/base/diag.h '#include <stdio.h>'
	put agent/policy/model.h '#include "../base/diag.h"' '#include "../../include/bh_abi.h"'
	put agent/policy/parse.c '#include "model.h"' '#include <libfyaml.h>'
}

put() { # file lines...
	local file=$1 spdx='Apache-2.0'
	shift
	case $file in bpf/* | include/*) spdx='GPL-2.0-only OR BSD-2-Clause' ;; esac
	{
		echo "/* SPDX-License-Identifier: $spdx */"
		printf '%s\n' "$@"
	} > "$file"
}

check() {
	run bash "$TOP/tools/check/$1.sh"
	echo "$output"
}

fails_with() {
	[ "$status" = 1 ]
	[[ $output == *"$1"* ]]
}

@test "layers: a good tree passes" {
	check layers
	[ "$status" = 0 ]
}

@test "layers: a room that reaches into another" {
	put agent/kern/kern.h
	put agent/policy/bad.c '#include "../kern/kern.h"'
	check layers
	fails_with "agent/policy/bad.c:2: agent/policy may not include agent/kern/kern.h"
}

@test "layers: a library in the wrong room" {
	put agent/policy/bad.c '#include <stdio.h>' '#include <bpf/libbpf.h>'
	check layers
	fails_with "agent/policy/bad.c:3: agent/policy may not include <bpf/libbpf.h>"
}

@test "layers: libc in the kernel contract" {
	put include/bad.h '#include <stdint.h>'
	check layers
	fails_with "include may not include <stdint.h>"
}

@test "layers: a bpf header that looks to its right" {
	put bpf/maps.h '#include "policy.h"'
	check layers
	fails_with "bpf/maps.h:2: may not include policy.h"
}

@test "layers: a clock in the policy room" {
	put agent/policy/bad.c 'static int f(void) { return clock_gettime(0, 0); }'
	check layers
	fails_with "asks the kernel for time"
}

@test "layers: an empty tree is no success" {
	rm -r agent bpf include tools
	check layers
	fails_with "no sources found"
}

@test "spdx: the wrong licence for its place, and none" {
	check spdx
	[ "$status" = 0 ]
	echo '/* SPDX-License-Identifier: Apache-2.0 */' > bpf/bad.h
	check spdx
	fails_with "./bpf/bad.h"
	put bpf/bad.h
	echo 'int x;' > agent/bad.c
	check spdx
	fails_with "./agent/bad.c"
}

@test "format: a badly indented line" {
	check format
	[ "$status" = 0 ]
	put agent/base/bad.c 'int x(void)' '{' '    return 0;' '}'
	check format
	fails_with "agent/base/bad.c"
}

@test "sizes: a long file and a long function" {
	check sizes
	[ "$status" = 0 ]
	put agent/base/bad.c $(printf 'int_x; %.0s' $(seq 601))
	check sizes
	fails_with "agent/base/bad.c: 602 lines"
	{ echo 'int f(void)'; echo '{'; for _ in $(seq 101); do echo '	;'; done; echo '}'; } > agent/base/bad.c
	check sizes
	fails_with "101 lines, at most 100"
}

@test "paths: somebody's machine" {
	check paths
	[ "$status" = 0 ]
	put agent/base/bad.c "/* see /ho""me/ann/notes */"
	check paths
	fails_with "agent/base/bad.c"
}

@test "reasons: a page that is behind the header" {
	cp "$TOP/include/bh_reason.h" include/
	bash "$TOP/tools/check/reasons.sh" --write
	check reasons
	[ "$status" = 0 ]
	sed -i '/^| 1 /d' docs/reasons.md
	check reasons
	fails_with "--write"
}

@test "docs: command lines that do not exist" {
	[ -x "$BUILD/bulkhead" ] && [ -x "$BUILD/bulkheadd" ] || skip "no programs in this build"
	mkdir -p docs
	printf '%s\n' 'Say `bulkhead get nothing`, or `bulkhead status`.' '' '    bulkhead aply x.yaml' \
		'    sudo bulkhead apply --sure x.yaml    # and why' '    bulkheadd rescue drop' \
		'    bulkhead mode on' '    bulkhead revoke' '    bulkhead -o json get rules | jq .' > docs/x.md
	check docs
	fails_with "docs/x.md:1: bulkhead get nothing: nothing to get is called nothing"
	[[ $output == *"docs/x.md:3: bulkhead aply x.yaml: no command aply"* ]]
	[[ $output == *"docs/x.md:4: bulkhead apply --sure x.yaml: no option --sure"* ]]
	[[ $output == *"docs/x.md:5: bulkheadd rescue drop: no such action"* ]]
	[[ $output == *"docs/x.md:6: bulkhead mode on: on is none of observe|enforce"* ]]
	[[ $output == *"docs/x.md:7: bulkhead revoke: takes ID"* ]]
	[ "${#lines[@]}" = 6 ]
	printf '%s\n' '    bulkhead apply --yes --confirm 5m x.yaml' > docs/x.md
	check docs
	[ "$status" = 0 ]
}

@test "names: a map that bpftool would cut" {
	mkdir b
	echo 'int bh_a_name_that_is_long __attribute__((section(".maps"), used)) = 1;
	__attribute__((section("xdp"), used)) int bh_ok(void) { return 0; }
	__attribute__((section("xdp"), used)) int other(void) { return 0; }' > x.c
	clang -target bpf -O2 -c x.c -o b/bulkhead.bpf.o
	BUILD=b check names
	fails_with "bh_a_name_that_is_long: 22 characters"
	[[ $output == *"other: programs and maps are called bh_*"* ]]
	[[ $output == *"3 names"* ]]
}
