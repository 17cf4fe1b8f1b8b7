"""Checkpoint: the state of a training in one file, trusted only where all in it is as it should be.

`checkpoint_dir` holds a folder for each fingerprint, so that no run spoils what another has done:

    <checkpoint_dir>/<16 digits>/manifest.json       what decided the bits
    <checkpoint_dir>/<16 digits>/state.safetensors   weights, losses and, till the end, moments
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..checkpoints.fingerprint import Fingerprint
from ..checkpoints.run_folder import begin_folder, read_tensors, write_tensors
from ..recipe.recipe import Recipe
from .student import Trained

_NO_MATTER = ("checkpoint_dir", "device")
_LATER = ("gptq", "rotation_search")
_MOMENTS = ("exp_avg", "exp_avg_sq")


def fingerprint_of(model: nn.Module, recipe: Recipe, tokens: Tensor) -> Fingerprint:
    """Return everything that decides the bits of trained weights.

    Args:
        model: in floating point, as it goes into the training.
        recipe: with a [distill] table.
        tokens: (samples, seqlen) int64.
    """
    assert recipe.distill is not None
    tables = {key: value for key, value in recipe.tables.items() if key not in _LATER}
    tables["distill"] = recipe.distill.model_dump(mode="json", exclude=set(_NO_MATTER))
    return Fingerprint.of(model, tables, tokens)


class Checkpoint:
    """The file of one training.

    Attributes:
        path: of the file.
        notes: what was found that cannot be used, and why.
    """

    def __init__(self, root: Path, fingerprint: Fingerprint, trained: list[Trained]) -> None:
        """Open the folder of a fingerprint, and make it where there is none.

        Args:
            root: checkpoint_dir of the recipe.
            fingerprint: of what decides the bits.
            trained: parameters of the student, which `load` fills.

        Raises:
            FormatError: it cannot be written.
        """
        self.key, self.trained = fingerprint.key, trained
        folder, self.notes = begin_folder(root, fingerprint, table="distill")
        self.path = folder / "state.safetensors"

    def load(self, optimizer: torch.optim.Optimizer) -> list[float]:
        """Give weights and optimiser the state that is in the file, and return its losses.

        Without a file that can be used nothing changes, and there are no losses.
        """
        if not self.path.exists():
            return []
        found = read_tensors(self.path, self.key, self.notes, "training starts anew")
        if found is None:
            return []
        tensors, about = found
        shapes = {name: tensor.shape for name, tensor in tensors.items() if ":" not in name}
        if shapes != {each.name: each.latent.shape for each in self.trained}:
            self.notes.append(f"training starts anew: {self.path.name} holds other weights")
            return []
        for each in self.trained:
            each.latent.data.copy_(tensors[each.name])
            if each.name in about["steps"]:
                optimizer.state[each.latent] = {
                    "step": torch.tensor(float(about["steps"][each.name])),
                    **{m: tensors[f"{each.name}:{m}"].to(each.latent) for m in _MOMENTS},
                }
        losses: list[float] = about["losses"]
        return losses

    def save(self, losses: list[float], optimizer: torch.optim.Optimizer, *, last: bool) -> None:
        """Write the state after a step: the whole file, or none of it.

        Args:
            losses: of all steps up to now.
            optimizer: its moments are left out once the last step is done.
            last: whether it is.

        Raises:
            FormatError: it cannot be written.
        """
        tensors: dict[str, Tensor] = {each.name: each.latent for each in self.trained}
        steps: dict[str, float] = {}
        for each in [] if last else self.trained:
            state: dict[str, Any] = optimizer.state.get(each.latent, {})
            if state:
                steps[each.name] = float(state["step"])
                tensors |= {f"{each.name}:{m}": state[m] for m in _MOMENTS}
        kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_tensors(self.path, self.key, kept, {"losses": losses, "steps": steps})
