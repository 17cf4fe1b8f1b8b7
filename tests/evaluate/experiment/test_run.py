"""`plena quantize --spec`: the examples of TAO's document run, and load again to the same bits."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from rich.console import Console
from tests.interop.tao.experiments import STATIC, WEIGHT_ONLY

from plena_cosim.evaluate import TextSourceError, load_model, run_eval_ppl
from plena_cosim.evaluate.experiment import run
from plena_cosim.evaluate.experiment.network import task_of
from plena_cosim.evaluate.experiment.run import run_quantize_experiment
from plena_cosim.golden import FormatError
from plena_cosim.ground.destination import DestinationError
from plena_cosim.passes import quantize_module_transform_pass

from .models import save_images, save_resnet, save_rt_detr

QUIET = Console(quiet=True)
CLASSIFIER = transformers.AutoModelForImageClassification
DETECTOR = transformers.AutoModelForObjectDetection


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models and images, which no test changes."""
    folder = tmp_path_factory.mktemp("shared")
    save_resnet(folder / "resnet")
    save_images(folder / "images")
    return folder


def write(folder: Path, text: str) -> Path:
    path = folder / "experiment.yaml"
    path.write_text(text)
    return path


def pixels() -> torch.Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(5))


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    found: torch.Tensor = model.eval()(pixel_values=pixels()).logits
    return found


def test_the_example_of_weights_alone(shared: Path, tmp_path: Path) -> None:
    spec, out, shown = write(tmp_path, WEIGHT_ONLY), tmp_path / "deep" / "q", io.StringIO()
    record = run_quantize_experiment(
        spec=spec,
        model=str(shared / "resnet"),
        results_dir=out,
        console=Console(file=shown, width=120),
    )
    assert sorted(file.name for file in out.iterdir()) == [
        "config.json", "experiment.yaml", "model.safetensors", "plena.json",
        "preprocessor_config.json", "summary.txt",
    ]  # fmt: skip
    assert (out / "experiment.yaml").read_text() == WEIGHT_ONLY
    assert json.loads((out / "plena.json").read_text()) == record
    assert shown.getvalue().endswith((out / "summary.txt").read_text())
    assert list(record["modules"]) == ["classifier.1"]
    assert record["left_alone"]["matrices"] == 6
    for words in ("left in float", "no selector chooses it", "'classifier.fc' matches no module",
                  "default_layer_dtype is not read"):  # fmt: skip
        assert words in shown.getvalue()
    plain = copy.deepcopy(CLASSIFIER.from_pretrained(shared / "resnet"))  # memory is aligned then
    again = CLASSIFIER.from_pretrained(out)
    weight = plain.classifier[1].weight.detach().numpy()
    scale = np.abs(weight).max(1, keepdims=True) / np.float32(127.5)
    codes = np.clip(np.rint(weight * (np.float32(1) / scale)), -128, 127).astype(np.float32)
    np.testing.assert_array_equal(again.classifier[1].weight.detach().numpy(), codes * scale)
    with torch.no_grad():
        plain.classifier[1].weight.copy_(torch.from_numpy(codes * scale))
    assert torch.equal(logits(again), logits(plain))


