"""What is imported, and what only later: by names of modules, which no machine changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = Path(__file__).parents[1] / "configs" / "quant" / "llama_w4a4_mxint.toml"
COMMAND = (
    "import sys; sys.argv = ['plena', *{words!r}]\n"
    "from plena_cosim.cli.main import main\n"
    "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code, ended.code"
)
OPERATIONS = {"plena_cosim.golden.ops.registry", "plena_cosim.golden.ops.families"}
MODELS = {"transformers", "tokenizers", "datasets", "accelerate", "gguf"}
OTHERS = {"numba", "scipy", "matplotlib", "pandas", "jinja2", "yaml", "pyosys", "cocotb"}


@pytest.mark.parametrize(
    ("program", "later"),
    [
        ("import plena_cosim.golden", {"numpy", "torch", "pydantic", "rich"}),
        ("from plena_cosim.golden import quantize", {"torch", "pydantic", "rich", *OPERATIONS}),
        ("import plena_cosim.fakequant", {"pydantic", "rich", "torch._dynamo", *OPERATIONS}),
        ("from plena_cosim.passes import load_quant_config", {"torch", "numpy"}),
        (
            "from plena_cosim.passes import quantize_module_transform_pass",
            {"rich", "torch._dynamo", *OPERATIONS},
        ),
        (COMMAND.format(words=["--help"]), {"numpy", "torch", "pydantic"}),
        (COMMAND.format(words=["recipe", "check", str(RECIPE)]), {"numpy", "torch"}),
    ],
    ids=["golden", "quantize", "fakequant", "recipes", "passes", "help", "recipe check"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(program: str, later: set[str]) -> None:
    ask = "\nimport sys\nprint(*sys.modules, file=sys.stderr)\n"
    done = subprocess.run(
        [sys.executable, "-c", program + ask], capture_output=True, text=True, check=True
    )
    imported = set(done.stderr.split())
    assert "plena_cosim" in imported
    assert imported & (later | MODELS | OTHERS) == set()


def test_the_table_of_operations_is_there_when_it_is_asked_for() -> None:
    from plena_cosim.golden import ops

    assert ops.get_op("fp_add") is ops.OPS["fp_add"]
    assert isinstance(ops.OPS["fp_add"], ops.Op)
    assert {name for name in ops.__all__ if not hasattr(ops, name)} == set()
