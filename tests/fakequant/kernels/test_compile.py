"""What is compiled is kept where there is room for it, and runs where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = """
from plena_cosim.fakequant.kernels.compile import kernel
@kernel
def doubled(x):
    return 2 * x
"""


@pytest.mark.parametrize("place", ["beside", "named", "nowhere"])
def test_where_code_is_kept(tmp_path: Path, place: str) -> None:
    package = tmp_path / "installed"
    package.mkdir()
    (package / "doubling.py").write_text(SOURCE)
    cache = tmp_path / "cache"
    given = {**os.environ, "HOME": str(tmp_path / "file"), "XDG_CACHE_HOME": str(tmp_path / "file")}
    given["PYTHONPATH"] = f"{package}{os.pathsep}{given.get('PYTHONPATH', '')}"
    (tmp_path / "file").write_text("no folder")
    if place != "beside":
        # A file where the folder of compiled code would be: nobody can write there, root neither.
        given["PYTHONDONTWRITEBYTECODE"] = "1"
        (package / "__pycache__").write_text("no folder")
    if place == "named":
        given["NUMBA_CACHE_DIR"] = str(cache)
    program = "from doubling import doubled; assert doubled(3) == 6"
    subprocess.run([sys.executable, "-c", program], env=given, check=True, timeout=120)
    found = [path.suffix for path in tmp_path.rglob("*.nbi")]
    assert len(found) == (0 if place == "nowhere" else 1)
