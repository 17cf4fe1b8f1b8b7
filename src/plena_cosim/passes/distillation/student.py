"""Student: a model as a recipe will quantise it, with weights that can be trained."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from plena_cosim.golden import FormatError

from ..modules.quantized_module import QuantizedModule, unchanged
from ..plan.plan import Plan
from ..plan.plan_model import plans_in
from ..recipe.recipe import Phase, Recipe
from ..recipe.selector import Selector
from ..replace.replace import replace_modules
from .latent_weight import LatentWeight


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A parameter of a student.

    Attributes:
        name: of the parameter in the model that the student was made from.
        latent: what is trained, float32.
        to_plain: makes values of the model's parameter of it, which is in the student's basis.
    """

    name: str
    latent: nn.Parameter
    to_plain: Callable[[Tensor], Tensor] = unchanged

    def plain(self) -> Tensor:
        """Return what the model's parameter becomes."""
        return self.to_plain(self.latent.detach())


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
        if not plan.kind.owns_weights:
            continue
        if plan.phases_differ() and plan.input_formats(None) is None:
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
    model: nn.Module, plans: Sequence[Plan], recipe: Recipe, *, rounded: bool, device: torch.device
) -> tuple[nn.Module, list[Trained]]:
    """Return a quantised copy of a model in float32, and what of it is trained.

    That is every weight that the recipe quantises, but one that two modules share, and besides all
    gains of norms and biases.

    Args:
        model: in floating point; it stays as it is.
        plans: of the model.
        recipe: theirs, for fake numerics; `require_trainable` has said that it can be trained for.
        rounded: products take rounded weights.
        device: where the student lives.

    Returns:
        The student, of which only the latent weights require gradients, and these by the names
        that their parameters have in the model.
    """
    student = copy.deepcopy(model).float().to(device)
    own, shared = dict(student.named_parameters()), _shared(student)
    mine = [replace(p, selectors=_without_clipping(p)) for p in plans_in(student, plans)]
    replace_modules(student, mine, recipe, None, store=LatentWeight.store(rounded=rounded))
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
        if not isinstance(module, QuantizedModule):
            continue
        for weight in module.held():
            if isinstance(weight.stored, LatentWeight):
                latents.add(id(weight.stored.latent))
                yield Trained(
                    name=f"{name}.{weight.name}".rstrip("."),
                    latent=weight.stored.latent,
                    to_plain=weight.to_plain,
                )
    for name, parameter in student.named_parameters():
        vector = parameter.ndim == 1 or name.endswith("bias")
        if vector and parameter.is_floating_point() and id(parameter) not in latents:
            yield Trained(name=name, latent=parameter)


def _shared(model: nn.Module) -> set[str]:
    """Return the names of parameters that are of more than one module."""
    names = list(model.named_parameters(remove_duplicate=False))
    counts = Counter(id(parameter) for _, parameter in names)
    return {name for name, parameter in names if counts[id(parameter)] > 1}
