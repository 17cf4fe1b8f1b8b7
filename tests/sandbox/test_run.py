"""Programs that use too much, that stay, or that are refused; and what a tame one gets."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plena_cosim.sandbox import at_hand
from plena_cosim.sandbox.at_hand import best, obstacle
from plena_cosim.sandbox.errors import SandboxError
from plena_cosim.sandbox.limits import MIB, Limits
from plena_cosim.sandbox.method import Method
from plena_cosim.sandbox.program import Ended, Outcome, Program
from plena_cosim.sandbox.run import run

ISOLATING = [Method.NAMESPACES, Method.LANDLOCK]


@pytest.fixture(params=ISOLATING, ids=lambda method: method.value)
def method(request: pytest.FixtureRequest) -> Method:
    found: Method = request.param
    if obstacle(found):
        pytest.skip(obstacle(found))
    return found


def ran(code: str, method: Method, *, token: str = "", **limits: float) -> Outcome:
    program = Program(arguments=("-S", "main.py", token), files={"main.py": code.encode()})
    return run(program, limits=Limits(**{"wall_s": 60.0, **limits}), method=method)  # type: ignore[arg-type]


def running(token: str) -> list[int]:
    """Processes of this machine that have a token among their arguments."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if token.encode() in words:
            found.append(int(place.name))
    return found


# --------------------------------------------------------------------------- what a tame one gets


def test_a_program_has_its_files_arguments_input_and_scratch(method: Method) -> None:
    code = """
import sys, part.other
open("scratch/x", "w").write(sys.stdin.read())
print(open("scratch/x").read(), sys.argv[1:], part.other.VALUE)
print("beside", file=sys.stderr)
sys.exit(3)
"""
    outcome = run(
        Program(
            arguments=("main.py", "one", "two"),
            files={"main.py": code.encode(), "part/other.py": b"VALUE = 7"},
            stdin=b"read",
        ),
        limits=Limits(wall_s=60.0),
        method=method,
    )
    assert outcome.stdout == b"read ['one', 'two'] 7\n"
    assert outcome.stderr == b"beside\n"
    assert (outcome.ended, outcome.status, outcome.succeeded) == (Ended.EXIT, 3, False)


def test_the_standard_library_is_there(method: Method) -> None:
    code = """
import asyncio, concurrent.futures, ctypes, decimal, hashlib, json, random, re, ssl, threading
async def add(a, b):
    return a + b
print(asyncio.run(add(1, 2)), hashlib.md5(b"x").hexdigest()[:4], random.Random(1).random() < 1)
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    print(sum(pool.map(abs, range(-9, 9))))
"""
    outcome = ran(code, method)
    assert outcome.stdout == b"3 9dd4 True\n81\n", outcome.stderr
    assert outcome.succeeded


def test_only_what_is_named_is_shown(method: Method, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "seen").write_text("seen")
    (tmp_path / "other").write_text("other")
    tmp_path.chmod(0o755)
    program = Program(
        arguments=("-S", "-c", f"print(open('{tmp_path}/link/seen').read()); "
                   f"open('{tmp_path}/other')"),
        readable=[tmp_path / "link"],
    )  # fmt: skip
    outcome = run(program, limits=Limits(wall_s=60.0), method=method)
    assert outcome.stdout == b"seen\n"
    assert b"Error" in outcome.stderr
    assert outcome.status == 1


def test_a_killed_program_says_by_what(method: Method) -> None:
    outcome = ran("import os; os.kill(os.getpid(), 11)", method)
    assert (outcome.ended, outcome.status) == (Ended.SIGNAL, -signal.SIGSEGV)


# ------------------------------------------------------------------ what uses too much, or stays

SPIN = """
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    {}
"""


def test_sleeping_for_ever_ends(method: Method) -> None:
    token = secrets.token_hex(8)
    outcome = ran("import time; time.sleep(1000)", method, token=token, wall_s=0.8)
    assert outcome.ended is Ended.WALL
    assert outcome.seconds < 10
    assert not running(token)


def test_ignoring_every_signal_does_not_help(method: Method) -> None:
    token = secrets.token_hex(8)
    outcome = ran(SPIN.format("signal.pause()"), method, token=token, wall_s=0.8)
    assert outcome.ended is Ended.WALL
    assert not running(token)


def test_time_of_the_processor_ends(method: Method) -> None:
    assert ran("while True: pass", method, cpu_s=1, wall_s=120.0).ended is Ended.CPU


def test_time_of_the_processor_ends_who_ignores_it() -> None:
    if obstacle(Method.LANDLOCK):
        pytest.skip(obstacle(Method.LANDLOCK))
    stubborn = ran(SPIN.format("pass"), Method.LANDLOCK, cpu_s=1, wall_s=120.0)
    assert (stubborn.ended, stubborn.status) == (Ended.SIGNAL, -signal.SIGKILL)


def test_memory_ends(method: Method) -> None:
    outcome = ran("x = bytearray(300 << 20)", method, memory_bytes=128 * MIB)
    assert b"MemoryError" in outcome.stderr
    assert outcome.status == 1


