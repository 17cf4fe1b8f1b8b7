"""What the compiler may use of the machine that builds: the model runs where it was built."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
V3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "abm"}
"""Of the x86-64-v3 level of the psABI, by Linux's names."""


@cache
def machine_flags(cpuinfo: Path = CPUINFO) -> tuple[str, ...]:
    """Return the compiler's flags for this machine's vector instructions; none if unsure.

    They are part of a build's key, so that a cache on a shared disk serves machines of both kinds.
    """
    if platform.machine() != "x86_64" or not cpuinfo.is_file():
        return ()
    lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    known = [set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")]
    return ("-mavx2", "-mbmi", "-mbmi2", "-mlzcnt") if known and known[0] >= V3 else ()
