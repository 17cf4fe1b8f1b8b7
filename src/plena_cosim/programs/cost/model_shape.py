"""ModelShape: the sizes of a decoder that decide what it costs."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.ground.shipped import shipped

from ...golden import FormatError


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Sizes of a Llama-like decoder.

    Attributes:
        hidden: width of the residual stream.
        heads, kv_heads: of queries, and of keys and values.
        head_dim: of each.
        intermediate: width of the MLP.
        layers: how many.
        vocabulary: tokens.
        tied_embeddings: the head is the embedding's matrix.
    """

    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    layers: int
    vocabulary: int
    tied_embeddings: bool = False

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            right = type(value) is bool if each.name == "tied_embeddings" else type(value) is int
            if not right or (each.name != "tied_embeddings" and value < 1):
                raise FormatError(f"{each.name} = {value!r}; need a positive integer")
        if self.heads % self.kv_heads:
            raise FormatError(f"kv_heads = {self.kv_heads} does not divide heads = {self.heads}")

    @property
    def parameters(self) -> int:
        """Weights of matrices and norms, the head's only where it is its own."""
        attention = 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)
        layer = attention + 3 * self.hidden * self.intermediate + 2 * self.hidden
        embeddings = self.vocabulary * self.hidden * (1 if self.tied_embeddings else 2)
        return self.layers * layer + self.hidden + embeddings


def models() -> list[str]:
    """Return the names of the models whose sizes come with the package."""
    return sorted(path.stem for path in shipped(Path("configs/models")).glob("*.toml"))


def model_shape(name: str) -> ModelShape:
    """Return the sizes of a model.

    Args:
        name: of one that comes with the package, a .toml file in its form, or a config.json of
            transformers, or a folder with one.

    Raises:
        FormatError: there is none, or a size is missing or wrong.
    """
    known = models()
    if name in known:
        return _from_toml(shipped(Path("configs/models") / f"{name}.toml"))
    path = Path(name)
    if path.is_dir():
        path /= "config.json"
    if path.suffix == ".toml":
        return _from_toml(path)
    if path.suffix == ".json":
        return _from_config(path)
    raise FormatError(
        f"no sizes of a model named {name!r}; there are {', '.join(known)}, or give a .toml, a "
        f"config.json or its folder{did_you_mean(name, known)}"
    )


def _from_toml(path: Path) -> ModelShape:
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"model sizes {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"model sizes {path} is not valid TOML: {error}") from None
    return _made(path, given)


def _from_config(path: Path) -> ModelShape:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"model sizes {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise FormatError(f"model sizes {path} is not valid JSON: {error}") from None
    heads, hidden = config.get("num_attention_heads"), config.get("hidden_size")
    head_dim = config.get("head_dim")
    if head_dim is None and isinstance(heads, int) and isinstance(hidden, int) and heads:
        head_dim = hidden // heads
    named = {
        "hidden": hidden,
        "heads": heads,
        "kv_heads": config.get("num_key_value_heads", heads),
        "head_dim": head_dim,
        "intermediate": config.get("intermediate_size"),
        "layers": config.get("num_hidden_layers"),
        "vocabulary": config.get("vocab_size"),
        "tied_embeddings": config.get("tie_word_embeddings", False),
    }
    return _made(path, named)


def _made(path: Path, given: Mapping[str, Any]) -> ModelShape:
    known = [each.name for each in fields(ModelShape)]
    for key in given:
        if key not in known:
            raise FormatError(f"model sizes {path}: no key {key!r}{did_you_mean(key, known)}")
    missing = [key for key in known if given.get(key) is None and key != "tied_embeddings"]
    if missing:
        raise FormatError(f"model sizes {path} lacks {', '.join(missing)}")
    try:
        return ModelShape(**given)
    except FormatError as error:
        raise FormatError(f"model sizes {path}: {error}") from None
