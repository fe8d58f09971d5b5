#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# dev/rough makes a host as bad as it says, and gives the command's status. 77 where python3, root or the freezer of
# cgroup v1 is not there.
set -u
: "${TOP:?}"
command -v python3 >/dev/null || { echo "SKIP: python3 is not installed"; exit 77; }
at=$(mktemp -d) || exit 1
trap 'rm -rf "$at"' EXIT

cat >"$at/late.py" <<'END'
"""late.py ASKED_MS: until something that takes no time took that long."""
import os
import sys
import time

asked_s, end = float(sys.argv[1]) / 1000, time.monotonic() + 30
with open(sys.argv[0] + ".written", "wb") as f:
    while time.monotonic() < end:
        began = time.monotonic()
        if len(sys.argv) > 2:
            os.fsync(f.fileno())
        if time.monotonic() - began > asked_s:
            sys.exit(3)
sys.exit("nothing was late")
END

red=0
late() { # OPTIONS OF late.py…, the first of them of dev/rough
	code=0
	"$TOP/dev/rough" $1 python3 -B "$at/late.py" $2 || code=$?
	[ $code -ne 77 ] || { echo "SKIP: needs root, and the freezer of cgroup v1"; exit 77; }
	[ $code -eq 3 ] || { echo "FAIL: $1: status $code, not that of the command: 3"; red=1; }
}
late "--still 500 --seed 2" 100
late "--skew 500 --seed 3" 100
late "--disk 500" "100 fsync"
late "--busy 200" 20
"$TOP/dev/rough" sh -c 'kill -9 $$' 2>/dev/null
[ $? -eq 137 ] || { echo "FAIL: a signal is not told as a shell does"; red=1; }
"$TOP/dev/rough" --still 500 2>/dev/null
[ $? -eq 2 ] || { echo "FAIL: it takes no command for one"; red=1; }
exit $red
