"""Without torch, one clear error says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

BLOCK = "import sys; sys.modules['torch'] = None; {statement}"


@pytest.mark.parametrize(
    "statement",
    [
        "import plena_cosim.fakequant",
        "import plena_cosim.sources",
        "import plena_cosim.evaluate",
        "from plena_cosim.passes import quantize_module_transform_pass",
    ],
)
def test_the_error_says_what_to_install(statement: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCK.format(statement=statement)],
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


def test_recipes_are_checked_without_torch_and_transformers() -> None:
    program = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from typer.testing import CliRunner\n"
        "from plena_cosim.cli.main import app\n"
        "file = 'configs/quant/llama_w4a4_mxint.toml'\n"
        "found = CliRunner().invoke(app, ['recipe', 'check', file])\n"
        "assert found.exit_code == 0, found.output\n"
        "from plena_cosim.passes import Recipe, load_quant_config\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_command_imports_nothing_that_computes() -> None:
    """So it answers at once: an editor may run it at every save."""
    program = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from plena_cosim.cli.main import app\n"
        "file = 'configs/quant/llama_w4a4kv4_mxint.toml'\n"
        "assert CliRunner().invoke(app, ['recipe', 'check', file]).exit_code == 0\n"
        "heavy = {'torch', 'transformers', 'numpy', 'matplotlib', 'datasets', 'lm_eval'}\n"
        "print(heavy & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr


@pytest.mark.parametrize("first", ["plena_cosim.passes", "transformers.modeling_utils"])
def test_the_method_is_registered_whichever_is_imported_first(first: str) -> None:
    program = (
        f"import {first}, plena_cosim.passes\n"
        "import transformers.modeling_utils\n"
        "from transformers.quantizers import auto\n"
        "for known in auto.AUTO_QUANTIZATION_CONFIG_MAPPING, auto.AUTO_QUANTIZER_MAPPING:\n"
        "    assert 'plena' in known\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
