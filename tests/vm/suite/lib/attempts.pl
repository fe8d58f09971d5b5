# SPDX-License-Identifier: Apache-2.0
# What an agent may try, a line each: "attempt WHAT: done" or "attempt WHAT: refused (why)". Then it leaves processes and
# shared memory behind, tells them ("left pid N"), says "tried all", and waits. Run by package-escape.sh as an agent of
# several definitions (KIND), which are told whom to attack. What would succeed and break the host is not tried.
use strict;
use warnings;
use Fcntl;
use POSIX qw(setsid);
use Socket;

$| = 1;
# Numbers of x86-64, for there is no compiler here to ask.
my %nr = (ptrace => 101, mknod => 133, prctl => 157, mount => 165, umount2 => 166, mq_open => 240, unshare => 272);
my ($seize, $attach) = (0x4206, 16);
my ($MS_BIND, $MS_REMOUNT) = (0x1000, 32);
my ($NEWNS, $NEWCGROUP, $NEWUSER) = (0x20000, 0x02000000, 0x10000000);
my ($daemon, $victim, $victims_shim) = map { $ENV{$_} + 0 } qw(DAEMON VICTIM VICTIMS_SHIM);
my $shim = getppid();
my ($is_root, $is_free) = ($ENV{KIND} =~ /^(root|free)$/, $ENV{KIND} eq 'free');
my $cgroup = '/sys/fs/cgroup';
my $ours = "$cgroup/system.slice/covey-agents.service";
my $own = "$ours/$ENV{COVEY_REPLICA}";

sub told {
	my ($what, $done) = @_;
	print "attempt $what: ", $done ? "done" : "refused ($!)", "\n";
}

sub try { told($_[0], $_[1]->()) }

sub call { # NAME, ARGUMENT…: strings are copied, since the kernel is given their place
	my ($name, @v) = @_;
	return syscall($nr{$name}, @v) >= 0;
}

sub mount { # WHAT, WHERE, TYPE, FLAGS
	my ($what, $where, $type, $flags) = map { "$_" } @_;
	return call('mount', $what, $where, $type, $flags + 0, 0);
}

sub put { # FILE, TEXT: one write, as the kernel's files want it
	sysopen(my $f, $_[0], O_WRONLY) or return 0;
	return defined syswrite($f, $_[1]);
}

# Stays for ever, deaf to what asks it to go.
sub stay {
	$SIG{$_} = 'IGNORE' for qw(TERM HUP INT);
	sleep 1000 while 1;
}

# A child tries it; where that works it stays, as whoever has got out would.
sub try_and_stay {
	my ($what, $do) = @_;
	pipe(my $in, my $out);
	my $pid = fork();
	if ($pid == 0) {
		setsid();
		my $done = $do->();
		syswrite($out, $done ? "ok" : $! + 0);
		close $out;
		stay() if $done;
		exit 0;
	}
	close $out;
	sysread($in, my $said, 16);
	$! = $said unless $said eq 'ok';
	told($what, $said eq 'ok');
	print "left pid $pid\n" if $said eq 'ok';
}

sub in_child { # so that what it does to itself it does to nobody else
	my ($do) = @_;
	pipe(my $in, my $out);
	my $pid = fork();
	if ($pid == 0) {
		syswrite($out, $do->() ? "ok" : $! + 0);
		exit 0;
	}
	sysread($in, my $said, 16);
	waitpid $pid, 0;
	$! = $said unless $said eq 'ok';
	return $said eq 'ok';
}

sub in_own_view { # a child that has a mount namespace of its own, where it may
	my ($do) = @_;
	return in_child(sub { call('unshare', $NEWNS); $do->() });
}

sub reach { # TYPE, PATH
	socket(my $s, AF_UNIX, $_[0], 0) or return 0;
	return connect($s, pack_sockaddr_un($_[1]));
}

sub can_read { open(my $f, '<', $_[0]) or return 0; return defined sysread($f, my $v, 1) }
sub can_list { opendir(my $d, $_[0]) or return 0; return 1 }
sub can_make { sysopen(my $f, $_[0], O_WRONLY | O_CREAT | O_EXCL) or return 0; unlink $_[0]; return 1 }

# ---- out of its group, and its limits
try_and_stay("to enter the root group", sub { put("$cgroup/cgroup.procs", "0") });
try_and_stay("to enter the parent's group", sub { put("$ours/cgroup.procs", "0") });
try_and_stay("to enter the shims' group", sub { put("$ours/_shims/cgroup.procs", "0") });
try_and_stay("to enter another agent's group", sub { put("$ours/victim.0/cgroup.procs", "0") });
try_and_stay("to enter a group of its own below", sub {
	(-d "$own/below" || mkdir "$own/below") && put("$own/below/cgroup.procs", "0") });
try("to lift its limit of memory", sub { put("$own/memory.max", "max") });

