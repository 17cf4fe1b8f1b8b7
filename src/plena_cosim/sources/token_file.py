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
SAMPLES = ".pt"
"""Ending of a torch file of token samples."""
_SAMPLES_VERSION = 1


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
        path: relative ones start at the working directory; a .pt is read by `read_sample_file`.

    Returns:
        (n, seqlen) or (n,) int64; what `write_token_file` was given, empty for a file of others.

    Raises:
        TextSourceError: there is no such file, or it holds something else; the message says what.
    """
    if not Path(path).is_file():
        raise TextSourceError(f"there is no file of tokens {path!r}; plena calib collect makes one")
    if Path(path).suffix == SAMPLES:
        return read_sample_file(path), {}
    safetensors = need("safetensors")
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


def read_sample_file(path: str) -> Tensor:
    """Return the samples of a torch file as the reference's token collector writes it.

    Args:
        path: of a dict with "loader", a list of pairs of input ids (1, n) int64 and what is not
            read here; n may be the same for all.

    Returns:
        (samples, n) int64.

    Raises:
        TextSourceError: it holds something else, or more than tensors and plain values.
    """
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has several, and pickle its own
        reason = str(error).strip().partition("\n")[0]
        raise TextSourceError(f"{path} is no torch file of token samples: {reason}") from None
    loader = held.get("loader") if isinstance(held, dict) else None
    if not isinstance(loader, list) or not loader:
        raise TextSourceError(
            f'{path} is no file of token samples: it needs a dict whose "loader" is a list of '
            "(input_ids, target)"
        )
    version = held.get("format_version", _SAMPLES_VERSION)
    if version != _SAMPLES_VERSION:
        raise TextSourceError(
            f"{path} is of format version {version}, and this reads {_SAMPLES_VERSION}"
        )
    rows = [pair[0] if isinstance(pair, list | tuple) and pair else pair for pair in loader]
    for number, row in enumerate(rows):
        if not isinstance(row, Tensor) or row.dtype != torch.int64 or row.dim() not in (1, 2):
            raise TextSourceError(f"{path}: sample {number} has no input ids (1, n) int64")
        if row.dim() == 2 and len(row) != 1:
            raise TextSourceError(
                f"{path}: sample {number} must be input ids (1, n), got {tuple(row.shape)}"
            )
        if row.numel() != rows[0].numel() or not row.numel():
            raise TextSourceError(
                f"{path}: sample {number} has {row.numel()} tokens and sample 0 has "
                f"{rows[0].numel()}; all have to be of one length"
            )
    return torch.stack([row.reshape(-1) for row in rows])


def write_sample_file(path: Path, tokens: Tensor, *, target_nsamples: int) -> None:
    """Write samples as the reference's token collector does, whole or not at all.

    Args:
        path: of the file.
        tokens: (samples, n) int64.
        target_nsamples: how many were asked for.

    Raises:
        TextSourceError: the disk is full or not writable.
    """
    loader = []
    for row in tokens:
        target = torch.full((1, len(row)), -100, dtype=torch.int64)
        target[:, -1] = row[-1]
        loader.append((row[None].clone(), target))
    held = {
        "loader": loader,
        "seqlen": tokens.shape[1],
        "target_nsamples": target_nsamples,
        "collected_samples": len(tokens),
        "format_version": _SAMPLES_VERSION,
    }
    with written(path) as scratch:
        torch.save(held, scratch)


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
