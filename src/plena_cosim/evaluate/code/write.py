"""write_completion: what a model goes on with, token by token, the same for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from plena_cosim.golden import FormatError


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How tokens are chosen.

    Attributes:
        temperature: that logits are divided by; 0: the most likely token is taken.
        top_p: of the most likely tokens so many are kept that they have this probability together.
        max_new_tokens: at most.
        seed: of the whole run; each sample has a seed that follows from it and its name.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what chooses nothing.

        Raises:
            FormatError: a number is out of its range.
        """
        if not self.temperature >= 0:
            raise FormatError(f"a temperature is 0 or more; got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise FormatError(f"top-p is above 0 and at most 1; got {self.top_p}")
        if self.max_new_tokens < 1:
            raise FormatError(f"at least one token is written; got {self.max_new_tokens}")

    def generator(self, name: str) -> torch.Generator:
        """Return the random numbers of a sample.

        Args:
            name: of the sample.
        """
        digest = hashlib.sha256(f"{self.seed} {name}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


@torch.no_grad()
def write_completion(
    model: Any,
    tokenizer: Any,
    prompt: str,
    *,
    sampling: Sampling,
    name: str,
    over: Callable[[str], bool],
) -> tuple[str, int]:
    """Return what a model writes after a prompt.

    The prompt is one pass with an empty cache, each further token a pass of its own.

    Args:
        model: a causal language model of transformers.
        tokenizer: of the model.
        prompt: what it goes on with.
        sampling: how tokens are chosen.
        name: of the sample, from which its random numbers follow.
        over: whether a text needs no more tokens.

    Returns:
        The text, and how many tokens were made.

    Raises:
        FormatError: the prompt is empty, or is longer than what the model sees.
    """
    read = _without_end(tokenizer(prompt, verbose=False)["input_ids"], tokenizer)
    sees = getattr(model.config, "max_position_embeddings", None)
    if not read or (sees is not None and len(read) + sampling.max_new_tokens > sees):
        raise FormatError(
            f"{name}: a prompt of {len(read)} tokens and {sampling.max_new_tokens} new ones; the "
            f"model sees {sees}; give fewer --max-new-tokens"
        )
    ends = _ends(model, tokenizer)
    generator = sampling.generator(name)
    before, text = _decoded(tokenizer, read), ""
    made: list[int] = []
    cache, ids = None, torch.tensor([read])
    while len(made) < sampling.max_new_tokens and not over(text):
        out = model(ids.to(model.device), past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        token = choose(out.logits[0, -1], sampling=sampling, generator=generator)
        if token in ends:
            break
        made.append(token)
        ids = torch.tensor([[token]])
        # The text as a whole: alone, a token may lose the space that it begins with.
        text = _decoded(tokenizer, [*read, *made])[len(before) :]
    return text, len(made)


def choose(logits: Tensor, *, sampling: Sampling, generator: torch.Generator) -> int:
    """Return the next token.

    Args:
        logits: (vocabulary,).
        sampling: temperature and top-p. Of equal logits the first token goes before the others.
        generator: one number of it is used, with a temperature above 0.
    """
    values = logits.double().cpu()
    if sampling.temperature == 0:
        return int(values.argmax())
    chances, tokens = (values / sampling.temperature).softmax(0).sort(descending=True, stable=True)
    total = chances.cumsum(0)
    kept = int((total - chances < sampling.top_p).sum())
    drawn = torch.rand((), generator=generator, dtype=torch.float64) * total[kept - 1]
    place = int(torch.searchsorted(total[:kept], drawn, right=True))
    return int(tokens[min(place, kept - 1)])


def _ends(model: Any, tokenizer: Any) -> set[int]:
    """Return the tokens that end a text."""
    settings = getattr(model, "generation_config", None)
    given = getattr(settings, "eos_token_id", None)
    found = given if isinstance(given, list) else [given]
    return {int(each) for each in (*found, tokenizer.eos_token_id) if each is not None}


def _without_end(ids: list[int], tokenizer: Any) -> list[int]:
    """Return a prompt without the end of text that some tokenizers add."""
    return ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids


def _decoded(tokenizer: Any, ids: list[int]) -> str:
    text: str = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text
