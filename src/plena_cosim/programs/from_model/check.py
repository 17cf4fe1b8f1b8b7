"""Running a model's programs, and comparing what they leave with hardware-exact torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from plena_cosim.golden.isa.interpreter import Interpreter

from ..image import Array
from .model_programs import ModelPrograms, Step
from .parts import ModelParts


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


@torch.no_grad()
def by_torch(parts: ModelParts, prompt: Sequence[int], decode: int) -> list[tuple[list[int], Any]]:
    """Return what hardware-exact torch makes of a prompt and of tokens after it.

    Args:
        parts: of the model.
        prompt: tokens.
        decode: steps, each of the likeliest token so far.

    Returns:
        Tokens of each step, and what `Inputs` holds of it.
    """
    network: Any = parts.network
    tokens, cache, found = torch.tensor([list(prompt)]), None, []
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
            result = made.logits if parts.whole else seen["out"]
            found.append((tokens[0].tolist(), Passed(seen["in"].reshape(-1, parts.width), result)))
            tokens = made.logits[:, -1:].argmax(-1)
    finally:
        for hook in hooks:
            hook.remove()
    return found


@dataclass(frozen=True)
class Passed:
    """What torch passed through the layers of the programs.

    Attributes:
        inputs: of the first layer, (tokens, hidden).
        result: logits, or what leaves the last layer, (1, tokens, …).
    """

    inputs: Tensor
    result: Tensor


def compare(
    programs: ModelPrograms,
    prompt: Sequence[int],
    *,
    decode: int = 0,
    progress: Callable[[Step, int], None] | None = None,
) -> list[Compared]:
    """Write the programs of a prompt and of steps behind it, run them, compare with torch.

    Args:
        programs: without steps yet.
        prompt: tokens.
        decode: steps behind it.
        progress: is told of the step that runs and of the instructions that it has carried out.

    Returns:
        What each step came to.
    """
    parts = programs.parts
    passes = by_torch(parts, prompt, decode)
    for tokens, passed in passes:
        inputs = None if parts.whole else programs.codes(passed.inputs)
        programs.step(tokens, inputs=inputs)
    hbm: Array = programs.image.bytes()
    found = []
    for step, (_, passed) in zip(programs.steps, passes, strict=True):
        words = step.builder.program().words
        began, done = time.perf_counter(), 0
        made = Interpreter(programs.machine, words, hbm=hbm)
        for _ in made.run():
            done += 1
            if progress is not None and not done % 1000:
                progress(step, done)
        hbm = made.state.hbm
        wanted = programs.codes(passed.result.reshape(-1, passed.result.shape[-1]))
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
