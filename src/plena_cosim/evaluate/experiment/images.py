"""Images of a folder, as a model's own image processor prepares them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plena_cosim.sources import TextSourceError
from plena_cosim.sources.errors import need

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def image_files(folders: Sequence[Path], *, most: int) -> tuple[list[Path], int]:
    """Return the images that calibrate, and how many there are.

    Args:
        folders: what is inside of them counts, at any depth.
        most: so many of them, evenly spread over all in the order of their names.

    Raises:
        TextSourceError: a folder is not there, or there are no images.
    """
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise TextSourceError(
                f"calibration images: there is no folder {folder}; give one in --calibration, or "
                "mend dataset in the experiment file"
            )
        found += sorted(
            file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()
        )
    if not found:
        raise TextSourceError(
            f"calibration images: none in {', '.join(map(str, folders))}; known endings: "
            f"{', '.join(SUFFIXES)}"
        )
    count = min(most, len(found))
    return [found[number * len(found) // count] for number in range(count)], len(found)


def image_samples(files: Sequence[Path], processor: Any) -> list[dict[str, Any]]:
    """Return what a model is called with for each image, in RGB.

    Args:
        files: one image each.
        processor: the model's image processor.

    Raises:
        TextSourceError: a file is no image that can be read.
    """
    pillow = need("PIL.Image")
    samples = []
    for file in files:
        try:
            with pillow.open(file) as image:
                made = processor(images=image.convert("RGB"), return_tensors="pt")
        except (OSError, ValueError) as error:
            raise TextSourceError(f"calibration image {file}: {error}") from None
        samples.append(dict(made))
    return samples
