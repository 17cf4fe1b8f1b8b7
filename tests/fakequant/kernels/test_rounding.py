"""What numba caches is compiled anew when the functions that it calls change."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from plena_cosim.fakequant import kernels

FOLDER = Path(kernels.__file__).parent


@pytest.mark.parametrize("name", ["elementwise.py", "partials.py", "rows.py"])
def test_kernels_name_the_rounding_that_they_were_compiled_with(name: str) -> None:
    digest = hashlib.sha256((FOLDER / "rounding.py").read_bytes()).hexdigest()[:12]
    line = f"# rounding.py: {digest}"
    assert line in (FOLDER / name).read_text(encoding="utf-8"), f"{name} needs the line {line!r}"
