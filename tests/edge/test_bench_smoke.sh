#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The benchmarks' harness works: its arithmetic and its checks of logs can fail, and the floor and each installed peer
# start, replace and stop five agents, after which nothing of theirs is left. 77 where a peer, python3 or root is not
# there.
set -u
: "${TOP:?}" "${BUILD:?}"
command -v python3 >/dev/null || { echo "SKIP: python3 is not installed"; exit 77; }
python3 -B "$TOP/tests/edge/bench_figures.py" || exit 1
[ "$(id -u)" -eq 0 ] || { echo "SKIP: needs root to make cgroups"; exit 77; }
exec python3 -B "$TOP/bench/main.py" --build "$BUILD" --smoke
