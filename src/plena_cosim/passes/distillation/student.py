"""Student: a model as a recipe will quantise it, with weights that can be trained."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError

from ..modules.experts import ExpertWeight
from ..modules.fake_linear import FakeLinear
from ..modules.hadamard import rotate
from ..modules.quant_norm import QuantNorm
from ..plan.module_kind import Kind
from ..plan.plan_model import plans_of
from ..recipe.recipe import Phase, Recipe
from ..recipe.selector import Selector
from ..replace.build import Plan, input_formats
from ..replace.replace import install_twins
from .latent_weight import LatentWeight


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A parameter of a student.

    Attributes:
        name: of the parameter in the model that the student was made from.
        latent: what is trained, float32.
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


def require_trainable(plans: Sequence[Plan], recipe: Recipe) -> None:
    """Raise FormatError where a recipe quantises what [distill] cannot train, or nothing to learn.

    Args:
        plans: of the model.
        recipe: with a [distill] table.

    Raises:
        FormatError: the message names the module and the key.
    """
    table, where = recipe.distill, f"{recipe.source} [distill]"
    assert table is not None
    rounded = table.weights == "rounded"
    selectors = [selector for plan in plans for selector in plan.different()]
    if not rounded and not any(map(_quantises_operands, selectors)):
        raise FormatError(
            f'{where}: weights = "float", and the recipe quantises nothing but weights: there is '
            'nothing to learn; give weights = "rounded", or formats of inputs'
        )
    for plan in plans:
        if plan.kind in (Kind.ATTENTION, Kind.MLP):
            continue
        if len(set(plan.selectors.values())) > 1 and input_formats(plan, None) is None:
            raise FormatError(
                f"{where}: {plan.name} is not the same in prefill and decode, and training knows "
                "one weight for both; give both phases one table (of a linear layer data_in may "
                "differ), or remove [distill]"
            )
        for selector in plan.different():
            if rounded and selector.clip_search:
                raise FormatError(
                    f'{where}: weights = "rounded" trains weights that round without being '
                    f"clipped, and {plan.where(selector)} has clip_search; remove one of the two"
                )


def student_of(
    model: nn.Module, recipe: Recipe, *, rounded: bool, device: torch.device
) -> tuple[nn.Module, list[Trained]]:
    """Return a quantised copy of a model in float32, and what of it is trained.

    That is every weight that the recipe quantises, but one that two modules share, and besides all
    gains of norms and biases.

    Args:
        model: in floating point; it stays as it is.
        recipe: for fake numerics; `require_trainable` has said that it can be trained for.
        rounded: products take rounded weights.
        device: where the student lives.

    Returns:
        The student, of which only the latent weights require gradients, and these by the names
        that their parameters have in the model.
    """
    student = copy.deepcopy(model).float().to(device)
    own, shared = dict(student.named_parameters()), _shared(student)
    plans = [replace(p, selectors=_without_clipping(p)) for p in plans_of(student, recipe)]
    install_twins(student, plans, recipe, None, store=LatentWeight.store(rounded=rounded))
    student.requires_grad_(False).eval()
    trained = [each for each in _trained(student) if each.name in own and each.name not in shared]
    for each in trained:
        each.latent.requires_grad_(True)
    return student, trained


def _quantises_operands(selector: Selector) -> bool:
    """Return whether anything but a weight is quantised."""
    inside = selector.formats.attention
    formats = (inside.qk_matmul, inside.av_matmul, inside.rope, inside.softmax, inside.kv_cache)
    return any(fmt is not None for fmt in (selector.formats.data_in, *formats))


def _without_clipping(plan: Plan) -> dict[Phase, Selector | None]:
    # A search for clippings would change the weights that training starts from.
    return {
        phase: None if selector is None else replace(selector, clip_search=())
        for phase, selector in plan.selectors.items()
    }


def _trained(student: nn.Module) -> Iterator[Trained]:
    latents = set[int]()
    for name, module in student.named_modules():
        if isinstance(module, LatentWeight):
            latents.add(id(module.latent))
        if isinstance(module, ExpertWeight):
            yield from _of(module.stored, name)
            continue
        turned = isinstance(module, FakeLinear) and not module.dequant
        rotation = module.rotation if turned else None
        offset = module.offset if isinstance(module, QuantNorm) else 0.0
        yield from _of(getattr(module, "stored", None), f"{name}.weight", rotation, offset)
        yield from _of(getattr(module, "stored_bias", None), f"{name}.bias")
    for name, parameter in student.named_parameters():
        vector = parameter.ndim == 1 or name.endswith("bias")
        if vector and parameter.is_floating_point() and id(parameter) not in latents:
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
