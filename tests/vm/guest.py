# SPDX-License-Identifier: Apache-2.0
"""A virtual machine that a test drives from outside: boot, run a command, files in and out, reboot, a cut of the power.

Each guest has a disk of its own, an overlay over the image that image.sh made, which lives through reboots and power
cuts and goes with the guest. Files go in as a tar on a second drive, and come out as one on a third: that needs no
network and no file system of the host's. A cut of the power is SIGKILL for qemu: what the guest's kernel had not handed
to its disk is lost; what it had handed over is kept, flushed or not, since the host lives on. A guest may be given a
second disk, /dev/disk/by-id/virtio-covey-data, which loses that too (disk.py).

What the guest writes to /dev/ttyS1, 2 or 3 is in a file of the host's at once, and outlives a cut: said(). A close of
the port waits until it is out, if no other process has it open.

Without KVM all of this is slow, so each wait has a bound of minutes and ends early when the guest's kernel panics or
qemu ends; the fault then shows the end of the console.
"""
import os
import shlex
import signal
import subprocess
import tarfile
import tempfile

from disk import Disk
from line import Line, LineError

BOOT_BOUND_S = 600
KVM_BOUND_S = 20
OUT_DRIVE_BYTES = 256 << 20
PUT_BYTES = 64 << 10
PORTS = (1, 2, 3)


class GuestError(Exception):
    """The guest did not do what every guest must; the text shows its console."""


