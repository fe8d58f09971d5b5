# SPDX-License-Identifier: Apache-2.0
# The groups of system calls that profiles and agents' files name: see covey.profile(5). Calls that go together for a
# program that uses one of them stand together; what does harm from inside a sandbox stands apart. A group is defined
# above the groups that name it. Calls that this machine's architecture does not have are known and skipped.

# What every program does whatever it is for.
group @self
	arch_prctl capget exit exit_group get_robust_list get_thread_area getcpu getegid getegid32 geteuid geteuid32 getgid
	getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid getrandom getrusage getresgid getresgid32 getresuid
	getresuid32 getsid gettid getuid getuid32 membarrier prctl restart_syscall rseq set_robust_list set_thread_area
	set_tid_address set_tls sysinfo times uname lsm_get_self_attr

group @memory
	brk cachestat cacheflush madvise map_shadow_stack memfd_create memfd_secret mincore mlock mlock2 mlockall mmap
	mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages

group @futex
	futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake sched_yield

group @clock
	clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64
	gettimeofday nanosleep time

group @timer
	alarm getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
	timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64

group @signal
	kill pause pidfd_open pidfd_send_signal rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
	rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaction sigaltstack signal signalfd
	signalfd4 sigpending sigprocmask sigreturn sigsuspend tgkill tkill

group @poll
	_newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
	eventfd eventfd2 inotify_add_watch inotify_init inotify_init1 inotify_rm_watch poll ppoll ppoll_time64 pselect6
	pselect6_time64 select

# On descriptors that are open.
group @io
	_llseek close close_range copy_file_range dup dup2 dup3 fadvise64 fadvise64_64 fallocate fcntl fcntl64 fdatasync
	flock fsync ftruncate ftruncate64 ioctl lseek pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read
	readahead readv sendfile sendfile64 splice sync_file_range sync_file_range2 tee vmsplice write writev

group @aio
	io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit

# Files and directories by name; the file system's own permissions decide.
group @file-read
	access chdir faccessat faccessat2 fchdir fgetxattr file_getattr flistxattr fstat fstat64 fstatat64 fstatfs
	fstatfs64 getcwd getdents getdents64 getxattr getxattrat lgetxattr listxattr listxattrat llistxattr lstat lstat64
	name_to_handle_at newfstatat oldfstat oldlstat oldstat open openat openat2 readdir readlink readlinkat stat
	stat64 statfs statfs64 statx

group @file-write
	chmod creat fchmod fchmodat fchmodat2 futimesat link linkat mkdir mkdirat rename renameat renameat2 rmdir symlink
	symlinkat sync syncfs truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes

group @file-special
	file_setattr fremovexattr fsetxattr lremovexattr lsetxattr mknod mknodat removexattr removexattrat setxattr
	setxattrat

group @file-owner
	chown chown32 fchown fchown32 fchownat lchown lchown32

# All of sockets but their making: profiles say which families `socket` may make.
group @network
	accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64
	recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair

# All of processes but `clone`, of which profiles allow what makes no namespaces.
group @process
	execve execveat fork process_mrelease setpgid setsid vfork wait4 waitid waitpid

group @credentials
	capset setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32
	setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32

group @resources-read
	get_mempolicy getpriority getrlimit ioprio_get prlimit64 sched_get_priority_max sched_get_priority_min
	sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
	sched_rr_get_interval_time64 ugetrlimit

group @resources
	@resources-read
	ioprio_set mbind migrate_pages move_pages nice process_madvise sched_setaffinity sched_setattr sched_setparam
	sched_setscheduler set_mempolicy set_mempolicy_home_node setpriority setrlimit

group @ipc
	ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
	mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget

# A program may put itself into a smaller sandbox.
group @sandbox
	landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp

# From here on: what neither profile allows. An agent's file may, a group or a call at a time.

group @namespace
	clone3 setns unshare

group @mount
	chroot fsconfig fsmount fsopen fspick listmount mount mount_setattr move_mount open_tree open_tree_attr pivot_root
	statmount umount umount2

group @module
	create_module delete_module finit_module get_kernel_syms init_module query_module

group @reboot
	kexec_file_load kexec_load reboot

group @swap
	swapoff swapon

group @clock-set
	adjtimex clock_adjtime clock_adjtime64 clock_settime clock_settime64 settimeofday stime

group @keyring
	add_key keyctl request_key

# To look into other processes, and into the kernel.
group @debug
	kcmp pidfd_getfd process_vm_readv process_vm_writev ptrace

group @perf
	bpf lookup_dcookie perf_event_open

group @raw-io
	ioperm iopl

group @io-uring
	io_uring_enter io_uring_register io_uring_setup

group @admin
	acct fanotify_init fanotify_mark lsm_list_modules lsm_set_self_attr open_by_handle_at quotactl quotactl_fd
	sethostname setdomainname syslog userfaultfd vhangup

# Socket families, execution domains and descriptor tables: argument checks in the profiles decide.
group @guarded
	clone personality socket

group @obsolete
	_sysctl afs_syscall bdflush break ftime getpmsg gtty idle lock modify_ldt mpx nfsservctl oldolduname olduname
	prof profil putpmsg security sgetmask ssetmask stty sysfs tuxcall ulimit uselib ustat vm86 vm86old vserver
