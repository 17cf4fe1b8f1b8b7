"""WrittenText: tokens become text, given out as soon as later tokens cannot change it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_CONTEXT = 6
"""Tokens of a prompt that say whether the first word that is written has a space before it."""
_LONGEST = 4
"""Tokens that may be parts of one character: UTF-8 has four bytes at most."""


class WrittenText:
    """The text of one choice.

    A piece is what a token adds to the text of those before it, so that the pieces together are the
    text that follows the prompt. A character of several tokens comes with the last of them; what
    may be the beginning of a stop text waits until it is none.

    Attributes:
        stopped: whether a stop text has come; neither it nor what follows is given out.
    """

    def __init__(self, tokenizer: Any, prompt: Sequence[int], stop: Sequence[str] = ()) -> None:
        """Begin behind a prompt.

        Args:
            tokenizer: of transformers.
            prompt: token ids.
            stop: texts that end the text; none of them empty.
        """
        self._tokenizer, self._stop = tokenizer, tuple(stop)
        self._ids = list(prompt[-_CONTEXT:])
        self._from, self._read = 0, len(self._ids)
        self._held = ""
        self.stopped = False

    def add(self, token: int) -> str:
        """Return the text that can be given out after one more token."""
        self._ids.append(token)
        before = self._decoded(self._ids[self._from : self._read])
        after = self._decoded(self._ids[self._from :])
        if after.endswith("\ufffd") and len(self._ids) - self._read < _LONGEST:
            return ""
        self._from, self._read = self._read, len(self._ids)
        return self._passed(after[len(before) :])

    def finish(self) -> str:
        """Return what was waiting, at the end of all tokens."""
        before = self._decoded(self._ids[self._from : self._read])
        rest = self._passed(self._decoded(self._ids[self._from :])[len(before) :])
        rest, self._held = rest + self._held, ""
        return rest

    def _passed(self, new: str) -> str:
        text = self._held + new
        places = [place for each in self._stop if (place := text.find(each)) >= 0]
        if places:
            self.stopped, self._held = True, ""
            return text[: min(places)]
        begun = (n for each in self._stop for n in range(1, len(each)) if text.endswith(each[:n]))
        keep = max(begun, default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def _decoded(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text
