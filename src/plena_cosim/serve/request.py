"""Request: what an engine is asked to write."""

from __future__ import annotations

from dataclasses import dataclass, field

from .sampler import Sampling


@dataclass(frozen=True, kw_only=True)
class Request:
    """Texts to be written after prompts.

    Attributes:
        prompts: token ids of each.
        n: choices for each prompt; choice c belongs to prompt c // n.
        max_tokens: of a choice; 0: the prompt is only read, for its log probabilities.
        sampling: how tokens are chosen.
        stop: texts before which a choice ends.
        logprobs: None: no log probabilities; else those of each token and of so many likeliest.
        echo: whether a choice begins with its prompt.
    """

    prompts: tuple[tuple[int, ...], ...]
    n: int = 1
    max_tokens: int = 16
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    echo: bool = False

    @property
    def choices(self) -> int:
        """How many texts are written."""
        return len(self.prompts) * self.n

    @property
    def scores_prompt(self) -> bool:
        """Whether log probabilities of the prompt are wanted."""
        return self.echo and self.logprobs is not None
