"""Metrics: what a server counts, as Prometheus reads it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ..engine import Step
from ..stream import Stream

if TYPE_CHECKING:
    from ..engine import Engine

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_CHOICES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self._registry = of = CollectorRegistry()
        self._requests = Counter(
            "plena_requests", "Requests that have ended.", ["path", "status"], registry=of
        )
        self._tokens = Counter("plena_tokens", "Tokens read and written.", ["phase"], registry=of)
        self._seconds = Histogram(
            "plena_request_seconds", "From arrival to end.", buckets=_SECONDS, registry=of
        )
        self._first = Histogram(
            "plena_first_token_seconds", "To the first token.", buckets=_SECONDS, registry=of
        )
        self._steps = Histogram(
            "plena_step_seconds", "Of one step.", ["phase"], buckets=_SECONDS, registry=of
        )
        self._batch = Histogram(
            "plena_step_choices", "Choices of a step.", ["phase"], buckets=_CHOICES, registry=of
        )
        self._waiting = Gauge("plena_waiting_choices", "Choices in the queue.", registry=of)
        self._running = Gauge("plena_running_choices", "Choices being written.", registry=of)
        self._revision = Gauge("plena_revision", "Number of the model that serves.", registry=of)
        self._models = Gauge("plena_models", "Models that write or serve.", registry=of)

    def step(self, step: Step) -> None:
        """Count a step of the engine."""
        phase = step.phase.value
        self._tokens.labels(phase).inc(step.tokens)
        self._steps.labels(phase).observe(step.seconds)
        self._batch.labels(phase).observe(step.choices)

    def ended(self, path: str, status: int, stream: Stream | None = None) -> None:
        """Count a request.

        Args:
            path: of HTTP.
            status: of HTTP; of a stream what it would have been.
            stream: what was written; None: the engine has not taken it on.
        """
        self._requests.labels(path, str(status)).inc()
        if stream is None:
            return
        self._seconds.observe(time.monotonic() - stream.begun)
        if stream.first_token is not None:
            self._first.observe(stream.first_token - stream.begun)

    def text(self, engine: Engine) -> bytes:
        """Return all counters in Prometheus' text format.

        Args:
            engine: whose queue is looked at now.
        """
        revision = engine.current.revision
        self._waiting.set(engine.waiting)
        self._running.set(engine.running)
        self._revision.set(revision)
        self._models.set(len({revision, *engine.in_flight()}))
        return generate_latest(self._registry)