# ---- mounts and namespaces
sub remount { mount("none", $_[0], "none", $MS_REMOUNT | $MS_BIND | ($_[1] // 0)) }
try("to remount the root", sub { in_own_view(sub { remount("/") }) });
try("to remount the groups", sub { in_own_view(sub { remount($cgroup) }) });
try("to mount the groups anew", sub { in_own_view(sub { mount("none", "/tmp", "cgroup2", 0) }) });
try("to bind a directory elsewhere", sub { in_own_view(sub { mount("/tmp", "/tmp", "none", $MS_BIND) }) });
try("to unmount /proc", sub { in_own_view(sub { my $p = "/proc"; call('umount2', $p, 2) }) });
try("to get a mount namespace", sub { in_child(sub { call('unshare', $NEWNS) }) });
try("to get a user namespace", sub { in_child(sub { call('unshare', $NEWUSER) }) });
try("to remount the groups from there and leave", sub { # with the flags that are locked there: nosuid, nodev, noexec
	in_child(sub { call('unshare', $NEWUSER | $NEWNS) && remount($cgroup, 14) && put("$cgroup/cgroup.procs", "0") })
}) unless $is_free;
try("to mount groups anew from there and move", sub {
	in_child(sub { call('unshare', $NEWUSER | $NEWNS | $NEWCGROUP) && mount("none", "/tmp", "cgroup2", 0) &&
		put("/tmp/cgroup.procs", "0") }) });
try("to become another agent", sub { in_child(sub {
	my $uid = (stat "/proc/$victim")[4];
	($<, $>) = ($uid, $uid);
	return $< == $uid && $> == $uid }) });

# ---- into other processes
my @others = ([$shim, "its shim"], [$daemon, "the daemon"], [$victim, "another agent"]);
for (@others) {
	my ($pid, $who) = @$_;
	try("to trace $who", sub { in_child(sub { call('ptrace', $seize, $pid, 0, 0) }) });
	try("to attach to $who", sub { in_child(sub { call('ptrace', $attach, $pid, 0, 0) }) }) unless $is_free;
	try("to write the memory of $who", sub { sysopen(my $f, "/proc/$pid/mem", O_RDWR) });
	try("to read the environment of $who", sub { can_read("/proc/$pid/environ") });
	try("to see the files of $who", sub { readlink("/proc/$pid/fd/0") });
	try("to see the root of $who", sub { can_list("/proc/$pid/root/") });
	try("to signal $who", sub { kill($is_root ? 0 : 'KILL', $pid) > 0 });
}
try("to read the store by the root of the daemon", sub { can_list("/proc/$daemon/root/var/lib/covey") });

# ---- the run directory
my $run = '/run/covey';
try("to write into the run directory", sub { can_make("$run/escaped") });
try("to write beside the shims' sockets", sub { can_make("$run/shims/escaped") });
try("to change the daemon's generation", sub { sysopen(my $f, "$run/daemon.gen", O_WRONLY) });
unless ($is_free) {
	try("to remove the control socket", sub { unlink("$run/covey.sock") > 0 });
	try("to remove a shim's socket", sub { unlink("$run/shims/victim.0.sock") > 0 });
	try("to put a link in a socket's place", sub { symlink("/tmp/x", "$run/shims/victim.1.sock") });
	try("to rename a socket", sub { rename("$run/shims/victim.0.notify", "$run/shims/x.notify") });
}
try("to reach the control socket", sub { reach(SOCK_STREAM, "$run/covey.sock") });
unless ($is_root) {
	try("to reach its shim's socket", sub { reach(SOCK_SEQPACKET, "$run/shims/$ENV{COVEY_REPLICA}.sock") });
	try("to reach another shim's socket", sub { reach(SOCK_SEQPACKET, "$run/shims/victim.0.sock") });
}
socket(my $s, AF_UNIX, SOCK_DGRAM, 0); # whether it is heard, package-escape.sh looks
send($s, "READY=1\nSTATUS=taken over", 0, pack_sockaddr_un("$run/shims/victim.0.notify"));

# ---- what is the host's
try("to list the store", sub { can_list("/var/lib/covey") });
try("to read the store", sub { can_read("/var/lib/covey/covey.db") });
try("to read another agent's log", sub { can_read("/var/lib/covey/logs/victim.0.log") });
try("to read a key", sub { can_read("/etc/covey/pki/n1.key") });
try("to read the configuration's secrets", sub { can_read("/etc/shadow") });
try("to write the store", sub { sysopen(my $f, "/var/lib/covey/covey.db", O_RDWR) });
try("to write the configuration", sub { sysopen(my $f, "/etc/covey/coveyd.yaml", O_RDWR) });
try("to set the kernel", sub { sysopen(my $f, "/proc/sys/kernel/core_pattern", O_WRONLY) });
try("to read a disk", sub { can_read("/dev/nvme0n1") });
try("to make a device", sub { my $p = "/tmp/disk"; call('mknod', $p, 0060600, 259 << 8) });

# ---- what it leaves behind
sub leave {
	my ($do) = @_;
	my $pid = fork();
	if ($pid == 0) { $do->(); exit 0 }
	return $pid;
}
sub leave_one { print "left pid $$\n"; stay() }
leave(sub { setsid(); leave_one() });
leave(sub { leave(sub { leave_one() }) });                       # an orphan
leave(sub { setsid(); leave(sub { setsid(); leave_one() }) });   # … of a session of its own
leave(sub { call('prctl', 36, 1, 0, 0, 0); leave(sub { leave(sub { leave_one() }) }); leave_one() }); # with a reaper
for (shmget(0, 65536, 0600), semget(0, 1, 0600), msgget(0, 0600)) {
	print "left ipc ", defined $_ ? "one" : "none ($!)", "\n";
}
my $name = "escaped";
print "left queue ", call('mq_open', $name, O_RDWR | O_CREAT, 0600, 0) ? "one" : "none ($!)", "\n";
sleep 2;
print "tried all\n";
$SIG{TERM} = 'IGNORE' if $ENV{STUBBORN};
sleep 1000 while 1;
