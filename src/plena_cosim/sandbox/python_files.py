"""What a Python program has to see: its interpreter, the standard library, the system's libraries.

Taken from the interpreter itself, so that any other one is asked as well.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")


def interpreter() -> str:
    """Return the file of the interpreter, that of a virtual environment's own base."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def shown() -> list[str]:
    """Return files and folders without which Python does not start, where they are there."""
    variables = sysconfig.get_config_vars()
    base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    places = [
        interpreter(),
        *(sysconfig.get_path(name, vars=base) for name in ("stdlib", "platstdlib")),
        f"{variables.get('LIBDIR')}/{variables.get('INSTSONAME')}",
        *_LIBRARIES,
    ]
    return [place for place in dict.fromkeys(places) if place and Path(place).exists()]
