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


def test_what_only_programs_need_stays_in_the_machine_s_file(tmp_path: Path) -> None:
    text = '[hardware]\nconfig = "m.toml"\n[default]\nname = "mxint"\nweight_width = 4\n'
    (tmp_path / "r.toml").write_text(text + "weight_block_size = 8\n")
    extra = '[types]\nkv = "mxint8"\n[memory]\nvector_rows = 9\n[timing]\nmacs = 3\n'
    (tmp_path / "m.toml").write_text("[dimensions]\nmlen = 128\nvlen = 128\n" + extra)
    recipe = load_quant_config(tmp_path / "r.toml")
    again = read_quant_config(recipe.tables, source="saved")
    assert again.hardware == recipe.hardware == HardwareConfig(mlen=128, vlen=128)
