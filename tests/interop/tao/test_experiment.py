"""An experiment file: its section quantize, the images that it names, and what is wrong with it."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest

from plena_cosim.evaluate.results.run_folder import recipe_copy
from plena_cosim.golden import FormatError
from plena_cosim.interop.tao import experiment_recipe, read_experiment
from plena_cosim.passes import load_quant_config

from .experiments import STATIC, WEIGHT_ONLY

OTHERS = """\
encryption_key: tlt_encode
results_dir: /results
dataset:
  num_classes: 4
  val_dataset: { images_dir: /data/val }
model: { backbone: { type: resnet_50 } }
export: { onnx_file: "${results_dir}/model.onnx" }
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "experiment.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_other_sections_are_tolerated(tmp_path: Path) -> None:
    path = write(tmp_path, OTHERS + STATIC)
    found = read_experiment(path)
    assert found.images == (Path("/data/val"),)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(found.section.layers) == 2


@pytest.mark.parametrize(
    ("dataset", "folders"),
    [
        ("val_dataset: { images_dir: a }", ["a"]),
        ("val_data_sources: { image_dir: a, json_file: b }", ["a"]),
        ("val_data_sources: [{ image_dir: a }, { image_dir: c }]", ["a", "c"]),
        ("quant_calibration_dataset: { images_dir: q }\n  val_dataset: { images_dir: a }", ["q"]),
        ("quant_calibration_dataset: { images_dir: '' }\n  val_dataset: { images_dir: a }", ["a"]),
        ("quant_calibration_data_sources: { image_dir: q }", ["q"]),
        ("train_dataset: { images_dir: a }", []),
        ("val_dataset:", []),
    ],
)
def test_images_are_those_of_calibration_or_validation(
    dataset: str, folders: list[str], tmp_path: Path
) -> None:
    found = read_experiment(write(tmp_path, f"{STATIC}dataset:\n  {dataset}\n"))
    assert [str(folder) for folder in found.images] == folders


def test_a_yaml_file_is_read_wherever_a_recipe_is(tmp_path: Path) -> None:
    path = write(tmp_path, WEIGHT_ONLY)
    recipe = load_quant_config(path)
    assert recipe == experiment_recipe(path) == experiment_recipe(read_experiment(path))
    assert recipe.source == str(path)
    assert recipe.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    (note,) = recipe.notes
    assert "default_layer_dtype is not read" in note
    yml = path.rename(path.with_suffix(".YML"))
    assert load_quant_config(yml).tables == recipe.tables


def test_what_a_run_keeps_of_it_is_a_recipe(tmp_path: Path) -> None:
    recipe = load_quant_config(write(tmp_path, WEIGHT_ONLY))
    assert tomllib.loads(recipe_copy(recipe)) == recipe.tables


def test_a_section_ranges_is_that_of_a_recipe(tmp_path: Path) -> None:
    recipe = load_quant_config(write(tmp_path, STATIC + "ranges: { dataset: demo, nsamples: 4 }\n"))
    assert recipe.ranges is not None
    assert (recipe.ranges.dataset, recipe.ranges.nsamples) == ("demo", 4)
    with pytest.raises(FormatError, match=r"\[ranges\].*unknown key 'nsample'.*'nsamples'"):
        load_quant_config(write(tmp_path, STATIC + "ranges: { nsample: 4 }\n"))
    with pytest.raises(FormatError, match=r"\[ranges\]: must be a table, got 'demo'"):
        load_quant_config(write(tmp_path, STATIC + "ranges: demo\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quantize: [\n", r"is not valid YAML"),
        ("quantise: {}\nmodel: {}\n", r"no section quantize; it has quantise, model. Did you mean"),
        ("- 1\n", r"there is no section quantize; it has no sections"),
        ("", r"there is no section quantize; it has no sections"),
        ("quantize:\n", r"\[quantize\]: must be a table, got None"),
        ("quantize: !!python/object:os.system {}\n", r"is not valid YAML: could not determine a"),
        (WEIGHT_ONLY + "  backend: modelopt\n", r"is not valid YAML: key 'backend' is there twice"),
        (WEIGHT_ONLY + "  model_path: ${model.path}\n", r"quantize\]: model_path: '\$\{model.path"),
        (WEIGHT_ONLY + "  results_dir: ???\n", r"results_dir: '\?\?\?' is filled in by TAO's laun"),
        (STATIC + "dataset: { val_dataset: { images_dir: 3 } }\n", r"images_dir must be a folder"),
        (
            STATIC + "dataset: { val_dataset: { images_dir: '${d}/v' } }\n",
            r"\[dataset\]: val_dataset.images_dir: '\$\{d\}/v' is filled in",
        ),
    ],
)
def test_a_bad_file_is_one_clear_error(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=message) as raised:
        read_experiment(write(tmp_path, text))
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"no\.yaml does not exist"):
        load_quant_config(tmp_path / "no.yaml")
    with pytest.raises(FormatError, match="Is a directory"):
        read_experiment(tmp_path)
