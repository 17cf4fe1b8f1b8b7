"""check_family: what a recipe of four bits makes of one family, small and with random weights."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor, nn

from plena_cosim.golden import FormatError
from plena_cosim.passes import LeftAlone, left_alone, quantize_module_transform_pass
from plena_cosim.passes.kinds import kind_of, obstacle
from plena_cosim.passes.modules.module_kind import BLOCKS, ModuleKind
from plena_cosim.passes.plan.left_alone import Cause
from plena_cosim.passes.plan.plan_model import plans_of
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.replace.check import check
from plena_cosim.sources.errors import need

from .shrink import small_config

TOKENS = 16
_LARGEST = 20_000_000
"""Parameters that a small model may have; more say that sizes have names that nobody knows."""
_LINEAR = {
    "name": "mxint",
    "weight_block_size": 16,
    "weight_width": 4,
    "data_in_block_size": 16,
    "data_in_width": 4,
}
_OPERAND = {"data_in_block_size": 16, "data_in_width": 4}
OPERATIONS = ("kv_cache", "qk_matmul", "av_matmul")


class AttentionResult(BaseModel):
    """What became of the attention modules of a family.

    Attributes:
        modules: how many are of the kind that recipes know.
        quantized: the operations whose format changed the output.
        refused: by operation, or for `modules` that nothing knows: why not.
    """

    modules: int = 0
    quantized: list[str] = []
    refused: dict[str, str] = {}


class FamilyResult(BaseModel):
    """What became of one family.

    Attributes:
        family: type of the configuration.
        architecture: class of the model; empty where there is none.
        stopped: why there is nothing to tell: no model, or one that does not run on tokens.
        fault: what went wrong in this project's own work, which is no refusal.
        quantized: weight matrices quantised.
        unable: those that stay and are no tables: how many, by the reason.
        tables: those whose rows are looked up.
        silent: quantised modules that the model did not call.
        attention: of its attention modules.
    """

    family: str
    architecture: str = ""
    stopped: str = ""
    fault: str = ""
    quantized: int = 0
    unable: dict[str, int] = {}
    tables: int = 0
    silent: list[str] = []
    attention: AttentionResult = AttentionResult()


def check_family(family: str) -> FamilyResult:
    """Return what becomes of a family under four bits, in fake numerics.

    Args:
        family: type of the configuration, such as "llama".
    """
    transformers = need("transformers")
    transformers.logging.set_verbosity_error()
    result = FamilyResult(family=family)
    try:
        model = _small_model(family)
        result.architecture = type(model).__name__
    except Exception as error:  # whatever a family's own code raises
        result.stopped = f"no model: {_one_line(error)}"
        return result
    try:
        before = _output(model)
    except Exception as error:
        result.stopped = f"does not run on tokens alone: {_one_line(error)}"
        return result
    if not bool(before.isfinite().all()):
        result.stopped = "its float output is not finite with random weights"
        return result
    try:
        _check_linear(model, before, result)
        result.attention = _check_attention(model, before)
    except Exception as error:
        result.fault = _one_line(error)
    return result


def _small_model(family: str) -> nn.Module:
    transformers = need("transformers")
    config = small_config(family)
    with torch.device("meta"):
        shape = transformers.AutoModelForCausalLM.from_config(config)
    count = sum(parameter.numel() for parameter in shape.parameters())
    if count > _LARGEST:
        raise ValueError(f"{count:,} parameters with the smallest sizes that are known")
    torch.manual_seed(0)
    model: nn.Module = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, 0.1)  # zeros would hide what is not quantised
            elif parameter.is_floating_point():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


@torch.no_grad()
def _output(model: nn.Module) -> Tensor:
    """Return the logits of a few tokens."""
    ids = torch.randint(3, 60, (1, TOKENS), generator=torch.Generator().manual_seed(1))
    given = model(input_ids=ids)
    found = given.logits if hasattr(given, "logits") else given[0]
    assert isinstance(found, Tensor)
    return found


def _check_linear(model: nn.Module, before: Tensor, result: FamilyResult) -> None:
    """Quantise every matrix that a recipe can, and note what stays."""
    names = [
        name
        for name, module in model.named_modules()
        if name and obstacle(module) is None and _takes_blocks(kind_of(module))
    ]
    if names:
        recipe: dict[str, Any] = {"by": "name", **dict.fromkeys(names, _LINEAR)}
        made = deepcopy(model)
        _, info = quantize_module_transform_pass(made, recipe)
        called: set[str] = set()
        for name in info:
            made.get_submodule(name).register_forward_hook(_noting(called, name))
        after = _output(made)
        if not bool(after.isfinite().all()):
            raise ArithmeticError("the output of quantised layers is not finite")
        if torch.equal(after, before):
            raise ArithmeticError("quantised layers change no output")
        result.silent = [name for name in info if name not in called]
        left = left_alone(made)
        owners = {name: model.get_submodule(name) for name in info}
        result.quantized = sum(_count(module) for module in owners.values())
    else:
        left = _nothing_chosen(model)
    for matrix in left.matrices:
        if matrix.cause is Cause.LOOKED_UP:
            result.tables += 1
        else:
            result.unable[matrix.reason] = result.unable.get(matrix.reason, 0) + 1


def _takes_blocks(kind: ModuleKind | None) -> bool:
    """Return whether modules of a kind take both operands of a product in blocks."""
    roles = {} if kind is None else kind.accepts.roles
    return roles.get("weight") == roles.get("data_in") == BLOCKS


def _count(module: nn.Module) -> int:
    kind = kind_of(module)
    return 0 if kind is None else len(kind.operands(module))


def _noting(called: set[str], name: str) -> Any:
    def note(module: nn.Module, given: Any, output: Any) -> None:
        called.add(name)

    return note


def _nothing_chosen(model: nn.Module) -> LeftAlone:
    nothing = deepcopy(model)
    quantize_module_transform_pass(nothing, {"by": "name"})
    return left_alone(nothing)


def _check_attention(model: nn.Module, before: Tensor) -> AttentionResult:
    """Try each operation inside attention by itself."""
    kinds = {name: kind_of(module) for name, module in model.named_modules() if name}
    names = [name for name, kind in kinds.items() if kind is not None and kind.accepts.attention]
    result = AttentionResult(modules=len(names))
    if unknown := sorted(_unknown_attention(model, names)):
        result.refused["modules"] = f"a recipe knows no attention in {', '.join(unknown)}"
    for operation in OPERATIONS if names else ():
        table = {"name": "mxint", operation: _OPERAND}
        why = _refusal(model, {"by": "name", **dict.fromkeys(names, table)})
        if why is None:
            made = deepcopy(model)
            quantize_module_transform_pass(made, {"by": "name", **dict.fromkeys(names, table)})
            try:
                after = _output(made)
            except FormatError as error:
                why = _one_line(error)
            else:
                if torch.equal(after, before):
                    why = "its format changes no output"
        if why is None:
            result.quantized.append(operation)
        else:
            result.refused[operation] = why
    return result


def _refusal(model: nn.Module, tables: dict[str, Any]) -> str | None:
    """Return why a recipe refuses the first module that it refuses; None: it takes all."""
    recipe = read_quant_config(tables)
    for plan in plans_of(model, recipe):
        try:
            check(plan, None, recipe.kv_handover)
        except FormatError as error:
            return str(error).partition(f"module {plan.name!r}: ")[2] or _one_line(error)
    return None


def _unknown_attention(model: nn.Module, known: Iterable[str]) -> set[str]:
    """Return the classes called attention that own projections and are of no kind."""
    known = tuple(known)
    found = set()
    for name, module in model.named_modules():
        inside = any(name == other or name.startswith(f"{other}.") for other in known)
        around = any(other.startswith(f"{name}.") for other in known)
        called = "attention" in type(module).__name__.lower()
        projects = any(_takes_blocks(kind_of(child)) for child in module.children())
        if called and projects and not inside and not around:
            found.add(type(module).__name__)
    return found


def _one_line(error: Exception) -> str:
    """Return class and message of an error, on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