def test_the_static_example_on_a_classifier(shared: Path, tmp_path: Path, monkeypatch) -> None:
    """With paths in the file alone; the model that is saved is the one that was made."""
    images, out = shared / "images", tmp_path / "q"
    paths = f"  model_path: {shared / 'resnet'}\n  results_dir: {out}\n"
    dataset = f"dataset:\n  val_dataset: {{ images_dir: {images} }}\n"
    made: list[Any] = []

    def keep(*args: Any, **kwargs: Any) -> Any:
        made.append(quantize_module_transform_pass(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(run, "quantize_module_transform_pass", keep)
    spec = write(tmp_path, STATIC + paths + dataset)
    record = run_quantize_experiment(spec=spec, console=QUIET)
    assert record["calibration"]["of"] == len(record["calibration"]["images"]) == 3
    assert record["left_alone"]["matrices"] == 0
    kinds = {entry["kind"] for entry in record["modules"].values()}
    assert kinds == {"conv2d", "linear"} or len(kinds) == 2
    with pytest.raises(TextSourceError, match="is quantised already; give the original model"):
        task_of(str(out))
    again = CLASSIFIER.from_pretrained(out)
    assert torch.equal(logits(again), logits(made[0][0]))
    stem = again.resnet.embedder.embedder.convolution
    processor = transformers.AutoImageProcessor.from_pretrained(out)
    from PIL import Image

    files = sorted(images.rglob("*.png"))
    seen = [
        processor(images=Image.open(file).convert("RGB"), return_tensors="pt")["pixel_values"]
        for file in files
    ]
    assert float(stem.input_ranges.high_0) == max(float(each.max()) for each in seen)
    assert float(stem.input_ranges.low_0) == min(float(each.min()) for each in seen)
    assert not torch.equal(logits(again), logits(CLASSIFIER.from_pretrained(shared / "resnet")))


def test_the_static_example_on_rt_detr(shared: Path, tmp_path: Path) -> None:
    save_rt_detr(tmp_path / "rt_detr")
    dataset = f"dataset:\n  val_data_sources: {{ image_dir: {shared / 'images'} }}\n"
    record = run_quantize_experiment(
        spec=write(tmp_path, STATIC + dataset),
        model=str(tmp_path / "rt_detr"),
        results_dir=tmp_path / "q",
        calibration_images=2,
        console=QUIET,
    )
    assert (record["task"], record["calibration"]["of"]) == ("object detection", 3)
    assert len(record["calibration"]["images"]) == 2
    again, plain = (DETECTOR.from_pretrained(tmp_path / name) for name in ("q", "rt_detr"))
    for name, entry in record["modules"].items():
        half = 127
        weight = plain.get_submodule(name).weight.detach().flatten(1).numpy()
        scale = np.maximum(np.abs(weight).max(1, keepdims=True) / np.float32(half), 2.0**-23)
        scale = scale.astype(np.float32)
        codes = np.clip(np.rint(weight * (np.float32(1) / scale)), -half, half)
        found = again.get_submodule(name).weight.detach().flatten(1).numpy()
        np.testing.assert_array_equal(found, codes.astype(np.float32) * scale, err_msg=name)
        assert entry["data_in"].startswith("int8/tensor")
    again.save_pretrained(tmp_path / "twice")
    twice = DETECTOR.from_pretrained(tmp_path / "twice")
    assert torch.equal(logits(again), logits(twice))


def test_a_language_model_is_calibrated_with_text(
    tiny_model: Path, words: Path, tmp_path: Path
) -> None:
    text = STATIC.replace("Conv2d", "model.layers.0.*")
    spec, common = write(tmp_path, text), {"model": str(tiny_model), "console": QUIET}
    with pytest.raises(FormatError, match=r"activations need calibration text; give --calibration"):
        run_quantize_experiment(spec=spec, results_dir=tmp_path / "q", **common)
    ranges = f"ranges: {{ dataset: 'file:{words}', nsamples: 2, seqlen: 8 }}\n"
    record = run_quantize_experiment(
        spec=write(tmp_path, text + ranges), results_dir=tmp_path / "q", **common
    )
    assert record["calibration"]["text"] == f"file:{words}"
    assert load_model(str(tmp_path / "q"))[0].plena_config.numerics == "fake"
    measured = {"text": str(words), "seqlen": 16, "console": QUIET}
    saved = run_eval_ppl(model=str(tmp_path / "q"), **measured)
    direct = run_eval_ppl(model=str(tiny_model), quant_config=spec, **measured)
    assert saved["result"]["token_perplexity"] == direct["result"]["token_perplexity"]


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        (WEIGHT_ONLY, {"model": None}, "there is no model_path; add it, or --model"),
        (WEIGHT_ONLY, {"results_dir": None}, "there is no results_dir; add it, or --results-dir"),
        (WEIGHT_ONLY, {"results_dir": "images"}, "images exists; give another --results-dir, or"),
        (WEIGHT_ONLY, {"model": "none/at/all"}, "there is no such folder; give a folder with conf"),
        (WEIGHT_ONLY, {"model": "images"}, "cannot load model"),
        (STATIC, {}, "activations need calibration images; give --calibration, or dataset with"),
        (STATIC, {"calibration": "none"}, "calibration images: there is no folder none; give one"),
        (STATIC, {"calibration": "resnet"}, "calibration images: none in .*resnet; known endings"),
        (WEIGHT_ONLY, {"numerics": "exact"}, "exact"),
    ],
)
def test_bad_input_is_one_clear_error(
    text: str, changes: dict[str, Any], message: str, shared: Path, tmp_path: Path
) -> None:
    places = {name: shared / name for name in ("resnet", "images")}
    given = {"model": "resnet", "results_dir": tmp_path / "out" / "q", **changes}
    for key in ("model", "calibration", "results_dir"):
        given[key] = places.get(given.get(key), given.get(key))
    for key in ("model", "calibration"):
        given[key] = None if given[key] is None else str(given[key])
    with pytest.raises((FormatError, TextSourceError), match=message):
        run_quantize_experiment(spec=write(tmp_path, text), console=QUIET, **given)
    assert [file.name for file in tmp_path.rglob("*")] == ["experiment.yaml"]


