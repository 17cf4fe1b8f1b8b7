"""Without torch, one clear error says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

BLOCK = "import sys; sys.modules['torch'] = None; import plena_cosim.{package}"


@pytest.mark.parametrize("package", ["fakequant", "sources", "passes", "evaluate"])
def test_the_error_says_what_to_install(package: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCK.format(package=package)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "needs torch, which is not installed; install plena-cosim[torch]" in done.stderr


def test_passes_need_no_transformers() -> None:
    program = (
        "import sys; sys.modules['transformers'] = None\n"
        "import torch\n"
        "from plena_cosim.passes import dequantized_state_dict, quantize_module_transform_pass\n"
        "model = torch.nn.Sequential(torch.nn.Linear(8, 4))\n"
        "table = {'name': 'mxint', 'weight_block_size': 8, 'weight_width': 4}\n"
        "quantize_module_transform_pass(model, {'by': 'type', 'linear': table})\n"
        "print(sorted(model.state_dict()), sorted(dequantized_state_dict(model)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "['0.bias', '0.weight']" in done.stdout