def kvm_works(image, work):
    """Whether a guest boots with KVM: inside of some virtual machines /dev/kvm is there, and stands still. That is
    found out once in a boot of the host.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    told = os.path.join(image, "kvm-stands-still")
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        boot_id = f.read()
    if os.path.exists(told):
        with open(told, encoding="ascii") as f:
            if f.read() == boot_id:
                return False
    try:
        with Guest(image, work, "kvm", kvm=True) as guest:
            guest.start(KVM_BOUND_S)
        return True
    except GuestError:
        with open(told, "w", encoding="ascii") as f:
            f.write(boot_id)
        return False


class Result:
    """How a command ended: its status, and both its outputs as one text."""

    def __init__(self, status, output):
        self.status, self.output = status, output

    def __repr__(self):
        return f"status {self.status}: {self.output}"


class Guest:
    """One machine. `drive_in` is a tar that is unpacked by whoever wants it: unpack(). `data` is (bytes, seed) of a
    second disk, empty, which loses what was not flushed. `net` is (port, number): a card on the network that all guests
    of that port are on, a multicast group on this host's loopback; the number is theirs alone.
    """

    kernel_more = ""  # for the kernel's command line, from the next start() on: of two that differ the last one counts

    def __init__(self, image, work, name, drive_in=None, memory_mb=1536, kvm=False, data=None,
                 net=None):
        self.image, self.name, self.kvm, self.memory_mb = image, name, kvm, memory_mb
        self.dir = os.path.join(work, name)
        os.makedirs(self.dir)
        self.console = os.path.join(self.dir, "console.log")
        self.disk = os.path.join(self.dir, "disk.qcow2")
        self.out = os.path.join(self.dir, "out.raw")
        self.drive_in, self.net = drive_in, net
        self.place = tempfile.mkdtemp(prefix="covey-vm-")  # a socket's path must be short
        self.line = Line(os.path.join(self.place, "line"))
        self.data = None
        if data:
            self.data = Disk(os.path.join(self.dir, "data.raw"), data[0], os.path.join(self.place, "data"), data[1])
        self.qemu = None
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b",
                        os.path.join(image, "root.img"), self.disk], check=True)
        with open(self.out, "wb") as out:
            out.truncate(OUT_DRIVE_BYTES)

    def _arguments(self):
        accel = ["-accel", "kvm", "-cpu", "host"] if self.kvm else ["-accel", "tcg,thread=multi", "-cpu", "max"]
        drives = [(self.disk, "qcow2", "root"), (self.out, "raw", "out")]
        if self.drive_in:
            drives.append((self.drive_in, "raw", "in"))
        arguments = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none",
                     *accel, "-smp", "2", "-m", f"{self.memory_mb}M", "-kernel", os.path.join(self.image, "vmlinuz"),
                     "-append", "root=/dev/nvme0n1 rw console=ttyS0 loglevel=4 panic=0 net.ifnames=0 psi=1 "
                     "mitigations=off systemd.show_status=yes systemd.unified_cgroup_hierarchy=1 " + self.kernel_more,
                     "-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console",
                     "-device", "virtio-serial-pci", "-chardev", f"socket,id=line,path={self.line.path}",
                     "-device", "virtserialport,chardev=line,name=covey"]
        for port in PORTS:
            arguments += ["-chardev", f"file,id=said{port},path={self._said(port)},append=on",
                          "-serial", f"chardev:said{port}"]
        if self.net:
            port, number = self.net
            arguments += ["-netdev", f"socket,id=net,mcast=230.0.0.1:{port},localaddr=127.0.0.1",
                          "-device", f"virtio-net-pci,netdev=net,mac=52:54:00:00:00:{number:02x}"]
        if self.data:
            arguments += ["-drive", "file.driver=nbd,file.server.type=unix,format=raw,if=none,id=data,"
                          f"file.server.path={self.data.path}",
                          "-device", "virtio-blk-pci,drive=data,serial=covey-data"]
        for path, form, serial in drives:
            read_only = ",readonly=on" if serial == "in" else ""
            arguments += ["-drive", f"file={path},format={form},if=none,id={serial}{read_only}",
                          "-device", f"nvme,drive={serial},serial=covey-{serial}"]
        return arguments

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self, bound_s=BOOT_BOUND_S):
        """Power on, and wait until the guest takes commands."""
        self.line.restarted()
        self.qemu = subprocess.Popen(self._arguments(), stdin=subprocess.DEVNULL,
                                     stderr=open(os.path.join(self.dir, "qemu.log"), "ab"))
        self.wait(lambda: self.line.boot_id, bound_s, "the guest to boot")
        return self.line.boot_id

    def settled(self, bound_s=BOOT_BOUND_S):
        """Waits until systemd has nothing left to start: "running", or "degraded" with the failed units named."""
        state = self.run("systemctl is-system-running --wait", bound_s).output.strip()
        if state == "running":
            return state
        return f"{state}: {self.run('systemctl --failed --no-legend --plain', 120).output.strip()}"

    def reboot(self, bound_s=BOOT_BOUND_S):
        """As an operator does it; returns the new boot's id."""
        before = self.line.boot_id
        self.line.ask("systemctl --no-block reboot", 120)  # whose answer may be cut off by what it does
        self.wait(lambda: self.line.boot_id != before, bound_s, "the guest to boot again")
        return self.line.boot_id

    def power_cut(self, share=None):
        """From one instruction to the next there is no guest. What its second disk then holds is up to that disk,
        see there for share; returns what it says.
        """
        if self.data:
            self.data.cut()
        self.qemu.send_signal(signal.SIGKILL)
        self.qemu.wait()
        self.qemu = None
        return self.data.settle(share) if self.data else "no disk that loses anything"

    def power_off(self, bound_s=BOOT_BOUND_S):
        """Shuts the guest down in order."""
        self.line.ask("systemctl --no-block poweroff", 120)
        try:
            self.qemu.wait(bound_s)
        except subprocess.TimeoutExpired:
            raise GuestError(f"the guest does not shut down within {bound_s} s{self.console_tail()}") from None
        self.qemu = None

    def close(self, keep=()):
        """Ends the guest, however it is, and removes all of it but its logs and the named files."""
        if self.qemu:
            self.power_cut()
        self.line.close()
        if self.data:
            self.data.close()
        os.rmdir(self.place)
        for name in ("disk.qcow2", "out.raw", *(["data.raw"] if self.data else [])):
            if name not in keep:
                os.unlink(os.path.join(self.dir, name))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- commands -----------------------------------------------------------------------------------------------

    def run(self, script, bound_s=300):
        """Root's shell in the guest runs script; a status of 124 or 137 tells that it took longer than bound_s."""
        number = self.line.ask(script, bound_s)
        self.wait(lambda: number in self.line.answers, bound_s + 120, f"the end of: {script[:200]}")
        return Result(*self.line.answers.pop(number))

    def check(self, script, bound_s=300):
        """run(), which must succeed; returns the output."""
        result = self.run(script, bound_s)
        if result.status != 0:
            raise GuestError(f"{script[:200]}\nended with {result}")
        return result.output

    def until(self, condition, bound_s=300):
        """Waits in the guest until the shell's condition holds."""
        self.check(f"while ! {{ {condition}; }}; do sleep 0.1; done", bound_s)

    # -- what it says -------------------------------------------------------------------------------------------

    def _said(self, port):
        return os.path.join(self.dir, f"said-{port}.log")

    def said(self, port):
        """All that the guest has ever written to /dev/ttyS`port`, as whole lines; over cuts too."""
        try:
            with open(self._said(port), encoding="utf-8", errors="replace", newline="") as f:
                *lines, _ = f.read().split("\n")
        except FileNotFoundError:
            return []
        return [line.rstrip("\r") for line in lines]

    # -- files --------------------------------------------------------------------------------------------------

    def put(self, path, text, mode=0o644):
        """A small file of the host's making."""
        assert len(text) < PUT_BYTES
        quoted = shlex.quote(path)
        self.check(f"mkdir -p $(dirname {quoted}); cat >{quoted} <<'END-OF-PUT'\n{text}\nEND-OF-PUT\n"
                   f"chmod {mode:o} {quoted}; sync {quoted}")

    def unpack(self, path):
        """The tar of the second drive, into a directory of the guest."""
        quoted = shlex.quote(path)
        self.check(f"mkdir -p {quoted}; {self._drive('in')}; tar -xf $drive -C {quoted}; sync", 600)

    def fetch(self, path, into):
        """A directory of the guest's as it is now, into one of the host's, by the third drive."""
        self.check(f"{self._drive('out')}; tar -C {shlex.quote(path)} -cf - . | "
                   "dd of=$drive bs=1M iflag=fullblock conv=notrunc,fsync status=none", 600)
        os.makedirs(into, exist_ok=True)
        with tarfile.open(self.out) as tar:
            tar.extractall(into, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(into)

    @staticmethod
    def _drive(serial):
        """Shell that finds a drive by its serial number and sets $drive; the names follow the order of finding."""
        return ("drive=; for s in /sys/block/nvme*/device/serial; do "
                f"read -r n <$s; [ \"$n\" != covey-{serial} ] || drive=/dev/$(basename $(dirname $(dirname $s))); "
                "done; [ -n \"$drive\" ]")

    # -- faults -------------------------------------------------------------------------------------------------

    def console_tail(self, lines=40):
        try:
            with open(self.console, encoding="utf-8", errors="replace") as f:
                tail = f.read()[-20000:].splitlines()[-lines:]
        except OSError as e:
            tail = [str(e)]
        return "\n--- the console's end\n" + "\n".join(tail) + "\n---"

    def _watch(self):
        with open(os.path.join(self.dir, "qemu.log"), encoding="utf-8", errors="replace") as f:
            said = f.read()[-2000:]
        if self.qemu is None or self.qemu.poll() is not None:
            raise LineError("qemu has ended: " + said)
        if "KVM internal error" in said:
            raise LineError("qemu stands still: " + said)
        if os.path.exists(self.console):
            with open(self.console, "rb") as f:
                f.seek(max(0, os.path.getsize(self.console) - 4096))
                if b"Kernel panic" in f.read():
                    raise LineError("the guest's kernel panics")

    def wait(self, done, bound_s, what):
        """Until done() is true; a fault, with the console's end, when that takes too long or the guest is lost."""
        try:
            self.line.wait(done, bound_s, self._watch, what)
        except (LineError, OSError) as e:
            raise GuestError(f"{self.name}: {e}{self.console_tail()}") from None
