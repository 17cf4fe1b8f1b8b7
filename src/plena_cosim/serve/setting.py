"""Setting: how a served model is quantised, and what may be said of that over a network."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from plena_cosim.evaluate.phase.phase_recipe import Activations, Part, phase_recipe
from plena_cosim.evaluate.recipe_text import recipe_text
from plena_cosim.golden import FormatError
from plena_cosim.passes import Recipe
from plena_cosim.passes.recipe.load import read_quant_config
from plena_cosim.passes.recipe.numerics import Numerics
from plena_cosim.passes.recipe.recipe import Phase

_KEYS = ("recipe", "toml", "patch", "numerics")
_PATCH_KEYS = ("phase", "layers", "width", "block_size")
_AT_START = (
    "gptq",
    "rotation_search",
    "scaling",
    "distill",
    "ranges",
    "token_collector",
)
"""Tables that calibrate for minutes, or read and write files of the machine."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a model is quantised.

    Attributes:
        base: the recipe without patches; None: the model runs as it is.
        patches: of the inputs of linear layers, by phase and by what a layer is.
        numerics: "fake" or "exact".
    """

    base: Recipe | None
    patches: Mapping[tuple[Phase, Part], Activations] = field(default_factory=dict)
    numerics: str = Numerics.FAKE.value

    def recipe(self, model: nn.Module) -> Recipe | None:
        """Return the recipe with its patches; FormatError where they do not fit.

        Args:
            model: in floating point.
        """
        if self.base is None or not self.patches:
            return self.base
        return phase_recipe(model, self.base, self.patches)

    def changed(self, body: Mapping[str, Any]) -> Setting:
        """Return the setting that a change asks for.

        Args:
            body: `recipe` (the tables) or `toml` (their text): another recipe, without patches;
                `patch`: a table or a list of tables with `phase`, `layers`, and `width` or
                `block_size`, on top of those that are there; `numerics`.

        Raises:
            FormatError: what is asked for cannot be; the message says what can.
        """
        _require_known(body, _KEYS, "a change")
        if not body or {"recipe", "toml"} <= set(body):
            raise FormatError("give one of recipe, toml, patch or numerics")
        made = self
        if "toml" in body:
            made = replace(made, base=_of_network(_parsed(body["toml"])), patches={})
        if "recipe" in body:
            tables = body["recipe"]
            made = replace(made, base=None if tables is None else _of_network(tables), patches={})
        if "numerics" in body:
            made = replace(made, numerics=Numerics.of(body["numerics"]).value)
        if "patch" in body:
            if made.base is None:
                raise FormatError("patch changes a recipe, and there is none; give recipe first")
            given = body["patch"]
            patches = dict(made.patches)
            for each in given if isinstance(given, list) else [given]:
                _apply(each, patches)
            made = replace(made, patches=patches)
        return made


def fingerprint(recipe: Recipe | None, numerics: str, machine: Any) -> str:
    """Return a short name of a way to compute.

    Args:
        recipe: with its patches; None: the model runs as it is.
        numerics: "fake" or "exact".
        machine: fields of the machine that was given beside the recipe, or None.
    """
    if recipe is None:
        return "plena-float"
    whole = f"{numerics}\n{machine}\n{recipe_text(recipe.tables)}"
    return f"plena-{numerics}-{hashlib.sha256(whole.encode()).hexdigest()[:12]}"


def _apply(given: Any, patches: dict[tuple[Phase, Part], Activations]) -> None:
    """Put one patch on top of others."""
    if not isinstance(given, dict):
        raise FormatError(f"a patch must be a table, got {given!r}")
    _require_known(given, _PATCH_KEYS, "a patch")
    phase = _one_of(Phase, given.get("phase"), "phase")
    part = _one_of(Part, given.get("layers"), "layers")
    for key in ("width", "block_size"):
        value = given.get(key, 1)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise FormatError(f"patch: {key} must be a whole number, got {value!r}")
        if value is not None and value < 1:
            raise FormatError(f"patch: {key} must be 1 or more, got {value}")
    sizes = {key: given[key] for key in ("width", "block_size") if key in given}
    if not sizes:
        raise FormatError("patch: give width or block_size; null takes it back")
    patches[phase, part] = replace(patches.get((phase, part), Activations()), **sizes)
    if not patches[phase, part]:
        del patches[phase, part]


def _one_of(kind: Any, given: Any, key: str) -> Any:
    known = [member.value for member in kind]
    if given not in known:
        raise FormatError(f"patch: {key} is {given!r}; give {' or '.join(known)}")
    return kind(given)


def _require_known(given: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    if foreign := sorted(map(str, set(given) - set(known))):
        raise FormatError(f"{what} has no {', '.join(foreign)}; known: {', '.join(known)}")


def _parsed(text: Any) -> dict[str, Any]:
    if not isinstance(text, str):
        raise FormatError(f"toml must be a text, got {type(text).__name__}")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not valid TOML: {error}") from None


def _of_network(tables: Any) -> Recipe:
    """Return a recipe that came over a network; nothing in it names a file of this machine."""
    if not isinstance(tables, dict):
        raise FormatError(f"recipe must be a table, got {type(tables).__name__}")
    found = sorted(set(_AT_START) & set(tables))
    hardware, rotation = tables.get("hardware"), tables.get("rotation")
    if isinstance(hardware, dict) and "config" in hardware:
        found.append("hardware.config")
    if isinstance(rotation, dict) and "matrices" in rotation:
        found.append("rotation.matrices")
    if found:
        raise FormatError(
            f"a recipe that comes over the network takes no {', '.join(found)}, which calibrate or "
            "name files; start the server with such a recipe by --quant-config"
        )
    return read_quant_config(tables, source="recipe")
