"""Attempts to get out: each a program that raises where it is held, and else has escaped."""

from __future__ import annotations

from dataclasses import dataclass

BEGIN = """
import ctypes, fcntl, json, os, resource, signal, socket, struct, sys, time
given = json.load(sys.stdin)
libc = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    function = getattr(libc, name)
    function.restype = ctypes.c_long if name in ("syscall", "ptrace") else ctypes.c_int
    result = function(*(ctypes.c_long(x) if isinstance(x, int) else x for x in arguments))
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

def syscall(x86_64, aarch64, *arguments):
    return call("syscall", x86_64 if os.uname().machine == "x86_64" else aarch64, *arguments)
"""
END = """
for name in given["names"]:
    secret = given["home"] + "/" + name
    if given["fork"]:  # so that what an attempt changes of its process is gone with it
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            continue
    try:
        globals()["attempt_" + name.replace("-", "_")](secret)
    except BaseException as error:
        print(name, "held:", type(error).__name__, error, flush=True)
    else:
        print(name, "escaped", flush=True)
    if given["fork"]:
        os._exit(0)
"""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A way out.

    Attributes:
        code: of a function.
        control: whether it is safe to show that it works without a sandbox.
        root: whether it works there for root alone.
    """

    code: str
    control: bool = True
    root: bool = False


ATTEMPTS = {
    "inherited-files": Attempt(
        code="""
for number in range(3, 200):
    try:
        os.fstat(number)
    except OSError:
        continue
    return
raise OSError("none")
""",
        control=False,
    ),
    "read-passwords": Attempt(code="open('/etc/shadow').read()", control=False),
    "read-home": Attempt(code="open(secret).read()"),
    "list-home": Attempt(code="os.listdir(given['home'])"),
    "write-outside": Attempt(code="open(secret + '-written', 'w').write('x')"),
    "append-outside": Attempt(code="open(secret, 'a').write('x')"),
    "truncate-outside": Attempt(code="os.truncate(secret, 0)"),
    "remove-outside": Attempt(code="os.remove(secret)"),
    "chmod-outside": Attempt(code="os.chmod(secret, 0o777)"),
    "touch-outside": Attempt(code="os.utime(secret, (1, 1))"),
    "write-own-files": Attempt(code="open('main.py', 'a').write('# x')"),
    "add-own-file": Attempt(code="open('other.py', 'w').write('# x')"),
    "shared-memory-file": Attempt(
        code="""
path = "/dev/shm/" + given["token"]
open(path, "w").write("x")
os.remove(path)
"""
    ),
    "symlink-out": Attempt(
        code="""
os.symlink(secret, "scratch/link")
open("scratch/link").read()
"""
    ),
    "hard-link-out": Attempt(
        code="""
os.link(secret, "scratch/name")
open("scratch/name").read()
"""
    ),
    "dot-dot": Attempt(code="open('../' * 40 + secret).read()"),
    "descriptor-of-root": Attempt(
        code="""
root = os.open("/", os.O_PATH)
os.open(secret.lstrip("/"), os.O_RDONLY, dir_fd=root)
"""
    ),
    "connect": Attempt(code="socket.create_connection(('127.0.0.1', given['tcp']), 2)"),
    "bind": Attempt(code="socket.socket().bind(('127.0.0.1', 0))"),
    "datagram": Attempt(
        code="""
socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", given["udp"]))
"""
    ),
    "name-lookup": Attempt(
        code="""
query = socket.socket(type=socket.SOCK_DGRAM)
query.sendto(struct.pack(">6H", 1, 256, 1, 0, 0, 0) + b"\\x01a\\x00\\0\\x01\\0\\x01",
             ("127.0.0.1", given["udp"]))
