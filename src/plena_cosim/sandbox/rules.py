"""Rules: which of the kernel's calls a program is denied, and with which arguments."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass

WORD = 0xFFFFFFFF


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A call that fails, always or by one of its arguments.

    Attributes:
        call: its name.
        argument: number of the argument that decides; None: it always fails.
        high: whether its upper 32 bits are looked at, or else its lower ones.
        mask: bits of these that are looked at.
        values: of these bits.
        allowed: whether these values are all that does not fail, or else all that fails.
        error: that the program gets.
    """

    call: str
    argument: int | None = None
    high: bool = False
    mask: int = WORD
    values: tuple[int, ...] = ()
    allowed: bool = False
    error: int = errno.EPERM


_NETWORK = "socket connect bind listen accept accept4 sendmsg sendmmsg"

_OTHER_PROCESSES = """
ptrace process_vm_readv process_vm_writev kcmp pidfd_open pidfd_getfd pidfd_send_signal
process_madvise process_mrelease perf_event_open get_robust_list
sched_setaffinity sched_setscheduler sched_setparam sched_setattr setpriority ioprio_set
migrate_pages move_pages
"""

_ROOT_AND_NAMESPACES = """
mount umount2 pivot_root chroot open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr
unshare setns quotactl quotactl_fd swapon swapoff name_to_handle_at open_by_handle_at
mknod mknodat
"""

_KERNEL = """
add_key request_key keyctl bpf userfaultfd io_uring_setup io_uring_enter io_uring_register
init_module finit_module delete_module kexec_load kexec_file_load reboot syslog acct
settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname iopl ioperm modify_ldt
personality vhangup fanotify_init fanotify_mark
"""

_MEMORY_THAT_NO_LIMIT_COUNTS = """
shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl
mq_open mq_unlink memfd_create memfd_secret
"""

_USERS = """
setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset
"""

_ATTRIBUTES = """
chmod fchmod fchmodat chown fchown lchown fchownat utime utimes futimesat utimensat
setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
"""

_NEW_NAMESPACES = 0x7E020080  # CLONE_NEWNS, …CGROUP, …UTS, …IPC, …USER, …PID, …NET, …TIME
_CLONE_THREAD = 0x00010000
_AF_UNIX, _SOCK_STREAM = 1, 1
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_SETPIPE_SZ = 8, 10, 15, 1031
_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP = 0x5412, 0x541C, 0x8901, 0x8902

ALWAYS = (
    *(
        Rule(call=name)
        for name in " ".join(
            (
                _NETWORK,
                _OTHER_PROCESSES,
                _ROOT_AND_NAMESPACES,
                _KERNEL,
                _MEMORY_THAT_NO_LIMIT_COUNTS,
                _USERS,
            )
        ).split()
    ),
    # Its flags lie in memory, where no filter reads: the C library then calls clone.
    Rule(call="clone3", error=errno.ENOSYS),
    Rule(call="clone", argument=0, mask=_NEW_NAMESPACES, values=(0,), allowed=True),
    # A pair of connected streams, as asyncio wants one, and nothing that has an address.
    Rule(call="socketpair", argument=0, values=(_AF_UNIX,), allowed=True),
    Rule(call="socketpair", argument=1, mask=0xF, values=(_SOCK_STREAM,), allowed=True),
    Rule(call="sendto", argument=4, values=(0,), allowed=True),
    Rule(call="sendto", argument=4, high=True, values=(0,), allowed=True),
    # Its own limits alone: in a namespace the first process is there, too.
    Rule(call="prlimit64", argument=0, values=(0,), allowed=True),
    # To outlive its parent, or to hide what it has open from whoever counts.
    Rule(call="prctl", argument=0, values=(_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE)),
    # Signals by way of a file; pipes that hold more than they should.
    Rule(call="fcntl", argument=1, values=(_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_SETPIPE_SZ)),
    Rule(call="ioctl", argument=1, values=(_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP)),
)
"""What is denied whatever else isolates the program."""


def alone(pid: int) -> Iterable[Rule]:
    """Return what is denied besides where no namespace hides other processes and their files.

    The program is one process, which sends signals to itself alone. Landlock does not know
    attributes of files.

    Args:
        pid: of the process.
    """
    yield from (Rule(call=name) for name in _ATTRIBUTES.split())
    yield from (Rule(call=name) for name in ("fork", "vfork", "tkill"))
    yield Rule(call="clone", argument=0, mask=_CLONE_THREAD, values=(_CLONE_THREAD,), allowed=True)
    for name in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        yield Rule(call=name, argument=0, values=(pid,), allowed=True)
