"""Tokenizers by the name of their model, and text to token ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .errors import TextSourceError, need
from .model_place import model_place


def load_tokenizer(name: str, *, cache: Path | None = None) -> Any:
    """Return the tokenizer of a model, without the model.

    Args:
        name: a folder, an id on the Hugging Face hub, or "demo".
        cache: where the demo model lives; the user's cache directory when None.

    Raises:
        TextSourceError: there is no such model, it cannot be reached, or it has no tokenizer.
    """
    transformers = need("transformers")
    place = model_place(name, cache=cache)
    try:
        return transformers.AutoTokenizer.from_pretrained(place)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TextSourceError(
            f"cannot load the tokenizer of model {name!r}: {reason} (give a folder with "
            "tokenizer.json, an id on the Hugging Face hub, or 'demo')"
        ) from None


def tokenize(tokenizer: Any, text: str, *, limit: int | None = None) -> torch.Tensor:
    """Return the token ids of `text`, (n,) int64, at most `limit` of them, no special tokens.

    Args:
        tokenizer: of transformers.
        text: any.
        limit: tokens at most; None: all.
    """
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return torch.tensor(ids[:limit], dtype=torch.int64)
