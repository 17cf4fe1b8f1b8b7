"""Limits: what a server takes on at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an engine takes on at most; a choice is one text that is written.

    Attributes:
        max_batch: choices that are written at a time.
        max_queue: choices that wait beside these.
        max_tokens: tokens that a choice may ask for.
        max_model_len: tokens of a prompt and of what is written after it.
        timeout_s: seconds from a request's arrival to its end.
    """

    max_batch: int = 16
    max_queue: int = 256
    max_tokens: int = 1024
    max_model_len: int = 2048
    timeout_s: float = 600.0