""",
    ),
    "unix-socket": Attempt(code="socket.socket(socket.AF_UNIX).connect(given['unix'])"),
    "abstract-socket": Attempt(code="socket.socket(socket.AF_UNIX).bind('\\0' + given['token'])"),
    "datagram-pair": Attempt(
        code="socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].bind('\\0' + given['token'])"
    ),
    "raw-packets": Attempt(code="socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", root=True),
    "netlink": Attempt(code="socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"),
    "signal-caller": Attempt(code="os.kill(given['caller'], 0)"),
    "signal-other": Attempt(code="os.kill(given['victim'], signal.SIGTERM)"),
    "signal-everybody": Attempt(code="os.kill(-1, 0)", control=False),
    "signal-by-file": Attempt(
        code="""
reader, writer = os.pipe()
fcntl.fcntl(reader, fcntl.F_SETOWN, given["victim"])
"""
    ),
    "process-descriptor": Attempt(code="os.pidfd_open(given['victim'])"),
    "trace": Attempt(code="call('ptrace', 16, given['victim'], 0, 0)", root=True),
    "trace-caller": Attempt(code="call('ptrace', 16, given['caller'], 0, 0)", control=False),
    "read-other-memory": Attempt(code="open(f\"/proc/{given['victim']}/mem\", 'rb')", root=True),
    "read-environment": Attempt(
        code="assert b'PLENA_SECRET' in open(f\"/proc/{given['victim']}/environ\", 'rb').read()"
    ),
    "read-caller": Attempt(code="open(f\"/proc/{given['caller']}/environ\", 'rb')", control=False),
    "slow-down-other": Attempt(code="os.setpriority(os.PRIO_PROCESS, given['victim'], 19)"),
    "move-other": Attempt(code="os.sched_setaffinity(given['victim'], {0})"),
    "limit-other": Attempt(
        code="resource.prlimit(given['victim'], resource.RLIMIT_NOFILE, (8, 8))"
    ),
    "secret-in-environment": Attempt(code="os.environ['PLENA_SECRET']", control=False),
    "become-root": Attempt(code="os.setresuid(0, 0, 0)", root=True),
    "mount": Attempt(code="call('mount', b'x', b'scratch', b'tmpfs', 0, None)", control=False),
    "chroot": Attempt(code="os.chroot('scratch')", root=True),
    "new-namespaces": Attempt(code="call('unshare', 0x10000000)", root=True),
    "pivot-root": Attempt(code="syscall(155, 41, b'.', b'scratch')", control=False),
    "device-node": Attempt(code="os.mknod('scratch/node', 0o020666, os.makedev(1, 3))", root=True),
    "raise-files": Attempt(
        code="""
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))
""",
        control=False,
    ),
    "raise-memory": Attempt(
        code="resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)", control=False
    ),
    "memory-outside-limits": Attempt(code="os.memfd_create('x')"),
    "system-v-memory": Attempt(code="call('shmctl', call('shmget', 0, 4096, 0o1600), 0, None)"),
    "io-uring": Attempt(
        code="syscall(425, 425, 1, ctypes.create_string_buffer(120))", control=False
    ),
    "keys": Attempt(code="syscall(250, 219, 0, -3, 0)", control=False),
    "programs-in-kernel": Attempt(
        code="syscall(321, 280, 0, ctypes.create_string_buffer(72), 72)", control=False
    ),
    "faults-by-hand": Attempt(code="syscall(323, 282, 1)", control=False),
    "outlive-caller": Attempt(code="call('prctl', 1, 0, 0, 0, 0)"),
    "newer-calls": Attempt(code="syscall(462, 462, 0, 0, 0)", control=False),
    "terminal": Attempt(code="os.open('/dev/tty', os.O_RDWR)", control=False),
}


def program() -> bytes:
    """All attempts as one program, which makes those that it is told to."""
    functions = []
    for name, each in ATTEMPTS.items():
        body = "".join(f"    {line}\n" for line in each.code.strip().splitlines())
        functions.append(f"def attempt_{name.replace('-', '_')}(secret):\n{body}")
    return "\n".join([BEGIN, *functions, END]).encode()
