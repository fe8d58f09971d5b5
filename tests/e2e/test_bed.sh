#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Real daemons on a network of namespaces: the cases that are quick; dev/e2e runs all. 77 where the host cannot.
set -u
: "${TOP:?}" "${BUILD:?}"
command -v python3 >/dev/null || { echo "SKIP: python3 is not installed"; exit 77; }
exec python3 -B "$TOP/tests/e2e/bed/main.py" --build "$BUILD" alone join killed lost partition identity failover race
