"""The steps of an accuracy ladder: a folder of recipes, and a ladder.toml that orders them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from plena_cosim.golden import FormatError
from plena_cosim.ground.did_you_mean import did_you_mean
from plena_cosim.passes.recipe.read_table import Table, read_table

FP32 = "fp32"
"""The name of the first step: the model as it is."""

MANIFEST = "ladder.toml"


class StepTable(Table):
    """[[step]]: one recipe."""

    recipe: str
    title: str | None = None
    numerics: list[Literal["fake", "exact"]] = Field(default=["fake"], min_length=1)
    after: str | None = None
    reference: float | None = Field(default=None, gt=1, allow_inf_nan=False)


class ReferenceTable(Table):
    """[reference]: what the reference figures were measured on."""

    model: str
    text: str
    limit: int = Field(ge=2)
    seqlen: int = Field(ge=2)


class ManifestTable(Table):
    """ladder.toml."""

    reference: ReferenceTable | None = None
    reference_fp32: float | None = Field(default=None, gt=1, allow_inf_nan=False)
    step: list[Any] = Field(min_length=1)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a ladder.

    Attributes:
        name: the recipe's file name without its ending, or "fp32".
        recipe: the file, None for fp32.
        title: what the step is, for readers.
        numerics: "fake", "exact" or both, in this order.
        after: the step whose perplexity this one is compared with.
        reference: the token perplexity of PLENA's own definitions in this step.
    """

    name: str
    recipe: Path | None
    title: str
    numerics: tuple[str, ...] = ("fake",)
    after: str | None = None
    reference: float | None = None


def read_ladder(folder: Path) -> list[Step]:
    """Return fp32 and the steps of a folder of recipes.

    The folder's ladder.toml gives order, titles, numerics and reference figures; without it the
    recipes come in the order of their file names, each with fake numerics.

    Raises:
        FormatError: there are no recipes, or ladder.toml does not fit them.
    """
    files = sorted(path for path in folder.glob("*.toml") if path.name != MANIFEST)
    if not files:
        raise FormatError(f"no recipe (*.toml) in {folder}; give --recipes a folder that has some")
    path = folder / MANIFEST
    if not path.exists():
        first = Step(name=FP32, recipe=None, title=FP32)
        return _chained([first, *(_step(file, StepTable(recipe=file.name)) for file in files)])
    manifest = _read(path)
    steps = [Step(name=FP32, recipe=None, title=FP32, reference=manifest.reference_fp32)]
    for number, given in enumerate(manifest.step, start=1):
        where = f"{path} [[step]] {number}"
        table = read_table(StepTable, given, where)
        file = folder / table.recipe
        if file not in files:
            known = [file.name for file in files]
            raise FormatError(
                f"{where}: there is no recipe {table.recipe!r} in {folder}; there are "
                f"{', '.join(known)}{did_you_mean(table.recipe, known)}"
            )
        if file.stem in (step.name for step in steps):
            raise FormatError(f"{where}: {table.recipe} is a step already; name it once")
        if len(set(table.numerics)) < len(table.numerics):
            raise FormatError(f"{where}: numerics names one kind twice: {table.numerics}")
        earlier = [step.name for step in steps]
        if table.after is not None and Path(table.after).stem not in earlier:
            raise FormatError(
                f"{where}: after = {table.after!r} is no earlier step; those are "
                f"{', '.join(earlier)}{did_you_mean(table.after, earlier)}"
            )
        steps.append(_step(file, table))
    listed = {step.recipe for step in steps}
    if missing := [file.name for file in files if file not in listed]:
        raise FormatError(
            f"{path}: no [[step]] for {', '.join(missing)}; add one, or move the file elsewhere"
        )
    return _chained(steps)


def comparable(
    steps: Sequence[Step], folder: Path, *, model: str, text: str, limit: int | None, seqlen: int
) -> list[Step]:
    """Return the steps with their reference figures only if those are of the same tokens.

    The table [reference] of the folder's ladder.toml says what they were measured on; figures that
    do not say so cannot be compared.

    Args:
        steps: of `read_ladder`.
        folder: that they are from.
        model: of the run.
        text: that it reads.
        limit: tokens of the text.
        seqlen: tokens of a window.
    """
    path = folder / MANIFEST
    of = _read(path).reference if path.exists() else None
    run = (model, text, limit, seqlen)
    if of is not None and (of.model, of.text, of.limit, of.seqlen) == run:
        return list(steps)
    return [replace(step, reference=None) for step in steps]


def choose(steps: Sequence[Step], *, only: Iterable[str], exact: Iterable[str]) -> list[Step]:
    """Return fp32 and the steps named in `only` (all without any), those of `exact` also exact.

    Args:
        steps: of the manifest.
        only: names of steps.
        exact: names of steps that are measured in exact numerics as well.

    Raises:
        FormatError: a name is no step.
    """
    wanted, hardware = _names(steps, only, "--only"), _names(steps, exact, "--exact")
    if FP32 in hardware:
        raise FormatError("--exact fp32: fp32 has no recipe; name a step that has one")
    chosen = [step for step in steps if not wanted or step.name in wanted or step.name == FP32]
    return [
        replace(step, numerics=(*dict.fromkeys((*step.numerics, "exact")),))
        if step.name in hardware
        else step
        for step in chosen
    ]


def _names(steps: Sequence[Step], given: Iterable[str], option: str) -> set[str]:
    known = [step.name for step in steps]
    names = {name.removesuffix(".toml") for name in given}
    for name in sorted(names - set(known)):
        raise FormatError(
            f"{option} {name}: no such step; there are {', '.join(known)}"
            f"{did_you_mean(name, known)}"
        )
    return names


def _read(path: Path) -> ManifestTable:
    try:
        given = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not valid TOML: {error}") from None
    return read_table(ManifestTable, given, str(path))


def _step(file: Path, table: StepTable) -> Step:
    if file.stem == FP32:
        raise FormatError(f"{file}: a recipe cannot be called fp32, which is the first step's name")
    return Step(
        name=file.stem,
        recipe=file,
        title=table.title or file.stem,
        numerics=tuple(table.numerics),
        after=Path(table.after).stem if table.after is not None else None,
        reference=table.reference,
    )


def _chained(steps: list[Step]) -> list[Step]:
    """Let steps that name no other come after the one before them."""
    before: list[str | None] = [None, *(step.name for step in steps)]
    return [
        step if step.after else replace(step, after=name)
        for step, name in zip(steps, before, strict=False)
    ]
