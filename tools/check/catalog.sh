#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each MESSAGE_ID of agent/base/message_ids.h has a text in tools/systemd/bulkhead.catalog, and the
# other way round; none is there twice.
set -uo pipefail
ids=$(grep -oE '"[0-9a-f]{32}"' agent/base/message_ids.h | tr -d '"' | sort)
texts=$(sed -nE 's/^-- ([0-9a-f]{32})$/\1/p' tools/systemd/bulkhead.catalog | sort)
[ -n "$ids" ] || { echo "agent/base/message_ids.h: no ids found"; exit 1; }
[ "$ids" = "$(uniq <<< "$ids")" ] || { echo "agent/base/message_ids.h: one is there twice"; exit 1; }
diff <(echo "$ids") <(echo "$texts") || { echo "agent/base/message_ids.h and the catalog differ"; exit 1; }
