# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged outlives a reboot, and cuts of the power in the middle of writing: twenty of them, or
COVEY_POWER_CUTS.

The store is on a disk that loses what was not flushed (disk.py); that it does is shown first. Then clients change
agents, several at once, and tell the host of each change that covey has acknowledged (suite/lib/power.sh). After a
random while the disk answers no more; some time later, in which nothing can become durable, and so nothing may be
acknowledged, the machine is gone. After the boot the store must open, and of each agent there must be what was last
acknowledged, or what was just being asked for; events that were shown before an acknowledged change was asked for must
be there, word for word, and no id may have come back with another. At last the very file of the store is checked whole.

COVEY_POWER_SEED repeats the moments and what the disk loses, as far as a machine repeats itself.
"""
import json
import os
import random
import shutil
import sqlite3
import time

from bed import PLACE

CONFIG = """node: {name: n1}
data_dir: /var/lib/covey-power/data
run_dir: /run/covey-power
agents_dir: /etc/covey-power.d
cgroup: {parent: covey-power}
http: {bind: "127.0.0.1:7948"}
"""
# The stop's bound: shims outlive their daemon on purpose, and here nothing but the host's end ends them.
UNIT = f"""[Unit]
Description=coveyd of the test of cuts of the power
RequiresMountsFor=/var/lib/covey-power
[Service]
Type=notify
ExecStart={PLACE}/build/coveyd -c /etc/covey-power.yaml
TimeoutStartSec=600
TimeoutStopSec=5
[Install]
WantedBy=multi-user.target
"""
DISK = "/dev/disk/by-id/virtio-covey-data"
DISK_BYTES = 128 << 20
STORE = "/var/lib/covey-power"
COVEY = f"{PLACE}/build/covey --socket /run/covey-power/covey.sock"
SCRIPT = f"COVEY_BUILD={PLACE}/build sh {PLACE}/tests/vm/suite/lib/power.sh"
SLEEPER = 'name: {}\ncommand: [/bin/sleep, "100000"]\n'
# What twenty boots do not need, and would take time of an emulated guest.
MASKED = ("systemd-logind systemd-user-sessions systemd-update-utmp-runlevel systemd-sysusers systemd-random-seed "
          "modprobe@configfs modprobe@dm_mod modprobe@drm modprobe@fuse modprobe@loop "
          "dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount")
TURNS = 6
ACKS = (4, 20)  # before a cut, which comes some time later, or with a write of the disk
LATER_S = 2.0
LATER_WRITES = 60
WITHOUT_DISK_S = (0, 0, 1, 3)  # from there until the machine is gone
BOUND_S = 900


def after(state, number):
    """What an agent is after the change of that number, see power.sh: None, not there, or (count, stopped)."""
    turn = number % TURNS
    if turn == 5:
        return None
    if turn in (2, 4):
        return (state[0], turn == 2)
    return (number, state[1] if state else False)


class Writer:
    """One that changes agents, and what it has said: acks of this boot alone count."""

    def __init__(self, guest, port, agents):
        self.guest, self.port, self.agents = guest, port, agents
        self.states = {agent: None for agent in agents}  # at the boot
        self.next = 0  # the change to begin with
        self.event = ""
        self.heard = 0  # lines of former boots

    def start(self):
        self.heard = len(self.guest.said(self.port))
        self.guest.check(f"export COVEY_BUILD={PLACE}/build; setsid sh {PLACE}/tests/vm/suite/lib/power.sh write "
                         f"{self.port} {self.next} {self.event} >/dev/null 2>&1 &")

    def said(self, word):
        lines = [line.split(" ", 1) for line in self.guest.said(self.port)[self.heard:]]
        return [line[1] for line in lines if line[0] == word and len(line) == 2]

    def acks(self):
        faults = self.said("fault")
        assert not faults, f"a change is refused: {' / '.join(faults)}"
        return len(self.said("ack"))

    def judge(self, found):
        """Is of each agent there what was last acknowledged, or what was asked for next? Takes what is found."""
        acks = [int(text) for text in self.said("ack")]
        assert acks == list(range(self.next, self.next + len(acks))), f"acks {acks}, from {self.next}"
        following = self.next + len(acks)
        for agent, state in self.states.items():
            for number in acks:
                state = after(state, number)
            allowed = [state, after(state, following)]
            assert found.get(agent) in allowed, (
                f"{agent} is {found.get(agent)}; acknowledged up to change {following - 1} it was {allowed[0]}, and "
                f"change {following} makes it {allowed[1]} (count, stopped)")
            self.states[agent] = found.get(agent)
        self.next = (following // TURNS + 1) * TURNS

    def judge_events(self, lines):
        """Are those there that were shown before a change that was acknowledged?"""
        shown = {json.loads(line)["id"]: line for line in self.said("saw")}
        there = {json.loads(line)["id"]: line for line in lines}
        numbers = [int(name.rsplit(":", 1)[1]) for name in there]
        assert numbers == sorted(set(numbers)), "events are not in order"
        for name, line in shown.items():
            assert there.get(name) == line, f"the event {line} was shown, and now is: {there.get(name)}"
        self.event = json.loads(lines[-1])["id"] if lines else self.event
        return len(shown)


class Machine:
    """The guest and its writers."""

    def __init__(self, guest, rng):
        self.guest, self.rng = guest, rng
        self.writers = [Writer(guest, 1, ["one"]), Writer(guest, 2, ["two"]),
                        Writer(guest, 3, ["red", "green", "blue", "grey"])]
        self.changes = self.events = self.cuts = 0

    def install(self):
        self.guest.put("/etc/covey-power.yaml", CONFIG)
        self.guest.put("/etc/systemd/system/covey-power.service", UNIT)
        self.guest.check(f"modprobe virtio_blk; udevadm settle; mkfs.ext4 -q -b 4096 {DISK}; "
                         f"mkdir -p {STORE} /etc/covey-power.d; echo '{DISK} {STORE} ext4 defaults 0 0' >>/etc/fstab; "
                         f"systemctl mask {MASKED}; systemctl daemon-reload; "
                         f"mount {STORE}; mkdir {STORE}/data; sync", 600)

    def control(self):
        """That the disk loses what it should: a write that the kernel has handed over, but not flushed."""
        self.guest.check(f"cd {STORE}; yes old | dd of=flushed bs=4096 count=4 iflag=fullblock conv=fsync; "
                         "cp flushed handed; sync; "
                         "yes new | dd of=flushed bs=4096 count=4 iflag=fullblock conv=notrunc,fsync; "
                         "yes new | dd of=handed bs=4096 count=4 iflag=fullblock oflag=direct conv=notrunc")
        self.guest.power_cut(share=0)
        self.guest.start()
        assert self.first_words() == "new old", f"flushed, handed over: {self.first_words()}"

    def first_words(self):
        return self.guest.check(f"mount {STORE} 2>/dev/null; cd {STORE}; echo $(head -n 1 flushed) $(head -n 1 handed)"
                                ).strip()

    def apply(self, name):
        self.guest.put(f"/root/{name}.yaml", SLEEPER.format(name))
        self.guest.check(f"{COVEY} apply --timeout 300s /root/{name}.yaml", 400)

    def up(self):
        """The daemon serves after a boot, on a file system that is whole."""
        result = self.guest.run("systemctl start covey-power", BOUND_S)
        if result.status != 0:
            raise AssertionError("coveyd does not start: " +
                                 self.guest.run("journalctl -b -u covey-power --no-pager -n 40").output)
        bad = self.guest.run("dmesg | grep -E 'EXT4-fs (error|warning)|I/O error'").output
        assert not bad, f"the disk of the test does what no disk does: {bad}"
        self.guest.until(f"{COVEY} status stays --json | grep -q '\"state\": *\"running\"'", BOUND_S)

    def look(self):
        """{agent: (count, stopped)} as the daemon has them."""
        *lines, status = self.guest.check(f"{SCRIPT} look", 300).splitlines()
        agents = {agent["name"]: agent for agent in json.loads(status)["agents"]}
        assert agents["rests"]["stopped"] and agents["rests"]["running"] == 0, "a stopped agent has started again"
        found, name = {}, None
        for line in lines:
            if line.split(":")[0].endswith(".yaml"):
                name = os.path.basename(line.split(":")[0])[:-len(".yaml")]
            elif line.startswith('-env: {COUNT: "'):
                found[name] = (int(line.split('"')[1]), agents[name]["stopped"])
        assert set(found) == set(agents) - {"stays", "rests"}, f"definitions {found}, agents {list(agents)}"
        for name, agent in agents.items():
            assert not agent["stopped"] or agent["running"] == 0, f"{name} is stopped, and runs"
        return found

    def cut(self):
        for writer in self.writers:
            writer.start()
        begun, acks = time.monotonic(), self.rng.randint(*ACKS)
        self.guest.wait(lambda: sum(writer.acks() for writer in self.writers) >= acks, BOUND_S, f"{acks} acks")
        if self.rng.random() < 0.2:
            time.sleep(self.rng.uniform(0, LATER_S))
            self.guest.data.cut()
        else:
            self.guest.data.cut_at_write(self.rng.randint(1, LATER_WRITES))
            self.guest.wait(lambda: self.guest.data.is_cut, BOUND_S, "the disk's writes")
        time.sleep(self.rng.choice(WITHOUT_DISK_S))
        text = self.guest.power_cut()
        counts = [writer.acks() for writer in self.writers]
        took, begun = time.monotonic() - begun, time.monotonic()
        self.guest.start()
        self.up()
        return f"after {took:.0f} s, acks {counts}: {text}; up after {time.monotonic() - begun:.0f} s"

    def judge(self):
        """After a cut; returns how many events were looked for."""
        found = self.look()
        for writer in self.writers:
            acks = writer.acks()
            self.changes += acks * len(writer.agents)
            writer.judge(found)
        second = self.writers[1]
        after_id = f"--after {second.event}" if second.event else ""
        lines = self.guest.check(f"{COVEY} events --json {after_id}", 300).splitlines()
        self.events += second.judge_events(lines)
        for name in ("one", "two"):
            if found.get(name) and not found[name][1]:
                self.guest.until(f"{SCRIPT} runs {name} {found[name][0]}", BOUND_S)
        self.cuts += 1

    def whole(self, into):
        """The file that lived through all of it, by SQLite's own full check."""
        self.guest.check("systemctl stop covey-power", 600)
        self.guest.fetch(f"{STORE}/data", into)
        store = sqlite3.connect(os.path.join(into, "covey.db"))
        said = store.execute("PRAGMA integrity_check").fetchall()
        store.close()
        shutil.rmtree(into)
        assert said == [("ok",)], f"the store is damaged: {said}"


def run(bed):
    cuts = int(os.environ.get("COVEY_POWER_CUTS", 20))
    seed = int(os.environ.get("COVEY_POWER_SEED", random.SystemRandom().randrange(1 << 32)))
    bed.say(f"{cuts} cuts, COVEY_POWER_SEED={seed}")
    with bed.guest("drive-power", data=(DISK_BYTES, seed)) as guest:
        machine = Machine(guest, random.Random(seed))
        bed.started(guest)
        machine.install()
        machine.control()
        guest.check("systemctl enable --now covey-power; sync", 600)
        machine.apply("stays")
        machine.apply("rests")
        guest.check(f"{COVEY} stop rests", 400)
        guest.reboot()
        machine.up()
        machine.look()
        try:
            for number in range(1, cuts + 1):
                bed.say(f"cut {number}, {machine.cut()}")
                machine.judge()
        except AssertionError as e:
            raise AssertionError(f"COVEY_POWER_SEED={seed}, cut {number}: {e}") from None
        machine.whole(os.path.join(guest.dir, "store"))
        guest.power_off()
    bed.say(f"one reboot and {machine.cuts} cuts of the power; {machine.changes} acknowledged changes and "
            f"{machine.events} events looked for, none missing")
