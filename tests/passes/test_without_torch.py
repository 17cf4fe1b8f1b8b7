"""Without torch, one clear error says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

BLOCK = "import sys; sys.modules['torch'] = None; import plena_cosim.{package}"


@pytest.mark.parametrize("package", ["fakequant", "passes", "evaluate"])
def test_the_error_says_what_to_install(package: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCK.format(package=package)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "needs torch, which is not installed; install plena-cosim[torch]" in done.stderr
