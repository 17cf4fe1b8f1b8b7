"""Algorithms out of JSON files, by Quark's names of the functions that read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from plena_cosim.golden.formats import FormatError

from .algorithms import PRE_OPTIMIZATIONS, AlgoConfig, algorithm_from_dict


def load_quant_algo_config_from_file(file_path: str | Path) -> AlgoConfig:
    """Return the algorithm that a JSON file describes.

    Args:
        file_path: of an object with `name` and the algorithm's arguments.

    Raises:
        FormatError: no such file, no JSON, an unknown name or argument.
    """
    return _with_place(file_path, algorithm_from_dict)


def load_pre_optimization_config_from_file(file_path: str | Path) -> AlgoConfig:
    """Return the pre-optimisation (rotation, quarot or smooth) that a JSON file describes.

    Args:
        file_path: as for `load_quant_algo_config_from_file`.

    Raises:
        FormatError: as there.
    """
    return _with_place(file_path, lambda data: algorithm_from_dict(data, PRE_OPTIMIZATIONS))


def read_json(path: str | Path) -> Any:
    """Return what a JSON file holds.

    Args:
        path: of the file.

    Raises:
        FormatError: there is none, or it is no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise FormatError(f"{path} does not exist") from None
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not valid JSON: {error}") from None


def _with_place(path: str | Path, read: Any) -> AlgoConfig:
    data = read_json(path)
    try:
        found: AlgoConfig = read(data)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    return found
