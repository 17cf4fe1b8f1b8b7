"""What a measurement depends on, as digests: equal keys, equal figures."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from plena_cosim.passes import Recipe
from plena_cosim.sources import TextSourceError

_PACKAGE = Path(__file__).resolve().parents[1]
_CODE = ("golden", "fakequant", "passes", "sources")
_VERSIONS = ("torch", "transformers", "numpy")


def recipe_key(recipe: Recipe | None, numerics: str) -> dict[str, Any]:
    """Return what a recipe adds to a key: its text and all that it reads.

    Args:
        recipe: None: the model in floating point.
        numerics: "fake" or "exact".

    Raises:
        TextSourceError: a file of calibration text that the recipe names cannot be read.
    """
    if recipe is None:
        return {"recipe_sha256": None, "numerics": "fake"}
    tables = json.dumps(recipe.tables, sort_keys=True, default=str)
    return {
        "recipe_sha256": recipe.sha256,
        "tables_sha256": hashlib.sha256(tables.encode()).hexdigest(),  # with the machine's file
        "calibration_sha256": {name: _file_digest(name) for name in _datasets(recipe)},
        "numerics": numerics,
    }


def code_digest(*files_here: str) -> str:
    """Return a digest of the sources that a perplexity comes out of; a wheel has the same.

    Args:
        *files_here: those of this package that it also comes out of, such as "perplexity.py".
    """
    files = [path for name in _CODE for path in (_PACKAGE / name).rglob("*.py")]
    files += [_PACKAGE / "evaluate" / name for name in files_here]
    return _digest(
        part
        for path in sorted(files)
        for part in (path.relative_to(_PACKAGE).as_posix().encode(), path.read_bytes())
    )


def model_digest(model: Any) -> str:
    """Return a digest of a model's configuration and of every bit of its parameters and buffers."""
    config = model.config.to_dict()
    for key in ("_name_or_path", "transformers_version"):
        config.pop(key, None)
    return _digest(_model_parts(model, json.dumps(config, sort_keys=True, default=str)))


def tokens_digest(tokens: Any) -> str:
    """Return a digest of token ids: of the text as the model's own tokenizer reads it."""
    return _digest([tokens.numpy().tobytes()])


def versions() -> dict[str, str]:
    """Return the versions of the packages that compute."""
    return {name: importlib.metadata.version(name) for name in _VERSIONS}


def _model_parts(model: Any, config: str) -> Iterable[Any]:
    import torch

    yield config.encode()
    for name, tensor in model.state_dict().items():
        yield f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()
        yield tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()


def _datasets(recipe: Recipe) -> list[str]:
    """Return the files of text or tokens that any table of the recipe names."""
    tables = [table for table in recipe.tables.values() if isinstance(table, dict)]
    given = [table.get(key) for table in tables for key in ("dataset", "calib_data")]
    return sorted(
        {name for name in given if isinstance(name, str) and name.startswith(("file:", "tokens:"))}
    )


def _file_digest(name: str) -> str:
    path = Path(name.partition(":")[2])
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise TextSourceError(f"cannot read calibration text {name!r}: {error.strerror}") from None


def _digest(parts: Iterable[Any]) -> str:
    """Return the sha256 of parts, each with its length before it."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.hexdigest()
