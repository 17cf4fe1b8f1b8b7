"""distill: train a model, as it will be quantised, to say what it said in floating point.

Knowledge distillation for quantised models, as in LLM-QAT (Liu et al. 2023, arXiv:2305.17888): the
float model is the teacher, its quantised copy the student, and the loss is the divergence of the
student's next-token probabilities from the teacher's. Rounding passes gradients straight through.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from plena_cosim.golden import FormatError
from plena_cosim.ground.progress import Progress

from ..layers.device import device_of
from ..layers.evaluating import evaluating
from ..layers.stream import require_tokens
from ..plan.plan_model import plans_of
from ..recipe.recipe import Recipe
from .state import Checkpoint, fingerprint_of
from .student import Trained, require_trainable, student_of

"""Called with steps done and steps in all."""

WARM_UP = 4
"""Steps in which the learning rate rises."""
LAST_RATE = 0.05
"""Share of the learning rate with which the last step ends."""
BETAS = (0.9, 0.99)
LARGEST_NORM = 1.0
"""Gradients longer than this, over all parameters, are shortened to it."""
SAVES = 8
"""At most so often a run saves its state."""


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


@torch.enable_grad()
def distill(
    model: nn.Module, recipe: Recipe, tokens: Tensor, *, progress: Progress | None = None
) -> Distilled:
    """Train a model's weights, in place, so that once quantised it says what it says now.

    Args:
        model: a causal language model in floating point. Its function changes: afterwards it is the
            float side of a quantised model, not the model that it was.
        recipe: with a [distill] table; quantises the student, in fake numerics.
        tokens: (samples, seqlen) int64.
        progress: called after each step, with steps done and steps in all.

    Returns:
        The loss of each step, and what a user should be told.

    Raises:
        FormatError: it cannot be trained for the recipe, a loss or gradient is not finite, or the
            state cannot be written. The model has not been changed then.
    """
    table = recipe.distill
    assert table is not None
    require_distillable(model, recipe, tokens)
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
    resumed, every = len(losses), -(-table.steps // SAVES)
    order = _order(len(tokens), table.batch_size, table.steps, table.seed or 0)
    lesson = _Lesson(_teacher(model), student, getattr(torch, table.precision), recipe.source)
    with evaluating(model):
        for step in range(resumed, table.steps):
            done, rate = step + 1, table.learning_rate * _rate(step, table.steps)
            losses.append(lesson.step(tokens[order[step]], optimizer, rate, done))
            if checkpoint and (done % every == 0 or done == table.steps):
                checkpoint.save(losses, optimizer, last=done == table.steps)
            if progress is not None:
                progress("distillation", done, table.steps)
    notes = list(checkpoint.notes) if checkpoint else []
    if _write_back(model, trained):
        notes.append(
            "trained weights were rounded to the model's own dtype, which loses small changes; "
            "load the model in float32"
        )
    return Distilled(losses=tuple(losses), resumed=resumed, notes=tuple(notes))


def require_distillable(model: nn.Module, recipe: Recipe, tokens: Tensor) -> None:
    """Raise FormatError where `distill` cannot begin; nothing is changed.

    Args:
        model: a causal language model in floating point.
        recipe: with a [distill] table.
        tokens: (samples, seqlen) int64.

    Raises:
        FormatError: tokens are no such samples or fewer than a batch, the recipe has what cannot be
            trained, or its device is not there.
    """
    table = recipe.distill
    assert table is not None
    require_tokens(tokens)
    if table.batch_size > len(tokens):
        raise FormatError(
            f"{recipe.source} [distill]: batch_size {table.batch_size} is more than the "
            f"{len(tokens)} samples; give nsamples = {table.batch_size} or more"
        )
    require_trainable(plans_of(model, recipe), recipe)
    device_of(table, "distill")


@dataclass(frozen=True)
class _Lesson:
    """Teacher and student, and how they multiply."""

    teacher: nn.Module
    student: nn.Module
    precision: torch.dtype
    source: str

    def step(
        self, batch: Tensor, optimizer: torch.optim.Optimizer, rate: float, number: int
    ) -> float:
        """Train the student on one batch, in place, and return the loss before.

        Args:
            batch: (samples, seqlen) int64.
            optimizer: of the latent weights.
            rate: the learning rate of this step.
            number: of the step, from 1, for the message.

        Returns:
            Nats a token by which the student diverges from the teacher.

        Raises:
            FormatError: the loss or its gradient is not finite; the weights stay then.
        """
        with torch.no_grad():
            wanted = self._log_probabilities(self.teacher, batch)
        said = self._log_probabilities(self.student, batch)
        loss = functional.kl_div(
            said, wanted.to(said.device), log_target=True, reduction="batchmean"
        )
        loss.backward()  # type: ignore[no-untyped-call]
        latents = [each for group in optimizer.param_groups for each in group["params"]]
        length = torch.nn.utils.clip_grad_norm_(latents, LARGEST_NORM)
        found = float(loss.detach())
        if not (math.isfinite(found) and bool(length.isfinite())):
            raise FormatError(
                f"{self.source} [distill]: in step {number} the loss is {found} and its gradient "
                f"{float(length)} long; give a smaller learning_rate, or another model or text "
                "where it is the first step"
            )
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return found

    def _log_probabilities(self, model: nn.Module, batch: Tensor) -> Tensor:
        """Return log-probabilities of next tokens, (samples * seqlen, vocabulary)."""
        device = next(model.parameters()).device
        narrower = self.precision != torch.float32
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=narrower):
            logits = model(batch.to(device), use_cache=False).logits
        return functional.log_softmax(logits.flatten(0, 1).float(), dim=-1)


def _teacher(model: nn.Module) -> nn.Module:
    """Return the model, or a copy in float32 of one that is narrower."""
    if all(each.dtype == torch.float32 for each in model.parameters() if each.is_floating_point()):
        return model
    return copy.deepcopy(model).float().eval()


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
def _write_back(model: nn.Module, trained: list[Trained]) -> bool:
    """Give a model what was trained; return whether a dtype rounded it."""
    rounded = False
    for each in trained:
        parameter, plain = model.get_parameter(each.name), each.plain()
        parameter.copy_(plain)
        rounded |= parameter.dtype != plain.dtype
    return rounded
