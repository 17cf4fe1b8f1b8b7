"""algorithm_tables: Quark's algorithms as the tables of a recipe that do the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plena_cosim.golden import FormatError

from .quantization.config.algorithms import (
    ALGORITHMS,
    AlgoConfig,
    AutoSmoothQuantConfig,
    AWQConfig,
    QuaRotConfig,
    RotationConfig,
    SmoothQuantConfig,
)

AWQ_GRID = 20
"""Exponents that Quark 0.13's AWQ tries."""

_Tables = dict[str, dict[str, Any]]
_ROTATIONS = ("r1", "r2", "r3", "r4")


def algorithm_tables(algorithms: Sequence[AlgoConfig]) -> tuple[_Tables, list[str]]:
    """Return the tables [scaling] and [rotation] that algorithms mean, and what they do not say.

    Args:
        algorithms: in any order; a recipe has one of its own. GPTQ and Qronos are `with_gptq`'s.

    Raises:
        FormatError: no table does what one does, or two want the same table.
    """
    tables: _Tables = {}
    notes: list[str] = []
    for algorithm in algorithms:
        found, said = _MEANINGS[type(algorithm)](algorithm)
        whose = next(name for name, kind in ALGORITHMS.items() if isinstance(algorithm, kind))
        for name, table in found.items():
            if name in tables:
                raise FormatError(
                    f"algo_config: {whose}: a recipe has one [{name}], and another "
                    "algorithm takes it already; keep one of them"
                )
            tables[name] = table
        notes += [f"{whose}: {each}" for each in said]
    return tables, notes


def _smooth(given: SmoothQuantConfig) -> tuple[_Tables, list[str]]:
    if not 0 <= given.alpha <= 1:
        raise FormatError(f"smooth: alpha must be 0 … 1 in [scaling]; got {given.alpha}")
    if not 0 < given.scale_clamp_min <= 1:
        raise FormatError(
            f"smooth: scale_clamp_min must be above 0 and at most 1 in [scaling]; got "
            f"{given.scale_clamp_min}"
        )
    table = {
        "method": "smoothquant",
        "alpha": float(given.alpha),
        "scale_clamp_min": float(given.scale_clamp_min),
    }
    return {"scaling": table}, _groups(given.scaling_layers)


def _auto_smooth(given: AutoSmoothQuantConfig) -> tuple[_Tables, list[str]]:
    table = {"method": "autosmoothquant", "loss": (given.compute_scale_loss or "MSE").lower()}
    return {"scaling": table}, _groups(given.scaling_layers)


def _awq(given: AWQConfig) -> tuple[_Tables, list[str]]:
    notes = [_ENDPOINT, "weights are not clipped; Quark searches a clipping behind the scales"]
    return {"scaling": {"method": "awq", "grid": AWQ_GRID}}, notes + _groups(given.scaling_layers)


_ENDPOINT = "the exponent 1 is tried, too, and inputs count as the recipe quantises them"


def _groups(scaling_layers: Any) -> list[str]:
    if not scaling_layers:
        return []
    return ["scaling_layers is not read: groups are found from the model"]


def _rotation(given: RotationConfig) -> tuple[_Tables, list[str]]:
    if given.online_r1_rotation:
        raise FormatError(
            "rotation: online_r1_rotation has no key in [rotation]; take r1 folded, or name the "
            "linear layers in its online"
        )
    if given.trainable or given.train_smooth:
        raise FormatError("rotation: trained rotations have no table in a recipe")
    random = given.random or _one_random(given, r1=given.random_r1, r2=given.random_r2)
    return _rotated(given, random=random), _groups(given.scaling_layers)


def _quarot(given: QuaRotConfig) -> tuple[_Tables, list[str]]:
    path = given.optimized_rotation_path
    if path is not None and not (given.r1 or given.r2):
        raise FormatError(
            f"quarot: optimized_rotation_path = {path!r} is of R1 and R2, and both are False"
        )
    trained = path is not None
    random = not trained and _one_random(given, r1=given.random_r1, r2=given.random_r2)
    tables = _rotated(given, random=random)
    if path is not None:
        tables["rotation"]["matrices"] = path
    return tables, _groups(given.scaling_layers)


def _rotated(given: RotationConfig | QuaRotConfig, *, random: bool) -> _Tables:
    table: dict[str, Any] = {key: True for key in _ROTATIONS if getattr(given, key)}
    if given.rotation_size is not None:
        table["size"] = given.rotation_size
    if random:
        table["random"] = True
    return {"rotation": table}


def _one_random(given: RotationConfig | QuaRotConfig, *, r1: bool, r2: bool) -> bool:
    """Return whether signs are random; FormatError where R1 and R2 differ in that."""
    wanted = {one for one, used in ((r1, given.r1), (r2, given.r2)) if used}
    if len(wanted) > 1:
        raise FormatError(
            f"rotation: random_r1 = {r1} and random_r2 = {r2}: random of [rotation] is about "
            "both; give both the same value"
        )
    return True in wanted


_MEANINGS: dict[type[AlgoConfig], Callable[[Any], tuple[_Tables, list[str]]]] = {
    SmoothQuantConfig: _smooth,
    AutoSmoothQuantConfig: _auto_smooth,
    AWQConfig: _awq,
    RotationConfig: _rotation,
    QuaRotConfig: _quarot,
}
