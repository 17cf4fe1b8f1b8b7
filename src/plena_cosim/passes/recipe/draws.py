"""Draws: the seeds of a recipe's stochastic rounding, another one for each use of a format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypedDict

from plena_cosim.golden import Mx, Rounding
from plena_cosim.golden.rounding import draw_seed

from .formats import ModuleFormats
from .role_format import ALL_ROLES
from .selector import Selector

_HELD = ("weight", "bias")
"""Roles that are rounded once, and have no batch."""


class DrawOptions(TypedDict, total=False):
    """Arguments of `fakequant.quantize`."""

    seed: int
    batch_axes: int


@dataclass(kw_only=True)
class Draws:
    """The seeds of one role of one module, call by call.

    Attributes:
        seed: of the recipe.
        module: name in the model.
        role: such as "data_in" or "qk_matmul".
        call: how often the role has been rounded.
    """

    seed: int
    module: str
    role: str
    call: int = 0

    def options(self, axes: int) -> DrawOptions:
        """Return what `fakequant.quantize` is to be given in the next call.

        Args:
            axes: of the tensor. The first of three or more is the batch, whose elements draw alike.
        """
        seed = draw_seed(self.seed, self.module, self.role, self.call)
        self.call += 1
        return {"seed": seed, "batch_axes": int(axes > 2 and self.role not in _HELD)}


@dataclass(frozen=True, eq=False)
class DrawnMx(Mx):
    """A block format that says how its stochastic rounding draws; else it is as the format is.

    Attributes:
        draws: None: with seed 0 each time.
    """

    draws: Draws | None = field(default=None, kw_only=True)

    def __eq__(self, other: object) -> bool:
        """Compare as formats are: draws do not count."""
        if not isinstance(other, Mx):
            return NotImplemented
        return _fields(self) == _fields(other)

    def __hash__(self) -> int:
        return super().__hash__()


def draw_options(mx: Mx, axes: int) -> DrawOptions:
    """Return what `fakequant.quantize` is to be given beside a format, for one call.

    Args:
        mx: the format.
        axes: of the tensor.
    """
    draws = mx.draws if isinstance(mx, DrawnMx) else None
    return {} if draws is None else draws.options(axes)


class DrawsOf:
    """The draws of all modules of a model."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._made: dict[tuple[str, str], Draws] = {}

    def begin_sample(self, number: int) -> None:
        """Count calls anew, from a place that follows from the number of a sample alone."""
        for each in self._made.values():
            each.call = (number + 1) << 32

    def selectors(self, module: str, chosen: Mapping[Any, Selector | None]) -> dict[Any, Any]:
        """Return the selectors of a module with formats that draw; phases go on with one count.

        Args:
            module: name in the model.
            chosen: by phase; None: left alone.
        """
        return {
            phase: None if each is None else replace(each, formats=self._formats(module, each))
            for phase, each in chosen.items()
        }

    def _formats(self, module: str, selector: Selector) -> ModuleFormats:
        formats = selector.formats
        inside = {
            each.name: self._drawn(getattr(formats.attention, each.name), module, each.name)
            for each in fields(formats.attention)
        }
        roles = {role: self._drawn(getattr(formats, role), module, role) for role in ALL_ROLES}
        return replace(formats, **roles, attention=replace(formats.attention, **inside))

    def _drawn(self, fmt: Any, module: str, role: str) -> Any:
        if not isinstance(fmt, Mx) or fmt.rounding is not Rounding.STOCHASTIC:
            return fmt
        draws = self._made.setdefault(
            (module, role), Draws(seed=self.seed, module=module, role=role)
        )
        given = {each.name: getattr(fmt, each.name) for each in fields(Mx)}
        return DrawnMx(**given, draws=draws)


_ATTRIBUTE = "plena_draws"


def note_draws(model: Any, draws: DrawsOf) -> None:
    """Have a model remember what draws in it."""
    setattr(model, _ATTRIBUTE, draws)


def begin_sample(model: Any, number: int) -> None:
    """Let stochastic rounding draw for a sample as it does where no other one came before.

    An evaluation that goes on after an interruption, or is split over processes, draws as one that
    measures sample after sample.

    Args:
        model: quantised or not.
        number: of the sample, from 0.
    """
    draws = getattr(model, _ATTRIBUTE, None)
    if isinstance(draws, DrawsOf):
        draws.begin_sample(number)


def _fields(mx: Mx) -> tuple[Any, ...]:
    return tuple(getattr(mx, each.name) for each in fields(Mx) if each.compare)
