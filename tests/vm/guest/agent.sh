#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The guest's end of the line: root's commands come in on a virtio port, what they print and their status go back. A
# line in is ID SECONDS SCRIPT, the script in base64; a line out is `hello BOOT-ID` once, at each boot, and then
# `done ID STATUS OUTPUT` for each line. There is one command at a time: who wants two writes `&`. Nothing but what a
# minimal Debian has is used, so that a package under test cannot live on what came for the test.
set -u
port=/dev/virtio-ports/covey
place=/run/covey-vm
output_max=8000000
mkdir -p "$place"

modprobe -a virtio_pci virtio_console
udevadm settle
exec 3<>"$port" || exit 1
printf '\nhello %s\n' "$(cat /proc/sys/kernel/random/boot_id)" >&3 # on a line of its own: a boot may cut an answer off

while read -r id seconds script <&3; do
	printf %s "$script" | base64 -d >"$place/script"
	timeout -k 10 "$seconds" sh "$place/script" </dev/null >"$place/out" 2>&1 3>&-
	status=$?
	{
		printf 'done %s %s ' "$id" "$status"
		tail -c "$output_max" "$place/out" | base64 -w0
		echo
	} >&3
done
