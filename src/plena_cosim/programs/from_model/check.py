"""Running a model's programs, and comparing what they leave with hardware-exact torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from plena_cosim.golden.isa.fast import FastInterpreter
from plena_cosim.ground.progress import Progress

from ..image import Array
from .model_programs import ModelPrograms
from .parts import ModelParts

_AT_A_TIME = 10_000
"""Instructions between two looks at the clock."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A step that was run and compared.

    Attributes:
        name: of the step.
        words: of its program.
        instructions: that were carried out.
        codes: of the result.
        differing: of them, from torch's.
        seconds: that the program took.
    """

    name: str
    words: int
    instructions: int
    codes: int
    differing: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What hardware-exact torch makes of some tokens.

    Attributes:
        tokens: that it reads.
        inputs: of the first layer that programs have, (tokens, hidden).
        result: logits, or what leaves the last layer, (tokens, …).
    """

    tokens: list[int]
    inputs: Tensor
    result: Tensor


@torch.no_grad()
def by_torch(parts: ModelParts, prompt: Sequence[int], decode: int) -> list[Pass]:
    """Return what hardware-exact torch makes of a prompt and of tokens after it.

    Args:
        parts: of the model.
        prompt: tokens.
        decode: steps, each of the likeliest token so far.
    """
    network: Any = parts.network
    tokens, cache = torch.tensor([list(prompt)]), None
    found: list[Pass] = []
    seen: dict[str, Tensor] = {}

    def entering(module: Any, args: Any, kwargs: Any) -> None:
        seen["in"] = args[0] if args else kwargs["hidden_states"]

    def leaving(module: Any, args: Any, output: Any) -> None:
        seen["out"] = output[0] if isinstance(output, tuple) else output

    hooks = [
        parts.layers[0].register_forward_pre_hook(entering, with_kwargs=True),
        parts.layers[-1].register_forward_hook(leaving),
    ]
    try:
        for _ in range(decode + 1):
            made = network(tokens, past_key_values=cache, use_cache=True)
            cache = made.past_key_values
            inputs, result = (x.reshape(-1, x.shape[-1]) for x in (seen["in"], seen["out"]))
            if parts.whole:
                result = made.logits[0]
            found.append(Pass(tokens=tokens[0].tolist(), inputs=inputs, result=result))
            tokens = made.logits[:, -1:].argmax(-1)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def compare(
    programs: ModelPrograms, passes: Sequence[Pass], progress: Progress | None = None
) -> list[Compared]:
    """Run the programs of a model's steps one after the other, and compare each with torch.

    Args:
        programs: with a step for each pass.
        passes: of torch.
        progress: is told of the step that runs and of its instructions.

    Returns:
        What each step came to.
    """
    hbm: Array = programs.image.bytes()
    found = []
    for step, passed in zip(programs.steps, passes, strict=True):
        words = step.builder.program().words
        began, done, whole = time.perf_counter(), 0, step.builder.carried_out
        made = FastInterpreter(programs.machine, words, hbm=hbm)
        while not made.state.halted:
            done += made.carry_out(most=_AT_A_TIME)
            if progress is not None:
                progress(step.name, done, whole)
        hbm = made.state.hbm[: programs.image.end]
        wanted = programs.codes(passed.result)
        got = programs.image.read(step.result, hbm)
        found.append(
            Compared(
                name=step.name,
                words=len(words),
                instructions=done,
                codes=wanted.size,
                differing=int((got != wanted).sum()),
                seconds=time.perf_counter() - began,
            )
        )
    return found
