"""Engine: writes the texts that requests ask for, many at a time, in one thread of its own."""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import torch

from plena_cosim.passes.recipe.recipe import Phase

from .choice import Choice
from .errors import RequestError
from .forward import decode, prefill
from .limits import Limits
from .request import Request
from .served_model import ServedModel
from .stream import Event, Stream

_LOG = logging.getLogger(__name__)
_GLANCE_S = 0.5
"""How often an engine without work looks for streams that are late."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of the engine, for whoever counts.

    Attributes:
        phase: prefill or decode: a step has passes of one alone.
        choices: that it went on with.
        tokens: that it read.
        seconds: that it took.
    """

    phase: Phase
    choices: int
    tokens: int
    seconds: float


class Engine:
    """Writes texts with the models that it is given, and knows nothing of HTTP.

    Each choice has its own cache and its own draws, and its passes are its own, so that it is what
    it would be alone. A step goes on with all choices of one model, by a pass each: over prompts,
    or over one more token, so that the phase of a step is one. One thread runs all of them.
    """

    def __init__(
        self,
        served: ServedModel,
        tokenizer: Any,
        *,
        ends: Collection[int] = (),
        limits: Limits | None = None,
        on_step: Callable[[Step], None] | None = None,
    ) -> None:
        """Start the thread.

        Args:
            served: the model that requests get until `use` gives another.
            tokenizer: of transformers; it is copied.
            ends: token ids that end a text.
            limits: what is taken on at most.
            on_step: told of each step, in the engine's thread.
        """
        self.limits = limits or Limits()
        self._tokenizer, self._ends = copy.deepcopy(tokenizer), frozenset(ends)
        self._on_step = on_step
        self._current = served
        self._changed = threading.Condition()
        self._waiting: deque[Choice] = deque()
        self._running: list[Choice] = []
        self._open: list[Stream] = []
        self._closing, self._stopped = False, False
        self._seconds = 1.0
        self._thread = threading.Thread(target=self._run, name="plena-engine", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------------- for any thread

    @property
    def current(self) -> ServedModel:
        """The model that a request gets now."""
        return self._current

    @property
    def waiting(self) -> int:
        """How many choices wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many choices are being written."""
        return len(self._running)

    def in_flight(self) -> Counter[int]:
        """Return how many requests have no end yet, by the revision of their model."""
        with self._changed:
            return Counter(stream.served.revision for stream in self._open)

    def submit(self, request: Request, *, emit: Callable[[Event], None] | None = None) -> Stream:
        """Take a request on; its model is the one that requests get now.

        Args:
            request: what is to be written.
            emit: told of each event in the engine's thread; None: the stream is iterated over.

        Returns:
            The answer, as it comes.

        Raises:
            RequestError: the request is beyond the limits, the queue is full, or the engine stops.
        """
        require_possible(request, self.limits)
        with self._changed:
            if self._closing:
                raise RequestError(
                    "the server is shutting down; try another one", status=503, code="closing"
                )
            free = max(0, self.limits.max_batch - len(self._running))
            if len(self._waiting) + request.choices > self.limits.max_queue + free:
                raise RequestError(
                    f"the queue is full: {len(self._waiting)} texts wait, at most "
                    f"{self.limits.max_queue} may; try again later",
                    status=429,
                    code="queue_full",
                    headers={"Retry-After": str(max(1, round(self._seconds)))},
                )
            stream = Stream(
                request, served=self._current, timeout_s=self.limits.timeout_s, emit=emit
            )
            room = self.limits.max_model_len
            for number in range(request.choices):
                self._waiting.append(
                    Choice(stream, number, tokenizer=self._tokenizer, ends=self._ends, room=room)
                )
            self._open.append(stream)
            self._changed.notify_all()
        return stream

    def use(self, served: ServedModel) -> None:
        """Give requests that come from now on another model.

        The one before goes with the last request that began with it.
        """
        with self._changed:
            self._current = served

    def drain(self) -> None:
        """Take on no more requests."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def end_all(self, error: RequestError) -> None:
        """Break off what is being written, each answer with an error."""
        with self._changed:
            for stream in self._open:
                stream.end(error)
            self._changed.notify_all()

    def close(self) -> None:
        """Take on no more requests, break off what is left, and end the thread."""
        self.drain()
        self.end_all(RequestError("the server has ended", status=503, code="closing"))
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    # -------------------------------------------------------------------- for the engine's own

    def _run(self) -> None:
        torch.set_num_threads(torch.get_num_threads())  # OpenMP counts for each thread
        while not self._stopped:
            self._turn()

    def _turn(self) -> None:
        """Read the prompts of choices that begin, then write a token of each that goes on."""
        for group in _by_model(self._begin()):
            self._step(Phase.PREFILL, group)
        for group in _by_model(self._running):
            self._step(Phase.DECODE, group)

    def _begin(self) -> list[Choice]:
        """Drop what has ended or is late, and return choices that begin; wait for work."""
        with self._changed:
            self._drop()
            if not (self._waiting or self._running or self._stopped):
                self._changed.wait(_GLANCE_S if self._open else None)
                self._drop()
            free = self.limits.max_batch - len(self._running)
            new = [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]
            self._running += new
            return new

    def _drop(self) -> None:
        """Forget streams that have ended, are late, or are not wanted, and all of theirs."""
        now = time.monotonic()
        for stream in self._open:
            if stream.cancelled:
                stream.end(RequestError("the request was cancelled", status=499, code="cancelled"))
            elif now > stream.deadline:
                stream.end(
                    RequestError(
                        f"the request took more than {self.limits.timeout_s:g} s; ask for fewer "
                        "tokens, or start the server with a longer --timeout",
                        status=504,
                        code="timeout",
                    )
                )
            if stream.ended:
                self._seconds += 0.2 * (now - stream.begun - self._seconds)
        self._open = [stream for stream in self._open if not stream.ended]
        self._running = [choice for choice in self._running if _goes_on(choice)]
        if any(choice.stream.ended for choice in self._waiting):
            self._waiting = deque(each for each in self._waiting if not each.stream.ended)

    def _step(self, phase: Phase, group: list[Choice]) -> None:
        """Go on with choices of one model that are in one phase."""
        started, tokens, count = time.perf_counter(), 0, 0
        read: dict[tuple[Any, ...], tuple[Any, Any]] = {}
        for choice in group:
            if choice.stream.cancelled or not _goes_on(choice):
                continue
            count += 1
            try:
                if phase is Phase.PREFILL:
                    tokens += self._read(choice, read)
                elif choice.token is not None:
                    network = choice.stream.served.network
                    logits = decode(network, choice.token, choice.cache, length=choice.length)
                    choice.length += 1
                    tokens += 1
                    choice.write(logits)
            except RequestError as error:
                choice.stream.end(error)
            except Exception as error:
                _LOG.exception("a request has failed")
                choice.stream.end(
                    RequestError(
                        f"the model has failed: {type(error).__name__}: {error}",
                        status=500,
                        code="failed",
                    )
                )
        if count and self._on_step is not None:
            seconds = time.perf_counter() - started
            self._on_step(Step(phase=phase, choices=count, tokens=tokens, seconds=seconds))

    def _read(self, choice: Choice, read: dict[tuple[Any, ...], tuple[Any, Any]]) -> int:
        """Read a prompt; choices of one prompt in one step share the pass. Return its tokens."""
        every = choice.stream.request.scores_prompt
        key = (choice.prompt, every)
        tokens = 0
        if key not in read:
            read[key] = prefill(choice.stream.served.network, choice.prompt, every=every)
            tokens = len(choice.prompt)
        logits, cache = read[key]
        choice.read_prompt(logits, copy.deepcopy(cache))
        return tokens


def require_possible(request: Request, limits: Limits) -> None:
    """Raise RequestError where no engine with these limits takes a request on."""
    longest = max(map(len, request.prompts), default=0)
    if not request.prompts or not all(request.prompts):
        raise RequestError("a prompt has no tokens; give some text", param="prompt")
    if request.choices > limits.max_queue + limits.max_batch:
        raise RequestError(
            f"{request.choices} texts are asked for, and a queue holds {limits.max_queue}; ask for "
            "fewer",
            param="n" if request.n > 1 else "prompt",
        )
    if request.max_tokens > limits.max_tokens:
        raise RequestError(
            f"max_tokens is {request.max_tokens}, and this server writes {limits.max_tokens} at "
            "most; ask for fewer, or start it with a larger --max-tokens",
            param="max_tokens",
        )
    if longest + request.max_tokens > limits.max_model_len:
        raise RequestError(
            f"the prompt has {longest} tokens and max_tokens is {request.max_tokens}, together "
            f"more than the {limits.max_model_len} that the model takes; shorten either",
            param="prompt" if longest >= limits.max_model_len else "max_tokens",
            code="context_length_exceeded",
        )


def _goes_on(choice: Choice) -> bool:
    return not (choice.done or choice.stream.ended)


def _by_model(choices: Iterable[Choice]) -> list[list[Choice]]:
    """Return choices in groups of one model each, in the order in which models come first."""
    groups: dict[int, list[Choice]] = {}
    for choice in choices:
        groups.setdefault(choice.stream.served.revision, []).append(choice)
    return list(groups.values())