def test_a_place_that_cannot_be_written_is_said_first(shared: Path, tmp_path: Path) -> None:
    spec = write(tmp_path, WEIGHT_ONLY)
    with pytest.raises(DestinationError, match=r"results_dir .*experiment.yaml is a file"):
        run_quantize_experiment(spec=spec, model="none/at/all", results_dir=spec / "q")


def test_a_failure_leaves_nothing(shared: Path, tmp_path: Path, monkeypatch) -> None:
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run, "write_json", fail)
    given = {"model": str(shared / "resnet"), "results_dir": tmp_path / "q", "console": QUIET}
    with pytest.raises(TextSourceError, match=r"cannot write .*q: No space left on device"):
        run_quantize_experiment(spec=write(tmp_path, WEIGHT_ONLY), **given)
    assert [file.name for file in tmp_path.iterdir()] == ["experiment.yaml"]


def test_a_model_without_an_image_processor(shared: Path, tmp_path: Path) -> None:
    model = tmp_path / "resnet"
    CLASSIFIER.from_pretrained(shared / "resnet").save_pretrained(model)
    given = {"model": str(model), "calibration": str(shared / "images"), "console": QUIET}
    with pytest.raises(TextSourceError, match=r"has no image processor \(preprocessor_config"):
        run_quantize_experiment(spec=write(tmp_path, STATIC), results_dir=tmp_path / "q", **given)


def test_plain_values_and_data_that_are_not_needed(shared: Path, tmp_path: Path) -> None:
    record = run_quantize_experiment(
        spec=write(tmp_path, WEIGHT_ONLY),
        model=str(shared / "resnet"),
        calibration=str(shared / "images"),
        results_dir=tmp_path / "q",
        dequantized=True,
        console=QUIET,
    )
    assert "only weights are quantised, so that --calibration is not read" in record["notes"]
    plain = CLASSIFIER.from_pretrained(tmp_path / "q")
    assert getattr(plain, "plena_config", None) is None


def test_another_kind_of_model_is_named(tmp_path: Path) -> None:
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        image_size=8, patch_size=4,
    )  # fmt: skip
    transformers.ViTModel(config).save_pretrained(tmp_path / "vit")
    with pytest.raises(TextSourceError, match="is ViTModel; give one that transformers loads as"):
        run_quantize_experiment(
            spec=write(tmp_path, WEIGHT_ONLY),
            model=str(tmp_path / "vit"),
            results_dir=tmp_path / "q",
            console=QUIET,
        )
