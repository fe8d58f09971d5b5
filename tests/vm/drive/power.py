# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged outlives a reboot and cuts of the power: agents that ran run again, one that was stopped stays
stopped, and a definition whose apply had just been answered is there.
"""
import json

from bed import PLACE

CONFIG = """node: {name: n1}
data_dir: /var/lib/covey-power
run_dir: /run/covey-power
agents_dir: /etc/covey-power.d
cgroup: {parent: covey-power}
http: {bind: "127.0.0.1:7948"}
"""
UNIT = f"""[Unit]
Description=coveyd of the test of reboots
[Service]
Type=notify
ExecStart={PLACE}/build/coveyd -c /etc/covey-power.yaml
TimeoutStopSec=5
ExecStartPre=/bin/mkdir -p /etc/covey-power.d /var/lib/covey-power
[Install]
WantedBy=multi-user.target
"""
COVEY = f"{PLACE}/build/covey --socket /run/covey-power/covey.sock"
SLEEPER = 'name: {}\ncommand: [/bin/sleep, "100000"]\n'


def states(guest):
    """{replica: (state, pid)} as the daemon tells it."""
    document = json.loads(guest.check(f"{COVEY} status --json"))
    return {r["id"]: (r["state"], r["pid"]) for agent in document["agents"] for r in agent["replicas"]}


def apply(guest, name):
    guest.put(f"/root/{name}.yaml", SLEEPER.format(name))
    guest.check(f"{COVEY} apply --timeout 300s /root/{name}.yaml", 400)


def wait_running(guest, *names):
    for name in names:
        guest.until(f"{COVEY} status {name} --json | grep -q '\"state\": *\"running\"'", 600)


def run(bed):
    with bed.guest("drive-power") as guest:
        bed.started(guest)
        guest.put("/etc/covey-power.yaml", CONFIG)
        guest.put("/etc/systemd/system/covey-power.service", UNIT)
        guest.check("systemctl daemon-reload; systemctl enable --now covey-power; sync", 600)
        apply(guest, "stays")
        apply(guest, "rests")
        guest.check(f"{COVEY} stop rests", 400)

        # TimeoutStopSec above: shims outlive their daemon on purpose, and here nothing but the host's end ends them.
        guest.reboot()
        guest.settled()
        wait_running(guest, "stays")
        assert states(guest)["rests.0"][0] == "stopped", "a stopped agent has started with the host"

        applied = []
        for turn in range(3):
            name = f"cut{turn}"
            apply(guest, name)
            applied.append(name)
            guest.power_cut()
            guest.start()
            guest.settled()
            wait_running(guest, "stays", *applied)
            assert states(guest)["rests.0"][0] == "stopped", "a stopped agent has started after a cut of the power"
        guest.power_off()
    return "one reboot and three cuts of the power"