def test_memory_of_many_processes_ends(method: Method) -> None:
    code = """
import os, time
for _ in range(6):
    if os.fork() == 0:
        x = b"x" * (60 << 20)
        time.sleep(20)
time.sleep(20)
"""
    outcome = ran(code, method, memory_bytes=128 * MIB)
    if method is Method.NAMESPACES:
        assert outcome.ended is Ended.MEMORY
    else:
        assert b"PermissionError" in outcome.stderr
    assert outcome.seconds < 20


def test_threads_end(method: Method) -> None:
    code = """
import threading, time
try:
    for count in range(500):
        threading.Thread(target=time.sleep, args=(50,), daemon=True).start()
except (RuntimeError, MemoryError):
    print(count)
"""
    outcome = ran(code, method, processes=10)
    assert int(outcome.stdout) < 100


def test_a_fork_bomb_ends(method: Method) -> None:
    token = secrets.token_hex(8)
    code = """
import os, time
made = 0
try:
    while made < 60:
        if os.fork() == 0:
            time.sleep(50)
        made += 1
except OSError:
    print(made)
"""
    outcome = ran(code, method, token=token, processes=8)
    assert int(outcome.stdout) == (7 if method is Method.NAMESPACES else 0)
    assert not running(token)


def test_a_process_that_detaches_itself_does_not_stay(method: Method) -> None:
    token = secrets.token_hex(8)
    assert ran(DETACH, method, token=token).stdout in (b"detached\n", b"")
    assert not running(token)


DETACH = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(3):
            os.close(number)
        time.sleep(50)
    os._exit(0)
time.sleep(0.2)
print("detached")
"""


def test_without_a_sandbox_it_does_stay() -> None:
    token = secrets.token_hex(8)
    assert ran(DETACH, Method.NONE, token=token).stdout == b"detached\n"
    (left,) = running(token)
    os.kill(left, signal.SIGKILL)


def test_output_ends(method: Method) -> None:
    outcome = ran("while True: print('x' * 1000)", method, output_bytes=50_000)
    assert outcome.ended is Ended.OUTPUT
    assert len(outcome.stdout) == 50_000
    assert len(ran("print('x' * 40000)", method, output_bytes=50_000).stdout) == 40_001


def test_a_large_file_ends(method: Method) -> None:
    outcome = ran("open('scratch/x', 'wb').write(bytes(3 << 20))", method, file_bytes=MIB)
    assert outcome.status == 1
    assert b"File too large" in outcome.stderr


@pytest.mark.parametrize(
    "code",
    [
        "open(f'scratch/{count}', 'wb').write(bytes(1 << 16))",
        "kept.append(tempfile.TemporaryFile()); kept[-1].write(bytes(1 << 16)); kept[-1].flush()",
        "os.mkdir(f'scratch/{count}')",
    ],
    ids=["files", "nameless", "folders"],
)
def test_filling_the_disk_ends(code: str, method: Method) -> None:
    loop = f"""
import os, tempfile, time
kept = []
for count in range(40000):
    {code}
    time.sleep(0.001)
"""
    outcome = ran(loop, method, scratch_bytes=MIB, open_files=500)
    if method is Method.NAMESPACES:
        assert b"No space left on device" in outcome.stderr
    else:
        assert outcome.ended is Ended.DISK


def test_a_hidden_folder_does_not_hide_what_is_in_it() -> None:
    if obstacle(Method.LANDLOCK) or os.geteuid() == 0:
        pytest.skip("root sees all; elsewhere Landlock is not at hand")
    code = "import os, time; os.mkdir('scratch/x', 0o300); time.sleep(20)"
    assert ran(code, Method.LANDLOCK).ended is Ended.DISK


def test_it_ends_with_its_caller(method: Method) -> None:
    token = secrets.token_hex(8)
    code = f"""
from plena_cosim.sandbox.method import Method
from plena_cosim.sandbox.program import Program
from plena_cosim.sandbox.limits import Limits
from plena_cosim.sandbox.run import run
run(Program(arguments=("-S", "-c", "import time; time.sleep(60)", "{token}")),
    limits=Limits(wall_s=60.0), method=Method("{method.value}"))
"""
    caller = subprocess.Popen([sys.executable, "-c", code])
    wait_until(lambda: any(pid for pid in running(token)))
    caller.kill()
    caller.wait()
    wait_until(lambda: not running(token))


def wait_until(done: object, seconds: float = 15.0) -> None:
    assert callable(done)
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


# ------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "scratch/x", ""])
def test_files_of_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(SandboxError, match="not one of the program's folder; give a relative"):
        Program(arguments=("x",), files={name: b""})


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(SandboxError, match="limit cpu_s is 0; give a number above 0"):
        Limits(cpu_s=0)


def test_where_nothing_isolates_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_hand, "obstacle", lambda method: f"no {method.value}")
    with pytest.raises(SandboxError, match=r"nothing isolates .*no namespaces.*no landlock"):
        best()
    with pytest.raises(SandboxError, match="nothing isolates"):
        run(Program(arguments=("-c", "")))


def test_what_cannot_start_is_one_error(monkeypatch: pytest.MonkeyPatch, method: Method) -> None:
    monkeypatch.setattr("plena_cosim.sandbox.run.shown", lambda: [])
    with pytest.raises(SandboxError, match=f"cannot be started by {method.value}: .*plena doctor"):
        run(Program(arguments=("-c", "")), method=method)
