#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Real daemons on a network of namespaces, one case a file of tests/e2e/cases. 77 where the host cannot.
set -u
: "${TOP:?}" "${BUILD:?}"
command -v python3 >/dev/null || { echo "SKIP: python3 is not installed"; exit 77; }
exec python3 -B "$TOP/tests/e2e/bed/main.py" --build "$BUILD"
