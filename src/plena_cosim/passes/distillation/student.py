"""Student: a model as a recipe will quantise it, with weights that can be trained."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError

from ..experts import ExpertWeight
from ..fake_linear import FakeLinear
from ..install import install_twins
from ..norm import QuantNorm
from ..phase import PhaseSwitch
from ..plans import plans_of
from ..quant_config import PassArgs
from ..rotation import rotate
from .latent_weight import LatentWeight


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A parameter of a student.

    Attributes:
        name: of the parameter in the model that the student was made from.
        latent: what is trained.
        rotation: size of the Hadamard blocks in whose basis it is; None: in the model's own.
        offset: what the student has added to the model's parameter.
    """

    name: str
    latent: nn.Parameter
    rotation: int | None = None
    offset: float = 0.0

    def plain(self) -> Tensor:
        """Return what the model's parameter becomes."""
        latent = self.latent.detach()
        return (latent if self.rotation is None else rotate(latent, self.rotation)) - self.offset


def student_of(
    model: nn.Module, recipe: PassArgs, *, rounded: bool, device: torch.device
) -> tuple[nn.Module, list[Trained]]:
    """Return a quantised copy of a model in float32, and what of it is trained.

    That is every weight that the recipe quantises, but one that two modules share, and every vector
    of the model: gains of norms, biases.

    Args:
        model: in floating point; it stays as it is.
        recipe: for fake numerics.
        rounded: products take rounded weights.
        device: where the student lives.

    Raises:
        FormatError: prefill and decode would have different weights.
    """
    student = copy.deepcopy(model).float().to(device)
    shared = _shared(student)
    store = LatentWeight.store(rounded=rounded)
    install_twins(student, plans_of(student, recipe), recipe, None, store=store)
    student.requires_grad_(False).eval()
    trained = [each for each in _trained(student, recipe) if each.name not in shared]
    for each in trained:
        each.latent.requires_grad_(True)
    return student, trained


def _trained(student: nn.Module, recipe: PassArgs) -> Iterator[Trained]:
    latents = set[int]()
    for name, module in student.named_modules():
        if isinstance(module, LatentWeight):
            latents.add(id(module.latent))
        if isinstance(module, PhaseSwitch) and any(
            isinstance(part, LatentWeight) for part in module.modules()
        ):
            raise FormatError(
                f"{recipe.source} [distill]: {name} would have one weight in prefill and another "
                "in decode; let them differ in data_in only, or remove [distill]"
            )
        if isinstance(module, ExpertWeight):
            yield from _of(module.stored, name)
            continue
        turned = isinstance(module, FakeLinear) and not module.dequant
        rotation = module.rotation if turned else None
        offset = module.offset if isinstance(module, QuantNorm) else 0.0
        yield from _of(getattr(module, "stored", None), f"{name}.weight", rotation, offset)
        yield from _of(getattr(module, "stored_bias", None), f"{name}.bias")
    for name, parameter in student.named_parameters():
        if parameter.ndim == 1 and parameter.is_floating_point() and id(parameter) not in latents:
            yield Trained(name=name, latent=parameter)


def _of(
    stored: nn.Module | None, name: str, rotation: int | None = None, offset: float = 0.0
) -> Iterator[Trained]:
    if isinstance(stored, LatentWeight):
        yield Trained(name=name, latent=stored.latent, rotation=rotation, offset=offset)


def _shared(model: nn.Module) -> set[str]:
    """Return the names of parameters that are of more than one module."""
    names = list(model.named_parameters(remove_duplicate=False))
    counts = Counter(id(parameter) for _, parameter in names)
    return {name for name, parameter in names if counts[id(parameter)] > 1}
