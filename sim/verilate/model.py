"""Build one RTL module with one harness into a loadable or runnable file, once per content."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from plena_cosim.ground.cache import cache_root

from .cache import BuildError, build_once, disk_error, explain_disk
from .process import run_tool
from .processor import machine_flags
from .rtl_files import RTL_DIR, needed_sources, waivers
from .sv_literal import sv_literal
from .toolchain import Toolchain, find_toolchain

VERILATOR_FLAGS = ("--cc", "-Wall", "-O3", "--no-timing", "--prefix", "Vtop", "--output-split", "0")
CXX_FLAGS = (
    *("-std=gnu++17", "-fPIC", "-pipe", "-DVERILATOR=1"),
    *("-fno-semantic-interposition", "-fno-gnu-unique", "-faligned-new", "-fcf-protection=none"),
)
VM_SWITCHES = ("COVERAGE", "SC", "TIMING", "TRACE", "TRACE_FST", "TRACE_SAIF", "TRACE_VCD")


@dataclass(frozen=True, kw_only=True)
class BuildProfile:
    """What a module is built into: Verilator's and the compiler's switches for one use."""

    name: str
    verilator: tuple[str, ...] = ()
    vm_switches: tuple[str, ...] = ()
    """The VM_… macros that are 1."""
    runtime: tuple[str, ...] = ("verilated", "verilated_threads")
    link: tuple[str, ...]
    product: str
    optimise: tuple[str, ...] = ("-O2",)
    """For the compiler; Verilator's runtime always has -O2."""
    public: tuple[str, ...] = ()
    """Ports that the harness writes by name, beside the localparam Latency that all may read."""


FAST = ("--x-assign", "fast", "--x-initial", "fast")
# Several models live in one Python process, each with its own copy of Verilator's runtime.
SHARED = ("-shared", "-Wl,-Bsymbolic", "-Wl,--version-script=exports.map")
PLAYER = BuildProfile(
    name="player",
    verilator=FAST,
    link=SHARED,
    product="block.so",
    optimise=("-O3", *machine_flags()),
)
SHORT = replace(PLAYER, name="short", optimise=("-O0",))
"""A player for short runs: built in 40 % of the time, half as fast."""
TRACE = BuildProfile(
    name="trace",
    verilator=(*FAST, "--trace"),
    vm_switches=("TRACE", "TRACE_VCD"),
    runtime=("verilated", "verilated_threads", "verilated_vcd_c"),
    link=SHARED,
    product="block.so",
)
COVERAGE = BuildProfile(
    name="coverage",
    verilator=(*FAST, "--coverage-line", "--coverage-toggle"),
    vm_switches=("COVERAGE",),
    runtime=("verilated", "verilated_threads", "verilated_cov"),
    link=SHARED,
    product="block.so",
)


@dataclass(frozen=True, kw_only=True)
class Model:
    """One RTL module with its parameters and the C++ that drives it."""

    module: str
    parameters: Mapping[str, int]
    flavour: BuildProfile
    harness: Mapping[str, str]
    """C++ files, name -> text; those named *.cpp are compiled."""
    link: tuple[str, ...] = ()
    """More linker arguments."""
    rtl_dir: Path = field(default=RTL_DIR)

    @property
    def label(self) -> str:
        """Words for messages."""
        return f"{self.module} ({self.flavour.name})"


def build(model: Model, *, toolchain: Toolchain | None = None, cache: Path | None = None) -> Path:
    """Return the built file of `model`: from the cache if its content was built before.

    The key is a hash of every RTL source the module needs, the lint waivers, the parameters, the
    harness, the flags and the versions of Verilator and g++.

    Args:
        model: what to build.
        toolchain: the tools; looked for when None.
        cache: folder of the cache; the user's when None.

    Raises:
        BuildError: Verilator or g++ refused (with their words), or the disk is full.
        RtlNotFoundError: no file for the module.
        ToolchainError: no usable Verilator or g++.
    """
    tools = toolchain or find_toolchain()
    root = (cache or cache_root()) / "verilated"
    sources = needed_sources(model.module, model.rtl_dir)
    lint = waivers(model.rtl_dir)
    key = _digest(
        model.module,
        sorted(model.parameters.items()),
        repr(model.flavour),
        sorted(model.harness.items()),
        model.link,
        [(path.name, path.read_text(encoding="utf-8")) for path in (*lint, *sources)],
        _identity(tools),
    )

    def make(scratch: Path) -> None:
        for name, text in _files(model).items():
            (scratch / name).write_text(text, encoding="utf-8")
        _verilate(model, [*lint, *sources], tools, scratch)
        _compile(model, tools, root, scratch)

    folder = f"{model.module}-{model.flavour.name}-{key}"
    return build_once(folder, make, root=root, what=model.label) / model.flavour.product


def _files(model: Model) -> dict[str, str]:
    """Return the small files of a build: the harness and the list of public variables.

    A module that does not take a beat a cycle says so in its localparam Interval; one whose beats
    may wait for those before them says for how long at most in its localparam Wait.
    """
    source = needed_sources(model.module, model.rtl_dir)[-1].read_text(encoding="utf-8")
    public = [
        f'public_flat_rd -module "{model.module}" -var "{name}"'
        for name in ("Latency", "Interval", "Wait")
        if re.search(rf"\blocalparam int unsigned {name}\b", source)
    ]
    public += [
        f'public_flat_rw -module "{model.module}" -var "{port}"' for port in model.flavour.public
    ]
    return {**model.harness, "public.vlt": "\n".join(["`verilator_config", *public, ""])}


