#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# No path of somebody's machine in the tree.
set -uo pipefail
# Spelled in pieces so that this file does not find itself.
if grep -rnIE --exclude-dir=.git --exclude-dir="$(basename "${BUILD:-build}")" --exclude-dir=build \
	"(^|[^A-Za-z0-9_.-])/(wo""rk|ho""me|ro""ot|Us""ers)/[A-Za-z]" .; then
	echo "paths of one machine"
	exit 1
fi
exit 0
