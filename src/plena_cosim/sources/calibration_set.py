"""CalibrationSet: the token windows that a calibration reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from plena_cosim.golden import FormatError
from plena_cosim.ground.cache import cache_root
from plena_cosim.ground.dataset_name import ALLOWED, FILE, TOKENS, is_dataset_name

from .demo_text import demo_calibration_text
from .draw_windows import draw_windows
from .errors import TextSourceError
from .file_text import file_text
from .hub_text import HubPart, hub_text
from .token_file import SAMPLES, read_token_file, require_vocabulary, token_digest
from .tokenizer import tokenize


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibrationSet:
    """Samples of text as token ids.

    Attributes:
        tokens: (nsamples, seqlen) int64.
        dataset: the name that was given.
        seed: of the places in the text.
        drawn_from: how many tokens there were to draw from.
        sha256: of `tokens`.
    """

    tokens: Tensor
    dataset: str
    seed: int
    drawn_from: int
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """Return the facts for a record, without the tokens."""
        nsamples, seqlen = self.tokens.shape
        return {
            "dataset": self.dataset,
            "nsamples": nsamples,
            "seqlen": seqlen,
            "seed": self.seed,
            "drawn_from": self.drawn_from,
            "sha256": self.sha256,
        }


def calibration_set(
    dataset: str,
    tokenizer: Any,
    *,
    nsamples: int,
    seqlen: int,
    seed: int,
    cache: Path | None = None,
) -> CalibrationSet:
    """Return samples of a text for calibration; the same arguments give the same tokens.

    Windows of a text are drawn by `draw_windows`, without overlap. A file whose tokens are rows
    already gives its first `nsamples` rows, and the seed changes nothing.

    Args:
        dataset: "wikitext2", "c4" or "ptb" of the hub; "demo": Wikipedia articles, none of which is
            in the demo's evaluation text; "file:PATH" of a .txt or .jsonl; "tokens:PATH" of what
            `plena calib collect` saved; both take a .pt of token samples, see `read_sample_file`.
        tokenizer: of the model.
        nsamples, seqlen: how many samples, how many tokens each.
        seed: of the places in the text.
        cache: where demo downloads live; the user's cache directory when None.

    Raises:
        FormatError: the name is none of those, or a number is below 1.
        TextSourceError: the text cannot be had, or is too short.
    """
    if not is_dataset_name(dataset):
        raise FormatError(f"calibration dataset must be {ALLOWED}, got {dataset!r}")
    if nsamples < 1 or seqlen < 1:
        raise FormatError(f"nsamples and seqlen must be 1 or more, got {nsamples} and {seqlen}")
    samples = dataset.startswith(FILE) and Path(dataset).suffix == SAMPLES
    if dataset.startswith(TOKENS) or samples:
        path = dataset.removeprefix(FILE if samples else TOKENS)
        stream = _saved_tokens(path, tokenizer, nsamples, seqlen)
    else:
        stream = tokenize(tokenizer, _text(dataset, cache or cache_root()))
    if stream.dim() == 2:
        tokens = stream[:nsamples].clone()
    else:
        tokens = draw_windows(
            stream, nsamples=nsamples, seqlen=seqlen, seed=seed, name=f"dataset {dataset!r}"
        )
    return CalibrationSet(
        tokens=tokens,
        dataset=dataset,
        seed=seed,
        drawn_from=stream.numel(),
        sha256=token_digest(tokens),
    )


def _text(dataset: str, cache: Path) -> str:
    if dataset == "demo":
        return demo_calibration_text(cache)
    if dataset.startswith(FILE):
        return file_text(dataset.removeprefix(FILE))
    return hub_text(dataset, HubPart.CALIBRATION)


def _saved_tokens(path: str, tokenizer: Any, nsamples: int, seqlen: int) -> Tensor:
    tokens, metadata = read_token_file(path)
    require_vocabulary(tokens, metadata, tokenizer, path)
    if tokens.dim() == 2 and (len(tokens) < nsamples or tokens.shape[1] != seqlen):
        raise TextSourceError(
            f"{path} holds {len(tokens)} samples of {tokens.shape[1]} tokens, but {nsamples} of "
            f"{seqlen} are asked for; set nsamples and seqlen to what it holds, or collect again"
        )
    return tokens
