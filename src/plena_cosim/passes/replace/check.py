"""Whether modules can become what a recipe says, before any of them is changed."""

from __future__ import annotations

import torch
from torch import Tensor

from plena_cosim.fakequant.cast import value_dtype
from plena_cosim.golden import FormatError, HardwareConfig

from ..modules.eager_forward import EagerForward
from ..modules.module_kind import BuildRequest
from ..modules.read_weight import MULTIPLIED_OUTSIDE
from ..plan.plan import Plan
from ..ranges import stage_observer
from ..recipe.formats import RotationMode
from ..recipe.recipe import KvHandover
from ..recipe.role_format import ALL_ROLES
from ..recipe.selector import Selector
from ..recipe.spec_format import SpecFormat


def check(plan: Plan, hw: HardwareConfig | None, handover: KvHandover) -> None:
    """Raise FormatError where a module cannot become what a recipe says; change nothing.

    Args:
        plan: for one module.
        hw: the machine of exact numerics; None for fake numerics.
        handover: what decode makes of the cache of prefill.
    """
    for selector in plan.different():
        where = plan.where(selector)
        _require_codes(selector, hw, where)
        _require_spec(plan, selector, hw, where)
        if plan.kind.owns_weights:
            _require_finite(plan, where)
        request = BuildRequest(module=plan.module, selector=selector, hw=hw, where=where)
        _require_own_forward(plan, where)
        _require_call(plan, selector, hw, where)
        plan.kind.check(request, handover)
        if hw is not None:
            for dtype in {parameter.dtype for parameter in plan.module.parameters()}:
                if dtype.is_floating_point:
                    require_holds(dtype, hw, where)
    plan.kind.check_phases(plan.phased(hw))


def _require_codes(selector: Selector, hw: HardwareConfig | None, where: str) -> None:
    semantics = (selector.semantics, selector.formats.attention.semantics)
    if hw is not None and RotationMode.DEQUANT in semantics:
        raise FormatError(
            f'{where}: semantics = "dequant" rotates operands back once they are quantised, '
            "and what that gives are no MX codes, which alone the matrix unit multiplies; use "
            'semantics = "fused" in [rotation], or fake numerics'
        )


def _require_spec(plan: Plan, selector: Selector, hw: HardwareConfig | None, where: str) -> None:
    """Raise FormatError where axes of a format have no meaning, or the machine has no unit."""
    formats = selector.formats
    given = {role: getattr(formats, role) for role in ALL_ROLES}
    given["softmax_out"] = formats.attention.softmax_out
    for role, fmt in given.items():
        if hw is not None and (isinstance(fmt, SpecFormat) or (fmt and role == "data_out")):
            raise FormatError(
                f"{where}: {role}: the machine has no unit for {fmt.name}; exact numerics take MX "
                "operands in blocks along the contraction. Use fake numerics, or leave it out"
            )
        if not isinstance(fmt, SpecFormat):
            continue
        parameter = getattr(plan.module, role, None)
        try:
            for stage in fmt.stages:
                if stage.range is not None:
                    stage_observer(stage, of_rows=role in ("data_in", "data_out"))
                if isinstance(parameter, Tensor):
                    stage.granularity.axis(parameter.shape)
        except FormatError as error:
            raise FormatError(f"{where}: {role}: {error}") from None


def _require_own_forward(plan: Plan, where: str) -> None:
    for module in plan.kind.taken_over(plan.module):
        if not isinstance(vars(module).get("forward"), EagerForward | None):
            hook = " (accelerate's hooks do that)" if hasattr(module, "_hf_hook") else ""
            raise FormatError(
                f"{where}: another forward was put over {type(module).__name__}'s own{hook}, and "
                "quantising would remove it; quantise first, then put it there"
            )


def _require_call(plan: Plan, selector: Selector, hw: HardwareConfig | None, where: str) -> None:
    """Raise FormatError where a module that is not called would have to be."""
    if not plan.taken_by:
        return
    if hw is not None:
        raise FormatError(f"{where}: {MULTIPLIED_OUTSIDE.format(plan.taken_by)}")
    if selector.online_rotate:
        raise FormatError(
            f"{where}: {plan.taken_by} multiplies by its weight without calling it, so that its "
            "input cannot be rotated; exclude it, or give it online_rotate = false"
        )


def _require_finite(plan: Plan, where: str) -> None:
    for role, parameter in plan.module.named_parameters(recurse=False):
        values = parameter.detach()
        if not values.is_meta and not bool(values.isfinite().all()):
            raise FormatError(f"{where}: its {role} holds a NaN or Inf and cannot be quantised")


def require_holds(dtype: torch.dtype, machine: HardwareConfig, where: str) -> None:
    """Refuse a dtype that does not hold every value of the machine's vectors.

    Args:
        dtype: floating point.
        machine: with the vector format.
        where: for messages.

    Raises:
        FormatError: it does not.
    """
    vector, info = machine.vector_format, torch.finfo(dtype)
    fits = (
        (value_dtype(vector) == torch.float32 or dtype == torch.float64)
        and 2.0**-vector.man_bits >= info.eps
        and vector.max_value <= info.max
    )
    if not fits:
        raise FormatError(
            f"{where}: {dtype} cannot hold the machine's vector format {vector.name}; "
            "load the model in float32"
        )
