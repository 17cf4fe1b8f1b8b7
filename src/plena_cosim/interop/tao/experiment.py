"""Experiment: what of a TAO experiment file is about quantisation, checked."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from plena_cosim.golden import FormatError
from plena_cosim.ground.did_you_mean import did_you_mean

from .section import QuantizeTable, read_section

SECTION = "quantize"
RANGES = "ranges"
"""A section that TAO has not: [ranges] of a recipe, the text that calibrates a language model."""

IMAGES = (
    ("quant_calibration_dataset", "images_dir"),
    ("quant_calibration_data_sources", "image_dir"),
    ("val_dataset", "images_dir"),
    ("val_data_sources", "image_dir"),
)
"""Where `dataset` names images, the first that is there: those of calibration, of validation."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment file.

    Attributes:
        section: `quantize`.
        images: the folders of images that `dataset` names for calibration or validation.
        ranges: the section `ranges`, or None.
        notes: what a user should be told of it.
        path: of the file.
        raw: its bytes.
    """

    section: QuantizeTable
    images: tuple[Path, ...]
    ranges: dict[str, Any] | None
    notes: tuple[str, ...]
    path: Path
    raw: bytes

    @property
    def sha256(self) -> str:
        """Of the file's bytes."""
        return hashlib.sha256(self.raw).hexdigest()


def read_experiment(path: str | Path) -> Experiment:
    """Read a TAO experiment file; sections beside `quantize` and `dataset` are not looked at.

    Args:
        path: a YAML file.

    Raises:
        FormatError: the file is missing or not YAML, has no section `quantize`, or one with an
            unknown key or value, or with keys that contradict each other.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
        whole = yaml.load(raw.decode("utf-8-sig"), Loader=_Loader)
    except FileNotFoundError:
        raise FormatError(f"experiment file {path} does not exist") from None
    except OSError as error:
        raise FormatError(f"experiment file {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        words = " ".join(str(error).split())
        raise FormatError(f"experiment file {path} is not valid YAML: {words}") from None
    if not isinstance(whole, dict) or SECTION not in whole:
        known = [str(key) for key in whole] if isinstance(whole, dict) else []
        has = f"it has {', '.join(known)}" if known else "it has no sections"
        near = did_you_mean(SECTION, known)
        raise FormatError(f"experiment file {path}: there is no section {SECTION}; {has}{near}")
    where = f"experiment file {path} [{SECTION}]"
    _require_resolved(whole[SECTION], where)
    section, notes = read_section(whole[SECTION], where)
    ranges = whole.get(RANGES)
    if ranges is not None and not isinstance(ranges, dict):
        raise FormatError(f"experiment file {path} [{RANGES}]: must be a table, got {ranges!r}")
    return Experiment(
        section=section,
        images=_images(whole.get("dataset"), f"experiment file {path} [dataset]"),
        ranges=ranges,
        notes=notes,
        path=path,
        raw=raw,
    )


def _images(dataset: Any, where: str) -> tuple[Path, ...]:
    """Return the folders of the first key that names some."""
    if not isinstance(dataset, dict):
        return ()
    for key, inner in IMAGES:
        given = dataset.get(key)
        sources = [each for each in (given if isinstance(given, list) else [given]) if each]
        tables = [each for each in sources if isinstance(each, dict)]
        named: list[Any] = [each[inner] for each in tables if each.get(inner)]
        if not named:
            continue
        _require_resolved(named, f"{where}: {key}.{inner}")
        if not all(isinstance(name, str) for name in named):
            raise FormatError(f"{where}: {key}.{inner} must be a folder, got {named[0]!r}")
        return tuple(map(Path, named))
    return ()


def _require_resolved(value: Any, where: str) -> None:
    """FormatError where a value is one that only TAO's launcher fills in."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _require_resolved(inner, f"{where}: {key}")
    elif isinstance(value, list):
        for inner in value:
            _require_resolved(inner, where)
    elif isinstance(value, str) and ("${" in value or value == "???"):
        raise FormatError(
            f"{where}: {value!r} is filled in by TAO's launcher, and here by nothing; write the "
            "value itself"
        )


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """Reads plain values; a key that is there twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is no plain value", key.start_mark
                )
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} is there twice", key.start_mark
                )
            seen.add(key.value)
        made: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return made