def _verilate(model: Model, sources: Sequence[Path], tools: Toolchain, scratch: Path) -> None:
    command = [
        *(*tools.verilator, *VERILATOR_FLAGS, *model.flavour.verilator),
        *("--top-module", model.module, "--Mdir", "."),
        *(f"-G{name}={sv_literal(value)}" for name, value in sorted(model.parameters.items())),
        *("public.vlt", *map(str, sources)),
    ]
    _run(command, model.label, tools, scratch)


def _compile(model: Model, tools: Toolchain, root: Path, scratch: Path) -> None:
    """Compile everything as one translation unit: three times faster than Verilator's makefile."""
    units = [*sorted(path.name for path in scratch.glob("Vtop*.cpp"))]
    units += sorted(name for name in model.harness if name.endswith(".cpp"))
    unity = "".join(f'#include "{name}"\n' for name in units)
    (scratch / "unity.cpp").write_text(unity, encoding="utf-8")
    switches = [f"-DVM_{name}={int(name in model.flavour.vm_switches)}" for name in VM_SWITCHES]
    flags = [*CXX_FLAGS, *model.flavour.optimise, *switches, *_includes(tools)]
    if not (tools.ccache or model.flavour.vm_switches):
        header = _precompiled_header(flags, tools, root)
        flags += ["-include", str(header)]
    _run([*_compiler(tools), *flags, "-c", "unity.cpp"], model.label, tools, scratch)
    objects = [str(_runtime_object(name, tools, root)) for name in model.flavour.runtime]
    link = [*model.flavour.link, "unity.o", *objects, *model.link, "-o", model.flavour.product]
    _run([str(tools.cxx), *link, "-lpthread"], model.label, tools, scratch)
    for path in scratch.iterdir():
        if path.name != model.flavour.product:
            path.unlink()


def _runtime_object(name: str, tools: Toolchain, root: Path) -> Path:
    """Return one compiled file of Verilator's runtime, which all models of a flavour share."""
    source = tools.include / f"{name}.cpp"
    key = _digest(source.read_text(encoding="utf-8"), _identity(tools))

    def make(scratch: Path) -> None:
        command = [*_compiler(tools), *CXX_FLAGS, "-O2", *_includes(tools), "-c", str(source)]
        _run([*command, "-o", f"{name}.o"], name, tools, scratch)

    folder = build_once(f"runtime-{name}-{key}", make, root=root, what=f"Verilator's {name}")
    return folder / f"{name}.o"


def _precompiled_header(flags: list[str], tools: Toolchain, root: Path) -> Path:
    """Return Verilator's main header, compiled: half the time of a small block's compilation.

    Without a compiled header that fits, g++ reads the header itself: slower, never wrong. ccache
    has its own ways with precompiled headers, so it is left without.
    """

    def make(scratch: Path) -> None:
        (scratch / "verilated_pch.h").write_text('#include "verilated.h"\n', encoding="utf-8")
        command = [str(tools.cxx), *flags, "-x", "c++-header", "verilated_pch.h"]
        _run([*command, "-o", "verilated_pch.h.gch"], "Verilator's header", tools, scratch)

    header = (tools.include / "verilated.h").read_text(encoding="utf-8")
    key = _digest(header, flags, _identity(tools))
    folder = build_once(f"runtime-header-{key}", make, root=root, what="Verilator's header")
    return folder / "verilated_pch.h"


def _compiler(tools: Toolchain) -> list[str]:
    return [*([str(tools.ccache)] if tools.ccache else []), str(tools.cxx)]


def _includes(tools: Toolchain) -> list[str]:
    return ["-I.", f"-I{tools.include}", f"-I{tools.include / 'vltstd'}"]


def _run(command: Sequence[str], what: str, tools: Toolchain, scratch: Path) -> None:
    here = str(scratch)
    env = {"VERILATOR_ROOT": str(tools.root), "TMPDIR": here, "CCACHE_BASEDIR": here}
    with explain_disk(scratch, what):
        status, output = run_tool(command, cwd=scratch, env=env)
        if status == 0:
            return
        for sign in ("No space left on device", "File too large", "File size limit exceeded"):
            if sign in output:
                raise disk_error(scratch.parent, what, sign)
        raise BuildError(f"cannot build {what}: {_essence(output)}\ncommand: {' '.join(command)}")


def _essence(output: str) -> str:
    """Return the complaint itself, first lines first, without Verilator's closing advice."""
    lines = [line for line in output.splitlines() if line.strip() and "... For " not in line]
    return "\n".join(lines[:20]) or "the tool failed without a word"


def _identity(tools: Toolchain) -> list[object]:
    dump = [str(tools.cxx), "-dumpfullversion", "-dumpmachine"]
    compiler = subprocess.run(dump, capture_output=True, text=True, check=False).stdout
    return [tools.version, tools.source, compiler, VERILATOR_FLAGS, CXX_FLAGS]


def _digest(*parts: object) -> str:
    text = json.dumps(parts, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]
