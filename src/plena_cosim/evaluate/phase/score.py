"""decode_perplexity: a text read in part as a prompt, and the rest decoded through the cache."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import Progress
from plena_cosim.passes.recipe.draws import begin_sample

from ..results.sample_log import SampleLog


@dataclass(frozen=True, kw_only=True)
class DecodePerplexity:
    """A measurement.

    Attributes:
        decode_perplexity: exp of the mean negative log likelihood (nats) of the tokens that decode
            passes predict.
        prefill_perplexity: the same of those that the pass over the prompt predicts.
        decode_tokens, prefill_tokens: how many there are.
        windows: number of windows.
        seqlen: tokens in a window.
        prompt: tokens of it that are read at once.
        seconds: of the model.
    """

    decode_perplexity: float
    prefill_perplexity: float
    decode_tokens: int
    prefill_tokens: int
    windows: int
    seqlen: int
    prompt: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON record."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """Return names and values for a table."""
        return [
            ("decode perplexity", f"{self.decode_perplexity:.4f}"),
            ("prefill perplexity", f"{self.prefill_perplexity:.4f}"),
            ("tokens decoded, prefilled", f"{self.decode_tokens}, {self.prefill_tokens}"),
            ("windows", f"{self.windows} of {self.seqlen}, prompts of {self.prompt}"),
        ]


@torch.no_grad()
def decode_perplexity(
    model: Any,
    tokens: Tensor,
    *,
    seqlen: int,
    prompt: int,
    batch_size: int = 1,
    log: SampleLog | None = None,
    progress: Progress | None = None,
) -> DecodePerplexity:
    """Return perplexities of what a model predicts while it reads, and while it writes.

    In each window the first `prompt` tokens are one pass with an empty cache; each further token is
    a pass of its own, given the token of the text and the cache. A last window that is shorter than
    the others is left out, so that nothing is padded.

    Args:
        model: a causal language model of transformers.
        tokens: (n,) int64.
        seqlen: tokens in a window.
        prompt: tokens of a window that are read at once, 2 … seqlen - 2.
        batch_size: windows at once. With exact numerics no bit depends on it.
        log: where the losses of each window go; batches that it has already are not measured again.
        progress: called after each batch.

    Raises:
        FormatError: there is no whole window, or the prompt leaves nothing to decode.
    """
    if not 2 <= prompt <= seqlen - 2:
        raise FormatError(
            f"a prompt must have 2 … {seqlen - 2} tokens of a window of {seqlen}; got {prompt}"
        )
    count = tokens.numel() // seqlen
    if not count:
        raise FormatError(f"decoding needs a whole window of {seqlen} tokens, got {tokens.numel()}")
    windows = tokens[: count * seqlen].reshape(count, seqlen)
    log = log if log is not None else SampleLog()
    for first in range(0, count, batch_size):
        places = range(first, min(first + batch_size, count))
        if any(log.get(str(place)) is None for place in places):
            _measure(model, windows, places, prompt, log)
        if progress is not None:
            progress("windows decoded", places.stop, count)
    found = [sample for place in range(count) if (sample := log.get(str(place))) is not None]
    decode = math.fsum(each["decode_negative_log_likelihood"] for each in found)
    prefill = math.fsum(each["prefill_negative_log_likelihood"] for each in found)
    decoded, read = count * (seqlen - prompt - 1), count * (prompt - 1)
    return DecodePerplexity(
        decode_perplexity=_exp(decode / decoded),
        prefill_perplexity=_exp(prefill / read),
        decode_tokens=decoded,
        prefill_tokens=read,
        windows=count,
        seqlen=seqlen,
        prompt=prompt,
        seconds=math.fsum(each["seconds"] for each in found),
    )


def _measure(
    model: Any, windows: Tensor, places: Sequence[int], prompt: int, log: SampleLog
) -> None:
    """Measure the windows at these places at once, and log each."""
    started = time.perf_counter()
    begin_sample(model, places[0])
    ids = windows[places[0] : places[-1] + 1].to(model.device)
    made = model(ids[:, :prompt], use_cache=True)
    prefill = _losses(made.logits[:, :-1], ids[:, 1:prompt]).sum(1)
    decode = torch.zeros(len(places), dtype=torch.float64)
    cache = made.past_key_values
    for place in range(prompt, ids.shape[1] - 1):
        made = model(ids[:, place : place + 1], past_key_values=cache, use_cache=True)
        cache = made.past_key_values
        decode += _losses(made.logits[:, -1:], ids[:, place + 1 : place + 2]).sum(1)
    seconds = (time.perf_counter() - started) / len(places)
    for index, place in enumerate(places):
        log.add(
            str(place),
            {
                "decode_negative_log_likelihood": float(decode[index]),
                "decode_tokens": ids.shape[1] - prompt - 1,
                "prefill_negative_log_likelihood": float(prefill[index]),
                "prefill_tokens": prompt - 1,
                "seconds": seconds,
            },
        )


def _losses(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return the negative log likelihoods, (batch, tokens) float64."""
    flat = functional.cross_entropy(
        logits.float().flatten(0, 1), wanted.to(logits.device).flatten(), reduction="none"
    )
    return flat.reshape(wanted.shape).double().cpu()


def _exp(nats: float) -> float:
    return math.exp(nats) if nats < 709 else math.inf
