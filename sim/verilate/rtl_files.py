"""Which SystemVerilog files a module needs, found by the rule "file = module"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.ground.errors import PlenaError

RTL_DIR = Path(__file__).resolve().parents[2] / "rtl"
"""The project's RTL; tests pass a changed copy instead."""

_NAME = re.compile(r"\bplena_\w+")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


class RtlNotFoundError(PlenaError, FileNotFoundError):
    """There is no file for a module."""


def needed_sources(module: str, rtl_dir: Path = RTL_DIR) -> list[Path]:
    """Return the files that `module` needs, each after the ones it depends on itself.

    A file depends on `plena_x.sv` (module or package) when the word plena_x stands in its code.

    Raises:
        RtlNotFoundError: no `<module>.sv` under `rtl_dir`.
    """
    by_name = {path.stem: path for path in sorted(rtl_dir.rglob("plena_*.sv"))}
    if module not in by_name:
        hint = did_you_mean(module, by_name, show=str)
        known = ", ".join(by_name) or "no plena_*.sv at all"
        raise RtlNotFoundError(f"no {module}.sv under {rtl_dir}; there are: {known}{hint}")
    order: dict[str, Path] = {}
    visiting: set[str] = set()

    def visit(name: str) -> None:
        if name in order or name in visiting:
            return
        visiting.add(name)
        code = _COMMENT.sub("", by_name[name].read_text(encoding="utf-8"))
        for used in sorted(set(_NAME.findall(code)) & by_name.keys() - {name}):
            visit(used)
        order[name] = by_name[name]

    visit(module)
    return list(order.values())


def without_spaces(files: Sequence[Path], folder: Path) -> list[Path]:
    """Return the files by names without a space, which Yosys takes for the end of a name.

    Args:
        files: of RTL.
        folder: where links are made for those that need one; its own path has no space.
    """
    links = []
    for file in files:
        link = folder / file.name
        if " " in str(file):
            link.symlink_to(file)
        links.append(link if link.is_symlink() else file)
    return links


def waivers(rtl_dir: Path = RTL_DIR) -> list[Path]:
    """Return the lint waiver files, which every Verilator run of the project reads."""
    return sorted((rtl_dir / "lint").glob("*.vlt"))
