#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Writes $BUILD/rpm/bulkhead.spec: `make rpm-spec` calls it. `git archive --prefix=bulkhead-VERSION/`
# makes the source that it names.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${BH_VERSION:?}"
BUILD=${BUILD:-build}
# shellcheck source=tools/packaging/packaging.sh
. tools/packaging/packaging.sh

changelog=$(tools/packaging/changelog.py rpm "$BH_VERSION" "$maintainer" "$SOURCE_DATE_EPOCH")
spec=$(< tools/packaging/bulkhead.spec.in)
spec=${spec/@VERSION@/"$BH_VERSION"}
printf '%s\n' "${spec/@CHANGELOG@/"$changelog"}" > "$BUILD/rpm/bulkhead.spec"
