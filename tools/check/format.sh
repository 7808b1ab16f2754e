#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The code is as clang-format writes it (`make format` does it).
set -uo pipefail
out=$(find agent bpf include tools selftests -name '*.[ch]' -print0 |
	xargs -0 -r clang-format --dry-run 2>&1 | grep -E 'warning:|error:')
[ -z "$out" ] || { echo "$out"; exit 1; }
