"""A recipe names a machine by PLENA's own settings files, too."""

from __future__ import annotations

from pathlib import Path

from plena_cosim.golden import HardwareConfig
from plena_cosim.passes.recipe.load import load_quant_config, read_quant_config

MACHINES = Path(__file__).parents[2] / "golden" / "machines"


def test_a_recipe_takes_them(tmp_path: Path) -> None:
    text = f'[hardware]\nconfig = "{MACHINES}"\n[default]\nname = "mxint"\nweight_width = 4\n'
    (tmp_path / "r.toml").write_text(text + "weight_block_size = 8\n")
    recipe = load_quant_config(tmp_path / "r.toml")
    assert recipe.hardware == HardwareConfig.load(MACHINES)
    assert read_quant_config(recipe.tables, source="saved").hardware == recipe.hardware
