"""Ways out of the sandbox: each is held by every method, and works without one."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.attempts import ATTEMPTS, program

from plena_cosim.sandbox.at_hand import obstacle
from plena_cosim.sandbox.limits import Limits
from plena_cosim.sandbox.method import Method
from plena_cosim.sandbox.program import Program
from plena_cosim.sandbox.run import run

CONTROLS = [
    name for name, each in ATTEMPTS.items() if each.control and (os.geteuid() == 0 or not each.root)
]
SOURCES = Path(__file__).resolve().parents[2] / "src"
ISOLATING = [Method.NAMESPACES, Method.LANDLOCK]
VICTIM = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
input()
"""


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Things outside, made to be reached: files, listeners, and a process with a secret."""
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o755)  # it is not the rights of the file that hold
    path = str(home / "socket")
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(type=socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as unix,
        Path(sys.executable).open("rb") as inherited,
        subprocess.Popen(
            [sys.executable, "-S", "-c", VICTIM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PLENA_SECRET": "x"},
        ) as victim,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PLENA_SECRET", "x")
        assert victim.stdout is not None
        victim.stdout.readline()
        udp.bind(("127.0.0.1", 0))
        unix.bind(path)
        unix.listen()
        os.set_inheritable(inherited.fileno(), True)
        yield {
            "home": str(home),
            "tcp": tcp.getsockname()[1],
            "udp": udp.getsockname()[1],
            "unix": path,
            "victim": victim.pid,
            "caller": os.getpid(),
            "token": f"plena-{secrets.token_hex(8)}",
        }
        victim.kill()


@cache
def said(method: Method, given: str, names: tuple[str, ...]) -> dict[str, str]:
    """What became of each attempt."""
    home = Path(json.loads(given)["home"])
    for path in home.iterdir():
        if not path.is_socket():
            path.unlink()
    for name in names:
        (home / name).write_text("secret")
    found = run(
        Program(
            arguments=("-S", "main.py"),
            files={"main.py": program()},
            stdin=json.dumps(
                json.loads(given) | {"names": names, "fork": method is Method.NONE}
            ).encode(),
        ),
        limits=Limits(wall_s=30.0),
        method=method,
    )
    assert found.succeeded, found.stderr.decode()
    lines = found.stdout.decode().splitlines()
    return {name: rest for name, _, rest in (line.partition(" ") for line in lines)}


@pytest.mark.parametrize(
    "method", [Method.NAMESPACES, Method.LANDLOCK], ids=lambda each: each.value
)
@pytest.mark.parametrize("name", ATTEMPTS)
def test_it_is_held(name: str, method: Method, given: dict[str, Any]) -> None:
    if obstacle(method):
        pytest.skip(obstacle(method))
    names = tuple(ATTEMPTS)
    assert said(method, json.dumps(given), names)[name].startswith("held: ")
    home = Path(given["home"])
    assert (home / name).read_text() == "secret"
    assert (home / name).stat().st_mode & 0o777 != 0o777
    assert {path.name for path in home.iterdir()} == {*names, "socket"}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_a_sandbox_it_works(name: str, given: dict[str, Any]) -> None:
    assert said(Method.NONE, json.dumps(given), tuple(CONTROLS))[name] == "escaped"


AS_USER = """
import json, sys
from plena_cosim.sandbox.limits import Limits
from plena_cosim.sandbox.method import Method
from plena_cosim.sandbox.program import Program
from plena_cosim.sandbox.run import run
given = json.load(sys.stdin)
program = Program(arguments=("-S", "main.py"), files={"main.py": given["code"].encode()},
                  stdin=json.dumps(given).encode())
outcome = run(program, limits=Limits(wall_s=30.0), method=Method(given["method"]))
print(outcome.stdout.decode(), outcome.stderr.decode())
"""


@pytest.mark.parametrize("method", ISOLATING, ids=lambda each: each.value)
def test_it_is_held_for_an_ordinary_user(method: Method, given: dict[str, Any]) -> None:
    python = "/usr/bin/python3"
    nobody = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
    look = f"import sys; sys.path.insert(0, {str(SOURCES)!r}); "
    test = look + "import plena_cosim.sandbox.run; assert sys.version_info >= (3, 11)"
    if os.geteuid() != 0 or obstacle(method) or not Path(python).exists():
        pytest.skip("for root, who can become another user that has Python")
    if subprocess.run([python, "-c", test], **nobody, capture_output=True).returncode:  # type: ignore[call-overload]
        pytest.skip("the sources cannot be read by another user")
    names = [name for name in ATTEMPTS if name != "inherited-files"]
    for name in names:
        (Path(given["home"]) / name).write_text("secret")
    found = subprocess.run(  # type: ignore[call-overload]
        [python, "-B", "-c", look + AS_USER],
        **nobody,
        input=json.dumps(
            given
            | {"names": names, "fork": False, "method": method.value, "code": program().decode()}
        ),
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines if " held: " in line] == names
