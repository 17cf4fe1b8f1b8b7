"""Calibration tokens in a safetensors file, with a record of where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .errors import TextSourceError, need
from .written import written

TENSOR = "tokens"


def write_token_file(path: Path, tokens: Tensor, metadata: Mapping[str, str]) -> None:
    """Write (n, seqlen) or (n,) token ids, whole or not at all; their sha256 is added.

    Args:
        path: of the file.
        tokens: (n, seqlen) or (n,) int64.
        metadata: where they come from.

    Raises:
        TextSourceError: the disk is full or not writable.
    """
    save_file = need("safetensors.torch").save_file
    known = {**metadata, "sha256": token_digest(tokens)}
    with written(path) as scratch:
        save_file({TENSOR: tokens.contiguous()}, scratch, metadata=known)


def read_token_file(path: str) -> tuple[Tensor, dict[str, str]]:
    """Return the token ids of a file and its metadata, both checked.

    Args:
        path: relative ones start at the working directory.

    Returns:
        (n, seqlen) or (n,) int64; what `write_token_file` was given, empty for a file of others.

    Raises:
        TextSourceError: there is no such file, or it holds something else; the message says what.
    """
    safetensors = need("safetensors")
    if not Path(path).is_file():
        raise TextSourceError(f"there is no file of tokens {path!r}; plena calib collect makes one")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata, names = dict(file.metadata() or {}), list(file.keys())
            tokens = file.get_tensor(TENSOR) if TENSOR in names else None
    except (OSError, safetensors.SafetensorError) as error:
        raise TextSourceError(f"{path} is not a whole safetensors file: {error}") from None
    if tokens is None:
        raise TextSourceError(
            f"{path} has no tensor {TENSOR!r}, only {', '.join(names) or 'none'}; plena calib "
            "collect makes a file of tokens"
        )
    if tokens.dtype != torch.int64 or tokens.dim() not in (1, 2) or not tokens.numel():
        raise TextSourceError(
            f"{path}: {TENSOR!r} must be int64 of shape (n, seqlen) or (n,), got "
            f"{str(tokens.dtype).removeprefix('torch.')} {tuple(tokens.shape)}"
        )
    if metadata.get("sha256", digest := token_digest(tokens)) != digest:
        raise TextSourceError(f"{path} is damaged: its tokens are not those that were saved")
    return tokens, metadata


def require_vocabulary(
    tokens: Tensor, metadata: Mapping[str, str], tokenizer: Any, path: str
) -> None:
    """Raise TextSourceError where tokens cannot be this tokenizer's.

    Args:
        tokens: int64 of any shape.
        metadata: of the file.
        tokenizer: of the model.
        path: of the file, for messages.

    Raises:
        TextSourceError: a token is outside of the vocabulary, or the file is of another one.
    """
    low, high, size = int(tokens.min()), int(tokens.max()), len(tokenizer)
    if low < 0 or high >= size:
        raise TextSourceError(
            f"{path}: token ids {low} … {high} are not within the tokenizer's vocabulary, "
            f"0 … {size - 1}; collect the tokens again with this model"
        )
    if metadata.get("vocabulary", digest := vocabulary_digest(tokenizer)) != digest:
        raise TextSourceError(
            f"{path} was collected with model {metadata.get('model', '')!r}, whose tokenizer has "
            "another vocabulary; collect the tokens again with this model"
        )


def token_digest(tokens: Tensor) -> str:
    """Return the sha256 of shape and token ids, for records."""
    content = f"{tuple(tokens.shape)}".encode() + tokens.numpy().astype("<i8").tobytes()
    return hashlib.sha256(content).hexdigest()


def vocabulary_digest(tokenizer: Any) -> str:
    """Return the sha256 of all tokens with their ids."""
    return hashlib.sha256(json.dumps(sorted(tokenizer.get_vocab().items())).encode()).hexdigest()
