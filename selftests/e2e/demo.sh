#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The demo says nothing that is not so. Run by selftests/run.
if ! command -v redis-server > /dev/null || ! PATH=$PATH:/usr/sbin command -v nginx > /dev/null; then
	echo "needs nginx and redis: tools/deps.sh demo"
	exit 77
fi
exec "$(dirname "$0")/../../tools/demo.sh"
