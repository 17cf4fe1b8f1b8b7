"""distill: train a model, as it will be quantised, to say what it said in floating point.

Knowledge distillation for quantised models, as in LLM-QAT (Liu et al. 2023, arXiv:2305.17888): the
float model is the teacher, its quantised twin the student, and the loss is the divergence of the
student's next-token probabilities from the teacher's. Rounding passes gradients straight through.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim.golden import FormatError

from ..device import device_of
from ..quant_config import PassArgs
from .state import Checkpoint, fingerprint_of
from .student import Trained, student_of

Progress = Callable[[int, int], None]
"""Called with steps done and steps in all."""

WARM_UP = 4
"""Steps in which the learning rate rises."""
LAST_RATE = 0.05
"""Share of the learning rate with which the last step ends."""
BETAS = (0.9, 0.99)
LARGEST_NORM = 1.0
"""Gradients longer than this, over all parameters, are shortened to it."""


@dataclass(frozen=True, kw_only=True)
class Distilled:
    """What a training has done.

    Attributes:
        losses: of each step: nats a token by which the student diverged from the teacher, on the
            tokens of that step.
        resumed: steps that were taken from a checkpoint.
        notes: what a user should be told.
    """

    losses: tuple[float, ...]
    resumed: int
    notes: tuple[str, ...]


def distill(
    model: nn.Module, recipe: PassArgs, tokens: Tensor, *, progress: Progress | None = None
) -> Distilled:
    """Train a model's weights, in place, so that its quantised twin says what it says now.

    Args:
        model: a causal language model in floating point. Its function changes: afterwards it is the
            float side of a quantised model, not the model that it was.
        recipe: with a [distill] table; quantises the student, in fake numerics.
        tokens: (samples, seqlen) int64.
        progress: called after each step.

    Raises:
        FormatError: a step has more samples than there are, the loss is not finite, or the state
            cannot be written. The model has not been changed then.
    """
    table = recipe.distill
    assert table is not None
    if table.batch_size > len(tokens):
        raise FormatError(
            f"{recipe.source} [distill]: batch_size {table.batch_size} is more than the "
            f"{len(tokens)} samples; give nsamples = {table.batch_size} or more"
        )
    device = device_of(table, "distill")
    student, trained = student_of(model, recipe, rounded=table.weights == "rounded", device=device)
    checkpoint: Checkpoint | None = None
    if table.checkpoint_dir is not None:
        fingerprint = fingerprint_of(model, recipe, tokens)
        checkpoint = Checkpoint(Path(table.checkpoint_dir), fingerprint, trained)
    optimizer = torch.optim.AdamW(
        [each.latent for each in trained], lr=0.0, betas=BETAS, weight_decay=0.0
    )
    losses = checkpoint.load(optimizer) if checkpoint else []
    resumed = len(losses)
    order = _order(len(tokens), table.batch_size, table.steps, table.seed or 0)
    own_device = next(model.parameters()).device
    precision: torch.dtype = getattr(torch, table.precision)
    every = max(1, table.steps // SAVES)
    for step in range(resumed, table.steps):
        batch = tokens[order[step]]
        with torch.no_grad():
            wanted = _log_probabilities(model, batch.to(own_device), precision).to(device)
        loss = functional.kl_div(
            _log_probabilities(student, batch.to(device), precision),
            wanted,
            log_target=True,
            reduction="batchmean",
        )
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise FormatError(
                f"{recipe.source} [distill]: the loss of step {step + 1} is {losses[-1]}; give a "
                f"smaller learning_rate than {table.learning_rate}"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([each.latent for each in trained], LARGEST_NORM)
        for group in optimizer.param_groups:
            group["lr"] = table.learning_rate * _rate(step, table.steps)
        optimizer.step()
        done = step + 1
        if checkpoint and (done % every == 0 or done == table.steps):
            checkpoint.save(losses, optimizer, last=done == table.steps)
        if progress is not None:
            progress(done, table.steps)
    _write_back(model, trained)
    notes = tuple(checkpoint.notes) if checkpoint else ()
    return Distilled(losses=tuple(losses), resumed=resumed, notes=notes)


SAVES = 8
"""So often a run saves its state."""


def _log_probabilities(model: nn.Module, tokens: Tensor, precision: torch.dtype) -> Tensor:
    """Return the model's log-probabilities of next tokens, (samples * seqlen, vocabulary)."""
    narrower = precision != torch.float32
    with torch.autocast(tokens.device.type, dtype=torch.bfloat16, enabled=narrower):
        logits = model(tokens, use_cache=False).logits
    return functional.log_softmax(logits.flatten(0, 1).float(), dim=-1)


def _order(samples: int, batch: int, steps: int, seed: int) -> Tensor:
    """Return which samples each step reads, (steps, batch): all of them before any again."""
    generator = torch.Generator().manual_seed(seed)
    rounds = -(-steps * batch // samples)
    drawn = [torch.randperm(samples, generator=generator) for _ in range(rounds)]
    return torch.cat(drawn)[: steps * batch].view(steps, batch)


def _rate(step: int, steps: int) -> float:
    """Return the share of the learning rate that a step takes."""
    falling = 0.5 * (1 + math.cos(math.pi * step / steps))
    return min(1.0, (step + 1) / WARM_UP) * (LAST_RATE + (1 - LAST_RATE) * falling)


@torch.no_grad()
def _write_back(model: nn.Module, trained: list[Trained]) -> None:
    for each in trained:
        parameter = model.get_parameter(each.name)
        parameter.copy_(each.plain().to(parameter))
