"""Denoising: how a text is written from masks, in the words of LLaDA and Fast-dLLM."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from plena_cosim.golden import FormatError


class Remasking(StrEnum):
    """Which tokens of a pass are kept, and which are masked again."""

    LOW_CONFIDENCE = "low_confidence"
    """Those of the highest probability are kept."""
    RANDOM = "random"
    """Any."""


class KeyCache(StrEnum):
    """What of keys and values the passes over a block share."""

    NONE = "none"
    """Nothing: each pass is over the whole text."""
    PREFIX = "prefix"
    """Those before the block, as the block's first pass has made them."""
    DUAL = "dual"
    """Those before and behind the block."""


@dataclass(frozen=True, kw_only=True)
class Denoising:
    """How a text is written.

    Attributes:
        gen_length: tokens that are written.
        block_length: tokens of a block; blocks are written one after the other.
        steps: passes over all blocks together, where neither threshold nor factor is given.
        temperature: 0: the likeliest token; else Gumbel noise of this size.
        remasking: which tokens are kept.
        threshold: keep all tokens of at least this probability, and the likeliest one.
        factor: keep the n likeliest where (n + 1)·(1 − p of the n-th) stays below it, and the
            likeliest one.
        cache: what passes share.
        seed: of noise and random remasking.

    Raises:
        FormatError: numbers that do not fit each other.
    """

    gen_length: int = 128
    block_length: int = 32
    steps: int = 128
    temperature: float = 0.0
    remasking: Remasking = Remasking.LOW_CONFIDENCE
    threshold: float | None = None
    factor: float | None = None
    cache: KeyCache = KeyCache.NONE
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no text can be written by."""
        for name in ("gen_length", "block_length", "steps"):
            if getattr(self, name) < 1:
                raise FormatError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.gen_length % self.block_length:
            raise FormatError(
                f"gen_length {self.gen_length} is no multiple of block_length {self.block_length}"
            )
        if self.threshold is not None and self.factor is not None:
            raise FormatError("threshold and factor both say how many tokens to keep; give one")
        if self.by_probability and self.remasking is Remasking.RANDOM:
            raise FormatError("threshold and factor go by probability, not with random remasking")
        if not self.by_probability and self.steps % self.blocks:
            raise FormatError(
                f"steps {self.steps} is no multiple of the {self.blocks} blocks of a text"
            )
        if not self.temperature >= 0:
            raise FormatError(f"temperature must not be negative, got {self.temperature}")

    @property
    def blocks(self) -> int:
        """Blocks of a text."""
        return self.gen_length // self.block_length

    @property
    def by_probability(self) -> bool:
        """Whether probabilities say how many tokens of a pass are kept."""
        return self.threshold is not None or self.factor is not None

    def kept(self, step: int) -> int:
        """Return how many tokens the pass of a number keeps, where steps say so.

        A block's tokens are shared out evenly among its passes; the first get one more.

        Args:
            step: from 0, within the block.
        """
        share, rest = divmod(self.block_length, self.steps // self.blocks)
        return share + (step < rest)
