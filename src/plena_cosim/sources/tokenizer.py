"""Tokenizers by the name of their model, and text to token ids."""

from __future__ import annotations

from itertools import pairwise
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
    except Exception as error:  # tokenizers raises no narrower one for a file it cannot read
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        raise TextSourceError(
            f"the tokenizer of model {name!r} cannot be read ({reason}); copy or save it again"
        ) from error


def token_bytes(tokenizer: Any, text: str) -> list[int] | None:
    """Return how many bytes of UTF-8 each token of `tokenize` stands for; in sum the whole text.

    A token stands for what is from its beginning to that of the next, white space between them
    included; a character of several tokens counts with the last of them.

    Args:
        tokenizer: of transformers.
        text: any.

    Returns:
        None where the tokenizer does not say where its tokens are ("slow" ones).
    """
    if not getattr(tokenizer, "is_fast", False):
        return None
    found = tokenizer(text, add_special_tokens=False, verbose=False, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    starts = [0, *(start for start, _ in found[1:]), len(text)]
    return [len(text[start:end].encode()) for start, end in pairwise(starts)] if found else []


def tokenize(tokenizer: Any, text: str, *, limit: int | None = None) -> torch.Tensor:
    """Return the token ids of `text`, (n,) int64, at most `limit` of them, no special tokens.

    Args:
        tokenizer: of transformers.
        text: any.
        limit: tokens at most; None: all.
    """
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return torch.tensor(ids[:limit], dtype=torch.int64)
