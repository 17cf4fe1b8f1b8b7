"""Which files of a folder calibrate, and what a model is called with for each."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

from plena_cosim.evaluate.experiment.images import image_files, image_samples
from plena_cosim.sources import TextSourceError

from .models import save_images


def test_images_are_spread_over_the_folder(tmp_path: Path) -> None:
    save_images(tmp_path / "a", 6)
    found, count = image_files([tmp_path / "a"], most=100)
    assert (len(found), count) == (6, 6)
    assert [file.name for file in found] == ["0.png", "2.png", "4.png", "1.png", "3.png", "5.png"]
    some, count = image_files([tmp_path / "a"], most=3)
    assert (some, count) == (found[::2], 6)
    assert image_files([tmp_path / "a"] * 2, most=100) == ([*found, *found], 12)


def test_a_sample_is_what_the_processor_makes(tmp_path: Path) -> None:
    save_images(tmp_path / "a", 2)
    processor = transformers.ViTImageProcessor(size={"height": 8, "width": 9})
    samples = image_samples(image_files([tmp_path / "a"], most=9)[0], processor)
    assert [sample["pixel_values"].shape for sample in samples] == [(1, 3, 8, 9)] * 2
    grey = samples[1]["pixel_values"][0]
    assert torch.equal(grey[0], grey[1])


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextSourceError, match=r"there is no folder .*none; give one in --calib"):
        image_files([tmp_path / "none"], most=1)
    with pytest.raises(TextSourceError, match=r"none in .*; known endings: \.jpg"):
        image_files([tmp_path], most=1)
    (tmp_path / "x.jpg").write_bytes(b"not an image")
    with pytest.raises(TextSourceError, match=r"calibration image .*x\.jpg: cannot identify"):
        image_samples([tmp_path / "x.jpg"], None)
