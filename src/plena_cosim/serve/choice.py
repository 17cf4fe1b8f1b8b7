"""Choice: one text that is being written, with a cache and draws of its own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from .sampler import Sampler
from .stream import Piece, Score, Stream
from .written_text import WrittenText


class Choice:
    """One of the texts that a request asks for.

    Attributes:
        stream: the answer that it is a part of.
        prompt: token ids.
        token: the one that the next pass reads; None before the prompt has been read.
        cache: of all tokens before it.
        length: how many these are.
        done: whether it is whole.
    """

    def __init__(
        self, stream: Stream, number: int, *, tokenizer: Any, ends: Collection[int], room: int
    ) -> None:
        """Begin with nothing read.

        Args:
            stream: the answer that it is a part of.
            number: of the choice in it.
            tokenizer: of transformers.
            ends: token ids that end a text.
            room: tokens that prompt and text may have together.
        """
        request = stream.request
        self.stream, self._number, self._tokenizer = stream, number, tokenizer
        self.prompt = request.prompts[number // request.n]
        self.token: int | None = None
        self.cache: Any = None
        self.length, self.done = 0, False
        self._ends = frozenset(ends)
        self._left = min(request.max_tokens, room - len(self.prompt))
        self._sampler = Sampler(request.sampling, number % request.n)
        self._text = WrittenText(tokenizer, self.prompt, request.stop)

    def read_prompt(self, logits: Tensor, cache: Any) -> None:
        """Take what the pass over the prompt gave, and give out the first token.

        Args:
            logits: (tokens or 1, vocabulary) float64.
            cache: that this choice alone uses from now on.
        """
        self.cache, self.length = cache, len(self.prompt)
        if self.stream.request.echo:
            self._echo(logits)
        if self._left > 0:
            self.write(logits[-1])

    def write(self, logits: Tensor) -> None:
        """Draw the next token, and give it out.

        Args:
            logits: (vocabulary,) float64, behind the last token.

        Raises:
            RequestError: they are not finite.
        """
        token = self._sampler.draw(logits)
        self._left -= 1
        ended = token in self._ends
        text = "" if ended else self._text.add(token)
        finish = "stop" if ended or self._text.stopped else "length" if self._left <= 0 else None
        if finish is not None:
            text += self._text.finish()
            finish = "stop" if self._text.stopped else finish
        self._put(
            Piece(
                choice=self._number,
                text=text,
                scores=self._scores([token], logits[None]),
                tokens=1,
                finish=finish,
            )
        )
        self.token = token

    def _echo(self, logits: Tensor) -> None:
        """Give out the prompt; the first token of a text has no probability."""
        text = self._tokenizer.decode(
            self.prompt, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        scores: tuple[Score, ...] = ()
        if self.stream.request.scores_prompt:
            first = Score(token=self.prompt[0], logprob=None)
            scores = (first, *self._scores(self.prompt[1:], logits[:-1]))
        finish = "length" if self._left <= 0 else None
        self._put(Piece(choice=self._number, text=text, scores=scores, finish=finish))

    def _scores(self, tokens: Collection[int], logits: Tensor) -> tuple[Score, ...]:
        """Return scores of tokens, each from its row of logits."""
        count = self.stream.request.logprobs
        if count is None:
            return ()
        return tuple(_score(*each, count) for each in zip(tokens, logits, strict=True))

    def _put(self, piece: Piece) -> None:
        if piece.finish is not None:
            self.done, self.cache = True, None
        self.stream.put(piece)


def _score(token: int, logits: Tensor, count: int) -> Score:
    logprobs = torch.log_softmax(logits, dim=0)
    order = torch.sort(logprobs, descending=True, stable=True).indices[:count]
    top = tuple((int(each), float(logprobs[each])) for each in order)
    return Score(token=token, logprob=float(logprobs[token]), top=top)
