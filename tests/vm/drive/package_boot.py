# SPDX-License-Identifier: Apache-2.0
"""With the package and twenty agents, a singleton among them: at boot the unit is active and all agents run within 5 s
after the network is online, times the slowness of the guest, by the guest's own clock, whether it went down in order or
lost its power; and it is known what was defined, what had happened, and how each replica ended.
"""
import json
import statistics

BAR_S = 5
BOOTS = ("reboot", "cut", "reboot")
ONLINE = """[Unit]
Description=Somebody who waits for the network
Wants=network-online.target
After=network-online.target
[Service]
Type=oneshot
ExecStart=/bin/true
RemainAfterExit=yes
[Install]
WantedBy=multi-user.target
"""
ALONE = "1000017"
WITH_HOST = "stopped: with all agents of its host"
# Name, the rest of its definition, how many; and how each ends with its host: code, signal, what is said.
AGENTS = (
    ("crowd", 'command: [/bin/sleep, "1000000"]\nreplicas: 16\n', 16, (None, "TERM", WITH_HOST)),
    ("alone", f'command: [/bin/sleep, "{ALONE}"]\nkind: singleton\n', 1, (None, "TERM", WITH_HOST)),
    ("code", "command: [/usr/bin/perl, -e, '$$SIG{TERM} = sub { exit 7 }; sleep 1000000']\n", 1,
     (7, None, "exited with code 7")),
    ("good", "command: [/usr/bin/perl, -e, '$$SIG{QUIT} = sub { exit 0 }; sleep 1000000']\n"
     "stop: {signal: QUIT}\n", 1, (0, None, WITH_HOST)),
    ("deaf", "command: [/usr/bin/perl, -e, '$$SIG{TERM} = \"IGNORE\"; sleep 1000 while 1']\n"
     "stop: {timeout: 2s}\n", 1, (None, "KILL", "did not stop within 2s, killed")),
)
TOTAL = sum(n for _, _, n, _ in AGENTS)


def document(guest):
    return json.loads(guest.check("covey status --json"))


def definitions(guest):
    return {agent["name"]: (agent["version"], agent["desired"]) for agent in document(guest)["agents"]}


def replicas(guest):
    return {r["id"]: r for agent in document(guest)["agents"] for r in agent["replicas"]}


def events(guest):
    return [json.loads(line) for line in guest.check("covey events --json", 300).splitlines()]


def wait_all(guest):
    count = "covey status --json | tr ',{}' '\\n\\n\\n' | grep -c '\"pid\" *: *[1-9]'"
    guest.until(f'[ "$({count})" -ge {TOTAL} ]', 900)


def unit_s(guest, unit):
    at = int(guest.check(f"systemctl show -P ActiveEnterTimestampMonotonic {unit}"))
    assert at > 0, f"{unit} was not reached"
    return at / 1e6


def started_s(guest, pids):
    """When the last of them began, on the clock that counts from the boot."""
    files = " ".join(f"/proc/{pid}/stat" for pid in pids)
    ticks = guest.check(f"getconf CLK_TCK; sed 's/.*) //' {files} | cut -d' ' -f20").split()
    assert len(ticks) == len(pids) + 1, "an agent has gone meanwhile"
    return max(int(tick) for tick in ticks[1:]) / int(ticks[0])


def boot_took(guest, how):
    """How long after the network the unit was active, and the last agent ran."""
    wait_all(guest)
    online, unit = unit_s(guest, "network-online.target"), unit_s(guest, "coveyd")
    last = started_s(guest, [r["pid"] for r in replicas(guest).values() if r["pid"]])
    return {"how": how, "online": online, "unit": unit - online, "agents": last - online}


def check_kept(guest, was):
    """The definitions, and every event of before."""
    assert definitions(guest) == was["definitions"], f"{definitions(guest)} was {was['definitions']}"
    ids = {event["id"] for event in events(guest)}
    lost = [event for event in was["events"] if event["id"] not in ids]
    assert not lost, f"{len(lost)} events are gone, the first: {lost[0]}"
    assert guest.check(f"pgrep -c -x -f '/bin/sleep {ALONE}'").strip() == "1", "the singleton is not single"
    assert replicas(guest)["off.0"]["state"] == "stopped", "what was stopped came back with the boot"


def check_ends(guest, was, how):
    now = replicas(guest)
    for name, _, count, (code, sig, text) in AGENTS:
        if how == "cut":
            told = guest.check(f"covey explain {name}")
            assert "went down without notice" in told, f"covey explain {name}: {told}"
            continue
        for at in range(count):
            end = now[f"{name}.{at}"]["last_exit"]
            assert end and (end["reason"], end["code"], end["signal"]) == ("stopped", code, sig), f"{name}.{at}: {end}"
            assert text in end["text"], f"{name}.{at}: {end}"
            assert was["at"] <= end["at"] <= now[f"{name}.{at}"]["since"], f"{name}.{at} ended at {end['at']}?"
            told = guest.check(f"covey explain {name}") if at == 0 else text
            assert text in told, f"covey explain {name}: {told}"


def define(guest):
    for name, rest, _, _ in AGENTS:
        guest.put(f"/root/{name}.yaml", f"name: {name}\n{rest}")
    guest.put("/root/off.yaml", 'name: off\ncommand: [/bin/sleep, "1000000"]\n')
    files = " ".join(f"/root/{name}.yaml" for name in ["off", *(name for name, _, _, _ in AGENTS)])
    guest.check(f"covey apply --timeout 600s {files}; covey stop --timeout 300s off", 900)


def now_of(guest):
    return guest.check("date -u +%Y-%m-%dT%H:%M:%S.%3NZ").strip()


def again(guest, how):
    if how == "reboot":
        guest.reboot()
    else:
        guest.power_cut()
        guest.start()
    state = guest.settled()
    assert state == "running", f"after {how} the guest is {state}"


def run(bed):
    bed.needs_package()
    with bed.guest("drive-package-boot") as guest:
        bed.started(guest)
        bed.installed(guest)
        guest.put("/etc/systemd/system/test-online.service", ONLINE)
        guest.check("systemctl daemon-reload; systemctl enable test-online; sync")
        define(guest)
        wait_all(guest)
        took = []
        for how in BOOTS:
            was = {"definitions": definitions(guest), "events": events(guest), "at": now_of(guest)}
            again(guest, how)
            took.append(boot_took(guest, how))
            check_kept(guest, was)
            check_ends(guest, was, how)
            bed.measure(guest)  # what else the host does changes from boot to boot
            took[-1]["slow"] = max(1.0, bed.slowdown)
            bed.say("{how}: network online {online:.2f} s after the kernel, unit active {unit:+.2f} s, all agents "
                    "running {agents:+.2f} s after it; slowed down {slow:.1f} times".format(**took[-1]))
        for what in ("unit", "agents"):
            median = statistics.median(boot[what] / boot["slow"] for boot in took)
            bed.say(f"{what}: {median:+.2f} s after the network, the median of {len(took)} boots, each by its slowness")
            assert median <= BAR_S, f"{what}: {median:.2f} s after the network, and {BAR_S} s is the bar"
        guest.power_off()
